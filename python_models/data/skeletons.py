"""Joints, partners, limbs and sigmas of the published sets of people, in one table."""

from __future__ import annotations

from collections.abc import Sequence

from pyposeops.metrics import keypoint_sets
from pyposeops.skeletons import OPENPOSE_BODY_25, OPENPOSE_COCO_18, OPENPOSE_MPI_15, PafSkeleton
from python_models.data.records import Skeleton


def _person(joints: str, limbs: Sequence[str], sigmas: Sequence[float] | None = None) -> Skeleton:
    """A skeleton from its joints in the order of the files and its limbs as pairs of names.

    Partners follow from the prefixes `left_` and `right_`; sigmas that are not given follow from the names.
    """
    names = joints.split()
    links = [[names.index(end) + 1 for end in limb.split()] for limb in limbs]
    return Skeleton.from_names("person", names, links, sigmas)


_ARMS = (
    "left_shoulder left_elbow",
    "left_elbow left_wrist",
    "right_shoulder right_elbow",
    "right_elbow right_wrist",
)
_LEGS = ("left_hip left_knee", "left_knee left_ankle", "right_hip right_knee", "right_knee right_ankle")
_FACE_PAIRS = "nose left_eye right_eye left_ear right_ear"
_LIMB_PAIRS = (
    "left_shoulder right_shoulder left_elbow right_elbow left_wrist right_wrist "
    "left_hip right_hip left_knee right_knee left_ankle right_ankle"
)

# Joints, limbs and sigmas: the category of the published files; sigmas: cocodataset.org, "keypoints eval".
COCO_SKELETON = _person(
    f"{_FACE_PAIRS} {_LIMB_PAIRS}",
    (
        *("left_ankle left_knee", "left_knee left_hip", "right_ankle right_knee", "right_knee right_hip"),
        *("left_hip right_hip", "left_shoulder left_hip", "right_shoulder right_hip"),
        *("left_shoulder right_shoulder", "left_shoulder left_elbow", "right_shoulder right_elbow"),
        *("left_elbow left_wrist", "right_elbow right_wrist", "left_eye right_eye", "nose left_eye"),
        *("nose right_eye", "left_eye left_ear", "right_eye right_ear", "left_ear left_shoulder"),
        "right_ear right_shoulder",
    ),
    keypoint_sets.COCO_17,
)

# Andriluka et al., 2D Human Pose Estimation, CVPR 2014: the ids 0 to 15 of the annotation. The set publishes
# neither sigmas nor limbs; sigmas are those of the same joints in COCO and CrowdPose.
MPII_SKELETON = _person(
    "right_ankle right_knee right_hip left_hip left_knee left_ankle pelvis thorax upper_neck head_top "
    "right_wrist right_elbow right_shoulder left_shoulder left_elbow left_wrist",
    (
        *_LEGS,
        *("right_hip pelvis", "left_hip pelvis", "pelvis thorax", "thorax upper_neck", "upper_neck head_top"),
        *("thorax right_shoulder", "thorax left_shoulder"),
        *_ARMS,
    ),
    keypoint_sets.MPII_16,
)

# Johnson and Everingham, BMVC 2010 (LSP) and CVPR 2011 (LSP-extended): the order of the read-me. Limbs and sigmas
# as for MPII.
LSP_SKELETON = _person(
    "right_ankle right_knee right_hip left_hip left_knee left_ankle "
    "right_wrist right_elbow right_shoulder left_shoulder left_elbow left_wrist neck head_top",
    (
        *_LEGS,
        *("left_hip right_hip", "left_shoulder left_hip", "right_shoulder right_hip"),
        *("left_shoulder neck", "right_shoulder neck", "neck head_top"),
        *_ARMS,
    ),
    keypoint_sets.LSP_14,
)

# Sapp and Taskar, MODEC, CVPR 2013: the 11 of 29 joints that are annotated, in the order of the file. Sigmas are
# those of the same joints in COCO.
FLIC_SKELETON = _person(
    "left_shoulder left_elbow left_wrist right_shoulder right_elbow right_wrist left_hip right_hip "
    "left_eye right_eye nose",
    (
        *("left_hip right_hip", "left_shoulder left_hip", "right_shoulder right_hip"),
        *("left_shoulder right_shoulder", "nose left_eye", "nose right_eye"),
        *_ARMS,
    ),
)

# Li et al., CrowdPose, CVPR 2019: the joints of the published files, sigmas of its evaluation code. The limbs of
# the files are COCO's, which name joints that are not there; these are drawn instead.
CROWDPOSE_SKELETON = _person(
    f"{_LIMB_PAIRS} head neck",
    (
        *_LEGS,
        *("left_hip right_hip", "left_shoulder left_hip", "right_shoulder right_hip"),
        *("left_shoulder neck", "right_shoulder neck", "head neck"),
        *_ARMS,
    ),
    keypoint_sets.CROWDPOSE_14,
)

# Andriluka et al., PoseTrack, CVPR 2018: the category of the published files. Ears are there and never labelled.
# The set measures in head sizes; sigmas are those of COCO, and CrowdPose's for the ends of the head.
POSETRACK_SKELETON = _person(
    f"nose head_bottom head_top left_ear right_ear {_LIMB_PAIRS}",
    (
        *("left_ankle left_knee", "left_knee left_hip", "right_ankle right_knee", "right_knee right_hip"),
        *("left_hip right_hip", "left_shoulder left_hip", "right_shoulder right_hip"),
        "left_shoulder right_shoulder",
        *_ARMS,
        *("nose head_bottom", "nose head_top", "head_bottom left_shoulder", "head_bottom right_shoulder"),
    ),
)

