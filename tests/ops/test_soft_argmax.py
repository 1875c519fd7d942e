"""soft_argmax_1d, _2d and _3d against their definition, against the published formulas, and at their corners."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import pyposeops
from pyposeops import gaussian_heatmap, reference, soft_argmax_1d, soft_argmax_2d, soft_argmax_3d
from tests.op_contract import (
    FLOATS,
    ISAS,
    assert_compiles,
    assert_graph_captures,
    assert_same,
    layouts,
    run_under_isa,
)
from tests.property_tests import assume, given, settings, st

OURS = {1: soft_argmax_1d, 2: soft_argmax_2d, 3: soft_argmax_3d}
DEFINITION = {1: reference.soft_argmax_1d, 2: reference.soft_argmax_2d, 3: reference.soft_argmax_3d}
SIZES = {1: (83,), 2: (24, 18), 3: (6, 9, 10)}
COORDINATES = ("pixel", "unit", "centered", "symmetric", "corners")
WEIGHTS = {
    "softmax": {"normalization": "softmax", "inverse_temperature": 2.5},
    "debiased": {"normalization": "softmax", "inverse_temperature": 2.5, "debias": True},
    "sigmoid": {"normalization": "sigmoid", "inverse_temperature": 2.5},
    "sum": {"normalization": "sum"},
}
# Sums in float32 over a few hundred pixels, positions up to 83, the covariance in squared pixels; the weights of
# debiased maps are small differences of large numbers.
FLOAT32 = {"rtol": 2e-6, "atol": 1e-4}
FLOAT64 = {"rtol": 1e-12, "atol": 1e-12}


def random_maps(generator, *shape, dtype=torch.float32):
    """A bright blob at a random place of each map, above noise around 0: what a network puts out, and a mass."""
    maps = torch.randn(shape, generator=generator, dtype=torch.float64).abs() * 0.3
    flat = maps.flatten(2)
    at = torch.randint(0, flat.shape[-1], (*shape[:2], 1), generator=generator)
    return flat.scatter_add_(-1, at, torch.full(at.shape, 3.0, dtype=torch.float64)).view(shape).to(dtype)


def assert_equals_definition(dims, maps, tolerance=None, **options):
    """Coordinates, confidence and covariance against the definition in float64, evaluated on the same values."""
    got = OURS[dims](maps, covariance=True, **options)
    want = DEFINITION[dims](maps.double(), covariance=True, **options)
    tolerance = tolerance or (FLOAT64 if maps.dtype == torch.float64 else FLOAT32)
    assert_same([t.double() for t in got], want, **tolerance)
    assert all(t.dtype == (torch.float64 if maps.dtype == torch.float64 else torch.float32) for t in got)


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("weight", WEIGHTS)
@pytest.mark.parametrize("coordinates", COORDINATES)
def test_equals_definition(device, generator, dims, weight, coordinates):
    maps = random_maps(generator, 3, 5, *SIZES[dims]).to(device)
    options = {**WEIGHTS[weight], "coordinates": coordinates}
    assert_equals_definition(dims, maps, **options)
    plain = OURS[dims](maps, **options)
    assert plain.covariance is None
    assert_same(plain[:2], OURS[dims](maps, covariance=True, **options)[:2], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("weight", WEIGHTS)
@pytest.mark.parametrize("dtype", FLOATS)
def test_every_dtype_sums_in_float32_or_better(device, generator, dims, weight, dtype):
    maps = random_maps(generator, 2, 3, *SIZES[dims], dtype=dtype).to(device)
    assert_equals_definition(dims, maps, **WEIGHTS[weight])


@pytest.mark.parametrize("weight", WEIGHTS)
@pytest.mark.parametrize("layout", ["contiguous", "channels_last", "strided", "transposed"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_every_layout_equals_definition(device, generator, weight, layout, dtype):
    maps = layouts(random_maps(generator, 3, 17, *SIZES[2], dtype=dtype).to(device))[layout]
    assert_equals_definition(2, maps, **WEIGHTS[weight])


def volumes_in_every_layout(maps):
    """A volume contiguous, with joints, with depths, or with both innermost, and strided."""
    b, k, d, h, w = maps.shape
    network_output = maps.reshape(b, k * d, h, w).contiguous(memory_format=torch.channels_last)
    return {
        "contiguous": maps.contiguous(),
        "channels_last_3d": maps.contiguous(memory_format=torch.channels_last_3d),
        "network channels_last": network_output.view(b, k, d, h, w),
        "depth innermost": maps.permute(0, 1, 3, 4, 2).contiguous().permute(0, 1, 4, 2, 3),
        "strided": maps.repeat_interleave(2, dim=4)[..., ::2],
    }


@pytest.mark.parametrize("weight", WEIGHTS)
def test_every_volume_layout_equals_definition(device, generator, weight):
    maps = random_maps(generator, 2, 5, 8, 6, 7).to(device)
    for volume in volumes_in_every_layout(maps).values():
        assert torch.equal(volume, maps)
        assert_equals_definition(3, volume, **WEIGHTS[weight])


def test_one_axis_with_joints_innermost(device, generator):
    maps = random_maps(generator, 3, 17, 50).to(device)
    assert_equals_definition(1, maps.transpose(1, 2).contiguous().transpose(1, 2))


@pytest.mark.parametrize(
    "shape",
    [
        (2, 3, 1, 1),
        (2, 3, 1, 37),
        (2, 3, 37, 1),
        (1, 2, 67, 48),
        (1, 1, 300, 200),
        (1, 2, 3, 5000),
        (1, 300, 9, 11),
    ],
)
@pytest.mark.parametrize("channels_last", [False, True])
def test_sizes_beside_the_usual(device, generator, shape, channels_last):
    layout = torch.channels_last if channels_last else torch.contiguous_format
    maps = random_maps(generator, *shape).to(device).contiguous(memory_format=layout)
    tolerance = {"rtol": 2e-5 if device.type == "cuda" else 2e-6, "atol": 1e-4}
    for options in WEIGHTS.values():
        assert_equals_definition(2, maps, tolerance, coordinates="symmetric", **options)


@pytest.mark.parametrize("shape", [(0, 3), (2, 0)])
@pytest.mark.parametrize("dims", [1, 2, 3])
def test_empty_batch_and_no_joints(device, shape, dims):
    got = OURS[dims](torch.zeros(*shape, *SIZES[dims], device=device), covariance=True)
    assert got.coords.shape == (*shape, dims) and got.confidence.shape == shape
    assert got.covariance.shape == (*shape, dims, dims)


# ---- against published formulas ----------------------------------------------------------------------------------


def published_coordinates(name, size):
    i = np.arange(size, dtype=np.float64)
    return {
        "unit": i / size,  # mmpose: linspace over the map, divided by its size
        "centered": i / size - 0.5,  # Integral Human Pose Regression: x / W - 0.5
        "symmetric": (2 * (i + 1) - (size + 1)) / size,  # DSNT, equation 1
        "pixel": i,
    }[name]


@pytest.mark.parametrize("name", ["unit", "centered", "symmetric", "pixel"])
def test_softmax_expectation_as_published(generator, name):
    maps = random_maps(generator, 4, 3, *SIZES[2]).numpy() * 4
    got = soft_argmax_2d(maps, coordinates=name).coords
    xs, ys = published_coordinates(name, SIZES[2][1]), published_coordinates(name, SIZES[2][0])
    for b, k in np.ndindex(4, 3):
        share = np.exp(maps[b, k].astype(np.float64))
        share /= share.sum()
        expected = [share.sum(0) @ xs, share.sum(1) @ ys]
        np.testing.assert_allclose(got[b, k], expected, rtol=2e-6, atol=2e-6)


def test_dsnt_variance_as_published(generator):
    """The variance regulariser's term of Nibali et al.: E[(c - mu)^2] per axis in symmetric coordinates."""
    maps = random_maps(generator, 1, 4, *SIZES[2]).numpy()
    got = soft_argmax_2d(maps, coordinates="symmetric", covariance=True)
    grid = np.stack(
        np.meshgrid(published_coordinates("symmetric", 18), published_coordinates("symmetric", 24)), axis=-1
    )
    for k in range(4):
        share = np.exp(maps[0, k].astype(np.float64))[..., None]
        share /= share.sum()
        mean = (share * grid).sum((0, 1))
        variance = (share * (grid - mean) ** 2).sum((0, 1))
        np.testing.assert_allclose(np.diagonal(got.covariance[0, k]), variance, rtol=1e-5)


