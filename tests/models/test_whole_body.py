"""Hands and faces of people in images whose colours say where a pixel is, so that a crop can be read."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor

from benchmarks.planted_people import STANDING, render
from pyposeops.skeletons import OPENPOSE_COCO_18
from python_models import create_model, model_info
from python_models.bottom_up import BottomUpEstimator
from python_models.data import (
    OPENPOSE_18_SKELETON,
    OPENPOSE_25_SKELETON,
    OPENPOSE_FACE_SKELETON,
    OPENPOSE_HAND_SKELETON,
)
from python_models.errors import UserError
from python_models.estimator import PoseEstimator
from python_models.maps import PartAffinityMaps
from python_models.model_card import default_card, load_model
from python_models.part_boxes import hand_boxes
from python_models.people import People
from python_models.whole_body import WholeBody, whole_body_skeleton

SIZE, FIRST_BLUE = 256, 200
CPU = torch.device("cpu")


def place_image(number: int) -> Tensor:
    """(H, W, 3) uint8: red is x, green is y, blue says which image it is."""
    y, x = torch.meshgrid(torch.arange(SIZE), torch.arange(SIZE), indexing="ij")
    return torch.stack([x, y, torch.full_like(x, FIRST_BLUE + number)], dim=-1).to(torch.uint8)


def places_of(crops: Tensor, model: str) -> tuple[Tensor, Tensor]:
    """(B, H, W, 2), where each pixel of crops of such images was, far away where the crop left it; and (B,) which."""
    info = model_info(model)
    mean, std = (torch.tensor(x)[:, None, None] for x in (info.mean, info.std))
    colours = 255 * (crops * std + mean)
    if info.channel_order == "bgr":
        colours = colours.flip(1)
    places = colours[:, :2].permute(0, 2, 3, 1)
    inside = colours[:, 2] > FIRST_BLUE - 0.5
    image = colours[:, 2].flatten(1).amax(1).round().long() - FIRST_BLUE
    return torch.where(inside[..., None], places, -1e4), image


def reader(model: str, joints: Sequence[Tensor]) -> Callable[[Tensor], Tensor]:
    """Stands for a network: beliefs are Gaussians around each image's `joints` (P, K, 2), given in its pixels."""

    def network(crops: Tensor) -> Tensor:
        stride = model_info(model).stride
        at, image = places_of(crops, model)
        # The middle of a cell lies between pixels.
        cells = at.unflatten(1, (-1, stride)).unflatten(3, (-1, stride)).mean((2, 4))
        step = (cells[:, :, 1:] - cells[:, :, :-1]).norm(dim=-1).flatten(1).median(1).values
        sigma = model_info(model).sigma_px * step[:, None, None, None]
        squared = torch.stack(
            [
                (own - joints[number][:, :, None, None]).square().sum(-1).amin(0)
                for own, number in zip(cells, image.tolist(), strict=True)
            ]
        )
        beliefs = torch.exp(-squared / (2 * sigma**2))
        return torch.cat([beliefs, 1 - beliefs.amax(1, keepdim=True)], dim=1)

    return network


def estimator(model: str, joints: Sequence[Tensor]) -> PoseEstimator:
    return PoseEstimator(reader(model, joints), default_card(model), device=CPU)


def standing(height: float, corner: tuple[float, float]) -> Tensor:
    return STANDING * height + torch.tensor(corner)


