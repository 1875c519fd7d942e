"""The kernels of adaptive_wing_loss against its definition; its formula as a loop: test_pointwise_losses.py."""

from __future__ import annotations

import pytest
import torch

from pyposeops import adaptive_wing_loss, reference
from tests.op_contract import FLOATS, ISAS, assert_same, layouts, run_under_isa
from tests.property_tests import given, settings, st

# Three transcendental functions a pixel, each within some units in the last place of float32.
FLOAT32 = {"rtol": 1e-5, "atol": 1e-7}
GRADIENT = {torch.float32: 1e-4, torch.float64: 1e-12, torch.float16: 2e-3, torch.bfloat16: 1.6e-2}


def maps(generator, *shape, dtype=torch.float32):
    """Predictions on both sides of theta and some at their target; weights 0, 0.7, 1.4."""
    target = torch.rand(shape, generator=generator, dtype=torch.float64).to(dtype)
    noise = torch.randn(shape, generator=generator, dtype=torch.float64)
    noise[..., 0] = 0
    weights = torch.randint(0, 3, shape[:2], generator=generator) * 0.7
    return target + noise.to(dtype), target, weights


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("shape", [(3, 5, 24, 18), (2, 3, 7, 5), (1, 17, 96, 72), (1, 1, 1, 1)])
def test_value_and_gradient_equal_definition_in_every_layout(device, generator, shape, reduction):
    pred, target, weights = maps(generator, *shape)
    exact = pred.double().requires_grad_()
    want = reference.adaptive_wing_loss(exact, target.double(), weights.double(), reduction=reduction)
    upstream = torch.rand(want.shape, generator=generator)
    (want * upstream).sum().backward()
    for laid_out in layouts(pred.to(device)).values():
        for other in layouts(target.to(device)).values():
            leaf = laid_out.detach().requires_grad_()
            got = adaptive_wing_loss(leaf, other, weights.to(device), reduction=reduction)
            assert_same(got.double(), want, **FLOAT32)
            (got * upstream.to(device)).sum().backward()
            assert_same(leaf.grad.double(), exact.grad, rtol=1e-4, atol=1e-7)
            with torch.no_grad():
                assert_same(adaptive_wing_loss(leaf, other, weights.to(device), reduction=reduction), got)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("target_dtype", FLOATS)
@pytest.mark.parametrize("channels_last", [False, True])
def test_every_dtype_equals_definition_in_float64(device, generator, dtype, target_dtype, channels_last):
    pred, target, weights = maps(generator, 3, 5, 16, 24, dtype=dtype)
    target = target.to(target_dtype)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    leaf = pred.clone().to(device).contiguous(memory_format=layout).requires_grad_()
    got = adaptive_wing_loss(leaf, target.to(device), weights.to(device))
    exact = pred.detach().double().requires_grad_()
    want = reference.adaptive_wing_loss(exact, target.double(), weights.double())
    assert got.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    exactly = dtype == target_dtype == torch.float64
    assert got.item() == pytest.approx(want.item(), rel=1e-12 if exactly else 1e-5)
    got.backward()
    want.backward()
    assert leaf.grad.dtype == dtype
    floor = 6e-8 if dtype == torch.float16 else 1e-8
    assert_same(leaf.grad.double(), exact.grad, rtol=GRADIENT[dtype], atol=floor)


@settings(max_examples=40, deadline=None)
@given(
    difference=st.floats(-1e6, 1e6, width=32),
    target=st.floats(0, 1, width=32),
    alpha=st.floats(2.05, 4),
    omega=st.floats(0.1, 50),
    epsilon=st.floats(0.1, 10),
    theta=st.floats(0.05, 5),
)
def test_any_parameters_equal_definition(difference, target, alpha, omega, epsilon, theta):
    goal = torch.full((1, 1, 1, 1), target, dtype=torch.float32)
    pred = goal + difference
    shape = {"alpha": alpha, "omega": omega, "epsilon": epsilon, "theta": theta}
    want = reference.adaptive_wing_loss(pred.double(), goal.double(), **shape).item()
    # the power alpha - t and the logarithm of the ratio are rounded before exp multiplies their error
    assert adaptive_wing_loss(pred, goal, **shape).item() == pytest.approx(want, rel=3e-5, abs=1e-9)


def test_backward_twice_through_a_retained_graph(device, generator):
    pred, target, weights = (t.to(device) for t in maps(generator, 2, 3, 4, 5))
    leaf = pred.requires_grad_()
    loss = adaptive_wing_loss(leaf, target, weights)
    (first,) = torch.autograd.grad(loss, leaf, torch.tensor(3.0, device=device), retain_graph=True)
    kept = first.clone()
    (second,) = torch.autograd.grad(loss, leaf, torch.tensor(3.0, device=device))
    assert torch.equal(first, kept) and torch.equal(second, first)


@pytest.mark.parametrize("with_gradient", [False, True])
def test_opcheck(device, generator, with_gradient):
    pred, target, weights = (t.to(device) for t in maps(generator, 2, 3, 4, 5))
    torch.library.opcheck(
        torch.ops.pyposeops.adaptive_wing_loss.default,
        (pred, target, 2.1, 14.0, 1.0, 0.5, 0, weights, with_gradient),
    )


@pytest.mark.parametrize("isa", ISAS)
def test_every_instruction_set_equals_definition(isa):
    run_under_isa(
        isa,
        "import torch, pyposeops\n"
        f"assert pyposeops.build_info()['cpu_isa'] == '{isa}'\n"
        "g = torch.Generator().manual_seed(0)\n"
        "t = torch.rand(3, 5, 20, 19, generator=g); w = torch.rand(3, 5, generator=g)\n"
        "bounds = {torch.float32: 1e-4, torch.float64: 1e-6, torch.float16: 2e-3, torch.bfloat16: 1.6e-2}\n"
        "for dtype, bound in bounds.items():\n"
        "    for layout in (torch.contiguous_format, torch.channels_last):\n"
        "        p = torch.randn(3, 5, 20, 19, generator=g).to(dtype).contiguous(memory_format=layout)\n"
        "        a, b = p.clone().requires_grad_(), p.double().requires_grad_()\n"
        "        x = pyposeops.adaptive_wing_loss(a, t, w, reduction='sum')\n"
        "        y = pyposeops.reference.adaptive_wing_loss(b, t, w, reduction='sum')\n"
        "        x.backward(); y.backward()\n"
        "        assert abs(x.item() / y.item() - 1) < 1e-5\n"
        "        assert ((a.grad.double() - b.grad).abs() <= bound * b.grad.abs() + 1e-7).all()\n",
    )
