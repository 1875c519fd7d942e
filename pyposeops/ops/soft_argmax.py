"""Integral regression: coordinates as the expectation over a map, on 1, 2 or 3 axes."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from pyposeops import _core, reference
from pyposeops._library import accepts_numpy, choice, register

Normalization = Literal["softmax", "sigmoid", "sum"]
Coordinates = Literal["pixel", "unit", "centered", "symmetric", "corners"]
# enum class SoftArgmaxWeight and SoftArgmaxGrid in soft_argmax_math.h
_WEIGHTS = {"softmax": 0, "sigmoid": 2, "sum": 3}
_DEBIASED_SOFTMAX = 1
_GRIDS = {"pixel": 0, "unit": 1, "centered": 2, "symmetric": 3, "corners": 4}
_SHAPES = {1: "(B, K, W)", 2: "(B, K, H, W)", 3: "(B, K, D, H, W)"}
_DEFINITIONS = {1: reference.soft_argmax_1d, 2: reference.soft_argmax_2d, 3: reference.soft_argmax_3d}


class SoftArgmax(NamedTuple):
    """What :func:`soft_argmax_1d`, :func:`soft_argmax_2d` and :func:`soft_argmax_3d` return."""

    coords: Tensor
    """(B, K, n): the expectation, as (x), (x, y) or (x, y, z)."""
    confidence: Tensor
    """(B, K): how much the map makes of its largest pixel."""
    covariance: Tensor | None
    """(B, K, n, n): the spread around the expectation, where asked for."""


def _allocate(heatmaps: Tensor) -> tuple[Tensor, Tensor]:
    maps, dtype = heatmaps.shape[:2], _compute_dtype(heatmaps)
    coords = heatmaps.new_empty((*maps, heatmaps.ndim - 2), dtype=dtype)
    return coords, heatmaps.new_empty(maps, dtype=dtype)


def _allocate_all(heatmaps: Tensor, covariance: bool) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """A covariance that is not wanted has no elements: an operator returns tensors only."""
    n, maps, dtype = heatmaps.ndim - 2, heatmaps.shape[:2], _compute_dtype(heatmaps)
    return (
        *_allocate(heatmaps),
        heatmaps.new_empty((*maps, n, n) if covariance else (0,), dtype=dtype),
        heatmaps.new_empty((*maps, 2), dtype=dtype),
    )


def _compute_dtype(heatmaps: Tensor) -> torch.dtype:
    return torch.float64 if heatmaps.dtype == torch.float64 else torch.float32


def _kernel(
    heatmaps: Tensor, weight: int, inverse_temperature: float, coordinates: int
) -> tuple[Tensor, Tensor]:
    coords, confidence = _allocate(heatmaps)
    _core.soft_argmax(heatmaps, weight, inverse_temperature, coordinates, coords, confidence, None, None)
    return coords, confidence


def _fake(
    heatmaps: Tensor, weight: int, inverse_temperature: float, coordinates: int
) -> tuple[Tensor, Tensor]:
    return _allocate(heatmaps)


def _kernel_all(
    heatmaps: Tensor, weight: int, inverse_temperature: float, coordinates: int, covariance: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    coords, confidence, spread, normalizer = _allocate_all(heatmaps, covariance)
    wanted = spread if covariance else None
    _core.soft_argmax(
        heatmaps, weight, inverse_temperature, coordinates, coords, confidence, wanted, normalizer
    )
    return coords, confidence, spread, normalizer


def _fake_all(
    heatmaps: Tensor, weight: int, inverse_temperature: float, coordinates: int, covariance: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    return _allocate_all(heatmaps, covariance)


def _backward_kernel(
    heatmaps: Tensor,
    coords: Tensor,
    covariance: Tensor | None,
    normalizer: Tensor,
    grad_coords: Tensor | None,
    grad_covariance: Tensor | None,
    weight: int,
    inverse_temperature: float,
    coordinates: int,
) -> Tensor:
    grad_heatmaps = torch.empty_like(heatmaps)
    _core.soft_argmax_backward(
        heatmaps,
        coords,
        covariance,
        normalizer,
        None if grad_coords is None else grad_coords.contiguous(),
        None if grad_covariance is None else grad_covariance.contiguous(),
        weight,
        inverse_temperature,
        coordinates,
        grad_heatmaps,
    )
    return grad_heatmaps


def _backward_fake(heatmaps: Tensor, *_others: Any) -> Tensor:
    return torch.empty_like(heatmaps)


_forward_op = register(
    "soft_argmax(Tensor heatmaps, int weight, float inverse_temperature, int coordinates) -> "
    "(Tensor coords, Tensor confidence)",
    _kernel,
    _fake,
)
# With the covariance, where wanted, and what the gradient needs to know of the weights.
_forward_all_op = register(
    "soft_argmax_all(Tensor heatmaps, int weight, float inverse_temperature, int coordinates, bool covariance) -> "
    "(Tensor coords, Tensor confidence, Tensor covariance, Tensor normalizer)",
    _kernel_all,
    _fake_all,
)
_backward_op = register(
    "soft_argmax_backward(Tensor heatmaps, Tensor coords, Tensor? covariance, Tensor normalizer, "
    "Tensor? grad_coords, Tensor? grad_covariance, int weight, float inverse_temperature, int coordinates) -> Tensor",
    _backward_kernel,
    _backward_fake,
)


class _SoftArgmax(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, heatmaps: Tensor, weight: int, beta: float, grid: int, covariance: bool
    ) -> tuple[Tensor, ...]:
        coords, confidence, spread, normalizer = _forward_all_op(heatmaps, weight, beta, grid, covariance)
        ctx.save_for_backward(heatmaps, coords, spread if covariance else None, normalizer)
        ctx.options = (weight, beta, grid)
        ctx.mark_non_differentiable(confidence)
        ctx.set_materialize_grads(False)
        return (coords, confidence, spread) if covariance else (coords, confidence)

    @staticmethod
    def backward(
        ctx: Any, grad_coords: Tensor | None, _grad_confidence: Any, grad_covariance: Tensor | None = None
    ) -> tuple[Tensor | None, ...]:
        heatmaps, coords, covariance, normalizer = ctx.saved_tensors
        if torch.is_grad_enabled():  # create_graph=True
            grad_heatmaps = _differentiable_backward(heatmaps, grad_coords, grad_covariance, *ctx.options)
        else:
            grad_heatmaps = _backward_op(
                heatmaps, coords, covariance, normalizer, grad_coords, grad_covariance, *ctx.options
            )
        return grad_heatmaps, None, None, None, None


def _differentiable_backward(
    heatmaps: Tensor,
    grad_coords: Tensor | None,
    grad_covariance: Tensor | None,
    weight: int,
    beta: float,
    grid: int,
) -> Tensor:
    """The gradient as a graph of PyTorch's own operations, through the definition: for second derivatives."""
    if grad_coords is None and grad_covariance is None:
        return torch.zeros_like(heatmaps)
    debias = weight == _DEBIASED_SOFTMAX
    coords, _, covariance = _DEFINITIONS[heatmaps.ndim - 2](
        heatmaps,
        normalization="softmax" if debias else _name(weight, _WEIGHTS),
        inverse_temperature=beta,
        coordinates=_name(grid, _GRIDS),
        debias=debias,
        covariance=True,
    )
    pairs = [(coords, grad_coords), (covariance, grad_covariance)]
    outputs, upstream = zip(*[pair for pair in pairs if pair[1] is not None], strict=True)
    (grad_heatmaps,) = torch.autograd.grad(outputs, heatmaps, upstream, create_graph=True)
    return grad_heatmaps


