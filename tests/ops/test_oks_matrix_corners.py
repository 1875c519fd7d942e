"""Corners of oks_matrix, and its machinery."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pyposeops import oks_loss, oks_matrix
from tests.op_contract import ISAS, assert_compiles, assert_graph_captures, assert_same, run_under_isa
from tests.ops.test_oks_matrix import FLOAT32, VARIANTS, call, definition, options, people


def pair(device, detection, truth, **arguments):
    """The similarity of two one-person images with sigmas 0.5, at area 100."""
    detections, truths = torch.tensor([detection], device=device), torch.tensor([truth], device=device)
    areas = torch.tensor([100.0], device=device)
    sigmas = torch.full((detections.shape[1],), 0.5, device=device)
    return oks_matrix(detections, truths, **{"sigmas": sigmas, "areas": areas, **arguments}).item()


def test_by_hand(device):
    """Ten pixels off with sigma 0.5 at area 100: exp(-100 / 1 / 100 / 2)."""
    assert pair(device, [[13.0, 4.0]], [[3.0, 4.0]]) == pytest.approx(math.exp(-0.5), abs=1e-7)
    assert pair(device, [[3.0, 4.0]], [[3.0, 4.0]]) == 1.0


def test_both_masks_hold(device):
    """Labels and scores; not the scores alone, as ``list(v > 0) and list(s > t)`` would have it."""
    detection, truth = [[0.0, 0.0]] * 3, [[0.0, 0.0], [99.0, 0.0], [99.0, 0.0]]
    labels = torch.tensor([[1, 0, 2]], device=device)
    scores = torch.tensor([[0.9, 0.9, 0.1]], device=device)
    masks = {"visibility": labels, "detection_scores": scores, "score_threshold": 0.2}
    assert pair(device, detection, truth, **masks) == 1.0
    assert pair(device, detection, truth, **{**masks, "score_threshold": 0.05}) == 0.5
    assert pair(device, detection, truth, **{**masks, "score_threshold": 0.9}) == 0.0  # above, not equal


def test_unlabelled_people(device):
    """The box around (0, 0) to (10, 10), three times as wide and high: from -10 to 20."""
    truth, none = [[5.0, 5.0]] * 2, torch.zeros(1, 2, device=device)
    rule = {
        "visibility": none,
        "unlabelled": "box",
        "boxes": torch.tensor([[0.0, 0.0, 10.0, 10.0]], device=device),
    }
    assert pair(device, [[-10.0, 20.0], [3.0, -9.0]], truth, **rule) == 1.0
    off = pair(device, [[-10.0, 20.0], [3.0, -20.0]], truth, **rule)
    assert off == pytest.approx((1 + math.exp(-0.5)) / 2, abs=1e-7)
    assert pair(device, [[5.0, 5.0], [5.0, 5.0]], truth, visibility=none) == 0.0


def test_area_of_zero_forgives_nothing(device):
    nought = torch.zeros(1, device=device)
    assert pair(device, [[3.0, 4.0]], [[3.0, 4.0]], areas=nought) == 1.0
    assert pair(device, [[3.0, 4.0]], [[3.001, 4.0]], areas=nought) == 0.0
    assert math.isnan(pair(device, [[3.0, 4.0]], [[3.0, 4.0]], areas=nought - 1))


def test_sigmas_may_be_numbers(generator):
    data = people(generator)
    numbers = {**options(data, "gt"), "sigmas": data["sigmas"].tolist()}
    got = oks_matrix(data["detections"], data["truths"], **numbers)
    assert_same(got, call(data, "gt"), rtol=0, atol=0)


@pytest.mark.parametrize("variant", VARIANTS)
def test_what_does_not_count_may_hold_anything(device, generator, variant):
    data = {name: v.to(device) for name, v in people(generator).items()}
    want = call(data, variant)
    spoilt = {name: v.clone() for name, v in data.items()}
    spoilt["truths"][data["visibility"] == 0] = math.nan
    if "score_threshold" in VARIANTS[variant]:
        spoilt["detections"][data["detection_scores"] <= VARIANTS[variant]["score_threshold"]] = math.nan
    leaf = spoilt["detections"].requires_grad_()
    got = call(spoilt, variant)
    assert_same(got, want, rtol=0, atol=0)
    got.sum().backward()
    assert leaf.grad.isfinite().all()


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_nan_shows_in_its_detection_only(device, generator, value):
    data = {name: v.to(device) for name, v in people(generator).items()}
    data["visibility"][:] = 2
    want = call(data, "gt")
    data["detections"][1, 2, 3, 0] = value
    got = call(data, "gt")
    others = torch.ones(want.shape, dtype=torch.bool)
    others[1, 2] = False
    assert_same(got[others], want[others], rtol=0, atol=0)
    assert got[1, 2].isnan().all() if math.isnan(value) else (got[1, 2] <= want[1, 2]).all()


def test_one_minus_similarity_is_the_loss(generator):
    data = people(generator, batch=6, detections=1, truths=1)
    data["visibility"][:, :, 0] = 1
    similarity = call(data, "gt").flatten()
    single = [data[name][:, 0] for name in ("detections", "truths", "visibility", "areas")]
    losses = oks_loss(*single, data["sigmas"], reduction="none")
    assert_same(losses, 1 - similarity, rtol=0, atol=0)


@settings(max_examples=60, deadline=None)
@given(
    shape=st.tuples(st.integers(0, 3), st.integers(0, 5), st.integers(0, 5), st.integers(1, 40)),
    seed=st.integers(0, 2**31),
    variant=st.sampled_from(sorted(VARIANTS)),
)
def test_any_people_equal_definition(shape, seed, variant):
    data = people(torch.Generator().manual_seed(seed), *shape, dtype=torch.float32)
    assert_same(call(data, variant), call(data, variant, definition), **FLOAT32)


@pytest.mark.parametrize("threads", [1, 2])
def test_every_thread_finds_its_image(generator, threads):
    """Enough pairs for several threads, whose parts begin within images, some of them empty."""
    rng = np.random.default_rng(0)
    found, others = rng.integers(0, 9, 400), rng.integers(0, 4, 400)
    offsets = [torch.tensor([0, *np.cumsum(n)]) for n in (found, others)]
    data = people(generator, 1, int(found.sum()), int(others.sum()))
    lists = {name: v if name == "sigmas" else v[0] for name, v in data.items()}
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        got = oks_matrix(
            lists["detections"], lists["truths"], **options(lists, "gt, box"),
            detection_offsets=offsets[0], truth_offsets=offsets[1],
        )  # fmt: skip
    finally:
        torch.set_num_threads(before)
    whole = call(lists, "gt, box")
    starts, ends = [o[:-1].tolist() for o in offsets], [o[1:].tolist() for o in offsets]
    parts = [
        whole[d:e, g:h].flatten() for d, e, g, h in zip(starts[0], ends[0], starts[1], ends[1], strict=True)
    ]
    assert_same(got, torch.cat(parts), rtol=0, atol=0)


# ---- the machinery -----------------------------------------------------------------------------------------------


def positional(data):
    names = (
        "detections",
        "truths",
        "sigmas",
        "areas",
        "visibility",
        "boxes",
        "detection_areas",
        "detection_scores",
    )
    return tuple(data[name] for name in names)


def test_opcheck(device, generator):
    data = {name: v.to(device) for name, v in people(generator, dtype=torch.float32).items()}
    forward, backward = (
        torch.ops.pyposeops.oks_matrix.default,
        torch.ops.pyposeops.oks_matrix_backward.default,
    )
    torch.library.opcheck(forward, positional(data), {"score_threshold": 0.4, "box_rule": True})
    grad = torch.rand(3, 4, 5, device=device)
    torch.library.opcheck(backward, (grad, *positional(data)), {"box_factor": 0.53})
    lists = {name: v if name == "sigmas" else v.flatten(0, 1) for name, v in data.items()}
    offsets = {"detection_offsets": torch.arange(0, 13, 4), "truth_offsets": torch.arange(0, 16, 5)}
    torch.library.opcheck(forward, positional(lists), {**offsets, "pairs": 60})
    torch.library.opcheck(backward, (grad.flatten(), *positional(lists)), offsets)


@pytest.mark.parametrize("form", ["padded", "ragged"])
def test_compiles_with_gradient(device, generator, form):
    data = {name: v.to(device) for name, v in people(generator, dtype=torch.float32).items()}
    more = {}
    if form == "ragged":
        data = {name: v if name == "sigmas" else v.flatten(0, 1) for name, v in data.items()}
        more = {
            "detection_offsets": torch.arange(0, 13, 4),
            "truth_offsets": torch.arange(0, 16, 5),
            "pairs": 60,
        }
    chosen = {**options(data, "scores, box"), **more}

    def loss(detections):
        return (1 - oks_matrix(detections * 2, data["truths"], **chosen)).square().sum()

    torch._dynamo.reset()
    gradients = []
    for function in (loss, torch.compile(loss, fullgraph=True, backend="aot_eager")):
        leaf = data["detections"].clone().requires_grad_()
        function(leaf).backward()
        gradients.append(leaf.grad)
    assert_same(gradients[1], gradients[0])


def test_compiles_for_a_number_of_pairs_that_only_the_offsets_know(generator):
    data = people(generator, dtype=torch.float32)
    lists = {name: v if name == "sigmas" else v.flatten(0, 1) for name, v in data.items()}
    offsets = torch.arange(0, 13, 4), torch.arange(0, 16, 5)
    with torch._dynamo.config.patch(capture_dynamic_output_shape_ops=True):
        assert_compiles(
            lambda d, first, second: oks_matrix(
                d, lists["truths"], **options(lists, "gt"), detection_offsets=first, truth_offsets=second
            ),
            lists["detections"], *offsets,
        )  # fmt: skip


@pytest.mark.cuda
def test_cuda_graph_capture(generator):
    data = {name: v.cuda() for name, v in people(generator, dtype=torch.float32).items()}
    chosen = options(data, "scores, box")
    assert_graph_captures(lambda d: oks_matrix(d, data["truths"], **chosen), data["detections"])
    lists = {name: v if name == "sigmas" else v.flatten(0, 1) for name, v in data.items()}
    offsets = {
        "detection_offsets": torch.arange(0, 13, 4).cuda(),
        "truth_offsets": torch.arange(0, 16, 5).cuda(),
    }
    assert_graph_captures(
        lambda d: oks_matrix(d, lists["truths"], **options(lists, "gt"), **offsets, pairs=60),
        lists["detections"],
    )


@pytest.mark.cuda
def test_cuda_offsets_that_lie_touch_no_foreign_memory(generator):
    lists = {name: v[0].cuda() for name, v in people(generator, batch=1).items() if name != "sigmas"}
    for wrong in ([0, 9, 40], [-5, 2, 4], [4, 2, 0]):
        offsets = torch.tensor(wrong).cuda()
        leaf = lists["detections"].detach().requires_grad_()
        got = oks_matrix(
            leaf, lists["truths"], sigmas=torch.full((17,), 0.1).cuda(), areas=lists["areas"],
            detection_offsets=offsets, truth_offsets=offsets, pairs=300,
        )  # fmt: skip
        got.sum().backward()
        torch.cuda.synchronize()
        assert leaf.grad.isfinite().all()


@pytest.mark.parametrize("isa", ISAS)
def test_every_instruction_set_equals_definition(isa):
    run_under_isa(
        isa,
        "import torch, pyposeops\n"
        f"assert pyposeops.build_info()['cpu_isa'] == '{isa}'\n"
        "g = torch.Generator().manual_seed(0)\n"
        "t = torch.rand(3, 7, 19, 2, generator=g) * 99; s = torch.full((19,), 0.07); a = torch.full((3, 7), 900.0)\n"
        "v = torch.randint(0, 2, (3, 7, 19), generator=g)\n"
        "for dtype in (torch.float32, torch.float64, torch.float16, torch.bfloat16):\n"
        "    x = (t + torch.randn(t.shape, generator=g)).to(dtype).requires_grad_()\n"
        "    y = x.detach().double().requires_grad_()\n"
        "    p = pyposeops.oks_matrix(x, t, sigmas=s, areas=a, visibility=v)\n"
        "    q = pyposeops.reference.oks_matrix(y, t, sigmas=s, areas=a, visibility=v)\n"
        "    p.sum().backward(); q.sum().backward()\n"
        "    assert (p - q).abs().max() < (1e-12 if dtype == torch.float64 else 5e-7)\n"
        "    assert (x.grad.double() - y.grad).abs().max() < 1e-2 * y.grad.abs().max()\n",
    )


def test_numpy_in_numpy_out(generator):
    data = people(generator)
    arrays = {name: v.numpy() for name, v in data.items()}
    got = oks_matrix(arrays["detections"], arrays["truths"], **options(arrays, "scores, box"))
    assert type(got) is np.ndarray
    np.testing.assert_array_equal(got, call(data, "scores, box").numpy())
