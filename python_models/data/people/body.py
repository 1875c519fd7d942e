"""A body in three dimensions: proportions, joint positions from angles, and the camera.

Lengths are fractions of the stature. Axes: x to the person's left, y up, z forward; the camera looks along -z,
so that a person who is not turned faces it and a larger depth is nearer.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from .poses import Limb, Pose


class Build(NamedTuple):
    """Proportions of one person."""

    shoulder: float  # half the distance between the shoulders
    hip: float  # half the distance between the hips
    trunk: float  # hips to shoulders
    upper_arm: float
    forearm: float
    thigh: float
    shank: float
    head: float  # factor of the head's size
    girth: float  # factor of the thickness of trunk and limbs


class Body(NamedTuple):
    """Positions (…, 3); pairs are (left, right)."""

    joints: np.ndarray  # (17, 3) in COCO's order
    hands: np.ndarray  # (2, 3) finger tips
    heels: np.ndarray  # (2, 3)
    toes: np.ndarray  # (2, 3)
    pelvis: np.ndarray
    neck: np.ndarray
    head: np.ndarray  # centre of the skull
    pelvis_frame: np.ndarray  # (3, 3), columns are the local axes
    chest_frame: np.ndarray
    head_frame: np.ndarray
    build: Build


# Half width, half height and half depth of a head of factor 1, and the face on its surface, as directions
# from the skull's centre (the nose sticks out).
HEAD_AXES = np.array([0.046, 0.064, 0.056])
_FACE = np.array(
    [[0.0, -0.20, 1.06], [0.36, 0.10, 0.90], [-0.36, 0.10, 0.90], [1.0, -0.05, -0.08], [-1.0, -0.05, -0.08]]
)
_SIDES = (1.0, -1.0)


def draw_build(rng: np.random.Generator) -> Build:
    """Draw proportions around an adult's mean; the head is drawn large, as children and cartoons have it."""
    vary = rng.uniform(-1.0, 1.0, 9)
    return Build(
        shoulder=0.108 * (1 + 0.13 * vary[0]),
        hip=0.074 * (1 + 0.13 * vary[1]),
        trunk=0.285 * (1 + 0.06 * vary[2]),
        upper_arm=0.172 * (1 + 0.07 * vary[3]),
        forearm=0.150 * (1 + 0.07 * vary[4]),
        thigh=0.240 * (1 + 0.07 * vary[5]),
        shank=0.236 * (1 + 0.07 * vary[6]),
        head=1.17 + 0.17 * vary[7],
        girth=1.08 + 0.24 * vary[8],
    )


def rotation(axis: int, degrees: float) -> np.ndarray:
    """Return the matrix of a right-handed rotation about axis 0 (x), 1 (y) or 2 (z)."""
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    matrix = np.eye(3)
    first, second = (axis + 1) % 3, (axis + 2) % 3
    matrix[first, first] = matrix[second, second] = cosine
    matrix[first, second], matrix[second, first] = -sine, sine
    return matrix


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / math.sqrt(float(vector @ vector))


def _raised_direction(limb: Limb, side: float) -> np.ndarray:
    raised, azimuth = math.radians(limb.raised), math.radians(limb.azimuth)
    outward = math.sin(raised) * math.cos(azimuth)
    return np.array([side * outward, -math.cos(raised), math.sin(raised) * math.sin(azimuth)])


def _bent(direction: np.ndarray, toward: np.ndarray, degrees: float) -> np.ndarray:
    """Turn a unit direction by an angle toward a vector, of which only the perpendicular part counts."""
    perpendicular = _unit(toward - (toward @ direction) * direction)
    return math.cos(math.radians(degrees)) * direction + math.sin(math.radians(degrees)) * perpendicular


def _arm(start: np.ndarray, frame: np.ndarray, limb: Limb, side: float, build: Build) -> list[np.ndarray]:
    upper = _raised_direction(limb, side)
    inward, up, forward = limb.toward
    lower = _bent(upper, np.array([-side * inward, up, forward]), limb.bend)
    elbow = start + frame @ upper * build.upper_arm
    wrist = elbow + frame @ lower * build.forearm
    return [elbow, wrist, wrist + frame @ lower * 0.075]


