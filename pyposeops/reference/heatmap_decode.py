"""Definition of heatmap_decode: the position of each map's maximum, refined below the pixel, on whole maps."""

from __future__ import annotations

import math

import torch
from torch import Tensor

# OpenCV's smoothing kernels of up to 9 taps, from the centre outwards, in units of the last column.
_SMALL_KERNELS = {
    3: ((2, 1), 4),
    5: ((6, 4, 1), 16),
    7: ((9, 7, 3.5, 1), 32),
    9: ((60, 51, 30, 13, 4), 256),
}


def heatmap_decode(
    heatmaps: Tensor,
    *,
    refine: str = "quarter",
    blur_kernel: int = 11,
    empty_coord: float | None = None,
) -> tuple[Tensor, Tensor]:
    """Coordinates (B, K, 2) and scores (B, K), as ``pyposeops.heatmap_decode`` documents them."""
    maps = heatmaps if heatmaps.dtype == torch.float64 else heatmaps.float()
    width = maps.shape[3]
    index = maps.flatten(2).argmax(dim=2)
    x, y = index % width, index // width
    scores = _at(maps, x, y)

    found = scores > 0  # false for NaN
    if refine == "none":
        offset = scores.new_zeros((*scores.shape, 2))
    elif refine in ("quarter", "quarter_mmpose"):
        offset = _quarter_offset(maps, x, y, per_axis=refine == "quarter_mmpose")
    else:
        if refine == "parabola":
            offset = _parabola_offset(maps, x, y)
        elif refine == "dark":
            offset = _dark_offset(_log_of_modulated(maps, scores, blur_kernel, 1e-10, math.inf), x, y)
        else:
            offset = _dark_udp_offset(_log_of_modulated(maps, scores, blur_kernel, 1e-3, 50.0), x, y)
        usable = scores.isfinite() & offset.isfinite().all(dim=2)
        offset = offset.where(usable[..., None], 0)

    if empty_coord is None:
        empty_coord = -1.0 if refine == "quarter_mmpose" else 0.0
    coords = (torch.stack((x, y), dim=2) + offset).where(found[..., None], empty_coord)
    return coords, scores


def gaussian_taps(size: int) -> Tensor:
    """The float64 taps of OpenCV's GaussianBlur with ``size`` taps and no given sigma."""
    radius = size // 2
    distance = (torch.arange(size, dtype=torch.float64) - radius).abs()
    if size in _SMALL_KERNELS:
        half, unit = _SMALL_KERNELS[size]
        return torch.tensor(half, dtype=torch.float64)[distance.long()] / unit
    sigma = 0.3 * (radius - 1) + 0.8
    taps = torch.exp(-(distance**2) / (2 * sigma**2))
    return taps / taps.sum()


