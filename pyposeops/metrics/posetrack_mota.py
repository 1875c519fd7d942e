"""PoseTrack's tracking accuracy: the CLEAR metrics, joint by joint."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pyposeops.metrics.assignment import linear_assignment
from pyposeops.metrics.posetrack_ap import Compat
from pyposeops.metrics.posetrack_data import Floats, Integers, TrackResults, TrackTruths
from pyposeops.metrics.posetrack_frames import FramePeople, frames_of, mean_of_known

# What is counted of a joint, in this order.
COUNTS = ("annotated", "matches", "misses", "false_positives", "switches")


class PoseTrackMota(NamedTuple):
    """What :func:`posetrack_mota` returns. Shares, at most 1; NaN where a joint is never annotated (or found)."""

    per_joint: Floats
    """(K,) MOTA: 1 - (misses + false positives + switches) / annotated joints; may be negative."""
    mean: float
    """MOTA as PoseTrack gives it: mean over the joints."""
    total: float
    """MOTA of all joints counted together."""
    motp: Floats
    """(K,) 1 - mean distance of matched joints in head sizes."""
    precision: Floats
    """(K,) matches / (matches + false positives)."""
    recall: Floats
    """(K,) matches / annotated joints."""
    annotated: Integers
    matches: Integers
    misses: Integers
    false_positives: Integers
    switches: Integers


class TrackCounts(NamedTuple):
    """Counts of each sequence."""

    sequences: Integers  # (S,)
    counts: Integers  # (S, K, 5), in the order of COUNTS
    distances: Floats  # (S, K) sums over matched joints, in head sizes


def posetrack_mota(
    truths: TrackTruths,
    results: TrackResults,
    *,
    threshold: float = 0.5,
    comparison: str = "<=",
    compat: Compat | None = None,
) -> PoseTrackMota:
    """Multiple object tracking accuracy of each joint, counted by the CLEAR rules.

    Each joint of each annotated person is an object, each found joint a hypothesis; a pair is allowed within
    ``threshold`` head sizes of the annotated person. Frame by frame: whoever was matched last with a track that is
    still allowed stays with it (two who claim the same track: who had it later); the others are assigned so that most
    are matched, at the smallest sum of distances. An object without a partner is a miss, a hypothesis without one a
    false positive, and a partner of another track than the last one a switch, also after a gap.

    Args:
        truths, results: people of whole sequences. Frames that are not labelled are not evaluated; all labelled ones
            are, and those without annotated people count whoever is found there.
        threshold: in head sizes. comparison: "<=" or "<".
        compat: "poseval" repeats what its published evaluation does instead: frames without annotated people are left
            out, then the last frame of every sequence is; a frame in which no joint is found, or none is annotated
            outside of ignored regions, counts one object, one miss and one false positive of each joint, whatever
            else is there; of two who claim the same track the first one gets it. Written after a description of
            poseval, not compared with it; its counting otherwise agrees with that of motmetrics, which it uses.

    Returns:
        Accuracies and counts of each joint, mean and total; see :class:`PoseTrackMota`.

    Raises:
        ValueError: options that are none, other numbers of joints.

    Example:
        >>> truths = TrackTruths([1, 1], [1, 2], [7, 7], [[[10.0, 20.0, 1]], [[11.0, 20.0, 1]]], [30.0, 30.0])
        >>> results = TrackResults([1, 1], [1, 2], [0, 3], [[[10.0, 20.0]], [[11.0, 20.0]]])
        >>> posetrack_mota(truths, results).mean  # one switch, two joints
        0.5

    Source: Bernardin and Stiefelhagen, Evaluating Multiple Object Tracking Performance: The CLEAR MOT Metrics,
    EURASIP Journal 2008, section 2; for joints, Andriluka et al., PoseTrack, CVPR 2018.
    """
    counted = count_tracks(truths, results, threshold=threshold, comparison=comparison, compat=compat)
    return mota_of(counted)


def count_tracks(
    truths: TrackTruths, results: TrackResults, *, threshold: float, comparison: str, compat: Compat | None
) -> TrackCounts:
    """Counts by sequence; see :func:`posetrack_mota`."""
    frames = list(frames_of(truths, results, threshold=threshold, comparison=comparison, compat=compat))
    joints = truths.keypoints.shape[1]
    sequences = np.unique(np.array([people.frame[0] for people in frames], np.int64))
    counts = np.zeros((len(sequences), joints, len(COUNTS)), np.int64)
    distances = np.zeros((len(sequences), joints))
    for place, sequence in enumerate(sequences.tolist()):
        own = [people for people in frames if people.frame[0] == sequence]
        if compat == "poseval":
            own = own[:-1]
        for joint in range(joints):
            tracker = _ClearJoint(joint, latest_wins=compat is None)
            for people in own:
                if compat == "poseval" and not (people.found.any() and people.labelled.any()):
                    tracker.counts += (1, 0, 1, 1, 0)
                else:
                    tracker.add(people)
            counts[place, joint], distances[place, joint] = tracker.counts, tracker.distance
    return TrackCounts(sequences, counts, distances)


class _ClearJoint:
    """One joint through one sequence."""

    def __init__(self, joint: int, *, latest_wins: bool) -> None:
        self.joint, self.latest_wins = joint, latest_wins
        self.counts = np.zeros(len(COUNTS), np.int64)
        self.distance = 0.0
        self._partner: dict[int, tuple[int, int]] = {}  # track -> (hypothesis, when they were matched last)
        self._now = 0

    def add(self, people: FramePeople) -> None:
        """Match a frame and count."""
        objects, hypotheses = (
            np.flatnonzero(people.labelled[:, self.joint]),
            np.flatnonzero(people.found[:, self.joint]),
        )
        tracks, names = people.truth_tracks[objects].tolist(), people.result_tracks[hypotheses].tolist()
        near = people.near[np.ix_(hypotheses, objects)][:, :, self.joint].T
        distances = people.distances[np.ix_(hypotheses, objects)][:, :, self.joint].T
        pairs = self._kept(tracks, names, near)
        pairs |= _assigned(np.where(near, distances, np.nan), pairs)
        switches = 0
        for row, column in pairs.items():
            previous = self._partner.get(tracks[row])
            switches += previous is not None and previous[0] != names[column]
            self._partner[tracks[row]] = (names[column], self._now)
            self.distance += float(distances[row, column])
        found, matched = len(names), len(pairs)
        self.counts += (len(tracks), matched, len(tracks) - matched, found - matched, switches)
        self._now += 1

    def _kept(self, tracks: list[int], names: list[int], near: np.ndarray) -> dict[int, int]:
        """Objects that stay with the hypothesis they were matched with last: row -> column."""
        claims = []
        for row, track in enumerate(tracks):
            name, when = self._partner.get(track, (None, -1))
            if name in names and near[row, names.index(name)]:
                claims.append((-when if self.latest_wins else 0, row, names.index(name)))
        pairs: dict[int, int] = {}
        for _, row, column in sorted(claims):
            if column not in pairs.values():
                pairs[row] = column
        return pairs


def _assigned(costs: Floats, taken: dict[int, int]) -> dict[int, int]:
    """The others, assigned to each other."""
    rows = [row for row in range(costs.shape[0]) if row not in taken]
    columns = [column for column in range(costs.shape[1]) if column not in taken.values()]
    partners = linear_assignment(costs[np.ix_(rows, columns)])
    return {rows[i]: columns[column] for i, column in enumerate(partners.tolist()) if column >= 0}


def mota_of(counted: TrackCounts) -> PoseTrackMota:
    """The figures of counts; sequences are summed in the order of their numbers."""
    order = np.argsort(counted.sequences, kind="stable")
    counts = counted.counts.sum(0)
    annotated, matches, misses, false_positives, switches = counts.T
    distances = np.zeros(len(counts))
    for row in order:
        distances += counted.distances[row]
    wrong = misses + false_positives + switches
    with np.errstate(invalid="ignore", divide="ignore"):
        per_joint = np.where(annotated > 0, 1 - wrong / annotated, np.nan)
        total = float(1 - wrong.sum() / np.float64(annotated.sum())) if annotated.sum() else float("nan")
        motp = np.where(matches > 0, 1 - distances / matches, np.nan)
        precision = matches / (matches + false_positives)
        recall = matches / annotated
    return PoseTrackMota(
        per_joint,
        mean_of_known(per_joint),
        total,
        motp,
        precision,
        recall,
        annotated,
        matches,
        misses,
        false_positives,
        switches,
    )
