"""heatmap_decode: the two methods that seek the maximum of the smoothed map, megvii and udp_combined."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from pyposeops import heatmap_decode, reference
from tests.op_contract import (
    FLOATS,
    ISAS,
    assert_compiles,
    assert_graph_captures,
    assert_same,
    layouts,
    run_under_isa,
)
from tests.ops.test_heatmap_decode import FLOAT32, FLOAT64, LAYOUTS, decode_as_defined, gaussians

SIZES = [(24, 18), (5, 40), (40, 3), (70, 66), (33, 100)]


def random_offsets(generator, maps, dtype=torch.float64):
    batch, joints, height, width = maps.shape
    return (torch.rand(batch, joints, 2, height, width, generator=generator) - 0.5).to(dtype)


# ---- the published code, typed as loops ----------------------------------------------------------------------


def mmpose_megvii(heatmaps, blur_kernel):
    """mmpose's MegviiHeatmap.decode, without the scaling to the input."""
    cv2 = pytest.importorskip("cv2")
    batch, joints, height, width = heatmaps.shape
    coords, scores = np.zeros((batch, joints, 2)), np.zeros((batch, joints))
    border = (blur_kernel - 1) // 2
    for b in range(batch):
        for k in range(joints):
            padded = np.zeros((height + 2 * border, width + 2 * border))
            padded[border:-border, border:-border] = heatmaps[b, k]
            blurred = cv2.GaussianBlur(padded, (blur_kernel, blur_kernel), 0)[border:-border, border:-border]
            blurred = blurred * heatmaps[b, k].max() / blurred.max()
            y, x = np.unravel_index(blurred.argmax(), blurred.shape)
            scores[b, k] = blurred.max()
            coords[b, k] = (x, y) if scores[b, k] > 0 else (-1, -1)
            x, y = (int(value) for value in coords[b, k])
            if 1 < x < width - 1 and 1 < y < height - 1:
                slope = [blurred[y, x + 1] - blurred[y, x - 1], blurred[y + 1, x] - blurred[y - 1, x]]
                coords[b, k] += np.sign(slope) * 0.25 + 0.5
    return coords, scores / 255.0 + 0.5


