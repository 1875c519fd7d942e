"""Boxes against the formulas of HRNet and mmpose, typed as NumPy, and OpenCV's three-point affine."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from pyposeops import (
    affine_from_box,
    box_to_center_scale,
    center_scale_to_box,
    convert_boxes,
    fix_aspect_ratio,
    keypoint_boxes,
)
from tests.op_contract import assert_compiles, assert_same

SIZE = (256, 192)
FORMATS = ("xywh", "xyxy", "cxcywh")


def random_boxes(generator, *shape, dtype=torch.float64):
    low = torch.tensor([-100.0, -100.0, 5.0, 5.0], dtype=dtype)
    span = torch.tensor([700.0, 500.0, 300.0, 300.0], dtype=dtype)
    return torch.rand(*shape, 4, generator=generator, dtype=dtype) * span + low


def hrnet_center_scale(box, aspect_ratio, padding=1.25):
    """_xywh2cs of the published code: widen to the aspect ratio, divide by pixel_std, enlarge."""
    x, y, w, h = box
    center = np.array([x + w * 0.5, y + h * 0.5])
    if w > aspect_ratio * h:
        h = w / aspect_ratio
    elif w < aspect_ratio * h:
        w = h * aspect_ratio
    return center, np.array([w / 200, h / 200]) * padding


# ---- formats -----------------------------------------------------------------------------------------------


def test_formats_by_hand(device):
    same = {"xywh": [10.0, 20, 30, 40], "xyxy": [10.0, 20, 40, 60], "cxcywh": [25.0, 40, 30, 40]}
    for source in FORMATS:
        for target in FORMATS:
            got = convert_boxes(torch.tensor(same[source], device=device), source, target)
            assert got.tolist() == same[target]


def test_there_and_back(device, generator):
    boxes = random_boxes(generator, 2, 5).to(device)
    for source in FORMATS:
        for target in FORMATS:
            there = convert_boxes(boxes, source, target)
            assert_same(convert_boxes(there, target, source), boxes, rtol=0, atol=1e-12)


def test_the_same_format_gives_a_copy():
    boxes = torch.ones(1, 4)
    got = convert_boxes(boxes, "xywh", "xywh")
    got[0, 0] = 7
    assert boxes[0, 0] == 1


# ---- aspect ratio, centre and scale ------------------------------------------------------------------------


def test_aspect_keeps_the_centre_and_covers_the_box(device, generator):
    boxes = random_boxes(generator, 3, 7).to(device)
    fixed = fix_aspect_ratio(boxes, SIZE)
    assert_same(
        fixed[..., 2] / fixed[..., 3], torch.full((3, 7), 0.75, dtype=boxes.dtype), rtol=1e-12, atol=0
    )
    centre = convert_boxes(boxes, "xywh", "cxcywh")[..., :2]
    assert_same(convert_boxes(fixed, "xywh", "cxcywh")[..., :2], centre, rtol=0, atol=1e-10)
    assert (fixed[..., 2:] >= boxes[..., 2:]).all() and (fixed[..., 2:] == boxes[..., 2:]).any(-1).all()


def test_equals_hrnet(device, generator):
    boxes = random_boxes(generator, 30)
    got = box_to_center_scale(boxes.to(device), SIZE)
    for n, box in enumerate(boxes.numpy()):
        center, scale = hrnet_center_scale(box, SIZE[1] / SIZE[0])
        np.testing.assert_allclose(got.center[n].cpu(), center, rtol=1e-12)
        np.testing.assert_allclose(got.scale[n].cpu(), scale, rtol=1e-12)


def test_equals_mmpose(device, generator):
    boxes = random_boxes(generator, 30)
    got = box_to_center_scale(boxes.to(device), None, convention="mmpose", padding=1.1)
    x1, y1, x2, y2 = convert_boxes(boxes, "xywh", "xyxy").numpy().T  # bbox_xyxy2cs takes corners
    np.testing.assert_allclose(got.center.cpu(), np.stack([x1 + x2, y1 + y2], 1) * 0.5, rtol=1e-12)
    np.testing.assert_allclose(got.scale.cpu(), np.stack([x2 - x1, y2 - y1], 1) * 1.1, rtol=1e-12)


@pytest.mark.parametrize("convention", ["hrnet", "mmpose"])
def test_center_scale_is_undone(device, generator, convention):
    boxes = random_boxes(generator, 2, 9).to(device)
    center, scale = box_to_center_scale(boxes, None, convention=convention, padding=1.3)
    back = center_scale_to_box(center, scale, convention=convention, padding=1.3)
    assert_same(back, boxes, rtol=0, atol=1e-9)


def test_affine_of_a_center_scale_equals_get_affine_transform_of_opencv(generator):
    """HRNet: three points in float32, of which the width alone sets the scale."""
    cv2 = pytest.importorskip("cv2")
    boxes = random_boxes(generator, 10)
    center, scale = box_to_center_scale(boxes, SIZE)
    angles = torch.linspace(-60, 60, 10, dtype=torch.float64)
    got = affine_from_box(
        center_scale_to_box(center, scale, padding=1.0), SIZE, padding=1.0, rotation_deg=angles
    )
    for n in range(10):
        angle = math.radians(float(angles[n]))
        source, target = np.zeros((3, 2), np.float32), np.zeros((3, 2), np.float32)
        half = float(scale[n, 0]) * 200 * -0.5
        source[0] = center[n].numpy()
        source[1] = source[0] + np.array([-half * math.sin(angle), half * math.cos(angle)])
        target[0] = [SIZE[1] * 0.5, SIZE[0] * 0.5]
        target[1] = target[0] + np.array([0, SIZE[1] * -0.5])
        for points in (source, target):
            across = points[0] - points[1]
            points[2] = points[1] + np.array([-across[1], across[0]])
        # cv2 gets points rounded to float32, 3e-5 px at 600 px
        np.testing.assert_allclose(got[n], cv2.getAffineTransform(source, target), rtol=1e-5, atol=2e-3)


# ---- boxes around keypoints --------------------------------------------------------------------------------


@pytest.mark.parametrize("padding", [1.0, 1.25])
def test_keypoint_boxes_equal_a_loop(device, generator, padding):
    keypoints = torch.rand(4, 3, 17, 2, generator=generator, dtype=torch.float64) * 200
    visibility = torch.randint(0, 3, (4, 3, 17), generator=generator)
    visibility[..., 0] = 1
    got = keypoint_boxes(keypoints.to(device), visibility.to(device), padding=padding)
    for index in np.ndindex(4, 3):
        points = keypoints[index][visibility[index] > 0].numpy()
        low, high = points.min(0), points.max(0)
        want = np.concatenate([(low + high) / 2 - padding * (high - low) / 2, padding * (high - low)])
        np.testing.assert_allclose(got[index].cpu(), want, rtol=1e-12, atol=1e-10)


def test_joints_that_do_not_count(device):
    nan, inf = math.nan, math.inf
    keypoints = torch.tensor(
        [[[1.0, 2], [nan, 0], [5, inf], [4, 7]], [[nan, 0], [0, nan], [inf, 0], [1, -inf]]]
    )
    got = keypoint_boxes(keypoints.to(device))
    assert got[0].tolist() == [1.0, 2.0, 3.0, 5.0] and got[1].isnan().all()
    hidden = keypoint_boxes(keypoints.to(device), torch.tensor([[2, 2, 2, 0]] * 2, device=device))
    assert hidden[0].tolist() == [1.0, 2.0, 0.0, 0.0]
    assert keypoint_boxes(keypoints.to(device), torch.zeros(2, 4, device=device)).isnan().all()


def test_joints_that_do_not_count_get_no_gradient():
    keypoints = torch.tensor([[[1.0, 2], [math.nan, 0], [4, 7]], [[math.nan] * 2] * 3], requires_grad=True)
    keypoint_boxes(keypoints).nansum().backward()
    assert keypoints.grad is not None and keypoints.grad.isfinite().all() and not keypoints.grad[1].any()


# ---- the machinery -----------------------------------------------------------------------------------------


def everything(boxes, keypoints):
    center, scale = box_to_center_scale(boxes, SIZE)
    return (
        convert_boxes(boxes, "cxcywh", "xyxy"),
        fix_aspect_ratio(boxes, SIZE),
        center_scale_to_box(center, scale, convention="mmpose"),
        keypoint_boxes(keypoints, keypoints[..., 0], padding=1.5),
    )


def test_gradcheck_twice(generator):
    boxes = random_boxes(generator, 3).requires_grad_()
    keypoints = (torch.rand(2, 5, 2, generator=generator, dtype=torch.float64) + 1).requires_grad_()
    assert torch.autograd.gradcheck(everything, (boxes, keypoints))
    assert torch.autograd.gradgradcheck(everything, (boxes, keypoints))


def test_compiles_and_exports(device, generator):
    class Everything(torch.nn.Module):
        def forward(self, boxes, keypoints):
            return everything(boxes, keypoints)

    inputs = random_boxes(generator, 3).to(device), torch.rand(2, 5, 2, generator=generator).to(device)
    assert_compiles(everything, *inputs)
    exported = torch.export.export(Everything(), inputs).module()
    for got, want in zip(exported(*inputs), everything(*inputs), strict=True):
        assert torch.equal(got, want)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.int64, torch.float32, torch.float64])
def test_everything_is_computed_in_float32_at_least(dtype):
    wide = torch.float64 if dtype == torch.float64 else torch.float32
    boxes, keypoints = torch.tensor([[10, 20, 30, 40]]).to(dtype), torch.tensor([[[1, 2], [3, 9]]]).to(dtype)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        results = everything(boxes, keypoints)
    for got, want in zip(results, everything(boxes.to(wide), keypoints.to(wide)), strict=True):
        assert got.dtype == wide and torch.equal(got, want)


def test_numpy_in_numpy_out(generator):
    boxes, keypoints = random_boxes(generator, 3), torch.rand(2, 5, 2, generator=generator)
    for got, want in zip(
        everything(boxes.numpy(), keypoints.numpy()), everything(boxes, keypoints), strict=True
    ):
        assert isinstance(got, np.ndarray)
        np.testing.assert_array_equal(got, want.numpy())
    assert isinstance(box_to_center_scale(boxes.numpy(), SIZE).center, np.ndarray)


def test_no_boxes_and_no_joints():
    for result, shape in zip(everything(torch.zeros(0, 4), torch.zeros(0, 5, 2)), [(0, 4)] * 4, strict=True):
        assert result.shape == shape
    assert keypoint_boxes(torch.zeros(2, 0, 2)).isnan().all()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: convert_boxes(torch.zeros(3), "xywh", "xyxy"), r"boxes: expected \(..., 4\), got \(3,\)"),
        (
            lambda: convert_boxes(torch.zeros(4), "yx", "xyxy"),
            "source: expected one of xywh, xyxy, cxcywh, got 'yx'",
        ),
        (lambda: convert_boxes(torch.zeros(4), "xywh", "coco"), "target: expected one of"),
        (lambda: fix_aspect_ratio(torch.zeros(4), (0, 1)), "size: expected a height and width of at least 1"),
        (lambda: fix_aspect_ratio(torch.zeros(2, 2), SIZE), r"boxes: expected \(..., 4\), got \(2, 2\)"),
        (lambda: box_to_center_scale(torch.zeros(4), 256), r"size: expected \(height, width\), got 256"),
        (
            lambda: box_to_center_scale(torch.zeros(4), SIZE, convention="coco"),
            "convention: expected 'hrnet' or",
        ),
        (
            lambda: box_to_center_scale(torch.zeros(4), SIZE, padding=0.0),
            "padding: expected a finite number above 0",
        ),
        (lambda: box_to_center_scale(torch.zeros(5), None), r"boxes: expected \(..., 4\)"),
        (
            lambda: center_scale_to_box(torch.zeros(3), torch.zeros(2)),
            r"center: expected \(..., 2\), got \(3,\)",
        ),
        (
            lambda: center_scale_to_box(torch.zeros(2), torch.zeros(2, 2)),
            r"scale: expected the shape of center",
        ),
        (lambda: center_scale_to_box(torch.zeros(2), torch.zeros(1)), r"scale: expected \(..., 2\)"),
        (
            lambda: center_scale_to_box(torch.zeros(2), torch.zeros(2, device="meta")),
            "scale: expected the device",
        ),
        (lambda: center_scale_to_box(torch.zeros(2), torch.zeros(2), padding=math.inf), "padding: expected"),
        (lambda: keypoint_boxes(torch.zeros(2)), r"keypoints: expected \(..., K, 2\), got \(2,\)"),
        (
            lambda: keypoint_boxes(torch.zeros(3, 2), torch.zeros(2)),
            r"visibility: expected \(3,\), got \(2,\)",
        ),
        (
            lambda: keypoint_boxes(torch.zeros(3, 2), torch.zeros(3, device="meta")),
            "visibility: expected the dev",
        ),
        (
            lambda: keypoint_boxes(torch.zeros(3, 2), padding=-1.0),
            "padding: expected a finite number above 0",
        ),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()
