"""A trained network and its decoding as one graph of plain PyTorch operators: `torch.export` files and ONNX."""

import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import pyposeops
from python_models.errors import UserError
from python_models.estimator import PoseEstimator, Refine
from python_models.files import check_output_file, write_atomically
from python_models.model_card import ModelCard, load_model
from python_models.zoo import model_info, require_crops

TOLERANCE = 1e-4  # of what ONNX Runtime gives, in parts of the crop's width and of the largest score
_SEED = 0


class ExportedPose(nn.Module):
    """Crops in, joints out.

    Args:
        network: of heat maps, coordinates or volumes, in eval mode.
        card: what the network gives.
        raw_input: crops are uint8, RGB; else they are normalised floats in the network's order of channels.
        refine, flip_test: as in `PoseEstimator`.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, network: nn.Module, card: ModelCard, *, raw_input: bool, refine: Refine, flip_test: bool
    ) -> None:
        super().__init__()
        info = model_info(card.model)
        self.network, self.raw_input, self.bgr = network, raw_input, info.channel_order == "bgr"
        self.register_buffer("mean", torch.tensor(info.mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(info.std).view(1, 3, 1, 1))
        self.estimator = PoseEstimator(
            self.network, card, device=torch.device("cpu"), refine=refine, flip_test=flip_test
        )

    def forward(self, crops: Tensor) -> tuple[Tensor, Tensor]:
        """Joints (N, K, 2) in crop pixels and scores (N, K) of crops (N, 3, h, w)."""
        if self.raw_input:
            colours = crops.flip(1) if self.bgr else crops
            crops = (colours.float() / 255 - self.mean) / self.std
        return tuple(self.estimator.from_crops(crops, None))


@contextmanager
def plain_operators() -> Iterator[None]:
    """Inside, the operators are their definitions, so that a traced graph holds PyTorch's own operators only."""
    own = {name: getattr(pyposeops, name) for name in pyposeops.reference.__all__}
    try:
        for name in own:
            setattr(pyposeops, name, getattr(pyposeops.reference, name))
        yield
    finally:
        for name, function in own.items():
            setattr(pyposeops, name, function)


def export(
    *,
    weights: str,
    out: str,
    model: str | None = None,
    raw_input: bool = False,
    refine: Refine = "auto",
    flip_test: bool = False,
) -> Path:
    """Write a model as one graph from crops to joints: .onnx, or .pt2 for torch.export.load.

    The graph takes any number of crops (N, 3, h, w) and gives `keypoints` (N, K, 2), (x, y) in crop pixels, and
    `scores` (N, K). It needs nothing of ours where it runs. Names of the joints, their partners and limbs, and the
    input's size and normalisation are written into the file. An ONNX file is run once and compared where
    onnxruntime is installed.

    Args:
        weights: path or URL of a checkpoint.
        out: file to write; its ending decides the format.
        model: name in the zoo, for checkpoints that do not name their model.
        raw_input: take uint8 RGB crops and normalise inside of the graph.
        refine: refinement of heat-map peaks; auto takes what belongs to the encoding trained with.
        flip_test: average with the mirrored crop, inside of the graph.
    """
    path = check_output_file("out", out)
    if path.suffix not in (".onnx", ".pt2"):
        raise UserError(f"out {out}: expected a file that ends in .onnx or .pt2")
    network, card = load_model(weights, model=model)
    require_crops(card.model)
    if card.stages > 1:
        raise UserError(
            f"weights {weights}: a cascade looks at the image again, and the graph begins with crops"
        )
    if card.stn_width:
        raise UserError(
            f"weights {weights}: the graph cannot hold the spatial transformer in front of the network"
        )
    pose = ExportedPose(network, card, raw_input=raw_input, refine=refine, flip_test=flip_test).eval()
    crops = example_crops(card, raw_input)
    graph = trace(pose, crops)
    facts = {key: json.dumps(value) for key, value in facts_of(card, raw_input).items()}
    if path.suffix == ".pt2":
        write_atomically(path, lambda file: torch.export.save(graph, file, extra_files=facts))
        print(f"written: {path}")
        return path
    content = to_onnx(graph, facts)
    note = check_onnx(content, pose, example_crops(card, raw_input, count=3))
    write_atomically(path, lambda file: file.write(content))
    print(f"written: {path}; {note}")
    return path


def example_crops(card: ModelCard, raw_input: bool, count: int = 2) -> Tensor:
    """Noise of the right shape; the same at every call."""
    generator = torch.Generator().manual_seed(_SEED)
    shape = (count, 3, *card.input_size)
    if raw_input:
        return torch.randint(256, shape, generator=generator, dtype=torch.uint8)
    return torch.randn(shape, generator=generator)


def trace(pose: nn.Module, crops: Tensor) -> torch.export.ExportedProgram:
    """The graph of a module for any number of crops; raises UserError where an operator of ours is left in it."""
    with plain_operators(), torch.no_grad():
        graph = torch.export.export(pose, (crops,), dynamic_shapes=({0: torch.export.Dim("people")},))
    called = {str(node.target) for node in graph.graph.nodes if node.op == "call_function"}
    own = sorted(name for name in called if name.startswith("pyposeops"))
    if own:
        raise UserError(f"export: the graph would need {', '.join(own)}")
    return graph


def facts_of(card: ModelCard, raw_input: bool) -> dict[str, Any]:
    """What someone who only has the file wants to know."""
    info = model_info(card.model)
    facts: dict[str, Any] = {
        "model": card.model,
        "input_size": card.input_size,
        "joint_names": card.skeleton.joint_names,
        "flip_pairs": card.skeleton.flip_pairs,
        "limbs": card.skeleton.limbs,
        "channel_order": "rgb" if raw_input else info.channel_order,
    }
    return facts if raw_input else {**facts, "mean": info.mean, "std": info.std}


def to_onnx(graph: torch.export.ExportedProgram, facts: dict[str, str]) -> bytes:
    """The file's content."""
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise UserError(
            f"export: writing ONNX needs the package {error.name}: pip install 'pyposeops[export]'"
        ) from error
    logging.getLogger("torch.onnx").setLevel(
        logging.ERROR
    )  # tells of operators of torchvision, which are not used
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            graph, dynamo=True, verbose=False, input_names=["crops"], output_names=["keypoints", "scores"]
        )
    assert program is not None
    content = program.model_proto
    for key, value in facts.items():
        content.metadata_props.add(key=key, value=value)
    return bytes(content.SerializeToString())


def check_onnx(content: bytes, pose: nn.Module, crops: Tensor) -> str:
    """Runs the file once and says how far its joints are from PyTorch's; raises UserError where they differ."""
    try:
        import onnxruntime
    except ImportError:
        return "not run, since onnxruntime is not installed"
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    keypoints, scores = session.run(None, {"crops": crops.numpy()})
    with torch.no_grad():
        expected, expected_scores = (tensor.numpy() for tensor in pose(crops))
    far = float(np.abs(keypoints - expected).max()) / crops.shape[-1]
    off = float(np.abs(scores - expected_scores).max()) / max(float(np.abs(expected_scores).max()), 1e-12)
    if not max(far, off) <= TOLERANCE:
        raise UserError(
            f"export: ONNX Runtime differs by {far:.1e} of the crop's width, {off:.1e} of the scores"
        )
    return f"ONNX Runtime agrees to {max(far, off):.0e}"
