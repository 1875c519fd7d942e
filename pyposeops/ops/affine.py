"""Affine maps from image to crop: made from boxes, inverted, composed, applied to keypoints.

Plain PyTorch, differentiable. Products are written out element by element: a matrix product would be rounded
to TF32 or half precision where the user allows that for the network, and be wrong by pixels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from pyposeops._library import accepts_numpy

Convention = Literal["msra", "udp"]


@accepts_numpy
def affine_from_box(
    boxes: Tensor,
    size: Sequence[int],
    *,
    convention: Convention = "msra",
    padding: float = 1.25,
    rotation_deg: float | Tensor | None = None,
    scale: float | Tensor | None = None,
    flip: bool | Tensor | None = None,
) -> Tensor:
    """The affine maps that bring person boxes into crops of one size.

    A box is first enlarged around its centre to the crop's aspect ratio, then by ``padding * scale``. With
    w x h the box after that, W x H the crop and t the angle, ``(u, v) = A @ (x, y, 1)`` has

    - msra: linear part ``W/w * [[cos t, sin t], [-sin t, cos t]]``, box centre at ``(W/2, H/2)``;
    - udp: linear part ``[[sx cos t, -sx sin t], [sy sin t, sy cos t]]`` with ``sx = (W-1)/w`` and
      ``sy = (H-1)/h``, box centre at ``((W-1)/2, (H-1)/2)``.

    The two turn in opposite directions for the same angle, as the published codes do: msra turns the content
    of the crop counter-clockwise on the screen, udp clockwise.

    Args:
        boxes: (N, 4) as (x, y, width, height) in image pixels, as in COCO.
        size: (height, width) of the crop.
        convention: "msra" or "udp", see above.
        padding: factor on the box, above 0; 1.25 is the margin of the published codes.
        rotation_deg: angle t in degrees, one or (N,).
        scale: further factor on the box, one or (N,); 1.2 makes the person smaller in the crop.
        flip: mirrors the crop, ``u -> W - 1 - u``; one or (N,) bool.

    Returns:
        (N, 2, 3), float64 for float64 boxes, otherwise float32. All NaN where a width or height is not finite
        and above 0, a scale is not above 0, or any other number is not finite: ``crop_images`` makes such a
        crop all border.

    Raises:
        ValueError: shapes that do not fit, a padding not above 0, an unknown convention, a size
            below 1 (udp: 2).

    Example:
        >>> affine_from_box(torch.tensor([[96.0, 48.0, 32.0, 64.0]]), (256, 128), padding=1.0)[0, 0]
        tensor([   4.,    0., -384.])

    Source: msra: Xiao et al., Simple Baselines for Human Pose Estimation and Tracking, ECCV 2018, published
    code. udp: Huang et al., The Devil is in the Details, CVPR 2020, section 3.
    """
    last = _last(convention)
    height, width = crop_size(size, least=1 + last)
    if not (math.isfinite(padding) and padding > 0):
        raise ValueError(f"padding: expected a finite number above 0, got {padding}")
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(f"boxes: expected (N, 4), got {tuple(boxes.shape)}")
    boxes = floating(boxes)
    x, y, box_width, box_height = boxes.unbind(1)
    enlarge = _per_crop(scale, "scale", boxes, 1.0) * padding
    wide, tall = at_aspect(box_width, box_height, width / height)
    wide, tall = wide * enlarge, tall * enlarge
    angle = torch.deg2rad(_per_crop(rotation_deg, "rotation_deg", boxes, 0.0))
    cos, sin = angle.cos(), angle.sin()
    scale_x = (width - last) / wide
    scale_y = (height - last) / tall if convention == "udp" else scale_x
    turn = -sin if convention == "udp" else sin
    a, b = cos * scale_x, turn * scale_x
    d, e = -turn * scale_y, cos * scale_y
    centre_x, centre_y = x + box_width / 2, y + box_height / 2
    c = (width - last) / 2 - (a * centre_x + b * centre_y)
    f = (height - last) / 2 - (d * centre_x + e * centre_y)
    affines = torch.stack([a, b, c, d, e, f], dim=1).view(-1, 2, 3)
    usable = (box_width > 0) & (box_height > 0) & (enlarge > 0) & affines.isfinite().all(2).all(1)
    affines = torch.where(usable[:, None, None], affines, math.nan)
    return affines if flip is None else mirrored(affines, flip, width)


@accepts_numpy
def transform_keypoints(keypoints: Tensor, affines: Tensor) -> Tensor:
    """Map every crop's keypoints by its affine or perspective.

    Args:
        keypoints: (N, K, 2) as (x, y) in pixels.
        affines: (N, 2, 3), from :func:`affine_from_box` or :func:`invert_affine`, or perspective matrices
            (N, 3, 3) of any scale.

    Returns:
        (N, K, 2), in the wider dtype of the two and at least float32. NaN coordinates stay NaN; points that a
        perspective sends to infinity are infinite or NaN.

    Raises:
        ValueError: shapes or devices that do not fit.

    Example:
        >>> affines = affine_from_box(torch.tensor([[100.0, 50.0, 30.0, 40.0]]), (256, 192), padding=1.0)
        >>> transform_keypoints(torch.tensor([[[115.0, 70.0]]]), affines)
        tensor([[[ 96., 128.]]])
    """
    if keypoints.ndim != 3 or keypoints.shape[2] != 2:
        raise ValueError(f"keypoints: expected (N, K, 2), got {tuple(keypoints.shape)}")
    check_matrices(affines, "affines")
    if affines.shape[0] != keypoints.shape[0]:
        raise ValueError(f"affines: expected one per crop, {keypoints.shape[0]}, got {affines.shape[0]}")
    check_device(affines, "affines", keypoints, "keypoints")
    keypoints, affines = floating(keypoints), floating(affines)
    x, y = keypoints.unbind(2)
    rows = [a * x + b * y + c for a, b, c in (row.unbind(1) for row in affines[..., None].unbind(1))]
    if len(rows) == 3:
        rows = [rows[0] / rows[2], rows[1] / rows[2]]
    return torch.stack(rows, dim=2)


@accepts_numpy
def invert_affine(affines: Tensor) -> Tensor:
    """The maps back: from crop to image where ``affines`` go from image to crop.

    Args:
        affines: (N, 2, 3).

    Returns:
        (N, 2, 3), float64 for float64 affines, otherwise float32. All NaN for a map without inverse:
        one that is singular or not finite.

    Raises:
        ValueError: a shape that does not fit.

    Example:
        >>> invert_affine(torch.tensor([[[2.0, 0.0, -6.0], [0.0, 4.0, 8.0]]]))[0]
        tensor([[ 0.5000, -0.0000,  3.0000],
                [-0.0000,  0.2500, -2.0000]])
    """
    check_affines(affines)
    (a, b, c), (d, e, f) = (row.unbind(1) for row in floating(affines).unbind(1))
    determinant = a * e - b * d
    a, b, d, e = e / determinant, -b / determinant, -d / determinant, a / determinant
    inverses = torch.stack([a, b, -(a * c + b * f), d, e, -(d * c + e * f)], dim=1).view(-1, 2, 3)
    return torch.where(inverses.isfinite().all(2).all(1)[:, None, None], inverses, math.nan)


@accepts_numpy
def compose_affine(first: Tensor, second: Tensor) -> Tensor:
    """One map for two: ``first``, then ``second`` on what it gives.

    Args:
        first: (N, 2, 3), or (1, 2, 3) for all of ``second``.
        second: (N, 2, 3), or (1, 2, 3) for all of ``first``.

    Returns:
        (N, 2, 3), in the wider dtype of the two and at least float32.

    Raises:
        ValueError: shapes or devices that do not fit.

    Example:
        >>> shift = torch.tensor([[[1.0, 0.0, 5.0], [0.0, 1.0, 7.0]]])
        >>> halve = torch.tensor([[[0.5, 0.0, 0.0], [0.0, 0.5, 0.0]]])
        >>> compose_affine(shift, halve)[0]
        tensor([[0.5000, 0.0000, 2.5000],
                [0.0000, 0.5000, 3.5000]])
    """
    check_affines(first, "first")
    check_affines(second, "second")
    if first.shape[0] != second.shape[0] and 1 not in (first.shape[0], second.shape[0]):
        raise ValueError(f"second: expected {first.shape[0]} affines or one, got {second.shape[0]}")
    check_device(second, "second", first, "first")
    (a, b, c), (d, e, f) = (row.unbind(1) for row in floating(second)[..., None].unbind(1))
    across, down = floating(first).unbind(1)
    upper, lower = a * across + b * down, d * across + e * down
    upper = torch.cat([upper[:, :2], upper[:, 2:] + c], dim=1)
    lower = torch.cat([lower[:, :2], lower[:, 2:] + f], dim=1)
    return torch.stack([upper, lower], dim=1)


@accepts_numpy
def crop_to_heatmap(
    keypoints: Tensor, size: Sequence[int], heatmap_size: Sequence[int], *, convention: Convention = "msra"
) -> Tensor:
    """Keypoints of a crop in the pixels of its heat map, as ``gaussian_heatmap`` places them.

    msra divides x by ``w / W``, udp by ``(w - 1) / (W - 1)``, with w the width of the crop and W that of the
    heat map; y in the same way.

    Args:
        keypoints: (..., 2) as (x, y) in crop pixels.
        size: (height, width) of the crop.
        heatmap_size: (height, width) of the heat map.
        convention: "msra" or "udp".

    Returns:
        (..., 2) in heat map pixels, float64 for float64 keypoints, otherwise float32. NaN stays NaN.

    Raises:
        ValueError: a shape that does not fit, an unknown convention, a size below 1 (udp: 2).

    Example:
        >>> crop_to_heatmap(torch.tensor([95.5, 127.5]), (256, 192), (64, 48), convention="udp")
        tensor([23.5000, 31.5000])

    Source: Xiao et al., ECCV 2018 (msra), and Huang et al., CVPR 2020, section 3 (udp), published codes.
    """
    across, down = _strides(size, heatmap_size, convention)
    return _rescaled(keypoints, 1 / across, 1 / down)


@accepts_numpy
def heatmap_to_crop(
    keypoints: Tensor, size: Sequence[int], heatmap_size: Sequence[int], *, convention: Convention = "msra"
) -> Tensor:
    """Keypoints of a heat map in the pixels of the crop: what :func:`crop_to_heatmap` does, undone.

    Args:
        keypoints: (..., 2) as (x, y) in heat map pixels, such as ``heatmap_decode`` gives.
        size: (height, width) of the crop.
        heatmap_size: (height, width) of the heat map.
        convention: "msra" or "udp".

    Returns:
        (..., 2) in crop pixels, float64 for float64 keypoints, otherwise float32. NaN stays NaN.

    Raises:
        ValueError: a shape that does not fit, an unknown convention, a size below 1 (udp: 2).

    Example:
        >>> heatmap_to_crop(torch.tensor([24.0, 32.0]), (256, 192), (64, 48))
        tensor([ 96., 128.])

    Source: Xiao et al., ECCV 2018 (msra), and Huang et al., CVPR 2020, section 3 (udp), published codes.
    """
    return _rescaled(keypoints, *_strides(size, heatmap_size, convention))


def _strides(size: Sequence[int], heatmap_size: Sequence[int], convention: Convention) -> tuple[float, float]:
    """Crop pixels per heat map pixel, along x and y."""
    last = _last(convention)
    height, width = crop_size(size, least=1 + last)
    map_height, map_width = crop_size(heatmap_size, least=1 + last, name="heatmap_size")
    return (width - last) / (map_width - last), (height - last) / (map_height - last)


def _rescaled(keypoints: Tensor, across: float, down: float) -> Tensor:
    check_last(keypoints, "keypoints", 2)
    x, y = floating(keypoints).unbind(-1)
    return torch.stack([x * across, y * down], dim=-1)


def _last(convention: Convention) -> int:
    """What a convention takes from a size: 1 where the last pixel's centre, not its edge, is the end."""
    if convention not in ("msra", "udp"):
        raise ValueError(f"convention: expected 'msra' or 'udp', got {convention!r}")
    return 1 if convention == "udp" else 0


