"""Definition of the refinements of a peak below the pixel, which heatmap_decode and heatmap_peaks share."""

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


def peak_offset(
    maps: Tensor, x: Tensor, y: Tensor, refine: str, *, blur_kernel: int = 11, centroid_window: int = 7
) -> Tensor:
    """What to add to the pixels (x, y), each (B, K, P), of the maps (B, K, H, W): (B, K, P, 2)."""
    if refine == "none":
        return maps.new_zeros((*x.shape, 2))
    if refine in ("quarter", "quarter_mmpose"):
        return _quarter_offset(maps, x, y, per_axis=refine == "quarter_mmpose")
    if refine in ("dark", "dark_udp"):
        maximum = maps.amax(dim=(2, 3))  # NaN where there is one
        if refine == "dark":
            offset = _dark_offset(_log_of_modulated(maps, maximum, blur_kernel, 1e-10, math.inf), x, y)
        else:
            offset = _dark_udp_offset(_log_of_modulated(maps, maximum, blur_kernel, 1e-3, 50.0), x, y)
        usable = maximum.isfinite()[..., None]
    else:
        offset = (
            _parabola_offset(maps, x, y)
            if refine == "parabola"
            else _centroid_offset(maps, x, y, centroid_window)
        )
        usable = value_at(maps, x, y).isfinite()
    return offset.where((usable & offset.isfinite().all(dim=-1))[..., None], 0)


def value_at(maps: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """The maps' values at (x, y), each (B, K, P); positions outside take the nearest pixel inside."""
    height, width = maps.shape[2:]
    index = y.clamp(0, height - 1) * width + x.clamp(0, width - 1)
    return maps.flatten(2).gather(2, index)


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


def _quarter_offset(maps: Tensor, x: Tensor, y: Tensor, *, per_axis: bool) -> Tensor:
    """A quarter pixel toward the larger neighbour: HRNet's rule for borders, or mmpose's with ``per_axis``."""
    height, width = maps.shape[2:]
    step_x = _compare(value_at(maps, x + 1, y), value_at(maps, x - 1, y))
    step_y = _compare(value_at(maps, x, y + 1), value_at(maps, x, y - 1))
    inside_x = (x > 1) & (x < width - 1)
    inside_y = (y > 1) & (y < height - 1)
    if per_axis:
        take_x, take_y = inside_x & (y > 0), inside_y & (x > 0)
    else:
        take_x = take_y = inside_x & inside_y
    return 0.25 * torch.stack((step_x.where(take_x, 0), step_y.where(take_y, 0)), dim=-1)


def _compare(a: Tensor, b: Tensor) -> Tensor:
    """The sign of a - b, and 0 for two equal infinities."""
    return (a > b).to(a.dtype) - (a < b).to(a.dtype)


def _parabola_offset(maps: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """The vertex of the parabola through three log-values, along each axis that has both neighbours."""
    height, width = maps.shape[2:]
    log = maps.clamp(min=1e-10).log()
    centre = value_at(log, x, y)

    def vertex(before: Tensor, after: Tensor, inside: Tensor) -> Tensor:
        fall_before, fall_after = before - centre, after - centre
        curvature = fall_before + fall_after
        offset = 0.5 * (fall_before - fall_after) / curvature
        return offset.clamp(-0.5, 0.5).where(inside & (curvature < 0), 0)

    offset_x = vertex(value_at(log, x - 1, y), value_at(log, x + 1, y), (x > 0) & (x < width - 1))
    offset_y = vertex(value_at(log, x, y - 1), value_at(log, x, y + 1), (y > 0) & (y < height - 1))
    return torch.stack((offset_x, offset_y), dim=-1)


def _centroid_offset(maps: Tensor, x: Tensor, y: Tensor, window: int) -> Tensor:
    """The mean of the offsets in the window, weighted with the positive values; NaN where there are none."""
    radius = window // 2
    padded = torch.nn.functional.pad(maps.where(maps > 0, 0), (radius, radius, radius, radius))
    total, total_x, total_y = (maps.new_zeros(x.shape) for _ in range(3))
    for dy in range(-radius, radius + 1):
        for dx in range(-radius, radius + 1):
            weight = value_at(padded, x + radius + dx, y + radius + dy)
            total = total + weight
            total_x = total_x + weight * dx
            total_y = total_y + weight * dy
    return torch.stack((total_x, total_y), dim=-1) / total[..., None]


def smoothed(maps: Tensor, blur_kernel: int, *, reflect: bool = False) -> Tensor:
    """The maps under OpenCV's Gaussian; beyond the border zeros or, ``reflect``, the map mirrored at its border."""
    height, width = maps.shape[2:]
    radius = blur_kernel // 2
    taps = gaussian_taps(blur_kernel).to(maps)
    planes = maps.reshape(-1, 1, height, width)
    if reflect:
        rows, columns = _reflected(height, radius), _reflected(width, radius)
        planes = planes[:, :, rows][:, :, :, columns]
    else:
        planes = torch.nn.functional.pad(planes, (radius, radius, radius, radius))
    planes = torch.nn.functional.conv2d(planes, taps.view(1, 1, 1, -1))
    return torch.nn.functional.conv2d(planes, taps.view(1, 1, -1, 1)).view(maps.shape)


def _reflected(size: int, radius: int) -> list[int]:
    """The pixels -radius .. size - 1 + radius of a row, those beyond the border mirrored about the border's pixel."""
    period = max(2 * size - 2, 1)
    return [min(i % period, period - i % period) if size > 1 else 0 for i in range(-radius, size + radius)]


def _log_of_modulated(maps: Tensor, maximum: Tensor, blur_kernel: int, low: float, high: float) -> Tensor:
    """log(clip(blurred map scaled to its former maximum)); NaN where the blurred map has no positive value."""
    blurred = smoothed(maps, blur_kernel)
    blurred_maximum = blurred.amax(dim=(2, 3), keepdim=True)
    scaled = blurred / blurred_maximum.where(blurred_maximum > 0, math.nan) * maximum[..., None, None]
    return scaled.clamp(low, high).log()


def _dark_offset(log: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """DARK's Newton step, second differences over two pixels; only with two pixels on every side."""
    height, width = log.shape[2:]

    def value(dx: int, dy: int) -> Tensor:
        return value_at(log, x + dx, y + dy)

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
        return value_at(log, x + dx, y + dy)

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
    step = torch.stack((dxy * dy - dyy * dx, dxy * dx - dxx * dy), dim=-1) / determinant[..., None]
    return step.where((dxx * dyy != dxy * dxy)[..., None], 0)
