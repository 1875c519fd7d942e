"""paf_decode against its definition, and people that are known against what it finds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import pyposeops
from benchmarks.planted_people import STRIDE, Planted, connected, crowd, render
from pyposeops import reference
from pyposeops.reference.paf_decode import find_peaks, limb_scores
from pyposeops.skeletons import OPENPOSE_BODY_25, OPENPOSE_COCO_18, OPENPOSE_MPI_15, PafSkeleton
from tests.op_contract import ISAS, assert_same, layouts, run_under_isa

CHAIN = PafSkeleton.of(
    ("head", "neck", "hip", "toe"), [(0, 1), (1, 2), (2, 3), (0, 2)], uncounted=(3,), extra=(3,)
)


def check(
    heatmaps: torch.Tensor, pafs: torch.Tensor, skeleton: PafSkeleton, **options: Any
) -> pyposeops.PafPeople:
    found = pyposeops.paf_decode(heatmaps, pafs, skeleton, **options)
    wanted = reference.paf_decode(heatmaps.cpu(), pafs.cpu(), skeleton, **options)
    assert torch.equal(found.counts.cpu(), wanted[2])
    if heatmaps.dtype == torch.float64:  # sums of samples are rounded in another order
        assert_same(found, wanted, rtol=1e-12, atol=1e-12)
    else:
        assert torch.equal(found.keypoints.cpu(), wanted[0]) and torch.equal(found.scores.cpu(), wanted[1])
    return found


OPTIONS: dict[str, dict[str, Any]] = {
    "default": {},
    "sequential": {"assembly": "sequential"},
    "hungarian": {"assembly": "hungarian", "refine": "quarter"},
    "bicubic": {"sampling": "bicubic", "include_end": True},
    "pixels": {"refine": "none", "near_distance": 12.0},
    "few peaks": {"max_peaks": 7, "max_people": 3, "min_joints": 1, "min_score": 0.0},
    "upsampled by 3": {"upsampling": 3},
    "as it is": {"upsampling": 1, "paf_ratio": 0.5, "heatmap_threshold": 0.2},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("people", [0, 1, 5, 20])
def test_the_definition_is_met_to_the_bit(people: int, options: dict[str, Any], device: torch.device):
    planted = crowd(people, seed=people)
    check(planted.heatmaps.to(device), planted.pafs.to(device), OPENPOSE_COCO_18, **options)


def test_fifty_people(device: torch.device):
    planted = crowd(50, seed=1)
    found = check(planted.heatmaps.to(device), planted.pafs.to(device), OPENPOSE_COCO_18)
    assert int(found.counts) > 40


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_dtypes(dtype: torch.dtype, device: torch.device):
    planted = crowd(6, seed=3)
    found = check(planted.heatmaps.to(device, dtype), planted.pafs.to(device, dtype), OPENPOSE_COCO_18)
    assert found.keypoints.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)


@pytest.mark.parametrize("layout", ["channels_last", "strided", "transposed"])
def test_layouts(layout: str, device: torch.device):
    planted = crowd(4, seed=4)
    maps, fields = (layouts(x.to(device))[layout] for x in (planted.heatmaps, planted.pafs))
    check(maps, fields, OPENPOSE_COCO_18)


def test_a_batch_is_its_images_and_a_background_is_not_read(device: torch.device):
    images = [crowd(n, seed=10 + n) for n in (3, 0, 8, 1)]
    heatmaps = torch.cat([x.heatmaps for x in images]).to(device)
    pafs = torch.cat([x.pafs for x in images]).to(device)
    background = torch.full_like(heatmaps[:, :1], float("nan"))
    found = pyposeops.paf_decode(torch.cat([heatmaps, background], 1), pafs, OPENPOSE_COCO_18)
    for index in range(len(images)):
        alone = pyposeops.paf_decode(heatmaps[index : index + 1], pafs[index : index + 1], OPENPOSE_COCO_18)
        assert_same([x[index] for x in found], [x[0] for x in alone], rtol=0, atol=0)


def random_maps(seed: int, size: tuple[int, int], kind: str, batch: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    heatmaps = torch.rand(batch, 4, *size, generator=generator) ** 3
    angle = torch.rand(batch, 1, *size, generator=generator) * 6.3
    pafs = torch.cat([angle.cos(), angle.sin()] * 4, dim=1) * torch.rand(batch, 8, *size, generator=generator)
    if kind == "ties":
        heatmaps, pafs = (heatmaps * 3).round() / 3, pafs.round()
    elif kind == "signed":
        heatmaps = heatmaps - 0.3
    elif kind == "non-finite":
        for value in (float("nan"), float("inf"), -float("inf")):
            heatmaps[torch.rand(heatmaps.shape, generator=generator) < 0.02] = value
            pafs[torch.rand(pafs.shape, generator=generator) < 0.02] = value
    return heatmaps, pafs


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    size=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    kind=st.sampled_from(["noise", "ties", "signed", "non-finite"]),
    options=st.fixed_dictionaries(
        {
            "upsampling": st.integers(1, 8),
            "heatmap_threshold": st.sampled_from([-0.1, 0.05, 0.3]),
            "paf_threshold": st.sampled_from([-2.0, 0.05]),
            "paf_ratio": st.sampled_from([0.0, 0.5, 0.95]),
            "refine": st.sampled_from(["centroid", "quarter", "none"]),
            "sampling": st.sampled_from(["bilinear", "bicubic"]),
            "include_end": st.booleans(),
            "near_distance": st.sampled_from([None, 0.0, 5.0]),
            "assembly": st.sampled_from(["global", "sequential", "hungarian"]),
            "min_joints": st.integers(1, 3),
            "min_score": st.sampled_from([-1.0, 0.4]),
            "max_peaks": st.sampled_from([1, 3, 20]),
        }
    ),
)
def test_any_maps_and_options(seed: int, size: tuple[int, int], kind: str, options: dict[str, Any]):
    heatmaps, pafs = random_maps(seed, size, kind, batch=2)
    check(heatmaps, pafs, CHAIN, **options)


def distances(
    planted: Planted, found: pyposeops.PafPeople, skeleton: PafSkeleton = OPENPOSE_COCO_18
) -> torch.Tensor:
    """Of each planted person from the nearest found one: the largest of the connected joints, in pixels."""
    people = found.keypoints[0, : int(found.counts)]
    if len(people) == 0:
        return torch.full((len(planted.joints),), torch.inf)
    apart = (people[None, :, :, :2] - planted.joints[:, None]).norm(dim=-1)
    seen = connected(planted.visibility, skeleton)[:, None]
    lost = seen & (people[None, :, :, 2] == 0)
    worst = torch.where(seen, torch.where(lost, torch.inf, apart), 0.0).amax(-1)
    return worst.amin(1)


@pytest.mark.parametrize(
    "skeleton", [OPENPOSE_COCO_18, OPENPOSE_BODY_25, OPENPOSE_MPI_15], ids=["18", "25", "15"]
)
@pytest.mark.parametrize(
    "options", [{}, {"assembly": "sequential"}, {"assembly": "hungarian"}, {"sampling": "bicubic"}], ids=str
)
def test_people_far_apart_come_back(skeleton: PafSkeleton, options: dict[str, Any]):
    generator = torch.Generator().manual_seed(0)
    joints = torch.rand(6, len(skeleton.joints), 2, generator=generator) * 110 + 12
    joints += torch.tensor([[150.0 * (i % 3), 150.0 * (i // 3)] for i in range(6)])[:, None]
    # A random person is a knot of limbs; what counts is that nobody else's limbs are near.
    planted = render(joints, torch.ones(6, len(skeleton.joints)), skeleton, (40, 60))
    people = pyposeops.paf_decode(planted.heatmaps, planted.pafs, skeleton, paf_ratio=0.3, **options)
    assert int(people.counts) >= 5


def test_a_standing_person_comes_back_within_a_pixel():
    planted = crowd(1, seed=2, size=(40, 40))
    found = pyposeops.paf_decode(planted.heatmaps, planted.pafs, OPENPOSE_COCO_18)
    assert int(found.counts) == 1 and float(distances(planted, found)) < 1.0


def test_joints_on_the_border_are_found():
    joints = torch.tensor([[[0.0, 0.0], [100.0, 0.0], [159.0, 159.0], [0.0, 159.0]]])
    planted = render(joints, torch.ones(1, 4), CHAIN, (20, 20))
    found = pyposeops.paf_decode(
        planted.heatmaps, planted.pafs, CHAIN, min_joints=1, refine="none", paf_ratio=0.0
    )
    assert float(distances(planted, found, CHAIN)) < 4.5


@pytest.mark.parametrize(("level", "below"), [(-1.0, 5e-5), (-1e4, 0.5), (0.0, 1e-6), (3.0, 1e-5)])
def test_a_level_map_just_above_the_threshold_has_its_peaks(level: float, below: float, device: torch.device):
    heatmaps, pafs = torch.full((1, 4, 3, 5), level, device=device), torch.zeros(1, 8, 3, 5, device=device)
    options: dict[str, Any] = {
        "min_joints": 1,
        "near_distance": 1.0,
        "min_score": -1e9,
        "assembly": "sequential",
    }
    check(heatmaps[:, :4], pafs, CHAIN, heatmap_threshold=level - below, **options)
    # With one joint's peaks alone, people are started by them.
    heatmaps[:, 1:] = level - 2 * below - 1
    found = check(heatmaps, pafs, CHAIN, heatmap_threshold=level - below, **options)
    assert int(found.counts) >= 1


def test_of_more_peaks_than_places_the_largest_stay():
    heatmaps = torch.zeros(1, 4, 12, 12)
    heatmaps[0, 0, 2, 2::3] = torch.tensor([0.3, 0.9, 0.5, 0.7])
    heatmaps[0, 1, 8, 5] = 1.0
    pafs = torch.zeros(1, 8, 12, 12)
    options: dict[str, Any] = {"upsampling": 1, "near_distance": 99.0, "min_joints": 2, "min_score": 0.0}
    found = pyposeops.paf_decode(heatmaps, pafs, CHAIN, max_peaks=1, **options)
    assert found.keypoints[0, 0, 0, 2] == pytest.approx(0.9)
    check(heatmaps, pafs, CHAIN, max_peaks=2, **options)


PAIR = PafSkeleton.of(("left", "right"), [(0, 1)])


def crossing(scores: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Maps with two peaks of each joint, left and right of each other, whose four limbs have about these scores."""
    heatmaps, pafs = torch.zeros(1, 2, 25, 25), torch.zeros(1, 2, 25, 25)
    places = torch.tensor([[[4, 4], [4, 20]], [[20, 4], [20, 20]]])
    for joint in (0, 1):
        heatmaps[0, joint, places[joint, :, 1], places[joint, :, 0]] = torch.tensor([1.0, 0.9])
    for a in (0, 1):
        for b in (0, 1):
            way = (places[1, b] - places[0, a]).float()
            for step in torch.linspace(0.1, 0.95, 60) if a == b else torch.linspace(0.1, 0.45, 60):
                x, y = (places[0, a] + step * way).round().long().tolist()
                pafs[0, :, y, x] = scores[a, b] * way / way.norm()
    return heatmaps, pafs


