"""From crops to image pixels: a network that paints the truth must give the truth back."""

import pytest
import torch
from torch import Tensor

import pyposeops
from python_models import zoo
from python_models.data import COCO_SKELETON, BatchPreparer, GeneratedPeople, Skeleton
from python_models.errors import UserError
from python_models.estimator import PoseEstimator
from python_models.model_card import ModelCard
from python_models.zoo import ModelInfo, model_info

# Largest error in heat-map pixels that encoding and decoding leave: rounded targets lose up to half a pixel, and the
# quarter offset wins nothing back on a symmetric peak; on an unrounded one it leaves a quarter.
REACH = {"msra": 0.51, "unbiased": 0.02, "udp": 0.02, "cmu": 0.26}


def card_of(encoding: str, skeleton: Skeleton = COCO_SKELETON) -> ModelCard:
    return ModelCard("pose_resnet18", (128, 96), skeleton, encoding=encoding, sigma_px=2.0)


@pytest.mark.parametrize("encoding", REACH)
def test_targets_come_back_as_the_joints_they_were_made_of(encoding: str):
    people = GeneratedPeople(7, 3)
    card = card_of(encoding)
    batch = card.batch_preparer(people, torch.device("cpu"))([people[index] for index in range(3)])
    heatmaps, weights = pyposeops.gaussian_heatmap(
        batch.keypoints, batch.visibility, (32, 24), sigma=2.0, encoding=encoding, input_size=card.input_size
    )
    estimator = PoseEstimator(lambda crops: [heatmaps], card, device=torch.device("cpu"))
    found = estimator.from_crops(batch.crops, batch.affines)
    truth = torch.stack([torch.from_numpy(record.keypoints) for record in people.records])
    in_map = batch.keypoints / 4
    inside = ((in_map > 4) & (in_map < torch.tensor([20.0, 28.0]))).all(-1) & (weights > 0)
    image_px_per_map_px = 4 / torch.linalg.det(batch.affines[:, :, :2]).sqrt()
    error = (found.keypoints - truth).abs().amax(-1) / image_px_per_map_px[:, None]
    assert inside.sum() > 20
    assert float(error[inside].max()) < REACH[encoding]


def test_from_images_equals_from_crops():
    people = GeneratedPeople(7, 3)
    card = card_of("unbiased")
    torch.manual_seed(0)
    network = card.create().eval()
    torch.nn.init.normal_(network.final_layer.weight)
    batch = BatchPreparer(people, size=card.input_size)([people[i] for i in range(3)])
    estimator = PoseEstimator(network, card, device=torch.device("cpu"))
    boxes = torch.stack([torch.from_numpy(record.box_xywh) for record in people.records])
    with torch.no_grad():
        expected = estimator.from_crops(batch.crops, batch.affines)
        got = estimator.from_images([people[i].image for i in range(3)], boxes, torch.arange(3))
    torch.testing.assert_close(got.keypoints, expected.keypoints)
    torch.testing.assert_close(got.scores, expected.scores)


def paint(crops: Tensor, joints: Tensor, encoding: str) -> Tensor:
    """A network whose answer mirrors with its input: joints keep their place, left and right trade places."""
    mirrored = bool(crops[0, 0, 0, -1] == 1)  # the marker that `flip` carried to the right
    if mirrored:
        last = crops.shape[-1] - 1
        joints = torch.stack([last - joints[..., 0], joints[..., 1]], dim=-1)[:, [1, 0, 2]]
    size = (crops.shape[-2] // 4, crops.shape[-1] // 4)
    ones = torch.ones(joints.shape[:2])
    return pyposeops.gaussian_heatmap(
        joints, ones, size, sigma=2.0, encoding=encoding, input_size=crops.shape[-2:]
    ).heatmaps


@pytest.mark.parametrize("encoding", ["udp", "cmu"])
def test_the_flip_test_changes_nothing_where_map_and_crop_have_one_middle(encoding: str):
    skeleton = Skeleton.from_names("s", ("left_eye", "right_eye", "nose"))
    joints = torch.tensor([[[30.0, 41.0], [66.0, 40.0], [48.5, 60.0]]])
    crops = torch.zeros(1, 3, 128, 96)
    crops[..., 0, 0] = 1
    identity = torch.tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]])
    for flip_test in (False, True):
        estimator = PoseEstimator(
            lambda x: paint(x, joints, encoding),
            card_of(encoding, skeleton),
            device=torch.device("cpu"),
            flip_test=flip_test,
        )
        assert (estimator.from_crops(crops, identity).keypoints - joints).abs().max() < 4 * REACH[encoding]


def test_flip_test_of_msra_moves_by_less_than_the_shift_it_makes_up_for():
    skeleton = Skeleton.from_names("s", ("left_eye", "right_eye", "nose"))
    joints = torch.tensor([[[28.0, 40.0], [64.0, 40.0], [48.0, 60.0]]])
    crops = torch.zeros(1, 3, 128, 96)
    crops[..., 0, 0] = 1
    estimator = PoseEstimator(
        lambda x: paint(x, joints, "unbiased"),
        card_of("unbiased", skeleton),
        device=torch.device("cpu"),
        flip_test=True,
    )
    identity = torch.tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]])
    # The mirrored map is shifted by a whole pixel where 3/4 would be exact: the average is off by 1/8 map pixel.
    assert (estimator.from_crops(crops, identity).keypoints - joints).abs().max() < 0.6


