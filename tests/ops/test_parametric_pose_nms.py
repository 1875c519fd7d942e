"""parametric_pose_nms against its definition, against the published procedure, and at its corners."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch

from pyposeops import PoseNms, parametric_pose_nms, reference
from tests.op_contract import ISAS, assert_compiles, assert_same, run_under_isa
from tests.ops.similar_people import People, similar_people
from tests.property_tests import given, settings, st

REALS = (torch.float32, torch.float64)
VARIANTS = ("relative", "paper", "alphapose")
SIZES = (5, 0, 1, 40, 2, 0, 17)
EXACT_FIELDS = ("keep", "groups", "order")


def tensors_of(people: People):
    return people.boxes, people.scores, people.keypoints, people.joint_scores


def call(people: People, device="cpu", function=parametric_pose_nms, **options):
    options = {"offsets": people.offsets, **options}
    moved = {k: v.to(device) if isinstance(v, torch.Tensor) else v for k, v in options.items()}
    return PoseNms(*function(*(t.to(device) for t in tensors_of(people)), **moved))


def assert_same_people(got: PoseNms, want: PoseNms) -> None:
    """Who is kept must be equal; merged values are rounded differently in the last place."""
    for name, tensor in got._asdict().items():
        tolerance = {"rtol": 0, "atol": 0}
        if name not in EXACT_FIELDS:
            tolerance = (
                {"rtol": 1e-12, "atol": 1e-12} if tensor.dtype == torch.float64 else {"rtol": 1e-6, "atol": 0}
            )
        assert_same(tensor, getattr(want, name), **tolerance)


def distances(pose, poses):
    return np.sqrt(((poses - pose) ** 2).sum(-1))


def published(boxes, box_scores, poses, scores, *, score_threshold=0.3, area_threshold=0.0):
    """One image in the manner of AlphaPose: {row of the picked one: (pose, joint scores, person score, rows)}."""
    delta1, mu, delta2, gamma, matches_needed, alpha = 1, 1.7, 2.65, 22.48, 5, 0.1
    scores = np.where(scores == 0, 1e-5, scores)
    reference_distances = alpha * boxes[:, 2:].max(1)
    left, found = np.arange(len(poses)), {}
    while len(left):
        best = left[np.argmax(scores[left].mean(1))]
        apart = distances(poses[best], poses[left])
        confident = np.tanh(scores[best] / delta1) * np.tanh(scores[left] / delta1)
        similar = (confident * (apart <= 1)).sum(1) + mu * np.exp(-apart / delta2).sum(1)
        matches = (apart / min(reference_distances[best], 7) <= 1).sum(1)
        group = left[(similar > gamma) | (matches >= matches_needed) | (left == best)]
        left = np.setdiff1d(left, group)
        if scores[best].max() < score_threshold:
            continue
        share = scores[group] * (distances(poses[best], poses[group]) <= min(reference_distances[best], 15))
        share_of_all = share / share.sum(0)
        pose = (share_of_all[..., None] * poses[group]).sum(0)
        pose_scores = (share * share_of_all).sum(0)
        width, height = pose.max(0) - pose.min(0)
        if pose_scores.max() < score_threshold or 1.5**2 * width * height < area_threshold:
            continue
        person = pose_scores.mean() + box_scores[best] + 1.25 * pose_scores.max()
        found[best] = (pose, pose_scores, person, group)
    return found


# ---- values ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", REALS)
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"gamma": 8.0},
        {"gamma": 3.0, "alpha": 0.3, "match_threshold": 2},
        {"merge": False, "score_threshold": 0.95},
        {"area_threshold": 15000.0, "mu": 0.5, "gamma": 4.0},
    ],
)
def test_equals_definition(device, generator, dtype, variant, tied, options):
    people = similar_people(generator, SIZES, dtype=dtype, tied=tied)
    want = call(people, function=reference.parametric_pose_nms, variant=variant, **options)
    assert_same_people(call(people, device, variant=variant, **options), want)
    assert 0 < want.keep.sum() < len(want.keep)


@pytest.mark.parametrize("score_threshold", [0.3, 0.97])
@pytest.mark.parametrize("area_threshold", [0.0, 40 * 40.5, 20000.0])
def test_equals_the_published_procedure_image_by_image(device, generator, score_threshold, area_threshold):
    people = similar_people(generator, SIZES, dtype=torch.float64)
    people.joint_scores[people.joint_scores < 0.1] = 0.0
    options = {"score_threshold": score_threshold, "area_threshold": area_threshold}
    got = PoseNms(*(t.cpu() for t in call(people, device, variant="alphapose", **options)))
    kept, merges = [], 0
    for begin, end in pairwise(people.offsets.tolist()):
        own = [tensor[begin:end].numpy() for tensor in tensors_of(people)]
        for row, (pose, pose_scores, person, group) in published(*own, **options).items():
            at = begin + int(row)
            kept.append(at)
            merges += len(group) > 1
            np.testing.assert_allclose(got.keypoints[at], pose, rtol=1e-12)
            np.testing.assert_allclose(got.keypoint_scores[at], pose_scores, rtol=1e-12)
            assert got.scores[at].item() == pytest.approx(person, rel=1e-12)
            assert (got.groups[begin:end] == at).nonzero()[:, 0].tolist() == group.tolist()
    assert got.order[got.keep[got.order]].tolist() == kept
    assert merges > (0 if score_threshold > 0.5 else 3)
    others = ~got.keep
    assert not (got.keypoints[others].any() or got.keypoint_scores[others].any() or got.scores[others].any())


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("count", [1, 500])
def test_one_image_of_one_and_of_500_people(device, generator, count, variant):
    people = similar_people(generator, (count,), dtype=torch.float64)
    want = call(people, function=reference.parametric_pose_nms, variant=variant)
    for offsets in (people.offsets, None):
        assert_same_people(call(people, device, variant=variant, offsets=offsets), want)


@pytest.mark.parametrize("variant", VARIANTS)
def test_joints_weigh_and_scale_what_they_are_told(device, generator, variant):
    people = similar_people(generator, (40, 12), joints=136, dtype=torch.float64)
    parts = [26, 68, 42]

    def per_joint(*values):
        return torch.tensor(values, dtype=torch.float64).repeat_interleave(torch.tensor(parts))

    options = {
        "variant": variant, "mu": 1.65, "delta2": 0.5 if variant == "relative" else 8.0, "gamma": 1.2, "alpha": 0.15,
        "match_threshold": 0,
        "score_weights": per_joint(1 / 26, 1 / 68, 0.1 / 42),
        "distance_weights": per_joint(1 / 26, 1 / 68, 1.5 / 42),
        "distance_scales": per_joint(1.0, 1.9, 0.55),
    }  # fmt: skip
    want = call(people, function=reference.parametric_pose_nms, **options)
    assert_same_people(call(people, device, **options), want)
    for name in ("score_weights", "distance_weights", "distance_scales"):
        if (variant, name) != ("alphapose", "score_weights"):  # whoever is within a pixel is near anyway
            other = call(people, device, **{**options, name: torch.full((136,), 0.03)})
            assert not torch.equal(other.groups.cpu(), want.groups)
    options["match_threshold"] = 40
    want = call(people, function=reference.parametric_pose_nms, **options)
    assert_same_people(call(people, device, **options), want)


# ---- rules -------------------------------------------------------------------------------------------------------


def pair(offset, *, scores=(0.8, 0.6), box=100.0, joints=17, **options):
    """Two people whose joints are `offset` apart; who of them are groups."""
    first = torch.rand((joints, 2), generator=torch.Generator().manual_seed(1), dtype=torch.float64) * 90
    poses = torch.stack([first, first + torch.tensor(offset, dtype=torch.float64)])
    boxes = torch.tensor([[0.0, 0, box, box]] * 2, dtype=torch.float64)
    joint_scores = torch.tensor(scores, dtype=torch.float64)[:, None].expand(2, joints)
    return parametric_pose_nms(boxes, torch.zeros(2), poses, joint_scores, **options)


def test_similarity_must_exceed_gamma_in_all_variants():
    distance = 2.0
    for variant, near, close in (
        ("relative", math.exp(-(distance / 10) / 2.65), True),  # a tenth of the box of 100
        ("paper", math.exp(-(distance**2) / 2.65), True),
        ("alphapose", math.exp(-distance / 2.65), False),
    ):
        confident = math.tanh(0.8) * math.tanh(0.6)
        similarity = 17 * (1.7 * near + confident * close)
        options = {"variant": variant, "match_threshold": 0}
        assert pair((2.0, 0), gamma=similarity * (1 - 1e-9), **options).groups.tolist() == [0, 0]
        assert pair((2.0, 0), gamma=similarity * (1 + 1e-9), **options).groups.tolist() == [0, 1]


def test_relative_distances_are_in_units_of_a_tenth_of_the_picked_box():
    confident = 17 * math.tanh(0.8) * math.tanh(0.6)
    for distance, inside in ((9.999, True), (10.001, False)):
        near = 17 * 1.7 * math.exp(-distance / 10 / 2.65)
        got = pair((distance, 0), gamma=near + confident / 2)
        assert got.groups.tolist() == [0, 0 if inside else 1]
    # People 8 pixels apart who are 400 pixels high are one, people of 60 pixels are two.
    assert pair((8.0, 0), box=400).groups.tolist() == [0, 0]
    assert pair((8.0, 0), box=60).groups.tolist() == [0, 1]


def test_a_box_without_extent_has_the_same_joints_only():
    assert pair((0.0, 0), box=0.0).groups.tolist() == [0, 0]
    assert pair((1e-6, 0), box=0.0).groups.tolist() == [0, 1]


@pytest.mark.parametrize("zoom", [0.01, 3.0, 1000.0])
def test_relative_groups_are_the_same_in_images_of_every_size(zoom, generator):
    torch.manual_seed(4)
    poses = 200 * torch.rand(5, 17, 2, dtype=torch.float64)
    poses = torch.cat([poses, poses + 8 * torch.randn(5, 17, 2, dtype=torch.float64)])
    boxes = torch.tensor([[0.0, 0.0, 150.0, 210.0]], dtype=torch.float64).expand(10, 4)
    scores = torch.rand(10, 17, dtype=torch.float64)
    groups, zoomed = (
        parametric_pose_nms(size * boxes, torch.ones(10), size * poses, scores).groups for size in (1.0, zoom)
    )
    assert torch.equal(groups, zoomed) and len(groups.unique()) == 5
    in_pixels = [
        parametric_pose_nms(size * boxes, torch.ones(10), size * poses, scores, variant="alphapose").groups
        for size in (0.01, 3.0)
    ]
    assert not torch.equal(*in_pixels)


def test_paper_counts_confidences_in_a_box_a_tenth_as_large_as_the_picked_one():
    confident = 17 * math.tanh(0.8) * math.tanh(0.6)
    for offset, inside in (((4.999, -4.999), True), ((5.001, 0), False), ((0, 5.001), False)):
        near = 17 * 1.7 * math.exp(-(offset[0] ** 2 + offset[1] ** 2) / 2.65)
        got = pair(offset, variant="paper", gamma=near + confident / 2)
        assert got.groups.tolist() == [0, 0 if inside else 1]


def test_alphapose_also_deletes_who_has_enough_joints_in_common():
    assert pair((6.9, 0), variant="alphapose").groups.tolist() == [0, 0]
    assert pair((7.1, 0), variant="alphapose").groups.tolist() == [0, 1]  # at most 7 px
    assert pair((6.9, 0), variant="alphapose", box=60).groups.tolist() == [0, 1]  # 6 px for a box of 60
    assert pair((6.9, 0), variant="alphapose", match_threshold=18).groups.tolist() == [0, 1]
    assert pair((6.9, 0), variant="paper").groups.tolist() == [0, 1]
    assert pair((6.9, 0), variant="paper", match_threshold=17).groups.tolist() == [0, 0]


def test_merging_takes_joints_within_reach_weighted_by_their_scores():
    got = pair((6.0, 0), variant="alphapose")
    alone = pair((6.0, 0), variant="alphapose", merge=False)
    torch.testing.assert_close(
        got.keypoints[0] - alone.keypoints[0],
        torch.tensor([6 * 0.6 / 1.4, 0], dtype=torch.float64).expand(17, 2),
    )
    torch.testing.assert_close(
        got.keypoint_scores[0], torch.full((17,), (0.64 + 0.36) / 1.4, dtype=torch.float64)
    )
    near = pair((6.0, 0), variant="alphapose", merge_limit=5.0)
    torch.testing.assert_close(near.keypoints, alone.keypoints)


def test_equal_means_pick_the_first_person():
    got = pair((0.5, 0), scores=(0.5, 0.5))
    assert got.order.tolist() == [0, 1] and got.groups.tolist() == [0, 0]


def test_thresholds_apply_before_and_after_merging():
    assert pair((0.0, 0), scores=(0.5, 0.4), score_threshold=0.5).keep.tolist() == [False, False]
    assert pair((0.0, 0), scores=(0.5, 0.4), score_threshold=0.45).keep.tolist() == [True, False]
    assert pair((0.0, 0), scores=(0.2, 0.1)).keep.tolist() == [False, False]


def test_area_threshold_compares_the_extent_of_the_joints():
    extent = pair((0, 0)).keypoints[0]
    width, height = (extent.amax(0) - extent.amin(0)).tolist()
    area = 2.25 * width * height
    assert pair((0, 0), area_threshold=area * 0.999).keep.tolist() == [True, False]
    assert not pair((0, 0), area_threshold=area * 1.001).keep.any()


def test_a_joint_that_is_nan_adds_nothing_and_stays_as_it_is(device, generator):
    people = similar_people(generator, SIZES, dtype=torch.float64)
    people.keypoints[torch.rand(people.keypoints.shape[:2], generator=generator) < 0.1] = math.nan
    for variant in VARIANTS:
        options = {"variant": variant, "gamma": 8.0}
        want = call(people, function=reference.parametric_pose_nms, **options)
        assert_same_people(call(people, device, **options), want)
        assert want.keypoints.isnan().any() and not want.scores.isnan().any()


def test_scores_of_zero_weigh_a_little_and_are_not_overwritten(generator):
    people = similar_people(generator, (6,), dtype=torch.float64)
    people.joint_scores[:, 3] = 0.0
    before = [tensor.clone() for tensor in tensors_of(people)]
    got = call(people, variant="alphapose")
    assert got.keypoint_scores[got.keep][:, 3].tolist() == pytest.approx([1e-5] * int(got.keep.sum()))
    assert all(torch.equal(a, b) for a, b in zip(before, tensors_of(people), strict=True))


def test_few_joints_that_are_never_similar_to_themselves_still_end(device):
    """A pose of one joint has similarity 1.7 + tanh²: below gamma, and fewer than five joints match."""
    poses = torch.zeros(3, 1, 2, device=device)
    boxes = torch.tensor([[0.0, 0, 9, 9]] * 3, device=device)
    got = parametric_pose_nms(boxes, torch.ones(3, device=device), poses, torch.ones(3, 1, device=device))
    assert got.groups.tolist() == [0, 1, 2] and got.keep.all()


@settings(max_examples=300, deadline=None)
@given(
    sizes=st.lists(st.integers(0, 6), min_size=1, max_size=4),
    joints=st.integers(1, 6),
    gamma=st.sampled_from([0.0, 1.0, 2.5, 6.0, 22.48]),
    match_threshold=st.sampled_from([0, 1, 3, None]),
    variant=st.sampled_from(VARIANTS),
    merge=st.booleans(),
    score_threshold=st.sampled_from([0.0, 0.5]),
    seed=st.integers(0, 1000),
)
def test_any_people_on_a_grid_equal_the_definition(
    sizes, joints, gamma, match_threshold, variant, merge, score_threshold, seed
):
    """Joints at one place or far apart, scores whose sums are exact: duplicates and ties abound."""
    rng = torch.Generator().manual_seed(seed)
    count = sum(sizes)
    arguments = (
        20.0 * torch.randint(0, 3, (count, 4), generator=rng).double(),
        torch.rand(count, generator=rng),
        64.0 * torch.randint(0, 2, (count, joints, 2), generator=rng).double(),
        (1.0 + torch.randint(0, 3, (count, joints), generator=rng).double()) / 4,
    )
    options = {
        "gamma": gamma, "match_threshold": match_threshold, "variant": variant, "merge": merge,
        "score_threshold": score_threshold, "offsets": torch.tensor([0, *np.cumsum(sizes)]),
    }  # fmt: skip
    want = PoseNms(*reference.parametric_pose_nms(*arguments, **options))
    assert_same_people(parametric_pose_nms(*arguments, **options), want)


# ---- the machinery -----------------------------------------------------------------------------------------------


def test_no_people_and_no_images(device):
    nobody = torch.zeros(0, 17, 2, device=device)
    arguments = (nobody[:, :4, 0], nobody[:, 0, 0], nobody, nobody[..., 0])
    for offsets in (None, [0], [0, 0, 0]):
        edges = None if offsets is None else torch.tensor(offsets, device=device)
        got = parametric_pose_nms(*arguments, offsets=edges)
        assert got.keypoints.shape == (0, 17, 2) and got.keep.shape == (0,)


@pytest.mark.parametrize("variant", VARIANTS)
def test_any_strides_and_mixed_dtypes(device, generator, variant):
    people = similar_people(generator, SIZES)
    together = torch.cat([people.keypoints, people.joint_scores[..., None]], -1)
    together = together.transpose(0, 1).contiguous().transpose(0, 1)
    mixed = People(
        together[..., :2],
        torch.stack([people.scores, people.scores], 1)[:, 1].double(),
        people.areas,
        people.boxes.T.contiguous().T.double(),
        together[..., 2],
        people.offsets.int(),
    )
    got, want = call(mixed, device, variant=variant), call(people, device, variant=variant)
    assert got.scores.dtype == torch.float64 and got.keypoints.is_contiguous()
    assert_same(got[3:], want[3:])
    assert_same(got[:2], want[:2], rtol=0, atol=0)


@pytest.mark.parametrize("variant", [0, 1, 2])
def test_opcheck(device, generator, variant):
    people = similar_people(generator, SIZES)
    moved = [tensor.to(device) for tensor in tensors_of(people)]
    rule = (variant, 1.0, 1.7, 2.65, 22.48, 0.1, 5, 7.0, True, 15.0, 0.3, 0.0)
    operator = torch.ops.pyposeops.parametric_pose_nms.default
    torch.library.opcheck(operator, (*moved, *rule))
    factors = torch.ones((3, 17), dtype=torch.float64, device=device)
    torch.library.opcheck(operator, (*moved, *rule, people.offsets.to(device), factors))
    torch.library.opcheck(operator, (*moved, *rule), {"factors": factors})


def test_compiles_without_graph_breaks(device, generator):
    people = similar_people(generator, SIZES)
    offsets = people.offsets.to(device)

    def merged(*tensors):
        return tuple(parametric_pose_nms(*tensors, offsets=offsets, distance_scales=[1.5] * 17))

    assert_compiles(merged, *(tensor.to(device) for tensor in tensors_of(people)))


def test_results_ask_for_no_gradient(generator):
    people = similar_people(generator, SIZES)
    people.keypoints.requires_grad_()
    assert not any(tensor.requires_grad for tensor in call(people))


@pytest.mark.cuda
def test_cuda_graph_capture(generator):
    people = similar_people(generator, SIZES)
    tensors = [tensor.cuda() for tensor in tensors_of(people)]
    offsets = people.offsets.cuda()
    parametric_pose_nms(*tensors, offsets=offsets)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        captured = parametric_pose_nms(*tensors, offsets=offsets)
    tensors[3].mul_(0.5)
    graph.replay()
    assert_same(captured, parametric_pose_nms(*tensors, offsets=offsets))


@pytest.mark.parametrize("isa", ISAS)
def test_every_instruction_set_gives_the_same_bits(tmp_path, generator, isa):
    cases = []
    for dtype in REALS:
        people = similar_people(generator, SIZES, dtype=dtype, tied=True)
        for variant in VARIANTS:
            options = {"variant": variant, "gamma": 8.0, "offsets": people.offsets}
            tensors = tensors_of(people)
            cases.append((tensors, options, tuple(parametric_pose_nms(*tensors, **options))))
    torch.save(cases, tmp_path / "expected.pt")
    run_under_isa(
        isa,
        "import torch, pyposeops\n"
        f"assert pyposeops.build_info()['cpu_isa'] == '{isa}'\n"
        f"for tensors, options, want in torch.load({str(tmp_path / 'expected.pt')!r}):\n"
        "    got = pyposeops.parametric_pose_nms(*tensors, **options)\n"
        "    assert all(torch.equal(a, b) for a, b in zip(got, want))\n",
    )


def test_thread_count_does_not_change_the_result(generator):
    people = similar_people(generator, SIZES * 20)
    threads = torch.get_num_threads()
    try:
        results = []
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            results.append(call(people))
    finally:
        torch.set_num_threads(threads)
    for result in results[1:]:
        assert_same(result, results[0], rtol=0, atol=0)


# ---- bad input ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"keypoints": torch.zeros(4, 6)}, ValueError, "keypoints: expected (N, K, 2), got (4, 6)"),
        ({"keypoints": torch.zeros(4, 3, 3)}, ValueError, "keypoints: expected (N, K, 2), got (4, 3, 3)"),
        ({"keypoints": torch.zeros(4, 3, 2).half()}, TypeError, "keypoints: expected dtype float32, float64"),
        ({"keypoints": torch.zeros(4, 0, 2), "keypoint_scores": torch.zeros(4, 0)}, ValueError, "at least one joint"),
        ({"boxes": torch.ones(4, 5)}, ValueError, "boxes: expected (N, 4) with the N of keypoints, got (4, 5)"),
        ({"boxes": torch.ones(4, 4).int()}, TypeError, "boxes: expected dtype float32, float64"),
        ({"boxes": -torch.ones(4, 4)}, ValueError, "boxes: expected finite widths and heights of at least 0, got -1"),
        ({"box_scores": torch.ones(3)}, ValueError, "box_scores: expected (N,) with the N of keypoints, got (3,)"),
        ({"box_scores": torch.full((4,), math.nan)}, ValueError, "box_scores: expected numbers, got nan at 0"),
        ({"keypoint_scores": torch.ones(4, 2)}, ValueError, "keypoint_scores: expected (N, K) as keypoints"),
        ({"keypoint_scores": torch.full((4, 3), -0.5)}, ValueError, "keypoint_scores: expected finite numbers of at"),
        ({"keypoint_scores": torch.full((4, 3), math.nan)}, ValueError, "least 0, got nan of joint 0 of person 0"),
        ({"variant": "lua"}, ValueError, "variant: expected one of relative, paper, alphapose, got 'lua'"),
        ({"delta1": 0.0}, ValueError, "delta1: expected a finite number above 0, got 0.0"),
        ({"delta2": math.inf}, ValueError, "delta2: expected a finite number above 0, got inf"),
        ({"mu": -1.0}, ValueError, "mu: expected a number of at least 0, got -1.0"),
        ({"mu": math.inf}, ValueError, "mu: expected a finite number of at least 0, got inf"),
        ({"gamma": math.nan}, ValueError, "gamma: expected a number of at least 0, got nan"),
        ({"alpha": -0.1}, ValueError, "alpha: expected a number of at least 0, got -0.1"),
        ({"match_threshold": -1}, ValueError, "match_threshold: expected a number of at least 0, got -1"),
        ({"match_limit": -7.0}, ValueError, "match_limit: expected a number of at least 0, got -7"),
        ({"merge_limit": math.nan}, ValueError, "merge_limit: expected a number of at least 0, got nan"),
        ({"score_threshold": math.nan}, ValueError, "score_threshold: expected a number, got nan"),
        ({"area_threshold": -1.0}, ValueError, "area_threshold: expected a number of at least 0, got -1"),
        ({"score_weights": [1.0]}, ValueError, "score_weights: expected (K,) with the K of keypoints, got (1,)"),
        ({"distance_weights": [1.0, -1, 1]}, ValueError, "distance_weights: expected finite numbers of at least 0"),
        ({"distance_scales": [1.0, 0, 1]}, ValueError, "distance_scales: expected finite numbers above 0, got 0"),
        ({"offsets": torch.tensor([0, 3, 2, 4])}, ValueError, "the last the 4 people, got 2 at 2"),
    ],
)  # fmt: skip
def test_bad_input_is_named(changes, error, words):
    arguments = {
        "boxes": torch.ones(4, 4),
        "box_scores": torch.ones(4),
        "keypoints": torch.zeros(4, 3, 2),
        "keypoint_scores": torch.ones(4, 3),
        **changes,
    }
    with pytest.raises(error) as caught:
        parametric_pose_nms(**arguments)
    assert words in str(caught.value)
