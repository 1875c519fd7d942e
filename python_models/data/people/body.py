"""A body in three dimensions: proportions, joint positions from angles, and the camera.

Lengths are fractions of the stature. Axes: x to the person's left, y up, z forward. The camera looks along
-z: a person who is not turned faces it, and a larger depth is nearer.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from python_models.data.people.poses import Arm, Leg, Pose

# Half width, half height and half depth of a head of factor 1, and the features of the face on its surface,
# as fractions of these from the skull's centre: nose (it sticks out), eyes, ears.
HEAD_AXES = np.array([0.046, 0.064, 0.056])
NOSE = np.array([0.0, -0.20, 1.06])
EYES = np.array([[0.36, 0.10, 0.90], [-0.36, 0.10, 0.90]])
EARS = np.array([[1.0, -0.05, -0.08], [-1.0, -0.05, -0.08]])
_FACE = np.vstack([NOSE, EYES, EARS])

_FOOT_DROP_DEG = 22.0
_SIDES = (1.0, -1.0)
_IMAGE_AXES = np.array([1.0, -1.0])  # rows of an image run downward


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


# Anthropometric means. The head is drawn larger than life, as in children and cartoons, for its features to
# survive in a crop of 96 pixels.
MEAN_BUILD = Build(0.108, 0.074, 0.285, 0.172, 0.150, 0.240, 0.236, 1.17, 1.05)
_BUILD_SPREAD = np.array([0.13, 0.13, 0.06, 0.07, 0.07, 0.07, 0.07, 0.14, 0.22])


class Body(NamedTuple):
    """Positions in space; pairs are (left, right). The pelvis is the origin."""

    joints: np.ndarray  # (17, 3) in COCO's order
    hands: np.ndarray  # (2, 3) finger tips
    heels: np.ndarray  # (2, 3)
    toes: np.ndarray  # (2, 3)
    neck: np.ndarray  # (3,) its lower end
    head: np.ndarray  # (3,) centre of the skull
    spine: np.ndarray  # (3,) pelvis to the middle of the shoulders, for a trunk of length 1
    pelvis_frame: np.ndarray  # (3, 3), columns are the local axes
    chest_frame: np.ndarray
    head_frame: np.ndarray
    build: Build


class Camera(NamedTuple):
    """View of a body."""

    frame: np.ndarray  # rotation into the camera's axes
    distance: float  # to the pelvis, in statures
    pixels: float  # per stature, at the pelvis
    offset: np.ndarray  # (x, y) of the pelvis in the image

    def project(self, points: np.ndarray) -> np.ndarray:
        """Map points (…, 3) to (x px, y px, depth in statures)."""
        seen = points @ self.frame.T
        nearness = self.pixels * self.distance / (self.distance - seen[..., 2:])
        seen[..., :2] *= nearness * _IMAGE_AXES
        seen[..., :2] += self.offset
        return seen


def rotation(axis: int, degrees: float) -> np.ndarray:
    """Return the matrix of a right-handed rotation about axis 0 (x), 1 (y) or 2 (z)."""
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    if axis == 0:
        return np.array([[1.0, 0.0, 0.0], [0.0, cosine, -sine], [0.0, sine, cosine]])
    if axis == 1:
        return np.array([[cosine, 0.0, sine], [0.0, 1.0, 0.0], [-sine, 0.0, cosine]])
    return np.array([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]])


def draw_build(rng: np.random.Generator) -> Build:
    """Draw proportions around the mean."""
    spread = 1.0 + _BUILD_SPREAD * rng.uniform(-1.0, 1.0, len(MEAN_BUILD))
    return Build(*(np.array(MEAN_BUILD) * spread).tolist())


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Vector product of two vectors; numpy.cross spends 15 us on its generality."""
    (ax, ay, az), (bx, by, bz) = a.tolist(), b.tolist()
    return np.array([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx])


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / math.sqrt(float(vector @ vector))


