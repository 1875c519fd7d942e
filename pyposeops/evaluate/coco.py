"""COCO's and CrowdPose's figures of a results file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pyposeops.evaluate.errors import InputError
from pyposeops.evaluate.people import ResultsFile, TruthFile, named
from pyposeops.metrics import COCOeval, keypoint_sets
from pyposeops.metrics.coco import IOU_TYPES

METRICS = dict(zip(("coco", "crowdpose"), IOU_TYPES, strict=True))


@dataclass(frozen=True)
class CocoSettings:
    """
    Args:
        metric: "coco" or "crowdpose".
        sigmas: one per joint; default that of the metric.
        max_dets: how many results of an image count, the best ones.
        use_area: False: 0.53 of the box in place of the annotated area; default that of the metric.
        strict: repeat pycocotools to the bit, with what is odd in it (see :class:`pyposeops.metrics.COCOeval`).
    """

    metric: str = "coco"
    sigmas: Sequence[float] | None = None
    max_dets: int = 20
    use_area: bool | None = None
    strict: bool = False


def load(truth: TruthFile, results: ResultsFile, settings: CocoSettings) -> COCOeval:
    """The two files ready to be evaluated; InputError, naming file, entry and field, where something is malformed."""
    _check_joints(truth, settings)
    if settings.metric == "crowdpose":
        _check_crowd_index(truth)
    try:
        evaluation = COCOeval(
            truth.content,
            results.entries,
            METRICS[settings.metric],
            sigmas=settings.sigmas,
            use_area=settings.use_area,
            strict=settings.strict,
        )
    except (ValueError, TypeError) as error:
        raise named(error, truth.path, results.path) from error
    evaluation.params.maxDets = [settings.max_dets]
    return evaluation


def _check_joints(truth: TruthFile, settings: CocoSettings) -> None:
    """Another number of joints is most often another data set: says which sigmas are at hand."""
    default = keypoint_sets.CROWDPOSE_14 if settings.metric == "crowdpose" else keypoint_sets.COCO_17
    wanted = len(default if settings.sigmas is None else settings.sigmas)
    if truth.joints is None or truth.joints == wanted:
        return
    known = [name for name, sigmas in sigma_sets().items() if len(sigmas) == truth.joints]
    raise InputError(
        f"{truth.path}: expected people of {wanted} joints, one per sigma, got {truth.joints}; "
        f"choose others with --sigmas {' or '.join([*known, 'NUMBER,NUMBER,...'])}"
    )


def _check_crowd_index(truth: TruthFile) -> None:
    for index, image in enumerate(truth.content.get("images") or []):
        value = image.get("crowdIndex")
        if not isinstance(value, int | float):
            got = "none" if value is None else repr(value)
            raise InputError(f"{truth.path}: images[{index}]: crowdIndex: expected a number, got {got}")


def sigma_sets() -> dict[str, tuple[float, ...]]:
    """The sigmas that have a name, such as coco_17."""
    found = vars(keypoint_sets).items()
    return {name.lower(): value for name, value in found if name.isupper() and isinstance(value, tuple)}