def check_last(tensor: Tensor, name: str, count: int) -> None:
    """Raise ValueError unless ``tensor`` is (..., count)."""
    if tensor.ndim < 1 or tensor.shape[-1] != count:
        raise ValueError(f"{name}: expected (..., {count}), got {tuple(tensor.shape)}")


@accepts_numpy
def invert_perspective(matrices: Tensor) -> Tensor:
    """The perspective maps back: from crop to image where ``matrices`` go from image to crop.

    Args:
        matrices: (N, 3, 3), of any scale.

    Returns:
        (N, 3, 3), float64 for float64 matrices, otherwise float32: the true inverse, so that the product is the
        identity. All NaN for a matrix that is singular or not finite.

    Raises:
        ValueError: a shape that does not fit.

    Example:
        >>> invert_perspective(torch.tensor([[[2.0, 0, 0], [0, 4, 0], [0, 0, 1]]]))[0].diagonal()
        tensor([0.5000, 0.2500, 1.0000])
    """
    if matrices.ndim != 3 or matrices.shape[1:] != (3, 3):
        raise ValueError(f"matrices: expected (N, 3, 3), got {tuple(matrices.shape)}")
    (a, b, c), (d, e, f), (g, h, i) = (row.unbind(1) for row in floating(matrices).unbind(1))
    first, second, third = e * i - f * h, f * g - d * i, d * h - e * g
    columns = [first, c * h - b * i, b * f - c * e, second, a * i - c * g, c * d - a * f]
    columns += [third, b * g - a * h, a * e - b * d]
    determinant = a * first + b * second + c * third
    inverses = (torch.stack(columns, dim=1) / determinant[:, None]).view(-1, 3, 3)
    return torch.where(inverses.isfinite().all(2).all(1)[:, None, None], inverses, math.nan)