def _leg(start: np.ndarray, frame: np.ndarray, limb: Limb, side: float, build: Build) -> list[np.ndarray]:
    upper = _raised_direction(limb, side)
    hinge = rotation(1, side * limb.turned)[:, 0]
    backward = -np.cross(upper, hinge)
    lower = _bent(upper, backward, limb.bend)
    ahead = _bent(-_unit(np.cross(hinge, lower)), lower, 22.0)
    knee = start + frame @ upper * build.thigh
    ankle = knee + frame @ lower * build.shank
    heel = ankle + frame @ (0.034 * lower - 0.026 * ahead)
    return [knee, ankle, heel, ankle + frame @ (0.022 * lower + 0.105 * ahead)]


def pose_body(build: Build, pose: Pose) -> Body:
    """Place every joint of a body whose pelvis stands at the origin and faces +z."""
    pelvis_frame = rotation(0, 0.35 * pose.lean)
    chest_frame = pelvis_frame @ rotation(1, pose.twist) @ rotation(2, pose.side_bend) @ rotation(0, 0.65 * pose.lean)
    head_frame = chest_frame @ rotation(1, pose.head_yaw) @ rotation(2, pose.head_roll)
    head_frame = head_frame @ rotation(0, pose.head_pitch - 0.6 * pose.lean)
    spine = 0.4 * pelvis_frame[:, 1] + 0.6 * chest_frame[:, 1]
    shoulders_middle = build.trunk * spine
    neck = shoulders_middle + 0.028 * chest_frame[:, 1]
    head = neck + 0.03 * chest_frame[:, 1] + build.head * (0.056 * head_frame[:, 1] + 0.012 * head_frame[:, 2])
    shoulders = [shoulders_middle + side * build.shoulder * chest_frame[:, 0] for side in _SIDES]
    hips = [side * build.hip * pelvis_frame[:, 0] for side in _SIDES]
    arms = [_arm(shoulders[i], chest_frame, pose.arms[i], _SIDES[i], build) for i in range(2)]
    # The legs answer to gravity more than to the trunk: they start from an upright frame.
    legs = [_leg(hips[i], np.eye(3), pose.legs[i], _SIDES[i], build) for i in range(2)]
    face = head + (_FACE * HEAD_AXES * build.head) @ head_frame.T
    pairs = [shoulders, *(zip(*arms, strict=True)), hips, *(zip(*legs, strict=True))]
    left_right = {name: np.array(pair) for name, pair in zip(_PAIRS, pairs, strict=True)}
    joints = np.concatenate([face, *(left_right[name] for name in _PAIRS if name not in _EXTRA)])
    extra = (left_right[name] for name in _EXTRA)
    return Body(joints, *extra, np.zeros(3), neck, head, pelvis_frame, chest_frame, head_frame, build)


_PAIRS = ("shoulder", "elbow", "wrist", "hand", "hip", "knee", "ankle", "heel", "toe")
_EXTRA = ("hand", "heel", "toe")


class Camera(NamedTuple):
    """View of a body: pixels per stature, turn and tilt in degrees, distance in statures, image offset."""

    pixels: float
    yaw: float
    pitch: float
    roll: float
    distance: float
    offset: tuple[float, float] = (0.0, 0.0)

    @property
    def frame(self) -> np.ndarray:
        """Rotation from the body's axes to the camera's."""
        return rotation(2, self.roll) @ rotation(0, self.pitch) @ rotation(1, self.yaw)

    def project(self, points: np.ndarray) -> np.ndarray:
        """Map points (…, 3) to (x px, y px, depth in statures)."""
        seen = points @ self.frame.T
        nearness = self.distance / (self.distance - seen[..., 2])
        x = self.offset[0] + self.pixels * nearness * seen[..., 0]
        y = self.offset[1] - self.pixels * nearness * seen[..., 1]
        return np.stack([x, y, seen[..., 2]], axis=-1)
