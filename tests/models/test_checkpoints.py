"""Public weights: the forms they come in, what does not fit, and files that would run code."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from python_models import create_model
from python_models.checkpoints import load_pretrained, read_checkpoint
from python_models.errors import UserError

SMALL = {"width": 8, "blocks": (1, 1, 1, 1), "deconv_channels": (8, 8, 8)}


def small_model(num_joints: int = 5, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return create_model("pose_resnet18", num_joints=num_joints, **SMALL)


@pytest.fixture
def weights() -> dict[str, Tensor]:
    return small_model(seed=1).state_dict()


def equal_weights(model: nn.Module, weights: dict[str, Tensor]) -> bool:
    return all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())


def in_mmpose_names(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    heads = ("deconv_layers.", "final_layer.")
    return {
        ("head." if name.startswith(heads) else "backbone.") + name: value for name, value in weights.items()
    }


@pytest.mark.parametrize(
    "form",
    [
        lambda weights: weights,
        lambda weights: {"state_dict": weights, "epoch": 3},
        lambda weights: {"model": weights},
        lambda weights: {f"module.{name}": value for name, value in weights.items()},
        lambda weights: {"state_dict": in_mmpose_names(weights)},
        lambda weights: {name: value for name, value in weights.items() if "num_batches_tracked" not in name},
    ],
    ids=["bare", "state_dict", "model", "data parallel", "mmpose", "before the batch counter"],
)
def test_every_form_of_the_same_weights_loads(tmp_path: Path, weights: dict[str, Tensor], form):
    torch.save(form(weights), tmp_path / "weights.pth")
    model = small_model()
    assert not equal_weights(model, weights)
    assert load_pretrained(model, tmp_path / "weights.pth").endswith("all layers")
    assert equal_weights(model, weights)


def test_a_url_is_fetched_once(tmp_path: Path, weights: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "cache"))
    source = tmp_path / "weights.pth"
    torch.save(weights, source)
    load_pretrained(small_model(), source.as_uri())
    source.unlink()
    model = small_model()
    load_pretrained(model, source.as_uri())
    assert equal_weights(model, weights)
    assert len(list((tmp_path / "cache" / "hub" / "checkpoints").iterdir())) == 1


def test_a_url_without_a_file_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "cache"))
    with pytest.raises(UserError, match="could not be downloaded"):
        read_checkpoint((tmp_path / "absent.pth").as_uri())


def test_imagenet_weights_fill_the_trunk_and_leave_the_head_random(
    tmp_path: Path, weights: dict[str, Tensor]
):
    trunk = {name: value for name, value in weights.items() if not name.startswith(("deconv", "final"))}
    torch.save(
        {**trunk, "fc.weight": torch.zeros(1000, 64), "fc.bias": torch.zeros(1000)}, tmp_path / "w.pth"
    )
    model, untouched = small_model(), small_model()
    message = load_pretrained(model, tmp_path / "w.pth")
    assert message.endswith("ImageNet trunk; deconv_layers and final_layer start at random")
    assert torch.equal(model.layer4[0].conv2.weight, weights["layer4.0.conv2.weight"])
    assert torch.equal(model.deconv_layers[0].weight, untouched.deconv_layers[0].weight)


def test_imagenet_weights_of_hrnet_leave_only_the_last_layer_random(tmp_path: Path):
    options = {"width": 4, "blocks": 1, "exchanges": (1, 1, 1)}
    weights = create_model("pose_hrnet_w32", num_joints=5, **options).state_dict()
    trunk = {name: value for name, value in weights.items() if not name.startswith("final_layer")}
    classifier = (
        "stage4.0.fuse_layers.1.0.0.0.weight",
        "incre_modules.0.0.conv1.weight",
        "classifier.weight",
    )
    extra = {name: torch.zeros(1) for name in (*classifier, "final_layer.0.weight")}
    torch.save({**trunk, **extra}, tmp_path / "w.pth")
    model = create_model("pose_hrnet_w32", num_joints=5, **options)
    message = load_pretrained(model, tmp_path / "w.pth")
    assert message.endswith("ImageNet trunk; final_layer starts at random")
    assert all(torch.equal(model.state_dict()[name], value) for name, value in trunk.items())


def test_imagenet_weights_of_a_shallower_network_do_not_pass(tmp_path: Path, weights: dict[str, Tensor]):
    del weights["layer3.0.conv2.weight"]
    torch.save({**weights, "fc.weight": torch.zeros(1000, 64)}, tmp_path / "w.pth")
    with pytest.raises(UserError, match=r"not weights of this model; layer3\.0\.conv2\.weight is missing"):
        load_pretrained(small_model(), tmp_path / "w.pth")


def test_another_joint_count_is_refused_and_loads_when_asked(tmp_path: Path, weights: dict[str, Tensor]):
    torch.save(weights, tmp_path / "w.pth")
    model = small_model(num_joints=7)
    with pytest.raises(UserError, match="its final_layer gives 5 outputs, the model's 7"):
        load_pretrained(model, tmp_path / "w.pth")
    final = model.final_layer.weight.clone()
    load_pretrained(model, tmp_path / "w.pth", reset_final=True)
    assert torch.equal(model.final_layer.weight, final)
    assert torch.equal(model.conv1.weight, weights["conv1.weight"])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda weights: weights.pop("bn1.bias"), "bn1.bias is missing"),
        (lambda weights: weights.update(extra=torch.zeros(1)), "it has no extra"),
        (lambda weights: weights.update({"bn1.bias": torch.zeros(3)}), r"bn1.bias has shape \(3,\)"),
    ],
)
def test_weights_of_another_model_are_named(tmp_path: Path, weights: dict[str, Tensor], change, words: str):
    change(weights)
    torch.save(weights, tmp_path / "w.pth")
    model = small_model()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(UserError, match=words):
        load_pretrained(model, tmp_path / "w.pth")
    assert equal_weights(model, before)


class Bomb:
    def __reduce__(self):
        return (Path.touch, (Path("exploded"),))


@pytest.mark.parametrize("legacy", [False, True])
def test_code_in_a_checkpoint_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, legacy: bool):
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": Bomb()}, "w.pth", _use_new_zipfile_serialization=not legacy)
    with pytest.raises(UserError, match="holds more than weights and is not opened"):
        read_checkpoint("w.pth")
    assert not Path("exploded").exists()


def test_a_bare_pickle_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    Path("w.pth").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(UserError):
        read_checkpoint("w.pth")
    assert not Path("exploded").exists()


def test_numpy_metadata_beside_the_weights_is_read(tmp_path: Path, weights: dict[str, Tensor]):
    meta = {"sigmas": np.arange(17, dtype=np.float32), "best": np.float64(0.5), "names": ["nose"]}
    torch.save({"state_dict": weights, "meta": meta}, tmp_path / "w.pth")
    content = read_checkpoint(tmp_path / "w.pth")
    np.testing.assert_array_equal(content["meta"]["sigmas"], meta["sigmas"])


def test_unreadable_files_are_named(tmp_path: Path, weights: dict[str, Tensor]):
    with pytest.raises(UserError, match=r"absent\.pth: no such file"):
        read_checkpoint(tmp_path / "absent.pth")
    torch.save(weights, tmp_path / "cut.pth")
    (tmp_path / "cut.pth").write_bytes((tmp_path / "cut.pth").read_bytes()[:5000])
    with pytest.raises(UserError, match=r"cut\.pth: "):
        read_checkpoint(tmp_path / "cut.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(UserError, match="expected a dictionary of weights, got list"):
        read_checkpoint(tmp_path / "list.pth")
    torch.save({"epoch": 3}, tmp_path / "empty.pth")
    with pytest.raises(UserError, match="holds no weights"):
        load_pretrained(small_model(), tmp_path / "empty.pth")