@pytest.mark.parametrize("kind", ["coordinates", "from_centre", "integral", "volume"])
def test_regressed_joints_come_back_and_mirror(kind: str, monkeypatch: pytest.MonkeyPatch):
    skeleton = Skeleton.from_names("s", ("left_eye", "right_eye", "nose"))
    joints = torch.tensor([[[30.0, 41.0], [66.0, 40.0], [47.0, 60.0]]])
    output = {"integral": "heatmaps", "from_centre": "coordinates"}.get(kind, kind)
    info = ModelInfo(output=output, from_centre=kind == "from_centre")
    monkeypatch.setitem(zoo._INFOS, "made_up", info)
    card = ModelCard("made_up", (128, 96), skeleton, head="integral" if kind == "integral" else "peak")

    def network(crops: Tensor) -> Tensor:
        mirrored = bool(crops[0, 0, 0, -1] == 1)
        own = (
            torch.stack([95.0 - joints[..., 0], joints[..., 1]], dim=-1)[:, [1, 0, 2]] if mirrored else joints
        )
        if kind == "coordinates":
            return own / torch.tensor([96.0, 128.0])
        if kind == "from_centre":  # flat, with a depth
            return torch.cat([own / torch.tensor([96.0, 128.0]) - 0.5, torch.ones(1, 3, 1)], dim=2).flatten(1)
        maps = pyposeops.gaussian_heatmap(
            own, torch.ones(1, 3), (32, 24), sigma=1.0, encoding="unbiased", input_size=(128, 96)
        ).heatmaps
        logits = maps.clamp_min(1e-30).log()
        return logits.repeat_interleave(4, dim=1) if kind == "volume" else logits

    crops = torch.zeros(1, 3, 128, 96)
    crops[..., 0, 0] = 1
    shift = torch.tensor([[[2.0, 0.0, 5.0], [0.0, 2.0, -3.0]]])
    for flip_test in (False, True):
        estimator = PoseEstimator(network, card, device=torch.device("cpu"), flip_test=flip_test)
        found = estimator.from_crops(crops, shift)
        torch.testing.assert_close(found.keypoints * 2 + torch.tensor([5.0, -3.0]), joints, atol=2e-3, rtol=0)
        assert found.scores.shape == (1, 3)


@pytest.mark.parametrize("encoding", ["unbiased", "udp"])
@pytest.mark.parametrize("flip_test", [False, True])
def test_boxes_of_several_sizes_agree_on_the_joints(encoding: str, flip_test: bool):
    """A network that sees joints in their colours, whatever the size they are seen at."""
    skeleton = Skeleton.from_names("s", ("left_eye", "right_eye", "nose"))
    joints = torch.tensor([[60.0, 81.0], [132.0, 80.0], [97.0, 130.0]])
    image = torch.zeros(256, 192, 3, dtype=torch.uint8)
    rows, columns = torch.meshgrid(torch.arange(256.0), torch.arange(192.0), indexing="ij")
    for channel, (x, y) in enumerate(joints):
        blob = torch.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * 9.0**2))
        image[..., channel] = (255 * blob).round().to(torch.uint8)

    def network(crops: Tensor) -> Tensor:
        info = model_info("pose_resnet18")
        mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (info.mean, info.std))
        grey = crops * std + mean
        if encoding == "udp":
            maps = torch.nn.functional.interpolate(grey, (32, 24), mode="bilinear", align_corners=True)
        else:
            maps = grey[..., ::4, ::4]  # map pixel i stands at crop pixel 4 i
        mirrored = grey[0, 0].argmax() % 96 > grey[0, 1].argmax() % 96
        return maps[:, [1, 0, 2]] if mirrored else maps

    card = card_of(encoding, skeleton)
    estimator = PoseEstimator(
        network, card, device=torch.device("cpu"), flip_test=flip_test, scales=(0.9, 1.0, 1.25)
    )
    box = torch.tensor([[20.0, 20.0, 150.0, 200.0]])
    found = estimator.from_images([image], box, torch.zeros(1, dtype=torch.int64))
    # Shifting a mirrored msra map by a pixel is half a pixel of the crop off, about 1 of the image here.
    assert (found.keypoints - joints).abs().max() < (1.3 if flip_test and encoding != "udp" else 0.6)


def test_joints_that_are_no_peaks_are_averaged_over_the_sizes():
    skeleton = Skeleton.from_names("s", ("left_eye", "right_eye", "nose"))
    card = ModelCard("pose_resnet18", (128, 96), skeleton, head="integral")

    def network(crops: Tensor) -> Tensor:
        maps = torch.full((len(crops), 3, 32, 24), -50.0)
        maps[:, :, 16, 12] = 50.0  # the middle of the box at every size
        return maps

    estimator = PoseEstimator(network, card, device=torch.device("cpu"), scales=(0.5, 1.0, 2.0))
    image = torch.zeros(100, 100, 3, dtype=torch.uint8)
    found = estimator.from_images(
        [image], torch.tensor([[10.0, 20.0, 30.0, 40.0]]), torch.zeros(1, dtype=torch.int64)
    )
    torch.testing.assert_close(found.keypoints, torch.tensor([25.0, 40.0]).expand(1, 3, 2), atol=1e-3, rtol=0)
    with pytest.raises(UserError, match=r"scales: expected numbers above 0, got \(1.0, 0.0\)"):
        PoseEstimator(network, card, device=torch.device("cpu"), scales=(1.0, 0.0))


def test_a_joint_without_partner_cannot_be_averaged_with_its_mirror_image():
    one_sided = Skeleton.from_names("cat", ("nose", "left_ear", "left_eye", "right_eye"))
    with pytest.raises(UserError, match="flip_test: 'left_ear' has no partner"):
        PoseEstimator(
            lambda crops: crops, card_of("msra", one_sided), device=torch.device("cpu"), flip_test=True
        )
