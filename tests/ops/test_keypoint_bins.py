"""keypoint_bins against torchvision's rule, typed joint by joint."""

from __future__ import annotations

import math

import pytest
import torch

from pyposeops import keypoint_bins
from tests.property_tests import given, settings, st


def by_the_rule(point, visible, box, size):
    """torchvision: i = floor((x - x1) * 56 / (x2 - x1)), x == x2 in the last bin; valid where inside and visible."""
    height, width = size
    scale_x, scale_y = width / (box[2] - box[0]), height / (box[3] - box[1])
    column = width - 1 if point[0] == box[2] else math.floor((point[0] - box[0]) * scale_x)
    row = height - 1 if point[1] == box[3] else math.floor((point[1] - box[1]) * scale_y)
    valid = 0 <= column < width and 0 <= row < height and visible > 0
    return (row * width + column if valid else 0), valid


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([(56, 56), (3, 7), (1, 1)]))
def test_equals_the_rule(seed, size):
    generator = torch.Generator().manual_seed(seed)
    corners = torch.randint(-20, 20, (4, 2), generator=generator).double()
    boxes = torch.cat([corners, corners + torch.randint(1, 64, (4, 2), generator=generator)], dim=1)
    # whole and half coordinates, so that many lie on the edges of boxes and bins
    points = torch.randint(-60, 180, (4, 9, 2), generator=generator).double() / 2
    points[:, 0], points[:, 1] = boxes[:, :2], boxes[:, 2:]
    visibility = torch.randint(0, 3, (4, 9), generator=generator)
    bins, valid = keypoint_bins(points, visibility, boxes, size=size)
    for n in range(4):
        for k in range(9):
            want = by_the_rule(points[n, k].tolist(), visibility[n, k].item(), boxes[n].tolist(), size)
            assert (bins[n, k].item(), valid[n, k].item()) == want


def test_is_the_target_of_a_cross_entropy():
    bins, valid = keypoint_bins(
        torch.tensor([[[5.0, 5.0], [99.0, 5.0]]]),
        torch.ones(1, 2),
        torch.tensor([[0.0, 0.0, 10.0, 10.0]]),
        size=(4, 4),
    )
    logits = torch.zeros(1, 2, 16)
    logits[0, 0, 10] = 50.0
    assert torch.nn.functional.cross_entropy(logits[valid], bins[valid]).item() == pytest.approx(
        0.0, abs=1e-6
    )


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e30])
def test_coordinates_that_are_nowhere_are_not_valid(value):
    points = torch.tensor([[[value, 5.0], [5.0, value]]])
    bins, valid = keypoint_bins(points, torch.ones(1, 2), torch.tensor([[0.0, 0.0, 10.0, 10.0]]))
    assert bins.tolist() == [[0, 0]] and not valid.any()


@pytest.mark.parametrize("box", [[3.0, 3.0, 3.0, 9.0], [5.0, 0.0, 4.0, 9.0], [0.0, math.nan, 9.0, 9.0]])
def test_box_without_extent_holds_nothing(box):
    assert not keypoint_bins(torch.full((1, 1, 2), 3.0), torch.ones(1, 1), torch.tensor([box])).valid.any()


@pytest.mark.parametrize(
    "changes, error, message",
    [
        ({"keypoints": torch.zeros(2, 3)}, ValueError, r"keypoints: expected \(N, K, 2\), got \(2, 3\)"),
        ({"keypoints": torch.zeros(2, 3, 2, dtype=torch.int64)}, TypeError, "keypoints: expected floating"),
        ({"visibility": torch.ones(2)}, ValueError, r"visibility: expected \(2, 3\), got \(2,\)"),
        ({"boxes": torch.zeros(3, 4)}, ValueError, r"boxes: expected \(2, 4\), got \(3, 4\)"),
        ({"boxes": torch.zeros(2, 4, dtype=torch.int32)}, TypeError, "boxes: expected floating"),
        ({"size": (0, 5)}, ValueError, "size: expected a height and width of at least 1"),
    ],
)
def test_bad_arguments_are_named(changes, error, message):
    arguments = {
        "keypoints": torch.zeros(2, 3, 2),
        "visibility": torch.ones(2, 3),
        "boxes": torch.zeros(2, 4),
    }
    with pytest.raises(error, match=message):
        keypoint_bins(**{**arguments, **changes})