# Wu et al., AI Challenger, 2017: the order of the annotation, sigmas of its evaluation code.
AIC_SKELETON = _person(
    "right_shoulder right_elbow right_wrist left_shoulder left_elbow left_wrist "
    "right_hip right_knee right_ankle left_hip left_knee left_ankle head_top neck",
    (
        *_LEGS,
        *("left_hip right_hip", "left_shoulder left_hip", "right_shoulder right_hip"),
        *("left_shoulder neck", "right_shoulder neck", "neck head_top"),
        *_ARMS,
    ),
    keypoint_sets.AIC_14,
)


def _of_network(published: PafSkeleton) -> Skeleton:
    """Joints and limbs as a network has them; limbs that only fill empty places are not drawn."""
    limbs = [limb for index, limb in enumerate(published.limbs) if index not in published.extra]
    links = [(first + 1, second + 1) for first, second in limbs]
    return Skeleton.from_names("person", published.joints, links)


# Cao et al., OpenPose, TPAMI 2021: COCO's joints and the neck, in the order of the networks; with feet and the middle
# of the hips; those of MPII. Sigmas follow from the names.
OPENPOSE_18_SKELETON = _of_network(OPENPOSE_COCO_18)
OPENPOSE_25_SKELETON = _of_network(OPENPOSE_BODY_25)
OPENPOSE_15_SKELETON = _of_network(OPENPOSE_MPI_15)

# Simon et al., Hand Keypoint Detection in Single Images, CVPR 2017: the wrist, and each finger from the palm to its
# tip. Sigmas: Jin et al., Whole-Body Human Pose Estimation in the Wild, ECCV 2020.
_FINGERS = ("thumb", "index_finger", "middle_finger", "ring_finger", "little_finger")
OPENPOSE_HAND_SKELETON = Skeleton.from_names(
    "hand",
    ["wrist", *(f"{finger}_{place}" for finger in _FINGERS for place in range(1, 5))],
    [
        (1 if place == 1 else 4 * finger + place, 4 * finger + place + 1)
        for finger in range(5)
        for place in range(1, 5)
    ],
    keypoint_sets.WHOLEBODY_133[91:112],
)


def _face_names() -> list[str]:
    """The 68 points of Sagonas et al., 300 Faces in-the-Wild, ICCV Workshops 2013, and both pupils.

    Points that are each other's mirror image have one number, from the outside inwards and from above downwards.
    """

    def both(name: str, first: Sequence[int], second: Sequence[int], middle: str | None = None) -> list[str]:
        right = [f"right_{name}_{number}" for number in first]
        left = [f"left_{name}_{number}" for number in second]
        return [*right, *([middle] if middle else []), *left]

    return [
        *both("jaw", range(8), range(7, -1, -1), "chin"),
        *both("eyebrow", range(5), range(4, -1, -1)),
        *(f"nose_bridge_{number}" for number in range(4)),
        *both("nostril", range(2), range(1, -1, -1), "nose_base"),
        *both("eye_contour", range(6), (3, 2, 1, 0, 5, 4)),
        *both("outer_lip", range(3), range(2, -1, -1), "outer_lip_top"),
        *(
            "left_outer_lip_3",
            "left_outer_lip_4",
            "outer_lip_bottom",
            "right_outer_lip_4",
            "right_outer_lip_3",
        ),
        *both("inner_lip", range(2), range(1, -1, -1), "inner_lip_top"),
        *("left_inner_lip_2", "inner_lip_bottom", "right_inner_lip_2"),
        *("right_pupil", "left_pupil"),
    ]


def _face_links() -> list[tuple[int, int]]:
    """Lines from point to point; eyes and lips are closed."""
    open_lines, closed = (
        ((0, 17), (17, 22), (22, 27), (27, 31), (31, 36)),
        ((36, 42), (42, 48), (48, 60), (60, 68)),
    )
    links = [(a, a + 1) for first, end in (*open_lines, *closed) for a in range(first, end - 1)]
    links += [(end - 1, first) for first, end in closed]
    return [(a + 1, b + 1) for a, b in links]


# Cao et al., OpenPose, TPAMI 2021: 70 points. Sigmas: Jin et al., ECCV 2020; the pupils, which they lack, have those
# of the eyes in COCO.
OPENPOSE_FACE_SKELETON = Skeleton.from_names(
    "face",
    _face_names(),
    _face_links(),
    (*keypoint_sets.WHOLEBODY_133[23:91], *keypoint_sets.COCO_17[1:3]),
)

# Of networks whose joints are no set's, by their number.
NETWORK_SKELETONS = {
    skeleton.num_joints: skeleton
    for skeleton in (
        OPENPOSE_18_SKELETON,
        OPENPOSE_25_SKELETON,
        OPENPOSE_HAND_SKELETON,
        OPENPOSE_FACE_SKELETON,
    )
}


def paf_skeleton(skeleton: Skeleton) -> PafSkeleton:
    """The fields of a skeleton: a published network's for its joints, else one for each limb, in their order."""
    for published in (OPENPOSE_COCO_18, OPENPOSE_BODY_25, OPENPOSE_MPI_15):
        if skeleton.joint_names == published.joints:
            return published
    return PafSkeleton.of(skeleton.joint_names, skeleton.limbs)


SKELETONS = {
    "coco": COCO_SKELETON,
    "mpii": MPII_SKELETON,
    "lsp": LSP_SKELETON,
    "lspet": LSP_SKELETON,
    "flic": FLIC_SKELETON,
    "crowdpose": CROWDPOSE_SKELETON,
    "posetrack18": POSETRACK_SKELETON,
    "aic": AIC_SKELETON,
}