def mmpose_udp_combined(output, blur_kernel_size=11, radius_factor=0.0546875):
    """mmpose's UDPHeatmap.decode of (disc, x, y) per joint, without the scaling to the input."""
    cv2 = pytest.importorskip("cv2")
    taps = 2 * blur_kernel_size + 1
    batch, channels, height, width = output.shape
    radius = radius_factor * max(width, height)
    coords, scores = np.zeros((batch, channels // 3, 2)), np.zeros((batch, channels // 3))
    for b in range(batch):
        for k in range(channels // 3):
            disc = cv2.GaussianBlur(output[b, 3 * k], (taps, taps), 0)
            y, x = np.unravel_index(disc.argmax(), disc.shape)
            scores[b, k] = disc[y, x]
            coords[b, k] = (x, y)
            coords[b, k] += output[b, 3 * k + 1 : 3 * k + 3, y, x] * radius
    return coords, scores


@pytest.mark.parametrize("blur_kernel", [3, 9, 11, 17])
@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_megvii_equals_mmpose(device, generator, blur_kernel, noise):
    maps, _ = gaussians(generator, (3, 7, 32, 24), noise=noise)
    maps = 255 * maps
    got = heatmap_decode(maps.to(device), refine="megvii", blur_kernel=blur_kernel)
    coords, scores = mmpose_megvii(maps.numpy(), blur_kernel)
    np.testing.assert_allclose(got.coords.cpu(), coords, rtol=0, atol=1e-12)
    np.testing.assert_allclose(got.scores.cpu(), scores, rtol=1e-12)


@pytest.mark.parametrize("blur_kernel_size", [2, 5, 11])
def test_udp_combined_equals_mmpose(device, generator, blur_kernel_size):
    """Discs and offsets as they are drawn, under noise."""
    height, width = 64, 48
    centres = torch.rand(4, 5, 2, generator=generator).double() * torch.tensor([47.0, 63.0])
    radius = 0.0546875 * 64
    x = (centres[..., 0, None, None] - torch.arange(48)).expand(4, 5, height, width) / radius
    y = (centres[..., 1, None, None] - torch.arange(64)[:, None]).expand(4, 5, height, width) / radius
    output = torch.stack(((x**2 + y**2 <= 1).double(), x, y), dim=2)
    output += 0.01 * torch.randn(output.shape, generator=generator)
    output = output.to(device)
    taps = {} if blur_kernel_size == 11 else {"blur_kernel": 2 * blur_kernel_size + 1}
    got = heatmap_decode(output[:, :, 0], refine="udp_combined", offsets=output[:, :, 1:], **taps)
    coords, scores = mmpose_udp_combined(output.cpu().flatten(1, 2).numpy(), blur_kernel_size)
    np.testing.assert_allclose(got.coords.cpu(), coords, rtol=0, atol=1e-10)
    np.testing.assert_allclose(got.scores.cpu(), scores, rtol=1e-10)
    assert (got.coords.cpu() - centres).abs().max() < 0.15


# ---- values ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("refine", ["megvii", "udp_combined"])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", FLOATS)
def test_equals_definition(device, generator, refine, layout, dtype):
    for size in SIZES:
        maps, _ = gaussians(generator, (2, 5, *size), noise=0.1, dtype=dtype)
        options = {"refine": refine}
        if refine == "udp_combined":
            options["offsets"] = random_offsets(generator, maps)
        want = decode_as_defined(maps, **options)
        on_device = {k: v.to(device) if k == "offsets" else v for k, v in options.items()}
        got = heatmap_decode(layouts(maps.to(device))[layout], **on_device)
        assert_same(got, want, **(FLOAT64 if dtype == torch.float64 else FLOAT32))


@pytest.mark.parametrize("blur_kernel", [3, 11, 63])
@pytest.mark.parametrize("refine", ["megvii", "udp_combined"])
@pytest.mark.parametrize("size", [(1, 1), (1, 30), (30, 1), (2, 2), (7, 33), (64, 65)])
def test_kernels_wider_than_the_map(device, generator, refine, size, blur_kernel):
    maps = torch.randn(3, 4, *size, generator=generator).double()
    options = {"refine": refine, "blur_kernel": blur_kernel}
    offsets = random_offsets(generator, maps) if refine == "udp_combined" else None
    want = reference.heatmap_decode(maps, offsets=offsets, **options)
    offsets = offsets if offsets is None else offsets.to(device)
    got = heatmap_decode(maps.to(device), offsets=offsets, **options)
    assert_same(got, want, **FLOAT64)


def test_megvii_on_symmetric_maps_adds_half_and_no_quarter(device):
    """Two pixels of equal distance are weighted together: what is symmetric has no slope, in any precision."""
    for dtype in FLOATS:
        maps = torch.zeros(20, 1, 21, 20, dtype=dtype)
        maps[range(20), 0, range(20), range(20)] = 200.0
        coords = heatmap_decode(maps.to(device), refine="megvii").coords[:, 0].cpu()
        for i in range(20):
            moved = i + 0.5 if 1 < i < 19 else i
            assert coords[i].tolist() == [moved, moved]


def test_megvii_takes_a_hill_before_a_spike(device):
    maps, centres = gaussians(torch.Generator().manual_seed(1), (1, 1, 40, 40), margin=15, sigma=3.0)
    maps[0, 0, 5, 5] = 1.2
    got = heatmap_decode(255 * maps.to(device), refine="megvii")
    assert (got.coords.cpu() - centres).abs().max() < 1.1
    assert got.scores.item() == pytest.approx(1.7)


def test_megvii_corners(device):
    """Zero, negative, NaN, infinite, and nothing positive once smoothed."""
    maps = torch.zeros(5, 1, 9, 9)
    maps[1] = -1.0
    maps[2, 0, 4, 4] = math.nan
    maps[3, 0, 4, 5] = math.inf
    maps[4] = -1.0
    maps[4, 0, 4, 3] = 1.0
    got = heatmap_decode(maps.to(device), refine="megvii")
    assert got.coords[:, 0].tolist() == [[-1, -1], [-1, -1], [-1, -1], [5, 4], [3, 4]]
    want = torch.tensor([0.5, 0.5 - 1 / 255, math.nan, math.inf, 0.5 + 1 / 255])
    assert_same(got.scores[:, 0], want)


def test_udp_combined_corners(device):
    maps = torch.zeros(4, 1, 9, 9)
    maps[1] = -1.0
    maps[2, 0, 0, 0] = math.nan
    maps[3] = 0.5
    offsets = torch.full((4, 2, 9, 9), 0.5)
    offsets[3] = math.nan
    got = heatmap_decode(maps.to(device), refine="udp_combined", offsets=offsets.to(device))
    assert got.coords[:3, 0].tolist() == [[-1, -1]] * 3
    assert_same(got.scores[:, 0], torch.tensor([0.0, -1.0, math.nan, 0.5]))
    assert (got.coords[3] == got.coords[3].round()).all()  # the offset that is no number is not added


# ---- the machinery -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(0, 3, 4, 5), (2, 0, 4, 5)])
def test_empty(device, shape):
    maps = torch.zeros(shape, device=device)
    assert heatmap_decode(maps, refine="megvii").coords.shape == (*shape[:2], 2)
    offsets = torch.zeros(shape[0], shape[1], 2, *shape[2:], device=device)
    assert heatmap_decode(maps, refine="udp_combined", offsets=offsets).scores.shape == shape[:2]


def test_opcheck_and_compile(device, generator):
    maps, _ = gaussians(generator, (2, 3, 16, 12), dtype=torch.float32)
    torch.library.opcheck(torch.ops.pyposeops.heatmap_decode.default, (maps.to(device), 6, 7, -1.0))
    assert_compiles(lambda m: heatmap_decode(m, refine="megvii"), maps.to(device))


@pytest.mark.cuda
def test_cuda_graph_capture(generator):
    maps, _ = gaussians(generator, (2, 3, 16, 12), dtype=torch.float32)
    assert_graph_captures(lambda m: heatmap_decode(m, refine="megvii"), maps.cuda())


@pytest.mark.parametrize("isa", ISAS)
def test_every_instruction_set_gives_the_same_bits(tmp_path, generator, isa):
    maps, _ = gaussians(generator, (2, 5, 30, 37), noise=0.1, dtype=torch.float32)
    offsets = random_offsets(generator, maps)
    expected = []
    for dtype in FLOATS:
        for tensor in layouts(maps.to(dtype)).values():
            megvii = heatmap_decode(tensor, refine="megvii")
            combined = heatmap_decode(tensor, refine="udp_combined", offsets=offsets)
            expected.append((tensor, *megvii, *combined))
    torch.save((offsets, expected), tmp_path / "expected.pt")
    run_under_isa(
        isa,
        "import torch, pyposeops\n"
        f"assert pyposeops.build_info()['cpu_isa'] == '{isa}'\n"
        f"offsets, cases = torch.load({str(tmp_path / 'expected.pt')!r})\n"
        "for maps, *want in cases:\n"
        "    got = list(pyposeops.heatmap_decode(maps, refine='megvii'))\n"
        "    got += pyposeops.heatmap_decode(maps, refine='udp_combined', offsets=offsets)\n"
        "    torch.testing.assert_close(got, want, rtol=0, atol=0)\n",
    )
