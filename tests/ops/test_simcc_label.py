"""simcc_label against its definition, against the published formulas as NumPy loops, and at its corners."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import pyposeops
from pyposeops import reference, simcc_label
from tests.op_contract import (
    FLOATS,
    ISAS,
    assert_compiles,
    assert_graph_captures,
    assert_same,
    run_under_isa,
)
from tests.property_tests import given, settings, st

SIZE = (64, 48)  # height, width
COMPAT = ("fixed", "simcc", "mmpose")
GAUSSIANS = [{"compat": compat, "normalize": norm} for compat in COMPAT for norm in (True, False)]
ONE_HOTS = [{"encoding": "one_hot", "smoothing": share} for share in (0.0, 0.1, 1.0)]
TOLERANCE = {
    torch.float64: {"rtol": 1e-12, "atol": 1e-15},
    torch.float32: {"rtol": 3e-6, "atol": 1e-7},
    torch.float16: {"rtol": 1e-3, "atol": 1e-6},
    torch.bfloat16: {"rtol": 8e-3, "atol": 1e-7},
}


def joints(generator, *shape, margin=30.0, dtype=torch.float32):
    """Joints in and around the crop, and their visibility."""
    room = torch.tensor([SIZE[1] + 2 * margin, SIZE[0] + 2 * margin])
    points = torch.rand(*shape, 2, generator=generator) * room - margin
    visibility = torch.randint(0, 3, shape, generator=generator).float()
    return points.to(dtype), visibility


# ---- values ------------------------------------------------------------------------------------------------------


def mmpose_gaussian(keypoints, visibility, size, ratio, sigma, normalize):
    """mmpose's SimCCLabel with smoothing_type 'gaussian', joint by joint, from its formulas."""
    width, height = int(np.around(size[1] * ratio)), int(np.around(size[0] * ratio))
    x = np.zeros((*visibility.shape, width), np.float32)
    y = np.zeros((*visibility.shape, height), np.float32)
    weights = visibility.copy()
    for joint in np.ndindex(visibility.shape):
        if visibility[joint] < 0.5:
            continue
        mu_x, mu_y = np.around(keypoints[joint] * np.float32(ratio)).astype(np.int64)
        first, past = (mu_x - 3 * sigma, mu_y - 3 * sigma), (mu_x + 3 * sigma + 1, mu_y + 3 * sigma + 1)
        if first[0] >= width or first[1] >= height or past[0] < 0 or past[1] < 0:
            weights[joint] = 0
            continue
        x[joint] = np.exp(-((np.arange(width) - mu_x) ** 2) / (2 * sigma**2))
        y[joint] = np.exp(-((np.arange(height) - mu_y) ** 2) / (2 * sigma**2))
    norm = sigma * np.sqrt(2 * np.pi) if normalize else 1.0
    return x / norm, y / norm, weights


def simcc_gaussian(keypoints, visibility, size, ratio, sigma):
    """The published SimCC code for Gaussian labels, joint by joint, from its formulas."""
    height, width = size
    x = np.zeros((*visibility.shape, int(width * ratio)), np.float32)
    y = np.zeros((*visibility.shape, int(height * ratio)), np.float32)
    weights = visibility.copy()
    for joint in np.ndindex(visibility.shape):
        px, py = keypoints[joint]
        first = int(px - 3 * sigma), int(py - 3 * sigma)
        past = int(px + 3 * sigma + 1), int(py + 3 * sigma + 1)
        if first[0] >= width or first[1] >= height or past[0] < 0 or past[1] < 0:
            weights[joint] = 0
        elif visibility[joint] > 0.5:
            norm = sigma * np.sqrt(2 * np.pi)
            x[joint] = np.exp(-((np.arange(x.shape[-1]) - px * ratio) ** 2) / (2 * sigma**2)) / norm
            y[joint] = np.exp(-((np.arange(y.shape[-1]) - py * ratio) ** 2) / (2 * sigma**2)) / norm
    return x, y, weights


def mmpose_one_hot(keypoints, visibility, size, ratio, smoothing):
    """mmpose's SimCCLabel with smoothing_type 'standard', joint by joint, from its formulas."""
    width, height = int(np.around(size[1] * ratio)), int(np.around(size[0] * ratio))
    x = np.zeros((*visibility.shape, width), np.float32)
    y = np.zeros((*visibility.shape, height), np.float32)
    weights = visibility.copy()
    for joint in np.ndindex(visibility.shape):
        if visibility[joint] < 0.5:
            continue
        mu_x, mu_y = np.around(keypoints[joint] * np.float32(ratio)).astype(np.int64)
        if mu_x >= width or mu_y >= height or mu_x < 0 or mu_y < 0:
            weights[joint] = 0
            continue
        x[joint], y[joint] = smoothing / (width - 1), smoothing / (height - 1)
        x[joint][mu_x] = y[joint][mu_y] = 1 - smoothing
    return x, y, weights


