"""gaussian_heatmap_loss against rendering and subtracting, against NumPy loops, and at its corners."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from pyposeops import gaussian_heatmap, gaussian_heatmap_loss, hardest_joints, joints_mse_loss, reference
from tests.op_contract import (
    FLOATS,
    ISAS,
    assert_compiles,
    assert_graph_captures,
    assert_same,
    layouts,
    run_under_isa,
)
from tests.property_tests import given, settings, st

ENCODINGS = ("msra", "unbiased", "udp")
SIZE = (24, 18)
# A sum of some hundred squares in float32, in another order; target values within 5e-7.
FLOAT32 = {"rtol": 5e-6, "atol": 1e-9}
GRADIENT = {torch.float32: 1e-6, torch.float64: 1e-12, torch.float16: 2e-3, torch.bfloat16: 1.6e-2}


def people(generator, *shape, size=SIZE, margin=9.0, dtype=torch.float32):
    """Joints on the map and up to `margin` pixels off it, a third of them invisible, others of weight 1 or 2."""
    spread = torch.tensor([size[1] + 2 * margin, size[0] + 2 * margin])
    keypoints = torch.rand(*shape, 2, generator=generator, dtype=torch.float64) * spread - margin
    visibility = torch.randint(0, 3, shape, generator=generator)
    return keypoints.to(dtype), visibility.to(torch.float32)


def numpy_loop(pred, keypoints, visibility, sigma, squared_weight):
    """Pixel by pixel, for one person a map: the rendering of Simple Baselines and its criterion, or mmpose's."""
    batch, joints, height, width = pred.shape
    total = 0.0
    for b in range(batch):
        for k in range(joints):
            mu_x, mu_y = math.floor(keypoints[b, k, 0] + 0.5), math.floor(keypoints[b, k, 1] + 0.5)
            radius = math.floor(3 * sigma)
            weight = float(visibility[b, k])
            if mu_x - radius >= width or mu_y - radius >= height or mu_x + radius < 0 or mu_y + radius < 0:
                weight = 0.0
            squares = 0.0
            for y in range(height):
                for x in range(width):
                    inside = abs(x - mu_x) <= radius and abs(y - mu_y) <= radius and visibility[b, k] >= 0.5
                    distance = (x - mu_x) ** 2 + (y - mu_y) ** 2
                    target = math.exp(-distance / (2 * sigma**2)) if inside else 0.0
                    difference = float(pred[b, k, y, x]) - target
                    squares += (weight * difference) ** 2 / 2 if squared_weight else weight * difference**2
            total += squares / (height * width)
    return total / (batch * joints)


@pytest.mark.parametrize("squared_weight", [True, False])
@pytest.mark.parametrize("sigma", [1.5, 2.0])
def test_equals_numpy_loop(device, generator, sigma, squared_weight):
    keypoints, visibility = people(generator, 3, 4, dtype=torch.float64)
    pred = torch.randn(3, 4, *SIZE, generator=generator, dtype=torch.float64)
    got = gaussian_heatmap_loss(
        pred.to(device),
        keypoints.to(device),
        visibility.to(device),
        sigma=sigma,
        squared_weight=squared_weight,
    )
    want = numpy_loop(pred.numpy(), keypoints.numpy(), visibility.numpy(), sigma, squared_weight)
    assert got.item() == pytest.approx(want, rel=1e-12)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("compat", ["fixed", "reference"])