def partners(heatmaps: torch.Tensor, pafs: torch.Tensor, assembly: Any) -> set[tuple[int, int]]:
    options: dict[str, Any] = {"min_joints": 2, "min_score": 0.0, "paf_ratio": 0.2, "refine": "none"}
    found = check(heatmaps, pafs, PAIR, upsampling=1, sampling="bicubic", assembly=assembly, **options)
    return {(int(left[1]), int(right[1])) for left, right in found.keypoints[0, : int(found.counts), :, :2]}


def test_hungarian_pairs_sum_to_the_most_where_the_strongest_first_do_not():
    # The limb from the upper left to the lower right is the strongest, but leaves a weak one for the rest.
    heatmaps, pafs = crossing(torch.tensor([[0.8, 0.95], [0.2, 0.8]]))
    assert (4, 20) in partners(heatmaps, pafs, "sequential")
    assert partners(heatmaps, pafs, "hungarian") == {(4, 4), (20, 20)}


@pytest.mark.parametrize("seed", range(5))
def test_hungarian_pairs_are_an_optimum_of_scipys_solver(seed: int):
    """Two joints of many peaks, any field: the kept limbs' scores sum to what the assignment gives."""
    optimize = pytest.importorskip("scipy.optimize")
    generator = torch.Generator().manual_seed(seed)
    heatmaps = (torch.rand(1, 2, 16, 16, generator=generator, dtype=torch.float64) > 0.9).double()
    heatmaps *= torch.rand(heatmaps.shape, generator=generator, dtype=torch.float64)
    angle = 6.3 * torch.rand(1, 1, 16, 16, generator=generator, dtype=torch.float64)
    pafs = torch.cat([angle.cos(), angle.sin()], 1)
    options: dict[str, Any] = {"upsampling": 1, "refine": "none", "paf_ratio": 0.2, "max_peaks": 30}
    found = pyposeops.paf_decode(
        heatmaps, pafs, PAIR, assembly="hungarian", min_joints=2, min_score=-9.0, **options
    )
    peaks = [find_peaks(x, 0.05, "none", 30) for x in heatmaps[0]]
    scores = torch.zeros(len(peaks[0]), len(peaks[1]), dtype=torch.float64)
    for i, j, score in limb_scores(pafs[0], *peaks, 1, 0.05, 0.2, "bilinear", False, 16 / 150, 0.05):
        scores[i, j] = score
    rows, columns = optimize.linear_sum_assignment(-scores.numpy())
    people = int(found.counts)
    assert people == int((scores[rows, columns] > 0).sum()) > 5
    # A person's score is that of both peaks and the limb, over one limb and two joints.
    total = 3 * found.scores[0, :people].sum() - found.keypoints[0, :people, :, 2].sum()
    assert float(total) == pytest.approx(float(scores[rows, columns].sum()), rel=1e-12)


