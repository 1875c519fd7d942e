"""From images to people by networks that see all of them: drawn maps come back as the people they were drawn from."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from pyposeops.skeletons import OPENPOSE_COCO_18, OPENPOSE_MPI_15
from python_models.bottom_up import BottomUpEstimator, fit_affines
from python_models.data import (
    COCO_SKELETON,
    OPENPOSE_15_SKELETON,
    OPENPOSE_18_SKELETON,
    GeneratedCrowds,
    Skeleton,
    paf_skeleton,
)
from python_models.errors import UserError
from python_models.map_decoders import decode_maps
from python_models.map_merging import merged_maps, mirror_fields
from python_models.maps import PartAffinityMaps, PartScoreMaps, TaggedMaps
from python_models.model_card import ModelCard, default_card, load_model
from python_models.people import People
from python_models.people_losses import LabelledPeople, in_cells, part_affinity_targets

SIZE = (256, 384)
CPU = torch.device("cpu")
# Two people of the 18 joints of OpenPose, far enough from each other and from the rim.
ONE = torch.tensor(
    [
        *([100, 40], [100, 70], [80, 72], [66, 104], [60, 136], [120, 72], [136, 102], [142, 134]),
        *([88, 140], [86, 180], [84, 222], [112, 140], [114, 180], [116, 222]),
        *([94, 34], [106, 34], [86, 38], [114, 38]),
    ],
    dtype=torch.float32,
)
TWO = torch.stack([ONE, ONE + torch.tensor([140.0, 8.0])])


def openpose_card(skeleton: Skeleton = OPENPOSE_18_SKELETON) -> ModelCard:
    return ModelCard("openpose_body_coco", SIZE, skeleton, encoding="cmu", sigma_px=7 / 8)


def drawn_fields(people: Tensor, size: tuple[int, int] = SIZE) -> PartAffinityMaps:
    """What a perfect network gives for people (N, 18, 2) in an image of `size`."""
    labelled = LabelledPeople(people[None], torch.full(people.shape[:2], 2.0)[None])
    cells = (size[0] // 8, size[1] // 8)
    return part_affinity_targets(labelled, OPENPOSE_COCO_18, size, cells)


def drawn_tags(people: Tensor, size: tuple[int, int] = SIZE) -> TaggedMaps:
    """Heat maps at 1/4 and 1/2 and tags 0, 3, 6, ... around each person's joints."""
    heatmaps = []
    for stride in (4, 2):
        cells = (size[0] // stride, size[1] // stride)
        y, x = torch.meshgrid(*(torch.arange(side, dtype=torch.float32) for side in cells), indexing="ij")
        places = in_cells(people, size, cells)
        squared = (x - places[..., :1, None]) ** 2 + (y - places[..., 1:, None]) ** 2
        heatmaps.append(torch.exp(-squared / (2 * 2.0**2)).amax(0)[None])
    coarse = heatmaps[0].shape[-2:]
    y, x = torch.meshgrid(*(torch.arange(side, dtype=torch.float32) for side in coarse), indexing="ij")
    places = in_cells(people, size, (coarse[0], coarse[1]))
    squared = (x - places[..., :1, None]) ** 2 + (y - places[..., 1:, None]) ** 2
    return TaggedMaps(heatmaps, [3.0 * squared.argmin(0)[None].float()])


class Perfect:
    """A network that knows the people of the image, in pixels of a canvas of `SIZE`, and notes what it is shown."""

    def __init__(self, draw: Callable[..., object], people: Tensor, skeleton: Skeleton) -> None:
        self.draw, self.people, self.order = draw, people, list(skeleton.flip_order)
        self.shown: list[Tensor] = []

    def __call__(self, images: Tensor) -> object:
        self.shown.append(images)
        height, width = images.shape[-2:]
        people = (self.people + 0.5) * torch.tensor([width / SIZE[1], height / SIZE[0]]) - 0.5
        # A canvas is brighter on its left, so that its mirror image is known.
        if images[0, :, :, : width // 8].mean() < images[0, :, :, -width // 8 :].mean():
            people = torch.stack([width - 1 - people[..., 0], people[..., 1]], dim=-1)[:, self.order]
        return self.draw(people, (height, width))


def brighter_left(height: int, width: int) -> Tensor:
    ramp = torch.linspace(255, 0, width).round().to(torch.uint8)
    return ramp[None, :, None].expand(height, width, 3).contiguous()


def by_column(people: People) -> Tensor:
    return people.keypoints[people.keypoints[:, 0, 0].argsort()]


def tags_card() -> ModelCard:
    return ModelCard("higherhrnet_w32", SIZE, COCO_SKELETON)


KINDS = {
    "fields": (drawn_fields, openpose_card, TWO),
    "tags": (drawn_tags, tags_card, TWO[:, [0, *range(2, 18)]]),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("options", "error_px"),
    [
        ({}, 1.0),
        ({"flip_test": True}, 1.0),
        ({"scales": (1.0, 0.5)}, 2.0),
        ({"scales": (1.0, 0.77)}, 2.0),
        ({"scales": (0.5,)}, 3.0),
        ({"scales": (1.53, 1.0)}, 2.0),
    ],
)
def test_drawn_people_come_back_in_pixels_of_images_of_any_size(kind: str, options: dict, error_px: float):
    draw, card, people = KINDS[kind]
    network = Perfect(draw, people, card().skeleton)
    estimator = BottomUpEstimator(network, card(), device=CPU, **options)
    for zoom in (1.0, 2.0, 0.5):
        image = brighter_left(round(zoom * SIZE[0]), round(zoom * SIZE[1]))
        (found,) = estimator([image])
        assert len(found.keypoints) == 2
        wanted = (people + 0.5) * zoom - 0.5
        assert (by_column(found) - wanted).norm(dim=-1).max() < error_px * zoom + 0.01
        assert (found.scores > 0.5).all() and (found.person_scores > 0.5).all()


def test_images_of_several_sizes_share_runs_where_they_fit_one_canvas():
    network = Perfect(drawn_fields, TWO, OPENPOSE_18_SKELETON)
    sizes = [(256, 384), (128, 192), (300, 384)]
    inside = BottomUpEstimator(lambda images: drawn_fields(TWO), openpose_card(), device=CPU)
    assert [inside.canvas(*size).size for size in sizes] == [SIZE] * 3
    by_height = BottomUpEstimator(network, openpose_card(), device=CPU, resize="height")
    assert [by_height.canvas(*size) for size in sizes] == [(SIZE, 1.0), (SIZE, 2.0), ((256, 328), 256 / 300)]
    by_side = BottomUpEstimator(network, openpose_card(), device=CPU, resize="short_side")
    assert by_side.canvas(400, 200) == ((512, 256), 1.28)


def test_an_empty_image_has_nobody_and_no_images_give_nothing():
    def empty(images: Tensor) -> PartAffinityMaps:
        shape = (len(images), 1, images.shape[-2] // 8, images.shape[-1] // 8)
        return PartAffinityMaps(
            [torch.zeros(shape).expand(-1, 19, -1, -1)], [torch.zeros(shape).expand(-1, 38, -1, -1)]
        )

    estimator = BottomUpEstimator(empty, openpose_card(), device=CPU)
    assert estimator([]) == []
    found = estimator([brighter_left(50, 60)])[0]
    assert found.keypoints.shape == (0, 18, 2) and found.frames().shape == (0, 4)


def test_corners_stay_corners():
    affine = fit_affines([(2.0, 3.0)])[0]
    assert torch.equal(affine @ torch.tensor([-0.5, -0.5, 1.0]), torch.tensor([-0.5, -0.5]))
    assert torch.equal(affine @ torch.tensor([9.5, 4.5, 1.0]), torch.tensor([29.5, 9.5]))


def test_fields_of_the_mirror_image_are_turned_back():
    mirrored = torch.stack([SIZE[1] - 1 - TWO[..., 0], TWO[..., 1]], dim=-1)[
        :, OPENPOSE_18_SKELETON.flip_order
    ]
    fields = mirror_fields(drawn_fields(mirrored).pafs[0], OPENPOSE_COCO_18, OPENPOSE_18_SKELETON.flip_order)
    differs = (fields - drawn_fields(TWO).pafs[0]).abs() > 1e-5
    assert differs.float().mean() < 0.01  # cells on the rim of a limb fall to one side of it or the other


def test_limbs_from_one_side_to_the_other_point_the_other_way_in_the_mirror():
    skeleton = Skeleton.from_names("person", ("left_hip", "right_hip"), [(1, 2)])
    fields = torch.zeros(1, 2, 1, 4)
    fields[0, :, 0, 0] = torch.tensor([0.8, 0.6])
    turned = mirror_fields(fields, paf_skeleton(skeleton), skeleton.flip_order)
    # (0.8, 0.6) is (-0.8, 0.6) in the mirror, from the right hip to the left, and the other way round in the image.
    torch.testing.assert_close(turned[0, :, 0, 3], torch.tensor([0.8, -0.6]))
    lonely = Skeleton.from_names("person", ("left_hip", "right_hip", "left_knee", "right_knee"), [(1, 3)])
    with pytest.raises(UserError, match="limb left_hip to left_knee has none on the other side"):
        mirror_fields(fields, paf_skeleton(lonely), lonely.flip_order)


def test_a_skeleton_has_the_fields_of_a_published_network_or_one_for_each_limb():
    assert paf_skeleton(OPENPOSE_18_SKELETON) is OPENPOSE_COCO_18
    own = paf_skeleton(COCO_SKELETON)
    assert own.limbs == COCO_SKELETON.limbs and own.channels[1] == (2, 3)


def test_published_networks_have_their_own_joints():
    assert default_card("openpose_body_coco").skeleton == OPENPOSE_18_SKELETON
    assert default_card("openpose_body_25").skeleton.joint_names[8] == "mid_hip"
    assert default_card("higherhrnet_w32").skeleton == COCO_SKELETON


def test_the_network_of_fifteen_joints_loads_and_its_people_come_back(tmp_path):
    card = ModelCard("openpose_body_coco", SIZE, OPENPOSE_15_SKELETON, encoding="cmu", options={"width": 1})
    torch.save({"card": card.to_dict(), "state_dict": card.create().state_dict()}, tmp_path / "mpi.pt")
    network, loaded = load_model(tmp_path / "mpi.pt")
    output = network(torch.zeros(1, 3, 64, 64))
    assert (output.heatmaps[-1].shape[1], output.pafs[-1].shape[1]) == (16, 28)
    assert default_card("openpose_body_coco", OPENPOSE_15_SKELETON).skeleton == loaded.skeleton

    chest = TWO[:, [8, 11, 1]].mean(1, keepdim=True)
    people = torch.cat([TWO[:, :14], chest], dim=1)
    labelled = LabelledPeople(people[None], torch.full(people.shape[:2], 2.0)[None])
    maps = part_affinity_targets(labelled, OPENPOSE_MPI_15, SIZE, (SIZE[0] // 8, SIZE[1] // 8))
    estimator = BottomUpEstimator(lambda images: maps, loaded, device=CPU, heatmap_threshold=0.6)
    (found,) = estimator([torch.zeros(*SIZE, 3, dtype=torch.uint8)])
    order = found.keypoints[:, 1, 0].argsort()
    assert found.keypoints.shape == (2, 15, 2) and (found.scores > 0.6).all()
    torch.testing.assert_close(found.keypoints[order], people, atol=1.0, rtol=0)


def test_joints_that_a_person_lacks_are_at_zero_and_score_zero():
    def without_nose(images: Tensor) -> PartAffinityMaps:
        maps = drawn_fields(TWO)
        maps.heatmaps[0][:, 0] = 0
        return maps

    estimator = BottomUpEstimator(without_nose, openpose_card(), device=CPU)
    (found,) = estimator([brighter_left(512, 768)])
    assert not found.scores[:, 0].any() and not found.keypoints[:, 0].any()
    joints = 2 * TWO[:, 1:] + 0.5
    frames = torch.cat([joints.amin(1), joints.amax(1) - joints.amin(1)], dim=1)
    order = found.keypoints[:, 1, 0].argsort()
    torch.testing.assert_close(found.frames()[order], frames, atol=2.0, rtol=0)


def test_wrong_scales_options_and_maps_are_told():
    def network(images: Tensor) -> PartAffinityMaps:
        return drawn_fields(TWO)

    with pytest.raises(UserError, match="scales: expected numbers above 0"):
        BottomUpEstimator(network, openpose_card(), device=CPU, scales=())
    wrong = BottomUpEstimator(network, openpose_card(), device=CPU, tag_threshold=1.0)
    with pytest.raises(UserError, match=r"openpose_body_coco: paf_decode: .*tag_threshold"):
        wrong([brighter_left(*SIZE)])
    parts = PartScoreMaps([torch.zeros(1, 17, 2, 2)], [torch.zeros(1, 34, 2, 2)])
    for task in (
        lambda: decode_maps(parts, tags_card(), SIZE),
        lambda: merged_maps([(parts, parts)], tags_card()),
        lambda: merged_maps([(parts, None)] * 2, tags_card()),
    ):
        with pytest.raises(UserError, match="model higherhrnet_w32"):
            task()


def people_of(dataset: GeneratedCrowds) -> Sequence[tuple[Tensor, np.ndarray]]:
    by_image: dict[int, list] = {}
    for record in dataset.records:
        by_image.setdefault(int(record.image), []).append(record)
    return [
        (torch.from_numpy(dataset.load_image(own[0])), np.stack([record.keypoints for record in own]))
        for own in by_image.values()
    ]


def test_inputs_are_the_images_where_the_people_are():
    """The mean colour around a joint is the same in an image and in the canvas, where the joint has moved to."""
    estimator = BottomUpEstimator(lambda images: None, openpose_card(), device=CPU)
    (image, people), *_ = people_of(GeneratedCrowds(5, 1, 0.0))
    canvas = estimator.canvas(image.shape[0], image.shape[1])
    seen = estimator.inputs([image], fit_affines([(canvas.zoom, canvas.zoom)]), canvas.size)[0]
    pixels = (seen * 256 / 255 + 128 / 255).flip(0).permute(1, 2, 0) * 255  # back to RGB
    differences = []
    for x, y in (people[:, 5:] + 0.5).reshape(-1, 2) * canvas.zoom - 0.5:
        if 2 <= x < canvas.size[1] - 2 and 2 <= y < canvas.size[0] - 2:
            own = pixels[int(y), int(x)]
            source = image[int((y + 0.5) / canvas.zoom), int((x + 0.5) / canvas.zoom)].float()
            differences.append((own - source).abs().max())
    assert len(differences) > 20 and torch.stack(differences).median() < 30