@pytest.mark.parametrize("sigma", [2.0, 1.2, 0.1, 40.0])
@pytest.mark.parametrize("channels_last", [False, True])
def test_equals_rendering_and_subtracting(device, generator, encoding, compat, sigma, channels_last):
    keypoints, visibility = (t.to(device) for t in people(generator, 5, 7))
    layout = torch.channels_last if channels_last else torch.contiguous_format
    pred = torch.randn(5, 7, *SIZE, generator=generator).to(device).contiguous(memory_format=layout)
    options = {"sigma": sigma, "encoding": encoding, "compat": compat}
    target, weights = gaussian_heatmap(keypoints, visibility, SIZE, **options)
    for reduction in ("mean", "sum", "none"):
        leaf, other = pred.clone().requires_grad_(), pred.clone().requires_grad_()
        got = gaussian_heatmap_loss(leaf, keypoints, visibility, reduction=reduction, **options)
        want = joints_mse_loss(other, target, weights, reduction=reduction)
        assert_same(got, want, **FLOAT32)
        got.sum().backward()
        want.sum().backward()
        assert_same(leaf.grad, other.grad, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "options",
    [
        {"encoding": "megvii", "kernel_size": 9},
        {"encoding": "megvii", "kernel_size": 15, "compat": "mspn"},
        {"encoding": "cmu", "sigma": 1.3},
        {"encoding": "normalized", "sigma": 1.7},
        {"encoding": "normalized", "sigma": 1.7, "compat": "lightning_pose"},
        {"encoding": "unbiased", "sigma": [[2.0, 0.9]]},
        {"encoding": "msra", "sigma": "per person"},
    ],
)
@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("count", [1, 3])
def test_every_encoding_equals_rendering_and_subtracting(device, generator, options, channels_last, count):
    keypoints, visibility = (t.to(device) for t in people(generator, 3, count, 5))
    layout = torch.channels_last if channels_last else torch.contiguous_format
    pred = torch.randn(3, 5, *SIZE, generator=generator).to(device).contiguous(memory_format=layout)
    if options.get("sigma") == "per person":
        options = {**options, "sigma": torch.rand(3, count, 5, 1, generator=generator).to(device) + 1}
    options = {**options, "input_size": (48, 36)}
    target, weights = gaussian_heatmap(keypoints, visibility, SIZE, **options)
    leaf, other = pred.clone().requires_grad_(), pred.clone().requires_grad_()
    got = gaussian_heatmap_loss(leaf, keypoints, visibility, **options)
    want = joints_mse_loss(other, target, weights)
    assert_same(got, want, **FLOAT32)
    got.backward()
    want.backward()
    assert_same(leaf.grad, other.grad, rtol=1e-5, atol=1e-6)
    again = pred.double().requires_grad_()
    (gradient,) = torch.autograd.grad(
        gaussian_heatmap_loss(again, keypoints, visibility, **options), again, create_graph=True
    )
    assert_same(gradient.float(), leaf.grad, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("squared_weight", [True, False])
@pytest.mark.parametrize(("own", "others"), [(0, 0), (1, 0), (1, 1), (3, 0), (3, 4), (0, 2)])
def test_people_and_interference_equal_definition(
    device, generator, encoding, channels_last, squared_weight, own, others
):
    keypoints, visibility = people(generator, 3, own, 4)
    other_keypoints, other_visibility = people(generator, 3, others, 4)
    options = {
        "sigma": 2.0,
        "encoding": encoding,
        "squared_weight": squared_weight,
        "interference_weight": 0.3,
    }
    if others:
        options |= {"interference_keypoints": other_keypoints, "interference_visibility": other_visibility}
    layout = torch.channels_last if channels_last else torch.contiguous_format
    pred = torch.randn(3, 4, *SIZE, generator=generator)
    expected_pred = pred.clone().requires_grad_()
    expected = reference.gaussian_heatmap_loss(expected_pred, keypoints, visibility, **options)
    expected.backward()
    leaf = pred.clone().to(device).contiguous(memory_format=layout).requires_grad_()
    moved = {name: v.to(device) if isinstance(v, torch.Tensor) else v for name, v in options.items()}
    got = gaussian_heatmap_loss(leaf, keypoints.to(device), visibility.to(device), **moved)
    assert_same(got, expected, **FLOAT32)
    got.backward()
    assert_same(leaf.grad, expected_pred.grad, rtol=1e-5, atol=1e-8)


def test_interference_of_crowdpose_by_hand(device):
    """The target of one joint at (2, 2) and another person's at (7, 2), with mu one half, is T + C / 2."""
    keypoints = torch.tensor([[[2.0, 2.0]]], device=device)
    other = torch.tensor([[[7.0, 2.0]]], device=device)
    ones = torch.ones(1, 1, device=device)
    own_map, other_map = (
        gaussian_heatmap(points, ones, (5, 10), sigma=1.0, encoding="unbiased").heatmaps
        for points in (keypoints, other)
    )
    options = {
        "sigma": 1.0,
        "encoding": "unbiased",
        "interference_keypoints": other,
        "interference_visibility": ones,
    }
    exact = own_map + other_map / 2
    assert gaussian_heatmap_loss(exact, keypoints, ones, **options).item() < 1e-13
    off = gaussian_heatmap_loss(exact + 0.1, keypoints, ones, **options)
    assert off.item() == pytest.approx(0.005, rel=1e-5)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("size", [(24, 18), (16, 24), (1, 1), (3, 50)])
def test_every_dtype_equals_definition_in_float64(device, generator, dtype, channels_last, size):
    keypoints, visibility = people(generator, 3, 5, size=size, margin=2.0, dtype=torch.float64)
    pred = torch.randn(3, 5, *size, generator=generator).to(dtype)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    leaf = pred.clone().to(device).contiguous(memory_format=layout).requires_grad_()
    got = gaussian_heatmap_loss(leaf, keypoints.to(device), visibility.to(device), sigma=1.7, encoding="udp")
    exact = pred.detach().double().requires_grad_()
    want = reference.gaussian_heatmap_loss(exact, keypoints, visibility, sigma=1.7, encoding="udp")
    assert got.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    assert got.item() == pytest.approx(want.item(), rel=1e-12 if dtype == torch.float64 else 1e-5)
    got.backward()
    want.backward()
    assert leaf.grad.dtype == dtype
    floor = 6e-8 if dtype == torch.float16 else 1e-8 if dtype != torch.float64 else 1e-14
    assert_same(leaf.grad.double(), exact.grad, rtol=GRADIENT[dtype], atol=floor)


def test_float16_gradient_keeps_its_digits_under_a_loss_scale(device, generator):
    keypoints, visibility = people(generator, 16, 17, size=(64, 48))
    pred = (torch.randn(16, 17, 64, 48, generator=generator) * 0.01).half()  # gradients near 1e-8
    leaf = pred.clone().to(device).requires_grad_()
    (gaussian_heatmap_loss(leaf, keypoints.to(device), visibility.to(device), sigma=2.0) * 2.0**16).backward()
    exact = pred.detach().double().requires_grad_()
    (reference.gaussian_heatmap_loss(exact, keypoints, visibility, sigma=2.0) * 2.0**16).backward()
    assert_same(leaf.grad.double(), exact.grad, rtol=2e-3, atol=1e-6)


def test_every_layout_and_every_upstream_gradient(device, generator):
    keypoints, visibility = people(generator, 3, 5)
    pred = torch.randn(3, 5, *SIZE, generator=generator)
    upstream = torch.randn(3, 5, generator=generator)
    upstream[0, 0] = 1.0
    upstream[1, 1] = 0.0
    exact = pred.detach().double().requires_grad_()
    want = reference.gaussian_heatmap_loss(exact, keypoints, visibility, sigma=2.0, reduction="none")
    want.backward(upstream.double())
    for laid_out in layouts(pred.to(device)).values():
        leaf = laid_out.detach().requires_grad_()
        got = gaussian_heatmap_loss(
            leaf, keypoints.to(device), visibility.to(device), sigma=2.0, reduction="none"
        )
        assert_same(got.double(), want, **FLOAT32)
        got.backward(upstream.to(device))
        assert_same(leaf.grad.double(), exact.grad, rtol=1e-5, atol=1e-8)


def test_input_size_and_sigma_per_joint(device, generator):
    keypoints, visibility = (t.to(device) for t in people(generator, 4, 3, size=(96, 72)))
    pred = torch.randn(4, 3, *SIZE, generator=generator).to(device)
    for encoding in ENCODINGS:
        for sigma in ([0.5, 2.0, 3.3], torch.tensor([0.5, 2.0, 3.3], device=device), 1.0):
            options = {"sigma": sigma, "encoding": encoding, "input_size": (96, 72)}
            target, weights = gaussian_heatmap(keypoints, visibility, SIZE, **options)
            assert_same(
                gaussian_heatmap_loss(pred, keypoints, visibility, **options),
                joints_mse_loss(pred, target, weights),
                **FLOAT32,
            )


def test_hardest_joints_on_top(device, generator):
    keypoints, visibility = (t.to(device) for t in people(generator, 4, 9))
    pred = torch.randn(4, 9, *SIZE, generator=generator).to(device).requires_grad_()
    losses = gaussian_heatmap_loss(pred, keypoints, visibility, sigma=2.0, reduction="none")
    hardest_joints(losses, top_k=3).backward()
    want = losses.detach().sort(1, descending=True).values[:, :3].mean()
    assert_same(hardest_joints(losses.detach(), top_k=3), want, rtol=1e-6, atol=0.0)
    touched = pred.grad.abs().amax((2, 3)) > 0
    assert (touched.sum(1) <= 3).all()


# ---- corners -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels_last", [False, True])
def test_joint_that_does_not_count_may_hold_anything(device, channels_last):
    layout = torch.channels_last if channels_last else torch.contiguous_format
    pred = torch.zeros(1, 5, 8, 9, device=device)
    pred[0, 1:] = math.nan
    pred[0, 2, 0] = math.inf
    pred = pred.contiguous(memory_format=layout).requires_grad_()
    keypoints = torch.full((1, 5, 2), 4.0, device=device)
    keypoints[0, 1] = math.nan
    keypoints[0, 2] = 1000.0
    visibility = torch.tensor([[1.0, 1.0, 1.0, 0.0, math.nan]], device=device)
    losses = gaussian_heatmap_loss(pred, keypoints, visibility, sigma=1.0, reduction="none")
    assert losses[0, 0] > 0 and losses[0, 1:].tolist() == [0.0] * 4
    losses.sum().backward()
    assert torch.isfinite(pred.grad).all() and not pred.grad[0, 1:].any()


@pytest.mark.parametrize("channels_last", [False, True])
def test_nan_and_infinity_show_in_the_loss_of_their_joint_only(device, channels_last):
    layout = torch.channels_last if channels_last else torch.contiguous_format
    pred = torch.zeros(1, 3, 8, 9, device=device)
    pred[0, 1, 2, 2] = math.nan
    pred[0, 2, 0, 0] = math.inf
    losses = gaussian_heatmap_loss(
        pred.contiguous(memory_format=layout),
        torch.full((1, 3, 2), 4.0, device=device),
        torch.ones(1, 3, device=device),
        sigma=1.0,
        reduction="none",
    )
    assert losses[0, 0].isfinite() and losses[0, 1].isnan() and losses[0, 2] == math.inf


@pytest.mark.parametrize("shape", [(0, 3), (2, 0)])
def test_mean_of_no_joints_is_zero(device, shape):
    pred = torch.zeros(*shape, 4, 5, device=device, requires_grad=True)
    loss = gaussian_heatmap_loss(
        pred, torch.zeros(*shape, 2, device=device), torch.ones(shape, device=device), sigma=1.0
    )
    assert loss.item() == 0
    loss.backward()
    assert pred.grad.shape == pred.shape


@settings(max_examples=40, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(1, 9), st.integers(1, 70)),
    count=st.integers(0, 3),
    sigma=st.floats(0.05, 30),
    seed=st.integers(0, 2**31),
    channels_last=st.booleans(),
    encoding=st.sampled_from(ENCODINGS),
)
def test_any_shape_equals_definition(shape, count, sigma, seed, channels_last, encoding):
    batch, joints, *size = shape
    generator = torch.Generator().manual_seed(seed)
    keypoints, visibility = people(generator, batch, count, joints, size=size)
    pred = torch.randn(shape, generator=generator)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    options = {"sigma": sigma, "encoding": encoding, "reduction": "none"}
    got = gaussian_heatmap_loss(pred.contiguous(memory_format=layout), keypoints, visibility, **options)
    assert_same(got, reference.gaussian_heatmap_loss(pred, keypoints, visibility, **options), **FLOAT32)