def test_a_quarter_of_a_fine_pixel_towards_the_larger_neighbour():
    heatmaps = torch.zeros(1, 2, 9, 9)
    heatmaps[0, :, 4, 4] = 1.0
    heatmaps[0, :, 4, 5], heatmaps[0, :, 3, 4] = 0.3, 0.2
    heatmaps[0, 1] = heatmaps[0, 1].roll(-3, dims=1)  # in the second column, where there is no step
    pafs = torch.zeros(1, 2, 9, 9)
    options: dict[str, Any] = {"upsampling": 1, "heatmap_threshold": 0.5, "near_distance": 99.0}
    found = check(heatmaps, pafs, PAIR, refine="quarter", min_joints=2, min_score=0.0, **options)
    assert found.keypoints[0, 0, :, :2].tolist() == [[4.25, 3.75], [1.0, 4.0]]


def test_feet_do_not_count_unless_nobody_would_be_left():
    joints = torch.tensor([[[20.0, 20.0], [20.0, 60.0], [20.0, 100.0], [20.0, 140.0]]])
    planted = render(joints, torch.ones(1, 4), CHAIN, (20, 8))
    # Three joints and a foot: too few to be sure of the foot, but there is nobody else.
    assert int(pyposeops.paf_decode(planted.heatmaps, planted.pafs, CHAIN).counts) == 1
    without = CHAIN._replace(uncounted=())
    other = render(joints + 60, torch.tensor([[1.0, 1.0, 1.0, 0.0]]), CHAIN, (32, 20))
    both = render(
        torch.cat([joints, joints + 60]), torch.tensor([[1.0] * 4, [1.0, 1.0, 1.0, 0.0]]), CHAIN, (32, 20)
    )
    assert int(pyposeops.paf_decode(both.heatmaps, both.pafs, CHAIN).counts) == 1
    assert int(pyposeops.paf_decode(both.heatmaps, both.pafs, without).counts) == 2
    assert int(pyposeops.paf_decode(other.heatmaps, other.pafs, CHAIN).counts) == 1


