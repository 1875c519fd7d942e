"""oks_nms against its definition, against the published loops, and at its corners."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from pyposeops import oks_nms, reference
from pyposeops.metrics.keypoint_sets import COCO_17
from pyposeops.reference._oks import descending, similarities
from tests.op_contract import ISAS, assert_compiles, assert_same, run_under_isa
from tests.ops.similar_people import People, similar_people
from tests.property_tests import given, settings, st

REALS = (torch.float32, torch.float64)
TIES = ("stable", "numpy_reversed")
SIZES = (5, 0, 1, 40, 2, 0, 17)


def call(people: People, device="cpu", function=oks_nms, **options):
    options = {"sigmas": COCO_17, "offsets": people.offsets, **options}
    moved = {k: v.to(device) if isinstance(v, torch.Tensor) else v for k, v in options.items()}
    return function(*(t.to(device) for t in (people.keypoints, people.scores, people.areas)), **moved)


def published(keypoints, scores, areas, sigmas, threshold):
    """Kept rows of one image: a NumPy loop in the manner of HRNet, with a stable sort."""
    variances = (np.asarray(sigmas) * 2) ** 2
    order = np.argsort(scores, kind="stable")[::-1]
    kept = []
    while len(order):
        first, order = order[0], order[1:]
        kept.append(first)
        overlaps = np.zeros(len(order))
        for i, other in enumerate(order):
            dx, dy = (keypoints[other] - keypoints[first]).T
            scale = (areas[first] + areas[other]) / 2 + np.spacing(1)
            overlaps[i] = np.sum(np.exp(-(dx**2 + dy**2) / variances / scale / 2)) / len(dx)
        order = order[overlaps <= threshold]
    return kept


# ---- values ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", REALS)
@pytest.mark.parametrize("ties", TIES)
@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("threshold", [0.0, 0.05, 0.5, 0.9, 0.99, 1.0])
def test_equals_definition(device, generator, dtype, ties, tied, threshold):
    people = similar_people(generator, SIZES, dtype=dtype, tied=tied)
    want = call(people, function=reference.oks_nms, ties=ties, threshold=threshold)
    assert_same(call(people, device, ties=ties, threshold=threshold), want)
    if 0 < threshold < 1:
        assert 0 < want[0].sum() < len(want[0])


@pytest.mark.parametrize("dtype", REALS)
@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("threshold", [0.3, 0.9])
def test_equals_the_published_loop_image_by_image(device, generator, dtype, tied, threshold):
    people = similar_people(generator, SIZES, dtype=dtype, tied=tied)
    got = call(people, device, threshold=threshold, ties="numpy_reversed")
    ordered = got.order.cpu()[got.keep.cpu()[got.order.cpu()]].tolist()
    want = []
    for begin, end in zip(people.offsets[:-1].tolist(), people.offsets[1:].tolist(), strict=True):
        own = [t[begin:end].double().numpy() for t in (people.keypoints, people.scores, people.areas)]
        want += [begin + row for row in published(*own, COCO_17, threshold)]
    assert ordered == want


@pytest.mark.parametrize("threshold", [0.5, 0.9])
@pytest.mark.parametrize("count", [1, 500])
def test_one_image_of_one_and_of_500_people(device, generator, count, threshold):
    people = similar_people(generator, (count,))
    want = call(people, function=reference.oks_nms, threshold=threshold)
    assert_same(call(people, device, threshold=threshold), want)
    assert_same(call(people, device, threshold=threshold, offsets=None), want)


@pytest.mark.parametrize("joints", [1, 2, 3, 14, 133])
@pytest.mark.parametrize("threshold", [0.2, 0.5, 0.8, 0.95])
def test_any_number_of_joints(device, generator, joints, threshold):
    people = similar_people(generator, (30, 12), joints=joints)
    sigmas = 0.02 + 0.1 * torch.rand(joints, generator=generator)
    options = {"sigmas": sigmas, "threshold": threshold}
    assert_same(call(people, device, **options), call(people, function=reference.oks_nms, **options))


@pytest.mark.parametrize("threshold", [0.0, 0.5, 0.9])
def test_only_joints_that_both_people_have_count(device, generator, threshold):
    people = similar_people(generator, SIZES)
    confidences = torch.rand(people.keypoints.shape[:2], generator=generator)
    confidences[7] = 0
    options = {"confidences": confidences, "confidence_threshold": 0.3, "threshold": threshold}
    got = call(people, device, **options)
    assert_same(got, call(people, function=reference.oks_nms, **options))
    assert got.keep[7]


# ---- rules -------------------------------------------------------------------------------------------------------


def line(*x, scores, **options):
    """People of ten joints at (x, 0)."""
    points = torch.tensor(x, dtype=torch.float64)[:, None, None].repeat(1, 10, 2)
    points[..., 1] = 0
    areas = torch.full((len(x),), 100.0, dtype=torch.float64)
    options = {"sigmas": [0.1] * 10, **options}
    return oks_nms(points, torch.tensor(scores), areas, **options)


def test_who_is_suppressed_suppresses_nobody():
    apart = (
        2 * 0.1 * 10 * math.sqrt(-2 * math.log(0.5))
    )  # similarity 0.5 of neighbours, 0.0625 of the outer two
    assert line(0, apart, 2 * apart, scores=[0.9, 0.8, 0.7], threshold=0.4).keep.tolist() == [
        True,
        False,
        True,
    ]


def test_equal_scores_keep_the_first_person_or_the_last():
    assert line(3, 3, 3, scores=[0.5, 0.5, 0.5]).keep.tolist() == [True, False, False]
    got = line(3, 3, 3, scores=[0.5, 0.5, 0.5], ties="numpy_reversed")
    assert got.keep.tolist() == [False, False, True] and got.order.tolist() == [2, 1, 0]


@pytest.mark.parametrize("count", [15, 16, 17, 33, 100, 257])
def test_order_is_a_stable_sort(device, generator, count):
    people = similar_people(generator, (count, 3, count // 2), tied=True)
    for ties in TIES:
        want = [
            begin + descending(people.scores[begin:end], ties)
            for begin, end in zip(people.offsets[:-1], people.offsets[1:], strict=True)
        ]
        assert torch.equal(call(people, device, ties=ties).order.cpu(), torch.cat(want))


def test_similarity_equal_to_the_threshold_is_kept():
    """Nine of ten joints identical and one infinitely far: 0.9 exactly."""
    points = torch.zeros(2, 10, 2, dtype=torch.float64)
    points[1, 4] = 1e6
    areas = torch.full((2,), 100.0)
    for threshold, kept in ((0.9, True), (np.nextafter(0.9, 0), False)):
        got = oks_nms(points, torch.tensor([0.9, 0.8]), areas, sigmas=[0.1] * 10, threshold=threshold)
        assert got.keep.tolist() == [True, kept]


@pytest.mark.parametrize("dtype", REALS)
@pytest.mark.parametrize("joints", [1, 4, 17])
def test_pairs_near_the_threshold_are_decided_in_float64(device, generator, dtype, joints):
    """Threshold one in 1e12 above and below the exact similarity of each pair."""
    pairs = 100
    first = 100 * torch.rand((pairs, joints, 2), generator=generator, dtype=torch.float64)
    second = first + 4 * torch.randn((pairs, joints, 2), generator=generator, dtype=torch.float64)
    points = torch.stack([first, second], 1).to(dtype)
    areas = torch.full((pairs, 2), 2000.0, dtype=dtype)
    sigmas = COCO_17[:joints]
    for pair, area in zip(points, areas, strict=True):
        exact = similarities(pair, area, sigmas)[0, 1].item()
        for factor, kept in ((1 - 1e-12, False), (1 + 1e-12, True)):
            got = oks_nms(
                pair.to(device),
                torch.tensor([0.9, 0.8]).to(device),
                area.to(device),
                sigmas=sigmas,
                threshold=exact * factor,
            )
            assert got.keep.tolist() == [True, kept]


def test_copies_are_suppressed_but_at_threshold_one():
    assert line(1, 1, scores=[0.2, 0.4], threshold=np.nextafter(1, 0)).keep.tolist() == [False, True]
    assert line(1, 1, scores=[0.2, 0.4], threshold=1.0).keep.tolist() == [True, True]


def test_areas_of_zero_compare_by_identity(device):
    points = torch.tensor([[[1.0, 2.0]], [[1.0, 2.0]], [[1.0, 2.0001]]], device=device)
    got = oks_nms(
        points, torch.tensor([3.0, 2, 1], device=device), torch.zeros(3, device=device), sigmas=[0.1]
    )
    assert got.keep.tolist() == [True, False, True]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_coordinates_that_are_not_finite_are_similar_to_nothing(device, generator, value):
    people = similar_people(generator, (20,))
    people.keypoints[:] = people.keypoints[0]
    people.keypoints[3, :, 0] = value
    kept = call(people, device).keep.cpu()
    assert kept[3] and kept.sum() == 2


def test_images_do_not_see_each_other(device, generator):
    people = similar_people(generator, (9,))
    twice = People(*(torch.cat([t, t]) for t in list(vars(people).values())[:-1]), torch.tensor([0, 9, 18]))
    got, alone = call(twice, device), call(people, device)
    assert torch.equal(got.keep, torch.cat([alone.keep, alone.keep]))
    assert torch.equal(got.order, torch.cat([alone.order, alone.order + 9]))


@settings(max_examples=300, deadline=None)
@given(
    sizes=st.lists(st.integers(0, 6), min_size=1, max_size=5),
    joints=st.integers(1, 5),
    grid=st.sampled_from([1, 2, 5]),
    threshold=st.sampled_from([0.0, 0.2, 0.5, 0.6, 0.9, 1.0]),
    ties=st.sampled_from(TIES),
    dtype=st.sampled_from(REALS),
    seed=st.integers(0, 1000),
)
def test_any_people_on_a_grid_equal_the_definition(sizes, joints, grid, threshold, ties, dtype, seed):
    """Coordinates and scores of few values: duplicates, ties and empty images abound."""
    rng = torch.Generator().manual_seed(seed)
    count = sum(sizes)
    points = 8.0 * torch.randint(grid, (count, joints, 2), generator=rng).to(dtype)
    scores = torch.randint(3, (count,), generator=rng).to(dtype) / 2
    areas = 900.0 * torch.randint(3, (count,), generator=rng).to(dtype)
    options = {
        "sigmas": [0.07] * joints,
        "threshold": threshold,
        "ties": ties,
        "offsets": torch.tensor([0, *np.cumsum(sizes)]),
    }
    got = oks_nms(points, scores, areas, **options)
    assert_same(got, reference.oks_nms(points, scores, areas, **options))


# ---- the machinery -----------------------------------------------------------------------------------------------


def test_no_people_and_no_images(device):
    nobody = torch.zeros(0, 17, 2, device=device)
    for offsets in (None, [0], [0, 0], [0, 0, 0]):
        edges = None if offsets is None else torch.tensor(offsets, device=device)
        got = oks_nms(nobody, nobody[:, 0, 0], nobody[:, 0, 0], sigmas=COCO_17, offsets=edges)
        assert got.keep.shape == got.order.shape == (0,) and got.keep.dtype == torch.bool


def test_any_strides_and_mixed_dtypes(device, generator):
    people = similar_people(generator, SIZES)
    with_scores = torch.cat([people.keypoints, people.joint_scores[..., None]], -1)
    mixed = People(
        with_scores.transpose(0, 1).contiguous().transpose(0, 1)[..., :2],
        people.scores.double(),
        torch.stack([people.areas, people.areas], 1)[:, 0],
        people.boxes,
        people.joint_scores,
        people.offsets.int(),
    )
    sigmas = torch.tensor(COCO_17, dtype=torch.float64)
    assert_same(call(mixed, device, sigmas=sigmas), call(people, device))


def test_inputs_are_not_written(generator):
    people = similar_people(generator, SIZES)
    before = [tensor.clone() for tensor in vars(people).values()]
    call(people)
    assert all(torch.equal(a, b) for a, b in zip(before, vars(people).values(), strict=True))


def test_opcheck(device, generator):
    people = similar_people(generator, SIZES)
    tensors = (people.keypoints, people.scores, people.areas, torch.tensor(COCO_17))
    operator = torch.ops.pyposeops.oks_nms.default
    moved = [tensor.to(device) for tensor in tensors]
    torch.library.opcheck(operator, (*moved, 0.9, 0))
    offsets, confidences = people.offsets.to(device), people.joint_scores.to(device)
    torch.library.opcheck(operator, (*moved, 0.9, 1, offsets, confidences, 0.2))


def test_compiles_without_graph_breaks(device, generator):
    people = similar_people(generator, SIZES)
    offsets = people.offsets.to(device)

    def kept(points, scores, areas):
        found = oks_nms(points, scores, areas, sigmas=COCO_17, offsets=offsets)
        return found.keep, found.order

    assert_compiles(kept, *(t.to(device) for t in (people.keypoints, people.scores, people.areas)))


def test_results_ask_for_no_gradient(generator):
    people = similar_people(generator, SIZES)
    people.keypoints.requires_grad_()
    people.scores.requires_grad_()
    assert not any(t.requires_grad for t in call(people))


@pytest.mark.cuda
def test_cuda_graph_capture(generator):
    people = similar_people(generator, SIZES)
    sigmas = torch.tensor(COCO_17).cuda()
    points, scores, areas, offsets = (
        t.cuda() for t in (people.keypoints, people.scores, people.areas, people.offsets)
    )
    graph = torch.cuda.CUDAGraph()
    oks_nms(points, scores, areas, sigmas=sigmas, offsets=offsets)
    with torch.cuda.graph(graph):
        captured = oks_nms(points, scores, areas, sigmas=sigmas, offsets=offsets)
    scores.neg_()
    graph.replay()
    assert_same(captured, oks_nms(points, scores, areas, sigmas=sigmas, offsets=offsets))


@pytest.mark.cuda
def test_unchecked_values_on_cuda_have_defined_results(generator):
    people = similar_people(generator, (6,))
    points, scores, areas = (t.cuda() for t in (people.keypoints, people.scores, people.areas))
    scores[2] = math.nan
    assert oks_nms(points, scores, areas, sigmas=COCO_17).order[-1] == 2
    wild = torch.tensor([-5, 100], device="cuda")
    assert oks_nms(points, scores, areas, sigmas=COCO_17, offsets=wild).order.sort().values.tolist() == [
        *range(6)
    ]


@pytest.mark.parametrize("isa", ISAS)
def test_every_instruction_set_gives_the_same_result(tmp_path, generator, isa):
    cases = []
    for dtype in REALS:
        people = similar_people(generator, SIZES, dtype=dtype, tied=True)
        for threshold in (0.1, 0.5, 0.9):
            options = {"sigmas": COCO_17, "threshold": threshold, "offsets": people.offsets}
            tensors = (people.keypoints, people.scores, people.areas)
            cases.append((tensors, options, tuple(oks_nms(*tensors, **options))))
    torch.save(cases, tmp_path / "expected.pt")
    run_under_isa(
        isa,
        "import torch, pyposeops\n"
        f"assert pyposeops.build_info()['cpu_isa'] == '{isa}'\n"
        f"for tensors, options, want in torch.load({str(tmp_path / 'expected.pt')!r}):\n"
        "    got = pyposeops.oks_nms(*tensors, **options)\n"
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
        assert_same(result, results[0])


def test_numpy_in_numpy_out(generator):
    people = similar_people(generator, SIZES)
    arrays = {k: v.numpy() for k, v in vars(people).items()}
    got = oks_nms(
        arrays["keypoints"],
        arrays["scores"],
        arrays["areas"],
        sigmas=np.array(COCO_17),
        offsets=arrays["offsets"],
    )
    assert all(isinstance(array, np.ndarray) for array in got)
    assert_same([torch.from_numpy(array) for array in got], call(people))


# ---- bad input ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"keypoints": torch.zeros(4, 3, 3)}, ValueError, "keypoints: expected (N, K, 2), got (4, 3, 3)"),
        (
            {"keypoints": torch.zeros(4, 3, 2).half()},
            TypeError,
            "keypoints: expected dtype float32, float64",
        ),
        ({"scores": torch.zeros(5)}, ValueError, "scores: expected (N,) with the N of keypoints, got (5,)"),
        ({"scores": torch.zeros(4).int()}, TypeError, "scores: expected dtype float32, float64"),
        ({"scores": torch.tensor([1, 0, math.nan, 0])}, ValueError, "scores: expected numbers, got nan at 2"),
        ({"areas": torch.ones(4, 1)}, ValueError, "areas: expected (N,) with the N of keypoints, got (4, 1)"),
        (
            {"areas": torch.tensor([1.0, 1, 1, -2])},
            ValueError,
            "areas: expected finite numbers of at least 0, got -2",
        ),
        (
            {"areas": torch.full((4,), math.inf)},
            ValueError,
            "areas: expected finite numbers of at least 0, got inf",
        ),
        ({"sigmas": [0.1, 0.1]}, ValueError, "sigmas: expected (K,) with the K of keypoints, got (2,)"),
        (
            {"sigmas": [0.1, 0.0, 0.1]},
            ValueError,
            "sigmas: expected finite numbers above 0, got 0.000000 at 1",
        ),
        ({"threshold": 1.5}, ValueError, "threshold: expected a number from 0 to 1, got 1.5"),
        ({"threshold": math.nan}, ValueError, "threshold: expected a number from 0 to 1, got nan"),
        ({"ties": "random"}, ValueError, "ties: expected one of stable, numpy_reversed, got 'random'"),
        (
            {"offsets": torch.tensor([[0, 4]])},
            ValueError,
            "offsets: expected (B + 1,) for B images, got (1, 2)",
        ),
        ({"offsets": torch.tensor([0])}, ValueError, "offsets: expected (B + 1,) for B images, got (1,)"),
        ({"offsets": torch.tensor([0.0, 4.0])}, TypeError, "offsets: expected dtype int64, int32"),
        ({"offsets": torch.tensor([0, 3, 2, 4])}, ValueError, "the last the 4 people, got 2 at 2"),
        ({"offsets": torch.tensor([1, 4])}, ValueError, "offsets: expected rising numbers, the first 0"),
        ({"offsets": torch.tensor([0, 3])}, ValueError, "the last the 4 people, got 3 at 1"),
        (
            {"confidences": torch.zeros(4, 2)},
            ValueError,
            "confidences: expected (N, K) as keypoints, got (4, 2)",
        ),
        (
            {"confidences": torch.zeros(4, 3), "confidence_threshold": math.nan},
            ValueError,
            "confidence_threshold: expected a number, got nan",
        ),
    ],
)
def test_bad_input_is_named(changes, error, words):
    arguments = {
        "keypoints": torch.zeros(4, 3, 2),
        "scores": torch.zeros(4),
        "areas": torch.ones(4),
        "sigmas": [0.1] * 3,
        **changes,
    }
    with pytest.raises(error) as caught:
        oks_nms(**arguments)
    assert words in str(caught.value)
