"""Where the hands and the face of a person are, from the joints of the body: OpenPose's rules.

Source: Cao, Hidalgo, Simon, Wei, Sheikh, "OpenPose: Realtime Multi-Person 2D Pose Estimation using Part Affinity
Fields", TPAMI 2021; the constants are those of the published code.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

HAND_THRESHOLD, FACE_THRESHOLD = 0.03, 0.25
_BEYOND_WRIST = 0.33  # of the forearm
_HAND_PER_ARM, _UPPER_ARM = 1.5, 0.9
_FACE_PER_EYES, _FACE_PER_EARS, _FACE_PER_NECK = 3.0, 2.0, 2.0
_FACE_PER_PROFILE, _FACE_PER_HEAD = 0.85, 1.33


class _Joint(NamedTuple):
    place: Tensor  # (N, 2)
    there: Tensor  # (N,) bool


class _Body:
    """Joints by name; a body without one has nobody with it."""

    def __init__(self, keypoints: Tensor, scores: Tensor, names: Sequence[str], threshold: float) -> None:
        if (
            keypoints.ndim != 3
            or keypoints.shape[1:] != (len(names), 2)
            or scores.shape != keypoints.shape[:2]
        ):
            raise ValueError(
                f"keypoints, scores: expected (N, {len(names)}, 2) and (N, {len(names)}), "
                f"got {tuple(keypoints.shape)} and {tuple(scores.shape)}"
            )
        self.keypoints, self.names = keypoints, list(names)
        self.there = (scores > threshold) & keypoints.isfinite().all(-1)

    def joint(self, name: str) -> _Joint:
        if name not in self.names:
            return _Joint(
                self.keypoints.new_zeros(len(self.keypoints), 2), self.there.new_zeros(len(self.there))
            )
        index = self.names.index(name)
        return _Joint(self.keypoints[:, index], self.there[:, index])

    def neck(self) -> _Joint:
        """The neck, or between the shoulders where a skeleton has none."""
        if "neck" in self.names:
            return self.joint("neck")
        left, right = self.joint("left_shoulder"), self.joint("right_shoulder")
        return _Joint((left.place + right.place) / 2, left.there & right.there)


def hand_boxes(
    keypoints: Tensor, scores: Tensor, joint_names: Sequence[str], *, threshold: float = HAND_THRESHOLD
) -> Tensor:
    """Squares around both hands of every person.

    The middle lies beyond the wrist by 0.33 of the forearm; a side is 1.5 times the longer of the forearm and 0.9 of
    the upper arm.

    Args:
        keypoints: (N, K, 2), (x, y) in pixels.
        scores: (N, K).
        joint_names: K names; `left_wrist`, `left_elbow`, `left_shoulder` and so on say which arm is which.
        threshold: Joints count whose score is above it and whose coordinates are finite.

    Returns:
        (N, 2, 4): x, y, width and height of the left hand and of the right one; zeros where wrist, elbow or shoulder
        do not count.

    Raises: ValueError for shapes that do not fit.
    """
    body = _Body(keypoints, scores, joint_names, threshold)
    boxes = []
    for side in ("left", "right"):
        wrist, elbow, shoulder = (body.joint(f"{side}_{name}") for name in ("wrist", "elbow", "shoulder"))
        forearm, upper = _apart(wrist, elbow), _apart(elbow, shoulder)
        middle = wrist.place + _BEYOND_WRIST * (wrist.place - elbow.place)
        length = _HAND_PER_ARM * torch.maximum(forearm, _UPPER_ARM * upper)
        boxes.append(_squares(middle, length, wrist.there & elbow.there & shoulder.there))
    return torch.stack(boxes, dim=1)


def face_boxes(
    keypoints: Tensor, scores: Tensor, joint_names: Sequence[str], *, threshold: float = FACE_THRESHOLD
) -> Tensor:
    """Squares around the faces: the mean of what neck and nose, both eyes, and both ears say, where they are there.

    * Neck and nose: the middle between them, a side twice their distance. In profile, where one eye and the ear of
      the same side are there and the other two are not: the mean of nose, eye and ear, and 0.85 of the sum of the
      distances of nose and eye, nose and ear, neck and nose.
    * Eyes: the middle between them, 3 times their distance. Ears: the same, 2 times.

    A skeleton without a nose, but with `head` and `neck`: a square around the head, 1.33 of their distance.

    Args:
        keypoints: (N, K, 2), (x, y) in pixels.
        scores: (N, K).
        joint_names: K names. Without a `neck` it is the middle of the shoulders.
        threshold: As in `hand_boxes`.

    Returns:
        (N, 4): x, y, width and height; zeros where nothing says where the face is.

    Raises: ValueError for shapes that do not fit.
    """
    body = _Body(keypoints, scores, joint_names, threshold)
    neck = body.neck()
    if "nose" not in body.names:
        head = body.joint("head")
        return _squares(head.place, _FACE_PER_HEAD * _apart(neck, head), neck.there & head.there)
    said, speaks = [_from_neck(body, neck)], [neck.there & body.joint("nose").there]
    for name, factor in (("eye", _FACE_PER_EYES), ("ear", _FACE_PER_EARS)):
        left, right = body.joint(f"left_{name}"), body.joint(f"right_{name}")
        speaks.append(left.there & right.there)
        said.append(_squares((left.place + right.place) / 2, factor * _apart(left, right), speaks[-1]))
    count = torch.stack(speaks).sum(0).clamp_min(1)
    return torch.stack(said).sum(0) / count[:, None]


def _from_neck(body: _Body, neck: _Joint) -> Tensor:
    nose, left_eye, right_eye, left_ear, right_ear = map(
        body.joint, ("nose", "left_eye", "right_eye", "left_ear", "right_ear")
    )
    one_sided = (left_eye.there == left_ear.there) & (right_eye.there == right_ear.there)
    profile = one_sided & (left_eye.there != right_eye.there)
    is_left = left_eye.there[:, None]
    eye = _Joint(torch.where(is_left, left_eye.place, right_eye.place), profile)
    ear = _Joint(torch.where(is_left, left_ear.place, right_ear.place), profile)
    there, to_neck = neck.there & nose.there, _apart(neck, nose)
    sides = _FACE_PER_PROFILE * (_apart(nose, eye) + _apart(nose, ear) + to_neck)
    from_side = _squares((nose.place + eye.place + ear.place) / 3, sides, there)
    from_front = _squares((neck.place + nose.place) / 2, _FACE_PER_NECK * to_neck, there)
    return torch.where(profile[:, None], from_side, from_front)


def _apart(first: _Joint, second: _Joint) -> Tensor:
    return (first.place - second.place).norm(dim=-1)


def _squares(middle: Tensor, side: Tensor, there: Tensor) -> Tensor:
    """(N, 4) xywh; zeros where there is none."""
    sides = side[:, None].expand(-1, 2)
    return torch.where(there[:, None], torch.cat([middle - sides / 2, sides], dim=1), 0.0)
