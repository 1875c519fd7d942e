"""PoseTrack's average precision of joints in frames with several people."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

from pyposeops.metrics.posetrack_data import Floats, Integers, TrackResults, TrackTruths
from pyposeops.metrics.posetrack_frames import FramePeople, frames_of, mean_of_known

Compat = Literal["poseval"]


class PoseTrackAp(NamedTuple):
    """What :func:`posetrack_ap` returns; shares from 0 to 1, NaN where a joint is never annotated."""

    per_joint: Floats  # (K,)
    mean: float  # over the joints that are annotated


class JointFindings(NamedTuple):
    """Every found joint, in the order of sequence, frame and person; and how many there were to be found."""

    keys: Integers  # (N, 4): sequence, frame, person within it, joint
    scores: Floats  # (N,)
    correct: Integers  # (N,) 0 or 1
    annotated: Integers  # (K,)


def posetrack_ap(
    truths: TrackTruths,
    results: TrackResults,
    *,
    threshold: float = 0.5,
    comparison: str = "<=",
    compat: Compat | None = None,
) -> PoseTrackAp:
    """Average precision of each joint: people are assigned to each other first, then joints are right or wrong.

    In a frame, a found person and an annotated one agree by the share of the annotated joints that lie within
    ``threshold`` head sizes. Each found person keeps the annotated one it agrees with best (the first of equals), and
    of those that kept the same, it gets the one who agrees best (the first of equals), if at all. Then every found
    joint is correct or not; those of people who got nobody, and joints that the person does not have annotated, are
    not. Joints of all frames are ordered by their scores (ties: by sequence, frame and order of the people), and the
    area under the envelope of precision over recall is the average precision.

    Args:
        truths, results: people of all frames. Frames that are not labelled are not evaluated.
        threshold: in head sizes. comparison: "<=" or "<".
        compat: "poseval" leaves out labelled frames without annotated people, and whoever was found there; by default
            these are false positives. Written after a description of poseval, not compared with it.

    Returns:
        Average precision (K,) and its mean over the joints that are annotated, from 0 to 1; NaN where none is.

    Raises:
        ValueError: options that are none, other numbers of joints.

    Example:
        >>> truths = TrackTruths([1], [1], [7], [[[10.0, 20.0, 1]]], [30.0])
        >>> results = TrackResults([1], [1], [0], [[[12.0, 20.0]]], [[0.9]])
        >>> posetrack_ap(truths, results).mean
        1.0

    Source: Andriluka et al., PoseTrack: A Benchmark for Human Pose Estimation and Tracking, CVPR 2018; the assignment
    of people goes back to Pishchulin et al., DeepCut, CVPR 2016.
    """
    return ap_of(find_joints(truths, results, threshold=threshold, comparison=comparison, compat=compat))


def find_joints(
    truths: TrackTruths, results: TrackResults, *, threshold: float, comparison: str, compat: Compat | None
) -> JointFindings:
    """Which joints are correct; see :func:`posetrack_ap`."""
    joints = truths.keypoints.shape[1]
    keys, scores, correct = [np.zeros((0, 4), np.int64)], [np.zeros(0)], [np.zeros(0, np.int64)]
    annotated = np.zeros(joints, np.int64)
    for people in frames_of(truths, results, threshold=threshold, comparison=comparison, compat=compat):
        annotated += people.labelled.sum(0)
        person, joint = np.nonzero(people.found)
        place = np.broadcast_to(np.array(people.frame), (len(person), 2))
        keys.append(np.concatenate([place, np.stack([person, joint], axis=1)], axis=1))
        scores.append(people.scores[person, joint])
        correct.append(_correct_joints(people)[person, joint].astype(np.int64))
    return JointFindings(np.concatenate(keys), np.concatenate(scores), np.concatenate(correct), annotated)


def _correct_joints(people: FramePeople) -> np.ndarray:
    """(D, K): near those of the annotated person that the found one is assigned to."""
    correct = np.zeros(people.found.shape, bool)
    if people.near.size == 0:
        return correct
    labelled = people.labelled.sum(1)
    agreement = people.near.sum(-1) / np.maximum(labelled, 1)  # (D, G)
    best = agreement.argmax(1)
    kept = np.zeros_like(agreement)
    rows = np.arange(len(agreement))
    kept[rows, best] = agreement[rows, best]
    winner = kept.argmax(0)
    for person, row in enumerate(winner):
        if kept[row, person] > 0:
            correct[row] = people.near[row, person]
    return correct


def ap_of(findings: JointFindings) -> PoseTrackAp:
    """Average precision of found joints, which must stand in order."""
    per_joint = np.full(len(findings.annotated), np.nan)
    for joint, count in enumerate(findings.annotated):
        own = findings.keys[:, 3] == joint
        if count > 0:
            per_joint[joint] = _area(findings.scores[own], findings.correct[own], int(count))
    return PoseTrackAp(per_joint, mean_of_known(per_joint))


def _area(scores: Floats, correct: Integers, count: int) -> float:
    """Area under the envelope of the precision, at every recall that occurs."""
    hits = np.cumsum(correct[np.argsort(-scores, kind="stable")])
    precision = hits / np.arange(1, len(hits) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    gained = np.diff(hits / count, prepend=0.0)
    return float((gained * envelope).sum())
