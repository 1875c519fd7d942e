"""SimCC labels: the position of a joint as one distribution along x and one along y."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from pyposeops import _core, reference
from pyposeops._library import accepts_numpy, choice, register
from pyposeops.ops.affine import crop_size

SimccEncoding = Literal["gaussian", "one_hot"]
SimccLabelCompat = Literal["fixed", "simcc", "mmpose"]
_ENCODINGS = {"gaussian": 0, "one_hot": 1}  # enum class SimccEncoding in simcc_label_math.h
_COMPAT = {"fixed": 0, "simcc": 1, "mmpose": 2}  # enum class SimccCompat


class SimccLabels(NamedTuple):
    """What :func:`simcc_label` returns."""

    x: Tensor
    """(B, K, X): the distribution along x."""
    y: Tensor
    """(B, K, Y): the distribution along y."""
    weights: Tensor
    """(B, K): the visibility, 0 for joints off the crop."""


def _allocate(
    keypoints: Tensor, bins_x: int, bins_y: int, dtype: torch.dtype | None
) -> tuple[Tensor, Tensor, Tensor]:
    if keypoints.ndim != 3:
        raise ValueError(f"keypoints: expected (B, K, 2), got {tuple(keypoints.shape)}")
    batch, joints = keypoints.shape[:2]
    if dtype is None:
        dtype = keypoints.dtype
    weight_dtype = torch.float64 if dtype == torch.float64 else torch.float32
    return (
        keypoints.new_empty((batch, joints, bins_x), dtype=dtype),
        keypoints.new_empty((batch, joints, bins_y), dtype=dtype),
        keypoints.new_empty((batch, joints), dtype=weight_dtype),
    )


def _kernel(
    keypoints: Tensor,
    visibility: Tensor,
    height: int,
    width: int,
    bins_x: int,
    bins_y: int,
    split_ratio: float,
    sigma_x: float,
    sigma_y: float,
    encoding: int = 0,
    compat: int = 0,
    normalize: bool = True,
    smoothing: float = 0.0,
    dtype: torch.dtype | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    x, y, weights = _allocate(keypoints, bins_x, bins_y, dtype)
    _core.simcc_label(
        keypoints,
        visibility,
        encoding,
        compat,
        split_ratio,
        height,
        width,
        sigma_x,
        sigma_y,
        normalize,
        smoothing,
        x,
        y,
        weights,
    )
    return x, y, weights


def _fake(
    keypoints: Tensor,
    visibility: Tensor,
    height: int,
    width: int,
    bins_x: int,
    bins_y: int,
    split_ratio: float,
    sigma_x: float,
    sigma_y: float,
    encoding: int = 0,
    compat: int = 0,
    normalize: bool = True,
    smoothing: float = 0.0,
    dtype: torch.dtype | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    return _allocate(keypoints, bins_x, bins_y, dtype)


_label_op = register(
    "simcc_label(Tensor keypoints, Tensor visibility, SymInt height, SymInt width, SymInt bins_x, SymInt bins_y, "
    "float split_ratio, float sigma_x, float sigma_y, int encoding=0, int compat=0, bool normalize=True, "
    "float smoothing=0.0, ScalarType? dtype=None) -> (Tensor x, Tensor y, Tensor weights)",
    _kernel,
    _fake,
)


def _sigma_pair(sigma: float | Sequence[float]) -> tuple[float, float]:
    if isinstance(sigma, (float, Real)):
        return float(sigma), float(sigma)
    try:
        across, down = sigma
        return float(across), float(down)
    except (TypeError, ValueError):
        raise ValueError(f"sigma: expected a number or (sigma_x, sigma_y), got {sigma}") from None


@accepts_numpy
def simcc_label(
    keypoints: Tensor,
    visibility: Tensor,
    size: Sequence[int],
    *,
    split_ratio: float = 2.0,
    sigma: float | Sequence[float] = 6.0,
    encoding: SimccEncoding = "gaussian",
    normalize: bool = True,
    smoothing: float = 0.0,
    compat: SimccLabelCompat = "fixed",
    dtype: torch.dtype | None = None,
) -> SimccLabels:
    """Label every joint with one distribution over the bins along x and one along y, and weigh it for the loss.

    A crop of w x h pixels has ``X = w * split_ratio`` bins along x and ``Y = h * split_ratio`` along y, rounded half
    to even. A joint at pixel p is at bin ``mu = p * split_ratio``, computed in the precision of the keypoints.

    ========== ============================================== =================================================
    encoding   bin i                                          a joint is off the crop where
    ========== ============================================== =================================================
    gaussian   ``exp(-(i - mu)^2 / (2 sigma^2))``             no bin is within 3 sigma of mu
    one_hot    ``1 - smoothing`` at mu, rounded half to even, mu, rounded, is no bin
               ``smoothing / (bins - 1)`` elsewhere
    ========== ============================================== =================================================

    With ``normalize`` the Gaussian is divided by ``sigma sqrt(2 pi)``: away from the border it sums to 1. A joint
    that is off the crop along one axis is drawn on neither.

    Args:
        keypoints: (B, K, 2), (x, y) in crop pixels, centre of the first pixel 0.0; float32, float64, float16 or
            bfloat16, any strides.
        visibility: (B, K), floating, integer or bool. Below 0.5 both rows of a joint are 0.
        size: (height, width) of the crop in pixels.
        split_ratio: bins per pixel, above 0.
        sigma: standard deviation in bins, above 0, or (sigma_x, sigma_y) as RTMPose has it. For ``gaussian``.
        encoding: see the table.
        normalize: divide by ``sigma sqrt(2 pi)``. For ``gaussian``.
        smoothing: share of the label that the true bin gives to the others, 0 to 1. For ``one_hot``.
        compat: "mmpose" rounds mu, half to even, for ``gaussian`` too, and tests ``mu - 3 sigma >= bins`` and
            ``mu + 3 sigma + 1 < 0``. "simcc", the published code, does not round mu, and tests pixels against 3 sigma
            of bins (``int(p - 3 sigma) >= w``, ``int(p + 3 sigma + 1) < 0``), so that rows of next to nothing can
            have a weight; it rounds the number of bins down.
        dtype: of the labels; default the dtype of the keypoints.

    Returns:
        x: (B, K, X), the labels along x.
        y: (B, K, Y), the labels along y.
        weights: (B, K), float32 (float64 with float64 labels): the visibility as given, 0 where the joint is off the
            crop. A joint with a NaN or infinite coordinate or a NaN visibility is not drawn and has weight 0.

    Raises:
        ValueError: shapes that do not fit, an option out of its range, smoothing for ``gaussian``, no bins.
        TypeError: keypoints of a dtype that is not floating.

    Values below the smallest normal number of float32 (float64) before they are normalised may be 0. ``gaussian``
    with an unrounded mu is differentiable in the keypoints, any number of times: where they require a gradient, the
    definition is evaluated in PyTorch's own operations. The others pass no gradient.

    Example:
        >>> keypoints = torch.tensor([[[1.5, 2.0]]])
        >>> labels = simcc_label(keypoints, torch.ones(1, 1), (4, 3), sigma=1.0, normalize=False)
        >>> labels.x[0, 0]
        tensor([0.0111, 0.1353, 0.6065, 1.0000, 0.6065, 0.1353])
        >>> labels.y.argmax(), labels.weights
        (tensor(4), tensor([[1.]]))

    Source: Li et al., SimCC: a Simple Coordinate Classification Perspective for Human Pose Estimation, ECCV 2022,
    section 3; simcc: its published code; mmpose: SimCCLabel of MMPose 1.x.
    """
    encoding_code = choice(encoding, _ENCODINGS, "encoding")
    compat_code = choice(compat, _COMPAT, "compat")
    height, width = crop_size(size, name="size")
    sigma_x, sigma_y = _sigma_pair(sigma)
    if smoothing and encoding == "gaussian":
        raise ValueError(f"smoothing: expected 0 for gaussian, got {smoothing}")
    if not split_ratio > 0:
        raise ValueError(f"split_ratio: expected a finite number above 0, got {split_ratio}")
    count = int if compat == "simcc" else round
    try:
        bins_x, bins_y = count(width * split_ratio), count(height * split_ratio)
    except (ValueError, OverflowError):
        raise ValueError(f"split_ratio: expected a finite number above 0, got {split_ratio}") from None
    labels = SimccLabels(
        *_label_op(
            keypoints,
            visibility,
            height,
            width,
            bins_x,
            bins_y,
            split_ratio,
            sigma_x,
            sigma_y,
            encoding_code,
            compat_code,
            normalize,
            smoothing,
            dtype,
        )
    )
    if keypoints.requires_grad and torch.is_grad_enabled() and encoding == "gaussian" and compat != "mmpose":
        x, y, _ = reference.simcc_label(
            keypoints,
            visibility,
            (height, width),
            split_ratio=split_ratio,
            sigma=(sigma_x, sigma_y),
            normalize=normalize,
            compat=compat,
            dtype=dtype,
        )
        return SimccLabels(x, y, labels.weights)
    return labels