@pytest.mark.cuda
def test_more_people_than_a_block_can_stage(generator):
    keypoints, visibility = people(generator, 2, 60, 133)
    pred = torch.randn(2, 133, *SIZE, generator=generator).contiguous(memory_format=torch.channels_last)
    got = gaussian_heatmap_loss(pred.cuda(), keypoints.cuda(), visibility.cuda(), sigma=1.0)
    assert_same(got, gaussian_heatmap_loss(pred, keypoints, visibility, sigma=1.0), **FLOAT32)


# ---- gradients ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_gradcheck_first_and_second(device, generator, reduction, encoding):
    keypoints, visibility = (t.to(device) for t in people(generator, 2, 2, 3, size=(4, 3), margin=1.0))
    pred = torch.randn(2, 3, 4, 3, generator=generator, dtype=torch.float64).to(device).requires_grad_()
    sigma = torch.tensor([0.7, 1.0, 2.0], device=device)

    def loss(p):
        return gaussian_heatmap_loss(
            p,
            keypoints * 4,
            visibility,
            sigma=sigma,
            encoding=encoding,
            input_size=(16, 12),
            reduction=reduction,
            interference_keypoints=keypoints.flip(0) * 4,
            interference_visibility=visibility,
        )

    assert torch.autograd.gradcheck(loss, (pred,))
    assert torch.autograd.gradgradcheck(loss, (pred,))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_backward_twice_through_a_retained_graph(device, generator, dtype):
    keypoints, visibility = (t.to(device) for t in people(generator, 2, 3))
    leaf = torch.randn(2, 3, *SIZE, generator=generator).to(device, dtype).requires_grad_()
    loss = gaussian_heatmap_loss(leaf, keypoints, visibility, sigma=2.0, reduction="sum")
    three = torch.tensor(3.0, device=device)
    (first,) = torch.autograd.grad(loss, leaf, three, retain_graph=True)
    kept = first.clone()
    (second,) = torch.autograd.grad(loss, leaf, 2 * three, retain_graph=True)
    (third,) = torch.autograd.grad(loss, leaf, three)
    assert torch.equal(first, kept) and torch.equal(third, first)
    assert_same(second, 2 * first, rtol=1e-3, atol=1e-7)


