"""nearby_joints_nms against its definition, against the published loop, and at its corners."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch

from pyposeops import nearby_joints_nms, reference
from tests.op_contract import ISAS, assert_compiles, assert_same, run_under_isa
from tests.ops.similar_people import People, similar_people
from tests.property_tests import given, settings, st

REALS = (torch.float32, torch.float64)
SIZES = (5, 0, 1, 40, 2, 0, 17)


def call(people: People, device="cpu", function=nearby_joints_nms, **options):
    options = {"offsets": people.offsets, **options}
    moved = {k: v.to(device) if isinstance(v, torch.Tensor) else v for k, v in options.items()}
    return function(people.keypoints.to(device), people.scores.to(device), **moved)


def published(poses, scores, share, needed, max_dets):
    """Kept rows of one image, in the manner of DEKR; equal scores do not occur."""
    diagonal = np.linalg.norm(poses.max(1) - poses.min(1), axis=1)
    suppressed, kept = set(), []
    for i in np.argsort(scores)[::-1]:
        if i in suppressed:
            continue
        near = np.linalg.norm(poses - poses[i], axis=2) < share * diagonal[i]
        close = np.flatnonzero(near.sum(1) > needed)
        best = close[np.argmax(scores[close])]
        if best not in suppressed:
            kept.append(best)
            suppressed |= set(close.tolist())
    return sorted(sorted(kept, key=lambda i: -scores[i])[:max_dets])


@pytest.mark.parametrize("dtype", REALS)
@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("distance_threshold", [0.02, 0.05, 0.2])
@pytest.mark.parametrize("options", [{}, {"joint_threshold": 2}, {"joint_threshold": 16, "max_dets": 4}])
def test_equals_definition(device, generator, dtype, tied, distance_threshold, options):
    people = similar_people(generator, SIZES, dtype=dtype, tied=tied)
    options = {"distance_threshold": distance_threshold, **options}
    want = call(people, function=reference.nearby_joints_nms, **options)
    assert_same(call(people, device, **options), want)
    assert 0 < want[0].sum() < len(want[0])


@pytest.mark.parametrize("distance_threshold", [0.02, 0.05, 0.2])
@pytest.mark.parametrize("max_dets", [3, 30, None])
def test_equals_the_published_loop_image_by_image(device, generator, distance_threshold, max_dets):
    people = similar_people(generator, SIZES, dtype=torch.float64)
    got = call(people, device, distance_threshold=distance_threshold, max_dets=max_dets).keep.cpu()
    for begin, end in pairwise(people.offsets.tolist()):
        poses, scores = people.keypoints[begin:end].numpy(), people.scores[begin:end].numpy()
        want = published(poses, scores, distance_threshold, 8, max_dets or end)
        assert got[begin:end].nonzero()[:, 0].tolist() == want


@pytest.mark.parametrize("count", [1, 500])
def test_one_image_of_one_and_of_500_people(device, generator, count):
    people = similar_people(generator, (count,))
    want = call(people, function=reference.nearby_joints_nms)
    for offsets in (people.offsets, None):
        assert_same(call(people, device, offsets=offsets), want)


def test_the_reach_is_that_of_whoever_looks(device):
    """The reach of the large pose is 10, that of the small one 4, and one joint is 8 apart: the large one finds the
    small one close, and gives way to it where that is the better one."""
    large = torch.tensor([[0.0, 0.0], [120.0, 160.0]])
    small = torch.tensor([[8.0, 0.0], [88.0, 0.0]])
    poses = torch.stack([large, small]).to(device)
    for scores, kept in (([0.9, 0.8], [True, False]), ([0.8, 0.9], [False, True])):
        found = nearby_joints_nms(poses, torch.tensor(scores, device=device), joint_threshold=0)
        assert found.keep.tolist() == kept


def test_a_pose_in_one_place_keeps_itself(device):
    poses = torch.zeros(3, 4, 2, device=device)
    assert nearby_joints_nms(poses, torch.ones(3, device=device)).keep.all()


def test_distance_must_be_below_the_reach_and_joints_above_the_threshold(device):
    pose = torch.tensor([[0.0, 0.0], [30.0, 40.0], [60.0, 80.0], [0.0, 80.0]], dtype=torch.float64)
    scores = torch.tensor([0.9, 0.8], device=device)
    for shift, kept in ((4.999, [True, False]), (5.001, [True, True])):
        moved = pose.clone()
        moved[:3, 0] += shift
        moved[3] = torch.tensor([30.0, 60.0])
        poses = torch.stack([pose, moved]).to(device)
        assert nearby_joints_nms(poses, scores, joint_threshold=2).keep.tolist() == kept
        assert nearby_joints_nms(poses, scores, joint_threshold=3).keep.all()


def test_nan_is_near_nothing(device, generator):
    people = similar_people(generator, SIZES, dtype=torch.float64)
    people.keypoints[torch.rand(people.keypoints.shape[:2], generator=generator) < 0.2] = math.nan
    people.keypoints[7] = math.nan
    want = call(people, function=reference.nearby_joints_nms)
    assert_same(call(people, device), want)
    assert want[0].sum() < len(want[0])


@settings(max_examples=300, deadline=None)
@given(
    sizes=st.lists(st.integers(0, 6), min_size=1, max_size=4),
    joints=st.integers(1, 5),
    distance_threshold=st.sampled_from([0.1, 0.9, 1.5]),
    max_dets=st.sampled_from([1, 2, None]),
    dtype=st.sampled_from(REALS),
    seed=st.integers(0, 1000),
)
def test_any_people_on_a_grid_equal_the_definition(sizes, joints, distance_threshold, max_dets, dtype, seed):
    rng = torch.Generator().manual_seed(seed)
    count = sum(sizes)
    points = 8.0 * torch.randint(3, (count, joints, 2), generator=rng).to(dtype)
    scores = torch.randint(3, (count,), generator=rng).to(dtype)
    options = {
        "distance_threshold": distance_threshold,
        "joint_threshold": int(torch.randint(joints, (), generator=rng)),
        "max_dets": max_dets,
        "offsets": torch.tensor([0, *np.cumsum(sizes)]),
    }
    want = reference.nearby_joints_nms(points, scores, **options)
    assert_same(nearby_joints_nms(points, scores, **options), want)


# ---- the machinery -----------------------------------------------------------------------------------------------


def test_no_people_and_no_images(device):
    nobody = torch.zeros(0, 17, 2, device=device)
    for offsets in (None, [0], [0, 0, 0]):
        edges = None if offsets is None else torch.tensor(offsets, device=device)
        got = nearby_joints_nms(nobody, nobody[:, 0, 0], offsets=edges)
        assert got.keep.shape == got.order.shape == (0,)


def test_opcheck(device, generator):
    people = similar_people(generator, SIZES)
    tensors = (people.keypoints.to(device), people.scores.to(device))
    operator = torch.ops.pyposeops.nearby_joints_nms.default
    torch.library.opcheck(operator, (*tensors, 0.05, 8, 30))
    torch.library.opcheck(operator, (*tensors, 0.05, 8, 30, people.offsets.to(device)))


def test_compiles_without_graph_breaks(device, generator):
    people = similar_people(generator, SIZES)
    offsets = people.offsets.to(device)
    assert_compiles(
        lambda points, scores: tuple(nearby_joints_nms(points, scores, offsets=offsets)),
        people.keypoints.to(device),
        people.scores.to(device),
    )


@pytest.mark.cuda
def test_cuda_graph_capture(generator):
    people = similar_people(generator, SIZES)
    points, scores, offsets = (t.cuda() for t in (people.keypoints, people.scores, people.offsets))
    nearby_joints_nms(points, scores, offsets=offsets)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        captured = nearby_joints_nms(points, scores, offsets=offsets)
    scores.neg_()
    graph.replay()
    assert_same(captured, nearby_joints_nms(points, scores, offsets=offsets))


@pytest.mark.parametrize("isa", ISAS)
def test_every_instruction_set_gives_the_same_result(tmp_path, generator, isa):
    people = similar_people(generator, SIZES, tied=True)
    options = {"offsets": people.offsets, "distance_threshold": 0.1}
    tensors = (people.keypoints, people.scores)
    torch.save((tensors, options, tuple(nearby_joints_nms(*tensors, **options))), tmp_path / "expected.pt")
    run_under_isa(
        isa,
        "import torch, pyposeops\n"
        f"assert pyposeops.build_info()['cpu_isa'] == '{isa}'\n"
        f"tensors, options, want = torch.load({str(tmp_path / 'expected.pt')!r})\n"
        "got = pyposeops.nearby_joints_nms(*tensors, **options)\n"
        "assert all(torch.equal(a, b) for a, b in zip(got, want))\n",
    )


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"keypoints": torch.zeros(4, 6)}, ValueError, "keypoints: expected (N, K, 2), got (4, 6)"),
        ({"keypoints": torch.zeros(4, 3, 3)}, ValueError, "keypoints: expected (N, K, 2), got (4, 3, 3)"),
        ({"keypoints": torch.zeros(4, 3, 2).half()}, TypeError, "keypoints: expected dtype float32, float64"),
        ({"keypoints": torch.zeros(4, 0, 2)}, ValueError, "joint_threshold: expected a number from 0 to below the 0"),
        ({"scores": torch.zeros(5)}, ValueError, "scores: expected (N,) with the N of keypoints, got (5,)"),
        ({"scores": torch.full((4,), math.nan)}, ValueError, "scores: expected numbers, got nan at 0"),
        ({"distance_threshold": 0.0}, ValueError, "distance_threshold: expected a finite number above 0, got 0.0"),
        ({"joint_threshold": 3}, ValueError, "joint_threshold: expected a number from 0 to below the 3 joints"),
        ({"joint_threshold": -1}, ValueError, "joint_threshold: expected a number from 0 to below the 3 joints"),
        ({"max_dets": 0}, ValueError, "max_dets: expected a number of at least 1, got 0"),
        ({"offsets": torch.tensor([0, 3, 2, 4])}, ValueError, "the last the 4 people, got 2 at 2"),
    ],
)  # fmt: skip
def test_bad_input_is_named(changes, error, words):
    arguments = {"keypoints": torch.zeros(4, 3, 2), "scores": torch.zeros(4), **changes}
    with pytest.raises(error) as caught:
        nearby_joints_nms(**arguments)
    assert words in str(caught.value)
