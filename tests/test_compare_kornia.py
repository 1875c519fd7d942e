"""Our operators against kornia 0.9, where both define the same thing (extra ``compare``)."""

from __future__ import annotations

import pytest
import torch

import pyposeops
from tests.op_contract import assert_same

subpix = pytest.importorskip(
    "kornia.geometry.subpix", reason="kornia is not installed: pip install pyposeops[compare]"
)
kornia = pytest.importorskip("kornia", minversion="0.9", reason="older ones multiply by the temperature")

# kornia sums thousands of probabilities in float32.
SUMS = {"rtol": 1e-5, "atol": 5e-5}


def logits(generator, *shape):
    """A bright joint above noise."""
    maps = torch.randn(shape, generator=generator)
    peaks = torch.randint(0, maps[0, 0].numel(), (*shape[:2], 1), generator=generator)
    return maps.flatten(2).scatter_(-1, peaks, 9.0).view(shape)


# kornia's temperature divides and its normalized grid runs from -1 to 1 through the centres of the outermost pixels.
@pytest.mark.parametrize(("normalized", "coordinates"), [(False, "pixel"), (True, "corners")])
@pytest.mark.parametrize("temperature", [0.25, 1.0, 2.0])
def test_soft_argmax_is_spatial_soft_argmax2d(generator, normalized, coordinates, temperature):
    maps = logits(generator, 4, 5, 24, 18)
    want = subpix.spatial_soft_argmax2d(maps, torch.tensor(temperature), normalized_coordinates=normalized)
    got = pyposeops.soft_argmax_2d(maps, inverse_temperature=1 / temperature, coordinates=coordinates)
    assert_same(got.coords, want, **SUMS)


def test_gradient_of_soft_argmax_is_that_of_spatial_soft_argmax2d(generator):
    maps, upstream = logits(generator, 2, 5, 24, 18), torch.randn(2, 5, 2, generator=generator)
    gradients = []
    for function in (
        lambda m: pyposeops.soft_argmax_2d(m, inverse_temperature=2.0).coords,
        lambda m: subpix.spatial_soft_argmax2d(m, torch.tensor(0.5), normalized_coordinates=False),
    ):
        leaf = maps.clone().requires_grad_()
        gradients += torch.autograd.grad(function(leaf), leaf, upstream)
    assert_same(*gradients, **SUMS)


def test_sum_normalization_is_spatial_expectation2d_of_the_normalized_map(generator):
    masses = torch.rand(2, 5, 24, 18, generator=generator)
    want = subpix.spatial_expectation2d(
        masses / masses.sum((2, 3), keepdim=True), normalized_coordinates=False
    )
    assert_same(pyposeops.soft_argmax_2d(masses, normalization="sum").coords, want, **SUMS)


@pytest.mark.parametrize("sigma", [0.7, 1.5, 3.0])
def test_gaussian_heatmap_is_render_gaussian2d(generator, sigma):
    """normalized as it is, unbiased divided by its sum: joints on the map, off its centre and beyond its border."""
    joints = torch.rand(3, 7, 2, generator=generator) * torch.tensor([22.0, 28.0]) - 2.0
    want = subpix.render_gaussian2d(
        joints.flatten(0, 1), torch.full((21, 2), sigma), (24, 18), normalized_coordinates=False
    ).view(3, 7, 24, 18)
    for encoding in ("normalized", "unbiased"):
        got = pyposeops.gaussian_heatmap(
            joints, torch.ones(3, 7), (24, 18), sigma=sigma, encoding=encoding
        ).heatmaps
        got = got / got.sum((2, 3), keepdim=True) if encoding == "unbiased" else got
        assert_same(got, want, rtol=1e-4, atol=1e-7)  # kornia adds 1e-8 to each axis's sum


@pytest.mark.parametrize("window", [3, 5, 7])
@pytest.mark.parametrize("levels", [1000, 8])
def test_heatmap_nms_is_nms2d_in_the_interior(generator, window, levels):
    """Few levels make plateaus: with plateau="none", as in kornia, none of their pixels stays."""
    maps = torch.randint(0, levels, (3, 4, 24, 18), generator=generator).float() + 1
    inner = slice(window // 2, -(window // 2))
    want = subpix.nms2d(maps, (window, window))[..., inner, inner]
    got = pyposeops.heatmap_nms(maps, window=window, plateau="none")[..., inner, inner]
    assert torch.equal(got, want)
    assert levels == 8 or got.count_nonzero() > 0


def test_nms2d_misses_the_peaks_on_the_border_that_heatmap_nms_finds():
    maps = torch.zeros(1, 1, 8, 8)
    maps[0, 0, 0, 3] = 1.0
    assert not subpix.nms2d(maps, (3, 3)).any()
    assert pyposeops.heatmap_nms(maps, window=3, threshold=0.5)[0, 0, 0, 3] == 1.0


@pytest.mark.parametrize("rotation_deg", [0.0, 30.0])
def test_crop_images_is_warp_affine(generator, rotation_deg):
    """Boxes inside, across and beyond the border; kornia's corner-aligned grid puts pixel centres at integers."""
    image = torch.randint(0, 256, (50, 60, 3), generator=generator, dtype=torch.uint8)
    boxes = torch.tensor([[12.0, 9.0, 20.0, 26.0], [-9.0, -4.0, 30.0, 40.0], [41.0, 33.0, 25.0, 30.0]])
    affines = pyposeops.affine_from_box(boxes, (32, 24), rotation_deg=rotation_deg)
    got = pyposeops.crop_images(image, affines, (32, 24), mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
    planes = image.permute(2, 0, 1).float().expand(3, -1, -1, -1) / 255
    want = kornia.geometry.transform.warp_affine(planes, affines, (32, 24), align_corners=True)
    # kornia passes positions through the interval [-1, 1] in float32: 1e-5 of a pixel, times the step between pixels.
    assert_same(got, want, rtol=0.0, atol=1e-4)
