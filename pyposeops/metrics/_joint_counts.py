"""What the metrics of single joints share: arguments checked, errors measured, joints found counted."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

Comparison = Literal["<=", "<"]
Average = Literal["joints", "labels"]

_COMPARE: dict[str, Callable[[Tensor, float], Tensor]] = {"<=": torch.le, "<": torch.lt}


class People(NamedTuple):
    """Predicted and annotated joints after the checks."""

    pred: Tensor  # (N, K, 2) float64
    target: Tensor  # (N, K, 2) float64
    labelled: Tensor  # (N, K) bool


class JointCounts(NamedTuple):
    """How many joints were found, of how many that count; integers, so that sums have no order."""

    found: Tensor  # (T, K) int64, one row per threshold
    counted: Tensor  # (K,) int64


def check_choice(value: str, choices: Sequence[str], name: str) -> None:
    if value not in choices:
        raise ValueError(f"{name}: expected one of {', '.join(choices)}, got {value!r}")


def check_tensor(value: Tensor, name: str, shape: tuple[int | str, ...]) -> None:
    """A tensor of numbers whose shape fits; a letter stands for any size."""
    if not isinstance(value, Tensor):
        raise TypeError(
            f"{name}: expected a tensor or array, as the first argument, got {type(value).__name__}"
        )
    if value.is_complex():
        raise TypeError(f"{name}: expected real numbers, got {value.dtype}")
    fits = value.ndim == len(shape) and all(
        isinstance(want, str) or got == want for got, want in zip(value.shape, shape, strict=True)
    )
    if not fits:
        wanted = ", ".join(map(str, shape))
        raise ValueError(
            f"{name}: expected ({wanted}{',' if len(shape) == 1 else ''}), got {tuple(value.shape)}"
        )


def read_positions(keypoints: Tensor, name: str, shape: tuple[int | str, ...] = ("N", "K", 2)) -> Tensor:
    """Positions as float64."""
    check_tensor(keypoints, name, shape)
    if keypoints.dtype == torch.bool:
        raise TypeError(f"{name}: expected positions, got {keypoints.dtype}")
    return keypoints.to(torch.float64)


def read_labelled(labelled: Tensor | None, keypoints: Tensor) -> Tensor:
    """The mask of labelled joints as bool; None: all of them."""
    people, joints = keypoints.shape[:2]
    if labelled is None:
        return torch.ones(people, joints, dtype=torch.bool, device=keypoints.device)
    check_tensor(labelled, "labelled", (people, joints))
    _check_same_device(labelled, "labelled", keypoints)
    refuse(labelled.isnan(), "labelled: expected no NaN, got one at joint {1} of person {0}")
    return labelled > 0


def read_people(pred: Tensor, target: Tensor, labelled: Tensor | None) -> People:
    """All that every metric of joints takes, checked: shapes, kinds, devices, and values on the CPU."""
    pred = read_positions(pred, "pred")
    target = read_positions(target, "target", tuple(pred.shape))
    _check_same_device(target, "target", pred)
    mask = read_labelled(labelled, target)
    refuse(
        pred.isnan().any(-1) & mask,
        "pred: expected a position for every labelled joint (infinity for one not found), got NaN at joint {1} of "
        "person {0}",
    )
    refuse(
        ~target.isfinite().all(-1) & mask,
        "target: expected finite positions of labelled joints, got another at joint {1} of person {0}",
    )
    return People(pred, target, mask)


def read_sizes(sizes: Tensor, people: Tensor, name: str) -> Tensor:
    """One size per person as float64: NaN or 0 for people who do not count."""
    check_tensor(sizes, name, (len(people),))
    if sizes.dtype == torch.bool:
        raise TypeError(f"{name}: expected sizes, got {sizes.dtype}")
    _check_same_device(sizes, name, people)
    sizes = sizes.to(torch.float64)
    refuse((sizes < 0) | sizes.isinf(), f"{name}: expected sizes from 0 on, got another one for person {{0}}")
    return sizes


def read_thresholds(thresholds: float | Sequence[float] | Tensor, name: str) -> list[float]:
    """Thresholds as floats, at least one."""
    values: Any = thresholds.tolist() if isinstance(thresholds, Tensor) else thresholds
    try:
        found = [float(value) for value in (values if isinstance(values, Iterable) else [values])]
    except (TypeError, ValueError):
        raise ValueError(f"{name}: expected a number from 0 on, or several, got {values}") from None
    if not found or not all(value >= 0 and math.isfinite(value) for value in found):
        raise ValueError(f"{name}: expected finite numbers from 0 on, got {values}")
    return found


def read_curve_thresholds(thresholds: Sequence[float] | Tensor, name: str) -> list[float]:
    """Thresholds of a curve: two or more, ascending."""
    found = read_thresholds(thresholds, name)
    if len(found) < 2 or any(b <= a for a, b in pairwise(found)):
        raise ValueError(f"{name}: expected two or more in ascending order, got {found}")
    return found


def check_joint_names(joint_names: Sequence[str], joints: int) -> None:
    if len(joint_names) != joints:
        raise ValueError(f"joint_names: expected {joints}, one per joint, got {len(joint_names)}")


def distance(first: Tensor, second: Tensor) -> Tensor:
    """Euclidean distance of positions (..., 2): rounded as NumPy's norm rounds it, for published code uses that."""
    x, y = (first - second).unbind(-1)
    return (x * x + y * y).sqrt()


