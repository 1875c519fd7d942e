"""Exported graphs hold no operator of ours and give the joints that the model gives."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import pyposeops
from python_models import zoo
from python_models.__main__ import main
from python_models.export import ExportedPose, check_onnx, example_crops, plain_operators, trace
from python_models.files import save_checkpoint
from python_models.model_card import ModelCard
from tests.models.tiny import DOTS, TINY_OPTIONS

KINDS = {
    "msra": {},
    "unbiased": {"encoding": "unbiased"},
    "udp": {"encoding": "udp"},
    "integral": {"head": "integral"},
    "simcc": {"head": "simcc"},
}


def card_of(kind: str = "msra") -> ModelCard:
    return ModelCard("pose_resnet18", (64, 32), DOTS, options=TINY_OPTIONS, **KINDS[kind])


def network_of(card: ModelCard) -> torch.nn.Module:
    torch.manual_seed(3)
    network = card.create().eval()
    torch.nn.init.normal_(network.final_layer.weight)
    return network


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    card = card_of("unbiased")
    content = {"card": card.to_dict(), "state_dict": network_of(card).state_dict()}
    return save_checkpoint(tmp_path / "best.pt", content)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("flip_test", [False, True])
def test_the_graph_is_plain_and_gives_the_same_joints(kind: str, flip_test: bool):
    card = card_of(kind)
    pose = ExportedPose(network_of(card), card, raw_input=False, refine="auto", flip_test=flip_test)
    graph = trace(pose, example_crops(card, False))
    crops = example_crops(card, False, count=5)
    with torch.no_grad():
        keypoints, scores = pose(crops)
        got, got_scores = graph.module()(crops)
    assert keypoints.shape == (5, 4, 2)
    torch.testing.assert_close(got, keypoints, atol=2e-3, rtol=0)
    torch.testing.assert_close(got_scores, scores, atol=1e-5, rtol=1e-5)


def test_operators_are_put_back_after_an_error():
    before = pyposeops.heatmap_decode
    with pytest.raises(RuntimeError, match="on purpose"), plain_operators():
        assert pyposeops.heatmap_decode is pyposeops.reference.heatmap_decode
        raise RuntimeError("on purpose")
    assert pyposeops.heatmap_decode is before


def test_a_torch_file_comes_back_with_its_facts(tmp_path: Path, weights: Path):
    out = tmp_path / "pose.pt2"
    assert main(["export", "--weights", str(weights), "--out", str(out), "--raw-input", "true"]) == 0
    facts = {"joint_names": "", "input_size": "", "mean": ""}
    graph = torch.export.load(out, extra_files=facts)
    assert json.loads(facts["joint_names"]) == list(DOTS.joint_names) and facts["mean"] == ""
    crops = torch.randint(256, (3, 3, 64, 32), dtype=torch.uint8)
    keypoints, scores = graph.module()(crops)
    assert keypoints.shape == (3, 4, 2) and scores.shape == (3, 4)


@pytest.mark.parametrize("raw", ["false", "true"])
def test_onnx_runtime_agrees(tmp_path: Path, weights: Path, raw: str, capsys: pytest.CaptureFixture[str]):
    pytest.importorskip("onnxscript")
    onnxruntime = pytest.importorskip("onnxruntime")
    out = tmp_path / "pose.onnx"
    command = [
        "export",
        "--weights",
        str(weights),
        "--out",
        str(out),
        "--raw-input",
        raw,
        "--flip-test",
        "true",
    ]
    assert main(command) == 0
    assert "ONNX Runtime agrees" in capsys.readouterr().out
    session = onnxruntime.InferenceSession(str(out), providers=["CPUExecutionProvider"])
    assert {domain for domain in _domains(out)} <= {"", "ai.onnx", "pkg.onnxscript.torch_lib.common"}
    facts = session.get_modelmeta().custom_metadata_map
    assert json.loads(facts["joint_names"]) == list(DOTS.joint_names)
    kind = np.uint8 if raw == "true" else np.float32
    keypoints, scores = session.run(None, {"crops": np.zeros((7, 3, 64, 32), kind)})
    assert keypoints.shape == (7, 4, 2) and scores.shape == (7, 4)


def _domains(path: Path) -> set[str]:
    onnx = pytest.importorskip("onnx")
    return {node.domain for node in onnx.load(path).graph.node}


def test_a_file_that_differs_is_not_written():
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    from python_models.errors import UserError
    from python_models.export import to_onnx

    card = card_of()
    pose = ExportedPose(network_of(card), card, raw_input=False, refine="auto", flip_test=False)
    content = to_onnx(trace(pose, example_crops(card, False)), {})
    torch.nn.init.normal_(pose.network.final_layer.weight)
    with pytest.raises(UserError, match="ONNX Runtime differs by"):
        check_onnx(content, pose, example_crops(card, False))


def test_wrong_endings_and_operators_of_ours_are_refused(
    tmp_path: Path, weights: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    assert main(["export", "--weights", str(weights), "--out", str(tmp_path / "pose.pb")]) == 2
    assert "expected a file that ends in .onnx or .pt2" in capsys.readouterr().err
    monkeypatch.setattr(pyposeops.reference, "__all__", [])
    assert main(["export", "--weights", str(weights), "--out", str(tmp_path / "pose.pt2")]) == 2
    assert "the graph would need pyposeops.heatmap_decode" in capsys.readouterr().err
    assert zoo.model_info("pose_resnet18") and not (tmp_path / "pose.pt2").exists()