def test_the_threads_change_nothing():
    images = [crowd(n, seed=20 + n) for n in (9, 2, 14)]
    heatmaps, pafs = torch.cat([x.heatmaps for x in images]), torch.cat([x.pafs for x in images])
    threads = torch.get_num_threads()
    try:
        results = []
        for count in (1, 2, 5):
            torch.set_num_threads(count)
            results.append(pyposeops.paf_decode(heatmaps, pafs, OPENPOSE_COCO_18))
    finally:
        torch.set_num_threads(threads)
    for other in results[1:]:
        assert_same(other, results[0], rtol=0, atol=0)


@pytest.mark.parametrize("isa", ISAS)
def test_every_instruction_set_gives_the_bits_of_the_definition(isa: str):
    run_under_isa(
        isa,
        "import torch, pyposeops\n"
        "from pyposeops.skeletons import OPENPOSE_COCO_18\n"
        "from benchmarks.planted_people import crowd\n"
        "planted = crowd(8, seed=5)\n"
        "found = pyposeops.paf_decode(planted.heatmaps, planted.pafs, OPENPOSE_COCO_18)\n"
        "wanted = pyposeops.reference.paf_decode(planted.heatmaps, planted.pafs, OPENPOSE_COCO_18)\n"
        "assert all(map(torch.equal, found, wanted))",
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"heatmaps": torch.zeros(4, 5, 5)}, "heatmaps.*(B, C, H, W)"),
        ({"heatmaps": torch.zeros(1, 3, 5, 5)}, "heatmaps.*4 joints"),
        ({"heatmaps": torch.zeros(1, 4, 0, 5), "pafs": torch.zeros(1, 8, 0, 5)}, "heatmaps"),
        ({"heatmaps": torch.zeros(1, 4, 5, 5, dtype=torch.int32)}, "heatmaps"),
        ({"pafs": torch.zeros(1, 8, 5, 6)}, "pafs"),
        ({"pafs": torch.zeros(2, 8, 5, 5)}, "pafs"),
        ({"pafs": torch.zeros(1, 7, 5, 5)}, "pafs.*channels 6 and 7"),
        ({"pafs": torch.zeros(1, 8, 5, 5, dtype=torch.float64)}, "pafs"),
        ({"upsampling": 0}, "upsampling"),
        ({"upsampling": 9}, "upsampling"),
        ({"max_peaks": 0}, "max_peaks"),
        ({"max_peaks": 256}, "max_peaks"),
        ({"max_people": 0}, "max_people"),
        ({"min_joints": 0}, "min_joints"),
        ({"paf_ratio": 1.0}, "paf_ratio"),
        ({"paf_ratio": float("nan")}, "paf_ratio"),
        ({"heatmap_threshold": float("nan")}, "heatmap_threshold"),
        ({"paf_threshold": float("inf")}, "paf_threshold"),
        ({"near_distance": float("nan")}, "near_distance"),
        ({"min_score": float("nan")}, "min_score"),
        ({"refine": "dark"}, "refine.*centroid"),
        ({"sampling": "nearest"}, "sampling"),
        ({"assembly": "munkres"}, "assembly"),
        ({"skeleton": CHAIN._replace(joints=tuple("x" * 64))}, "skeleton.*63"),
        ({"skeleton": CHAIN._replace(uncounted=(4,))}, "skeleton.*uncounted"),
        ({"skeleton": CHAIN._replace(uncounted=(-1,))}, "skeleton.*uncounted"),
        ({"skeleton": CHAIN._replace(extra=(4,))}, "skeleton.*extra"),
        ({"skeleton": CHAIN._replace(limbs=((0, 9),), channels=((0, 1),), extra=())}, "skeleton.*0 and 9"),
        ({"skeleton": CHAIN._replace(limbs=(), channels=(), extra=())}, "skeleton.*limbs"),
    ],
)
def test_wrong_arguments_are_named(changes: dict[str, Any], words: str):
    arguments = {
        "heatmaps": torch.zeros(1, 4, 5, 5),
        "pafs": torch.zeros(1, 8, 5, 5),
        "skeleton": CHAIN,
        **changes,
    }
    with pytest.raises((ValueError, TypeError), match=words):
        pyposeops.paf_decode(**arguments)