def _name(code: int, codes: dict[str, int]) -> str:
    return next(name for name, known in codes.items() if known == code)


def _soft_argmax(
    dims: int,
    heatmaps: Tensor,
    normalization: str,
    inverse_temperature: float,
    coordinates: str,
    debias: bool,
    covariance: bool,
) -> SoftArgmax:
    weight = choice(normalization, _WEIGHTS, "normalization")
    grid = choice(coordinates, _GRIDS, "coordinates")
    if debias:
        if normalization != "softmax":
            raise ValueError(f"debias: expected normalization 'softmax' with it, got {normalization!r}")
        weight = _DEBIASED_SOFTMAX
    if heatmaps.ndim != dims + 2:
        raise ValueError(f"heatmaps: expected {_SHAPES[dims]}, got {tuple(heatmaps.shape)}")
    if heatmaps.requires_grad and torch.is_grad_enabled():
        results = _SoftArgmax.apply(heatmaps, weight, inverse_temperature, grid, covariance)
    elif covariance:
        results = _forward_all_op(heatmaps, weight, inverse_temperature, grid, True)
    else:
        results = _forward_op(heatmaps, weight, inverse_temperature, grid)
    return SoftArgmax(results[0], results[1], results[2] if covariance else None)


@accepts_numpy
def soft_argmax_2d(
    heatmaps: Tensor,
    *,
    normalization: Normalization = "softmax",
    inverse_temperature: float = 1.0,
    coordinates: Coordinates = "pixel",
    debias: bool = False,
    covariance: bool = False,
) -> SoftArgmax:
    """Take the expected position of each joint under its heatmap: integral regression, differentiable.

    A pixel of value h at grid position g weighs w(h); ``coords = sum(w g) / sum(w)``.

    ============= ========================================== ==========================================
    normalization w(h), with beta = ``inverse_temperature``  confidence
    ============= ========================================== ==========================================
    softmax       ``exp(beta h)``                            the largest ``w / sum(w)``
    sigmoid       ``1 / (1 + exp(-beta h))``                 the largest ``w``
    sum           ``h``; beta has no effect                  the largest ``h``
    ============= ========================================== ==========================================

    =========== ============================== =================================================
    coordinates of pixel i of n                as in
    =========== ============================== =================================================
    pixel       ``i``, the project's own       kornia ``normalized_coordinates=False``
    unit        ``i / n``                      mmpose
    centered    ``i / n - 0.5``                Integral Human Pose Regression, AlphaPose
    symmetric   ``(2 i + 1) / n - 1``          DSNT
    corners     ``2 i / (n - 1) - 1``          kornia ``normalized_coordinates=True``
    =========== ============================== =================================================

    Args:
        heatmaps: (B, K, H, W); float32, float16, bfloat16 or float64, any memory layout, at least one pixel. Logits
            for ``softmax`` and ``sigmoid``, masses for ``sum``. Sums run in float32 or better, and no finite map
            overflows.
        normalization: see the first table.
        inverse_temperature: beta, finite and above 0; multiplies the maps. Larger is sharper: 1 / T in notations that
            divide by a temperature T.
        coordinates: see the second table.
        debias: with ``softmax`` only: take the weight of a pixel of value 0 off every weight, w(h) = exp(beta h) - 1.
            Softmax gives the empty background a share that draws the expectation to the middle of the map; for maps
            that are 0 away from the joint this removes it exactly. Negative pixels then weigh negatively.
        covariance: whether to return the second central moments too.

    Returns:
        coords: (B, K, 2), (x, y) in ``coordinates``; float32 (float64 for float64).
        confidence: (B, K), see the first table; of the dtype of coords. No gradient flows through it.
        covariance: (B, K, 2, 2) in the squared unit of coords, axes ordered as in coords, its diagonal the variances;
            None unless asked for.

    Raises:
        ValueError: another rank, a map without pixels, an unknown option, inverse_temperature not above 0, debias
            with another normalization than softmax.
        TypeError: heatmaps of a dtype that is not floating.

    A map whose weights sum to 0 (all zero with ``sum`` or ``debias``, all -inf otherwise; with ``sigmoid`` already
    where beta h is below -87 everywhere, as its weights are then below the range of float32) has no expectation: the
    middle of the map is returned, with confidence and covariance 0, and no gradient flows. A NaN makes all results of
    its map NaN, and so does +inf except with ``sigmoid`` (with ``sum`` the confidence is inf); -inf, as from
    masking, weighs 0 with ``softmax`` and ``sigmoid``. coords and covariance are differentiable in the maps, in
    one read and one write; twice too, where the second derivative runs through the definition, at its speed.

    Example:
        >>> heatmaps = torch.zeros(1, 1, 64, 48)
        >>> heatmaps[0, 0, 20, 10] = 8.0
        >>> soft_argmax_2d(heatmaps).coords
        tensor([[[16.8527, 25.8375]]])
        >>> soft_argmax_2d(heatmaps, debias=True).coords
        tensor([[[10., 20.]]])

    Source: softmax: Sun et al., Integral Human Pose Regression, ECCV 2018, section 2. debias: Gu et al., Removing the
    Bias of Integral Pose Regression, ICCV 2021. sigmoid and sum: Fang et al., AlphaPose, TPAMI 2022, and
    its published code. symmetric: Nibali et al., Numerical Coordinate Regression with Convolutional Neural
    Networks, 2018.
    """
    return _soft_argmax(2, heatmaps, normalization, inverse_temperature, coordinates, debias, covariance)


