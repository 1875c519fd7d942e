"""The losses in plain torch: against their formulas as NumPy loops, their gradients, and their corners."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from pyposeops import (
    adaptive_wing_loss,
    dsnt_loss,
    hardest_joints,
    joints_mse_loss,
    ohkm_loss,
    oks_loss,
    simcc_loss,
)
from tests.op_contract import FLOATS, assert_compiles, assert_graph_captures, assert_same

REDUCED = ("mean", "sum", "none")
# Values of order 1 to 100 computed in float32 from inputs rounded to the dtype.
ROUNDING = {torch.float32: 1e-5, torch.float64: 1e-12, torch.float16: 1e-5, torch.bfloat16: 1e-5}


def normalised(generator, *shape):
    return torch.softmax(torch.randn(*shape, generator=generator, dtype=torch.float64).flatten(2), -1).view(
        shape
    )


def arguments(generator, name, dtype=torch.float64):
    """Good arguments of a loss and its function, all differentiable in the first."""

    def rand(*shape):
        return torch.rand(*shape, generator=generator, dtype=torch.float64)

    weights = torch.tensor([[1.0, 0.0, 0.5], [2.0, 1.0, 1.0]])
    tensors = {
        ohkm_loss: (rand(2, 3, 4, 5), rand(2, 3, 4, 5), weights),
        adaptive_wing_loss: (2 * rand(2, 3, 4, 5), rand(2, 3, 4, 5), weights),
        dsnt_loss: (normalised(generator, 2, 3, 4, 5), rand(2, 3, 2) * 4, weights),
        simcc_loss: (rand(2, 3, 8), rand(2, 3, 6), rand(2, 3, 8), rand(2, 3, 6), weights),
        oks_loss: (rand(2, 3, 2) * 9, rand(2, 3, 2) * 9, weights, 50 * rand(2) + 9, rand(3)),
    }[name]
    return tuple(t if t is weights else t.to(dtype) for t in tensors)


OPTIONS = {ohkm_loss: {"top_k": 2}}
LOSSES = (ohkm_loss, adaptive_wing_loss, dsnt_loss, simcc_loss, oks_loss)
VARIANTS = [
    *((loss, OPTIONS.get(loss, {})) for loss in LOSSES),
    *((dsnt_loss, {"regularizer": kind}) for kind in ("kl", "variance", "none")),
    (dsnt_loss, {"coordinate_weight": 0.0, "regularizer_weight": 3.0, "sigma": 2.0}),
    (simcc_loss, {"inverse_temperature": 10.0, "target_inverse_temperature": 10.0, "compat": "mmpose"}),
    (oks_loss, {"form": "log"}),
    (adaptive_wing_loss, {"theta": 0.3, "epsilon": 2.0, "omega": 5.0, "alpha": 2.5}),
]


# ---- what they compute -------------------------------------------------------------------------------------------


def ohkm_loop(pred, target, weights, top_k=8):
    total = 0.0
    for p, t, w in zip(pred, target, weights, strict=True):
        joints = [0.5 * np.mean((w[k] * p[k] - w[k] * t[k]) ** 2) for k in range(len(p))]
        total += sum(sorted(joints)[-top_k:]) / top_k
    return total / len(pred)


def adaptive_wing_loop(pred, target, weights, alpha=2.1, omega=14.0, epsilon=1.0, theta=0.5):
    total = 0.0
    for index, p in np.ndenumerate(pred):
        t = target[index]
        distance, power = abs(t - p), alpha - t
        ratio = theta / epsilon
        a = omega * (1 / (1 + ratio**power)) * power * ratio ** (power - 1) / epsilon
        c = theta * a - omega * math.log(1 + ratio**power)
        value = omega * math.log(1 + (distance / epsilon) ** power) if distance < theta else a * distance - c
        total += value * weights[index[:2]]
    return total / pred.size


def dsnt_loop(
    probabilities,
    keypoints,
    weights,
    regularizer="js",
    regularizer_weight=1.0,
    sigma=1.0,
    coordinate_weight=1.0,
):
    height, width = probabilities.shape[2:]
    xs, ys = (2 * np.arange(width) + 1) / width - 1, (2 * np.arange(height) + 1) / height - 1
    total = 0.0
    for b, k in np.ndindex(probabilities.shape[:2]):
        p = probabilities[b, k]
        mu = (2 * keypoints[b, k] + 1) / (width, height) - 1
        mean = np.array([(p * xs).sum(), (p * ys[:, None]).sum()])
        spread = 2 * sigma / np.array([width, height])
        g = (
            np.exp(-(((xs - mu[0]) / spread[0]) ** 2) / 2)
            * np.exp(-(((ys - mu[1]) / spread[1]) ** 2) / 2)[:, None]
        )
        g /= g.sum() + 1e-24
        middle = (p + g) / 2
        variance = np.array([(p * (xs - mean[0]) ** 2).sum(), (p * (ys[:, None] - mean[1]) ** 2).sum()])

        def kl(one, other):
            return (one * (np.log(one + 1e-24) - np.log(other + 1e-24))).sum()

        terms = {
            "js": (kl(p, middle) + kl(g, middle)) / 2,
            "kl": kl(p, g),
            "variance": ((variance - spread**2) ** 2).sum(),
            "none": 0.0,
        }
        loss = coordinate_weight * np.sqrt(((mean - mu) ** 2).sum()) + regularizer_weight * terms[regularizer]
        total += weights[b, k] * loss
    return total / weights.sum()


def simcc_loop(
    pred_x,
    pred_y,
    target_x,
    target_y,
    weights,
    inverse_temperature=1.0,
    target_inverse_temperature=None,
    compat="simcc",
):
    def softmax(values):
        return np.exp(values - values.max()) / np.exp(values - values.max()).sum()

    total = 0.0
    for b, k in np.ndindex(weights.shape):
        for pred, target in ((pred_x, target_x), (pred_y, target_y)):
            p, t = softmax(inverse_temperature * pred[b, k]), target[b, k]
            if target_inverse_temperature is not None:
                t = softmax(target_inverse_temperature * t)
            total += weights[b, k] * np.mean(
                [ti * (math.log(ti) - math.log(pi)) for ti, pi in zip(t, p, strict=True)]
            )
    total /= weights.shape[1]
    return total if compat == "mmpose" else total / weights.shape[0]


def oks_loop(pred, target, visibility, area, sigmas, form="linear"):
    total = 0.0
    for b in range(len(pred)):
        seen = [k for k in range(len(sigmas)) if visibility[b, k] > 0]
        similarity = 0.0
        for k in seen:
            squared = ((pred[b, k] - target[b, k]) ** 2).sum()
            similarity += math.exp(-squared / (2 * (2 * sigmas[k]) ** 2 * (area[b] + np.spacing(1)))) / len(
                seen
            )
        total += 1 - similarity if form == "linear" else -math.log(similarity)
    return total / len(pred)


LOOPS = {
    ohkm_loss: ohkm_loop,
    adaptive_wing_loss: adaptive_wing_loop,
    dsnt_loss: dsnt_loop,
    simcc_loss: simcc_loop,
    oks_loss: oks_loop,
}


@pytest.mark.parametrize(("loss", "options"), VARIANTS)
def test_mean_equals_the_formula_as_a_loop(device, generator, loss, options):
    tensors = arguments(generator, loss)
    want = LOOPS[loss](*(t.numpy() for t in tensors), **options)
    assert loss(*(t.to(device) for t in tensors), **options).item() == pytest.approx(want, rel=1e-9)


@pytest.mark.parametrize(("loss", "options"), VARIANTS)
@pytest.mark.parametrize("dtype", FLOATS)
def test_every_dtype_computes_in_float32_or_better(device, generator, loss, options, dtype):
    tensors = [t.to(device) for t in arguments(generator, loss, dtype)]
    leaf = tensors[0].detach().requires_grad_()
    got = loss(leaf, *tensors[1:], **options)
    want = loss(*(t.double() for t in tensors), **options)
    assert got.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    assert got.item() == pytest.approx(want.item(), rel=ROUNDING[dtype])
    got.backward()
    assert leaf.grad.dtype == dtype and torch.isfinite(leaf.grad).all()


@pytest.mark.parametrize(("loss", "options"), VARIANTS)
def test_reductions_agree(generator, loss, options):
    tensors = arguments(generator, loss)
    mean, total, single = (loss(*tensors, **options, reduction=r) for r in REDUCED)
    assert single.ndim == (1 if loss in (ohkm_loss, oks_loss) else 2)
    assert total.item() == pytest.approx(single.sum().item())
    if loss is dsnt_loss:
        assert mean.item() == pytest.approx((single.sum() / tensors[2].sum()).item())
    elif options.get("compat") == "mmpose":
        assert mean.item() == pytest.approx(single.sum().item() / single.shape[1])
    else:
        assert mean.item() == pytest.approx(single.mean().item())


@pytest.mark.parametrize(("loss", "options"), VARIANTS)
@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_gradcheck_first_and_second(generator, loss, options, reduction):
    first, *rest = arguments(generator, loss)

    def function(t):
        return loss(t, *rest, **options, reduction=reduction)

    assert torch.autograd.gradcheck(function, (first.requires_grad_(),))
    assert torch.autograd.gradgradcheck(function, (first,))


# ---- corners -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("loss", "options"), VARIANTS)
def test_joint_that_does_not_count_may_hold_anything(device, generator, loss, options):
    """Joint (0, 1) has weight 0 in `arguments`."""
    tensors = [t.to(device) for t in arguments(generator, loss)]
    want = loss(*tensors, **options)
    spoilt = [t.clone() for t in tensors]
    for tensor in spoilt[: 4 if loss is simcc_loss else 2]:
        if loss is not adaptive_wing_loss or tensor is spoilt[0]:
            tensor[0, 1] = math.nan
    leaf = spoilt[0].requires_grad_()
    got = loss(leaf, *spoilt[1:], **options)
    assert got.item() == pytest.approx(want.item(), rel=1e-12)
    got.backward()
    assert torch.isfinite(leaf.grad).all() and not leaf.grad[0, 1].any()


@pytest.mark.parametrize(("loss", "options"), VARIANTS)
def test_nan_prediction_that_counts_shows(generator, loss, options):
    tensors = list(arguments(generator, loss))
    tensors[0][1, 0] = math.nan
    assert loss(*tensors, **options).isnan()
    assert loss(*tensors, **options, reduction="none")[0].isfinite().all()


@pytest.mark.parametrize(("loss", "options"), VARIANTS)
def test_mean_of_an_empty_batch_is_zero(generator, loss, options):
    tensors = arguments(generator, loss)
    batched = {oks_loss: 4}.get(loss, len(tensors))
    empty = [t[:0] if i < batched else t for i, t in enumerate(tensors)]
    leaf = empty[0].requires_grad_()
    result = loss(leaf, *empty[1:], **options)
    assert result.item() == 0
    result.backward()
    assert leaf.grad.numel() == 0


def test_ohkm_takes_the_largest_of_each_sample():
    losses = torch.tensor([[1.0, 5.0, 3.0, 0.0], [2.0, 2.0, 8.0, 1.0]], requires_grad=True)
    assert hardest_joints(losses, top_k=2, reduction="none").tolist() == [4.0, 5.0]
    hardest_joints(losses, top_k=1).backward()
    assert losses.grad.tolist() == [[0.0, 0.5, 0.0, 0.0], [0.0, 0.0, 0.5, 0.0]]


def test_ohkm_of_all_joints_is_the_mse(generator):
    pred, target, weights = arguments(generator, ohkm_loss)
    assert_same(ohkm_loss(pred, target, weights, top_k=3), joints_mse_loss(pred, target, weights))


def test_adaptive_wing_is_continuous_with_its_slope_at_theta():
    target = torch.full((1, 1, 1, 1), 0.7, dtype=torch.float64)
    slopes, values = [], []
    for distance in (0.5 - 1e-9, 0.5 + 1e-9):
        pred = (target + distance).requires_grad_()
        loss = adaptive_wing_loss(pred, target)
        loss.backward()
        values.append(loss.item())
        slopes.append(pred.grad.item())
    assert values[0] == pytest.approx(values[1], abs=1e-6)
    assert slopes[0] == pytest.approx(slopes[1], rel=1e-6)


def test_adaptive_wing_at_the_target_has_gradient_zero():
    pred = torch.rand(1, 2, 3, 4, requires_grad=True)
    adaptive_wing_loss(pred, pred.detach()).backward()
    assert not pred.grad.any()


@pytest.mark.parametrize("regularizer", ["js", "kl", "variance"])
def test_dsnt_regulariser_vanishes_at_its_gaussian(regularizer):
    xs = torch.arange(31, dtype=torch.float64)
    axis = torch.exp(-((xs - 15) ** 2) / (2 * 1.5**2))
    gaussian = (axis[:, None] * axis / axis.sum() ** 2)[None, None]
    centre = torch.tensor([[[15.0, 15.0]]], dtype=torch.float64)
    loss = dsnt_loss(gaussian, centre, regularizer=regularizer, sigma=1.5)
    assert abs(loss.item()) < 1e-8


def test_dsnt_of_joints_far_off_the_map_is_finite():
    maps = torch.full((1, 1, 4, 4), 1 / 16, requires_grad=True)
    for regularizer in ("js", "kl", "variance"):
        loss = dsnt_loss(maps, torch.full((1, 1, 2), 1e4), regularizer=regularizer)
        (gradient,) = torch.autograd.grad(loss, maps)
        assert loss.isfinite() and gradient.isfinite().all()


def test_simcc_labels_with_empty_bins_and_huge_logits_stay_finite():
    target = torch.zeros(1, 1, 6)
    target[0, 0, 2] = 1.0
    pred = torch.tensor([[[1e4, -1e4, 0.0, 0.0, 0.0, 0.0]]], requires_grad=True)
    loss = simcc_loss(pred, pred, target, target)
    loss.backward()
    assert loss.item() == pytest.approx(2 * 1e4 / 6) and pred.grad.isfinite().all()


def test_oks_of_people_without_joints_counts_for_nothing():
    pred = torch.zeros(2, 3, 2, requires_grad=True)
    target = torch.ones(2, 3, 2)
    target[1] = math.nan
    visibility = torch.tensor([[1, 2, 0], [0, 0, 0]])
    for form in ("linear", "log"):
        options = {"area": torch.tensor([9.0, 9.0]), "sigmas": torch.full((3,), 0.5), "form": form}
        both = oks_loss(pred, target, visibility, **options)
        first = oks_loss(pred[:1], target[:1], visibility[:1], **{**options, "area": torch.tensor([9.0])})
        assert both.item() == pytest.approx(first.item())
        (gradient,) = torch.autograd.grad(both, pred)
        assert gradient.isfinite().all() and not gradient[1].any()


def test_log_oks_has_a_gradient_where_linear_has_none():
    target = torch.zeros(1, 1, 2)
    gradients = {}
    for form in ("linear", "log"):
        pred = torch.full((1, 1, 2), 1000.0, requires_grad=True)
        oks_loss(pred, target, torch.ones(1, 1), torch.tensor([100.0]), [0.1], form=form).backward()
        gradients[form] = pred.grad.abs().max().item()
    assert gradients["linear"] == 0.0 and gradients["log"] > 1.0


def test_oks_takes_any_leading_dimensions(generator):
    pred, target, visibility, area, sigmas = arguments(generator, oks_loss)
    deep = oks_loss(pred[None], target[None], visibility[None], area[None], sigmas, reduction="none")
    assert_same(deep[0], oks_loss(pred, target, visibility, area, sigmas, reduction="none"))
    assert oks_loss(pred[0], target[0], visibility[0], area[0], sigmas).ndim == 0


# ---- the machinery -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("loss", "options"), VARIANTS)
def test_compiles_without_graph_breaks(generator, loss, options):
    assert_compiles(lambda *t: loss(*t, **options), *arguments(generator, loss))


@pytest.mark.parametrize(("loss", "options"), VARIANTS)
def test_exports(generator, loss, options):
    class Module(torch.nn.Module):
        def forward(self, *tensors):
            return loss(*tensors, **options)

    tensors = arguments(generator, loss)
    program = torch.export.export(Module(), tensors)
    assert_same(program.module()(*tensors), Module()(*tensors))


@pytest.mark.cuda
@pytest.mark.parametrize(("loss", "options"), VARIANTS)
def test_cuda_graph_capture(generator, loss, options):
    first, *rest = (t.cuda() for t in arguments(generator, loss, torch.float32))
    assert_graph_captures(lambda t: loss(t, *rest, **options), first)


@pytest.mark.parametrize(("loss", "options"), VARIANTS)
def test_numpy_in_numpy_out(generator, loss, options):
    tensors = arguments(generator, loss)
    got = loss(*(t.numpy() for t in tensors), **options, reduction="none")
    assert isinstance(got, np.ndarray)
    np.testing.assert_array_equal(got, loss(*tensors, **options, reduction="none").numpy())


# ---- bad input ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("loss", "index", "value", "words"),
    [
        (adaptive_wing_loss, 0, torch.zeros(3, 4, 5), "pred: expected (B, K, H, W)"),
        (adaptive_wing_loss, 1, torch.zeros(2, 3, 4, 4), "target: expected the shape of pred"),
        (adaptive_wing_loss, 2, torch.zeros(2, 4), "weights: expected (B, K), got (2, 4)"),
        (dsnt_loss, 0, torch.zeros(3, 4, 5), "probabilities: expected (B, K, H, W)"),
        (dsnt_loss, 1, torch.zeros(2, 3, 3), "keypoints: expected (B, K, 2)"),
        (dsnt_loss, 2, torch.zeros(3), "weights: expected (B, K) = (2, 3), got (3,)"),
        (simcc_loss, 0, torch.zeros(2, 3, 7), "pred_x, target_x: expected (B, K, bins) both"),
        (simcc_loss, 3, torch.zeros(2, 3), "pred_y, target_y: expected (B, K, bins) both"),
        (simcc_loss, 4, torch.zeros(2), "weights: expected (B, K) = (2, 3), got (2,)"),
        (oks_loss, 0, torch.zeros(3), "pred: expected (..., K, 2), got (3,)"),
        (oks_loss, 1, torch.zeros(2, 4, 2), "target: expected (2, 3, 2), got (2, 4, 2)"),
        (oks_loss, 2, torch.zeros(2, 3, 1), "visibility: expected (2, 3), got (2, 3, 1)"),
        (oks_loss, 3, torch.zeros(3), "area: expected (2,), got (3,)"),
        (oks_loss, 4, torch.zeros(4), "sigmas: expected (3,), got (4,)"),
    ],
)
def test_bad_shape_is_named(generator, loss, index, value, words):
    tensors = list(arguments(generator, loss))
    tensors[index] = value
    with pytest.raises(ValueError) as caught:
        loss(*tensors)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("loss", "options", "words"),
    [
        (ohkm_loss, {"top_k": 4}, "top_k: expected 1 to the number of joints 3, got 4"),
        (ohkm_loss, {"top_k": 0}, "top_k: expected 1 to the number of joints 3, got 0"),
        (adaptive_wing_loss, {"alpha": 1.0}, "alpha: expected a finite number above 1, got 1.0"),
        (adaptive_wing_loss, {"theta": 0.0}, "theta: expected a finite number above 0, got 0.0"),
        (dsnt_loss, {"sigma": -1.0}, "sigma: expected a number above 0, got -1.0"),
        (dsnt_loss, {"regularizer": "l2"}, "regularizer: expected one of js, kl, variance, none, got 'l2'"),
        (simcc_loss, {"compat": "old"}, "compat: expected one of simcc, mmpose, got 'old'"),
        (oks_loss, {"form": "square"}, "form: expected one of linear, log, got 'square'"),
        *((loss, {"reduction": "max"}, "reduction: expected one of mean, sum, none") for loss in LOSSES),
    ],
)
def test_bad_option_is_named(generator, loss, options, words):
    with pytest.raises(ValueError) as caught:
        loss(*arguments(generator, loss), **{**OPTIONS.get(loss, {}), **options})
    assert words in str(caught.value)


@pytest.mark.parametrize("loss", LOSSES)
def test_whole_numbers_are_refused(generator, loss):
    first, *rest = arguments(generator, loss)
    with pytest.raises(TypeError, match="expected dtype float32"):
        loss(first.long(), *rest, **OPTIONS.get(loss, {}))