def test_sigmoid_and_sum_as_in_alphapose(generator):
    maps = random_maps(generator, 1, 3, *SIZES[2]).numpy()
    xs, ys = (published_coordinates("centered", n) for n in SIZES[2][::-1])
    for name, heat in (
        ("sigmoid", 1 / (1 + np.exp(-maps.astype(np.float64)))),
        ("sum", maps.astype(np.float64)),
    ):
        got = soft_argmax_2d(maps, normalization=name, coordinates="centered")
        for k in range(3):
            share = heat[0, k] / heat[0, k].sum()
            np.testing.assert_allclose(got.coords[0, k], [share.sum(0) @ xs, share.sum(1) @ ys], atol=1e-6)
            np.testing.assert_allclose(got.confidence[0, k], heat[0, k].max(), rtol=1e-6)


@pytest.mark.parametrize("beta", [1.0, 2.5])
def test_closer_to_the_truth_than_a_float32_expectation(generator, beta):
    """Column sums are short and positions enter in double: 50 times closer than float32 sums over the whole map."""
    maps = torch.randn(64, 17, 64, 48, generator=generator) * 3
    exact = DEFINITION[2](maps.double(), inverse_temperature=beta)[0]
    ours = (soft_argmax_2d(maps, inverse_temperature=beta).coords - exact).abs().max()
    usual = (DEFINITION[2](maps, inverse_temperature=beta)[0] - exact).abs().max()
    assert ours < 1e-5 and ours < usual / 4


