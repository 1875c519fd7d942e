"""What oks_matrix says of bad input: argument, wanted, got."""

from __future__ import annotations

import math

import pytest
import torch

from pyposeops import oks_matrix, oks_pair_offsets

GOOD = {
    "detections": torch.zeros(2, 4, 3, 2),
    "truths": torch.zeros(2, 5, 3, 2),
    "sigmas": [0.1, 0.1, 0.1],
    "areas": torch.ones(2, 5),
}
LISTS = {
    "detections": torch.zeros(4, 3, 2),
    "truths": torch.zeros(5, 3, 2),
    "areas": torch.ones(5),
    "detection_offsets": torch.tensor([0, 1, 4]),
    "truth_offsets": torch.tensor([0, 2, 5]),
}


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"detections": torch.zeros(2, 4, 3, 3)}, ValueError, "detections: expected (B, N, K, 2)"),
        ({"detections": torch.zeros(4, 2)}, ValueError, "detections: expected (B, D, K, 2), got (4, 2)"),
        ({"detections": torch.zeros(2, 4, 3, 2).int()}, TypeError, "detections: expected dtype float32"),
        (
            {"truths": torch.zeros(3, 5, 3, 2)},
            ValueError,
            "truths: expected (B, N, K, 2) with the B and K of detections",
        ),
        ({"truths": torch.zeros(5, 3, 2)}, ValueError, "truths: expected (B, G, K, 2), got (5, 3, 2)"),
        (
            {"truths": torch.zeros(2, 5, 4, 2)},
            ValueError,
            "truths: expected (B, N, K, 2) with the B and K of detections",
        ),
        ({"truths": torch.zeros(2, 5, 3, 2).long()}, TypeError, "truths: expected dtype float32"),
        ({"sigmas": [0.1, 0.1]}, ValueError, "sigmas: expected (3,), one per joint, got (2,)"),
        (
            {"sigmas": [0.1, 0.0, 0.1]},
            ValueError,
            "sigmas: expected finite numbers above 0, got 0.000000 at 1",
        ),
        (
            {"sigmas": [0.1, 0.1, math.nan]},
            ValueError,
            "sigmas: expected finite numbers above 0, got nan at 2",
        ),
        ({"areas": None}, ValueError, "areas: expected a tensor with scale='gt', got None"),
        ({"areas": torch.ones(2, 4)}, ValueError, "areas: expected one area per ground truth, got (2, 4)"),
        (
            {"visibility": torch.ones(2, 5)},
            ValueError,
            "visibility: expected the shape of truths but its last",
        ),
        ({"scale": "mean"}, ValueError, "detection_areas: expected a tensor with scale='mean', got None"),
        (
            {"scale": "mean", "detection_areas": torch.ones(2, 5)},
            ValueError,
            "detection_areas: expected one area per",
        ),
        ({"detection_areas": torch.ones(2, 4)}, ValueError, "detection_areas: expected None with scale='gt'"),
        ({"scale": "box"}, ValueError, "boxes: expected a tensor with scale='box', got None"),
        ({"scale": "box", "boxes": torch.ones(2, 5, 4)}, ValueError, "areas: expected None with scale='box'"),
        ({"scale": "both"}, ValueError, "scale: expected one of gt, mean, box, got 'both'"),
        ({"unlabelled": "box"}, ValueError, "boxes: expected a tensor with unlabelled='box', got None"),
        ({"unlabelled": "one"}, ValueError, "unlabelled: expected one of zero, box, got 'one'"),
        (
            {"boxes": torch.ones(2, 5, 3)},
            ValueError,
            "boxes: expected (x, y, width, height) per ground truth",
        ),
        ({"boxes": torch.ones(2, 5, 4).int()}, TypeError, "boxes: expected dtype float32"),
        ({"box_factor": 0.0}, ValueError, "box_factor: expected a finite number above 0, got 0.000000"),
        (
            {"detection_scores": torch.ones(2, 5, 3)},
            ValueError,
            "detection_scores: expected the shape of detections",
        ),
        ({"score_threshold": math.nan}, ValueError, "score_threshold: expected a number, got NaN"),
        (
            {"truth_offsets": torch.tensor([0, 5])},
            ValueError,
            "detection_offsets: expected the offsets of both",
        ),
        ({**LISTS, "truth_offsets": None}, ValueError, "truth_offsets: expected the offsets of both"),
        (
            {**LISTS, "detections": torch.zeros(2, 4, 3, 2)},
            ValueError,
            "detections: expected (M, K, 2) with offsets",
        ),
        (
            {**LISTS, "truth_offsets": torch.tensor([0, 5])},
            ValueError,
            "truth_offsets: expected the shape and device",
        ),
        (
            {**LISTS, "truth_offsets": torch.tensor([0, 3, 2])},
            ValueError,
            "truth_offsets: expected numbers that do not fall, got 2 at 2",
        ),
        (
            {**LISTS, "truth_offsets": torch.tensor([1, 3, 5])},
            ValueError,
            "truth_offsets: expected numbers from 0 to the 5 people, got 1 to 5",
        ),
        (
            {**LISTS, "detection_offsets": torch.tensor([0, 1, 3])},
            ValueError,
            "detection_offsets: expected numbers from 0 to the 4 people, got 0 to 3",
        ),
        (
            {**LISTS, "detection_offsets": torch.tensor([0.0, 1.0, 4.0])},
            TypeError,
            "detection_offsets: expected dtype int64, int32",
        ),
        ({**LISTS, "pairs": 7}, ValueError, "pairs: expected 11, as the offsets say, got 7"),
    ],
)
def test_bad_input_is_named(change, error, words):
    with pytest.raises(error) as caught:
        oks_matrix(**{**GOOD, **change})
    assert words in str(caught.value)


def test_pair_offsets_need_one_shape():
    with pytest.raises(ValueError, match="truth_offsets: expected"):
        oks_pair_offsets(torch.tensor([0, 1]), torch.tensor([0, 1, 2]))
    assert oks_pair_offsets(torch.tensor([0]), torch.tensor([0])).tolist() == [0]
