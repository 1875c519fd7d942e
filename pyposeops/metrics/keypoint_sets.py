"""How far annotators stray, joint by joint: the sigmas of the object keypoint similarity, for the usual joint sets.

A joint's tolerance at area A is ``2 sigma sqrt(A)``: sigma is the standard deviation of repeated annotations of the
same joint, over the square root of the person's area.
"""

from __future__ import annotations


def _tenths(*sigmas: float) -> tuple[float, ...]:
    """Published as tenths; divided here, for a literal of a tenth is another number in its last bit."""
    return tuple(sigma / 10.0 for sigma in sigmas)


# nose, eyes, ears, shoulders, elbows, wrists, hips, knees, ankles
COCO_17 = _tenths(
    0.26, 0.25, 0.25, 0.35, 0.35, 0.79, 0.79, 0.72, 0.72, 0.62, 0.62, 1.07, 1.07, 0.87, 0.87, 0.89, 0.89
)
"""Source: COCO keypoint evaluation, cocodataset.org/#keypoints-eval (5,000 redundantly annotated people)."""

# shoulders, elbows, wrists, hips, knees, ankles, head top, neck
CROWDPOSE_14 = _tenths(0.79, 0.79, 0.72, 0.72, 0.62, 0.62, 1.07, 1.07, 0.87, 0.87, 0.89, 0.89, 0.79, 0.79)
"""Source: Li et al., CrowdPose, CVPR 2019, published evaluation code."""

# MPII and LSP have no published sigmas: their evaluations measure in head and torso sizes. Here a joint has the
# sigma of the same joint in COCO, and the head top and the neck those of CrowdPose.
_LEGS = _tenths(0.89, 0.87, 1.07, 1.07, 0.87, 0.89)  # ankle, knee, hip, hip, knee, ankle
_ARMS = _tenths(0.62, 0.72, 0.79, 0.79, 0.72, 0.62)  # wrist, elbow, shoulder, shoulder, elbow, wrist

# right ankle, knee, hip, left hip, knee, ankle, pelvis, thorax, upper neck, head top, right wrist, elbow, shoulder,
# left shoulder, elbow, wrist
MPII_16 = (*_LEGS, *_tenths(1.07, 0.79, 0.79, 0.79), *_ARMS)
"""Derived, not published: COCO's, the pelvis as a hip, thorax, neck and head top as CrowdPose's neck."""

MPII_16_MMPOSE = (
    *(0.089, 0.083, 0.107, 0.107, 0.083, 0.089, 0.026, 0.026, 0.026, 0.026),
    *(0.062, 0.072, 0.179, 0.179, 0.072, 0.062),
)
"""The joints of MPII_16. Source: MMPose's configuration of MPII, which says "adapted from COCO"; its knees (0.087 in
COCO) and shoulders (0.079) are others, without a reason given."""

# right ankle, knee, hip, left hip, knee, ankle, right wrist, elbow, shoulder, left shoulder, elbow, wrist, neck,
# head top
LSP_14 = (*_LEGS, *_ARMS, *_tenths(0.79, 0.79))
"""Derived like MPII_16; for the Leeds Sports Pose data and its extension."""

# right shoulder, elbow, wrist, left shoulder, elbow, wrist, right hip, knee, ankle, left hip, knee, ankle, head top,
# neck
AIC_14 = (
    *(0.01388152, 0.01515228, 0.01057665, 0.01417709, 0.01497891, 0.01402144),
    *(0.03909642, 0.03686941, 0.01981803, 0.03843971, 0.03412318, 0.02415081),
    *(0.01291456, 0.01236173),
)
"""Source: Wu et al., AI Challenger, 2017, published evaluation code. Its scale is the area of the whole box, and only
joints of visibility 1 count."""

_BODY = (
    *(0.026, 0.025, 0.025, 0.035, 0.035, 0.079, 0.079, 0.072, 0.072),
    *(0.062, 0.062, 0.107, 0.107, 0.087, 0.087, 0.089, 0.089),
)
_FEET = (0.068, 0.066, 0.066, 0.092, 0.094, 0.094)
_FACE = (
    *(0.042, 0.043, 0.044, 0.043, 0.040, 0.035, 0.031, 0.025),  # contour
    *(0.020, 0.023, 0.029, 0.032, 0.037, 0.038, 0.043, 0.041, 0.045),
    *(0.013, 0.012, 0.011, 0.011, 0.012),  # brows
    *(0.012, 0.011, 0.011, 0.013, 0.015),
    *(0.009, 0.007, 0.007, 0.007, 0.012, 0.009, 0.008, 0.016, 0.010),  # nose
    *(0.017, 0.011, 0.009, 0.011, 0.009, 0.007),  # eyes
    *(0.013, 0.008, 0.011, 0.012, 0.010, 0.034),
    *(
        0.008,
        0.008,
        0.009,
        0.008,
        0.008,
        0.007,
        0.010,
        0.008,
        0.009,
        0.009,
        0.009,
        0.007,
    ),  # lips, outer and inner
    *(0.007, 0.008, 0.011, 0.008, 0.008, 0.008, 0.010, 0.008),
)
_HAND = (
    0.029,  # wrist
    *(0.022, 0.035, 0.037, 0.047),  # thumb
    *(0.026, 0.025, 0.024, 0.035),
    *(0.018, 0.024, 0.022, 0.026),
    *(0.017, 0.021, 0.021, 0.032),
    *(0.020, 0.019, 0.022, 0.031),
)

# the body as COCO_17; big toe, small toe and heel of the left foot, then of the right; 68 points of the face; the
# left hand, the right hand
WHOLEBODY_133 = (*_BODY, *_FEET, *_FACE, *_HAND, *_HAND)
"""Source: Jin et al., Whole-Body Human Pose Estimation in the Wild, ECCV 2020, published evaluation code. Its body is
written in thousandths, some of which differ from COCO_17 in the last bit."""
