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
