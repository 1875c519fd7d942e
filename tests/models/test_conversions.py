"""Names of other code bases become ours."""

import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from python_models import convert_state_dict, create_model
from python_models.checkpoints import load_weights
from python_models.conversions import convert_names, rename
from python_models.errors import UserError
from python_models.resnet import ResNet

TRUNK = {"width": 8, "blocks": (1, 1, 1, 1)}
FIELDS = {"width": 4, "num_limbs": 2}
OPTIONS = {**TRUNK, "deconv_channels": (8, 8, 8)}


@pytest.fixture(scope="module")
def weights() -> dict[str, Tensor]:
    return create_model("pose_resnet18", num_joints=3, **OPTIONS).state_dict()


def same(converted: dict[str, Tensor], weights: dict[str, Tensor]) -> bool:
    return converted.keys() == weights.keys() and all(converted[name] is weights[name] for name in weights)


@pytest.mark.parametrize(
    "prefix", ["module.", "_orig_mod.module.", "model.module.", "model.", "1.", "module.1."]
)
def test_what_wrappers_put_in_front_comes_off(weights: dict[str, Tensor], prefix: str):
    wrapped = {prefix + name: value for name, value in weights.items()}
    assert same(convert_names(wrapped, weights), weights)


def test_a_prefix_of_some_names_only_is_no_wrapper():
    weights = {"1.weight": torch.zeros(1), "2.weight": torch.zeros(1)}
    assert convert_names(weights, {}) == weights


def test_a_prefix_that_the_model_itself_uses_stays():
    weights = {"model.weight": torch.zeros(1), "model.bias": torch.zeros(1)}
    assert same(convert_names(weights, weights), weights)


def test_two_names_never_become_one():
    weights = {"a.weight": torch.zeros(1), "b.weight": torch.ones(1)}
    assert same(rename((r"^[ab]\.", ""))(weights), weights)


@pytest.mark.parametrize("container", [None, "state_dict", "model", "network"])
def test_a_public_checkpoint_becomes_a_state_dict_of_ours(weights: dict[str, Tensor], container: str | None):
    head = ("deconv_layers.", "final_layer.")
    theirs = {("head." if name.startswith(head) else "backbone.") + name: weights[name] for name in weights}
    content = theirs if container is None else {container: theirs, "epoch": 3}
    converted = convert_state_dict("pose_resnet18", content, **OPTIONS)
    assert same(converted, weights)
    create_model("pose_resnet18", num_joints=3, **OPTIONS).load_state_dict(converted)


def mmposes_mspn(name: str) -> str:
    """mmpose's name of a tensor of ours."""
    name = re.sub(r"^top\.conv\.", "backbone.top.top.0.", name)
    if head := re.match(r"stage(\d)\.upsample\.up(\d)\.res_conv(\d)\.", name):
        stage, unit, layer = map(int, head.groups())
        place = f"head.predict_layers.{4 * stage + unit - 1}.conv_layers.{layer - 1}."
        return place + name[head.end() :]
    name = re.sub(r"^stage", "backbone.multi_stage_mspn.", name)
    name = re.sub(r"conv_bn_relu(\d)\.(conv|bn)", r"\2\1", name)
    return name.replace(".u_skip.", ".in_skip.").replace(".skip", ".out_skip")


def mks0601s_integral(name: str) -> str:
    layer = re.match(r"head\.features\.(\d)\.", name)
    if layer is None:
        return name
    place = "head.final_layer." if layer[1] == "9" else f"head.deconv_layers.{layer[1]}."
    return place + name[layer.end() :]


def mmposes_integral(name: str) -> str:
    inside = name.startswith(("deconv_layers.", "final_layer."))
    return f"head.simplebaseline_head.{name}" if inside else f"backbone.{name}"


VGG_PLACES = (0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25)  # of OpenPose's first convolutions
VGG_NAMES = ["1_1", "1_2", "2_1", "2_2", "3_1", "3_2", "3_3", "3_4", "4_1", "4_2", "4_3_CPM", "4_4_CPM"]


def tensorboys_openpose(name: str) -> str:
    name = re.sub(r"^trunk\.", "model0.", name)
    return re.sub(r"^stages\.(\d)\.(pafs|heatmaps)", lambda m: f"model{int(m[1]) + 1}_{branch(m[2])}", name)


def branch(kind: str) -> int:
    return 1 if kind == "pafs" else 2


def caffes_openpose(name: str) -> str:
    if trunk := re.match(r"trunk\.(\d+)\.", name):
        return f"conv{VGG_NAMES[VGG_PLACES.index(int(trunk[1]))]}.{name[trunk.end() :]}"
    stage, kind, layer, value = re.fullmatch(r"stages\.(\d)\.(\w+)\.(\d+)\.(\w+)", name).groups()
    number, stage = int(layer) // 2 + 1, int(stage) + 1
    where = f"conv5_{number}_CPM" if stage == 1 else f"Mconv{number}_stage{stage}"
    return f"{where}_L{branch(kind)}.{value}"