def test_backward_takes_no_memory_beside_the_gradient(generator):
    keypoints, visibility = people(generator, 2, 3)
    leaf = torch.randn(2, 3, *SIZE, generator=generator).requires_grad_()
    loss = gaussian_heatmap_loss(leaf, keypoints, visibility, sigma=2.0)
    stored = loss.grad_fn.gradient.data_ptr()
    (gradient,) = torch.autograd.grad(loss, leaf, torch.tensor(2.0))
    assert gradient.data_ptr() == stored


@pytest.mark.cuda
def test_peak_memory_is_the_gradient(generator):
    keypoints, visibility = (t.cuda() for t in people(generator, 64, 17, size=(64, 48)))
    leaf = torch.randn(64, 17, 64, 48, generator=generator).cuda().requires_grad_()
    gaussian_heatmap_loss(leaf, keypoints, visibility, sigma=2.0).backward()
    leaf.grad = None
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    (gaussian_heatmap_loss(leaf, keypoints, visibility, sigma=2.0) * 3).backward()
    extra = torch.cuda.max_memory_allocated() - before
    assert extra < 1.05 * leaf.numel() * leaf.element_size()


def test_no_gradient_flows_to_the_joints(generator):
    keypoints, visibility = people(generator, 2, 3)
    keypoints.requires_grad_()
    pred = torch.zeros(2, 3, *SIZE)
    assert not gaussian_heatmap_loss(
        pred, keypoints, visibility, sigma=2.0, encoding="unbiased"
    ).requires_grad