def test_a_skeleton_of_ones_own_is_checked():
    with pytest.raises(ValueError, match="channels"):
        PafSkeleton.of(("a", "b"), [(0, 1)], [(0, 1), (2, 3)])
    with pytest.raises(ValueError, match="limbs"):
        PafSkeleton.of(("a", "b"), [(0, 2)])
    with pytest.raises(ValueError, match="uncounted"):
        PafSkeleton.of(("a", "b"), [(0, 1)], uncounted=(2,))
    with pytest.raises(ValueError, match="extra"):
        PafSkeleton.of(("a", "b"), [(0, 1)], extra=(1,))


@pytest.mark.parametrize(
    ("skeleton", "joints", "limbs"),
    [(OPENPOSE_COCO_18, 18, 19), (OPENPOSE_BODY_25, 25, 26), (OPENPOSE_MPI_15, 15, 14)],
)
def test_published_skeletons_use_every_channel_once(skeleton: PafSkeleton, joints: int, limbs: int):
    assert len(set(skeleton.joints)) == joints == len(skeleton.joints) and len(skeleton.limbs) == limbs
    channels = [channel for pair in skeleton.channels for channel in pair]
    assert sorted(channels) == list(range(2 * limbs))


COCO_17 = "nose left_eye right_eye left_ear right_ear left_shoulder right_shoulder left_elbow right_elbow"
COCO_17 += " left_wrist right_wrist left_hip right_hip left_knee right_knee left_ankle right_ankle"