@accepts_numpy
def soft_argmax_3d(
    heatmaps: Tensor,
    *,
    normalization: Normalization = "softmax",
    inverse_temperature: float = 1.0,
    coordinates: Coordinates = "pixel",
    debias: bool = False,
    covariance: bool = False,
) -> SoftArgmax:
    """Take the expected position of each joint in its volume, depth included.

    Weights, grids, options, corner cases, gradients and errors are those of :func:`soft_argmax_2d`.

    Args:
        heatmaps: (B, K, D, H, W), as there; of a network's output (B, K * D, H, W), contiguous or channels_last, its
            ``view(B, K, D, H, W)``.
        normalization, inverse_temperature, coordinates, debias, covariance: as there.

    Returns:
        coords: (B, K, 3), (x, y, z) with z along D; each axis on the grid of its own size.
        confidence: (B, K).
        covariance: (B, K, 3, 3) or None.

    Raises:
        ValueError, TypeError: as there.

    Example:
        >>> volume = torch.zeros(1, 1, 8, 8, 8)
        >>> volume[0, 0, 1, 2, 3] = 1.0
        >>> soft_argmax_3d(volume, normalization="sum").coords
        tensor([[[3., 2., 1.]]])

    Source: Sun et al., Integral Human Pose Regression, ECCV 2018, section 2.
    """
    return _soft_argmax(3, heatmaps, normalization, inverse_temperature, coordinates, debias, covariance)


@accepts_numpy
def soft_argmax_1d(
    heatmaps: Tensor,
    *,
    normalization: Normalization = "softmax",
    inverse_temperature: float = 1.0,
    coordinates: Coordinates = "pixel",
    debias: bool = False,
    covariance: bool = False,
) -> SoftArgmax:
    """Take the expected position of each joint along one axis: a depth, or one of SimCC's two classifications.

    Weights, grids, options, corner cases, gradients and errors are those of :func:`soft_argmax_2d`.

    Args:
        heatmaps: (B, K, W), as there.
        normalization, inverse_temperature, coordinates, debias, covariance: as there.

    Returns:
        coords: (B, K, 1).
        confidence: (B, K).
        covariance: (B, K, 1, 1), the variance, or None.

    Raises:
        ValueError, TypeError: as there.

    Example:
        >>> soft_argmax_1d(torch.tensor([[[0.0, 1.0, 3.0, 0.0]]]), normalization="sum").coords
        tensor([[[1.7500]]])

    Source: Sun et al., Integral Human Pose Regression, ECCV 2018, section 2.
    """
    return _soft_argmax(1, heatmaps, normalization, inverse_temperature, coordinates, debias, covariance)
