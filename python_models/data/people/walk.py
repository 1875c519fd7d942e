"""Somebody who walks: the pose at each moment of the gait, and how far a step carries."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from python_models.data.people.body import Build, Camera, draw_build, pose_body, rotation
from python_models.data.people.figure import Figure, outline_figure
from python_models.data.people.poses import Arm, Leg, Pose

_ELBOW_BEND, _KNEE_BEND, _KNEE_LIFT = 25.0, 6.0, 40.0  # degrees; a leg that swings forward is lifted
_TOWARD = (0.3, 0.5, 1.0)  # where the forearms point


class Walker(NamedTuple):
    """What stays the same of somebody who walks; angles in degrees."""

    build: Build
    leg_swing: float  # of the thighs, to either side of the vertical
    arm_swing: float
    lean: float
    view: np.ndarray  # rotation into the camera's axes
    distance: float  # of the camera, in statures

    @property
    def stride(self) -> float:
        """How far two steps carry, in statures: feet do not slide while they stand."""
        leg = self.build.thigh + self.build.shank
        return 4.0 * leg * math.sin(math.radians(self.leg_swing))


def draw_walker(rng: np.random.Generator, direction: float) -> Walker:
    """Draw somebody who walks across the image, `direction` 1 to the right or -1 to the left."""
    yaw = direction * rng.uniform(50.0, 85.0)
    view = rotation(0, rng.uniform(0.0, 8.0)) @ rotation(1, yaw)
    swings = rng.uniform((16.0, 14.0), (27.0, 34.0))
    return Walker(draw_build(rng), *swings.tolist(), rng.uniform(0.0, 8.0), view, rng.uniform(3.5, 6.0))


def walking_figure(walker: Walker, strides: float) -> Figure:
    """The figure after so many strides, 100 pixels tall, its pelvis at the origin."""
    phase = 2.0 * math.pi * strides
    pose = Pose(
        stance="walking",
        arms=(_arm(-walker.arm_swing, phase), _arm(walker.arm_swing, phase)),
        legs=(_leg(walker.leg_swing, phase), _leg(walker.leg_swing, phase + math.pi)),
        lean=walker.lean,
        side_bend=0.0,
        twist=0.3 * walker.arm_swing * math.sin(phase),
        head_yaw=0.0,
        head_pitch=0.0,
        head_roll=0.0,
    )
    camera = Camera(walker.view, walker.distance, 100.0, np.zeros(2))
    return outline_figure(pose_body(walker.build, pose), camera)


def _leg(swing: float, phase: float) -> Leg:
    bend = _KNEE_BEND + _KNEE_LIFT * max(0.0, math.cos(phase))
    return Leg(raised=swing * math.sin(phase), azimuth=90.0, bend=bend, turned=5.0)


def _arm(swing: float, phase: float) -> Arm:
    return Arm(raised=swing * math.sin(phase), azimuth=85.0, bend=_ELBOW_BEND, toward=_TOWARD)