def mirrored(matrices: Tensor, flip: bool | Tensor, width: int) -> Tensor:
    """The affines (N, 2, 3) or perspective matrices (N, 3, 3) followed by ``u -> width - 1 - u`` where ``flip``."""
    check_matrices(matrices, "affines")
    if isinstance(flip, Tensor):
        if flip.dtype != torch.bool:
            raise TypeError(f"flip: expected bool, got {flip.dtype}")
        if tuple(flip.shape) != (matrices.shape[0],):
            raise ValueError(f"flip: expected ({matrices.shape[0]},), got {tuple(flip.shape)}")
        check_device(flip, "flip", matrices, "boxes_or_affines")
    elif not flip:
        return matrices
    across, rows = matrices[:, :1], matrices[:, 1:]
    if matrices.shape[1] == 3:
        flipped = (width - 1) * matrices[:, 2:] - across
    else:
        flipped = torch.cat([-across[..., :2], (width - 1) - across[..., 2:]], dim=2)
    if isinstance(flip, Tensor):
        flipped = torch.where(flip[:, None, None], flipped, across)
    return torch.cat([flipped, rows], dim=1)


def check_affines(affines: Tensor, name: str = "affines") -> None:
    """Raise ValueError unless ``affines`` are (N, 2, 3)."""
    if affines.ndim != 3 or affines.shape[1:] != (2, 3):
        raise ValueError(f"{name}: expected (N, 2, 3), got {tuple(affines.shape)}")


