"""tag_grouping against its definition, against a parser in the manner of the public code, and at its corners."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

import pyposeops
from benchmarks.alternatives import tag_parser
from benchmarks.tagged_people import crowd, draw
from pyposeops import reference, tag_grouping
from pyposeops.reference.tag_grouping import assign
from pyposeops.skeletons import COCO_17_TAG_ORDER
from tests.op_contract import FLOATS, ISAS, assert_compiles, assert_same, layouts, run_under_isa
from tests.property_tests import given, settings, st

EXACT = {"rtol": 0.0, "atol": 0.0}


def random_maps(generator, *shape, tag_count=2, levels=0):
    """Noise, or few different values: peaks everywhere, and tags that hardly tell anybody apart."""
    heatmaps = torch.rand(shape, generator=generator)
    tags = 4 * torch.rand(*shape, tag_count, generator=generator)
    if levels:
        heatmaps, tags = (heatmaps * levels).floor() / levels, tags.round() / 2
    return heatmaps, tags


# ---- values ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("people", [0, 1, 2, 5, 20])
@pytest.mark.parametrize("tag_count", [1, 2])
def test_planted_people_are_equal_to_the_definition(device, people, tag_count):
    planted = crowd(people, seed=people, size=(128, 112), tag_count=tag_count)
    options = {"joint_order": COCO_17_TAG_ORDER}
    got = tag_grouping(planted.heatmaps.to(device), planted.tags.to(device), **options)
    assert_same(got, reference.tag_grouping(planted.heatmaps, planted.tags, **options), **EXACT)
    assert got.counts.item() == people


@pytest.mark.parametrize("people", [1, 5, 20, 30])
def test_planted_people_come_back(people):
    planted = crowd(people, seed=people, size=(160, 144), hidden=0.1)
    got = tag_grouping(planted.heatmaps, planted.tags, refine="none")
    assert got.counts.item() == people
    free = list(range(people))
    for pose, detected in zip(got.keypoints[0, :people], got.detected[0, :people], strict=True):
        wrong = [
            int(((planted.joints[i] - pose[:, :2]).abs().amax(-1) > 1)[planted.visibility[i] > 0].sum())
            for i in free
        ]
        person = free.pop(wrong.index(min(wrong)))
        assert min(wrong) == 0
        assert torch.equal(detected, planted.visibility[person] > 0)


@pytest.mark.parametrize("people", [1, 5, 20])
@pytest.mark.parametrize(("tag_count", "hidden"), [(1, 0.0), (2, 0.3)])
def test_equals_the_public_procedure(people, tag_count, hidden):
    """Where no two assignments cost the same: with one tag and hidden joints there would be some."""
    pytest.importorskip("scipy")
    planted = crowd(people, seed=people, size=(160, 144), tag_count=tag_count, hidden=hidden)
    want = tag_parser.decode(planted.heatmaps.numpy(), planted.tags.numpy(), joint_order=COCO_17_TAG_ORDER)[0]
    got = tag_grouping(planted.heatmaps, planted.tags, joint_order=COCO_17_TAG_ORDER)
    np.testing.assert_array_equal(got.keypoints[0, : got.counts[0]].numpy(), want)


@pytest.mark.parametrize("levels", [0, 4])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"use_scores": False},
        {"max_people": 5},
        {"max_people": 5, "join_when_full": False},
        {"tag_threshold": 0.3, "threshold": 0.5, "window": 3, "max_peaks": 12, "max_people": 100},
        {"refine": "none", "fill_weight": 100.0},
        {"fill": False, "half_pixel": True},
        {"fill_weight": 0.0},
        {"joint_order": [3, 1, 0, 2]},
    ],
)
def test_noise_is_equal_to_the_definition(device, generator, levels, options):
    heatmaps, tags = random_maps(generator, 2, 4, 33, 40, levels=levels)
    got = tag_grouping(heatmaps.to(device), tags.to(device), **options)
    assert_same(got, reference.tag_grouping(heatmaps, tags, **options), **EXACT)
    assert got.counts.min() > 0


@pytest.mark.parametrize("layout", ["contiguous", "channels_last", "strided", "transposed"])
@pytest.mark.parametrize("dtype", FLOATS)
def test_dtypes_and_layouts(device, generator, layout, dtype):
    heatmaps, tags = random_maps(generator, 2, 3, 20, 530, tag_count=1)
    heatmaps, tags = heatmaps.to(dtype), tags[..., 0].to(dtype)
    got = tag_grouping(layouts(heatmaps.to(device))[layout], layouts(tags.to(device))[layout])
    assert_same(got, reference.tag_grouping(heatmaps, tags), **EXACT)
    real = torch.float64 if dtype == torch.float64 else torch.float32
    assert got.keypoints.dtype == got.scores.dtype == got.tags.dtype == real


def test_tags_that_joints_share(generator):
    heatmaps, tags = random_maps(generator, 2, 3, 24, 20, tag_count=1)
    shared = tags[:, :1, ..., 0].expand(heatmaps.shape)
    assert_same(tag_grouping(heatmaps, shared), tag_grouping(heatmaps, shared.contiguous()), **EXACT)


def test_assignment_of_the_definition_is_the_cheapest(generator):
    for rows, columns in ((1, 1), (2, 5), (4, 4), (3, 6)):
        for _ in range(20):
            costs = (torch.rand(rows, columns, generator=generator) * 4).round().tolist()
            found = assign(rows, columns, lambda i, j, costs=costs: (costs[i][j], 0.0))
            assert len(set(found)) == rows
            every = itertools.permutations(range(columns), rows)
            least = min(sum(costs[i][j] for i, j in enumerate(choice)) for choice in every)
            assert sum(costs[i][j] for i, j in enumerate(found)) == least


# ---- corners -----------------------------------------------------------------------------------------------------


def two_joints(*peaks, size=(12, 16)):
    """Maps (1, 2, H, W) and tags with peaks (joint, x, y, score, tag)."""
    heatmaps, tags = torch.zeros(1, 2, *size), torch.zeros(1, 2, *size)
    for joint, x, y, score, tag in peaks:
        heatmaps[0, joint, y, x], tags[0, joint, y, x] = score, tag
    return heatmaps, tags


def test_people_with_the_same_tag_are_both_found(device):
    maps = two_joints((0, 2, 2, 0.9, 4.0), (0, 12, 9, 0.8, 4.0))
    got = tag_grouping(*(m.to(device) for m in maps), fill=False)
    assert got.counts.item() == 2
    assert got.keypoints[0, :2, 0, 2].tolist() == pytest.approx([0.9, 0.8])


def test_equal_rounded_distances_go_by_the_distance(device):
    """Both peaks are within half a unit of both people: by the published cost either assignment is as good."""
    maps = two_joints((0, 2, 2, 0.9, 1.0), (0, 12, 9, 0.8, 1.4), (1, 3, 3, 0.7, 1.4), (1, 11, 8, 0.6, 1.0))
    got = tag_grouping(*(m.to(device) for m in maps), refine="none")
    assert got.keypoints[0, :2, 1, 0].tolist() == [11.0, 3.0]
    assert got.tags[0, :2, 0].tolist() == pytest.approx([1.0, 1.4])


def test_equal_costs_on_a_line_keep_the_pair_that_fits(device):
    """3 to 6 and 6 to 9 cost as much as 6 to 6 and 3 to 9."""
    first = ((0, 2, 2, 0.9, 3.0), (0, 12, 9, 0.8, 6.0))
    maps = two_joints(*first, (1, 2, 9, 0.7, 6.0), (1, 12, 2, 0.6, 9.0))
    got = tag_grouping(*(m.to(device) for m in maps), fill=False)
    assert got.tags[0, : got.counts[0], 0].tolist() == [3.0, 6.0, 9.0]


def test_threshold_of_tags_is_not_within(device):
    maps = two_joints((0, 2, 2, 0.9, 1.0), (1, 3, 3, 0.7, 2.0))
    got = tag_grouping(*(m.to(device) for m in maps), fill=False)
    assert got.counts.item() == 2
    assert tag_grouping(*(m.to(device) for m in maps), fill=False, tag_threshold=1.001).counts.item() == 1


def test_steps_on_borders_and_beside_equal_neighbours(device):
    heatmaps = torch.zeros(1, 1, 6, 7)
    heatmaps[0, 0, 0, 0], heatmaps[0, 0, 3, 6], heatmaps[0, 0, 3, 5] = 0.9, 0.8, 0.5
    got = tag_grouping(heatmaps.to(device), torch.zeros_like(heatmaps).to(device), fill=False)
    assert got.keypoints[0, :2, 0, :2].tolist() == [[-0.25, -0.25], [6.25, 2.75]]
    half = tag_grouping(heatmaps, torch.zeros_like(heatmaps), half_pixel=True)
    assert half.keypoints[0, 0, 0, :2].tolist() == [0.25, 0.25]


def test_missing_joint_is_the_best_pixel_with_the_persons_tags(device):
    heatmaps, tags = two_joints((0, 2, 2, 0.9, 5.0), (1, 4, 4, 0.09, 0.0), (1, 6, 9, 0.05, 5.2))
    options = {"refine": "none", "threshold": 0.1}
    got = tag_grouping(heatmaps.to(device), tags.to(device), **options)
    assert got.keypoints[0, 0, 1].tolist() == pytest.approx([6.0, 9.0, 0.05])
    assert got.detected[0, 0].tolist() == [True, False]
    assert got.scores[0, 0].item() == pytest.approx(0.45)
    heatmaps[0, 1] = -heatmaps[0, 1]
    got = tag_grouping(heatmaps.to(device), tags.to(device), **options)
    assert got.keypoints[0, 0, 1].tolist() == [0, 0, 0]


def test_nan_and_infinite_values(device, generator):
    heatmaps, tags = random_maps(generator, 1, 3, 24, 20, tag_count=2)
    heatmaps[0, 0, 3:6] = math.nan
    heatmaps[0, 1, 5, 5], heatmaps[0, 1, 15, 5] = math.inf, -math.inf
    tags[0, 0, 8:, :5, 1], tags[0, 2, 10, :] = math.nan, math.inf
    got = tag_grouping(heatmaps.to(device), tags.to(device), max_people=200)
    assert_same(got, reference.tag_grouping(heatmaps, tags, max_people=200), **EXACT)
    heatmaps[:], tags[:, 0] = math.nan, 0.0
    assert tag_grouping(heatmaps.to(device), tags.to(device)).counts.item() == 0


def test_map_of_nan_leaves_the_joint_missing(device):
    heatmaps, tags = two_joints((0, 2, 2, 0.9, 5.0))
    heatmaps[0, 1] = math.nan
    got = tag_grouping(heatmaps.to(device), tags.to(device))
    assert got.keypoints[0, 0, 1].tolist() == [0, 0, 0]


@settings(max_examples=80, deadline=None)
@given(
    people=st.integers(0, 50),
    seed=st.integers(0, 10_000),
    hidden=st.sampled_from([0.0, 0.3, 0.9]),
    levels=st.sampled_from([0, 2, 8]),
    options=st.fixed_dictionaries(
        {
            "max_people": st.sampled_from([1, 7, 30, 60]),
            "max_peaks": st.sampled_from([1, 8, 60]),
            "tag_threshold": st.sampled_from([0.5, 1.0, 5.0]),
            "use_scores": st.booleans(),
            "join_when_full": st.booleans(),
            "refine": st.sampled_from(["none", "quarter"]),
            "fill": st.booleans(),
        }
    ),
)
def test_any_crowd_equals_definition(people, seed, hidden, levels, options):
    generator = torch.Generator().manual_seed(seed)
    joints = torch.rand(people, 3, 2, generator=generator) * torch.tensor([40.0, 32.0]) - 2
    visibility = (torch.rand(people, 3, generator=generator) >= hidden).float()
    planted = draw(joints.clamp(min=0), visibility, (32, 38), seed, tag_count=1 + seed % 2)
    heatmaps, tags = planted.heatmaps, planted.tags / 3
    if levels:
        heatmaps, tags = (heatmaps * levels).round() / levels, (tags * levels).round() / levels
    got = tag_grouping(heatmaps, tags, **options)
    assert_same(got, reference.tag_grouping(heatmaps, tags, **options), **EXACT)


# ---- the machinery -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(0, 3, 4, 5), (2, 0, 4, 5)])
def test_empty_batch_and_no_joints(device, shape):
    got = tag_grouping(torch.zeros(shape, device=device), torch.zeros(*shape, 2, device=device), max_people=4)
    assert got.keypoints.shape == (shape[0], 4, shape[1], 3) and got.tags.shape == (shape[0], 4, 2)
    assert got.counts.tolist() == [0] * shape[0]
    assert isinstance(got, pyposeops.TagPeople)


def test_one_pixel_maps(device):
    heatmaps = torch.tensor([[[[0.5]], [[-0.5]]]], device=device)
    got = tag_grouping(heatmaps, torch.zeros_like(heatmaps), refine="none", max_people=2)
    assert got.keypoints.tolist() == [[[[0, 0, 0.5], [0, 0, 0]], [[0, 0, 0], [0, 0, 0]]]]


def test_inputs_are_not_written(device, generator):
    heatmaps, tags = (tensor.to(device) for tensor in random_maps(generator, 1, 3, 16, 12))
    before = heatmaps.clone(), tags.clone()
    tag_grouping(heatmaps, tags)
    assert torch.equal(heatmaps, before[0]) and torch.equal(tags, before[1])


def test_opcheck_and_compilation(device, generator):
    heatmaps, tags = (tensor.to(device) for tensor in random_maps(generator, 2, 3, 16, 12))
    arguments = ([2, 0, 1], 5, 8, 5, 0.1, 1.0, True, True, True, True, 1.0, False)
    torch.library.opcheck(torch.ops.pyposeops.tag_grouping.default, (heatmaps, tags, *arguments))
    assert_compiles(lambda h, t: tag_grouping(h * 2, t), heatmaps, tags)


@pytest.mark.parametrize("isa", ISAS)
def test_every_instruction_set_gives_the_same_bits(tmp_path, generator, isa):
    cases = []
    for dtype in FLOATS:
        heatmaps, tags = random_maps(generator, 2, 5, 33, 70)
        heatmaps[0, 0, 4:6], tags[1, 2, 5:, 5] = math.nan, math.inf
        heatmaps, tags = heatmaps.to(dtype), tags.to(dtype)
        cases.append((heatmaps, tags, list(tag_grouping(heatmaps, tags))))
    torch.save(cases, tmp_path / "expected.pt")
    run_under_isa(
        isa,
        "import torch, pyposeops\n"
        f"assert pyposeops.build_info()['cpu_isa'] == '{isa}'\n"
        f"for heatmaps, tags, want in torch.load({str(tmp_path / 'expected.pt')!r}):\n"
        "    got = list(pyposeops.tag_grouping(heatmaps, tags))\n"
        "    torch.testing.assert_close(got, want, rtol=0, atol=0)\n",
    )


def test_thread_count_does_not_change_the_result(generator):
    heatmaps, tags = random_maps(generator, 5, 4, 40, 30)
    threads = torch.get_num_threads()
    try:
        results = []
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            results.append(tag_grouping(heatmaps, tags))
    finally:
        torch.set_num_threads(threads)
    for result in results[1:]:
        assert_same(result, results[0], **EXACT)


# ---- bad input ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"heatmaps": torch.zeros(3, 4, 5)}, ValueError, "heatmaps: expected (B, K, H, W), got (3, 4, 5)"),
        ({"heatmaps": torch.zeros(2, 3, 4, 5).int()}, TypeError, "heatmaps: expected a floating dtype"),
        ({"heatmaps": torch.zeros(2, 3, 0, 5), "tags": torch.zeros(2, 3, 0, 5)}, ValueError, "heatmaps: exp"),
        ({"tags": torch.zeros(2, 3, 4, 6)}, ValueError, "tags: expected (B, K, H, W) or (B, K, H, W, T)"),
        ({"tags": torch.zeros(2, 3, 4, 5, 0)}, ValueError, "tags: expected 1 to 16 of them, got 0"),
        ({"tags": torch.zeros(2, 3, 4, 5, 17)}, ValueError, "tags: expected 1 to 16 of them, got 17"),
        ({"tags": torch.zeros(2, 3, 4, 5).double()}, TypeError, "tags: expected the heatmaps' dtype"),
        ({"joint_order": [0, 1]}, ValueError, "joint_order: expected all 3 joints, got 2 of them"),
        ({"joint_order": [0, 1, 1]}, ValueError, "joint_order: expected every joint from 0 to 2 once, got 1"),
        ({"joint_order": [0, 1, 3]}, ValueError, "joint_order: expected every joint from 0 to 2 once, got 3"),
        ({"threshold": math.nan}, ValueError, "threshold: expected a number, got nan"),
        ({"tag_threshold": math.nan}, ValueError, "tag_threshold: expected a number, got nan"),
        ({"tag_threshold": 0.0}, ValueError, "tag_threshold: expected a number above 0, at most 1e6"),
        ({"max_peaks": 0}, ValueError, "max_peaks: expected a number from 1 to 1024, got 0"),
        ({"max_people": 1025}, ValueError, "max_people: expected a number from 1 to 1024, got 1025"),
        ({"window": 4}, ValueError, "window: expected an odd number from 3 to 63, got 4"),
        ({"refine": "dark"}, ValueError, "refine: expected one of none, quarter, got 'dark'"),
        ({"fill_weight": -1.0}, ValueError, "fill_weight: expected a finite number of at least 0"),
        ({"fill_weight": math.inf}, ValueError, "fill_weight: expected a finite number of at least 0"),
    ],
)
def test_bad_input_is_named(device, change, error, words):
    arguments = {"heatmaps": torch.zeros(2, 3, 4, 5), "tags": torch.zeros(2, 3, 4, 5), **change}
    for name in ("heatmaps", "tags"):
        arguments[name] = arguments[name].to(device)
    with pytest.raises(error) as caught:
        tag_grouping(**arguments)
    assert words in str(caught.value)
