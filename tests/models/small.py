"""A small version of each architecture, for tests that run the network: few channels, few blocks, small crops."""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn

from python_models import create_model

JOINTS = 3
# Weights of this spread keep activations near 1 through deep networks.
CONVOLUTION_GAIN = 1.4


@dataclass(frozen=True)
class Small:
    """Options of `create_model` and the crop's (height, width)."""

    options: Mapping[str, Any] = field(default_factory=dict)
    size: tuple[int, int] = (64, 96)


_RESNET = {"width": 4, "blocks": (1, 1, 1, 1)}
_ALEXNET = {"channels": (4, 4, 8, 8, 8), "hidden": 16, "dropout": 0.0}
_TOMPSON = {"width": 8, "wide": 16, "hidden": 16, "dropout": 0.0}
SMALL: dict[str, Small] = {
    "pose_resnet18": Small({**_RESNET, "deconv_channels": (8, 8, 8)}),
    "pose_resnet50": Small({**_RESNET, "deconv_channels": (8, 8, 8)}),
    "pose_hrnet_w32": Small({"width": 4, "blocks": 1, "exchanges": (1, 2, 2)}),
    "hourglass2": Small({"features": 16}, (128, 192)),
    "hourglass2_princeton": Small({"features": 16, "stacks": 1}, (128, 192)),
    "cunet4": Small({"channels": 8, "growth": 4, "neck": 2, "stacks": 3, "order": 2}, (128, 192)),
    "pyranet2": Small({"stacks": 1, "features": 32, "base_width": 4, "cardinality": 2}, (128, 192)),
    "hourglass52": Small({"channels": (8, 8, 8, 8, 8, 16), "blocks": (2, 2, 2, 2, 2, 2)}, (128, 256)),
    "rle_resnet50": Small(_RESNET),
    "cpm": Small({"width": 8, "stages": 3}),
    "cpm_mmpose": Small({"width": 8, "stages": 3}),
    "cpn50": Small({**_RESNET, "channels": 8}),
    "integral_resnet50": Small({**_RESNET, "deconv_channels": (8, 8, 8), "depth_bins": 4}),
    "deeppose_alexnet": Small(_ALEXNET, (224, 224)),
    "deeppose_alexnet_lrn": Small(_ALEXNET, (220, 220)),
    "deeppose_resnet18": Small(_RESNET),
    "deeppose_resnet50": Small(_RESNET),
    "integral_direct_resnet50": Small(_RESNET),
    "tompson_coarse": Small(_TOMPSON),
    "tompson_cascade": Small({**_TOMPSON, "fine_channels": 8, "window_px": 12}),
    "fastpose_res50": Small(_RESNET),
    "fastpose_duc_res50": Small(_RESNET),
    "mspn2": Small({**_RESNET, "channels": 8}),
    "openpose_body_coco": Small({"width": 4, "num_limbs": 2, "stages": 3}),
    "openpose_body_25": Small({"width": 4, "num_limbs": 2, "stages": (2, 2)}),
    "openpose_hand": Small({"width": 4, "stages": 3}),
    "pose_ae_hourglass4": Small({"features": 16, "increase": 4, "stacks": 2}, (64, 128)),
    "higherhrnet_w32": Small({"width": 4, "blocks": 1, "exchanges": (1, 1, 1)}),
    "centernet_res18": Small({**_RESNET, "channels": 8, "hidden": 8}),
    "centernet_hourglass": Small({"channels": (8, 8, 8, 8, 8, 16), "blocks": (2, 2, 2, 2, 2, 2)}, (128, 256)),
    "prn": Small({"size": (8, 6), "nodes": 16, "dropout": 0.0}, (8, 6)),
    "deepcut_vgg16": Small({"width": 4, "hidden": 16, "dropout": 0.0}),
    "deepercut_resnet152": Small(_RESNET),
    "personlab_mobilenet_v1_050": Small({"channels": (4, *[8] * 13)}, (65, 97)),
    "pifpaf_resnet50": Small({**_RESNET, "num_limbs": 2}, (65, 97)),
    "pifpaf_shufflenetv2k16": Small(
        {"blocks": (1, 2, 1), "channels": (4, 8, 8, 8, 8), "num_limbs": 2}, (65, 97)
    ),
    "lightweight_openpose": Small({"width": 4, "num_limbs": 2}),
}


def create_small(name: str) -> nn.Module:
    """The small version of a model, in float32 and training mode."""
    torch.manual_seed(0)
    return create_model(name, num_joints=JOINTS, **SMALL[name].options)


def small_crops(name: str, people: int = 2) -> Tensor:
    """Reproducible crops for it, (people, 3, height, width) in float32."""
    shape = (people, 3, *SMALL[name].size)
    return torch.randn(shape, generator=_generator(name), dtype=torch.float64).float()


def outputs_of(output: Tensor | Sequence[Any]) -> list[Tensor]:
    """All tensors, of lists and of named tuples of lists."""
    return (
        [output] if isinstance(output, Tensor) else [tensor for part in output for tensor in outputs_of(part)]
    )


def expected_values(name: str, count: int = 6) -> dict[str, Any]:
    """Shapes and some values of all outputs, in float64, with weights that depend on names and shapes alone."""
    model = create_small(name).double().eval()
    model.load_state_dict({key: _weights_for(key, value) for key, value in model.state_dict().items()})
    with torch.no_grad():
        outputs = outputs_of(model(small_crops(name, people=1).double()))
    places = [torch.randint(x.numel(), (count,), generator=_generator("places")) for x in outputs]
    return {
        "shapes": [list(x.shape) for x in outputs],
        "values": [
            [float(f"{v:.10g}") for v in x.flatten()[at]] for x, at in zip(outputs, places, strict=True)
        ],
    }


@lru_cache
def without_memory(name: str) -> nn.Module:
    """A model of the published size, without values."""
    with torch.device("meta"):
        return create_model(name)


def number_of_parameters(name: str) -> int:
    """Of the published size."""
    return sum(parameter.numel() for parameter in without_memory(name).parameters())


def _generator(text: str) -> torch.Generator:
    return torch.Generator().manual_seed(zlib.crc32(text.encode()))


def _weights_for(name: str, like: Tensor) -> Tensor:
    """Values for one entry of a state_dict: statistics of batch norm included, so that it is no identity."""
    generator = _generator(f"{name} {tuple(like.shape)}")
    if not like.is_floating_point():
        return torch.zeros_like(like)
    if like.dim() > 1:
        spread = CONVOLUTION_GAIN / like[0].numel() ** 0.5
        return spread * torch.randn(like.shape, generator=generator, dtype=like.dtype)
    uniform = torch.rand(like.shape, generator=generator, dtype=like.dtype)
    positive = name.endswith(("weight", "running_var"))
    return 0.5 + uniform if positive else 0.4 * (uniform - 0.5)
