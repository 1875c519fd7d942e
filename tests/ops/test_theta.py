"""The matrices of a spatial transformer against their formulas."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from pyposeops import (
    affine_from_box,
    invert_theta,
    paste_back_keypoints,
    theta_from_affine,
    transform_keypoints,
)
from tests.op_contract import assert_compiles, assert_same


def random_theta(generator, batch=6, dtype=torch.float64):
    """Near the identity: invertible."""
    theta = torch.eye(2, 3, dtype=torch.float64) + 0.3 * torch.randn(
        batch, 2, 3, generator=generator, dtype=torch.float64
    )
    return theta.to(dtype)


def test_inverse_is_alphaposes_gamma(device, generator):
    """gamma_12 = inverse of theta_12, gamma_3 = -gamma_12 theta_3."""
    theta = random_theta(generator)
    got = invert_theta(theta.to(device)).cpu().numpy()
    for matrix, gamma in zip(theta.numpy(), got, strict=True):
        inverse = np.linalg.inv(matrix[:, :2])
        np.testing.assert_allclose(gamma[:, :2], inverse, rtol=1e-12)
        np.testing.assert_allclose(gamma[:, 2], -inverse @ matrix[:, 2], rtol=1e-12)


def test_gradient_is_the_closed_form(generator):
    """With B = A^-1 and G = dB - dg t^T: dA = -B^T G B^T, dt = -B^T dg."""
    theta = random_theta(generator).requires_grad_()
    upstream = torch.randn(6, 2, 3, generator=generator, dtype=torch.float64)
    (got,) = torch.autograd.grad(invert_theta(theta), theta, upstream)
    for matrix, grad, found in zip(theta.detach().numpy(), upstream.numpy(), got.numpy(), strict=True):
        inverse, shift = np.linalg.inv(matrix[:, :2]), matrix[:, 2]
        residue = grad[:, :2] - np.outer(grad[:, 2], shift)
        np.testing.assert_allclose(found[:, :2], -inverse.T @ residue @ inverse.T, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(found[:, 2], -inverse.T @ grad[:, 2], rtol=1e-9, atol=1e-12)


def test_gradient_any_number_of_times(device, generator):
    theta = random_theta(generator, batch=2).to(device).requires_grad_()
    assert torch.autograd.gradcheck(invert_theta, theta)
    assert torch.autograd.gradgradcheck(invert_theta, theta)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_gradient_has_the_dtype_of_theta(generator, dtype):
    theta = random_theta(generator, dtype=dtype).requires_grad_()
    gamma = invert_theta(theta)
    assert gamma.dtype == torch.float32
    gamma.sum().backward()
    assert theta.grad.dtype == dtype and theta.grad.isfinite().all()


def test_theta_without_inverse_gives_nan_and_gradient_zero(generator):
    theta = random_theta(generator, batch=4)
    theta[0, :, :2] = torch.tensor([[1.0, 2.0], [2.0, 4.0]])
    theta[1, 0, 2] = math.nan
    theta[2, 1, 1] = math.inf
    theta.requires_grad_()
    gamma = invert_theta(theta)
    assert gamma[:3].isnan().all() and gamma[3].isfinite().all()
    gamma.nan_to_num().sum().backward()
    assert not theta.grad[:3].any() and theta.grad[3].all()


@pytest.mark.parametrize("align_corners", [False, True])
def test_keypoints_go_through_pixels_and_theta_pixel_by_pixel(generator, align_corners):
    """(x_s, y_s) = theta (x_t, y_t, 1), from fractions of one picture to fractions of the other."""
    theta = random_theta(generator, batch=2)
    keypoints = torch.rand(2, 5, 2, generator=generator, dtype=torch.float64) * 40 - 4
    size, input_size = (32, 24), (100, 80)
    got = paste_back_keypoints(keypoints, theta, size, input_size, align_corners=align_corners)
    for b in range(2):
        for k in range(5):
            fraction = []
            for pixel, n in zip(keypoints[b, k].tolist(), size[::-1], strict=True):
                fraction.append(2 * pixel / (n - 1) - 1 if align_corners else (2 * pixel + 1) / n - 1)
            source = theta[b].numpy() @ np.array([*fraction, 1.0])
            for value, n, found in zip(source, input_size[::-1], got[b, k].tolist(), strict=True):
                wanted = (value + 1) * (n - 1) / 2 if align_corners else ((value + 1) * n - 1) / 2
                assert found == pytest.approx(wanted, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("convention", ["msra", "udp"])
def test_theta_of_an_affine_takes_joints_back_as_the_affine_does(generator, align_corners, convention):
    boxes = torch.tensor([[10.0, 20.0, 30.0, 60.0], [5.0, 6.0, 70.0, 40.0]], dtype=torch.float64)
    affines = affine_from_box(boxes, (64, 48), convention=convention, rotation_deg=25.0)
    theta = theta_from_affine(affines, (120, 90), (64, 48), align_corners=align_corners)
    joints = torch.rand(2, 4, 2, generator=generator, dtype=torch.float64) * 80
    in_crop = transform_keypoints(joints, affines)
    back = paste_back_keypoints(in_crop, theta, (64, 48), (120, 90), align_corners=align_corners)
    torch.testing.assert_close(back, joints, rtol=0, atol=1e-10)


def test_half_pixel_thetas_hold_at_any_resolution(generator):
    """Joints found on heat maps of a quarter of the crop land where those of the crop do."""
    theta = random_theta(generator, batch=2)
    on_crop = torch.rand(2, 3, 2, generator=generator, dtype=torch.float64) * 200
    on_maps = (on_crop + 0.5) / 4 - 0.5
    crop = paste_back_keypoints(on_crop, theta, (256, 192), (480, 640))
    maps = paste_back_keypoints(on_maps, theta, (64, 48), (480, 640))
    torch.testing.assert_close(crop, maps, rtol=0, atol=1e-9)


def test_gradients_of_the_others(generator):
    theta = random_theta(generator, batch=2).requires_grad_()
    keypoints = torch.rand(2, 3, 2, generator=generator, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda k, t: paste_back_keypoints(k, t, (8, 6), (20, 30)), (keypoints, theta)
    )
    assert torch.autograd.gradcheck(lambda t: theta_from_affine(t, (8, 6), (20, 30)), theta)


def test_compiles(generator):
    assert_compiles(invert_theta, random_theta(generator, dtype=torch.float32))


def test_arrays_in_arrays_out(generator):
    theta = random_theta(generator)
    assert_same(torch.from_numpy(invert_theta(theta.numpy())), invert_theta(theta))


THETA, POINTS = torch.zeros(2, 2, 3), torch.zeros(2, 4, 2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: invert_theta(torch.zeros(2, 3)), r"theta: expected \(N, 2, 3\)"),
        (
            lambda: theta_from_affine(THETA, (0, 4), (4, 4)),
            "input_size: expected a height and width of at least 1",
        ),
        (
            lambda: theta_from_affine(THETA, (4, 4), (1, 4), align_corners=True),
            "size: expected .* at least 2",
        ),
        (lambda: theta_from_affine(THETA, 4, (4, 4)), r"input_size: expected \(height, width\)"),
        (lambda: paste_back_keypoints(POINTS[0], THETA, (4, 4), (4, 4)), r"keypoints: expected \(B, K, 2\)"),
        (
            lambda: paste_back_keypoints(POINTS, THETA[:1], (4, 4), (4, 4)),
            "theta: expected one per image, 2, got 1",
        ),
        (
            lambda: paste_back_keypoints(POINTS, THETA, (4, 4), (4,)),
            r"input_size: expected \(height, width\)",
        ),
    ],
)
def test_wrong_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