def test_annotated_people_come_back(pose_data: Path):
    """Joints of real crowds, drawn as maps."""

    content = json.loads((pose_data / "coco_people" / "annotations.json").read_text())
    order = [[*COCO_17.split(), "neck"].index(name) for name in OPENPOSE_COCO_18.joints]
    whole = found_back = 0
    for image in content["images"]:
        people = [
            x for x in content["annotations"] if x["image_id"] == image["id"] and x["num_keypoints"] >= 8
        ]
        if not people:
            continue
        triples = torch.tensor([x["keypoints"] for x in people], dtype=torch.float32).reshape(-1, 17, 3)
        shoulders = triples[:, [5, 6]]
        neck = shoulders.mean(1, keepdim=True)
        neck[..., 2] = (shoulders[..., 2] > 0).all(1, keepdim=True).float()
        triples = torch.cat([triples, neck], 1)[:, order]
        size = (-(-image["height"] // STRIDE), -(-image["width"] // STRIDE))
        planted = render(triples[..., :2].contiguous(), (triples[..., 2] > 0).float(), OPENPOSE_COCO_18, size)
        found = pyposeops.paf_decode(planted.heatmaps, planted.pafs, OPENPOSE_COCO_18)
        whole += len(people)
        found_back += int((distances(planted, found) < 2 * STRIDE).sum())
    assert found_back == whole > 50