# ---- the machinery -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", range(3))
@pytest.mark.parametrize("with_gradient", [False, True])
def test_opcheck(device, generator, encoding, with_gradient):
    keypoints, visibility = (t.to(device) for t in people(generator, 2, 3))
    pred = torch.randn(2, 3, *SIZE, generator=generator).to(device)
    torch.library.opcheck(
        torch.ops.pyposeops.gaussian_heatmap_loss.default,
        (pred, keypoints, visibility, 2.0, encoding, True, 0, with_gradient),
    )


def test_compiles_without_graph_breaks(device, generator):
    keypoints, visibility = (t.to(device) for t in people(generator, 2, 3))
    pred = torch.randn(2, 3, *SIZE, generator=generator).to(device)
    assert_compiles(lambda *t: gaussian_heatmap_loss(*t, sigma=2.0), pred, keypoints, visibility)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_compiles_with_gradient(device, generator, dtype):
    keypoints, visibility = (t.to(device) for t in people(generator, 2, 3))
    pred = torch.randn(2, 3, *SIZE, generator=generator).to(device, dtype)

    def loss(p):
        return gaussian_heatmap_loss(p * 2, keypoints, visibility, sigma=2.0, encoding="udp") * 3

    torch._dynamo.reset()
    gradients = []
    for function in (loss, torch.compile(loss, fullgraph=True, backend="aot_eager")):
        leaf = pred.clone().requires_grad_()
        function(leaf).backward()
        gradients.append(leaf.grad)
    assert_same(gradients[1], gradients[0])