def _raised(limb: Arm | Leg, side: float) -> np.ndarray:
    """Return the direction of an upper arm or thigh."""
    raised, azimuth = math.radians(limb.raised), math.radians(limb.azimuth)
    outward = side * math.sin(raised) * math.cos(azimuth)
    return np.array([outward, -math.cos(raised), math.sin(raised) * math.sin(azimuth)])


def _bent(direction: np.ndarray, toward: np.ndarray, degrees: float) -> np.ndarray:
    """Turn a unit direction by an angle toward a vector, of which only the perpendicular part counts."""
    perpendicular = _unit(toward - (toward @ direction) * direction)
    angle = math.radians(degrees)
    return math.cos(angle) * direction + math.sin(angle) * perpendicular


def _arm(shoulder: np.ndarray, frame: np.ndarray, limb: Arm, side: float, build: Build) -> np.ndarray:
    """Return elbow, wrist and finger tips (3, 3)."""
    upper = _raised(limb, side)
    inward, up, forward = limb.toward
    lower = _bent(upper, np.array([-side * inward, up, forward]), limb.bend)
    upper, lower = frame @ upper, frame @ lower
    elbow = shoulder + build.upper_arm * upper
    wrist = elbow + build.forearm * lower
    return np.array([elbow, wrist, wrist + 0.075 * lower])


def _leg(hip: np.ndarray, limb: Leg, side: float, build: Build) -> np.ndarray:
    """Return knee, ankle, heel and toes (4, 3). Legs answer to gravity: their frame stays upright."""
    upper = _raised(limb, side)
    hinge = rotation(1, side * limb.turned)[:, 0]
    lower = _bent(upper, _cross(hinge, upper), limb.bend)
    ahead = _bent(_unit(_cross(lower, hinge)), lower, _FOOT_DROP_DEG)
    knee = hip + build.thigh * upper
    ankle = knee + build.shank * lower
    heel = ankle + 0.034 * lower - 0.026 * ahead
    return np.array([knee, ankle, heel, ankle + 0.022 * lower + 0.105 * ahead])


def pose_body(build: Build, pose: Pose) -> Body:
    """Place every joint of a body whose pelvis is the origin and faces +z."""
    pelvis_frame = rotation(0, 0.35 * pose.lean)
    chest_frame = pelvis_frame @ rotation(1, pose.twist) @ rotation(2, pose.side_bend)
    chest_frame = chest_frame @ rotation(0, 0.65 * pose.lean)
    head_frame = chest_frame @ rotation(1, pose.head_yaw) @ rotation(2, pose.head_roll)
    head_frame = head_frame @ rotation(0, pose.head_pitch - 0.6 * pose.lean)
    spine = 0.4 * pelvis_frame[:, 1] + 0.6 * chest_frame[:, 1]
    neck = build.trunk * spine + 0.028 * chest_frame[:, 1]
    head = neck + 0.03 * chest_frame[:, 1]
    head = head + build.head * (0.056 * head_frame[:, 1] + 0.012 * head_frame[:, 2])
    shoulders = 0.97 * build.trunk * spine + np.outer(_SIDES, build.shoulder * chest_frame[:, 0])
    hips = np.outer(_SIDES, build.hip * pelvis_frame[:, 0])
    arms = np.array([_arm(shoulders[i], chest_frame, pose.arms[i], _SIDES[i], build) for i in range(2)])
    legs = np.array([_leg(hips[i], pose.legs[i], _SIDES[i], build) for i in range(2)])
    face = head + (build.head * HEAD_AXES * _FACE) @ head_frame.T
    joints = np.concatenate([face, shoulders, arms[:, 0], arms[:, 1], hips, legs[:, 0], legs[:, 1]])
    frames = pelvis_frame, chest_frame, head_frame
    return Body(joints, arms[:, 2], legs[:, 2], legs[:, 3], neck, head, spine, *frames, build)
