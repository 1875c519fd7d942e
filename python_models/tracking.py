"""Ids of people throughout a video: poses of the last frames, moved by the flow, matched with the present ones."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from pyposeops import oks_matrix
from pyposeops.metrics.assignment import linear_assignment
from python_models.data.records import AREA_OF_BOX
from python_models.errors import UserError, require_positive, unknown_name
from python_models.tracking_flow import Flow

MATCHINGS = ("greedy", "hungarian")
NOBODY = -1  # id of a pose that is not tracked
_BOX_GROWTH = 0.15  # of the width and the height of the box around moved joints: 7.5 % a side
_SLIMMEST = 0.25  # a box around joints that lie in a row is taken this wide, of its length
_FEWEST_JOINTS = 2  # that a similarity may rest on: one joint alone says little about who it is

Array = NDArray[np.float32]


@dataclass(frozen=True)
class _Instance:
    """A person of an earlier frame, where the flow has carried it by now."""

    track: int
    seen: Array  # (K, 2) in its own frame
    counts: NDArray[np.bool_]  # (K,) joints that are known
    score: float
    area: float
    step: Array  # (2,) by which the person moved from frame to frame
    coords: Array  # (K, 2) by now
    followed: NDArray[np.bool_]  # (K,) known joints that the flow has not lost since

    def moved(self, there: Array, trusted: NDArray[np.bool_]) -> _Instance:
        """Joints that something has covered go along with the person's others, or as the person went before.

        A covered joint is not followed any more: the flow at its place is that of whoever stands in front.
        """
        followed = self.followed & trusted
        step = np.median((there - self.coords)[followed], axis=0) if followed.any() else self.step
        coords = np.where(followed[:, None], there, self.coords + step).astype(np.float32)
        return replace(self, coords=coords, followed=followed)


class PoseTracker:
    """Gives people the ids they had in earlier frames, whatever found them: boxes and crops, or a whole image.

    The poses of the last `queue_length` frames are carried to the present by the chain of flows. A person gets the
    id of the pose of highest object keypoint similarity among them, each id once; who is like none gets a new id.
    A person who is missing in fewer than `queue_length` frames in a row keeps the id.

    Call `advance` with the flow to each frame, then `update` with the people of that frame; the first frame has no
    flow.

    Args:
        sigmas: (K,) of the joints, as OKS has them.
        queue_length: frames that are remembered, from 1.
        min_similarity: similarity from which a pair may be one person, above 0, at most 1.
        min_joint_score: joints that score less do not count.
        matching: "greedy", as published: the best pair of all first, or "hungarian": as many pairs as are allowed,
            of those with the largest sum of similarities.
        inertia: a person may also be where the steps of the last frames lead, whichever is more similar: behind
            somebody else the flow is that of who stands in front. False: by the flow alone, as published.

    Raises:
        UserError: options out of range.

    The similarity is the mean of exp(-d² / (2 (2 sigma)² area)) over the joints that count in both, at least two; the
    area is 0.53 times the box of the earlier pose's joints.

    Example:
        >>> tracker = PoseTracker([0.05, 0.05])
        >>> tracker.update([[[10, 10], [30, 50]]], [[0.9, 0.9]]).tolist()
        [0]
        >>> tracker.update([[[90, 10], [99, 50]], [[11, 10], [31, 50]]], [[0.9, 0.9]] * 2).tolist()
        [1, 0]

    Source: Xiao et al., Simple Baselines for Human Pose Estimation and Tracking, ECCV 2018, section 3. The length of
    the queue and the least similarity are not given there.
    """

    def __init__(
        self,
        sigmas: Sequence[float],
        *,
        queue_length: int = 5,
        min_similarity: float = 0.2,
        min_joint_score: float = 0.4,
        matching: str = "greedy",
        inertia: bool = True,
    ) -> None:
        require_positive(queue_length=queue_length)
        if not 0 < min_similarity <= 1:
            raise UserError(f"min_similarity: expected above 0 and at most 1, got {min_similarity}")
        if not np.isfinite(min_joint_score):
            raise UserError(f"min_joint_score: expected a finite number, got {min_joint_score}")
        if matching not in MATCHINGS:
            raise unknown_name("matching", matching, MATCHINGS)
        self.sigmas = torch.tensor(sigmas, dtype=torch.float32)
        self.min_similarity, self.min_joint_score, self.matching = min_similarity, min_joint_score, matching
        self.inertia = inertia
        self._queue: deque[list[_Instance]] = deque(maxlen=queue_length)
        self._next = 0

    def advance(self, flow: Flow) -> Array:
        """Carry what is remembered into the next frame; a cut to another scene forgets it.

        Returns:
            (N, 5) as x, y, width, height, score: boxes around the joints of the frame before that count, moved and
            widened by 15 %, with the mean score of these joints: where to look for those whom a detector misses.
        """
        if flow.is_cut:
            self._queue.clear()
        known = [person.coords for people in self._queue for person in people]
        if known:  # in one call: a sparse flow prepares its pictures anew in each
            places = iter(zip(*flow.move(np.stack(known)), strict=True))
            for place, people in enumerate(self._queue):
                self._queue[place] = [person.moved(*next(places)) for person in people]
        last = self._queue[0] if self._queue else []
        boxes = [[*_widened(person.coords[person.counts]), person.score] for person in last]
        return np.array(boxes, np.float32).reshape(-1, 5)

    def update(self, coords: ArrayLike, scores: ArrayLike) -> NDArray[np.int64]:
        """Give the people of the present frame their ids, and remember them.

        Args:
            coords: (N, K, 2) in pixels; joints that do not count may be anything.
            scores: (N, K) of the joints; NaN does not count.

        Returns:
            (N,) ids, from 0 in the order of their first frames and of the people there; -1 for a person of whom fewer
            than two joints count, who is not remembered. The same input gives the same ids; of equal similarities
            "greedy" takes that of the first person, then that of the oldest id.

        Raises:
            UserError: arrays that do not fit, coordinates of a counting joint that are not finite.
        """
        coords, scores = np.asarray(coords, np.float32), np.asarray(scores, np.float32)
        joints = len(self.sigmas)
        if coords.ndim != 3 or coords.shape[1:] != (joints, 2) or scores.shape != coords.shape[:2]:
            wanted = f"coords (N, {joints}, 2) and scores (N, {joints})"
            raise UserError(f"tracking: expected {wanted}, got {coords.shape} and {scores.shape}")
        counts = scores >= self.min_joint_score
        if not np.isfinite(coords[counts]).all():
            raise UserError("tracking: coords of a joint that counts: expected finite numbers")
        coords = np.where(counts[..., None], coords, 0).astype(np.float32)
        ids = np.full(len(coords), NOBODY, np.int64)
        whole = np.flatnonzero(counts.sum(1) >= _FEWEST_JOINTS)
        ids[whole] = self._identify(coords[whole], counts[whole])
        self._queue.appendleft(
            [self._instance(int(ids[n]), coords[n], scores[n], counts[n]) for n in whole.tolist()]
        )
        return ids

    def _instance(self, track: int, coords: Array, scores: Array, counts: NDArray[np.bool_]) -> _Instance:
        return _Instance(
            track=track,
            seen=coords,
            counts=counts,
            score=float(scores[counts].mean()),
            area=AREA_OF_BOX * float(_box(coords[counts])[2:].prod()),
            step=self._step(track, coords, counts),
            coords=coords,
            followed=counts,
        )

    def _step(self, track: int, coords: Array, counts: NDArray[np.bool_]) -> Array:
        """How far the person moved from frame to frame since last seen: the median of the joints."""
        for frames, people in enumerate(self._queue, 1):
            for person in people:
                if person.track == track:
                    both = person.counts & counts
                    step = (
                        np.median((coords - person.seen)[both], axis=0) / frames
                        if both.any()
                        else person.step
                    )
                    return np.asarray(step, np.float32)
        return np.zeros(2, np.float32)

    def _identify(self, coords: Array, counts: NDArray[np.bool_]) -> NDArray[np.int64]:
        known = [person for people in self._queue for person in people]
        if self.inertia:
            for frames, people in enumerate(self._queue, 1):
                known += [replace(person, coords=person.seen + frames * person.step) for person in people]
        ids = np.full(len(coords), NOBODY, np.int64)
        if known and len(coords):
            tracks, columns = np.unique([person.track for person in known], return_inverse=True)
            similarity = np.zeros((len(coords), len(tracks)), np.float32)
            np.maximum.at(similarity.T, columns, self._similarity(coords, counts, known).T)
            match = greedy_pairs if self.matching == "greedy" else best_sum_pairs
            partners = match(similarity, self.min_similarity)
            ids[partners >= 0] = tracks[partners[partners >= 0]]
        new = np.flatnonzero(ids == NOBODY)
        ids[new] = self._next + np.arange(len(new))
        self._next += len(new)
        return ids

    def _similarity(self, coords: Array, counts: NDArray[np.bool_], known: Sequence[_Instance]) -> Array:
        seen = np.stack([person.counts for person in known])
        values = oks_matrix(
            torch.from_numpy(coords),
            torch.from_numpy(np.stack([person.coords for person in known])),
            sigmas=self.sigmas,
            areas=torch.tensor([person.area for person in known]),
            visibility=torch.from_numpy(seen.astype(np.float32)),
            detection_scores=torch.from_numpy(counts.astype(np.float32)),
        )
        shared = counts.astype(np.int64) @ seen.T.astype(np.int64)
        return np.where(shared >= _FEWEST_JOINTS, values.numpy(), np.float32(0))


def greedy_pairs(similarity: Array, least: float) -> NDArray[np.int64]:
    """For each row (N, T) its column, -1 for none: the best pair of all first; ties: the first row, column."""
    partners = np.full(len(similarity), -1, np.int64)
    taken = np.zeros(similarity.shape[1], bool)
    for place in np.argsort(-similarity, axis=None, kind="stable"):
        row, column = divmod(int(place), similarity.shape[1])
        if similarity[row, column] < least:
            break
        if partners[row] < 0 and not taken[column]:
            partners[row], taken[column] = column, True
    return partners


def best_sum_pairs(similarity: Array, least: float) -> NDArray[np.int64]:
    """For each row (N, T) its column, -1 for none: as many pairs as are allowed, of those the largest sum."""
    return linear_assignment(np.where(similarity >= least, -similarity.astype(np.float64), np.nan))


def _box(joints: Array) -> Array:
    """(x, y, width, height) around joints (J, 2), at least a quarter as wide as long, and one pixel."""
    low, extent = joints.min(0), np.ptp(joints, axis=0)
    grown = np.maximum(extent, max(1.0, _SLIMMEST * float(extent.max())))
    return np.concatenate([low - (grown - extent) / 2, grown]).astype(np.float32)


def _widened(joints: Array) -> Array:
    box = _box(joints)
    margin = _BOX_GROWTH / 2 * box[2:]
    return np.concatenate([box[:2] - margin, box[2:] + 2 * margin])
