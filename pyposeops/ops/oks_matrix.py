"""The object keypoint similarity of every detection with every ground truth of its image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from pyposeops._library import accepts_numpy, choice
from pyposeops.ops._oks import differentiable_oks, pair_offsets

OksScale = Literal["gt", "mean", "box"]
Unlabelled = Literal["zero", "box"]
# Which of (areas, detection_areas, boxes) a scale needs, and which it has no use for.
_SCALES = {"gt": 0, "mean": 1, "box": 2}
_NEEDS = {"gt": ("areas",), "mean": ("areas", "detection_areas"), "box": ("boxes",)}
_UNUSED = {"gt": ("detection_areas",), "mean": (), "box": ("areas", "detection_areas")}
_UNLABELLED = {"zero": 0, "box": 1}


def _check_given(scale: str, unlabelled: str, given: dict[str, Tensor | None]) -> None:
    choice(scale, _SCALES, "scale")
    choice(unlabelled, _UNLABELLED, "unlabelled")
    for name in _NEEDS[scale]:
        if given[name] is None:
            raise ValueError(f"{name}: expected a tensor with scale={scale!r}, got None")
    for name in _UNUSED[scale]:
        if given[name] is not None:
            raise ValueError(
                f"{name}: expected None with scale={scale!r}, which has no use for it, got a tensor"
            )
    if unlabelled == "box" and given["boxes"] is None:
        raise ValueError("boxes: expected a tensor with unlabelled='box', got None")
    if (given["detection_offsets"] is None) != (given["truth_offsets"] is None):
        missing = "detection_offsets" if given["detection_offsets"] is None else "truth_offsets"
        raise ValueError(f"{missing}: expected the offsets of both detections and truths, got None")


@accepts_numpy
def oks_matrix(
    detections: Tensor,
    truths: Tensor,
    *,
    sigmas: Tensor | Sequence[float],
    areas: Tensor | None = None,
    visibility: Tensor | None = None,
    scale: OksScale = "gt",
    detection_areas: Tensor | None = None,
    boxes: Tensor | None = None,
    box_factor: float = 0.53,
    detection_scores: Tensor | None = None,
    score_threshold: float = 0.0,
    unlabelled: Unlabelled = "zero",
    detection_offsets: Tensor | None = None,
    truth_offsets: Tensor | None = None,
    pairs: int | None = None,
) -> Tensor:
    """The object keypoint similarity of every detection with every ground truth of its image.

    ``OKS(d, g) = 1/n Σ_k exp(-|d_k - g_k|² / (2 sigma_k)² / (area + eps) / 2)`` over the n joints that count, eps the
    spacing of 1 in float64; 1 for a perfect detection. Divided in the order of COCO's evaluation.

    People come in one of three forms; P is the sum of ``D_b G_b`` over the images:

    ========= ================= ================= ================= ======================================
    form      detections        truths            result            per person, per joint
    ========= ================= ================= ================= ======================================
    one image (D, K, 2)         (G, K, 2)         (D, G)            (D,) or (G,), (D, K) or (G, K)
    padded    (B, D, K, 2)      (B, G, K, 2)      (B, D, G)         (B, D) or (B, G), (B, D, K) or (B, G, K)
    ragged    (M, K, 2)         (N, K, 2)         (P,)              (M,) or (N,), (M, K) or (N, K)
    ========= ================= ================= ================= ======================================

    Padded people that do not exist: visibility 0, so that their similarity is 0 (with ``unlabelled="zero"``).

    Args:
        detections: (x, y) in pixels, float32, float16, bfloat16 or float64, any strides.
        truths: (x, y) in the same pixels, any floating dtype; not looked at where unlabelled.
        sigmas: (K,) above 0, the tolerance of each joint (``pyposeops.metrics.keypoint_sets``). On CUDA prefer a
            tensor: numbers are copied at each call.
        areas: per ground truth, in square pixels: COCO's segmentation area. Below 0 gives NaN.
        visibility: per joint of the ground truths, any dtype; a joint is labelled above 0. None: all are.
        scale: "gt": ``areas``; "mean": the mean of ``areas`` and ``detection_areas``, as between two detections;
            "box": ``box_factor`` times width times height of ``boxes``.
        detection_areas: per detection, for ``scale="mean"``.
        boxes: (x, y, width, height) per ground truth, for ``scale="box"`` and ``unlabelled="box"``.
        box_factor: how much of a box a person fills: 0.53 in CrowdPose's evaluation, 1 in AI Challenger's.
        detection_scores: per joint of the detections, any dtype: a joint counts where it is labelled *and* its score
            is above ``score_threshold`` (float32, or float64 as the scores). None: labelled suffices. Published code
            that combines the two masks by Python's ``and`` of lists drops the labels; here both hold.
        score_threshold: see there.
        unlabelled: the similarity with a ground truth that has no labelled joint. "zero": 0. "box": COCO's rule, the
            distance of all K joints to its box, three times as wide and high; 1 inside.
        detection_offsets: (B + 1,) int32 or int64, ragged form: image b has the detections
            ``[detection_offsets[b], detection_offsets[b + 1])``, from 0 to M.
        truth_offsets: (B + 1,), the same for the ground truths, from 0 to N.
        pairs: P, ragged form, if known. Offsets on the CPU (best, also for people on CUDA) tell it without waiting
            for a device; offsets on CUDA are read, once, unless ``pairs`` is given. ``torch.compile`` needs it to
            trace without an output of unknown size, and a CUDA graph does, with offsets on CUDA.

    Returns:
        float32 (float64 for float64 detections). Ragged: pair (d, g) of image b, counted within the image, is at
        ``oks_pair_offsets(...)[b] + d G_b + g``. Where no joint counts the similarity is 0.

    float32 results lie within 5e-7 (4 units in the last place of 1) of float64 ones of the same float32 input. For
    agreement with an evaluation in float64 hand in float64: rounded coordinates change more. NaN in a detection's
    joint that counts, or in an area, gives NaN.
    The gradient reaches ``detections``: gathered, the same bits every time. Second derivatives run through the
    definition, at its speed.

    Raises:
        ValueError: shapes that do not fit, an unknown option, a tensor that the options need or have no use for,
            sigmas that are not above 0, offsets that fall or do not end with the people. Values on CUDA are not
            looked at: wrong offsets there give wrong numbers, never foreign memory.
        TypeError: people that are not floating, offsets that are not integers.

    Example:
        >>> truth = torch.tensor([[[10.0, 10.0], [20.0, 10.0]]])
        >>> found = torch.stack([truth[0], truth[0] + torch.tensor([0.0, 2.0])])
        >>> oks_matrix(found, truth, sigmas=[0.1, 0.1], areas=torch.tensor([100.0]))
        tensor([[1.0000],
                [0.6065]])

    Source: the COCO keypoint evaluation (cocodataset.org, keypoints-eval) and its published code; ``scale="mean"``
    and ``detection_scores``: the OKS suppression in the published code of Xiao et al., Simple Baselines, ECCV 2018;
    ``box_factor``: Li et al., CrowdPose, CVPR 2019, published code.
    """
    given = {
        "areas": areas,
        "detection_areas": detection_areas,
        "boxes": boxes,
        "detection_offsets": detection_offsets,
        "truth_offsets": truth_offsets,
    }
    _check_given(scale, unlabelled, given)
    # numbers as they are: float32 would move float64 similarities by 1e-8
    exact = sigmas.dtype if isinstance(sigmas, Tensor) else torch.float64
    sigmas = torch.as_tensor(sigmas, dtype=exact, device=detections.device)
    people: list[Tensor | None] = [truths, areas, visibility, boxes, detection_areas, detection_scores]
    single = detection_offsets is None and detections.ndim == 3
    if single:
        detections = detections[None]
        people = [None if t is None else t[None] for t in people]
    similarities = differentiable_oks(
        detections,
        people[0],
        sigmas,
        *people[1:],
        detection_offsets,
        truth_offsets,
        pairs,
        float(box_factor),
        float(score_threshold),
        unlabelled == "box",
    )
    return similarities[0] if single else similarities


@accepts_numpy
def oks_pair_offsets(detection_offsets: Tensor, truth_offsets: Tensor) -> Tensor:
    """Where the pairs of each image begin in a ragged :func:`oks_matrix`, and at last how many there are.

    Args:
        detection_offsets: (B + 1,) int32 or int64.
        truth_offsets: (B + 1,), on the same device.

    Returns:
        (B + 1,) int64: the running sum of ``D_b G_b``.

    Raises:
        ValueError: shapes that differ or are not (B + 1,).

    Example:
        >>> oks_pair_offsets(torch.tensor([0, 3, 5]), torch.tensor([0, 2, 3]))
        tensor([0, 6, 8])
    """
    if (
        detection_offsets.ndim != 1
        or detection_offsets.shape != truth_offsets.shape
        or not len(truth_offsets)
    ):
        raise ValueError(
            f"detection_offsets, truth_offsets: expected (B + 1,) both, got {tuple(detection_offsets.shape)} and "
            f"{tuple(truth_offsets.shape)}"
        )
    return pair_offsets(detection_offsets, truth_offsets)