def test_exports(generator):
    class Module(torch.nn.Module):
        def forward(self, *tensors):
            return gaussian_heatmap_loss(*tensors, sigma=2.0)

    tensors = torch.randn(2, 3, *SIZE, generator=generator), *people(generator, 2, 3)
    program = torch.export.export(Module(), tensors)
    assert_same(program.module()(*tensors), Module()(*tensors))


def test_under_autocast(device, generator):
    keypoints, visibility = (t.to(device) for t in people(generator, 2, 3))
    leaf = torch.randn(2, 3, *SIZE, generator=generator).to(device).requires_grad_()
    with torch.autocast(device.type, torch.bfloat16):
        pred = torch.nn.functional.conv2d(leaf, torch.ones(3, 3, 1, 1, device=device))
        loss = gaussian_heatmap_loss(pred, keypoints, visibility, sigma=2.0)
    assert pred.dtype == torch.bfloat16 and loss.dtype == torch.float32
    loss.backward()
    assert leaf.grad.dtype == torch.float32


@pytest.mark.cuda
def test_cuda_graph_capture(generator):
    keypoints, visibility = (t.cuda() for t in people(generator, 2, 3))
    pred = torch.randn(2, 3, *SIZE, generator=generator).cuda()
    assert_graph_captures(lambda p: gaussian_heatmap_loss(p, keypoints, visibility, sigma=2.0), pred)


@pytest.mark.parametrize("isa", ISAS)
def test_every_instruction_set_equals_definition(isa):
    run_under_isa(
        isa,
        "import torch, pyposeops\n"
        f"assert pyposeops.build_info()['cpu_isa'] == '{isa}'\n"
        "g = torch.Generator().manual_seed(0)\n"
        "k = torch.rand(3, 2, 5, 2, generator=g) * 30 - 5; v = torch.rand(3, 2, 5, generator=g) * 2\n"
        "bounds = {torch.float32: 1e-6, torch.float64: 1e-12, torch.float16: 2e-3, torch.bfloat16: 1.6e-2}\n"
        "for encoding in ('msra', 'unbiased', 'udp'):\n"
        "    for dtype, bound in bounds.items():\n"
        "        for layout in (torch.contiguous_format, torch.channels_last):\n"
        "            p = torch.randn(3, 5, 20, 19, generator=g).to(dtype).contiguous(memory_format=layout)\n"
        "            a, b = p.clone().requires_grad_(), p.double().requires_grad_()\n"
        "            o = dict(sigma=2.0, encoding=encoding, reduction='sum')\n"
        "            x = pyposeops.gaussian_heatmap_loss(a, k, v, **o)\n"
        "            y = pyposeops.reference.gaussian_heatmap_loss(b, k, v, **o)\n"
        "            x.backward(); y.backward()\n"
        "            assert abs(x.item() / y.item() - 1) < 1e-5\n"
        "            assert ((a.grad.double() - b.grad).abs() <= bound * b.grad.abs() + 1e-7).all()\n",
    )