def caffes_body_25(name: str) -> str:
    if trunk := re.match(r"trunk\.(\d+)\.", name):
        prelu = {22: "4_2", 24: "4_3_CPM", 26: "4_4_CPM"}.get(int(trunk[1]))
        layer = f"prelu{prelu}" if prelu else caffes_openpose(f"{trunk[0]}x").rpartition(".")[0]
        return f"{layer}.{name[trunk.end() :]}"
    stage, value = re.fullmatch(r"\w+_stages\.(\d)\..*\.(\w+)", name).groups()
    end = f"stage{stage}_L{2 if name.startswith('paf') else 1}"
    kind = "Mprelu" if name.endswith(".1.weight") and "maps" not in name else "Mconv"
    if triple := re.search(r"triples\.(\d)\.layers\.(\d)", name):
        return f"{kind}{int(triple[1]) + 1}_{end}_{triple[2]}.{value}"
    return f"{kind}{7 if '.maps.' in name else 6}_{end}.{value}"


def higherhrnets(name: str) -> str:
    return name.replace("heads.", "final_layers.").replace("upsamples.", "deconv_layers.")


@pytest.mark.parametrize(
    ("name", "options", "theirs", "more"),
    [
        ("mspn3_mmpose", {**TRUNK, "channels": 8}, mmposes_mspn, ()),
        ("integral_resnet50", OPTIONS, mks0601s_integral, ()),
        ("integral_mmpose_res50", OPTIONS, mmposes_integral, ("head.linspace_x", "head.linspace_y")),
        ("pose_resnet50", OPTIONS, "preact.{}".format, ()),
        ("openpose_body_coco", FIELDS, tensorboys_openpose, ()),
        ("openpose_body_coco", FIELDS, caffes_openpose, ()),
        ("openpose_body_25", FIELDS, caffes_body_25, ()),
        ("higherhrnet_w32", {"width": 4, "blocks": 1}, higherhrnets, ()),
    ],
)
def test_other_names_become_ours(
    name: str, options: dict[str, Any], theirs: Callable[[str], str], more: tuple[str, ...]
):
    weights = create_model(name, num_joints=3, **options).state_dict()
    content = {theirs(own): value for own, value in weights.items()} | dict.fromkeys(more, torch.zeros(1))
    assert len(content) == len(weights) + len(more)
    assert same(convert_state_dict(name, content, **options), weights)


@pytest.mark.parametrize(
    "name", ["cpn50", "fastpose_res50", "deeppose_resnet50", "integral_resnet50", "pifpaf_resnet50"]
)
def test_an_imagenet_trunk_finds_its_place_inside_of_the_network(name: str):
    torch.manual_seed(0)
    imagenet = {
        **ResNet(50, **TRUNK).state_dict(),
        "fc.weight": torch.zeros(1000, 256),
        "fc.bias": torch.zeros(1000),
    }
    network = create_model(name, num_joints=3, **TRUNK)
    message = load_weights(network, imagenet, "resnet50.pth")
    assert "ImageNet trunk" in message
    (trunk,) = (part for part in network.modules() if isinstance(part, ResNet))
    state = trunk.state_dict()
    assert all(torch.equal(state[key], value) for key, value in imagenet.items() if key in state)


def vgg(plan: str) -> dict[str, Tensor]:
    """An ImageNet VGG with few channels: 8, 16, 32 and 64 for the digits, M a pooling."""
    weights, into, place = {}, 3, 0
    for letter in plan:
        if letter == "M":
            place += 1
            continue
        channels = 4 * 2 ** int(letter)
        weights[f"features.{place}.weight"] = torch.randn(channels, into, 3, 3)
        weights[f"features.{place}.bias"] = torch.randn(channels)
        into, place = channels, place + 2
    for layer in (0, 3, 6):
        weights |= {
            f"classifier.{layer}.weight": torch.randn(2, 2),
            f"classifier.{layer}.bias": torch.randn(2),
        }
    return weights


@pytest.mark.parametrize(
    ("name", "plan", "part", "convolutions"),
    [
        ("openpose_body_coco", "00M11M2222M3333M3333M", "trunk", 10),
        ("openpose_body_25", "00M11M2222M3333M3333M", "trunk", 10),
        ("deepcut_vgg16", "00M11M222M333M333M", "layers", 13),
    ],
)
def test_an_imagenet_vgg_gives_the_first_layers(name: str, plan: str, part: str, convolutions: int):
    options = {"width": 4, "hidden": 8} if part == "layers" else {"width": 4, "num_limbs": 2}
    network = create_model(name, num_joints=3, **options)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    imagenet = vgg(plan)
    message = load_weights(network, imagenet, "vgg.pth")
    assert "ImageNet trunk" in message
    state = network.state_dict()
    filled = [key for key in state if not torch.equal(state[key], before[key])]
    assert filled == [key.replace("features", part) for key in list(imagenet)[: 2 * convolutions]]
    assert all(torch.equal(state[key], imagenet[key.replace(part, "features")]) for key in filled)


def test_a_vgg_with_fewer_layers_is_refused():
    network = create_model("openpose_body_coco", num_joints=3, num_limbs=2, width=4)
    with pytest.raises(UserError, match=r"not weights of this model"):
        load_weights(network, vgg("00M11M222M333M333M"), "vgg16.pth")


def test_the_weights_of_another_network_are_refused(weights: dict[str, Tensor]):
    with pytest.raises(UserError, match=r"not that of pose_resnet50; .* is in one of them only"):
        convert_state_dict("pose_resnet50", weights)
