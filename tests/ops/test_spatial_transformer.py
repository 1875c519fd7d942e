"""spatial_transformer and paste_back against their definition, grid_sample, OpenCV, and at their corners."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import pyposeops
from pyposeops import (
    affine_from_box,
    crop_features,
    invert_theta,
    paste_back,
    reference,
    spatial_transformer,
    theta_from_affine,
)
from tests.op_contract import FLOATS, assert_compiles, assert_graph_captures, assert_same, layouts
from tests.ops.test_theta import random_theta
from tests.property_tests import given, settings, st

PADDINGS = ("zeros", "border", "reflection")
# Positions of float32 are exact to 1e-5 of a pixel here, and neighbours differ by up to 6.
CLOSE = {
    torch.float32: {"rtol": 1e-5, "atol": 1e-4},
    torch.float64: {"rtol": 1e-10, "atol": 1e-10},
    torch.float16: {"rtol": 2e-3, "atol": 3e-3},
    torch.bfloat16: {"rtol": 1e-2, "atol": 2e-2},
}


def random_maps(generator, *shape, dtype=torch.float32):
    return torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype)


def gradients(function, maps, theta, upstream, *args, **options):
    maps = maps.clone(memory_format=torch.preserve_format).requires_grad_()
    theta = theta.clone().requires_grad_()
    return torch.autograd.grad(function(maps, theta, *args, **options), (maps, theta), upstream)


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("align_corners", [False, True])
def test_equals_definition_in_every_layout(device, generator, padding, align_corners):
    maps, theta = random_maps(generator, 3, 5, 13, 9), 1.5 * random_theta(generator, 3, torch.float32)
    options = {"padding": padding, "align_corners": align_corners}
    want = reference.spatial_transformer(maps, theta, (11, 14), **options)
    for stored in layouts(maps.to(device)).values():
        got = spatial_transformer(stored, theta.to(device), (11, 14), **options)
        assert_same(got, want, **CLOSE[torch.float32])


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("channels_last", [False, True])
def test_every_dtype_forward_and_gradient(device, generator, dtype, channels_last):
    layout = torch.channels_last if channels_last else torch.contiguous_format
    maps = random_maps(generator, 2, 6, 12, 10, dtype=dtype).contiguous(memory_format=layout)
    theta = random_theta(generator, 2)
    upstream = random_maps(generator, 2, 6, 7, 9, dtype=dtype)
    got = spatial_transformer(maps.to(device), theta.to(device), (7, 9))
    assert got.dtype == dtype
    assert_same(got.double(), reference.spatial_transformer(maps.double(), theta, (7, 9)), **CLOSE[dtype])
    found = gradients(spatial_transformer, maps.to(device), theta.to(device), upstream.to(device), (7, 9))
    exact = gradients(reference.spatial_transformer, maps.double(), theta, upstream.double(), (7, 9))
    assert found[0].dtype == dtype and found[1].dtype == torch.float64
    assert_same(found[0].double(), exact[0], **CLOSE[dtype])
    assert_same(found[1], exact[1], rtol=1e-4, atol=1e-2 if dtype != torch.float64 else 1e-9)


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("size", [(8, 6), (20, 17), (3, 4)])
def test_equals_affine_grid_and_grid_sample_with_both_gradients(
    device, generator, padding, align_corners, size
):
    maps = random_maps(generator, 3, 4, 8, 6, dtype=torch.float64).to(device)
    theta = random_theta(generator, 3).to(device)
    upstream = random_maps(generator, 3, 4, *size, dtype=torch.float64).to(device)

    def torch_transformer(x, t, out_size, *, padding, align_corners):
        grid = F.affine_grid(t, [x.shape[0], x.shape[1], *out_size], align_corners=align_corners)
        return F.grid_sample(x, grid, padding_mode=padding, align_corners=align_corners)

    options = {"padding": padding, "align_corners": align_corners}
    assert_same(
        spatial_transformer(maps, theta, size, **options),
        torch_transformer(maps, theta, size, **options),
        rtol=1e-9,
        atol=1e-9,
    )
    assert_same(
        gradients(spatial_transformer, maps, theta, upstream, size, **options),
        gradients(torch_transformer, maps, theta, upstream, size, **options),
        rtol=1e-8,
        atol=1e-8,
    )


@pytest.mark.parametrize("align_corners", [False, True])
def test_equals_opencv_warp_affine(generator, align_corners):
    cv2 = pytest.importorskip("cv2")
    if int(cv2.__version__.split(".")[0]) < 5:
        pytest.skip("OpenCV before 5 rounds positions to 1/32 pixel")
    image = torch.rand(1, 1, 60, 80, generator=generator)
    affine = affine_from_box(torch.tensor([[20.0, 10.0, 30.0, 40.0]]), (48, 36), rotation_deg=20.0)
    theta = theta_from_affine(affine, (60, 80), (48, 36), align_corners=align_corners)
    got = spatial_transformer(image, theta, (48, 36), align_corners=align_corners)
    want = cv2.warpAffine(image[0, 0].numpy(), affine[0].double().numpy(), (36, 48), flags=cv2.INTER_LINEAR)
    np.testing.assert_allclose(got[0, 0].numpy(), want, atol=1e-4)


def test_identity_gives_the_input(device, generator):
    maps = random_maps(generator, 2, 3, 9, 7).to(device)
    theta = torch.eye(2, 3, device=device).expand(2, 2, 3)
    for align_corners in (False, True):
        got = spatial_transformer(maps, theta, align_corners=align_corners)
        torch.testing.assert_close(got, maps, rtol=0, atol=1e-5)


def test_a_window_of_the_same_scale_is_crop_features(generator):
    maps = random_maps(generator, 1, 3, 30, 40, dtype=torch.float64)
    center = torch.tensor([[[17.3, 12.8]]], dtype=torch.float64)
    affine = torch.tensor([[[1.0, 0.0, 4.0 - 17.3], [0.0, 1.0, 4.0 - 12.8]]], dtype=torch.float64)
    got = spatial_transformer(maps, theta_from_affine(affine, (30, 40), (9, 9)), (9, 9))
    torch.testing.assert_close(got, crop_features(maps, center, 9, sampling="bilinear")[:, 0])


@pytest.mark.parametrize("align_corners", [False, True])
def test_paste_back_is_the_transformer_of_the_inverse(device, generator, align_corners):
    maps, theta = random_maps(generator, 2, 3, 16, 12).to(device), random_theta(generator, 2).to(device)
    got = paste_back(maps, theta, (30, 40), align_corners=align_corners)
    gamma = torch.linalg.inv(F.pad(theta, (0, 0, 0, 1)) + theta.new_tensor([[0, 0, 0], [0, 0, 0], [0, 0, 1]]))
    want = reference.spatial_transformer(maps, gamma[:, :2], (30, 40), align_corners=align_corners)
    assert_same(got, want, **CLOSE[torch.float32])


def test_there_and_back_again_inside_the_region():
    """A smooth picture survives STN and SDTN at another resolution, and is 0 outside of the region."""
    y, x = torch.meshgrid(torch.arange(80.0), torch.arange(60.0), indexing="ij")
    picture = (torch.sin(x / 9) + torch.cos(y / 11))[None, None]
    theta = torch.tensor([[[0.5, 0.1, 0.1], [-0.1, 0.6, -0.05]]])
    maps = spatial_transformer(picture, theta, (128, 96))
    back = paste_back(maps, theta, (80, 60))
    inside = paste_back(torch.ones_like(maps), theta, (80, 60)) > 0.999
    assert 800 < inside.sum() < 1600
    torch.testing.assert_close(back[inside], picture[inside], rtol=0, atol=0.02)
    far = paste_back(torch.ones_like(maps), theta, (80, 60)) == 0
    assert far.sum() > 2500 and not back[far].any()


def test_theta_that_is_not_finite_gives_zeros_and_no_gradient(device):
    maps = torch.ones(4, 2, 6, 5, device=device, requires_grad=True)
    theta = torch.eye(2, 3, device=device).repeat(4, 1, 1)
    theta[0, 0, 0], theta[1, 1, 2], theta[2, 0, 1] = math.nan, math.inf, -math.inf
    theta.requires_grad_()
    for padding in PADDINGS:
        got = spatial_transformer(maps, theta, padding=padding)
        assert not got[:3].any() and got[3].all()
        to_maps, to_theta = torch.autograd.grad(got.sum(), (maps, theta))
        assert not to_maps[:3].any() and to_maps[3].all() and not to_theta[:3].any()


def test_paste_back_of_a_singular_theta_gives_zeros_and_no_gradient(device):
    maps = torch.ones(1, 2, 6, 5, device=device, requires_grad=True)
    theta = torch.tensor([[[1.0, 2.0, 0.0], [2.0, 4.0, 0.0]]], device=device, requires_grad=True)
    got = paste_back(maps, theta)
    got.sum().backward()
    assert not got.any() and not maps.grad.any() and not theta.grad.any()


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("align_corners", [False, True])
def test_gradcheck(device, generator, padding, align_corners):
    maps = random_maps(generator, 2, 2, 5, 4, dtype=torch.float64).to(device).requires_grad_()
    theta = random_theta(generator, 2).to(device).requires_grad_()
    options = {"padding": padding, "align_corners": align_corners}
    assert torch.autograd.gradcheck(lambda m, t: spatial_transformer(m, t, (4, 6), **options), (maps, theta))


def test_gradcheck_of_paste_back(device, generator):
    maps = random_maps(generator, 2, 2, 5, 4, dtype=torch.float64).to(device).requires_grad_()
    theta = random_theta(generator, 2).to(device).requires_grad_()
    assert torch.autograd.gradcheck(lambda m, t: paste_back(m, t, (6, 7)), (maps, theta))


@pytest.mark.parametrize("shape", [(0, 3, 8, 6), (2, 0, 8, 6)])
def test_no_images_and_no_channels(device, shape):
    maps = torch.ones(shape, device=device, requires_grad=True)
    theta = torch.zeros(shape[0], 2, 3, device=device, requires_grad=True)
    got = spatial_transformer(maps, theta, (4, 5))
    assert got.shape == (*shape[:2], 4, 5)


def test_half_precision_positions_are_those_of_float32(generator):
    """256 pixels across: bfloat16 positions would be off by a pixel."""
    ramp = torch.linspace(0, 1, 256).expand(1, 1, 4, 256).contiguous()
    theta = torch.tensor([[[0.43, 0.0, 0.21], [0.0, 1.0, 0.0]]])
    want = spatial_transformer(ramp, theta)
    got = spatial_transformer(ramp.bfloat16(), theta)
    assert (got.float() - want).abs().max() < 4e-3


@settings(max_examples=40, deadline=None)
@given(
    numbers=st.lists(st.floats(-4, 4, width=32), min_size=6, max_size=6),
    padding=st.sampled_from(PADDINGS),
    align_corners=st.booleans(),
    height=st.integers(1, 7),
    width=st.integers(1, 7),
)
def test_any_theta_equals_definition(numbers, padding, align_corners, height, width):
    maps = torch.arange(30.0, dtype=torch.float64).view(1, 1, 6, 5)
    theta = torch.tensor(numbers, dtype=torch.float64).view(1, 2, 3)
    options = {"padding": padding, "align_corners": align_corners}
    got = spatial_transformer(maps, theta, (height, width), **options)
    want = reference.spatial_transformer(maps, theta, (height, width), **options)
    assert_same(got, want, rtol=1e-9, atol=1e-9)


def test_compiles_with_gradient(generator):
    maps, theta = random_maps(generator, 2, 3, 8, 6), random_theta(generator, 2, torch.float32)
    torch._dynamo.reset()
    found = []
    for function in (paste_back, torch.compile(paste_back, fullgraph=True, backend="aot_eager")):
        found.append(gradients(function, maps, theta, torch.ones(2, 3, 8, 6)))
    assert_same(found[1], found[0])
    assert_compiles(lambda m, t: spatial_transformer(m, t, (5, 4)), maps, theta)


@pytest.mark.cuda
def test_cuda_graph_capture(generator):
    maps, theta = random_maps(generator, 2, 3, 8, 6).cuda(), random_theta(generator, 2, torch.float32).cuda()
    assert_graph_captures(lambda m, t: spatial_transformer(m, t, (5, 4)), maps, theta)


MAPS, THETA = torch.zeros(2, 3, 8, 6), torch.zeros(2, 2, 3)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"input": MAPS[0]}, ValueError, r"input: expected \(B, C, H, W\)"),
        ({"input": MAPS[:, :, :0]}, ValueError, "input: expected a height and width of at least 1"),
        ({"input": MAPS.int()}, TypeError, "input"),
        ({"theta": THETA[0]}, ValueError, r"theta: expected \(N, 2, 3\)"),
        ({"theta": THETA[:1]}, ValueError, "theta: expected one per image, 2, got 1"),
        ({"size": (4, 0)}, ValueError, "size: expected a height and width of at least 1"),
        ({"size": 4}, ValueError, r"size: expected \(height, width\)"),
        ({"padding": "wrap"}, ValueError, "padding: expected one of zeros, border, reflection"),
    ],
)
def test_wrong_arguments_are_named(change, error, message):
    with pytest.raises(error, match=message):
        spatial_transformer(**{"input": MAPS, "theta": THETA, **change})


def test_invert_theta_of_the_identity_is_exact():
    assert torch.equal(invert_theta(torch.eye(2, 3)[None]), torch.eye(2, 3)[None])


@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
def test_the_way_of_one_order_gives_the_same(padding, monkeypatch):
    generator = torch.Generator().manual_seed(0)
    maps = torch.randn(2, 3, 7, 6, generator=generator, dtype=torch.float64).requires_grad_()
    theta = torch.tensor([[[0.7, 0.2, 0.1], [-0.3, 0.9, 0.4]]] * 2, dtype=torch.float64).requires_grad_()
    want = pyposeops.spatial_transformer(maps, theta, (5, 4), padding=padding)
    # named by its module: the function of the same name shadows it as an attribute of the package
    module = sys.modules["pyposeops.ops.spatial_transformer"]
    monkeypatch.setattr(module, "_needs_one_order", lambda _: True)
    got = pyposeops.spatial_transformer(maps, theta, (5, 4), padding=padding)
    torch.testing.assert_close(got, want)
    for one, other in zip(
        *(torch.autograd.grad(x.square().sum(), (maps, theta)) for x in (got, want)), strict=True
    ):
        torch.testing.assert_close(one, other)


@pytest.mark.cuda
def test_gradient_is_deterministic_where_that_is_asked_for():
    maps = torch.randn(2, 3, 64, 48, device="cuda", requires_grad=True)
    theta = torch.tensor([[[0.7, 0.2, 0.1], [-0.3, 0.9, 0.4]]] * 2, device="cuda")
    torch.use_deterministic_algorithms(True)
    try:
        first, second = (
            torch.autograd.grad(pyposeops.spatial_transformer(maps, theta, (256, 192)).square().sum(), maps)[
                0
            ]
            for _ in range(2)
        )
    finally:
        torch.use_deterministic_algorithms(False)
    assert torch.equal(first, second)
