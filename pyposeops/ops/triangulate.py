"""Points in space from several cameras, and back into their images.

Plain PyTorch, differentiable: a few small matrices per joint, nothing for a kernel to gain. On CUDA the singular
value decomposition waits for the device, so a CUDA graph cannot capture ``triangulate_points``.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from pyposeops._library import accepts_numpy
from pyposeops.ops.affine import check_device, check_last


class Triangulation(NamedTuple):
    """Points in space and how well they fit."""

    points: Tensor  # (..., K, 3), in the units of the cameras; NaN with too few views
    errors: Tensor  # (..., K), mean reprojection error in pixels over the views used; NaN with too few
    views: Tensor  # (..., K), int64, how many views were used


@accepts_numpy
def project_points(points: Tensor, cameras: Tensor) -> Tensor:
    """Where cameras see points in space: ``(x, y, z) = P @ (X, Y, Z, 1)`` at pixel ``(x / z, y / z)``.

    Args:
        points: (..., K, 3).
        cameras: (..., 3, 4), projection matrices from space to pixels. The leading dimensions of the two
            are broadcast: points (B, 1, K, 3) and cameras (V, 3, 4) give (B, V, K, 2).

    Returns:
        (..., K, 2) as (x, y) in pixels, float64 for a float64 input, otherwise float32. Points behind a
        camera are projected by the same formula; at depth 0 they are infinite or NaN.

    Raises:
        ValueError: shapes or devices that do not fit.

    Example:
        >>> camera = torch.tensor([[100.0, 0, 50, 0], [0, 100, 40, 0], [0, 0, 1, 0]])
        >>> project_points(torch.tensor([[1.0, 2.0, 10.0]]), camera)
        tensor([[60., 60.]])

    Source: Hartley and Zisserman, Multiple View Geometry in Computer Vision, section 6.1.
    """
    if points.ndim < 2 or points.shape[-1] != 3:
        raise ValueError(f"points: expected (..., K, 3), got {tuple(points.shape)}")
    _check_cameras(cameras)
    check_device(cameras, "cameras", points, "points")
    _check_broadcast(points.shape[:-2], cameras.shape[:-2], "cameras")
    dtype = _result_dtype(points, cameras)
    projected = _homogeneous(points.to(dtype), cameras.to(dtype))
    return projected[..., :2] / projected[..., 2:]


@accepts_numpy
def triangulate_points(
    keypoints: Tensor,
    cameras: Tensor,
    *,
    weights: Tensor | None = None,
    min_views: int = 2,
    refine_steps: int = 0,
    huber_px: float = 2.0,
) -> Triangulation:
    """Points in space from their pixels in several cameras.

    The direct linear transform: the unit vector X in homogeneous coordinates that minimises the sum over
    views of ``weight^2 ((x P3 - P1) X)^2 + weight^2 ((y P3 - P2) X)^2``, by a singular value decomposition
    in float64. With ``refine_steps``, that many Gauss-Newton steps then minimise the Huber loss of the
    distances in pixels, the weight times ``r^2`` up to ``r = huber_px`` and ``2 huber_px r - huber_px^2``
    beyond, so that a view that is far off counts little; a step that does not lower the loss is not taken.

    Args:
        keypoints: (..., V, K, 2) as (x, y) in undistorted pixels of V cameras. A view with a coordinate that is
            not finite is not used for that joint.
        cameras: (..., V, 3, 4), projection matrices; leading dimensions are broadcast with those of keypoints.
            A view whose camera is not finite is not used.
        weights: (..., V, K), of any scale, such as scores; a view at or below 0, NaN or infinite is not used.
            None: 1.
        min_views: a joint with fewer is not triangulated; at least 2.
        refine_steps: 0 for the linear solution alone; 10 is plenty.
        huber_px: above 0.

    Returns:
        Triangulation(points (..., K, 3), errors (..., K), views (..., K)); points and errors float64 for a
        float64 input, otherwise float32 (computed in float64), NaN for joints of fewer than ``min_views``.
        errors weighs every used view alike.

    Raises:
        ValueError: shapes, devices and values that do not fit.

    Differentiable in keypoints, cameras and weights but where two singular values are equal; joints of too
    few views get the gradient 0.

    Example:
        >>> cameras = torch.tensor([[[1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]],
        ...                         [[1.0, 0, 0, 2], [0, 1, 0, 0], [0, 0, 1, 0]]])
        >>> points, errors, views = triangulate_points(torch.tensor([[[0.5, 0.25]], [[1.0, 0.25]]]), cameras)
        >>> points.round(decimals=4), views
        (tensor([[2., 1., 4.]]), tensor([2]))

    Source: Hartley and Zisserman, Multiple View Geometry in Computer Vision, section 12.2; the refinement is that
    of OpenPose's 3D module (Cao et al., OpenPose, TPAMI 2021; Huber loss of 2 px, views with a score above 0.2).
    """
    _check_views(keypoints, cameras, weights, min_views, refine_steps, huber_px)
    dtype = _result_dtype(keypoints, cameras)
    people = torch.broadcast_shapes(keypoints.shape[:-3], cameras.shape[:-3])
    keypoints = keypoints.double().expand(*people, *keypoints.shape[-3:])
    cameras = cameras.double()
    sees = cameras.isfinite().all(-1).all(-1)[..., None]
    cameras = torch.where(sees[..., None], cameras, 0.0)
    used = keypoints.isfinite().all(-1) & sees
    if weights is None:
        weights = keypoints.new_ones(()).expand(used.shape)
    used = used & (weights > 0) & weights.isfinite()
    weights = torch.where(used, weights.double(), 0.0)
    keypoints = torch.where(used[..., None], keypoints, 0.0)
    views = used.sum(-2)
    enough = views >= min_views
    points = _linear_solution(keypoints, cameras, weights, enough)
    for _ in range(refine_steps):
        points = _huber_step(points, keypoints, cameras, weights, huber_px)
    distances = _distances(points, keypoints, cameras, used)
    errors = torch.where(used, distances, 0.0).sum(-2) / views.clamp_min(1)
    points = torch.where(enough[..., None], points, math.nan)
    return Triangulation(points.to(dtype), torch.where(enough, errors, math.nan).to(dtype), views)


def _linear_solution(keypoints: Tensor, cameras: Tensor, weights: Tensor, enough: Tensor) -> Tensor:
    """(..., K, 3)."""
    first, second, third = (row[..., None, :] for row in cameras.unbind(-2))  # (..., V, 1, 4)
    across = (keypoints[..., :1] * third - first) * weights[..., None]
    down = (keypoints[..., 1:] * third - second) * weights[..., None]
    rows = torch.cat([across, down], dim=-3).transpose(-3, -2)  # (..., K, 2 V, 4)
    # Any matrix with four different singular values stands in for the joints that are not triangulated: the
    # gradient of the decomposition would be NaN at zero, and 0 times NaN is NaN.
    stand_in = torch.diag(torch.arange(4.0, 0.0, -1.0, dtype=rows.dtype, device=rows.device))
    stand_in = torch.nn.functional.pad(stand_in, (0, 0, 0, max(rows.shape[-2] - 4, 0)))[: rows.shape[-2]]
    rows = torch.where(enough[..., None, None], rows, stand_in)
    if rows.shape[-2] < 4:  # one camera: nothing is triangulated
        return rows.new_zeros(*rows.shape[:-2], 3)
    solution: Tensor = torch.linalg.svd(rows, full_matrices=False).Vh[..., 3, :]
    return solution[..., :3] / solution[..., 3:]


def _huber_step(
    points: Tensor, keypoints: Tensor, cameras: Tensor, weights: Tensor, huber_px: float
) -> Tensor:
    """The points after one Gauss-Newton step on the Huber loss, or as they were where that does not lower it."""
    projected = _homogeneous(points[..., None, :, :], cameras)  # (..., V, K, 3)
    depth = _away_from_zero(projected[..., 2:])
    pixels = projected[..., :2] / depth
    residual = keypoints - pixels
    # d(pixel)/d(point): (..., V, K, 2, 3)
    linear = cameras[..., None, :, :3]
    jacobian = (linear[..., :2, :] - pixels[..., None] * linear[..., 2:, :]) / depth[..., None]
    distance = _norm(residual)
    weight = weights * huber_px / distance.clamp_min(huber_px)
    weighted = jacobian * weight[..., None, None]
    normal = (weighted[..., :, None] * jacobian[..., None, :]).sum(-3).sum(-4)  # (..., K, 3, 3)
    target = (weighted * residual[..., None]).sum(-2).sum(-3)
    moved = points + _solve_3x3(normal, target)
    before = _huber_loss(distance, weights, huber_px)
    after = _huber_loss(_distances(moved, keypoints, cameras, weights > 0), weights, huber_px)
    return torch.where((after < before)[..., None], moved, points)


def _huber_loss(distance: Tensor, weights: Tensor, huber_px: float) -> Tensor:
    quadratic = distance * distance
    loss = torch.where(distance <= huber_px, quadratic, 2 * huber_px * distance - huber_px**2)
    return (weights * loss).sum(-2)


def _distances(points: Tensor, keypoints: Tensor, cameras: Tensor, used: Tensor) -> Tensor:
    """(..., V, K): pixels between where points are seen and where they project to; 0 in views that are not used."""
    projected = _homogeneous(points[..., None, :, :], cameras)
    depth = torch.where(used, projected[..., 2], 1.0)[..., None]
    return torch.where(used, _norm(projected[..., :2] / depth - keypoints), 0.0)


def _homogeneous(points: Tensor, cameras: Tensor) -> Tensor:
    """``P @ (X, 1)``, written out: a matrix product may be rounded to TF32."""
    rows = cameras[..., None, :, :]  # (..., 1, 3, 4) beside points (..., K, 3)
    x, y, z = (value[..., None] for value in points.unbind(-1))
    return rows[..., 0] * x + rows[..., 1] * y + rows[..., 2] * z + rows[..., 3]


def _norm(vector: Tensor) -> Tensor:
    """Length along the last dimension, with the gradient 0 at length 0."""
    squared = (vector * vector).sum(-1)
    positive = squared > 0
    return torch.where(positive, torch.where(positive, squared, 1.0).sqrt(), 0.0)


def _away_from_zero(depth: Tensor) -> Tensor:
    return torch.where(depth == 0, 1.0, depth)


def _solve_3x3(matrix: Tensor, right: Tensor) -> Tensor:
    """``matrix^-1 @ right`` for symmetric matrices, by cofactors; 0 where the determinant is 0."""
    (a, b, c), (_, d, e), (_, _, f) = (row.unbind(-1) for row in matrix.unbind(-2))
    cofactors = [d * f - e * e, c * e - b * f, b * e - c * d, a * f - c * c, b * c - a * e, a * d - b * b]
    determinant = a * cofactors[0] + b * cofactors[1] + c * cofactors[2]
    singular = determinant == 0
    inverse = torch.where(singular, 0.0, 1.0 / torch.where(singular, 1.0, determinant))
    x, y, z = right.unbind(-1)
    p, q, r, s, t, u = (cofactor * inverse for cofactor in cofactors)
    return torch.stack([p * x + q * y + r * z, q * x + s * y + t * z, r * x + t * y + u * z], dim=-1)


def _result_dtype(first: Tensor, second: Tensor) -> torch.dtype:
    return torch.float64 if torch.float64 in (first.dtype, second.dtype) else torch.float32


def _check_cameras(cameras: Tensor) -> None:
    if cameras.ndim < 2 or cameras.shape[-2:] != (3, 4):
        raise ValueError(f"cameras: expected (..., 3, 4), got {tuple(cameras.shape)}")


def _check_broadcast(first: torch.Size, second: torch.Size, name: str) -> None:
    try:
        torch.broadcast_shapes(first, second)
    except RuntimeError:
        raise ValueError(
            f"{name}: expected leading dimensions that go with {tuple(first)}, got {tuple(second)}"
        ) from None


def _check_views(
    keypoints: Tensor,
    cameras: Tensor,
    weights: Tensor | None,
    min_views: int,
    refine_steps: int,
    huber_px: float,
) -> None:
    check_last(keypoints, "keypoints", 2)
    if keypoints.ndim < 3:
        raise ValueError(f"keypoints: expected (..., V, K, 2), got {tuple(keypoints.shape)}")
    _check_cameras(cameras)
    if cameras.ndim < 3 or cameras.shape[-3] != keypoints.shape[-3]:
        raise ValueError(
            f"cameras: expected (..., {keypoints.shape[-3]}, 3, 4), one per view, got {tuple(cameras.shape)}"
        )
    check_device(cameras, "cameras", keypoints, "keypoints")
    _check_broadcast(keypoints.shape[:-3], cameras.shape[:-3], "cameras")
    if weights is not None:
        if weights.shape != keypoints.shape[:-1]:
            raise ValueError(f"weights: expected {tuple(keypoints.shape[:-1])}, got {tuple(weights.shape)}")
        check_device(weights, "weights", keypoints, "keypoints")
    if min_views < 2:
        raise ValueError(f"min_views: expected at least 2, got {min_views}")
    if refine_steps < 0:
        raise ValueError(f"refine_steps: expected at least 0, got {refine_steps}")
    if not (math.isfinite(huber_px) and huber_px > 0):
        raise ValueError(f"huber_px: expected a finite number above 0, got {huber_px}")