def test_numpy_in_numpy_out(generator):
    keypoints, visibility = people(generator, 2, 3)
    pred = torch.randn(2, 3, *SIZE, generator=generator)
    options = {"sigma": 2.0, "reduction": "none"}
    got = gaussian_heatmap_loss(pred.numpy(), keypoints.numpy(), visibility.numpy(), **options)
    assert isinstance(got, np.ndarray)
    np.testing.assert_array_equal(got, gaussian_heatmap_loss(pred, keypoints, visibility, **options).numpy())


# ---- bad input ---------------------------------------------------------------------------------------------------

GOOD = {
    "pred": torch.zeros(2, 3, *SIZE),
    "keypoints": torch.zeros(2, 3, 2),
    "visibility": torch.ones(2, 3),
    "sigma": 2.0,
}
OTHERS = {"interference_keypoints": torch.zeros(2, 4, 3, 2), "interference_visibility": torch.ones(2, 4, 3)}


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"pred": torch.zeros(3, *SIZE)}, ValueError, "pred: expected (B, K, H, W), got (3, 24, 18)"),
        ({"pred": torch.zeros(2, 4, *SIZE)}, ValueError, "pred: expected (B, K, H, W), got (2, 4, 24, 18)"),
        (
            {"pred": torch.zeros(2, 3, 0, 18)},
            ValueError,
            "pred: expected at least 1 and fewer than 2^31 pixels",
        ),
        ({"pred": torch.zeros(2, 3, *SIZE, dtype=torch.int64)}, TypeError, "pred: expected dtype float32"),
        ({"keypoints": torch.zeros(2, 3, 3)}, ValueError, "keypoints: expected (B, K, 2) or (B, N, K, 2)"),
        (
            {"keypoints": torch.zeros(2, 3, 2, dtype=torch.int64)},
            TypeError,
            "keypoints: expected dtype float32",
        ),
        (
            {"visibility": torch.ones(2, 4)},
            ValueError,
            "visibility: expected the shape of keypoints (2, 3, 2)",
        ),
        ({"sigma": 0.0}, ValueError, "sigma: expected a finite number above 0"),
        (
            {"sigma": torch.ones(4)},
            ValueError,
            "sigma: expected a number or one per joint (K,), (K, 2) for x and y",
        ),
        ({"encoding": "gauss"}, ValueError, "encoding: expected one of msra, unbiased, udp, megvii"),
        ({"compat": "old"}, ValueError, "compat: expected one of fixed, reference, mspn"),
        ({"reduction": "max"}, ValueError, "reduction: expected one of mean, sum, none, got 'max'"),
        ({"input_size": (0, 5)}, ValueError, "input_size: expected a height and width of at least 1"),
        ({"interference_keypoints": torch.zeros(2, 3, 2)}, ValueError, "expected both or none, got one"),
        (
            {**OTHERS, "interference_keypoints": torch.zeros(2, 4, 5, 2)},
            ValueError,
            "interference_visibility: expected the shape of interference_keypoints (2, 4, 5, 2)",
        ),
        (
            {"interference_keypoints": torch.zeros(1, 3, 2), "interference_visibility": torch.ones(1, 3)},
            ValueError,
            "interference_keypoints: expected the batch and the joints of keypoints, got (1, 3, 2)",
        ),
    ],
)
def test_bad_input_is_named(change, error, words):
    with pytest.raises(error) as caught:
        gaussian_heatmap_loss(**{**GOOD, **change})
    assert words in str(caught.value)


@pytest.mark.cuda
def test_mixed_devices_are_named():
    with pytest.raises(ValueError, match="pred: expected the device of keypoints"):
        gaussian_heatmap_loss(
            torch.zeros(2, 3, *SIZE).cuda(), torch.zeros(2, 3, 2), torch.ones(2, 3), sigma=2.0
        )
