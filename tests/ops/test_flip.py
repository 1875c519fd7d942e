"""Mirrored keypoints against images that are mirrored."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from pyposeops import affine_from_box, flip_keypoints, flip_order, transform_keypoints
from tests.op_contract import assert_compiles, assert_same

PAIRS = [(1, 2), (3, 4)]
WIDTH = 64


def people(generator, *shape, dtype=torch.float64):
    keypoints = torch.rand(*shape, 5, 2, generator=generator, dtype=dtype) * WIDTH
    return keypoints, torch.randint(0, 3, (*shape, 5), generator=generator)


def test_order_is_its_own_inverse():
    order = flip_order(PAIRS, 6)
    assert order == (0, 2, 1, 4, 3, 5) and [order[joint] for joint in order] == list(range(6))
    assert flip_order([], 3) == (0, 1, 2) and flip_order([], 0) == ()


@pytest.mark.parametrize(("origin", "last"), [("centre", WIDTH - 1), ("edge", WIDTH)])
def test_equals_a_loop(device, generator, origin, last):
    keypoints, visibility = people(generator, 3, 2)
    got = flip_keypoints(keypoints.to(device), visibility.to(device), PAIRS, WIDTH, origin=origin)
    for index in np.ndindex(3, 2):
        for joint, partner in enumerate([0, 2, 1, 4, 3]):
            x, y = keypoints[index][partner].tolist()
            assert got.keypoints[index][joint].tolist() == pytest.approx([last - x, y], abs=1e-12)
            assert got.visibility[index][joint] == visibility[index][partner]


def test_follows_the_pixel_that_an_image_flip_moves(device):
    image = torch.zeros(4, 9, device=device)
    image[2, 7] = 1
    y, x = image.flip(1).nonzero()[0]
    got = flip_keypoints(torch.tensor([[7.0, 2.0]], device=device), torch.ones(1, device=device), [], 9)
    assert got.keypoints[0].tolist() == [float(x), float(y)]


def test_twice_is_nothing(device, generator):
    keypoints, visibility = (t.to(device) for t in people(generator, 4))
    for origin in ("centre", "edge"):
        once = flip_keypoints(keypoints, visibility, PAIRS, WIDTH, origin=origin)
        twice = flip_keypoints(*once, PAIRS, WIDTH, origin=origin)
        assert_same(twice.keypoints, keypoints, rtol=0, atol=1e-12)
        assert torch.equal(twice.visibility, visibility)


def test_chosen_people_with_widths_of_their_own(device, generator):
    keypoints, visibility = (t.to(device) for t in people(generator, 3))
    flip = torch.tensor([True, False, True], device=device)
    width = torch.tensor([10.0, 20.0, 30.0], dtype=torch.float64, device=device)
    got = flip_keypoints(keypoints, visibility, PAIRS, width, flip=flip)
    for n in range(3):
        want = flip_keypoints(keypoints[n], visibility[n], PAIRS, float(width[n]), flip=bool(flip[n]))
        assert torch.equal(got.keypoints[n], want.keypoints)
        assert torch.equal(got.visibility[n], want.visibility)
    assert torch.equal(got.keypoints[1], keypoints[1])
    one = flip_keypoints(keypoints[0], visibility[0], PAIRS, width[0], flip=flip[0])
    assert torch.equal(one.keypoints, got.keypoints[0])


def test_without_a_width_joints_trade_places_in_a_mirrored_crop(generator):
    keypoints, visibility = people(generator, 2)
    boxes = torch.tensor([[1.0, 2, 30, 40], [5, 6, 20, 60]], dtype=torch.float64)
    plain = transform_keypoints(keypoints, affine_from_box(boxes, (32, WIDTH)))
    mirrored = transform_keypoints(keypoints, affine_from_box(boxes, (32, WIDTH), flip=True))
    traded = flip_keypoints(mirrored, visibility, PAIRS, None)
    want = flip_keypoints(plain, visibility, PAIRS, WIDTH)
    assert_same(traded.keypoints, want.keypoints, rtol=0, atol=1e-10)
    assert torch.equal(traded.visibility, want.visibility)


def test_nan_stays_and_visibility_keeps_its_dtype():
    keypoints = torch.tensor([[math.nan, 1.0], [2.0, math.nan]])
    for dtype in (torch.float32, torch.int64, torch.bool, torch.float16):
        got = flip_keypoints(keypoints, torch.tensor([1, 0]).to(dtype), [(0, 1)], 10)
        assert got.visibility.dtype == dtype and got.visibility.tolist() == [0, 1]
        assert got.keypoints[0, 0] == 7 and got.keypoints[0, 1].isnan() and got.keypoints[1, 0].isnan()


# ---- the machinery -----------------------------------------------------------------------------------------


def test_gradcheck_twice(generator):
    keypoints, visibility = people(generator, 2)
    inputs = keypoints.requires_grad_(), visibility.double().requires_grad_()
    flip = torch.tensor([True, False])
    run = lambda k, v: flip_keypoints(k, v, PAIRS, WIDTH, flip=flip)  # noqa: E731
    assert torch.autograd.gradcheck(run, inputs) and torch.autograd.gradgradcheck(run, inputs)


def test_compiles_and_exports(device, generator):
    class Flip(torch.nn.Module):
        def forward(self, keypoints, visibility, flip):
            return tuple(flip_keypoints(keypoints, visibility, PAIRS, WIDTH, flip=flip))

    inputs = (*(t.to(device) for t in people(generator, 2)), torch.tensor([True, False], device=device))
    assert_compiles(Flip(), *inputs)
    exported = torch.export.export(Flip(), inputs).module()
    for got, want in zip(exported(*inputs), Flip()(*inputs), strict=True):
        assert torch.equal(got, want)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.int64, torch.float32, torch.float64])
def test_everything_is_computed_in_float32_at_least(dtype):
    wide = torch.float64 if dtype == torch.float64 else torch.float32
    keypoints = torch.tensor([[1, 2], [3, 4]]).to(dtype)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = flip_keypoints(keypoints, torch.ones(2), [(0, 1)], 1001)
    assert got.keypoints.dtype == wide and got.keypoints.tolist() == [[997.0, 4.0], [999.0, 2.0]]


def test_numpy_in_numpy_out(generator):
    keypoints, visibility = people(generator, 2)
    want = flip_keypoints(keypoints, visibility, PAIRS, WIDTH)
    got = flip_keypoints(keypoints.numpy(), visibility.numpy(), PAIRS, WIDTH, flip=np.array([True, True]))
    assert isinstance(got.keypoints, np.ndarray) and isinstance(got.visibility, np.ndarray)
    np.testing.assert_array_equal(got.keypoints, want.keypoints)
    np.testing.assert_array_equal(got.visibility, want.visibility)


def test_nobody_and_no_joints():
    assert flip_keypoints(torch.zeros(0, 5, 2), torch.zeros(0, 5), PAIRS, 9).keypoints.shape == (0, 5, 2)
    assert flip_keypoints(torch.zeros(2, 0, 2), torch.zeros(2, 0), [], 9).visibility.shape == (2, 0)


POINTS, SEEN = torch.zeros(2, 5, 2), torch.zeros(2, 5)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (
            lambda: flip_order([(1, 1)], 3),
            ValueError,
            r"flip_pairs: expected pairs of two joints, got \(1, 1\)",
        ),
        (lambda: flip_order([(0, 1, 2)], 3), ValueError, "flip_pairs: expected pairs of two joints"),
        (lambda: flip_order([(0, 3)], 3), ValueError, "flip_pairs: expected indices from 0 to 2, got 3"),
        (lambda: flip_order([(-1, 2)], 3), ValueError, "flip_pairs: expected indices from 0 to 2, got -1"),
        (
            lambda: flip_order([(0, 1), (1, 2)], 3),
            ValueError,
            "flip_pairs: expected each joint once, got 1 twice",
        ),
        (
            lambda: flip_keypoints(torch.zeros(2), SEEN, PAIRS, 9),
            ValueError,
            r"keypoints: expected \(..., K, 2\), got \(2,\)",
        ),
        (
            lambda: flip_keypoints(POINTS, SEEN[0], PAIRS, 9),
            ValueError,
            r"visibility: expected \(2, 5\), got \(5,\)",
        ),
        (
            lambda: flip_keypoints(POINTS, SEEN.to("meta"), PAIRS, 9),
            ValueError,
            "visibility: expected the device of keypoints",
        ),
        (
            lambda: flip_keypoints(POINTS, SEEN, PAIRS, torch.ones(3)),
            ValueError,
            r"width: expected one or \(2,\)",
        ),
        (
            lambda: flip_keypoints(POINTS, SEEN, PAIRS, 9, flip=torch.ones(2)),
            TypeError,
            "flip: expected bool",
        ),
        (
            lambda: flip_keypoints(POINTS, SEEN, PAIRS, 9, flip=torch.ones(5).bool()),
            ValueError,
            r"flip: expected one or \(2,\), got \(5,\)",
        ),
        (
            lambda: flip_keypoints(POINTS, SEEN, PAIRS, 9, origin="corner"),
            ValueError,
            "origin: expected 'centre' or 'edge', got 'corner'",
        ),
    ],
)
def test_bad_input_is_named(call, error, words):
    with pytest.raises(error, match=words):
        call()