def check_matrices(matrices: Tensor, name: str) -> None:
    """Raise ValueError unless ``matrices`` are (N, 2, 3) or (N, 3, 3)."""
    if matrices.ndim != 3 or matrices.shape[1] not in (2, 3) or matrices.shape[2] != 3:
        raise ValueError(f"{name}: expected (N, 2, 3) or (N, 3, 3), got {tuple(matrices.shape)}")


def crop_size(size: Sequence[int], least: int = 1, name: str = "size") -> tuple[int, int]:
    """``size`` as (height, width); ValueError unless both are at least ``least``."""
    try:
        height, width = size
    except (TypeError, ValueError):
        raise ValueError(f"{name}: expected (height, width), got {size}") from None
    if height < least or width < least:
        raise ValueError(f"{name}: expected a height and width of at least {least}, got ({height}, {width})")
    return height, width


def floating(tensor: Tensor) -> Tensor:
    """What geometry is computed in: float64 for float64, otherwise float32."""
    return tensor if tensor.dtype == torch.float64 else tensor.to(torch.float32)


def at_aspect(width: Tensor, height: Tensor, aspect: float) -> tuple[Tensor, Tensor]:
    """Width and height of the smallest rectangle with ``width / height = aspect`` that covers the given one."""
    return torch.maximum(width, height * aspect), torch.maximum(height, width / aspect)


def _per_crop(value: float | Tensor | None, name: str, boxes: Tensor, default: float) -> Tensor:
    """A number for all crops as a tensor (), or one per crop (N,), like ``boxes`` in dtype."""
    if not isinstance(value, Tensor):
        return boxes.new_full((), default if value is None else value)
    if tuple(value.shape) not in ((), (boxes.shape[0],)):
        raise ValueError(f"{name}: expected a number or ({boxes.shape[0]},), got {tuple(value.shape)}")
    check_device(value, name, boxes, "boxes")
    return value.to(boxes.dtype)


def check_device(tensor: Tensor, name: str, first: Tensor, first_name: str) -> None:
    if tensor.device != first.device:
        raise ValueError(f"{name}: expected the device of {first_name}, {first.device}, got {tensor.device}")