@pytest.mark.parametrize("ratio", [1.0, 2.0, 3.0, 2.53])
@pytest.mark.parametrize("sigma", [1.5, 2.0, 6.0])
@pytest.mark.parametrize("normalize", [True, False])
def test_equals_mmpose_gaussian(device, generator, ratio, sigma, normalize):
    points, visibility = joints(generator, 4, 60)
    points[0, :20] = torch.randint(-40, 100, (20, 2), generator=generator) / 4  # halves after splitting
    got = simcc_label(
        points.to(device),
        visibility.to(device),
        SIZE,
        split_ratio=ratio,
        sigma=sigma,
        normalize=normalize,
        compat="mmpose",
    )
    want = mmpose_gaussian(points.numpy(), visibility.numpy(), SIZE, ratio, sigma, normalize)
    for one, other in zip(got, want, strict=True):
        np.testing.assert_allclose(one.cpu().numpy(), other, rtol=3e-6, atol=1e-7)


@pytest.mark.parametrize("ratio", [1.0, 2.0, 2.53])
@pytest.mark.parametrize("sigma", [2.0, 6.0])
def test_equals_published_simcc(device, generator, ratio, sigma):
    points, visibility = joints(generator, 4, 60, dtype=torch.float64)
    got = simcc_label(
        points.to(device), visibility.to(device), SIZE, split_ratio=ratio, sigma=sigma, compat="simcc"
    )
    want = simcc_gaussian(points.numpy(), visibility.numpy(), SIZE, ratio, sigma)
    for one, other in zip(got, want, strict=True):
        np.testing.assert_allclose(one.cpu().numpy(), other, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("ratio", [1.0, 2.0, 2.53])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_equals_mmpose_standard(device, generator, ratio, smoothing):
    points, visibility = joints(generator, 4, 60)
    points[0, :20] = torch.randint(-4, 400, (20, 2), generator=generator) / 4
    got = simcc_label(
        points.to(device),
        visibility.to(device),
        SIZE,
        split_ratio=ratio,
        encoding="one_hot",
        smoothing=smoothing,
    )
    want = mmpose_one_hot(points.numpy(), visibility.numpy(), SIZE, ratio, smoothing)
    for one, other in zip(got, want, strict=True):
        np.testing.assert_allclose(one.cpu().numpy(), other, rtol=1e-6, atol=0)


@pytest.mark.parametrize("options", GAUSSIANS + ONE_HOTS)
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("label_dtype", [None, torch.float32, torch.float64, torch.bfloat16])
def test_equals_definition(device, generator, options, dtype, label_dtype):
    points, visibility = joints(generator, 3, 17, dtype=dtype)
    options = {**options, "dtype": label_dtype, "sigma": (4.9, 2.1)}
    got = simcc_label(points.to(device), visibility.to(device), SIZE, **options)
    assert_same(
        got, reference.simcc_label(points, visibility, SIZE, **options), **TOLERANCE[label_dtype or dtype]
    )
    assert (got.weights > 0).any() and (got.weights == 0).any()


# ---- rules -------------------------------------------------------------------------------------------------------


def test_weight_is_zero_exactly_where_no_bin_is_within_three_sigma(device):
    edge = torch.tensor([-6.1, -5.9, 47.4 + 6, 47.6 + 6]) / 2  # 48 bins, sigma 2
    points = torch.stack((edge, torch.full((4,), 10.0)), dim=-1)[None].to(device)
    options = {"split_ratio": 2.0, "sigma": 2.0}
    got = simcc_label(points, torch.ones(1, 4, device=device), (32, 24), **options)
    assert got.weights.tolist() == [[0, 1, 0, 0]]
    got = simcc_label(points - 0.4, torch.ones(1, 4, device=device), (32, 24), **options)
    assert got.weights.tolist() == [[0, 0, 1, 1]]
    assert (got.x[0, 2:].sum(-1) > 0).all() and not got.y[0, :2].any()


def test_published_simcc_weighs_rows_of_nothing(device):
    """3 sigma of bins against pixels: a joint 34 px off the crop at two bins a pixel."""
    points = torch.tensor([[[48 + 17.0, 10.0]]], device=device)
    seen = torch.ones(1, 1, device=device)
    published = simcc_label(points, seen, SIZE, sigma=6.0, compat="simcc")
    assert published.weights.item() == 1 and published.x.max() < 1e-5
    assert simcc_label(points, seen, SIZE, sigma=6.0).weights.item() == 0


def test_visibility_decides(device):
    points = torch.full((1, 6, 2), 10.0, device=device)
    visibility = torch.tensor([[0.0, 0.4, 0.5, 2.0, math.nan, -1.0]], device=device)
    got = simcc_label(points, visibility, SIZE)
    assert got.weights.tolist() == [[0, pytest.approx(0.4), 0.5, 2, 0, -1]]
    assert (got.x.amax(-1) > 0).tolist() == [[False, False, True, True, False, False]]
    for kind in (torch.bool, torch.uint8, torch.int32, torch.int64):
        same = simcc_label(points[:, :3], torch.tensor([[0, 1, 1]], device=device).to(kind), SIZE)
        assert same.weights.tolist() == [[0, 1, 1]]


@pytest.mark.parametrize("options", GAUSSIANS + ONE_HOTS)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e30, -1e30])
def test_joints_nowhere_have_no_weight(device, options, value):
    points = torch.tensor([[[value, 5.0], [5.0, value], [5.0, 5.0]]], device=device)
    got = simcc_label(points, torch.ones(1, 3, device=device), SIZE, **options)
    assert got.weights.tolist() == [[0, 0, 1]]
    assert not got.x[0, :2].any() and not got.y[0, :2].any()


