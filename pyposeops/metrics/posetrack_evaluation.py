"""PoseTrack's two figures from its files, in one call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from pyposeops.metrics.posetrack_ap import Compat, PoseTrackAp, posetrack_ap
from pyposeops.metrics.posetrack_files import Content, read_posetrack_results, read_posetrack_truths
from pyposeops.metrics.posetrack_mota import PoseTrackMota, posetrack_mota


class PoseTrackFigures(NamedTuple):
    """What :func:`evaluate_posetrack` returns."""

    ap: PoseTrackAp
    mota: PoseTrackMota


def evaluate_posetrack(
    annotations: Sequence[Content],
    results: Sequence[Content],
    *,
    threshold: float = 0.5,
    comparison: str = "<=",
    compat: Compat | None = None,
) -> PoseTrackFigures:
    """Average precision and tracking accuracy of results files.

    Args:
        annotations, results: dictionaries in the form of PoseTrack18's files, in any number and order; images are
            known by ``id``. What was found in images that are not labelled is not evaluated. Not changed.
        threshold, comparison, compat: as in :func:`posetrack_ap` and :func:`posetrack_mota`.

    Returns:
        The figures of both, as these functions return them.

    Raises:
        ValueError: a field that is missing or malformed, results of an image that the annotations do not have and
            that does not say its ``vid_id``, options that are none.

    Example:
        >>> joints = [value for k in range(17) for value in (10.0 * k + 1, 20.0, 1)]
        >>> person = {"image_id": 5, "track_id": 0, "bbox_head": [0, 0, 30, 40], "keypoints": joints}
        >>> images = [{"id": 5, "vid_id": "000342", "frame_id": 5}]
        >>> file = {"images": images, "annotations": [person]}
        >>> figures = evaluate_posetrack([file], [file])
        >>> figures.ap.mean, figures.mota.mean
        (1.0, 1.0)

    Source: Andriluka et al., PoseTrack: A Benchmark for Human Pose Estimation and Tracking, CVPR 2018.
    """
    truths = read_posetrack_truths(annotations)
    found = read_posetrack_results(results, annotations=annotations)
    return PoseTrackFigures(
        posetrack_ap(truths, found, threshold=threshold, comparison=comparison, compat=compat),
        posetrack_mota(truths, found, threshold=threshold, comparison=comparison, compat=compat),
    )
