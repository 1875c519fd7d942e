"""Keypoints of the mirrored image: coordinates reflected, left and right joints traded.

Plain PyTorch, differentiable; nothing for a kernel to gain.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from pyposeops._library import accepts_numpy
from pyposeops.ops.affine import check_device, floating

Origin = Literal["centre", "edge"]


class FlippedKeypoints(NamedTuple):
    """Keypoints and visibility of the mirrored image."""

    keypoints: Tensor  # (..., K, 2)
    visibility: Tensor  # (..., K)


def flip_order(flip_pairs: Sequence[Sequence[int]], count: int) -> tuple[int, ...]:
    """Which joint's values stand at each place after mirroring: a permutation that is its own inverse.

    Args:
        flip_pairs: pairs of joint indices, left and right, each joint at most once.
        count: how many joints there are.

    Returns:
        ``count`` indices; joints in no pair keep their place.

    Raises:
        ValueError: a pair that is not two different joints, an index outside [0, count), a joint in two pairs.

    Example:
        >>> flip_order([(1, 2)], 4)
        (0, 2, 1, 3)
    """
    order = list(range(count))
    for pair in flip_pairs:
        if len(pair) != 2 or pair[0] == pair[1]:
            raise ValueError(f"flip_pairs: expected pairs of two joints, got {tuple(pair)}")
        for joint in pair:
            if not 0 <= joint < count:
                raise ValueError(f"flip_pairs: expected indices from 0 to {count - 1}, got {joint}")
            if order[joint] != joint:
                raise ValueError(f"flip_pairs: expected each joint once, got {joint} twice")
        order[pair[0]], order[pair[1]] = pair[1], pair[0]
    return tuple(order)


@accepts_numpy
def flip_keypoints(
    keypoints: Tensor,
    visibility: Tensor,
    flip_pairs: Sequence[Sequence[int]],
    width: float | Tensor | None,
    *,
    flip: bool | Tensor = True,
    origin: Origin = "centre",
) -> FlippedKeypoints:
    """Keypoints in the image mirrored left to right.

    Args:
        keypoints: (..., K, 2) as (x, y) in pixels.
        visibility: (..., K), any dtype; goes with its joint.
        flip_pairs: pairs of joint indices, left and right, that trade places, see :func:`flip_order`.
        width: of the image in pixels, one or (...); None leaves x as it is and only trades joints: for keypoints
            that an affine has mirrored already (``affine_from_box(..., flip=True)``).
        flip: which to mirror, one or (...) bool.
        origin: where x is 0: "centre", of the first pixel, as everywhere in this package: ``width - 1 - x``; or
            "edge", the left edge of the first pixel: ``width - x``.

    Returns:
        FlippedKeypoints(keypoints (..., K, 2), visibility (..., K)): keypoints in float64 for float64, otherwise
        float32, visibility in its own dtype. NaN stays NaN.

    Raises:
        ValueError: shapes, devices or pairs that do not fit, an unknown origin.
        TypeError: a flip that is not bool.

    Example:
        >>> eyes = torch.tensor([[10.0, 5.0], [20.0, 6.0]])
        >>> flip_keypoints(eyes, torch.tensor([2, 1]), [(0, 1)], 100)
        FlippedKeypoints(keypoints=tensor([[79.,  6.],
                [89.,  5.]]), visibility=tensor([1, 2]))
    """
    if origin not in ("centre", "edge"):
        raise ValueError(f"origin: expected 'centre' or 'edge', got {origin!r}")
    if keypoints.ndim < 2 or keypoints.shape[-1] != 2:
        raise ValueError(f"keypoints: expected (..., K, 2), got {tuple(keypoints.shape)}")
    if visibility.shape != keypoints.shape[:-1]:
        raise ValueError(f"visibility: expected {tuple(keypoints.shape[:-1])}, got {tuple(visibility.shape)}")
    check_device(visibility, "visibility", keypoints, "keypoints")
    keypoints = floating(keypoints)
    x, y = keypoints.unbind(-1)
    if width is not None:
        reflected = _per_person(width, "width", keypoints) - x
        x = reflected - 1 if origin == "centre" else reflected
    order = flip_order(flip_pairs, keypoints.shape[-2])
    flipped = FlippedKeypoints(
        torch.stack([_traded(x, order), _traded(y, order)], -1), _traded(visibility, order)
    )
    if not isinstance(flip, Tensor):
        return flipped if flip else FlippedKeypoints(keypoints, visibility)
    if flip.dtype != torch.bool:
        raise TypeError(f"flip: expected bool, got {flip.dtype}")
    chosen = _per_person(flip, "flip", keypoints)
    return FlippedKeypoints(
        torch.where(chosen[..., None], flipped.keypoints, keypoints),
        torch.where(chosen, flipped.visibility, visibility),
    )


def _traded(values: Tensor, order: tuple[int, ...]) -> Tensor:
    """(..., K) in the given order. Without an index tensor, which would have to travel to the device."""
    return torch.stack([values[..., joint] for joint in order], dim=-1) if order else values


def _per_person(value: float | Tensor, name: str, keypoints: Tensor) -> Tensor:
    """A number for all people, or one per person (...), as (..., 1): beside the joints."""
    if not isinstance(value, Tensor):
        return keypoints.new_full((1,), value)
    people = tuple(keypoints.shape[:-2])
    if tuple(value.shape) not in ((), people):
        raise ValueError(f"{name}: expected one or {people}, got {tuple(value.shape)}")
    check_device(value, name, keypoints, "keypoints")
    return value[..., None]