def test_debias_recovers_a_joint_on_an_empty_background():
    maps = torch.zeros(1, 1, 64, 48)
    maps[0, 0, 20, 10] = 8.0
    assert soft_argmax_2d(maps).coords[0, 0, 0].item() == pytest.approx(16.853, abs=5e-4)
    assert_same(soft_argmax_2d(maps, debias=True).coords, torch.tensor([[[10.0, 20.0]]]), rtol=0.0, atol=1e-5)


def test_debias_as_published(generator):
    """Gu et al.: with S the sum of exp(beta h) and n pixels around the middle m, (S E - n m) / (S - n)."""
    maps = random_maps(generator, 3, 4, *SIZES[2], dtype=torch.float64) * 2
    plain = soft_argmax_2d(maps, inverse_temperature=1.5).coords
    total = torch.exp(1.5 * maps).sum((2, 3))[..., None]
    pixels = SIZES[2][0] * SIZES[2][1]
    middle = torch.tensor([(SIZES[2][1] - 1) / 2, (SIZES[2][0] - 1) / 2])
    want = (total * plain - pixels * middle) / (total - pixels)
    assert_same(soft_argmax_2d(maps, inverse_temperature=1.5, debias=True).coords, want, **FLOAT64)


def test_sum_finds_a_gaussian_and_its_spread(generator):
    """The centre of mass of an un-rounded Gaussian is exact to 1e-4 pixels; its variance is sigma^2."""
    joints = torch.rand(1, 400, 2, generator=generator) * torch.tensor([23.0, 39.0]) + 12
    maps = gaussian_heatmap(joints, torch.ones(1, 400), (64, 48), sigma=2.0, encoding="unbiased").heatmaps
    got = soft_argmax_2d(maps, normalization="sum", covariance=True)
    assert (got.coords - joints).abs().max() < 5e-5
    assert_same(got.covariance, 4 * torch.eye(2).expand(1, 400, 2, 2), rtol=0.0, atol=2e-4)


