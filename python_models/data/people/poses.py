"""Poses that people take: ranges of joint angles by habit, from which one pose is drawn.

Angles are in degrees. A limb is told by how far its upper part is raised from hanging straight down, toward
which azimuth (0 away from the body's middle, 90 forward, -90 backward), and by how far elbow or knee is bent.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

Range = tuple[float, float]


class ArmHabit(NamedTuple):
    """Ranges for one arm; the elbow bends `toward` (inward, up, forward)."""

    raised: Range
    azimuth: Range
    bend: Range
    toward: tuple[float, float, float]


class LegHabit(NamedTuple):
    """Ranges for one leg; `turned` is how far the knee points outward."""

    raised: Range
    azimuth: Range
    bend: Range
    turned: Range


class Stance(NamedTuple):
    """Legs that go together (they may trade sides), the lean of the trunk, and the arms that suit it."""

    legs: tuple[LegHabit, LegHabit]
    lean: Range
    arms: tuple[str, ...]
    weight: float


class Arm(NamedTuple):
    """Angles of one arm, as drawn from a habit."""

    raised: float
    azimuth: float
    bend: float
    toward: tuple[float, float, float]


class Leg(NamedTuple):
    """Angles of one leg, as drawn from a habit."""

    raised: float
    azimuth: float
    bend: float
    turned: float


class Pose(NamedTuple):
    """All angles of one person; pairs are (left, right)."""

    stance: str
    arms: tuple[Arm, Arm]
    legs: tuple[Leg, Leg]
    lean: float
    side_bend: float
    twist: float
    head_yaw: float
    head_pitch: float
    head_roll: float


_ARMS = {
    "hanging": ArmHabit((3, 18), (-30, 60), (5, 30), (0.3, 0.0, 1.0)),
    "relaxed": ArmHabit((8, 28), (10, 80), (20, 60), (0.5, 0.2, 1.0)),
    "on hip": ArmHabit((34, 52), (-35, 0), (80, 105), (1.0, -0.2, 0.35)),
    "folded": ArmHabit((12, 28), (30, 70), (85, 110), (1.0, 0.1, 0.6)),
    "to face": ArmHabit((25, 60), (45, 85), (115, 140), (0.5, 1.0, 0.4)),
    "forward": ArmHabit((60, 100), (65, 100), (0, 45), (0.4, 1.0, 0.1)),
    "sideways": ArmHabit((70, 105), (-10, 30), (0, 30), (0.0, 0.4, 1.0)),
    "hand up": ArmHabit((60, 105), (-5, 35), (70, 115), (0.15, 1.0, 0.2)),
    "overhead": ArmHabit((135, 172), (0, 50), (0, 45), (1.0, 0.3, 0.4)),
    "behind": ArmHabit((15, 32), (-70, -35), (30, 70), (1.0, 0.0, -0.2)),
    "swung ahead": ArmHabit((15, 40), (75, 100), (15, 70), (0.3, 0.6, 1.0)),
    "swung back": ArmHabit((15, 40), (-95, -70), (10, 60), (0.2, 0.0, 1.0)),
    "on lap": ArmHabit((12, 30), (50, 85), (40, 75), (0.35, 0.2, 1.0)),
}

_STRAIGHT = LegHabit((0, 7), (-20, 60), (0, 8), (0, 18))
_WIDE = LegHabit((8, 22), (-15, 15), (0, 14), (5, 30))
_RELAXED = LegHabit((5, 18), (30, 80), (12, 35), (5, 25))
_STEP_AHEAD = LegHabit((12, 32), (78, 98), (2, 22), (0, 10))
_STEP_BACK = LegHabit((8, 26), (-98, -80), (10, 45), (0, 10))
_RUN_AHEAD = LegHabit((40, 75), (80, 98), (55, 105), (0, 8))
_RUN_BACK = LegHabit((12, 35), (-98, -82), (35, 95), (0, 8))
_SEATED = LegHabit((78, 96), (68, 100), (65, 100), (0, 15))
_SQUATTING = LegHabit((85, 120), (55, 85), (100, 135), (10, 25))
_KICK = LegHabit((45, 90), (55, 95), (0, 25), (0, 15))
_KNEE_UP = LegHabit((50, 95), (40, 90), (70, 120), (0, 25))

# A name is as likely as it is listed often.
_EASY_ARMS = (*["hanging"] * 8, *["relaxed"] * 3, *["on hip"] * 2, "folded", "to face", "hand up", "behind")
_WIDE_ARMS = ("sideways", "overhead", "hand up")
_SEATED_ARMS = ("on lap", "relaxed", "folded", "to face", "hand up")
_SWINGING = ("swung ahead", "swung back", "relaxed")

_STANCES = {
    "standing": Stance((_STRAIGHT, _STRAIGHT), (-4, 8), _EASY_ARMS + _WIDE_ARMS, 0.27),
    "leg at ease": Stance((_STRAIGHT, _RELAXED), (-4, 8), _EASY_ARMS, 0.13),
    "feet apart": Stance((_WIDE, _WIDE), (-6, 12), _EASY_ARMS + _WIDE_ARMS, 0.16),
    "walking": Stance((_STEP_AHEAD, _STEP_BACK), (0, 12), _SWINGING, 0.19),
    "running": Stance((_RUN_AHEAD, _RUN_BACK), (6, 22), _SWINGING, 0.06),
    "seated": Stance((_SEATED, _SEATED), (-12, 18), _SEATED_ARMS, 0.10),
    "squatting": Stance((_SQUATTING, _SQUATTING), (5, 30), ("forward", "relaxed", "on lap"), 0.02),
    "kicking": Stance((_STRAIGHT, _KICK), (-15, 5), _WIDE_ARMS + _SWINGING, 0.03),
    "knee up": Stance((_STRAIGHT, _KNEE_UP), (-8, 8), _EASY_ARMS + _WIDE_ARMS, 0.02),
    "bending": Stance((_STRAIGHT, _RELAXED), (25, 50), ("hanging", "forward", "on lap"), 0.02),
}
_NAMES = tuple(_STANCES)
_CUMULATIVE = np.cumsum([stance.weight for stance in _STANCES.values()])


def _within(rng: np.random.Generator, limits: Range) -> float:
    return limits[0] + (limits[1] - limits[0]) * rng.random()


def _arm(rng: np.random.Generator, habit: ArmHabit) -> Arm:
    raised, azimuth, bend = (_within(rng, limits) for limits in habit[:3])
    inward, up, forward = np.add(habit.toward, rng.uniform(-0.2, 0.2, 3)).tolist()
    return Arm(raised, azimuth, bend, (inward, up, forward))


def _leg(rng: np.random.Generator, habit: LegHabit) -> Leg:
    return Leg(*(_within(rng, limits) for limits in habit))


def _arms(rng: np.random.Generator, names: tuple[str, ...]) -> tuple[Arm, Arm]:
    """Both arms do the same in a third of the poses, as people often do."""
    left = names[rng.integers(len(names))]
    if {"swung ahead", "swung back"} <= set(names) and left.startswith("swung"):
        right = "swung back" if left == "swung ahead" else "swung ahead"
    else:
        right = left if rng.random() < 0.35 else names[rng.integers(len(names))]
    return _arm(rng, _ARMS[left]), _arm(rng, _ARMS[right])


def draw_pose(rng: np.random.Generator) -> Pose:
    """Draw one pose."""
    name = _NAMES[int(np.searchsorted(_CUMULATIVE, rng.random() * _CUMULATIVE[-1]))]
    stance = _STANCES[name]
    legs = (_leg(rng, stance.legs[0]), _leg(rng, stance.legs[1]))
    spread = rng.normal(size=5)
    return Pose(
        stance=name,
        arms=_arms(rng, stance.arms),
        legs=legs if rng.random() < 0.5 else legs[::-1],
        lean=_within(rng, stance.lean),
        side_bend=float(np.clip(4.0 * spread[0], -14, 14)),
        twist=float(np.clip(9.0 * spread[1], -28, 28)),
        head_yaw=float(np.clip(18.0 * spread[2], -55, 55)),
        head_pitch=float(np.clip(9.0 * spread[3], -25, 28)),
        head_roll=float(np.clip(6.0 * spread[4], -18, 18)),
    )
