"""Person boxes: their formats, aspect ratio and margin, centre and scale, boxes around keypoints.

Plain PyTorch, differentiable: a box is four numbers, so there is nothing for a kernel to gain.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from pyposeops._library import accepts_numpy
from pyposeops.ops.affine import at_aspect, check_device, check_last, crop_size, floating

BoxFormat = Literal["xywh", "xyxy", "cxcywh"]
ScaleConvention = Literal["hrnet", "mmpose"]
_PIXELS_PER_SCALE = {"hrnet": 200.0, "mmpose": 1.0}


class CenterScale(NamedTuple):
    """Where a person is and how large, as HRNet and mmpose describe it."""

    center: Tensor  # (..., 2), (x, y) in pixels
    scale: Tensor  # (..., 2), width and height of the padded box, in units of 200 px (hrnet) or px (mmpose)


@accepts_numpy
def convert_boxes(boxes: Tensor, source: BoxFormat, target: BoxFormat) -> Tensor:
    """Boxes in another format.

    Args:
        boxes: (..., 4) in pixels, in the format ``source``.
        source: "xywh" (left, top, width, height), "xyxy" (left, top, right, bottom) or "cxcywh" (centre x,
            centre y, width, height). Right is left + width: nothing is added for a last pixel.
        target: what the result holds, one of the same.

    Returns:
        (..., 4), float64 for float64 boxes, otherwise float32. Negative sizes and NaN pass through.

    Raises:
        ValueError: a shape that does not fit, an unknown format.

    Example:
        >>> convert_boxes(torch.tensor([10.0, 20.0, 30.0, 40.0]), "xywh", "xyxy")
        tensor([10., 20., 40., 60.])
    """
    for name, value in (("source", source), ("target", target)):
        if value not in ("xywh", "xyxy", "cxcywh"):
            raise ValueError(f"{name}: expected one of xywh, xyxy, cxcywh, got {value!r}")
    check_last(boxes, "boxes", 4)
    boxes = floating(boxes)
    if source == target:
        return boxes.clone()
    first, second = boxes[..., :2], boxes[..., 2:]
    if source == "xyxy":
        first, second = first, second - first
    elif source == "cxcywh":
        first = first - second / 2
    if target == "xyxy":
        second = first + second
    elif target == "cxcywh":
        first = first + second / 2
    return torch.cat([first, second], dim=-1)


@accepts_numpy
def fix_aspect_ratio(boxes: Tensor, size: Sequence[int]) -> Tensor:
    """The smallest boxes with the aspect ratio of a crop around the same centres that cover the given ones.

    Args:
        boxes: (..., 4) as (x, y, width, height) in pixels.
        size: (height, width) of the crop.

    Returns:
        (..., 4) as (x, y, width, height), float64 for float64 boxes, otherwise float32. NaN stays NaN.

    Raises:
        ValueError: a shape or size that does not fit.

    Example:
        >>> fix_aspect_ratio(torch.tensor([0.0, 0.0, 60.0, 40.0]), (256, 192))
        tensor([  0., -20.,  60.,  80.])

    Source: Xiao et al., Simple Baselines for Human Pose Estimation and Tracking, ECCV 2018, published code.
    """
    height, width = crop_size(size)
    check_last(boxes, "boxes", 4)
    x, y, box_width, box_height = floating(boxes).unbind(-1)
    wide, tall = at_aspect(box_width, box_height, width / height)
    return torch.stack([x + (box_width - wide) / 2, y + (box_height - tall) / 2, wide, tall], dim=-1)


@accepts_numpy
def box_to_center_scale(
    boxes: Tensor,
    size: Sequence[int] | None,
    *,
    convention: ScaleConvention = "hrnet",
    padding: float = 1.25,
) -> CenterScale:
    """Boxes as the centre and scale that HRNet and mmpose keep.

    The box takes the aspect ratio of ``size`` where one is given (HRNet does that here, mmpose only when it
    warps: pass None for its values), then its width and height are multiplied by ``padding`` and divided by
    the convention's unit.

    Args:
        boxes: (..., 4) as (x, y, width, height) in pixels.
        size: (height, width) of the crop, or None to keep the box's own aspect ratio.
        convention: unit of the scale: "hrnet" 200 pixels, "mmpose" one pixel.
        padding: factor on the box, above 0.

    Returns:
        CenterScale(center (..., 2), scale (..., 2)), float64 for float64 boxes, otherwise float32.

    Raises:
        ValueError: a shape, size or padding that does not fit, an unknown convention.

    Example:
        >>> box_to_center_scale(torch.tensor([100.0, 50.0, 30.0, 40.0]), (256, 192))
        CenterScale(center=tensor([115.,  70.]), scale=tensor([0.1875, 0.2500]))

    Source: Xiao et al., ECCV 2018, and Sun et al., CVPR 2019, published codes; mmpose 1.3, bbox_xyxy2cs.
    """
    unit = _unit(convention, padding)
    check_last(boxes, "boxes", 4)
    boxes = floating(boxes) if size is None else fix_aspect_ratio(boxes, size)
    extent = boxes[..., 2:]
    return CenterScale(boxes[..., :2] + extent / 2, extent * (padding / unit))


@accepts_numpy
def center_scale_to_box(
    center: Tensor, scale: Tensor, *, convention: ScaleConvention = "hrnet", padding: float = 1.25
) -> Tensor:
    """Boxes of a centre and scale: :func:`box_to_center_scale` undone, but for the aspect ratio it may have fixed.

    With ``padding=1.0`` these are the padded boxes, which ``crop_images`` and ``affine_from_box`` take with
    ``padding=1.0``. HRNet warps by the width alone; that is the same for scales of the crop's aspect ratio.

    Args:
        center: (..., 2) as (x, y) in pixels.
        scale: (..., 2) as (width, height) in units of 200 pixels ("hrnet") or of pixels ("mmpose").
        convention: unit of the scale.
        padding: factor that the scale holds, above 0, and the box shall not.

    Returns:
        (..., 4) as (x, y, width, height) in pixels, in the wider dtype of the two and at least float32.

    Raises:
        ValueError: shapes, devices or a padding that do not fit, an unknown convention.

    Example:
        >>> center_scale_to_box(torch.tensor([115.0, 70.0]), torch.tensor([0.1875, 0.25]))
        tensor([100.,  50.,  30.,  40.])

    Source: Xiao et al., ECCV 2018, and Sun et al., CVPR 2019, published codes; mmpose 1.3, bbox_cs2xyxy.
    """
    unit = _unit(convention, padding)
    check_last(center, "center", 2)
    check_last(scale, "scale", 2)
    if center.shape != scale.shape:
        raise ValueError(
            f"scale: expected the shape of center, {tuple(center.shape)}, got {tuple(scale.shape)}"
        )
    check_device(scale, "scale", center, "center")
    extent = floating(scale) * (unit / padding)
    return torch.cat([floating(center) - extent / 2, extent], dim=-1)


@accepts_numpy
def keypoint_boxes(keypoints: Tensor, visibility: Tensor | None = None, *, padding: float = 1.0) -> Tensor:
    """The boxes around people's keypoints.

    Args:
        keypoints: (..., K, 2) as (x, y) in pixels. A joint with a coordinate that is not finite does not count.
        visibility: (..., K); joints at or below 0 do not count. None: all count.
        padding: factor on the box around its centre, above 0.

    Returns:
        (..., 4) as (x, y, width, height), float64 for float64 keypoints, otherwise float32. All NaN where no
        joint counts, so that ``crop_images`` makes a crop that is all border; width and height 0 around one.

    Raises:
        ValueError: shapes, devices or a padding that do not fit.

    Example:
        >>> keypoint_boxes(torch.tensor([[1.0, 5.0], [3.0, 2.0], [9.0, 9.0]]), torch.tensor([2, 1, 0]))
        tensor([1., 2., 2., 3.])
    """
    _check_padding(padding)
    if keypoints.ndim < 2 or keypoints.shape[-1] != 2:
        raise ValueError(f"keypoints: expected (..., K, 2), got {tuple(keypoints.shape)}")
    keypoints = floating(keypoints)
    counts = keypoints.isfinite().all(-1)
    if visibility is not None:
        if visibility.shape != keypoints.shape[:-1]:
            raise ValueError(
                f"visibility: expected {tuple(keypoints.shape[:-1])}, got {tuple(visibility.shape)}"
            )
        check_device(visibility, "visibility", keypoints, "keypoints")
        counts = counts & (visibility > 0)
    if keypoints.shape[-2] == 0:
        return keypoints.new_full((*keypoints.shape[:-2], 4), math.nan)
    counts = counts[..., None]
    low = torch.where(counts, keypoints, math.inf).amin(-2)
    extent = torch.where(counts, keypoints, -math.inf).amax(-2) - low
    boxes = torch.cat([low + extent * ((1 - padding) / 2), extent * padding], dim=-1)
    return torch.where(counts.any(-2), boxes, math.nan)


def _unit(convention: ScaleConvention, padding: float) -> float:
    """Pixels per unit of the scale, after the checks that both conversions share."""
    if convention not in _PIXELS_PER_SCALE:
        raise ValueError(f"convention: expected 'hrnet' or 'mmpose', got {convention!r}")
    _check_padding(padding)
    return _PIXELS_PER_SCALE[convention]


def _check_padding(padding: float) -> None:
    if not (math.isfinite(padding) and padding > 0):
        raise ValueError(f"padding: expected a finite number above 0, got {padding}")
