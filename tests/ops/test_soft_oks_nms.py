"""soft_oks_nms against its definition, against the published loop, and at its corners."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch

from pyposeops import oks_nms, reference, soft_oks_nms
from pyposeops.metrics.keypoint_sets import COCO_17
from tests.op_contract import ISAS, assert_compiles, assert_same, run_under_isa
from tests.ops.similar_people import People, similar_people
from tests.property_tests import given, settings, st

REALS = (torch.float32, torch.float64)
TIES = ("stable", "numpy_reversed")
DECAYS = ("gaussian", "linear")
SIZES = (5, 0, 1, 40, 2, 0, 17)
CLOSE = {"rtol": 1e-6, "atol": 0}  # scores of float32 are rounded once; keep and order must be equal


def call(people: People, device="cpu", function=soft_oks_nms, **options):
    options = {"sigmas": COCO_17, "offsets": people.offsets, **options}
    moved = {k: v.to(device) if isinstance(v, torch.Tensor) else v for k, v in options.items()}
    return function(*(t.to(device) for t in (people.keypoints, people.scores, people.areas)), **moved)


def published(keypoints, scores, areas, sigmas, threshold, max_dets, decay):
    """Kept rows of one image and the scores they were picked with: the published loop, with a stable sort."""
    variances = (np.asarray(sigmas) * 2) ** 2
    order = np.argsort(scores, kind="stable")[::-1]
    scores, kept, picked_with = scores[order], [], []
    while len(order) and len(kept) < max_dets:
        first, order = order[0], order[1:]
        kept.append(first)
        picked_with.append(scores[0])
        overlaps = np.zeros(len(order))
        for i, other in enumerate(order):
            dx, dy = (keypoints[other] - keypoints[first]).T
            scale = (areas[first] + areas[other]) / 2 + np.spacing(1)
            overlaps[i] = np.sum(np.exp(-(dx**2 + dy**2) / variances / scale / 2)) / len(dx)
        scores = scores[1:].copy()
        if decay == "linear":
            scores[overlaps >= threshold] *= (1 - overlaps)[overlaps >= threshold]
        else:
            scores = scores * np.exp(-(overlaps**2) / threshold)
        again = np.argsort(scores, kind="stable")[::-1]
        order, scores = order[again], scores[again]
    return kept, picked_with


# ---- values ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", REALS)
@pytest.mark.parametrize("decay", DECAYS)
@pytest.mark.parametrize("ties", TIES)
@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("threshold", [0.2, 0.9])
def test_equals_definition(device, generator, dtype, decay, ties, tied, threshold):
    people = similar_people(generator, SIZES, dtype=dtype, tied=tied)
    options = {"decay": decay, "ties": ties, "threshold": threshold, "max_dets": 10}
    got = call(people, device, **options)
    want = call(people, function=reference.soft_oks_nms, **options)
    assert_same(got[:2], want[:2])
    assert_same(got.scores, want[2], **(CLOSE if dtype == torch.float32 else {"rtol": 1e-14, "atol": 1e-15}))
    assert got.scores.dtype == dtype and got.keep.sum() == 5 + 1 + 10 + 2 + 10


@pytest.mark.parametrize("decay", DECAYS)
@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("max_dets", [1, 3, 20, 100])
def test_equals_the_published_loop_image_by_image(device, generator, decay, tied, max_dets):
    people = similar_people(generator, SIZES, dtype=torch.float64, tied=tied)
    got = call(people, device, decay=decay, max_dets=max_dets, threshold=0.6, ties="numpy_reversed")
    keep, order, scores = (tensor.cpu() for tensor in got)
    kept, picked_with = [], []
    for begin, end in pairwise(people.offsets.tolist()):
        own = [t[begin:end].numpy() for t in (people.keypoints, people.scores, people.areas)]
        rows, values = published(*own, COCO_17, 0.6, max_dets, decay)
        kept += [begin + row for row in rows]
        picked_with += values
    assert order[keep[order]].tolist() == kept
    np.testing.assert_allclose(scores[kept], picked_with, rtol=1e-12)


@pytest.mark.parametrize("decay", DECAYS)
@pytest.mark.parametrize("count", [1, 500])
def test_one_image_of_one_and_of_500_people(device, generator, count, decay):
    people = similar_people(generator, (count,), dtype=torch.float64)
    want = call(people, function=reference.soft_oks_nms, decay=decay)
    for offsets in (people.offsets, None):
        got = call(people, device, decay=decay, offsets=offsets)
        assert_same(got[:2], want[:2])
        assert_same(got.scores, want[2], rtol=1e-12, atol=0)


@pytest.mark.parametrize("decay", DECAYS)
@pytest.mark.parametrize("joints", [1, 3, 14, 133])
def test_any_number_of_joints_and_only_those_that_both_have(device, generator, joints, decay):
    people = similar_people(generator, (30, 12), joints=joints, dtype=torch.float64)
    confidences = torch.rand(people.keypoints.shape[:2], generator=generator)
    confidences[7] = 0
    sigmas = 0.02 + 0.1 * torch.rand(joints, generator=generator)
    for seen in (None, confidences):
        options = {"sigmas": sigmas, "decay": decay, "threshold": 0.5, "confidences": seen}
        got, want = call(people, device, **options), call(people, function=reference.soft_oks_nms, **options)
        assert_same(got[:2], want[:2])
        assert_same(got.scores, want[2], rtol=1e-12, atol=0)


# ---- rules -------------------------------------------------------------------------------------------------------


def line(*x, scores, **options):
    """People of one joint at (x, 0)."""
    points = torch.tensor([[[float(value), 0.0]] for value in x], dtype=torch.float64)
    areas = torch.full((len(x),), 100.0, dtype=torch.float64)
    return soft_oks_nms(
        points, torch.tensor(scores, dtype=torch.float64), areas, **{"sigmas": [0.1], **options}
    )


def test_a_copy_loses_all_of_its_score_or_what_the_gaussian_takes():
    assert line(1, 1, scores=[0.9, 0.8], decay="linear").scores.tolist() == [0.9, 0.0]
    got = line(1, 1, scores=[0.9, 0.8], threshold=0.5).scores
    assert got.tolist() == pytest.approx([0.9, 0.8 * math.exp(-2)], rel=1e-15)


def test_linear_leaves_who_is_below_the_threshold_and_lowers_who_is_at_it():
    """One of two joints identical and one infinitely far: a similarity of 0.5 exactly."""
    points = torch.zeros(2, 2, 2, dtype=torch.float64)
    points[1, 1] = 1e6
    scores = torch.tensor([0.9, 0.8], dtype=torch.float64)
    for threshold, factor in ((0.5, 0.5), (np.nextafter(0.5, 1), 1.0)):
        options = {"sigmas": [0.1, 0.1], "decay": "linear", "threshold": threshold}
        got = soft_oks_nms(points, scores, torch.ones(2), **options)
        assert got.scores.tolist() == [0.9, 0.8 * factor]


def test_who_loses_falls_back_in_the_order():
    got = line(0, 0.5, 50, scores=[0.9, 0.8, 0.3], max_dets=2)
    assert got.order.tolist() == [0, 2, 1] and got.keep.tolist() == [True, False, True]


def test_equal_scores_change_their_order_every_turn_with_numpy_reversed():
    x = (0, 100, 200, 300, 400)
    assert line(*x, scores=[0.5] * 5).order.tolist() == [0, 1, 2, 3, 4]
    assert line(*x, scores=[0.5] * 5, ties="numpy_reversed").order.tolist() == [4, 0, 3, 1, 2]


def test_negative_scores_rise_towards_zero_as_published():
    got = line(1, 1, scores=[-0.1, -0.8], threshold=0.5).scores
    assert got.tolist() == pytest.approx([-0.1, -0.8 * math.exp(-2)], rel=1e-15)


def test_who_is_similar_to_nobody_keeps_his_score_to_the_bit(device, generator):
    people = similar_people(generator, (12,))
    people.keypoints.add_(1e5 * torch.arange(12)[:, None, None])
    assert torch.equal(call(people, device).scores.cpu(), people.scores)


@pytest.mark.parametrize("decay", DECAYS)
def test_coordinates_that_are_nan_change_no_score(device, generator, decay):
    people = similar_people(generator, (20,))
    people.keypoints[:] = people.keypoints[0]
    people.keypoints[3, 5, 1] = math.nan
    got = call(people, device, decay=decay)
    best = people.scores.argmax()
    lowered = got.scores.cpu() != people.scores
    assert not lowered[3] and not lowered[best] and lowered.sum() == 18


def test_as_many_turns_as_people_pick_everybody(generator):
    people = similar_people(generator, (30,), dtype=torch.float64)
    got = call(people, max_dets=2**40)
    assert got.keep.all() and (got.scores[got.order].diff() <= 0).all()


def test_first_pick_is_the_first_of_hard_suppression(generator):
    people = similar_people(generator, SIZES)
    hard = oks_nms(
        people.keypoints, people.scores, people.areas, sigmas=COCO_17, offsets=people.offsets, threshold=0.0
    )
    soft = call(people, max_dets=1)
    begins = people.offsets[:-1][people.offsets.diff() > 0]
    assert torch.equal(soft.order[begins], hard.order[begins])


@settings(max_examples=300, deadline=None)
@given(
    sizes=st.lists(st.integers(0, 6), min_size=1, max_size=5),
    joints=st.integers(1, 4),
    grid=st.sampled_from([1, 2, 5]),
    threshold=st.sampled_from([0.2, 0.5, 0.9, 1.0]),
    max_dets=st.integers(1, 7),
    decay=st.sampled_from(DECAYS),
    ties=st.sampled_from(TIES),
    seed=st.integers(0, 1000),
)
def test_any_people_on_a_grid_equal_the_definition(
    sizes, joints, grid, threshold, max_dets, decay, ties, seed
):
    """Joints at one place or at infinite distance: similarities of few values, so that scores tie again and again."""
    rng = torch.Generator().manual_seed(seed)
    count = sum(sizes)
    points = 1e6 * torch.randint(grid, (count, joints, 2), generator=rng).double()
    scores = torch.randint(-1, 3, (count,), generator=rng).double() / 2
    options = {
        "sigmas": [0.07] * joints,
        "threshold": threshold,
        "ties": ties,
        "decay": decay,
        "max_dets": max_dets,
        "offsets": torch.tensor([0, *np.cumsum(sizes)]),
    }
    got = soft_oks_nms(points, scores, torch.ones(count), **options)
    want = reference.soft_oks_nms(points, scores, torch.ones(count), **options)
    assert_same(got[:2], want[:2])
    assert_same(got.scores, want[2], rtol=1e-14, atol=0)


# ---- the machinery -----------------------------------------------------------------------------------------------


def test_no_people_and_no_images(device):
    nobody = torch.zeros(0, 17, 2, device=device)
    for offsets in (None, [0], [0, 0, 0]):
        edges = None if offsets is None else torch.tensor(offsets, device=device)
        got = soft_oks_nms(nobody, nobody[:, 0, 0], nobody[:, 0, 0], sigmas=COCO_17, offsets=edges)
        assert all(tensor.shape == (0,) for tensor in got)


@pytest.mark.parametrize("decay", DECAYS)
def test_any_strides_and_inputs_are_not_written(device, generator, decay):
    people = similar_people(generator, SIZES)
    spread = People(
        torch.cat([people.keypoints, people.keypoints], -1).transpose(0, 1).contiguous().transpose(0, 1)[..., :2],
        torch.stack([people.scores, people.scores], 1)[:, 1],
        people.areas.double(),
        people.boxes,
        people.joint_scores,
        people.offsets.int(),
    )  # fmt: skip
    before = spread.scores.clone()
    assert_same(call(spread, device, decay=decay), call(people, device, decay=decay))
    assert torch.equal(spread.scores, before)


@pytest.mark.parametrize("decay", [0, 1])
def test_opcheck(device, generator, decay):
    people = similar_people(generator, SIZES)
    tensors = (people.keypoints, people.scores, people.areas, torch.tensor(COCO_17))
    moved = [tensor.to(device) for tensor in tensors]
    rest = (people.offsets.to(device), people.joint_scores.to(device), 0.2)
    operator = torch.ops.pyposeops.soft_oks_nms.default
    torch.library.opcheck(operator, (*moved, decay, 0.9, 20, 0))
    torch.library.opcheck(operator, (*moved, decay, 0.9, 20, 1, *rest))


def test_compiles_without_graph_breaks(device, generator):
    people = similar_people(generator, SIZES)
    offsets = people.offsets.to(device)

    def rescored(points, scores, areas):
        return tuple(soft_oks_nms(points, scores, areas, sigmas=COCO_17, offsets=offsets))

    assert_compiles(rescored, *(t.to(device) for t in (people.keypoints, people.scores, people.areas)))


def test_results_ask_for_no_gradient(generator):
    people = similar_people(generator, SIZES)
    people.scores.requires_grad_()
    assert not any(t.requires_grad for t in call(people))


@pytest.mark.cuda
def test_cuda_graph_capture(generator):
    people = similar_people(generator, SIZES)
    sigmas = torch.tensor(COCO_17).cuda()
    points, scores, areas, offsets = (
        t.cuda() for t in (people.keypoints, people.scores, people.areas, people.offsets)
    )

    def run():
        return soft_oks_nms(points, scores, areas, sigmas=sigmas, offsets=offsets)

    run()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        captured = run()
    scores.mul_(0.5).add_(0.1)
    graph.replay()
    assert_same(captured, run())


@pytest.mark.parametrize("isa", ISAS)
def test_every_instruction_set_gives_the_same_bits(tmp_path, generator, isa):
    cases = []
    for dtype in REALS:
        people = similar_people(generator, SIZES, dtype=dtype, tied=True)
        for decay in DECAYS:
            options = {"sigmas": COCO_17, "decay": decay, "offsets": people.offsets}
            tensors = (people.keypoints, people.scores, people.areas)
            cases.append((tensors, options, tuple(soft_oks_nms(*tensors, **options))))
    torch.save(cases, tmp_path / "expected.pt")
    run_under_isa(
        isa,
        "import torch, pyposeops\n"
        f"assert pyposeops.build_info()['cpu_isa'] == '{isa}'\n"
        f"for tensors, options, want in torch.load({str(tmp_path / 'expected.pt')!r}):\n"
        "    got = pyposeops.soft_oks_nms(*tensors, **options)\n"
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
        ({"keypoints": torch.zeros(4, 3, 2).half()}, TypeError, "keypoints: expected dtype float32, float64"),
        ({"scores": torch.zeros(5)}, ValueError, "scores: expected (N,) with the N of keypoints, got (5,)"),
        ({"scores": torch.tensor([1, 0, math.nan, 0])}, ValueError, "scores: expected finite numbers, got nan at 2"),
        ({"scores": torch.tensor([1, math.inf, 0, 0])}, ValueError, "scores: expected finite numbers, got inf at 1"),
        ({"areas": torch.tensor([1.0, 1, 1, -2])}, ValueError, "areas: expected finite numbers of at least 0, got"),
        ({"sigmas": [0.1, 0.1]}, ValueError, "sigmas: expected (K,) with the K of keypoints, got (2,)"),
        ({"decay": "cubic"}, ValueError, "decay: expected one of gaussian, linear, got 'cubic'"),
        ({"threshold": 1.5}, ValueError, "threshold: expected a number from 0 to 1, got 1.5"),
        ({"threshold": 0.0}, ValueError, "threshold: expected a number above 0 with the Gaussian decay, got 0.0"),
        ({"max_dets": 0}, ValueError, "max_dets: expected a number of at least 1, got 0"),
        ({"ties": "random"}, ValueError, "ties: expected one of stable, numpy_reversed, got 'random'"),
        ({"offsets": torch.tensor([0, 3, 2, 4])}, ValueError, "the last the 4 people, got 2 at 2"),
        ({"confidences": torch.zeros(4, 2)}, ValueError, "confidences: expected (N, K) as keypoints, got (4, 2)"),
    ],
)  # fmt: skip
def test_bad_input_is_named(changes, error, words):
    arguments = {
        "keypoints": torch.zeros(4, 3, 2),
        "scores": torch.zeros(4),
        "areas": torch.ones(4),
        "sigmas": [0.1] * 3,
        **changes,
    }
    with pytest.raises(error) as caught:
        soft_oks_nms(**arguments)
    assert words in str(caught.value)
