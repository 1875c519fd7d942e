"""People out of composite fields, whose cells point at joints and limbs near them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from pyposeops import _core
from pyposeops._library import accepts_numpy, register

_People = tuple[Tensor, Tensor, Tensor]


class PifpafPeople(NamedTuple):
    """What :func:`pifpaf_decode` returns."""

    keypoints: Tensor
    """(B, M, K, 3): (x, y) in pixels of the image and the joint's score; 0 where a person lacks the joint."""
    scores: Tensor
    """(B, M): of the people, falling; 0 beyond them."""
    counts: Tensor
    """(B,) int64: the first so many of the M entries are people."""


def _allocate(cif: Tensor, max_people: int) -> _People:
    batch, joints = cif.shape[:2]
    real = torch.float64 if cif.dtype == torch.float64 else torch.float32
    return (
        cif.new_empty((batch, max_people, joints, 3), dtype=real),
        cif.new_empty((batch, max_people), dtype=real),
        cif.new_empty(batch, dtype=torch.int64),
    )


def _kernel(
    cif: Tensor,
    caf: Tensor,
    limbs: list[int],
    stride_px: float,
    cif_threshold: float,
    caf_threshold: float,
    seed_threshold: float,
    min_joint_score: float,
    min_joint_share: float,
    min_score: float,
    max_people: int,
) -> _People:
    batch, joints, _, height, width = cif.shape
    seeds = cif.new_empty((batch, joints, height, width), dtype=torch.float64)
    links = cif.new_empty((batch, len(limbs) // 2, 2, height, width), dtype=torch.float64)
    thresholds = cif_threshold, caf_threshold, seed_threshold
    _core.pifpaf_scores(cif, caf, limbs, stride_px, *thresholds, seeds, links)
    fields = cif.cpu(), caf.cpu()
    people = _allocate(fields[0], max_people)
    least = min_joint_score, min_joint_share, min_score
    _core.pifpaf_people(*fields, limbs, stride_px, *least, seeds.cpu(), links.cpu(), *people)
    keypoints, scores, counts = people
    return keypoints.to(cif.device), scores.to(cif.device), counts.to(cif.device)


def _fake(
    cif: Tensor,
    caf: Tensor,
    limbs: list[int],
    stride_px: float,
    cif_threshold: float,
    caf_threshold: float,
    seed_threshold: float,
    min_joint_score: float,
    min_joint_share: float,
    min_score: float,
    max_people: int,
) -> _People:
    return _allocate(cif, max_people)


_decode_op = register(
    "pifpaf_decode(Tensor cif, Tensor caf, int[] limbs, float stride_px, float cif_threshold, float caf_threshold, "
    "float seed_threshold, float min_joint_score, float min_joint_share, float min_score, int max_people) "
    "-> (Tensor keypoints, Tensor scores, Tensor counts)",
    _kernel,
    _fake,
)


@accepts_numpy
def pifpaf_decode(
    cif: Tensor,
    caf: Tensor,
    limbs: Sequence[tuple[int, int]],
    *,
    stride_px: float,
    cif_threshold: float = 0.3,
    caf_threshold: float = 0.3,
    seed_threshold: float = 0.2,
    min_joint_score: float = 0.15,
    min_joint_share: float = 0.5,
    min_score: float = 0.15,
    max_people: int = 100,
) -> PifpafPeople:
    """Find the people of every image by growing them along composite association fields (PifPaf, OpenPifPaf).

    Each cell of a field says how sure it is, where the joint is, or both joints of a limb, and how large they are.
    Below, g(d, sigma) is exp(-d^2 / (2 sigma^2)), computed as (1 - t / 8)^8 with t = d^2 / (2 sigma^2), 0 from
    t = 8 on.

    **How sure a place is** to have joint k: over the cells of ``cif[:, k]`` of a confidence c of at least
    ``cif_threshold``, the sum of c / 16 g(d, sigma) with d from where the cell points to the place and
    sigma = size / 2, at least a pixel of the image; cells farther than sigma count nothing. At most 1. (A joint is
    drawn for 16 cells.)

    **Seeds** are cells of ``cif`` of at least ``seed_threshold``: a joint where the cell points, with the score
    0.1 c + 0.9 times how sure the place is. **Links** are cells of ``caf`` of at least ``caf_threshold``, each in
    both directions, with the score c (0.1 + 0.9 times how sure the place is where it ends).

    **Poses** grow from seeds by falling score, of equal ones by joint and then in row-major order, but not from a
    seed that the same joint of another pose covers: one no farther than its size, or 2 pixels of the image. From a
    joint with score s a limb leads where its best link from there ends, that of the largest value v = score
    g(d, sigma) with d from the joint to where the link starts and sigma half the joint's size, at least 1/4; of equal
    ones that of the first cell. If the second best has half the value and ends no farther than half the best one's
    size away, the mean of both by value is the end, and the mean of the values the value. The new joint's score is
    sqrt(v s). It must be at least ``min_joint_score``, and ``min_joint_share`` times s; and the same limb back from
    the new joint must end so near the old one that abs(dx) + abs(dy) is at most the old one's size. The limb with
    the largest score comes first, of equal ones the first limb.

    **People** are the poses by falling score: the sum of the joints' scores divided by K, of equal ones the earlier
    pose. Each loses the joints that the same joint of a better person covers; if what is left scores below
    ``min_score`` it is left out.

    Args:
        cif: (B, K, 5, H, W): unused, confidence in 0..1 (more counts as 1), x, y and size of the joint, in cells;
            float32, float64, float16 or bfloat16, any strides; B may be 0. Cell (i, j) is at (i, j) ``stride_px`` of
            the image.
        caf: (B, L, 8, H, W): unused, confidence, x and y of the limb's first joint, of its second, and the sizes of
            both; dtype and device of ``cif``, any strides.
        limbs: L pairs of joints, at most 128.
        stride_px: above 0; 8 in the published networks.
        cif_threshold: at least 0, as are all below.
        caf_threshold: see above.
        seed_threshold: see above.
        min_joint_score: of seeds too.
        min_joint_share: see above.
        min_score: see above.
        max_people: M, at least 1; no more poses than that are grown.

    Returns:
        keypoints: (B, M, K, 3), x and y in pixels of the image, centre of the first pixel 0.0, and the score; all 0
            for a joint that the person lacks. float32, for float64 fields float64.
        scores: (B, M), falling; 0 beyond the people.
        counts: (B,) int64.

    Raises:
        ValueError: shapes that do not fit, a limb that does not join two of the joints, numbers out of range or NaN.
        TypeError: fields that are not floating, or of different dtypes.

    A cell does not exist where what it says is NaN, infinite, more than 10^6 cells away, or a negative size. No
    gradient. Computed in double; the same in every run and on any number of threads. On CUDA cells are scored by a
    kernel; people grow on the CPU, to which the fields are copied.

    Example:
        >>> cif, caf = torch.zeros(1, 2, 5, 6, 6), torch.zeros(1, 1, 8, 6, 6)
        >>> cif[0, 0, 1:, 1:5, 1:5] = torch.tensor([1.0, 2.5, 1.0, 1.0])[:, None, None]
        >>> cif[0, 1, 1:, 1:5, 1:5] = torch.tensor([1.0, 2.5, 4.0, 1.0])[:, None, None]
        >>> caf[0, 0, 1:, 2, 2] = torch.tensor([1.0, 2.5, 1.0, 2.5, 4.0, 1.0, 1.0])
        >>> found = pifpaf_decode(cif, caf, [(0, 1)], stride_px=8.0)
        >>> found.keypoints[0, : found.counts[0]]
        tensor([[[20.,  8.,  1.],
                 [20., 32.,  1.]]])

    Source: Kreiss, Bertoni, Alahi, "PifPaf: Composite Fields for Human Pose Estimation", CVPR 2019, section 3, and
    "OpenPifPaf", T-ITS 2021; thresholds, the links' values and their means as in the published code. There joints
    cover pixels of a grid, not disks.
    """
    if cif.ndim != 5:
        raise ValueError(f"cif: expected (B, K, 5, H, W), got {tuple(cif.shape)}")
    if caf.dtype != cif.dtype:
        raise TypeError(f"caf: expected the dtype of cif {cif.dtype}, got {caf.dtype}")
    if max_people < 1:
        raise ValueError(f"max_people: expected a number of at least 1, got {max_people}")
    pairs = [(int(first), int(second)) for first, second in limbs]
    return PifpafPeople(
        *_decode_op(
            cif,
            caf,
            [joint for pair in pairs for joint in pair],
            stride_px,
            cif_threshold,
            caf_threshold,
            seed_threshold,
            min_joint_score,
            min_joint_share,
            min_score,
            max_people,
        )
    )
