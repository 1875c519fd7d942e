"""Curves of an evaluation as figures of matplotlib: PCK and PDJ joint by joint, precision over recall.

Figures are made without pyplot: nothing is kept open, no window appears, and ``figure.savefig("curves.png")`` works
on machines without a screen.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pyposeops.metrics._joint_counts import check_joint_names
from pyposeops.metrics.coco import COCOeval
from pyposeops.metrics.distance_curve import AccuracyCurve
from pyposeops.metrics.sticks import part_name

Floats = NDArray[np.float64]

# Okabe and Ito's colours, told apart with any kind of colour vision, without yellow, which fades on white; then
# a dark and a light one.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#661100", "#999999")
_STYLES = ("-", "--", ":")
_MEAN_COLOUR = "#000000"
_LABEL_GAP = 0.055  # of the axes' height: one line of text
_MOST_LABELS = 17  # what fits beside the axes, with the mean


class _Line(NamedTuple):
    name: str
    values: Floats  # (T,)
    figure: float  # the number that stands beside the name
    colour: str
    style: str = "-"
    width: float = 1.8


def plot_accuracy_curves(
    curve: AccuracyCurve,
    joint_names: Sequence[str],
    *,
    x_label: str = "error allowed, as part of the person's size",
    title: str = "",
    sides: bool = False,
) -> Figure:
    """Share of joints found over the error that is allowed: a line for each joint, and a thick one for the mean.

    Args:
        curve: of :func:`pdj` or :func:`distance_curve`, or computed by their classes.
        joint_names: K names; "left_" and "right_" before a name tell the sides.
        x_label: what the thresholds are, with their unit.
        title: above the axes.
        sides: draw left and right on their own, the left one dashed; by default their mean is drawn.

    Returns:
        The figure. Beside each line stand its name and the area under it. A joint that never counts has no line. More
        than 17 lines are drawn thin and grey, without names.

    Raises:
        ValueError: names that are not one per joint.
        ModuleNotFoundError: matplotlib is not installed; it comes with ``pip install 'pyposeops[metrics]'``.

    Example:
        >>> truth = torch.tensor([[[40.0, 0.0], [0.0, 30.0]]])
        >>> names = ("left_shoulder", "right_hip")
        >>> figure = plot_accuracy_curves(pdj(truth + 5.0, truth, joint_names=names), names, title="PDJ")
        >>> [text.get_text() for text in figure.axes[0].texts]
        ['area under curve', 'shoulder  0.71', 'hip  0.71', 'mean  0.71']
    """
    check_joint_names(joint_names, curve.per_joint.shape[-1])
    steps, mean = _array(curve.thresholds), _array(curve.mean)
    figure, axes = _new_figure(title, x_label, "share of labelled joints found")
    axes.set_xlim(float(steps[0]), float(steps[-1]))
    lines = _joint_lines(curve, joint_names, sides)
    if len(lines) > _MOST_LABELS:
        axes.plot(steps, np.stack([line.values for line in lines], axis=1), color=_COLOURS[-1], linewidth=0.7)
        lines = []
    if not np.isnan(mean).any():
        lines.append(_Line("mean", mean, float(curve.auc), _MEAN_COLOUR, width=3.0))
    _draw_labels_at_ends(axes, steps, lines, "area under curve")
    return figure


def _joint_lines(curve: AccuracyCurve, joint_names: Sequence[str], sides: bool) -> list[_Line]:
    """A line for every joint that counts, or for both sides of it; the sides have one colour."""
    per_joint, areas = _array(curve.per_joint), _array(curve.auc_per_joint)
    places = list(_groups(joint_names, sides=False))
    lines = []
    for name, joints in _groups(joint_names, sides).items():
        known = [joint for joint in joints if not np.isnan(areas[joint])]
        if not known:
            continue
        place = places.index(part_name(name))
        style = _STYLES[place // len(_COLOURS) % len(_STYLES)]
        if sides:
            style = "--" if name.startswith("left_") else "-"
        lines.append(
            _Line(
                name.replace("_", " "),
                per_joint[:, known].mean(1),
                float(areas[known].mean()),
                _COLOURS[place % len(_COLOURS)],
                style,
            )
        )
    return lines


def plot_precision_recall(
    evaluation: COCOeval,
    *,
    thresholds: Sequence[float] = (0.5, 0.75, 0.9),
    area: str = "all",
    category: int | None = None,
    title: str = "",
) -> Figure:
    """Precision over recall of found people, a line for each similarity that a match must have.

    Args:
        evaluation: after ``accumulate()``.
        thresholds: object keypoint similarities, some of ``evaluation.params.iouThrs``.
        area: people of which size, one of ``evaluation.params.areaRngLbl``.
        category: id of a category; default the mean over the categories that have people.
        title: above the axes.

    Returns:
        The figure. Beside each line stand the similarity and the average precision at it. Without people no line is
        drawn.

    Raises:
        RuntimeError: ``accumulate()`` was not called.
        ValueError: a threshold, area or category that was not evaluated.
        ModuleNotFoundError: matplotlib is not installed; it comes with ``pip install 'pyposeops[metrics]'``.

    Example:
        >>> person = {"id": 1, "image_id": 7, "category_id": 1, "area": 900.0, "bbox": [0, 0, 30, 30], "iscrowd": 0,
        ...           "num_keypoints": 1, "keypoints": [5.0, 5.0, 2] + [0, 0, 0] * 16}
        >>> found = {"image_id": 7, "category_id": 1, "score": 0.9, "keypoints": [5.0, 6.0, 1] + [0, 0, 0] * 16}
        >>> evaluation = COCOeval([person], [found])
        >>> evaluation.evaluate()
        >>> evaluation.accumulate()
        >>> figure = plot_precision_recall(evaluation, thresholds=[0.5])
        >>> [text.get_text() for text in figure.axes[0].texts]
        ['average precision', 'OKS 0.50  1.00']

    Source: Lin et al., Microsoft COCO, ECCV 2014; cocodataset.org/#keypoints-eval.
    """
    if not evaluation.eval:
        raise RuntimeError("call accumulate() first")
    params = evaluation.eval["params"]
    if area not in params.areaRngLbl:
        raise ValueError(f"area: expected one of {', '.join(params.areaRngLbl)}, got {area!r}")
    precision = evaluation.eval["precision"][..., params.areaRngLbl.index(area), -1]  # (T, R, K)
    if category is not None:
        if not params.useCats or category not in params.catIds:
            known = list(params.catIds) if params.useCats else []
            raise ValueError(f"category: expected one of {known}, got {category}")
        precision = precision[:, :, [list(params.catIds).index(category)]]
    lines = []
    for place, threshold in enumerate(thresholds):
        near = np.flatnonzero(np.isclose(params.iouThrs, threshold, rtol=0, atol=1e-9))
        if len(near) == 0:
            steps = ", ".join(f"{value:.2f}" for value in params.iouThrs)
            raise ValueError(f"thresholds: expected some of {steps}, got {threshold}")
        counted = precision[near[0]][:, (precision[near[0]] > -1).all(0)]
        if counted.shape[1]:
            values = counted.mean(1)
            colour, style = _COLOURS[place % len(_COLOURS)], _STYLES[place // len(_COLOURS) % len(_STYLES)]
            lines.append(_Line(f"OKS {threshold:.2f}", values, float(values.mean()), colour, style))
    figure, axes = _new_figure(title, "recall", "precision")
    axes.set_xlim(0, 1)
    heights = [1 - _LABEL_GAP * (place + 0.5) for place in range(len(lines))]
    _draw(axes, np.asarray(params.recThrs, np.float64), lines, heights, "average precision")
    return figure


def _groups(joint_names: Sequence[str], sides: bool) -> dict[str, list[int]]:
    """Names of lines and the joints that each is the mean of."""
    groups: dict[str, list[int]] = {}
    for joint, name in enumerate(joint_names):
        groups.setdefault(name if sides else part_name(name), []).append(joint)
    return groups


def _array(values: Any) -> Floats:
    if isinstance(values, torch.Tensor):
        values = values.detach().cpu()
    return np.asarray(values, np.float64)


def _new_figure(title: str, x_label: str, y_label: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(8, 4.8), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    axes.set(title=title, xlabel=x_label, ylabel=y_label, ylim=(0, 1))
    axes.set_yticks(np.arange(11) / 10)
    axes.grid(alpha=0.25)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return figure, axes


def _draw(axes: Axes, steps: Floats, lines: Sequence[_Line], heights: Sequence[float], heading: str) -> None:
    """The lines; at the height of each, beside the axes, a piece of it with its name and number."""
    where: dict[str, Any] = {"transform": axes.transAxes, "clip_on": False}
    axes.text(1.05, 1.045, heading, fontsize=8, va="center", **where)
    for line, height in zip(lines, heights, strict=True):
        bold = line.width > _Line._field_defaults["width"]
        style: dict[str, Any] = {"color": line.colour, "linestyle": line.style, "linewidth": line.width}
        axes.plot(steps, line.values, clip_on=False, zorder=3 if bold else 2, **style)
        axes.plot([1.05, 1.11], [height, height], **style, **where)
        label = f"{line.name}  {line.figure:.2f}"
        axes.text(1.125, height, label, fontsize=9, fontweight="bold" if bold else None, va="center", **where)


def _draw_labels_at_ends(axes: Axes, steps: Floats, lines: Sequence[_Line], heading: str) -> None:
    """Labels stand where the lines end, moved apart where they would overlap, and joined to them."""
    lines = sorted(lines, key=lambda line: (line.values[-1], line.figure))
    heights = _spread([float(line.values[-1]) for line in lines])
    for line, height in zip(lines, heights, strict=True):
        ends = [1.0, 1.05], [float(line.values[-1]), height]
        axes.plot(*ends, color=line.colour, linewidth=0.6, transform=axes.transAxes, clip_on=False)
    _draw(axes, steps, lines, heights, heading)


def _spread(heights: Sequence[float]) -> list[float]:
    """Ascending heights from 0 to 1, moved as little as keeps one line of text between neighbours."""
    spread = list(heights)
    for place in range(1, len(spread)):
        spread[place] = max(spread[place], spread[place - 1] + _LABEL_GAP)
    ceiling = 1.0
    for place in reversed(range(len(spread))):
        spread[place] = min(spread[place], ceiling)
        ceiling = spread[place] - _LABEL_GAP
    return spread
