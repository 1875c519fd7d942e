"""Triangulation against OpenCV, SciPy's least squares and points that are known."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

from pyposeops import project_points, triangulate_points
from tests.op_contract import assert_compiles, assert_same


def ring_of_cameras(count, dtype=torch.float64):
    """(V, 3, 4): focal length 1100 px, 4 m from the origin, millimetres, looking inwards."""
    cameras = []
    for n in range(count):
        angle = 2 * math.pi * n / max(count, 3)
        turn = np.array(
            [[math.cos(angle), 0, -math.sin(angle)], [0, 1, 0], [math.sin(angle), 0, math.cos(angle)]]
        )
        inner = np.array([[1100.0, 0, 960 + 7 * n], [0, 1090, 540 - 5 * n], [0, 0, 1]])
        cameras.append(inner @ np.column_stack([turn, [30.0 * n, -20.0 * n, 4000]]))
    return torch.tensor(np.stack(cameras), dtype=dtype)


def scene(generator, views=4, shape=(3,), joints=6, noise=0.0):
    cameras = ring_of_cameras(views)
    points = torch.randn(*shape, joints, 3, generator=generator, dtype=torch.float64) * 500
    seen = project_points(points[..., None, :, :], cameras)
    return points, cameras, seen + noise * torch.randn(seen.shape, generator=generator, dtype=torch.float64)


# ---- projection --------------------------------------------------------------------------------------------


def test_projection_equals_a_loop(device, generator):
    points, cameras, _ = scene(generator)
    got = project_points(points[:, None].to(device), cameras.to(device)).cpu().numpy()
    assert got.shape == (3, 4, 6, 2)
    for n, v, k in np.ndindex(3, 4, 6):
        x, y, z = cameras[v].numpy() @ np.append(points[n, k].numpy(), 1.0)
        np.testing.assert_allclose(got[n, v, k], [x / z, y / z], rtol=1e-12)


def test_projection_equals_opencv(generator):
    cv2 = pytest.importorskip("cv2")
    points, _, _ = scene(generator)
    inner = np.array([[1100.0, 0, 960], [0, 1090, 540], [0, 0, 1]])
    turn, shift = np.array([0.1, -0.4, 0.2]), np.array([20.0, 30.0, 5000.0])
    want, _ = cv2.projectPoints(points[0].numpy(), turn, shift, inner, None)
    camera = inner @ np.column_stack([cv2.Rodrigues(turn)[0], shift])
    np.testing.assert_allclose(project_points(points[0].numpy(), camera), want.reshape(-1, 2), rtol=1e-10)


def test_projection_is_exact_where_matrix_products_are_not(generator):
    points, cameras, _ = scene(generator)
    points, cameras = points[:, None].float(), cameras.float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(project_points(points, cameras), project_points(points, cameras))
    want = project_points(points.double(), cameras.double())
    assert_same(project_points(points, cameras).double(), want, rtol=0, atol=2e-3)


# ---- triangulation -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("views", [2, 3, 8])
@pytest.mark.parametrize("refine_steps", [0, 5])
def test_exact_points_are_recovered(device, generator, views, refine_steps):
    points, cameras, seen = scene(generator, views, (2, 3))
    got = triangulate_points(seen.to(device), cameras.to(device), refine_steps=refine_steps)
    assert_same(got.points, points, rtol=0, atol=1e-7)
    assert float(got.errors.max()) < 1e-8
    assert torch.equal(got.views, torch.full((2, 3, 6), views, device=device))


def test_equals_triangulate_points_of_opencv(generator):
    cv2 = pytest.importorskip("cv2")
    _, cameras, seen = scene(generator, 2, noise=3.0)
    got = triangulate_points(seen, cameras).points
    for n in range(len(seen)):
        want = cv2.triangulatePoints(*cameras.numpy(), *seen[n].numpy().transpose(0, 2, 1))
        np.testing.assert_allclose(got[n], (want[:3] / want[3]).T, rtol=1e-7, atol=1e-6)


def test_weights_equal_a_decomposition_by_numpy(device, generator):
    _, cameras, seen = scene(generator, 5, noise=2.0)
    weights = torch.rand(seen.shape[:-1], generator=generator, dtype=torch.float64)
    weights[:, 3, 1] = 0
    got = triangulate_points(seen.to(device), cameras.to(device), weights=weights.to(device))
    for n, k in np.ndindex(3, 6):
        rows = []
        for v in range(5):
            x, y = seen[n, v, k].numpy()
            first, second, third = cameras[v].numpy()
            rows += [
                float(weights[n, v, k]) * (x * third - first),
                float(weights[n, v, k]) * (y * third - second),
            ]
        solution = np.linalg.svd(np.array(rows))[2][-1]
        np.testing.assert_allclose(got.points[n, k].cpu(), solution[:3] / solution[3], rtol=1e-9, atol=1e-7)
    assert int(got.views[0, 1]) == 4 and int(got.views[0, 0]) == 5


def test_error_is_the_mean_distance_in_the_views_used(device, generator):
    _, cameras, seen = scene(generator, 4, noise=5.0)
    seen[:, 2, 4] = math.nan
    got = triangulate_points(seen.to(device), cameras.to(device))
    again = project_points(got.points[:, None], cameras.to(device))
    want = (again.cpu() - seen).norm(dim=-1).nanmean(1)
    assert_same(got.errors.cpu(), want, rtol=1e-10, atol=0)


def test_unseen_views_are_left_out(device, generator):
    points, cameras, seen = scene(generator, 4)
    weights = torch.ones(seen.shape[:-1], dtype=torch.float64)
    seen[:, 0, 0] = math.nan
    seen[:, 1, 0, 1] = math.inf
    seen[:, 2, 1], weights[:, 2, 1] = 1e4, 0.0
    seen[:, 3, 2], weights[:, 3, 2] = -1e4, math.nan
    got = triangulate_points(seen.to(device), cameras.to(device), weights=weights.to(device))
    assert_same(got.points, points, rtol=0, atol=1e-7)
    assert got.views[0].tolist() == [2, 3, 3, 4, 4, 4]


def test_too_few_views_give_nan_and_no_gradient(device, generator):
    _, cameras, seen = scene(generator, 3)
    seen[0, :2, 0] = math.nan
    seen[1, :, 1] = math.nan
    keypoints, cameras = seen.to(device).requires_grad_(), cameras.to(device).requires_grad_()
    got = triangulate_points(keypoints, cameras, refine_steps=2)
    lost = torch.zeros(3, 6, dtype=torch.bool)
    lost[0, 0] = lost[1, 1] = True
    assert torch.equal(got.points.isnan().all(-1).cpu(), lost)
    assert torch.equal(got.errors.isnan().cpu(), lost)
    (got.points.nansum() + got.errors.nansum()).backward()
    assert keypoints.grad.isfinite().all() and cameras.grad.isfinite().all()
    assert not keypoints.grad[0, :, 0].any() and keypoints.grad[2].any()
    assert triangulate_points(keypoints, cameras, min_views=4).points.isnan().all()
    alone = triangulate_points(keypoints[:, :1], cameras[:1])
    assert alone.points.isnan().all() and int(alone.views.max()) == 1


def test_huber_steps_equal_least_squares_of_scipy(generator):
    optimize = pytest.importorskip("scipy.optimize")
    _, cameras, seen = scene(generator, 5, (1,), 4, noise=1.5)
    seen[0, 1, 2] += 25.0
    got = triangulate_points(seen, cameras, refine_steps=30).points[0]
    start = triangulate_points(seen, cameras).points[0]
    for k in range(4):

        def loss(point, k=k):
            pixels = project_points(point[None], cameras.numpy())[:, 0]
            distance = np.linalg.norm(pixels - seen[0, :, k].numpy(), axis=1)
            return np.where(distance <= 2, distance**2, 4 * distance - 4).sum()

        best = optimize.minimize(
            loss, start[k].numpy(), method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-12}
        )
        assert loss(got[k].numpy()) <= best.fun * (1 + 1e-6)


def test_huber_loss_holds_off_one_wrong_view(generator):
    points, cameras, seen = scene(generator, 6, noise=0.3)
    seen[:, 2] += 60.0
    off = (triangulate_points(seen, cameras).points - points).norm(dim=-1)
    robust = (triangulate_points(seen, cameras, refine_steps=20).points - points).norm(dim=-1)
    assert float(robust.max()) < 6 < float(off.min())


def test_refinement_never_raises_the_loss(generator):
    """Pixels that no point fits: a full step often leads away."""
    cameras = ring_of_cameras(3)
    seen = torch.rand(20, 3, 6, 2, generator=generator, dtype=torch.float64) * 2000
    losses = []
    for steps in (0, 1, 2, 5):
        pixels = project_points(
            triangulate_points(seen, cameras, refine_steps=steps).points[:, None], cameras
        )
        distance = (pixels - seen).norm(dim=-1)
        losses.append(torch.where(distance <= 2, distance**2, 4 * distance - 4).sum(1))
    for before, after in itertools.pairwise(losses):
        assert (after <= before * (1 + 1e-12)).all()
    assert (losses[-1] < losses[0]).any()


# ---- the machinery -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("refine_steps", [0, 2])
def test_gradcheck_twice(generator, refine_steps):
    _, cameras, seen = scene(generator, 3, (1,), 2, noise=2.0)
    seen, cameras = seen / 1000, torch.diag(torch.tensor([1e-3, 1e-3, 1.0], dtype=torch.float64)) @ cameras
    cameras = cameras @ torch.diag(
        torch.tensor([1.0, 1, 1, 1e-3], dtype=torch.float64)
    )  # pixels and metres of order 1
    weights = torch.rand(seen.shape[:-1], generator=generator, dtype=torch.float64) + 0.5
    inputs = [t.requires_grad_() for t in (seen, cameras, weights)]

    def run(seen, cameras, weights):
        got = triangulate_points(seen, cameras, weights=weights, refine_steps=refine_steps, huber_px=1e-3)
        return got.points, got.errors

    assert torch.autograd.gradcheck(run, inputs, rtol=1e-3, atol=1e-4)
    if refine_steps == 0:
        assert torch.autograd.gradgradcheck(run, inputs, rtol=1e-3, atol=1e-3)


def test_compiles_and_exports(device, generator):
    class Both(torch.nn.Module):
        def forward(self, seen, cameras):
            points, errors, _ = triangulate_points(seen, cameras, refine_steps=2)
            return points, errors, project_points(points[:, None], cameras)

    _, cameras, seen = scene(generator, 3, noise=1.0)
    inputs = seen.to(device), cameras.to(device)
    assert_compiles(Both(), *inputs)
    exported = torch.export.export(Both(), inputs).module()
    for got, want in zip(exported(*inputs), Both()(*inputs), strict=True):
        assert torch.equal(got, want)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_everything_is_computed_in_float64(generator, dtype):
    wide = torch.float64 if dtype == torch.float64 else torch.float32
    _, cameras, seen = scene(generator, 3)
    seen, cameras = seen.to(dtype), (cameras / 1000).to(dtype)
    got = triangulate_points(seen, cameras, weights=torch.ones(seen.shape[:-1], dtype=dtype))
    want = triangulate_points(seen.double(), cameras.double())
    assert got.points.dtype == got.errors.dtype == project_points(got.points, cameras[0]).dtype == wide
    assert torch.equal(got.points, want.points.to(wide))


def test_cameras_of_their_own_for_each_person(device, generator):
    points, cameras, seen = scene(generator, 3)
    each = cameras.expand(3, 3, 3, 4).to(device)
    assert_same(triangulate_points(seen.to(device), each).points, points, rtol=0, atol=1e-7)
    shared = triangulate_points(seen[0].to(device), each)  # one person's keypoints, three sets of cameras
    assert shared.points.shape == (3, 6, 3) and shared.errors.shape == shared.views.shape == (3, 6)


def test_numpy_in_numpy_out(generator):
    _, cameras, seen = scene(generator, 3, noise=1.0)
    got = triangulate_points(seen.numpy(), cameras.numpy(), weights=np.ones(seen.shape[:-1]))
    want = triangulate_points(seen, cameras)
    for array, tensor in zip(got, want, strict=True):
        assert isinstance(array, np.ndarray)
        np.testing.assert_array_equal(array, tensor.numpy())
    assert isinstance(project_points(got.points[:, None], cameras.numpy()), np.ndarray)


def test_nobody_and_no_joints(generator):
    cameras = ring_of_cameras(3)
    for shape in ((0, 3, 5, 2), (2, 3, 0, 2)):
        got = triangulate_points(torch.zeros(shape), cameras, refine_steps=1)
        assert got.points.shape == (shape[0], shape[2], 3) and got.errors.shape == (shape[0], shape[2])
    assert project_points(torch.zeros(0, 1, 5, 3), cameras).shape == (0, 3, 5, 2)


SEEN, CAMERAS = torch.zeros(2, 3, 5, 2), torch.zeros(3, 3, 4)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: project_points(torch.zeros(3), CAMERAS), r"points: expected \(..., K, 3\), got \(3,\)"),
        (lambda: project_points(torch.zeros(2, 3), torch.zeros(3, 3)), r"cameras: expected \(..., 3, 4\)"),
        (
            lambda: project_points(torch.zeros(2, 5, 3), CAMERAS),
            r"cameras: expected leading dimensions that go with",
        ),
        (
            lambda: project_points(torch.zeros(5, 3), CAMERAS.to("meta")),
            "cameras: expected the device of points",
        ),
        (
            lambda: triangulate_points(torch.zeros(5, 3), CAMERAS),
            r"keypoints: expected \(..., 2\), got \(5, 3\)",
        ),
        (lambda: triangulate_points(torch.zeros(5, 2), CAMERAS), r"keypoints: expected \(..., V, K, 2\)"),
        (lambda: triangulate_points(SEEN, CAMERAS[:2]), r"cameras: expected \(..., 3, 3, 4\), one per view"),
        (lambda: triangulate_points(SEEN, CAMERAS[0]), r"cameras: expected \(..., 3, 3, 4\), one per view"),
        (
            lambda: triangulate_points(SEEN, CAMERAS.expand(3, 3, 3, 4)),
            "cameras: expected leading dimensions",
        ),
        (lambda: triangulate_points(SEEN, CAMERAS.to("meta")), "cameras: expected the device of keypoints"),
        (
            lambda: triangulate_points(SEEN, CAMERAS, weights=torch.ones(2, 3)),
            r"weights: expected \(2, 3, 5\)",
        ),
        (
            lambda: triangulate_points(SEEN, CAMERAS, weights=torch.ones(2, 3, 5, device="meta")),
            "weights: expected the device of keypoints",
        ),
        (lambda: triangulate_points(SEEN, CAMERAS, min_views=1), "min_views: expected at least 2, got 1"),
        (
            lambda: triangulate_points(SEEN, CAMERAS, refine_steps=-1),
            "refine_steps: expected at least 0, got -1",
        ),
        (
            lambda: triangulate_points(SEEN, CAMERAS, huber_px=0.0),
            "huber_px: expected a finite number above 0",
        ),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_views_whose_camera_or_weight_is_not_finite_are_not_used():
    cameras = torch.tensor(
        [[[1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]], [[1.0, 0, 0, 2], [0, 1, 0, 0], [0, 0, 1, 0]]] * 2
    )
    keypoints = torch.tensor([[[0.5, 0.25]], [[1.0, 0.25]], [[7.0, 7.0]], [[9.0, 9.0]]])
    weights = torch.ones(4, 1)
    cameras[2, 0, 0], weights[3] = float("nan"), float("inf")
    points, _, views = triangulate_points(keypoints, cameras, weights=weights)
    torch.testing.assert_close(points, torch.tensor([[2.0, 1.0, 4.0]]))
    assert views.tolist() == [2]
