"""heatmap_decode: which pixel is the maximum, in every layout, with ties, NaN and infinities."""

from __future__ import annotations

import math

import pytest
import torch

from pyposeops import heatmap_decode, reference
from tests.op_contract import FLOATS, assert_same, layouts
from tests.ops.test_heatmap_decode import FLOAT32, FLOAT64, LAYOUTS, REFINES, decode_as_defined, gaussians


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(
    "shape", [(2, 3, 1, 1), (3, 17, 37, 29), (1, 133, 3, 5), (2, 1, 1, 700), (2, 5, 600, 1)]
)
def test_first_of_equal_maxima_in_row_major_order(device, generator, layout, dtype, shape):
    maps = torch.randint(-3, 3, shape, generator=generator).to(dtype)
    got = heatmap_decode(layouts(maps.to(device))[layout], refine="none", empty_coord=-7.0)
    want = decode_as_defined(maps, refine="none", empty_coord=-7.0)
    assert_same(got, want, rtol=0, atol=0)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_first_of_equal_maxima_wherever_it_is(device, layout):
    """One map for every position of the first maximum, with two or three equal ones after it."""
    pixels = 20 * 30
    maps = torch.zeros(pixels, 1, pixels)
    for first in range(pixels):
        maps[first, 0, first :: max(1, (pixels - first) // 3)] = 0.5
    got = heatmap_decode(layouts(maps.view(pixels, 1, 20, 30).to(device))[layout], refine="none")
    want = torch.stack((torch.arange(pixels) % 30, torch.arange(pixels) // 30), dim=1).float()
    assert_same(got.coords[:, 0], want)


@pytest.mark.parametrize("dtype", FLOATS)
def test_rows_of_any_alignment(device, generator, dtype):
    """Maps of an odd number of pixels, starting at any element of the memory."""
    values = torch.randn(9 + 6 * 13 * 11, generator=generator).to(device, dtype)
    for start in range(9):
        maps = values[start : start + 6 * 13 * 11].view(2, 3, 13, 11)
        want = decode_as_defined(maps, refine="none")
        assert_same(heatmap_decode(maps, refine="none"), want, rtol=0, atol=0)


@pytest.mark.parametrize(
    "cut", [(slice(None), slice(1, 3)), (..., slice(2, 9)), (..., slice(1, 7), slice(None))]
)
@pytest.mark.parametrize("layout", ["contiguous", "channels_last"])
def test_views_into_larger_tensors(device, generator, layout, cut):
    maps, _ = gaussians(generator, (2, 4, 8, 10), noise=0.05)
    view = layouts(maps.to(device))[layout][cut]
    for refine in REFINES:
        want = reference.heatmap_decode(maps[cut].contiguous(), refine=refine)
        assert_same(heatmap_decode(view, refine=refine), want, **FLOAT64)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("refine", REFINES)
def test_nan_makes_the_score_nan_and_the_map_empty(device, generator, dtype, layout, refine):
    maps, _ = gaussians(generator, (2, 4, 9, 11), noise=0.01, margin=3, dtype=dtype)
    maps[0, 1, 4, 5] = math.nan
    maps[1, 2, 8, 10] = math.nan
    maps[1, 2, 0, 0] = math.inf
    bits = {2: torch.int16, 4: torch.int32, 8: torch.int64}[dtype.itemsize]
    maps.view(bits)[0, 1, 4, 5] |= torch.iinfo(bits).min  # the sign that x86 gives to NaN
    got = heatmap_decode(layouts(maps.to(device))[layout], refine=refine, empty_coord=-3.0)
    with_nan = torch.zeros(2, 4, dtype=torch.bool)
    with_nan[0, 1] = with_nan[1, 2] = True
    assert torch.equal(got.scores.cpu().isnan(), with_nan)
    assert (got.coords.cpu()[with_nan] == -3.0).all()
    neighbour = decode_as_defined(maps[:1, :1], refine=refine)  # no part of a NaN in the next map
    assert_same(got.coords[:1, :1], neighbour[0], **FLOAT32)


@pytest.mark.parametrize("value", [0.0, -0.0, -1.0, -1e-45, -math.inf])
@pytest.mark.parametrize("refine", REFINES)
def test_maximum_not_above_zero_is_empty(device, value, refine):
    maps = torch.full((1, 2, 6, 6), -math.inf)
    maps[0, :, 3, 4] = value
    got = heatmap_decode(maps.to(device), refine=refine)
    assert (got.coords == (-1.0 if refine == "quarter_mmpose" else 0.0)).all()
    assert (got.scores == value).all()
    assert (heatmap_decode(maps.to(device), refine=refine, empty_coord=math.nan).coords).isnan().all()


@pytest.mark.parametrize("refine", REFINES)
def test_smallest_positive_maximum_is_found(device, refine):
    maps = torch.zeros(1, 1, 6, 6)
    maps[0, 0, 3, 4] = 1e-45
    assert heatmap_decode(maps.to(device), refine=refine).coords.flatten().tolist() == [4.0, 3.0]
