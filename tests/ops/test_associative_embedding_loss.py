"""associative_embedding_loss against the published loops, and at its corners."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from pyposeops import associative_embedding_loss, reference
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

COMPAT = ("paper", "mmpose", "higherhrnet")
SIZE = (11, 9)
# Sums of a few dozen tags of order 1 in float32.
FLOAT32 = {"rtol": 1e-5, "atol": 1e-6}


def group(generator, batch, people, joints, dtype=torch.float32, margin=1.0):
    """Tags, joints on the map and a little off it, a third of them invisible."""
    tags = torch.randn(batch, joints, *SIZE, generator=generator, dtype=torch.float64)
    spread = torch.tensor([SIZE[1] + 2 * margin, SIZE[0] + 2 * margin])
    keypoints = (
        torch.rand(batch, people, joints, 2, generator=generator, dtype=torch.float64) * spread - margin
    )
    visibility = torch.randint(0, 3, (batch, people, joints), generator=generator)
    return (
        tags.to(dtype),
        keypoints.to(torch.float64 if dtype == torch.float64 else torch.float32),
        visibility,
    )


def published_loop(tags, keypoints, visibility, compat):
    """One image, person by person in NumPy, as the training codes do it."""
    joints, height, width = tags.shape
    means, pull = [], 0.0
    for person, seen in zip(keypoints, visibility, strict=True):
        own = []
        for k in range(joints):
            x, y = (
                math.floor(p + 0.5) if compat == "paper" else math.trunc(p + 0.5 * (compat == "mmpose"))
                for p in person[k]
            )
            if seen[k] > 0 and 0 <= x < width and 0 <= y < height:
                own.append(tags[k, y, x])
        if not own:
            continue
        means.append(np.mean(own))
        squares = (np.array(own) - means[-1]) ** 2
        pull += squares.sum() if compat == "paper" else squares.mean()
    count = len(means)
    if count == 0:
        return 0.0, 0.0
    push = 0.0
    for n in range(count):
        for m in range(count):
            square = (means[n] - means[m]) ** 2
            push += math.exp(-square / 2) if compat == "paper" else math.exp(-square)
    if compat == "paper":
        return pull / count, push / count**2
    if count == 1:
        return pull / count, 0.0
    if compat == "mmpose":
        return pull / count, push / ((count - 1) * count)
    return pull / count, (push - count) / ((count - 1) * count) * 0.5


@pytest.mark.parametrize("compat", COMPAT)
@pytest.mark.parametrize("people", [0, 1, 2, 7])
def test_equals_published_loop(device, generator, compat, people):
    tags, keypoints, visibility = group(generator, 6, people, 5, dtype=torch.float64)
    got = associative_embedding_loss(
        tags.to(device), keypoints.to(device), visibility.to(device), compat=compat, reduction="none"
    )
    arrays = zip(tags.numpy(), keypoints.numpy(), visibility.numpy(), strict=True)
    want = np.array([published_loop(*image, compat) for image in arrays])
    np.testing.assert_allclose(torch.stack(got, 1).cpu().numpy(), want, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("compat", COMPAT)
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("people", [1, 40])
def test_value_and_gradient_equal_definition_in_every_layout(device, generator, compat, reduction, people):
    tags, keypoints, visibility = group(generator, 3, people, 34)
    options = {"compat": compat, "reduction": reduction}
    exact = tags.clone().requires_grad_()
    want = reference.associative_embedding_loss(exact, keypoints, visibility, **options)
    upstream = [torch.rand(loss.shape, generator=generator) for loss in want]
    torch.autograd.backward(want, upstream)
    for laid_out in layouts(tags.to(device)).values():
        leaf = laid_out.detach().requires_grad_()
        got = associative_embedding_loss(leaf, keypoints.to(device), visibility.to(device), **options)
        assert_same(got, want, **FLOAT32)
        torch.autograd.backward(got, [g.to(device) for g in upstream])
        assert_same(leaf.grad, exact.grad, **FLOAT32)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("compat", COMPAT)
def test_every_dtype_equals_definition_in_float64(device, generator, dtype, compat):
    tags, keypoints, visibility = group(generator, 3, 4, 5, dtype=dtype)
    leaf = tags.clone().to(device).requires_grad_()
    got = associative_embedding_loss(leaf, keypoints.to(device), visibility.to(device), compat=compat)
    exact = tags.detach().double().requires_grad_()
    want = reference.associative_embedding_loss(exact, keypoints, visibility, compat=compat)
    tolerance = 1e-12 if dtype == torch.float64 else 1e-5
    for one, other in zip(got, want, strict=True):
        assert one.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
        assert one.item() == pytest.approx(other.item(), rel=tolerance)
    (got.pull + got.push).backward()
    (want[0] + want[1]).backward()
    stored = {torch.float32: 1e-6, torch.float64: 1e-14, torch.float16: 1e-3, torch.bfloat16: 8e-3}[dtype]
    assert_same(leaf.grad.double(), exact.grad, rtol=stored, atol=stored)


def test_people_on_one_pixel_share_its_gradient(device):
    """Two people with the same two tags: nothing to push apart by slope, both pull at both pixels."""
    tags = torch.tensor([1.0, 3.0], device=device).view(1, 2, 1, 1).requires_grad_()
    keypoints, visibility = torch.zeros(1, 2, 2, 2, device=device), torch.ones(1, 2, 2, device=device)
    got = associative_embedding_loss(tags, keypoints, visibility)
    assert got.pull.item() == 2.0 and got.push.item() == 1.0
    got.pull.backward()
    assert tags.grad.flatten().tolist() == [-2.0, 2.0]


@pytest.mark.parametrize(
    ("compat", "position", "pixel"),
    [("paper", 2.5, 3), ("mmpose", 2.5, 3), ("higherhrnet", 2.9, 2), ("paper", -0.6, None), ("mmpose", -0.6, 0),
     ("higherhrnet", -0.6, 0), ("paper", 8.4, 8), ("paper", 8.5, None)],
)  # fmt: skip
def test_pixel_of_a_joint(compat, position, pixel):
    tags = torch.zeros(1, 1, *SIZE, requires_grad=True)
    keypoints = torch.tensor([[[[position, 4.0]], [[0.0, 0.0]]]])
    loss = associative_embedding_loss(
        tags + torch.arange(9.0) / 9, keypoints, torch.ones(1, 2, 1), compat=compat, reduction="sum"
    )
    loss.push.backward()
    touched = tags.grad[0, 0, 4].nonzero().flatten().tolist()
    assert touched == ([] if pixel in (None, 0) else [pixel])


# ---- corners -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compat", COMPAT)
def test_what_does_not_count_may_hold_anything(device, compat):
    tags = torch.full((1, 2, *SIZE), math.nan, device=device)
    tags[:, :, 4, 4] = 1.0
    keypoints = torch.full((1, 4, 2, 2), 4.0, device=device)
    keypoints[0, 1, 0] = math.nan
    keypoints[0, 1, 1] = math.inf
    keypoints[0, 2] = -5.0
    keypoints[0, 3] = 0.0
    visibility = torch.ones(1, 4, 2, device=device)
    visibility[0, 3, 0], visibility[0, 3, 1] = 0.4, math.nan
    leaf = tags.requires_grad_()
    got = associative_embedding_loss(leaf, keypoints, visibility, compat=compat)
    assert got.pull.item() == 0.0 and got.push.item() == (1.0 if compat == "paper" else 0.0)
    (got.pull + got.push).backward()
    assert not leaf.grad.any()


def test_nan_tag_shows_in_its_image_only(device):
    tags = torch.zeros(2, 1, *SIZE, device=device)
    tags[0, 0, 4, 4] = math.nan
    keypoints = torch.full((2, 2, 1, 2), 4.0, device=device)
    got = associative_embedding_loss(tags, keypoints, torch.ones(2, 2, 1, device=device), reduction="none")
    for losses in got:
        assert losses[0].isnan() and losses[1].isfinite()


@pytest.mark.parametrize("shape", [(0, 3, 2), (2, 0, 2), (2, 3, 0)])
def test_empty(device, shape):
    batch, people, joints = shape
    tags = torch.zeros(batch, joints, *SIZE, device=device, requires_grad=True)
    keypoints = torch.zeros(batch, people, joints, 2, device=device)
    got = associative_embedding_loss(tags, keypoints, torch.ones(shape, device=device))
    assert got.pull.item() == 0.0 and got.push.item() == 0.0
    (got.pull + got.push).backward()
    assert not tags.grad.any()


@settings(max_examples=40, deadline=None)
@given(
    batch=st.integers(1, 3),
    people=st.integers(0, 6),
    joints=st.integers(1, 5),
    seed=st.integers(0, 2**31),
    compat=st.sampled_from(COMPAT),
)
def test_any_group_equals_definition(batch, people, joints, seed, compat):
    tensors = group(torch.Generator().manual_seed(seed), batch, people, joints)
    assert_same(
        associative_embedding_loss(*tensors, compat=compat),
        reference.associative_embedding_loss(*tensors, compat=compat),
        **FLOAT32,
    )


@pytest.mark.parametrize("compat", COMPAT)
def test_gradcheck_first_and_second(device, generator, compat):
    tags, keypoints, visibility = (t.to(device) for t in group(generator, 2, 3, 2, dtype=torch.float64))
    small = tags[:, :, :4, :3].clone().requires_grad_()

    def loss(t):
        return associative_embedding_loss(t, keypoints / 3, visibility, compat=compat)

    assert torch.autograd.gradcheck(loss, (small,))
    assert torch.autograd.gradgradcheck(loss, (small,))


# ---- the machinery -----------------------------------------------------------------------------------------------


def test_opcheck(device, generator):
    tensors = tuple(t.to(device) for t in group(generator, 2, 3, 4))
    torch.library.opcheck(torch.ops.pyposeops.associative_embedding_loss.default, (*tensors, 0))
    upstream = torch.rand(2, device=device)
    torch.library.opcheck(
        torch.ops.pyposeops.associative_embedding_loss_backward.default, (*tensors, 0, upstream, upstream)
    )


def test_compiles_without_graph_breaks(device, generator):
    assert_compiles(associative_embedding_loss, *(t.to(device) for t in group(generator, 2, 3, 4)))


def test_compiles_with_gradient(device, generator):
    tags, keypoints, visibility = (t.to(device) for t in group(generator, 2, 3, 4))

    def loss(t):
        pull, push = associative_embedding_loss(t * 2, keypoints, visibility)
        return pull + 3 * push

    torch._dynamo.reset()
    gradients = []
    for function in (loss, torch.compile(loss, fullgraph=True, backend="aot_eager")):
        leaf = tags.clone().requires_grad_()
        function(leaf).backward()
        gradients.append(leaf.grad)
    assert_same(gradients[1], gradients[0])


def test_exports(generator):
    class Module(torch.nn.Module):
        def forward(self, *tensors):
            return tuple(associative_embedding_loss(*tensors))

    tensors = group(generator, 2, 3, 4)
    program = torch.export.export(Module(), tensors)
    assert_same(program.module()(*tensors), Module()(*tensors))


@pytest.mark.cuda
def test_cuda_graph_capture(generator):
    tags, keypoints, visibility = (t.cuda() for t in group(generator, 2, 3, 4))
    assert_graph_captures(lambda t: associative_embedding_loss(t, keypoints, visibility), tags)


@pytest.mark.parametrize("isa", ISAS)
def test_every_instruction_set_equals_definition(isa):
    run_under_isa(
        isa,
        "import torch, pyposeops\n"
        f"assert pyposeops.build_info()['cpu_isa'] == '{isa}'\n"
        "g = torch.Generator().manual_seed(0)\n"
        "k = torch.rand(3, 19, 5, 2, generator=g) * 12 - 1; v = torch.rand(3, 19, 5, generator=g) * 2\n"
        "for dtype in (torch.float32, torch.float64, torch.float16, torch.bfloat16):\n"
        "    a = torch.randn(3, 5, 11, 9, generator=g).to(dtype).requires_grad_()\n"
        "    b = a.detach().double().requires_grad_()\n"
        "    x = pyposeops.associative_embedding_loss(a, k, v); (x.pull + x.push).backward()\n"
        "    y = pyposeops.reference.associative_embedding_loss(b, k, v); (y[0] + y[1]).backward()\n"
        "    assert abs(x.pull.item() / y[0].item() - 1) < 1e-5 and abs(x.push.item() / y[1].item() - 1) < 1e-5\n"
        "    assert (a.grad.double() - b.grad).abs().max() < 1e-2\n",
    )


def test_numpy_in_numpy_out(generator):
    tensors = group(generator, 2, 3, 4)
    got = associative_embedding_loss(*(t.numpy() for t in tensors), reduction="none")
    want = associative_embedding_loss(*tensors, reduction="none")
    assert isinstance(got.pull, np.ndarray) and isinstance(got.push, np.ndarray)
    np.testing.assert_array_equal(got.pull, want.pull.numpy())
    np.testing.assert_array_equal(got.push, want.push.numpy())


# ---- bad input ---------------------------------------------------------------------------------------------------

GOOD = {
    "tags": torch.zeros(2, 3, 4, 5),
    "keypoints": torch.zeros(2, 6, 3, 2),
    "visibility": torch.ones(2, 6, 3),
}


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"tags": torch.zeros(3, 4, 5)}, ValueError, "tags: expected (B, K, H, W), got (3, 4, 5)"),
        ({"tags": torch.zeros(2, 3, 4, 5, dtype=torch.int32)}, TypeError, "tags: expected dtype float32"),
        (
            {"keypoints": torch.zeros(2, 3, 2)},
            ValueError,
            "keypoints: expected (B, N, K, 2) with the B and K of tags",
        ),
        (
            {"keypoints": torch.zeros(2, 6, 4, 2)},
            ValueError,
            "keypoints: expected (B, N, K, 2) with the B and K of tags",
        ),
        ({"keypoints": torch.zeros(2, 6, 3, 2).long()}, TypeError, "keypoints: expected dtype float32"),
        (
            {"visibility": torch.ones(2, 6)},
            ValueError,
            "visibility: expected (B, N, K) as keypoints, got (2, 6)",
        ),
        ({"compat": "old"}, ValueError, "compat: expected one of paper, mmpose, higherhrnet, got 'old'"),
        ({"reduction": "max"}, ValueError, "reduction: expected one of mean, sum, none, got 'max'"),
    ],
)
def test_bad_input_is_named(change, error, words):
    with pytest.raises(error) as caught:
        associative_embedding_loss(**{**GOOD, **change})
    assert words in str(caught.value)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_many_people_on_one_pixel_are_added_up_before_rounding(dtype):
    generator = torch.Generator().manual_seed(0)
    keypoints = torch.randint(0, 4, (1, 200, 3, 2), generator=generator).float()
    tags = torch.randn(1, 3, 4, 4, generator=generator).to(dtype)

    def gradient(values):
        leaf = values.clone().requires_grad_()
        loss = associative_embedding_loss(leaf, keypoints, torch.ones(1, 200, 3))
        return torch.autograd.grad(loss.pull + loss.push, leaf)[0]

    one_rounding = torch.finfo(dtype).eps
    want = gradient(tags.double())
    torch.testing.assert_close(gradient(tags).double(), want, rtol=one_rounding, atol=1e-6)
