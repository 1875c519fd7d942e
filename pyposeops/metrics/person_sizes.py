"""How large a person is: what the errors of their joints are measured in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from pyposeops._library import accepts_numpy
from pyposeops.metrics._joint_counts import (
    People,
    check_choice,
    check_joint_names,
    distance,
    read_labelled,
    read_positions,
    read_sizes,
)
from pyposeops.metrics.sticks import HEAD_SEGMENTS, LEFT_TORSO, RIGHT_TORSO, joint_index

SizeName = Literal["torso", "torso_mean", "box", "joints_box", "head"]
Normalizer = SizeName | tuple[str, str] | Tensor
Diagonal = Literal["left", "right", "mean"]
_SIZE_NAMES = ("torso", "torso_mean", "box", "joints_box", "head")


@accepts_numpy
def segment_sizes(
    keypoints: Tensor, labelled: Tensor | None, segment: tuple[str, str], joint_names: Sequence[str]
) -> Tensor:
    """Distance between two joints of each person.

    Args:
        keypoints: (N, K, 2) as (x, y) in pixels.
        labelled: (N, K) bool, or visibility (above 0 is labelled); None: all joints are.
        segment: names of the two joints.
        joint_names: K names.

    Returns:
        (N,) float64 in pixels; NaN where one of the two is not labelled.

    Raises:
        ValueError: shapes that do not fit, a joint that is not among ``joint_names``.
        TypeError: arguments that are not arrays of numbers.

    Example:
        >>> head = torch.tensor([[[0.0, 0.0], [3.0, 4.0]]])
        >>> segment_sizes(head, None, ("head_top", "neck"), ("head_top", "neck"))
        tensor([5.], dtype=torch.float64)
    """
    positions = read_positions(keypoints, "keypoints")
    mask = read_labelled(labelled, positions)
    check_joint_names(joint_names, positions.shape[1])
    first, second = (joint_index(name, joint_names, "the segment") for name in segment)
    known = mask[:, first] & mask[:, second]
    return distance(positions[:, first], positions[:, second]).masked_fill(~known, torch.nan)


@accepts_numpy
def torso_sizes(
    keypoints: Tensor, labelled: Tensor | None, joint_names: Sequence[str], *, diagonal: Diagonal = "left"
) -> Tensor:
    """Length of the torso's diagonal: from a shoulder to the hip of the other side.

    Args:
        keypoints: (N, K, 2) as (x, y) in pixels.
        labelled: (N, K) bool, or visibility (above 0 is labelled); None: all joints are.
        joint_names: K names, with left_shoulder, right_shoulder, left_hip, right_hip as far as needed.
        diagonal: "left", from the left shoulder to the right hip (Sapp and Taskar; the evaluations of LSP and FLIC);
            "right", from the right shoulder to the left hip (Tompson et al.); or "mean" of both, of one of them where
            only that is labelled.

    Returns:
        (N,) float64 in pixels; NaN where the diagonal is not labelled.

    Raises:
        ValueError: shapes that do not fit, joints that are missing, an unknown diagonal.
        TypeError: arguments that are not arrays of numbers.

    Example:
        >>> torso = torch.tensor([[[4.0, 0.0], [0.0, 3.0]]])
        >>> torso_sizes(torso, None, ("left_shoulder", "right_hip"))
        tensor([5.], dtype=torch.float64)

    Source: Sapp and Taskar, MODEC, CVPR 2013; right: Tompson et al., Joint Training of a Convolutional
    Network and a Graphical Model, NeurIPS 2014, published evaluation.
    """
    check_choice(diagonal, ("left", "right", "mean"), "diagonal")
    if diagonal != "mean":
        segment = LEFT_TORSO if diagonal == "left" else RIGHT_TORSO
        return segment_sizes(keypoints, labelled, segment, joint_names)
    both = [segment_sizes(keypoints, labelled, segment, joint_names) for segment in (LEFT_TORSO, RIGHT_TORSO)]
    return torch.stack(both).nanmean(0)


@accepts_numpy
def box_sizes(boxes: Tensor) -> Tensor:
    """Longer side of each person's box.

    Args:
        boxes: (N, 4) as (x, y, width, height) in pixels.

    Returns:
        (N,) float64 in pixels.

    Raises:
        ValueError: another shape. TypeError: not an array of numbers.

    Example:
        >>> box_sizes(torch.tensor([[10.0, 10.0, 20.0, 50.0]]))
        tensor([50.], dtype=torch.float64)
    """
    return read_positions(boxes, "boxes", ("N", 4))[:, 2:].amax(1)


@accepts_numpy
def joints_box_sizes(keypoints: Tensor, labelled: Tensor | None) -> Tensor:
    """Longer side of the box around each person's labelled joints.

    Args:
        keypoints: (N, K, 2) as (x, y) in pixels.
        labelled: (N, K) bool, or visibility (above 0 is labelled); None: all joints are.

    Returns:
        (N,) float64 in pixels; NaN where no joint is labelled, 0 where one is.

    Raises:
        ValueError: shapes that do not fit. TypeError: not arrays of numbers.

    Example:
        >>> joints_box_sizes(torch.tensor([[[4.0, 1.0], [0.0, 3.0]]]), None)
        tensor([4.], dtype=torch.float64)

    Source: Yang and Ramanan, Articulated Human Detection with Flexible Mixtures of Parts, PAMI 2013.
    """
    positions = read_positions(keypoints, "keypoints")
    hidden = ~read_labelled(labelled, positions)[..., None]
    if positions.shape[1] == 0:
        return positions.new_full((len(positions),), torch.nan)
    low = positions.masked_fill(hidden, torch.inf).amin(1)
    high = positions.masked_fill(hidden, -torch.inf).amax(1)
    longest = (high - low).amax(1)
    return longest.masked_fill(hidden.all(1).squeeze(-1), torch.nan)


@accepts_numpy
def head_box_sizes(boxes: Tensor, *, factor: float = 0.6) -> Tensor:
    """Head sizes for PCKh from head boxes: 0.6 of the box's diagonal.

    Args:
        boxes: (N, 4) as (x, y, width, height) in pixels. MPII's own files hold two corners.
        factor: of the diagonal; MPII's 0.6 brings it near the length of the head.

    Returns:
        (N,) float64 in pixels.

    Raises:
        ValueError: another shape, a factor that is not above 0. TypeError: not an array of numbers.

    Example:
        >>> head_box_sizes(torch.tensor([[0.0, 0.0, 30.0, 40.0]]))
        tensor([30.], dtype=torch.float64)

    Source: Andriluka et al., 2D Human Pose Estimation: New Benchmark, CVPR 2014, published evaluation.
    """
    if not factor > 0:
        raise ValueError(f"factor: expected a number above 0, got {factor}")
    width, height = read_positions(boxes, "boxes", ("N", 4))[:, 2:].unbind(1)
    return (width * width + height * height).sqrt() * factor


def normalizer_sizes(
    normalizer: Normalizer, people: People, joint_names: Sequence[str] | None, boxes: Tensor | None
) -> Tensor:
    """The sizes (N,) that a normalizer names, from the annotated joints."""
    if isinstance(normalizer, Tensor):
        return read_sizes(normalizer, people.target, "normalizer")
    if not isinstance(normalizer, (str, tuple)):
        raise TypeError(f"normalizer: expected a name, two joints or sizes, got {type(normalizer).__name__}")
    if normalizer == "box":
        if boxes is None:
            raise ValueError("boxes: expected (N, 4) for the normalizer 'box', got None")
        read_positions(boxes, "boxes", (len(people.target), 4))
        return read_sizes(box_sizes(boxes), people.target, "boxes")
    if normalizer == "joints_box":
        return joints_box_sizes(people.target, people.labelled)
    if joint_names is None:
        raise ValueError(f"joint_names: expected names for the normalizer {normalizer!r}, got None")
    if isinstance(normalizer, tuple):
        if len(normalizer) != 2:
            raise ValueError(f"normalizer: expected the names of two joints, got {normalizer}")
        return segment_sizes(people.target, people.labelled, normalizer, joint_names)
    check_choice(normalizer, _SIZE_NAMES, "normalizer")
    if normalizer == "head":
        return _head_segment(people, joint_names)
    diagonal: Diagonal = "left" if normalizer == "torso" else "mean"
    return torso_sizes(people.target, people.labelled, joint_names, diagonal=diagonal)


def _head_segment(people: People, joint_names: Sequence[str]) -> Tensor:
    for segment in HEAD_SEGMENTS:
        if set(segment) <= set(joint_names):
            return segment_sizes(people.target, people.labelled, segment, joint_names)
    raise ValueError(
        f"joint_names: expected head_top and neck or upper_neck among them, got {list(joint_names)}"
    )