def test_normalized_rows_sum_to_one_and_one_hot_always(device, generator):
    points = torch.rand(2, 9, 2, generator=generator).to(device) * 8 + 20
    seen = torch.ones(2, 9, device=device)
    for options in ({"sigma": 3.0}, {"sigma": 3.0, "compat": "mmpose"}, *ONE_HOTS):
        for row in simcc_label(points, seen, SIZE, **options)[:2]:
            torch.testing.assert_close(row.sum(-1), torch.ones_like(row.sum(-1)), atol=1e-5, rtol=0)


def test_bins_are_counted_half_to_even_or_down():
    points, seen = torch.zeros(1, 1, 2), torch.ones(1, 1)
    shapes = {
        compat: [
            row.shape[2] for row in simcc_label(points, seen, (7, 9), split_ratio=1.5, compat=compat)[:2]
        ]
        for compat in COMPAT
    }
    assert shapes == {"fixed": [14, 10], "simcc": [13, 10], "mmpose": [14, 10]}


def test_one_bin(device):
    points, seen = torch.zeros(1, 1, 2, device=device), torch.ones(1, 1, device=device)
    got = simcc_label(points, seen, (1, 1), split_ratio=1.0, encoding="one_hot")
    assert got.x.tolist() == got.y.tolist() == [[[1.0]]]


def test_decodes_to_where_it_was_made(device, generator):
    points = torch.rand(4, 17, 2, generator=generator) * torch.tensor([40.0, 56.0]) + 4
    labels = simcc_label(points.to(device), torch.ones(4, 17, device=device), SIZE)
    pixels = torch.stack((labels.x.argmax(-1), labels.y.argmax(-1)), dim=-1) / 2
    assert (pixels.cpu() - points).abs().max() <= 0.25 + 1e-5


@settings(max_examples=100, deadline=None)
@given(
    x=st.floats(-100, 100, width=32),
    y=st.floats(-100, 100, width=32),
    ratio=st.sampled_from([0.5, 1.0, 2.0, 3.7]),
    sigma=st.sampled_from([0.01, 0.5, 6.0, 300.0]),
    size=st.tuples(st.integers(2, 40), st.integers(2, 40)),
    options=st.sampled_from(GAUSSIANS + ONE_HOTS),
    dtype=st.sampled_from(FLOATS),
)
def test_any_joint_equals_definition(x, y, ratio, sigma, size, options, dtype):
    points = torch.tensor([[[x, y]]]).to(dtype)
    if round(min(size) * ratio) < 2:
        ratio = 1.0
    options = {**options, "split_ratio": ratio, "sigma": sigma}
    got = simcc_label(points, torch.ones(1, 1), size, **options)
    assert_same(got, reference.simcc_label(points, torch.ones(1, 1), size, **options), **TOLERANCE[dtype])


