"""Joint names, body parts and sticks of the data sets that PCK, PCKh, PDJ and PCP were made for.

Left and right are the person's own, as in the annotations, unless a table says otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

LSP_JOINTS = (
    "right_ankle",
    "right_knee",
    "right_hip",
    "left_hip",
    "left_knee",
    "left_ankle",
    "right_wrist",
    "right_elbow",
    "right_shoulder",
    "left_shoulder",
    "left_elbow",
    "left_wrist",
    "neck",
    "head_top",
)
"""Source: Johnson and Everingham, Clustered Pose and Nonlinear Appearance Models, BMVC 2010."""

MPII_JOINTS = (*LSP_JOINTS[:6], "pelvis", "thorax", "upper_neck", "head_top", *LSP_JOINTS[6:12])
"""Source: Andriluka et al., 2D Human Pose Estimation: New Benchmark, CVPR 2014."""

FLIC_JOINTS = (
    "nose",
    "neck",
    "right_shoulder",
    "right_elbow",
    "right_wrist",
    "right_hip",
    "left_shoulder",
    "left_elbow",
    "left_wrist",
    "left_hip",
)
"""FLIC's ten joints in the order of Yang et al., End-to-End Learning of Deformable Mixture of Parts, CVPR 2016
(published code); the neck is interpolated there. Data: Sapp and Taskar, MODEC, CVPR 2013."""

LEFT_TORSO = ("left_shoulder", "right_hip")
RIGHT_TORSO = ("right_shoulder", "left_hip")
HEAD_SEGMENTS = (("head_top", "upper_neck"), ("head_top", "neck"))

Parts = Mapping[str, tuple[str, ...]]


def _pairs(*names: str) -> dict[str, tuple[str, ...]]:
    return {name: (f"left_{name}", f"right_{name}") for name in names}


MPII_PARTS: Parts = {
    "head": ("head_top",),
    **_pairs("shoulder", "elbow", "wrist", "hip", "knee", "ankle"),
}
"""The columns of MPII's table; a part is the mean of its joints."""

LSP_PARTS: Parts = {
    "head": ("head_top", "neck"),
    **_pairs("shoulder", "elbow", "wrist", "hip", "knee", "ankle"),
}
"""The columns of LSP's table: here the head is the mean of head top and neck."""


class Stick(NamedTuple):
    """A limb between two ends, each the middle of the joints it names."""

    name: str
    first: tuple[str, ...]
    second: tuple[str, ...]


def _limbs(side: str, *limbs: tuple[str, str, str]) -> tuple[Stick, ...]:
    return tuple(Stick(f"{side}_{name}", (f"{side}_{a}",), (f"{side}_{b}",)) for name, a, b in limbs)


_ARM = (("upper_arm", "shoulder", "elbow"), ("lower_arm", "elbow", "wrist"))
_LEG = (("upper_leg", "hip", "knee"), ("lower_leg", "knee", "ankle"))

LSP_STICKS = (
    Stick("head", ("head_top",), ("neck",)),
    Stick("torso", ("left_shoulder", "right_shoulder"), ("left_hip", "right_hip")),
    *_limbs("right", *_ARM, *_LEG),
    *_limbs("left", *_ARM, *_LEG),
)
"""The ten sticks of PCP on LSP. No joint stands at the ends of the torso: they are the middles of shoulders and
hips."""

FLIC_STICKS = (
    Stick("head", ("nose",), ("neck",)),
    Stick("torso", ("neck",), ("left_hip", "right_hip")),
    *_limbs("right", *_ARM),
    *_limbs("left", *_ARM),
)
"""The six sticks of PCP on FLIC, as Yang et al., CVPR 2016, score them (published code)."""


def part_name(name: str) -> str:
    """A stick's name without its side: ``left_upper_arm`` and ``right_upper_arm`` are both ``upper_arm``."""
    return name.removeprefix("left_").removeprefix("right_")


def stick_parts(sticks: Sequence[Stick]) -> dict[str, tuple[str, ...]]:
    """Body parts and the names of their sticks, left and right together, in the order of their first stick.

    Args:
        sticks: limbs whose names may begin with ``left_`` or ``right_``.

    Returns:
        Names of sticks by the name of their part: the order of :attr:`Pcp.parts`.

    Example:
        >>> list(stick_parts(LSP_STICKS))
        ['head', 'torso', 'upper_arm', 'lower_arm', 'upper_leg', 'lower_leg']
    """
    parts: dict[str, tuple[str, ...]] = {}
    for stick in sticks:
        name = part_name(stick.name)
        parts[name] = (*parts.get(name, ()), stick.name)
    return parts


def joint_index(name: str, joint_names: Sequence[str], wanted_by: str) -> int:
    """Where a joint stands; ValueError that says who wanted it."""
    if name not in joint_names:
        raise ValueError(
            f"joint_names: expected {name!r} among them for {wanted_by}, got {list(joint_names)}"
        )
    return list(joint_names).index(name)