# ---- corners -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("layout", ["contiguous", "channels_last", "transposed"])
def test_no_finite_map_overflows(device, generator, dtype, sign, layout):
    """Values to the end of float16, rising along the map so that the maximum grows all the way."""
    ramp = torch.linspace(0.0, 65000.0, 70 * 40).view(1, 1, 70, 40).expand(2, 3, -1, -1)
    maps = layouts((sign * ramp).to(dtype).to(device))[layout]
    for weight in ("softmax", "sigmoid", "sum"):
        got = soft_argmax_2d(maps, normalization=weight, inverse_temperature=1000.0, covariance=True)
        assert all(t.isfinite().all() for t in got)
    sharp = soft_argmax_2d(maps, inverse_temperature=1000.0)
    peaks = maps[0, 0] == maps[0, 0].max()
    y, x = peaks.nonzero().double().mean(0).cpu()
    assert_same(sharp.coords[0, 0].double(), torch.stack([x, y]), rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize("weight", WEIGHTS)
@pytest.mark.parametrize("channels_last", [False, True])
def test_nan_stays_in_its_map(device, generator, weight, channels_last):
    layout = torch.channels_last if channels_last else torch.contiguous_format
    maps = random_maps(generator, 2, 3, *SIZES[2]).to(device).contiguous(memory_format=layout)
    want = soft_argmax_2d(maps, covariance=True, **WEIGHTS[weight])
    maps[1, 1, 5, 7] = math.nan
    got = soft_argmax_2d(maps, covariance=True, **WEIGHTS[weight])
    for a, b in zip(got, want, strict=True):
        assert a[1, 1].isnan().all()
        a[1, 1] = b[1, 1]
    assert_same(got, want, rtol=0.0, atol=0.0)


@pytest.mark.parametrize("weight", ["softmax", "debiased", "sum"])
def test_infinity_gives_nan_but_saturates_a_sigmoid(device, generator, weight):
    maps = random_maps(generator, 1, 2, *SIZES[2]).to(device)
    maps[0, 0, 3, 4] = math.inf
    assert soft_argmax_2d(maps, **WEIGHTS[weight]).coords[0, 0].isnan().all()
    assert_equals_definition(2, maps, **WEIGHTS["sigmoid"])


@pytest.mark.parametrize("weight", ["softmax", "debiased", "sigmoid"])
def test_minus_infinity_masks_a_pixel(device, generator, weight):
    maps = random_maps(generator, 1, 2, *SIZES[2]).to(device)
    masked = maps.clone()
    masked[..., 9:] = -math.inf
    got = soft_argmax_2d(masked, **WEIGHTS[weight])[:2]
    if weight == "debiased":  # 0 - 1: an absent pixel weighs less than an empty one
        assert_equals_definition(2, masked, **WEIGHTS[weight])
    else:
        assert_same(got, soft_argmax_2d(maps[..., :9], **WEIGHTS[weight])[:2], rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize(
    ("value", "weight"), [(0.0, "sum"), (0.0, "debiased"), (-math.inf, "softmax"), (-math.inf, "sigmoid")]
)
@pytest.mark.parametrize("channels_last", [False, True])
def test_weightless_map_gives_its_middle(device, value, weight, channels_last):
    layout = torch.channels_last if channels_last else torch.contiguous_format
    maps = torch.full((1, 2, *SIZES[2]), value, device=device).contiguous(memory_format=layout)
    got = soft_argmax_2d(maps, covariance=True, **WEIGHTS[weight])
    assert_same(got.coords, torch.tensor([8.5, 11.5]).expand(1, 2, 2))
    assert not got.confidence.any() and not got.covariance.any()


def test_constant_map_gives_its_middle_and_the_spread_of_the_grid(device):
    got = soft_argmax_2d(torch.full((1, 1, 4, 3), -7.0, device=device), covariance=True)
    assert_same(got.coords, torch.tensor([[[1.0, 1.5]]]), rtol=0.0, atol=1e-6)
    assert_same(got.confidence, torch.tensor([[1 / 12]]), rtol=1e-6, atol=0.0)
    assert_same(got.covariance, torch.diag(torch.tensor([2 / 3, 5 / 4]))[None, None], rtol=1e-6, atol=1e-6)


def test_temperature_sharpens(generator):
    maps = random_maps(generator, 2, 3, *SIZES[2])
    cold = soft_argmax_2d(maps, inverse_temperature=1e4)
    peak = maps.flatten(2).argmax(-1)
    assert torch.equal(cold.coords, torch.stack([peak % SIZES[2][1], peak // SIZES[2][1]], -1).float())
    assert torch.equal(cold.confidence, torch.ones(2, 3))
    warm = soft_argmax_2d(maps, inverse_temperature=3.0)
    assert_same(warm[:2], soft_argmax_2d(3 * maps)[:2], rtol=1e-5, atol=1e-5)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    height=st.integers(1, 70),
    width=st.integers(1, 70),
    scale=st.sampled_from([0.0, 1e-3, 1.0, 30.0, 1e4]),
    beta=st.floats(0.01, 100),
    weight=st.sampled_from(["softmax", "sigmoid"]),
    channels_last=st.booleans(),
)
def test_any_map_equals_definition(seed, height, width, scale, beta, weight, channels_last):
    maps = torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(seed)) * scale
    if channels_last:
        maps = maps.contiguous(memory_format=torch.channels_last)
    # Where all weights of a sigmoid leave the range of float32, the map counts as empty.
    assume(weight == "softmax" or (beta * maps.amax((2, 3)) > -80).all())
    tolerance = {"rtol": 1e-4, "atol": 1e-3}  # exp of a difference of 1e4 loses three digits in float32
    assert_equals_definition(2, maps, tolerance, normalization=weight, inverse_temperature=beta)


# ---- the machinery -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("covariance", [False, True])
def test_opcheck(device, generator, dims, covariance):
    maps = random_maps(generator, 2, 3, *SIZES[dims]).to(device)
    ops = torch.ops.pyposeops
    torch.library.opcheck(ops.soft_argmax.default, (maps, 0, 1.0, 0))
    torch.library.opcheck(ops.soft_argmax_all.default, (maps, 0, 1.0, 0, covariance))
    coords, _, spread, normalizer = ops.soft_argmax_all(maps, 0, 1.0, 0, True)
    upstream = torch.rand_like(spread) if covariance else None
    torch.library.opcheck(
        ops.soft_argmax_backward.default, (maps, coords, spread, normalizer, coords, upstream, 0, 1.0, 0)
    )


@pytest.mark.parametrize("covariance", [False, True])
def test_compiles_without_graph_breaks(device, generator, covariance):
    maps = random_maps(generator, 2, 3, *SIZES[2]).to(device)
    assert_compiles(lambda m: soft_argmax_2d(m, covariance=covariance)[: 2 + covariance], maps)


def test_exports(generator):
    maps = random_maps(generator, 2, 3, *SIZES[2])
    module = pyposeops.nn.SoftArgmax2d(coordinates="unit")
    program = torch.export.export(module, (maps,))
    assert_same(program.module()(maps)[:2], module(maps)[:2])


def test_autocast_changes_nothing(generator):
    maps = random_maps(generator, 2, 3, *SIZES[2])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = soft_argmax_2d(maps)
    assert_same(got[:2], soft_argmax_2d(maps)[:2], rtol=0.0, atol=0.0)


@pytest.mark.filterwarnings("ignore:There is a performance drop")
def test_vmap_loops_over_the_mapped_dimension(generator):
    maps = random_maps(generator, 4, 2, 3, *SIZES[2])
    got = torch.vmap(lambda m: soft_argmax_2d(m).coords)(maps)
    assert torch.equal(got, soft_argmax_2d(maps.flatten(0, 1)).coords.view_as(got))


@pytest.mark.cuda
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_cuda_graph_capture(generator, layout):
    maps = random_maps(generator, 2, 3, *SIZES[2]).cuda().contiguous(memory_format=layout)
    assert_graph_captures(lambda m: soft_argmax_2d(m)[:2], maps)


def test_same_bits_every_time(device, generator):
    maps = random_maps(generator, 8, 17, 64, 48).to(device)
    first = soft_argmax_2d(maps, covariance=True)
    for _ in range(3):
        assert_same(soft_argmax_2d(maps, covariance=True), first, rtol=0.0, atol=0.0)


@pytest.mark.parametrize("isa", ISAS)
def test_every_instruction_set_equals_definition(isa):
    run_under_isa(
        isa,
        "import torch, pyposeops\n"
        f"assert pyposeops.build_info()['cpu_isa'] == '{isa}'\n"
        "base = torch.rand(3, 17, 64, 48, generator=torch.Generator().manual_seed(0)) * 6\n"
        "for dtype in (torch.float32, torch.float16, torch.bfloat16):\n"
        "    for layout in (torch.contiguous_format, torch.channels_last):\n"
        "        for normalization in ('softmax', 'sigmoid', 'sum'):\n"
        "            maps = base.to(dtype).contiguous(memory_format=layout)\n"
        "            results, gradients = [], []\n"
        "            for f, m in ((pyposeops, maps), (pyposeops.reference, maps.double())):\n"
        "                m = m.detach().requires_grad_()\n"
        "                r = f.soft_argmax_2d(m, normalization=normalization, covariance=True)\n"
        "                (r[0].sum() + r[2].sum()).backward()\n"
        "                results.append(r); gradients.append(m.grad.double())\n"
        "            for a, b in zip(*results):\n"
        "                assert ((a - b).abs() <= 1e-4 + 1e-5 * b.abs()).all()\n"
        "            scale = gradients[1].abs().max()\n"
        "            bound = {torch.float32: 1e-5, torch.float16: 1e-3, torch.bfloat16: 5e-3}[dtype]\n"
        "            assert (gradients[0] - gradients[1]).abs().max() <= bound * scale\n",
    )


def test_numpy_in_numpy_out(generator):
    maps = random_maps(generator, 2, 3, *SIZES[2])
    got = soft_argmax_2d(maps.numpy(), covariance=True)
    assert isinstance(got, pyposeops.SoftArgmax)
    for a, b in zip(got, soft_argmax_2d(maps, covariance=True), strict=True):
        assert isinstance(a, np.ndarray)
        np.testing.assert_array_equal(a, b.numpy())
    assert soft_argmax_2d(maps.numpy()).covariance is None


# ---- bad input ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"heatmaps": torch.zeros(3, 4, 5)}, ValueError, "heatmaps: expected (B, K, H, W), got (3, 4, 5)"),
        ({"heatmaps": torch.zeros(1, 1, 1, 4, 5)}, ValueError, "heatmaps: expected (B, K, H, W), got (1, 1"),
        ({"heatmaps": torch.zeros(1, 1, 0, 5)}, ValueError, "with at least 1 and fewer than 2^30 pixels"),
        (
            {"heatmaps": torch.zeros(1, 1, 4, 5, dtype=torch.int64)},
            TypeError,
            "heatmaps: expected dtype float32",
        ),
        (
            {"normalization": "max"},
            ValueError,
            "normalization: expected one of softmax, sigmoid, sum, got 'max'",
        ),
        ({"coordinates": "px"}, ValueError, "coordinates: expected one of pixel, unit, centered, symmetric"),
        (
            {"inverse_temperature": 0.0},
            ValueError,
            "inverse_temperature: expected a finite number above 0, got 0",
        ),
        ({"inverse_temperature": -1.0}, ValueError, "inverse_temperature: expected a finite number above 0"),
        (
            {"inverse_temperature": math.inf},
            ValueError,
            "inverse_temperature: expected a finite number above 0",
        ),
        (
            {"inverse_temperature": math.nan},
            ValueError,
            "inverse_temperature: expected a finite number above 0",
        ),
        (
            {"debias": True, "normalization": "sigmoid"},
            ValueError,
            "debias: expected normalization 'softmax' with it, got 'sigmoid'",
        ),
    ],
)
def test_bad_input_is_named(change, error, words):
    arguments = {"heatmaps": torch.zeros(2, 3, *SIZES[2]), **change}
    with pytest.raises(error) as caught:
        soft_argmax_2d(arguments.pop("heatmaps"), **arguments)
    assert words in str(caught.value)


def test_other_ranks_are_named():
    with pytest.raises(ValueError, match=r"heatmaps: expected \(B, K, W\), got"):
        soft_argmax_1d(torch.zeros(1, 1, 4, 5))
    with pytest.raises(ValueError, match=r"heatmaps: expected \(B, K, D, H, W\), got"):
        soft_argmax_3d(torch.zeros(1, 1, 4, 5))