# ---- gradients ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compat", ["fixed", "simcc"])
@pytest.mark.parametrize("normalize", [True, False])
def test_gradients_of_every_order(device, generator, compat, normalize):
    points = (torch.rand(1, 3, 2, generator=generator).double() * 6 + 2).to(device).requires_grad_()
    seen = torch.tensor([[1, 0, 1]], device=device)

    def rows(p):
        return simcc_label(p, seen, (9, 8), sigma=2.0, compat=compat, normalize=normalize)[:2]

    assert torch.autograd.gradcheck(rows, points)
    assert torch.autograd.gradgradcheck(rows, points)
    assert all(row.requires_grad for row in rows(points))


@pytest.mark.parametrize("options", [{"compat": "mmpose"}, {"encoding": "one_hot"}])
def test_rounded_labels_pass_no_gradient(options):
    points = torch.ones(1, 3, 2, requires_grad=True)
    assert not any(t.requires_grad for t in simcc_label(points, torch.ones(1, 3), SIZE, **options))


def test_values_are_the_same_with_and_without_gradient(generator):
    points, visibility = joints(generator, 3, 17)
    assert_same(
        simcc_label(points.clone().requires_grad_(), visibility, SIZE), simcc_label(points, visibility, SIZE)
    )


# ---- the machinery -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", FLOATS)
def test_dtypes_and_shapes(device, dtype):
    got = simcc_label(torch.zeros(2, 3, 2, device=device, dtype=dtype), torch.ones(2, 3, device=device), SIZE)
    assert isinstance(got, pyposeops.SimccLabels)
    assert got.x.dtype == got.y.dtype == dtype and got.x.is_contiguous()
    assert got.x.shape == (2, 3, 96) and got.y.shape == (2, 3, 128) and got.weights.shape == (2, 3)
    assert got.weights.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)


@pytest.mark.parametrize("shape", [(0, 3), (3, 0)])
@pytest.mark.parametrize("requires_grad", [False, True])
def test_empty(device, shape, requires_grad):
    points = torch.zeros(*shape, 2, device=device, requires_grad=requires_grad)
    got = simcc_label(points, torch.zeros(shape, device=device), SIZE)
    assert got.x.shape == (*shape, 96) and got.y.shape == (*shape, 128) and got.weights.shape == shape


@pytest.mark.parametrize("width", [1, 2, 5, 7, 8, 31, 200])
@pytest.mark.parametrize("dtype", FLOATS)
def test_row_lengths(device, generator, width, dtype):
    points = (torch.rand(3, 5, 2, generator=generator) * width).to(dtype)
    options = {"split_ratio": 1.0, "sigma": 1.0}
    got = simcc_label(points.to(device), torch.ones(3, 5, device=device), (3, width), **options)
    want = reference.simcc_label(points, torch.ones(3, 5), (3, width), **options)
    assert_same(got, want, **TOLERANCE[dtype])


def test_any_strides(device, generator):
    points, visibility = joints(generator, 3, 17)
    want = simcc_label(points.to(device), visibility.to(device), SIZE)
    wide = torch.zeros(3, 34, 5, device=device)
    wide[:, ::2, 1:4:2].copy_(points)
    got = simcc_label(wide[:, ::2, 1:4:2], visibility.to(device).mT.contiguous().mT, SIZE)
    assert_same(got, want, rtol=0, atol=0)


@pytest.mark.parametrize("encoding", [0, 1])
def test_opcheck(device, generator, encoding):
    points, visibility = joints(generator, 2, 3)
    torch.library.opcheck(
        torch.ops.pyposeops.simcc_label.default,
        (points.to(device), visibility.to(device), 32, 24, 48, 64, 2.0, 6.0, 5.0, encoding, 2),
    )


@pytest.mark.parametrize("requires_grad", [False, True])
def test_compiles_without_graph_breaks(device, generator, requires_grad):
    points, visibility = joints(generator, 2, 3)
    points = points.to(device).requires_grad_(requires_grad)
    assert_compiles(lambda p, v: simcc_label(p, v, SIZE), points, visibility.to(device))


@pytest.mark.cuda
def test_cuda_graph_capture(generator):
    points, visibility = joints(generator, 2, 3)
    assert_graph_captures(lambda p, v: simcc_label(p, v, SIZE), points.cuda(), visibility.cuda())


