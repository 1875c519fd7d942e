"""joints_mse_loss against the published loops, and at its corners."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from pyposeops import joints_mse_loss, reference
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

# A sum of some hundred squares in float32, in another order; the difference is rounded to the prediction's dtype.
FLOAT32 = {"rtol": 3e-6, "atol": 1e-9}
GRADIENT = {torch.float32: 1e-6, torch.float64: 1e-12, torch.float16: 2e-3, torch.bfloat16: 1.6e-2}


def maps(generator, *shape, dtype=torch.float32):
    pred = torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype)
    target = torch.rand(*shape, generator=generator, dtype=torch.float64).to(dtype)
    weights = torch.randint(0, 3, shape[:2], generator=generator) * 0.7
    return pred, target, weights


def published_loop(pred, target, weights, squared_weight):
    """Joint by joint in NumPy: the criterion of Simple Baselines and HRNet, and that of mmpose, written out."""
    batch, joints = pred.shape[:2]
    total = 0.0
    for k in range(joints):
        p, t = pred[:, k].reshape(batch, -1), target[:, k].reshape(batch, -1)
        w = weights[:, k, None]
        if squared_weight:
            total += 0.5 * np.mean((p * w - t * w) ** 2)
        else:
            total += np.mean((p - t) ** 2 * w)
    return total / joints


@pytest.mark.parametrize("squared_weight", [True, False])
def test_mean_equals_published_loop(device, generator, squared_weight):
    pred, target, weights = maps(generator, 4, 5, 8, 6, dtype=torch.float64)
    got = joints_mse_loss(
        pred.to(device), target.to(device), weights.to(device), squared_weight=squared_weight
    )
    assert got.item() == pytest.approx(
        published_loop(pred.numpy(), target.numpy(), weights.double().numpy(), squared_weight), rel=1e-12
    )


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("squared_weight", [True, False])
@pytest.mark.parametrize(
    "shape", [(3, 5, 24, 18), (2, 3, 7, 5), (1, 17, 96, 72), (2, 300, 3, 4), (1, 1, 1, 1)]
)
def test_value_and_gradient_equal_definition_in_every_layout(
    device, generator, shape, reduction, squared_weight
):
    pred, target, weights = maps(generator, *shape)
    options = {"squared_weight": squared_weight, "reduction": reduction}
    expected_pred = pred.clone().requires_grad_()
    expected = reference.joints_mse_loss(expected_pred, target, weights, **options)
    upstream = torch.rand(expected.shape, generator=generator)
    (expected * upstream).sum().backward()
    for name, laid_out in layouts(pred.to(device)).items():
        for other in layouts(target.to(device)).values():
            leaf = laid_out.detach().requires_grad_()
            got = joints_mse_loss(leaf, other, weights.to(device), **options)
            assert_same(got, expected, **FLOAT32)
            (got * upstream.to(device)).sum().backward()
            assert_same(leaf.grad, expected_pred.grad, rtol=1e-5, atol=1e-9)
            with torch.no_grad():
                assert_same(joints_mse_loss(leaf, other, weights.to(device), **options), got)
        if name != "strided":
            assert leaf.grad.stride() == leaf.stride()


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("target_dtype", FLOATS)
@pytest.mark.parametrize("channels_last", [False, True])
def test_every_dtype_equals_definition_in_float64(device, generator, dtype, target_dtype, channels_last):
    pred, target, weights = maps(generator, 3, 5, 16, 24, dtype=dtype)
    target = target.to(target_dtype)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    leaf = pred.clone().to(device).contiguous(memory_format=layout).requires_grad_()
    got = joints_mse_loss(leaf, target.to(device), weights.to(device))
    exact = pred.detach().double().requires_grad_()
    expected = reference.joints_mse_loss(exact, target.double(), weights.double())
    assert got.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    assert got.item() == pytest.approx(
        expected.item(), rel=1e-12 if dtype == target_dtype == torch.float64 else 1e-5
    )
    got.backward()
    expected.backward()
    assert leaf.grad.dtype == dtype
    # float16 has no digits below 6e-8: compare with what is left of them there
    floor = 6e-8 if dtype == torch.float16 else 1e-12
    assert_same(leaf.grad.double(), exact.grad, rtol=GRADIENT[dtype], atol=floor)


def test_float16_gradient_keeps_its_digits_under_a_loss_scale(device, generator):
    pred, target, weights = maps(generator, 16, 17, 64, 48, dtype=torch.float16)
    target = pred + 0.01 * target  # gradients near 1e-9: far below the smallest float16
    leaf = pred.clone().to(device).requires_grad_()
    (joints_mse_loss(leaf, target.to(device), weights.to(device)) * 2.0**24).backward()
    exact = pred.detach().double().requires_grad_()
    (reference.joints_mse_loss(exact, target.double(), weights.double()) * 2.0**24).backward()
    assert exact.grad.abs().max() > 1e-3
    rounding = (
        2.0**-25 * 2.0**24 / pred.numel()
    )  # half the smallest float16, stored before division and scale
    assert_same(leaf.grad.double(), exact.grad, rtol=2e-3, atol=1.01 * rounding)


def test_weights_of_any_dtype_and_none(generator):
    pred, target, _ = maps(generator, 2, 3, 4, 5)
    ones = torch.ones(2, 3)
    want = joints_mse_loss(pred, target)
    for weights in (ones, ones.bool(), ones.to(torch.uint8), ones.long(), ones.half(), ones.T.contiguous().T):
        assert torch.equal(joints_mse_loss(pred, target, weights), want)


# ---- corners -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("weight", [0.0, math.nan])
def test_joint_that_does_not_count_may_hold_anything(device, channels_last, weight):
    layout = torch.channels_last if channels_last else torch.contiguous_format
    pred = torch.ones(1, 3, 4, 5, device=device)
    pred[0, 1] = math.nan
    pred[0, 2] = math.inf
    pred = pred.contiguous(memory_format=layout).requires_grad_()
    weights = torch.tensor([[1.0, weight, weight]], device=device)
    losses = joints_mse_loss(pred, torch.zeros(1, 3, 4, 5, device=device), weights, reduction="none")
    assert losses.tolist() == [[0.5, 0.0, 0.0]]
    losses.sum().backward()
    assert torch.isfinite(pred.grad).all() and not pred.grad[0, 1:].any()


@pytest.mark.parametrize("channels_last", [False, True])
def test_nan_and_infinity_show_in_the_loss_of_their_joint_only(device, channels_last):
    layout = torch.channels_last if channels_last else torch.contiguous_format
    pred = torch.zeros(1, 3, 4, 5, device=device)
    pred[0, 1, 2, 2] = math.nan
    pred[0, 2, 0, 0] = math.inf
    losses = joints_mse_loss(
        pred.contiguous(memory_format=layout), torch.zeros(1, 3, 4, 5, device=device), reduction="none"
    )
    assert losses[0, 0] == 0 and losses[0, 1].isnan() and losses[0, 2] == math.inf


@pytest.mark.parametrize("shape", [(0, 3, 4, 5), (2, 0, 4, 5)])
def test_mean_of_no_joints_is_zero(device, shape):
    pred = torch.zeros(shape, device=device, requires_grad=True)
    loss = joints_mse_loss(pred, torch.zeros(shape, device=device), torch.ones(shape[:2], device=device))
    assert loss.item() == 0
    loss.backward()
    assert pred.grad.shape == shape


@settings(max_examples=40, deadline=None)
@given(
    shape=st.tuples(st.integers(0, 3), st.integers(0, 4), st.integers(1, 9), st.integers(1, 40)),
    seed=st.integers(0, 2**31),
    channels_last=st.booleans(),
    squared_weight=st.booleans(),
)
def test_any_shape_equals_definition(shape, seed, channels_last, squared_weight):
    pred, target, weights = maps(torch.Generator().manual_seed(seed), *shape)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    got = joints_mse_loss(
        pred.contiguous(memory_format=layout),
        target,
        weights,
        squared_weight=squared_weight,
        reduction="none",
    )
    want = reference.joints_mse_loss(pred, target, weights, squared_weight=squared_weight, reduction="none")
    assert_same(got, want, **FLOAT32)


# ---- gradients ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_gradcheck_first_and_second(device, generator, reduction):
    pred, target, weights = maps(generator, 2, 3, 3, 2, dtype=torch.float64)
    pred, target = pred.to(device).requires_grad_(), target.to(device).requires_grad_()

    def loss(p, t):
        return joints_mse_loss(p, t, weights.to(device), reduction=reduction)

    assert torch.autograd.gradcheck(loss, (pred, target))
    assert torch.autograd.gradgradcheck(loss, (pred, target))


def test_gradient_in_a_leaf_that_is_used_again(device, generator):
    pred, target, weights = (t.to(device) for t in maps(generator, 2, 3, 4, 5))
    leaf = pred.clone().requires_grad_()
    (joints_mse_loss(leaf, target, weights) + leaf.sum()).backward()
    alone = pred.clone().requires_grad_()
    joints_mse_loss(alone, target, weights).backward()
    assert_same(leaf.grad, alone.grad + 1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_backward_twice_through_a_retained_graph(device, generator, dtype):
    pred, target, weights = (t.to(device) for t in maps(generator, 2, 3, 4, 5))
    leaf = pred.to(dtype).requires_grad_()
    loss = joints_mse_loss(leaf, target, weights, reduction="sum")
    (first,) = torch.autograd.grad(loss, leaf, torch.tensor(3.0, device=device), retain_graph=True)
    kept = first.clone()
    (second,) = torch.autograd.grad(loss, leaf, torch.tensor(6.0, device=device), retain_graph=True)
    (third,) = torch.autograd.grad(loss, leaf, torch.tensor(3.0, device=device))
    assert torch.equal(first, kept) and torch.equal(third, first)
    assert_same(second, 2 * first, rtol=1e-3, atol=1e-7)


def test_gradient_of_single_losses_reaches_their_maps_only(device, generator):
    pred, target, _ = (t.to(device) for t in maps(generator, 2, 3, 4, 5))
    leaf = pred.clone().requires_grad_()
    joints_mse_loss(leaf, target, reduction="none")[1, 2].backward()
    expected = torch.zeros_like(pred)
    expected[1, 2] = (pred - target)[1, 2] / 20
    assert_same(leaf.grad, expected)


def test_backward_takes_no_memory_beside_the_gradient(generator):
    pred, target, weights = maps(generator, 2, 3, 4, 5)
    leaf = pred.requires_grad_()
    loss = joints_mse_loss(leaf, target, weights)
    stored = loss.grad_fn.gradient.data_ptr()
    (gradient,) = torch.autograd.grad(loss, leaf, torch.tensor(2.0))
    assert gradient.data_ptr() == stored


# ---- the machinery -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("with_gradient", [False, True])
def test_opcheck(device, generator, with_gradient):
    pred, target, weights = (t.to(device) for t in maps(generator, 2, 3, 4, 5))
    torch.library.opcheck(
        torch.ops.pyposeops.joints_mse_loss.default, (pred, target, True, 0, weights, with_gradient)
    )
    torch.library.opcheck(
        torch.ops.pyposeops.joints_mse_loss_backward.default, (pred, torch.rand(2, 3, device=device), 0)
    )


def test_compiles_without_graph_breaks(device, generator):
    assert_compiles(lambda *t: joints_mse_loss(*t), *(t.to(device) for t in maps(generator, 2, 3, 4, 5)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_compiles_with_gradient(device, generator, dtype):
    pred, target, weights = (t.to(device) for t in maps(generator, 2, 3, 4, 5, dtype=dtype))

    def loss(p):
        return joints_mse_loss(p * 2, target, weights) * 3

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
            return joints_mse_loss(*tensors)

    tensors = maps(generator, 2, 3, 4, 5)
    program = torch.export.export(Module(), tensors)
    assert_same(program.module()(*tensors), Module()(*tensors))


def test_under_autocast(device, generator):
    features = torch.randn(2, 3, 4, 5, generator=generator).to(device)
    with torch.autocast(device.type, torch.bfloat16):
        leaf = features.clone().requires_grad_()
        pred = torch.nn.functional.conv2d(leaf, torch.ones(3, 3, 1, 1, device=device))
        loss = joints_mse_loss(pred, torch.zeros(2, 3, 4, 5, device=device))
    assert pred.dtype == torch.bfloat16 and loss.dtype == torch.float32
    loss.backward()
    assert leaf.grad.dtype == torch.float32


def test_same_bits_every_time(device, generator):
    pred, target, weights = (t.to(device) for t in maps(generator, 8, 17, 64, 48))
    torch.use_deterministic_algorithms(True)
    try:
        losses = {joints_mse_loss(pred, target, weights).item() for _ in range(5)}
    finally:
        torch.use_deterministic_algorithms(False)
    assert len(losses) == 1


@pytest.mark.cuda
def test_cuda_graph_capture(generator):
    pred, target, weights = (t.cuda() for t in maps(generator, 2, 3, 4, 5))
    assert_graph_captures(lambda p: joints_mse_loss(p, target, weights), pred)


@pytest.mark.parametrize("isa", ISAS)
def test_every_instruction_set_equals_definition(isa):
    run_under_isa(
        isa,
        "import torch, pyposeops\n"
        f"assert pyposeops.build_info()['cpu_isa'] == '{isa}'\n"
        "g = torch.Generator().manual_seed(0)\n"
        "t = torch.rand(3, 5, 20, 19, generator=g); w = torch.rand(3, 5, generator=g)\n"
        "bounds = {torch.float32: 1e-6, torch.float64: 1e-12, torch.float16: 2e-3, torch.bfloat16: 1.6e-2}\n"
        "for dtype, bound in bounds.items():\n"
        "    for layout in (torch.contiguous_format, torch.channels_last):\n"
        "        p = torch.randn(3, 5, 20, 19, generator=g).to(dtype).contiguous(memory_format=layout)\n"
        "        a, b = p.clone().requires_grad_(), p.double().requires_grad_()\n"
        "        x = pyposeops.joints_mse_loss(a, t, w, reduction='sum')\n"
        "        y = pyposeops.reference.joints_mse_loss(b, t, w, reduction='sum')\n"
        "        x.backward(); y.backward()\n"
        "        assert abs(x.item() / y.item() - 1) < 1e-5\n"
        "        assert ((a.grad.double() - b.grad).abs() <= bound * b.grad.abs() + 1e-7).all()\n",
    )


def test_numpy_in_numpy_out(generator):
    pred, target, weights = maps(generator, 2, 3, 4, 5)
    got = joints_mse_loss(pred.numpy(), target.numpy(), weights.numpy(), reduction="none")
    assert isinstance(got, np.ndarray)
    np.testing.assert_array_equal(got, joints_mse_loss(pred, target, weights, reduction="none").numpy())


# ---- bad input ---------------------------------------------------------------------------------------------------

GOOD = {"pred": torch.zeros(2, 3, 4, 5), "target": torch.zeros(2, 3, 4, 5), "weights": torch.ones(2, 3)}


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"pred": torch.zeros(3, 4, 5)}, ValueError, "pred: expected (B, K, H, W), got (3, 4, 5)"),
        (
            {"pred": torch.zeros(2, 3, 0, 5)},
            ValueError,
            "pred: expected at least 1 and fewer than 2^31 pixels",
        ),
        ({"pred": torch.zeros(2, 3, 4, 5, dtype=torch.int64)}, TypeError, "pred: expected dtype float32"),
        (
            {"target": torch.zeros(2, 3, 4, 4)},
            ValueError,
            "target: expected the shape of pred, got (2, 3, 4, 4)",
        ),
        ({"target": torch.zeros(2, 3, 4, 5, dtype=torch.uint8)}, TypeError, "target: expected dtype float32"),
        ({"weights": torch.ones(2, 3, 1)}, ValueError, "weights: expected (B, K), got (2, 3, 1)"),
        ({"reduction": "max"}, ValueError, "reduction: expected one of mean, sum, none, got 'max'"),
    ],
)
def test_bad_input_is_named(change, error, words):
    with pytest.raises(error) as caught:
        joints_mse_loss(**{**GOOD, **change})
    assert words in str(caught.value)


@pytest.mark.cuda
def test_mixed_devices_are_named():
    with pytest.raises(ValueError, match="target: expected the device of pred"):
        joints_mse_loss(torch.zeros(2, 3, 4, 5).cuda(), torch.zeros(2, 3, 4, 5))


@pytest.mark.parametrize("value", [float("nan"), 1e20])
def test_a_weight_that_vanishes_in_float32_masks_in_every_layout(value):
    pred = torch.full((1, 2, 4, 4), value)
    for layout in (torch.contiguous_format, torch.channels_last):
        maps = pred.contiguous(memory_format=layout)
        assert joints_mse_loss(maps, torch.zeros(1, 2, 4, 4), torch.full((1, 2), 1e-25)) == 0.0