def parts_of(body: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Hands (2, 21, 2), left first, and a face (70, 2), spread around wrists and nose."""
    wrists = body[[OPENPOSE_COCO_18.joints.index(f"{side}_wrist") for side in ("left", "right")]]
    hands = wrists[:, None] + 6 * torch.rand(2, 21, 2, generator=generator)
    face = body[0] + 12 * (torch.rand(70, 2, generator=generator) - 0.5)
    return hands, face


class Scene:
    """One person in the first image, nobody in the second, two in the third."""

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(8)
        bodies = [standing(200, (128.0, 20.0)), standing(190, (70.0, 30.0)), standing(200, (190.0, 30.0))]
        self.images = [place_image(number) for number in range(3)]
        self.found = [People.nobody(18) for _ in range(3)]
        for image, own in ((0, bodies[:1]), (2, bodies[1:])):
            joints = torch.stack(own)
            self.found[image] = People(joints, torch.full((len(own), 18), 0.8), torch.ones(len(own)))
        parts = [parts_of(body, generator) for body in bodies]
        self.hands = torch.stack([hands for hands, _ in parts])  # (3, 2, 21, 2)
        self.faces = torch.stack([face for _, face in parts])  # (3, 70, 2)
        self.all_hands = [
            self.hands[:1].flatten(0, 1),
            self.hands[:0].flatten(0, 1),
            self.hands[1:].flatten(0, 1),
        ]
        self.all_faces = [self.faces[:1], self.faces[:0], self.faces[1:]]

    def finder(self, images: object, boxes: object) -> list[People]:
        return self.found


@pytest.fixture
def scene() -> Scene:
    return Scene()


def whole(scene: Scene, **options: float) -> WholeBody:
    hand, face = (
        estimator("openpose_hand", scene.all_hands),
        estimator("openpose_face", scene.all_faces),
    )
    return WholeBody(scene.finder, OPENPOSE_18_SKELETON, hand=hand, face=face, **options)


def test_hands_and_faces_come_back_in_pixels_of_the_image(scene: Scene):
    first, nobody, both = whole(scene)(scene.images, [None] * 3)
    assert nobody.keypoints.shape == (0, 18 + 21 + 21 + 70, 2)
    for people, persons in ((first, [0]), (both, [1, 2])):
        assert torch.equal(people.keypoints[:, :18], scene.found[0 if persons == [0] else 2].keypoints)
        left, right, face = people.keypoints[:, 18:].split([21, 21, 70], dim=1)
        assert (left - scene.hands[persons, 0]).abs().max() < 0.1
        assert (right - scene.hands[persons, 1]).abs().max() < 0.1
        assert (face - scene.faces[persons]).abs().max() < 0.25
        assert people.scores[:, 18:].min() > 0.7 and (people.scores[:, :18] == 0.8).all()


def test_what_has_no_place_is_zero_and_the_rest_stays(scene: Scene):
    everything = whole(scene)(scene.images, [None] * 3)[2]
    people = scene.found[2]
    wrist = OPENPOSE_COCO_18.joints.index("left_wrist")
    scores = people.scores.clone()
    scores[0, wrist] = 0.0
    scores[1, [0, 1, 14, 15, 16, 17]] = 0.0
    scene.found[2] = people._replace(scores=scores)
    got = whole(scene)(scene.images, [None] * 3)[2]
    gone = torch.zeros(2, 130, dtype=torch.bool)
    gone[0, 18:39], gone[1, 60:], gone[:, :18] = True, True, False
    assert (got.scores[gone] == 0).all() and (got.keypoints[gone] == 0).all()
    assert torch.equal(got.keypoints[~gone], everything.keypoints[~gone])


def test_small_parts_are_left_out(scene: Scene):
    faces = whole(scene, smallest_face_px=1e3)(scene.images, [None] * 3)[0]
    assert (faces.scores[:, 60:] == 0).all() and (faces.scores[:, 18:60] > 0).all()
    hands = whole(scene, smallest_hand_px=1e3)(scene.images, [None] * 3)[0]
    assert (hands.scores[:, 18:60] == 0).all() and (hands.scores[:, 60:] > 0).all()


def test_left_hands_are_shown_mirrored(scene: Scene):
    seen = []
    network = reader("openpose_hand", scene.all_hands)

    def spy(crops: Tensor) -> Tensor:
        seen.append(places_of(crops, "openpose_hand")[0])
        return network(crops)

    hand = PoseEstimator(spy, default_card("openpose_hand"), device=CPU)
    WholeBody(scene.finder, OPENPOSE_18_SKELETON, hand=hand)(scene.images, [None] * 3)
    left, right = seen[0][:2]
    # Towards the right of the crop x falls for the left hand, and grows for the right one.
    middle = slice(150, 220)
    assert (left[180, middle, 0].diff() < 0).all() and (right[180, middle, 0].diff() > 0).all()
    assert (left[middle, 180, 1].diff() > 0).all()


@pytest.mark.parametrize("padding", [1.0, 1.25])
def test_crops_have_the_margin_that_is_asked_for(scene: Scene, padding: float):
    sides = []
    network = reader("openpose_hand", scene.all_hands)

    def spy(crops: Tensor) -> Tensor:
        rows = places_of(crops, "openpose_hand")[0][:, crops.shape[-2] // 2, :, 0]
        sides.append((rows[:, -1] - rows[:, 0]).abs() * crops.shape[-1] / (crops.shape[-1] - 1))
        return network(crops)

    hand = PoseEstimator(spy, default_card("openpose_hand"), device=CPU)
    finder = WholeBody(scene.finder, OPENPOSE_18_SKELETON, hand=hand, padding=padding)
    (people, *_) = finder(scene.images, [None] * 3)
    first = scene.found[0]
    squares = hand_boxes(first.keypoints, first.scores, OPENPOSE_COCO_18.joints)[0, :, 2]
    torch.testing.assert_close(sides[0][:2], padding * squares, rtol=1e-3, atol=0.05)
    assert (people.keypoints[:, 18:].unflatten(1, (2, 21)) - scene.hands[:1]).abs().max() < 0.15


def test_the_networks_themselves_run_in_the_chain(scene: Scene):
    options = {"width": 4, "stages": 2}
    parts = {
        name: PoseEstimator(
            create_model(f"openpose_{name}", **options).eval(), default_card(f"openpose_{name}"), device=CPU
        )
        for name in ("hand", "face")
    }
    with torch.inference_mode():
        people = WholeBody(scene.finder, OPENPOSE_18_SKELETON, **parts)(scene.images, [None] * 3)
    assert [len(own.keypoints) for own in people] == [1, 0, 2]
    assert all(own.keypoints.isfinite().all() and own.keypoints.shape[1:] == (130, 2) for own in people)


def test_one_part_alone(scene: Scene):
    face = estimator("openpose_face", scene.all_faces)
    finder = WholeBody(scene.finder, OPENPOSE_18_SKELETON, face=face)
    assert finder.skeleton.num_joints == 88
    assert finder(scene.images, [None] * 3)[0].keypoints.shape == (1, 88, 2)
    with pytest.raises(UserError, match="expected a network of hands or of faces"):
        WholeBody(scene.finder, OPENPOSE_18_SKELETON)


def test_any_network_of_crops_will_do(scene: Scene):
    """A top-down network with 21 joints, of another input size, without a background."""
    network = reader("pose_resnet18", scene.all_hands)
    card = default_card("pose_resnet18", OPENPOSE_HAND_SKELETON)
    hand = PoseEstimator(lambda crops: network(crops)[:, :-1], card, device=CPU, refine="dark")
    (people, *_) = WholeBody(scene.finder, OPENPOSE_18_SKELETON, hand=hand)(scene.images, [None] * 3)
    hands = people.keypoints[:, 18:].unflatten(1, (2, 21))
    # Its crops are taller than wide: the square lies in the middle, and the map is shifted by half a cell.
    assert (hands - scene.hands[:1]).abs().max() < 1.0


def test_from_the_maps_of_the_body_to_fingers(scene: Scene):
    """Heat maps, fields, people, boxes, crops, heat maps again, joints."""
    card = default_card("openpose_body_coco", OPENPOSE_18_SKELETON)
    zoom = card.input_size[0] / SIZE
    joints = scene.found[2].keypoints * zoom + (zoom - 1) / 2
    planted = render(joints, torch.ones(joints.shape[:2]), OPENPOSE_COCO_18, (46, 46))

    def network(images: Tensor) -> PartAffinityMaps:
        background = torch.zeros(1, 1, 46, 46)
        return PartAffinityMaps([torch.cat([planted.heatmaps, background], 1)], [planted.pafs])

    hand, face = (
        estimator("openpose_hand", scene.all_hands),
        estimator("openpose_face", scene.all_faces),
    )
    body = BottomUpEstimator(network, card, device=CPU)
    (people,) = WholeBody(body, OPENPOSE_18_SKELETON, hand=hand, face=face)(scene.images[2:], [None])
    assert len(people.keypoints) == 2
    order = people.keypoints[:, 0, 0].argsort()
    people = People(*(None if x is None else x[order] for x in people))
    assert (people.keypoints[:, :18] - scene.found[2].keypoints).abs().max() < 1.5
    assert (people.keypoints[:, 18:60].unflatten(1, (2, 21)) - scene.hands[1:]).abs().max() < 0.1
    assert (people.keypoints[:, 60:] - scene.faces[1:]).abs().max() < 0.25


# ---- skeletons -----------------------------------------------------------------------------------------------------


def test_the_whole_skeleton_has_names_partners_and_limbs_of_its_parts():
    skeleton = whole_body_skeleton(OPENPOSE_25_SKELETON)
    names = skeleton.joint_names
    assert skeleton.num_joints == len(set(names)) == 25 + 21 + 21 + 70 == len(skeleton.sigmas)
    assert (
        names[25] == "left_hand_wrist" and names[46] == "right_hand_wrist" and names[67] == "right_face_jaw_0"
    )
    assert skeleton.one_sided == ()
    order = skeleton.flip_order
    assert order[25 + 8] == 46 + 8 and order[67 + 36] == 67 + 45 and order[67 + 8] == 67 + 8
    assert {(names[a], names[b]) for a, b in skeleton.limbs} >= {
        ("left_hand_wrist", "left_hand_thumb_1"),
        ("right_face_jaw_0", "right_face_jaw_1"),
    }


def test_the_face_is_its_own_mirror_image():
    face = OPENPOSE_FACE_SKELETON
    # Sagonas et al., ICCV Workshops 2013: partners among the 68 points; then the pupils.
    pairs = [(jaw, 16 - jaw) for jaw in range(8)] + [(17 + brow, 26 - brow) for brow in range(5)]
    pairs += [(31, 35), (32, 34), (36, 45), (37, 44), (38, 43), (39, 42), (40, 47), (41, 46)]
    pairs += [(48, 54), (49, 53), (50, 52), (59, 55), (58, 56), (60, 64), (61, 63), (67, 65), (68, 69)]
    assert {frozenset(pair) for pair in face.flip_pairs} == {frozenset(pair) for pair in pairs}
    limbs = {frozenset(limb) for limb in face.limbs}
    assert len(limbs) == 63
    assert {frozenset(face.flip_order[end] for end in limb) for limb in limbs} == limbs


def test_the_networks_cards_have_these_joints():
    assert default_card("openpose_hand").skeleton == OPENPOSE_HAND_SKELETON
    assert default_card("openpose_face").skeleton == OPENPOSE_FACE_SKELETON


# ---- networks ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("model", "maps"), [("openpose_hand", 22), ("openpose_face", 71)])
def test_tensors_are_named_and_shaped_as_published(model: str, maps: int):
    layers = {"conv5_3_CPM": (128, 512, 3), "conv6_1_CPM": (512, 128, 1), "conv6_2_CPM": (maps, 512, 1)}
    into = 3
    for group, (count, channels) in enumerate(((2, 64), (2, 128), (4, 256), (4, 512), (2, 512)), 1):
        for number in range(1, count + 1):
            layers[f"conv{group}_{number}"], into = (channels, into, 3), channels
    for stage in range(2, 7):
        for number, size in enumerate((7, 7, 7, 7, 7, 1, 1), 1):
            shape = (maps if number == 7 else 128, 128 + maps if number == 1 else 128, size)
            layers[f"Mconv{number}_stage{stage}"] = shape
    wanted = {}
    for name, (out, into, size) in layers.items():
        wanted[f"{name}.weight"], wanted[f"{name}.bias"] = (out, into, size, size), (out,)
    with torch.device("meta"):
        network = create_model(model)
    assert {name: tuple(value.shape) for name, value in network.state_dict().items()} == wanted


def test_stages_are_those_of_the_definition():
    """Written out once more from the layers' names."""
    network = create_model("openpose_hand", num_joints=3, width=4, stages=2).eval()
    crops = torch.rand(2, 3, 32, 48)

    def layer(name: str, x: Tensor, relu: bool = True) -> Tensor:
        module = network.get_submodule(name)
        y = torch.nn.functional.conv2d(
            x, module.weight, module.bias, padding=(module.weight.shape[-1] - 1) // 2
        )
        return y.clamp_min(0) if relu else y

    x = crops
    for name in (
        "1_1",
        "1_2",
        "2_1",
        "2_2",
        "3_1",
        "3_2",
        "3_3",
        "3_4",
        "4_1",
        "4_2",
        "4_3",
        "4_4",
        "5_1",
        "5_2",
    ):
        if name in ("2_1", "3_1", "4_1"):
            x = torch.nn.functional.max_pool2d(x, 2)
        x = layer(f"conv{name}", x)
    x = layer("conv5_3_CPM", x)
    first = layer("conv6_2_CPM", layer("conv6_1_CPM", x), relu=False)
    y = torch.cat([first, x], dim=1)
    for number in range(1, 7):
        y = layer(f"Mconv{number}_stage2", y)
    got = network(crops)
    torch.testing.assert_close(got[0], first)
    torch.testing.assert_close(got[1], layer("Mconv7_stage2", y, relu=False))
    assert got[1].shape == (2, 4, 4, 6)


def test_a_file_of_faces_loads_as_faces_alone(tmp_path):
    network = create_model("openpose_face", width=4, stages=2)
    torch.save(network.state_dict(), tmp_path / "face.pth")
    again = create_model("openpose_face", width=4, stages=2, pretrained=str(tmp_path / "face.pth"))
    for name, value in network.state_dict().items():
        assert torch.equal(value, again.state_dict()[name])
    with pytest.raises(UserError):
        load_model(tmp_path / "face.pth", model="openpose_hand")
