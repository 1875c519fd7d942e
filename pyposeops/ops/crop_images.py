"""Normalised crops out of uint8 images, in one pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from pyposeops import _core
from pyposeops._library import accepts_numpy, choice, register
from pyposeops.ops.affine import Convention, affine_from_box, crop_size, mirrored
from pyposeops.ops.image_arena import ImageArena

Border = Literal["constant", "replicate", "reflect"]

MEAN = (0.485, 0.456, 0.406)  # of ImageNet's red, green and blue
STD = (0.229, 0.224, 0.225)
_BORDERS = {"constant": 0, "replicate": 1, "reflect": 2}


def _allocate(
    affines: Tensor, height: int, width: int, dtype: torch.dtype | None, channels_last: bool
) -> Tensor:
    dtype = torch.float32 if dtype is None else dtype
    shape = (affines.shape[0], 3, height, width)
    if channels_last:
        return torch.empty(shape, dtype=dtype, device=affines.device, memory_format=torch.channels_last)
    return affines.new_empty(shape, dtype=dtype)


def _check_devices(affines: Tensor, images: list[Tensor], **others: Tensor | None) -> None:
    """As the binding checks: traced and meta tensors never reach it."""
    named = {f"images[{n}]": image for n, image in enumerate(images)} | others
    for name, tensor in named.items():
        if tensor is not None and tensor.device != affines.device:
            raise ValueError(
                f"{name}: expected the device of boxes_or_affines ({affines.device}), got {tensor.device}"
            )


def _kernel(
    images: list[Tensor],
    affines: Tensor,
    height: int,
    width: int,
    image_index: Tensor | None = None,
    dtype: torch.dtype | None = None,
    channels_last: bool = False,
    gain: Tensor | None = None,
    bias: Tensor | None = None,
    reverse_channels: bool = False,
    round_uint8: bool = False,
    border_value: float = 0.0,
    mean: Sequence[float] = MEAN,
    std: Sequence[float] = STD,
    *rare: Any,  # border, antialias, arena_offsets, arena_sizes; the dispatcher leaves out trailing defaults
) -> Tensor:
    crops = _allocate(affines, height, width, dtype, channels_last)
    _core.crop_images(
        images,
        affines,
        crops,
        image_index,
        gain,
        bias,
        reverse_channels,
        round_uint8,
        border_value,
        mean,
        std,
        *rare,
    )
    return crops


def _fake(
    images: list[Tensor],
    affines: Tensor,
    height: int,
    width: int,
    image_index: Tensor | None = None,
    dtype: torch.dtype | None = None,
    channels_last: bool = False,
    gain: Tensor | None = None,
    bias: Tensor | None = None,
    *_others: Any,
) -> Tensor:
    _check_devices(affines, images, image_index=image_index, gain=gain, bias=bias)
    return _allocate(affines, height, width, dtype, channels_last)


def _out_kernel(
    images: list[Tensor],
    affines: Tensor,
    out: Tensor,
    image_index: Tensor | None = None,
    gain: Tensor | None = None,
    bias: Tensor | None = None,
    reverse_channels: bool = False,
    round_uint8: bool = False,
    border_value: float = 0.0,
    mean: Sequence[float] = MEAN,
    std: Sequence[float] = STD,
    *rare: Any,
) -> None:
    _core.crop_images(
        images,
        affines,
        out,
        image_index,
        gain,
        bias,
        reverse_channels,
        round_uint8,
        border_value,
        mean,
        std,
        *rare,
    )


def _out_fake(
    images: list[Tensor],
    affines: Tensor,
    out: Tensor,
    image_index: Tensor | None = None,
    gain: Tensor | None = None,
    bias: Tensor | None = None,
    *_others: Any,
) -> None:
    _check_devices(affines, images, out=out, image_index=image_index, gain=gain, bias=bias)


_OPTIONS = (
    "Tensor? gain=None, Tensor? bias=None, bool reverse_channels=False, bool round_uint8=False, "
    f"float border_value=0.0, float[] mean={list(MEAN)}, float[] std={list(STD)}, "
    "int border=0, bool antialias=False, Tensor? arena_offsets=None, Tensor? arena_sizes=None"
)
_op = register(
    "crop_images(Tensor[] images, Tensor affines, SymInt height, SymInt width, Tensor? image_index=None, "
    f"ScalarType? dtype=None, bool channels_last=False, {_OPTIONS}) -> Tensor",
    _kernel,
    _fake,
)
_out_op = register(
    f"crop_images_out(Tensor[] images, Tensor affines, Tensor(a!) out, Tensor? image_index=None, {_OPTIONS}) -> ()",
    _out_kernel,
    _out_fake,
)
# What need not be handed to the dispatcher, whose cost is per argument.
_DEFAULTS = {
    "image_index": None,
    "gain": None,
    "bias": None,
    "reverse_channels": False,
    "round_uint8": False,
    "border_value": 0.0,
    "mean": MEAN,
    "std": STD,
}


def _affines(
    boxes_or_affines: Tensor,
    size: tuple[int, int],
    convention: Convention,
    padding: float,
    rotation_deg: float | Tensor | None,
    scale: float | Tensor | None,
    flip: bool | Tensor | None,
) -> Tensor:
    if boxes_or_affines.ndim == 2:
        # In double: a float32 matrix is off by up to 1e-3 image pixels where coordinates go to 10,000.
        return affine_from_box(
            boxes_or_affines.to(torch.float64),
            size,
            convention=convention,
            padding=padding,
            rotation_deg=rotation_deg,
            scale=scale,
            flip=flip,
        )
    if boxes_or_affines.ndim != 3:  # other shapes are refused by the binding
        raise ValueError(
            f"boxes_or_affines: expected (N, 4), (N, 2, 3) or (N, 3, 3), got {tuple(boxes_or_affines.shape)}"
        )
    if rotation_deg is not None or scale is not None:
        raise ValueError("rotation_deg, scale: expected None with matrices, which hold them already")
    return boxes_or_affines if flip is None else mirrored(boxes_or_affines, flip, size[1])


@accepts_numpy
def crop_images(
    images: Tensor | Sequence[Tensor] | ImageArena,
    boxes_or_affines: Tensor,
    size: Sequence[int],
    *,
    mean: Sequence[float] = MEAN,
    std: Sequence[float] = STD,
    image_index: Tensor | None = None,
    convention: Convention = "msra",
    padding: float = 1.25,
    rotation_deg: float | Tensor | None = None,
    scale: float | Tensor | None = None,
    flip: bool | Tensor | None = None,
    gain: Tensor | None = None,
    bias: Tensor | None = None,
    reverse_channels: bool = False,
    border: Border = "constant",
    border_value: float = 0.0,
    antialias: bool = False,
    round_uint8: bool = False,
    out_dtype: torch.dtype = torch.float32,
    channels_last: bool = False,
    out: Tensor | None = None,
) -> Tensor:
    """Warp people out of uint8 images into normalised crops, in one pass over the pixels.

    With A the map of crop n and b the image at ``A^-1 (u, v)``, bilinear between its four neighbours,

        ``crops[n, c, v, u] = ((b / 255) * gain + bias - mean[c]) / std[c]``

    The weights are exact, in images of 10,000 pixels too: the result is that of OpenCV 5's ``warpAffine``
    and ``warpPerspective``, before they round to uint8. (OpenCV 4 rounds positions to 1/32 pixel and differs by
    several grey levels.) With a constant border a neighbour outside the image counts as ``border_value``, so a
    crop blends into the border over one pixel.

    With ``antialias``, a crop whose pixels cover more than two image pixels across (down) is first made
    ceil(that length) times as wide (high), at most 64 times, and every block of pixels is averaged: the box
    filter over each pixel's footprint, turned with the crop, with samples at most one image pixel apart. For
    whole ratios without rotation that is OpenCV's INTER_AREA. (Lengths up to 0.001 px above a whole number count
    as that number. A perspective is measured at the crop's centre.)

    Args:
        images: uint8, three channels: one image (H, W, 3), several of one size (M, H, W, 3), a list of (H, W, 3)
            of any sizes, or an :class:`ImageArena`. Any strides: of (3, H, W) pass ``image.permute(1, 2, 0)``,
            nothing is copied.
        boxes_or_affines: boxes (N, 4) as (x, y, width, height) in pixels, as in COCO, affines (N, 2, 3) or
            perspective matrices (N, 3, 3) from image to crop, float32 or float64.
        size: (height, width) of the crops.
        mean: of the crop's three channels, in units of 0..1.
        std: of the crop's three channels, in units of 0..1.
        image_index: (N,) int32 or int64, the image of every crop. Default: image n, or the only image.
        convention: of :func:`affine_from_box`, with padding, rotation_deg and scale; for boxes only.
        padding: factor on the box.
        rotation_deg: degrees, one or (N,).
        scale: further factor on the box, one or (N,).
        flip: mirrors the finished crop, ``u -> w - 1 - u``; one or (N,) bool.
        gain: (N,) or (N, 3), floating: contrast or colour jitter.
        bias: (N,) or (N, 3), floating, in units of 0..1: brightness jitter.
        reverse_channels: reads the image's channels from last to first (BGR to RGB). mean, std, gain and bias
            are in the crop's order.
        border: what lies around the image: "constant", which is ``border_value``; "replicate", aaa|abc|ccc; or
            "reflect", cb|abc|ba, which OpenCV calls BORDER_REFLECT_101 and has as its default.
        border_value: 0..255, before normalisation; also of crops without an image under them.
        antialias: averages where the crop shrinks the image by more than two.
        round_uint8: rounds b to an integer, half to even, as pipelines do that warp in uint8.
        out_dtype: float32, float16 or bfloat16.
        channels_last: memory layout of the crops.
        out: (N, 3, h, w) of ``out_dtype``, dense NCHW or channels_last whatever ``channels_last`` says, to
            write into; must not overlap an input. Saves the page faults of fresh memory, which cost more
            than the crops where these are large.

    Returns:
        (N, 3, h, w); ``out`` itself where given.

    Raises:
        ValueError: shapes, devices and values that do not fit; on the CPU an image_index outside [0, M).
        TypeError: images that are not uint8 and other wrong dtypes.

    A box whose width or height is not finite and above 0, and a matrix that is singular or not finite (or an
    affine that puts a corner of the crop 2^30 pixels or more from the image's origin), gives a crop that is all
    ``border_value``, and so are a perspective's pixels that lie that far away or at infinity; beyond the horizon
    its formula applies as it does in OpenCV. On CUDA an image_index outside [0, M), or an image that does not lie
    within its arena, gives a crop of NaN: looking at it would mean waiting for the device.

    Nothing here is differentiable; the crops are detached.

    Example:
        >>> image = torch.full((480, 640, 3), 128, dtype=torch.uint8)
        >>> crops = crop_images(image, torch.tensor([[100.0, 50.0, 120.0, 300.0]]), (256, 192))
        >>> crops.shape
        torch.Size([1, 3, 256, 192])

    Source: the crops of Xiao et al., ECCV 2018, and Huang et al., CVPR 2020 (published codes).
    """
    height, width = crop_size(size)
    affines = _affines(boxes_or_affines, (height, width), convention, padding, rotation_deg, scale, flip)
    options: dict[str, Any] = {
        "image_index": image_index,
        "gain": gain,
        "bias": bias,
        "reverse_channels": reverse_channels,
        "round_uint8": round_uint8,
        "border_value": border_value,
        "mean": mean,
        "std": std,
    }
    options = {name: value for name, value in options.items() if value is not _DEFAULTS[name]}
    if border != "constant":
        options["border"] = choice(border, _BORDERS, "border")
    if antialias:
        options["antialias"] = True
    if isinstance(images, Tensor):
        listed = [images]
    elif isinstance(images, ImageArena):
        listed = [images.pixels]
        options["arena_offsets"], options["arena_sizes"] = images.offsets, images.sizes
    else:
        listed = list(images)
    if out is None:
        if out_dtype is not torch.float32:
            options["dtype"] = out_dtype
        if channels_last:
            options["channels_last"] = True
        crops: Tensor = _op(listed, affines, height, width, **options)
        return crops
    if out.dtype != out_dtype:
        raise TypeError(f"out: expected {out_dtype} (out_dtype), got {out.dtype}")
    shape = (affines.shape[0], 3, height, width)
    if tuple(out.shape) != shape:
        raise ValueError(f"out: expected {shape}, got {tuple(out.shape)}")
    _out_op(listed, affines, out, **options)
    return out