@pytest.mark.parametrize("isa", ISAS)
def test_every_instruction_set_gives_the_same_bits(tmp_path, generator, isa):
    points, visibility = joints(generator, 4, 17, margin=5.0)
    cases = [
        (points.to(dtype), options, *simcc_label(points.to(dtype), visibility, SIZE, **options))
        for dtype in FLOATS
        for options in GAUSSIANS + ONE_HOTS
    ]
    torch.save((visibility, cases), tmp_path / "expected.pt")
    run_under_isa(
        isa,
        "import torch, pyposeops\n"
        f"assert pyposeops.build_info()['cpu_isa'] == '{isa}'\n"
        f"visibility, cases = torch.load({str(tmp_path / 'expected.pt')!r})\n"
        "for points, options, *want in cases:\n"
        f"    got = pyposeops.simcc_label(points, visibility, {SIZE}, **options)\n"
        "    torch.testing.assert_close(list(got), want, rtol=0, atol=0)\n",
    )


def test_numpy_in_numpy_out(generator):
    points, visibility = joints(generator, 2, 3)
    got = simcc_label(points.numpy(), visibility.numpy(), SIZE)
    assert isinstance(got, pyposeops.SimccLabels)
    for array, tensor in zip(got, simcc_label(points, visibility, SIZE), strict=True):
        assert isinstance(array, np.ndarray)
        np.testing.assert_array_equal(array, tensor)


# ---- bad input ---------------------------------------------------------------------------------------------------

POINTS, SEEN = torch.zeros(2, 3, 2), torch.ones(2, 3)


@pytest.mark.parametrize(
    ("points", "visibility", "size", "options", "error", "words"),
    [
        (POINTS[0], SEEN, SIZE, {}, ValueError, "keypoints: expected (B, K, 2), got (3, 2)"),
        (torch.zeros(2, 3, 3), SEEN, SIZE, {}, ValueError, "keypoints: expected (B, K, 2)"),
        (POINTS.long(), SEEN, SIZE, {}, TypeError, "keypoints: expected dtype float32"),
        (POINTS, SEEN[:, :2], SIZE, {}, ValueError, "visibility: expected the shape of keypoints"),
        (POINTS, SEEN, (0, 5), {}, ValueError, "size: expected a height and width of at least 1"),
        (POINTS, SEEN, 5, {}, ValueError, "size: expected (height, width), got 5"),
        (
            POINTS,
            SEEN,
            SIZE,
            {"split_ratio": 0.0},
            ValueError,
            "split_ratio: expected a finite number above 0",
        ),
        (POINTS, SEEN, SIZE, {"split_ratio": math.nan}, ValueError, "split_ratio: expected a finite number"),
        (POINTS, SEEN, SIZE, {"split_ratio": math.inf}, ValueError, "split_ratio: expected a finite number"),
        (
            POINTS,
            SEEN,
            (1, 1),
            {"split_ratio": 0.1},
            ValueError,
            "size, split_ratio: expected 1 to 2^24 bins",
        ),
        (POINTS, SEEN, SIZE, {"sigma": 0.0}, ValueError, "sigma: expected a finite number above 0"),
        (POINTS, SEEN, SIZE, {"sigma": math.inf}, ValueError, "sigma: expected a finite number above 0"),
        (POINTS, SEEN, SIZE, {"sigma": (1.0, 2.0, 3.0)}, ValueError, "sigma: expected a number or (sigma_x"),
        (POINTS, SEEN, SIZE, {"encoding": "soft"}, ValueError, "encoding: expected one of gaussian, one_hot"),
        (POINTS, SEEN, SIZE, {"compat": "hrnet"}, ValueError, "compat: expected one of fixed, simcc, mmpose"),
        (POINTS, SEEN, SIZE, {"smoothing": 0.1}, ValueError, "smoothing: expected 0 for gaussian, got 0.1"),
        (
            POINTS,
            SEEN,
            SIZE,
            {"smoothing": 1.5, "encoding": "one_hot"},
            ValueError,
            "smoothing: expected a number from 0 to 1",
        ),
        (
            POINTS,
            SEEN,
            (1, 1),
            {"smoothing": 0.5, "encoding": "one_hot", "split_ratio": 1.0},
            ValueError,
            "expected 2 to 2^24 bins with smoothing, got 1",
        ),
        (POINTS, SEEN, SIZE, {"dtype": torch.int32}, TypeError, "x: expected dtype float32"),
    ],
)
def test_bad_input_is_named(device, points, visibility, size, options, error, words):
    with pytest.raises(error) as caught:
        simcc_label(points.to(device), visibility.to(device), size, **options)
    assert words in str(caught.value)


@pytest.mark.parametrize("split_ratio", [0.0, -2.0, float("nan")])
def test_split_ratio_must_be_above_zero(split_ratio):
    with pytest.raises(ValueError, match="split_ratio: expected a finite number above 0"):
        simcc_label(torch.zeros(1, 1, 2), torch.ones(1, 1), (4, 3), split_ratio=split_ratio)