def _at(maps: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Each map's value at its (x, y), shape (B, K); positions outside take the nearest pixel inside."""
    height, width = maps.shape[2:]
    index = y.clamp(0, height - 1) * width + x.clamp(0, width - 1)
    return maps.flatten(2).gather(2, index[..., None])[..., 0]


def _quarter_offset(maps: Tensor, x: Tensor, y: Tensor, *, per_axis: bool) -> Tensor:
    """A quarter pixel toward the larger neighbour: HRNet's rule for borders, or mmpose's with ``per_axis``."""
    height, width = maps.shape[2:]
    step_x = _compare(_at(maps, x + 1, y), _at(maps, x - 1, y))
    step_y = _compare(_at(maps, x, y + 1), _at(maps, x, y - 1))
    inside_x = (x > 1) & (x < width - 1)
    inside_y = (y > 1) & (y < height - 1)
    if per_axis:
        take_x, take_y = inside_x & (y > 0), inside_y & (x > 0)
    else:
        take_x = take_y = inside_x & inside_y
    return 0.25 * torch.stack((step_x.where(take_x, 0), step_y.where(take_y, 0)), dim=2)


def _compare(a: Tensor, b: Tensor) -> Tensor:
    """The sign of a - b, and 0 for two equal infinities."""
    return (a > b).to(a.dtype) - (a < b).to(a.dtype)


def _parabola_offset(maps: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """The vertex of the parabola through three log-values, along each axis that has both neighbours."""
    height, width = maps.shape[2:]
    log = maps.clamp(min=1e-10).log()

    def vertex(before: Tensor, after: Tensor, inside: Tensor) -> Tensor:
        fall_before, fall_after = before - _at(log, x, y), after - _at(log, x, y)
        curvature = fall_before + fall_after
        offset = 0.5 * (fall_before - fall_after) / curvature
        return offset.clamp(-0.5, 0.5).where(inside & (curvature < 0), 0)

    offset_x = vertex(_at(log, x - 1, y), _at(log, x + 1, y), (x > 0) & (x < width - 1))
    offset_y = vertex(_at(log, x, y - 1), _at(log, x, y + 1), (y > 0) & (y < height - 1))
    return torch.stack((offset_x, offset_y), dim=2)


def _log_of_modulated(maps: Tensor, peaks: Tensor, blur_kernel: int, low: float, high: float) -> Tensor:
    """log(clip(blurred map scaled to its former maximum)); NaN where the blurred map has no positive value."""
    joints, height, width = maps.shape[1:]
    taps = gaussian_taps(blur_kernel).to(maps)
    planes = maps.reshape(-1, 1, height, width)
    rows = torch.nn.functional.conv2d(planes, taps.view(1, 1, 1, -1), padding=(0, blur_kernel // 2))
    blurred = torch.nn.functional.conv2d(rows, taps.view(1, 1, -1, 1), padding=(blur_kernel // 2, 0))
    blurred = blurred.view(-1, joints, height, width)
    maximum = blurred.amax(dim=(2, 3), keepdim=True)
    scaled = blurred / maximum.where(maximum > 0, math.nan) * peaks[..., None, None]
    return scaled.clamp(low, high).log()


def _dark_offset(log: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """DARK's Newton step, second differences over two pixels; only with two pixels on every side."""
    height, width = log.shape[2:]

    def value(dx: int, dy: int) -> Tensor:
        return _at(log, x + dx, y + dy)

    dx = 0.5 * (value(1, 0) - value(-1, 0))
    dy = 0.5 * (value(0, 1) - value(0, -1))
    dxx = 0.25 * ((value(2, 0) - value(0, 0)) + (value(-2, 0) - value(0, 0)))
    dyy = 0.25 * ((value(0, 2) - value(0, 0)) + (value(0, -2) - value(0, 0)))
    dxy = 0.25 * ((value(1, 1) - value(1, -1)) - (value(-1, 1) - value(-1, -1)))
    inside = (x > 1) & (x < width - 2) & (y > 1) & (y < height - 2)
    return _newton_step(dx, dy, dxx, dyy, dxy).where(inside[..., None], 0)


def _dark_udp_offset(log: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """DARK-UDP's Newton step, second differences over one pixel; beyond the border the edge value repeats."""

    def value(dx: int, dy: int) -> Tensor:
        return _at(log, x + dx, y + dy)

    epsilon = torch.finfo(torch.float32).eps
    centre = value(0, 0)
    dx = 0.5 * (value(1, 0) - value(-1, 0))
    dy = 0.5 * (value(0, 1) - value(0, -1))
    dxx = (value(1, 0) - centre) + (value(-1, 0) - centre)
    dyy = (value(0, 1) - centre) + (value(0, -1) - centre)
    after = (value(1, 1) - value(1, 0)) - (value(0, 1) - centre)
    before = (value(-1, -1) - value(-1, 0)) - (value(0, -1) - centre)
    return _newton_step(dx, dy, dxx + epsilon, dyy + epsilon, 0.5 * (after + before))


def _newton_step(dx: Tensor, dy: Tensor, dxx: Tensor, dyy: Tensor, dxy: Tensor) -> Tensor:
    """-H^-1 g, and 0 where H is singular."""
    determinant = dxx * dyy - dxy * dxy
    step = torch.stack((dxy * dy - dyy * dx, dxy * dx - dxx * dy), dim=2) / determinant[..., None]
    return step.where((dxx * dyy != dxy * dxy)[..., None], 0)