def is_within(errors: Tensor, threshold: float, comparison: Comparison) -> Tensor:
    return _COMPARE[comparison](errors, threshold)


def count_joints(
    people: People, sizes: Tensor, thresholds: Sequence[float], comparison: Comparison, reference: float = 1.0
) -> JointCounts:
    """Joints within each threshold, in units of the person's size divided by ``reference``.

    The error is divided by the size before it is compared, as in the published evaluations: the other order rounds
    otherwise on the threshold itself.
    """
    check_choice(comparison, tuple(_COMPARE), "comparison")
    counts = people.labelled & (sizes > 0)[:, None]
    errors = distance(people.pred, people.target)
    scaled = errors / sizes[:, None] if reference == 1.0 else errors * (reference / sizes)[:, None]
    found = [(is_within(scaled, threshold, comparison) & counts).sum(0) for threshold in thresholds]
    return JointCounts(torch.stack(found), counts.sum(0))


def shares(counts: JointCounts) -> Tensor:
    """Found joints of those that count (T, K) float64; NaN for a joint that never counts."""
    return counts.found.to(torch.float64) / counts.counted.to(torch.float64)


def mean_share(counts: JointCounts, average: Average) -> Tensor:
    """Over all joints that count somewhere (T,) float64: of their shares, or of all their labels; NaN for none."""
    check_choice(average, ("joints", "labels"), "average")
    if average == "joints":
        return shares(counts).nanmean(-1)
    return counts.found.sum(-1).to(torch.float64) / counts.counted.sum().to(torch.float64)


def part_means(values: Tensor, names: Sequence[str], parts: Sequence[tuple[str, ...]]) -> Tensor:
    """Mean of each part's members (..., P), left and right alike; members that are NaN are left out."""
    order = list(names)
    return torch.stack([values[..., [order.index(name) for name in part]].nanmean(-1) for part in parts], -1)


def _check_same_device(value: Tensor, name: str, other: Tensor) -> None:
    if value.device != other.device:
        raise ValueError(f"{name}: expected a tensor on {other.device}, got one on {value.device}")


def refuse(wrong: Tensor, message: str) -> None:
    """ValueError at the first place that is wrong. Values on another device are not read: that would wait for it."""
    if wrong.device.type == "cpu" and wrong.any():
        raise ValueError(message.format(*wrong.nonzero()[0].tolist()))
