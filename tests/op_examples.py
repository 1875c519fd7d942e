"""One small call of every public operator: what the contract tests run, and what docs/operators.md is made from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

import pyposeops
from pyposeops.skeletons import PafSkeleton
from tests.op_contract import FLOATS

Arguments = dict[str, Any]


@dataclass(frozen=True)
class Example:
    """
    Args:
        arguments: dtype -> the arguments of a call, by name, on the CPU; every floating argument that follows the
            operator's dtype has that dtype.
        gradient: names of the arguments that a gradient can reach; all others get none.
        batched: names of the tensors whose first dimension is the batch, or () where there is none.
        dtypes: those that the operator takes. Others must be refused with a TypeError.
    """

    arguments: Callable[[torch.dtype], Arguments]
    gradient: tuple[str, ...] = ()
    batched: tuple[str, ...] = ()
    dtypes: tuple[torch.dtype, ...] = FLOATS


def _random(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _points(*shape: int, width: int = 12, height: int = 16) -> Tensor:
    """(x, y) inside a map of 16x12, away from pixel centres and from half pixels."""
    whole = (_random(*shape, 2) * torch.tensor([width - 4.0, height - 4.0])).floor() + 2
    return whole + 0.2 + 0.1 * _random(*shape, 2, seed=1)


def _affines(dtype: torch.dtype) -> Tensor:
    return torch.tensor([[[0.9, 0.2, 3.0], [-0.2, 0.9, 4.0]]] * 2, dtype=dtype)


def _thetas(dtype: torch.dtype) -> Tensor:
    return torch.tensor(
        [[[0.8, 0.1, 0.05], [-0.2, 0.7, -0.1]], [[1.3, 0.0, 0.2], [0.1, 0.9, 0.3]]], dtype=dtype
    )


def _boxes(dtype: torch.dtype) -> Tensor:
    return torch.tensor([[4.0, 3.0, 20.0, 24.0], [-5.0, 2.0, 16.0, 20.0]], dtype=dtype)


def _cameras(dtype: torch.dtype) -> Tensor:
    """(3, 3, 4): side by side, two units in front of the unit cube."""
    shifts = torch.tensor([-0.5, 0.0, 0.25], dtype=torch.float64)
    cameras = torch.eye(3, 4, dtype=torch.float64).repeat(3, 1, 1)
    cameras[:, 0, 3], cameras[:, 1, 3], cameras[:, 2, 3] = shifts, shifts**2, 2.0
    return cameras.to(dtype)


def _image() -> Tensor:
    return (_random(30, 40, 3) * 255).to(torch.uint8)


def _maps(dtype: torch.dtype, seed: int = 0) -> Tensor:
    return _random(2, 5, 16, 12, seed=seed).to(dtype)


def _weights() -> Tensor:
    return torch.tensor([[1.0, 0.0, 2.0, 1.0, 0.5], [1.0, 1.0, 1.0, 0.0, 1.0]])


def _distributions(dtype: torch.dtype, *shape: int) -> Tensor:
    return torch.softmax(4 * _random(*shape).flatten(2), -1).view(shape).to(dtype)


def _limbs_of_two(dtype: torch.dtype) -> Arguments:
    """Heatmaps and fields of two people with a head, a neck and a hip each, in two images."""
    joints = torch.tensor([[[5.0, 4.0], [5.5, 8.0], [5.0, 13.0]], [[15.0, 5.0], [15.5, 9.0], [15.0, 14.0]]])
    points = torch.stack([joints, joints.flip(1) + 1.5])
    seen = torch.ones(2, 2, 3)
    heatmaps = pyposeops.gaussian_heatmap(points, seen, (18, 22), sigma=1.0).heatmaps
    limbs = ((0, 1), (1, 2))
    fields = pyposeops.part_affinity_field(points, seen, limbs, (18, 22), half_width=1.0).fields
    skeleton = PafSkeleton.of(("head", "neck", "hip"), limbs)
    return {
        "heatmaps": heatmaps.to(dtype),
        "pafs": fields.to(dtype),
        "skeleton": skeleton,
        "upsampling": 4,
        "max_people": 4,
    }


EXAMPLES: dict[str, Example] = {
    "adaptive_wing_loss": Example(
        lambda dtype: {"pred": _maps(dtype), "target": _maps(dtype, 1), "weights": _weights()},
        gradient=("pred",),
        batched=("pred", "target", "weights"),
    ),
    "affine_from_box": Example(
        lambda dtype: {"boxes": _boxes(dtype), "size": (32, 24)},
        gradient=("boxes",),
        batched=("boxes",),
    ),
    "associative_embedding_loss": Example(
        lambda dtype: {
            "tags": _maps(dtype),
            "keypoints": _points(2, 3, 5).float(),
            "visibility": _random(2, 3, 5).float() + 0.3,
        },
        gradient=("tags",),
        batched=("tags", "keypoints", "visibility"),
    ),
    "box_to_center_scale": Example(
        lambda dtype: {"boxes": _boxes(dtype), "size": (32, 24)},
        gradient=("boxes",),
        batched=("boxes",),
    ),
    "center_scale_to_box": Example(
        lambda dtype: {"center": _random(3, 2).to(dtype), "scale": _random(3, 2, seed=1).to(dtype)},
        gradient=("center", "scale"),
        batched=("center", "scale"),
    ),
    "centernet_decode": Example(
        lambda dtype: {
            "centers": _maps(dtype)[:, :1],
            "sizes": 8 + 4 * _maps(dtype, 1)[:, :2],
            "joint_offsets": 4 * _maps(dtype, 2)[:, :4] - 2,
            "center_offsets": _maps(dtype, 3)[:, :2],
            "joint_heatmaps": _maps(dtype, 4)[:, :2],
            "max_people": 6,
        },
        batched=("centers", "sizes", "joint_offsets", "center_offsets", "joint_heatmaps"),
    ),
    "compose_affine": Example(
        lambda dtype: {"first": _affines(dtype), "second": _affines(dtype) * 2},
        gradient=("first", "second"),
        batched=("first", "second"),
    ),
    "convert_boxes": Example(
        lambda dtype: {"boxes": _boxes(dtype), "source": "xywh", "target": "xyxy"},
        gradient=("boxes",),
        batched=("boxes",),
    ),
    "crop_features": Example(
        lambda dtype: {
            "features": _maps(dtype),
            "centers": (_points(2, 3) - 1.5).to(dtype),
            "window": (5, 4),
            "sampling": "bilinear",
        },
        gradient=("features", "centers"),
        batched=("features", "centers"),
    ),
    "crop_images": Example(
        lambda dtype: {
            "images": _image(),
            "boxes_or_affines": _boxes(torch.float32),
            "size": (16, 12),
            "out_dtype": dtype,
        },
        batched=("boxes_or_affines",),
        dtypes=(torch.float32, torch.float16, torch.bfloat16),
    ),
    "crop_origins": Example(
        lambda dtype: {"centers": _points(2, 5).to(dtype), "window": (5, 4), "sampling": "bilinear"},
        gradient=("centers",),
        batched=("centers",),
    ),
    "crop_to_heatmap": Example(
        lambda dtype: {"keypoints": _points(2, 5).to(dtype), "size": (32, 24), "heatmap_size": (8, 6)},
        gradient=("keypoints",),
        batched=("keypoints",),
    ),
    "displacement_heatmap": Example(
        lambda dtype: {
            "keypoints": _points(2, 3, 5).to(dtype),
            "visibility": torch.ones(2, 3, 5),
            "roots": _points(2, 3).to(dtype),
            "instance_sizes": (1 + _random(2, 3)).to(dtype),
            "size": (16, 12),
            "radius": 2.0,
        },
        batched=("keypoints", "visibility", "roots", "instance_sizes"),
    ),
    "dsnt_loss": Example(
        lambda dtype: {
            "probabilities": _distributions(dtype, 2, 5, 16, 12),
            "keypoints": _points(2, 5).float(),
            "weights": _weights(),
        },
        gradient=("probabilities",),
        batched=("probabilities", "keypoints", "weights"),
    ),
    "fix_aspect_ratio": Example(
        lambda dtype: {"boxes": _boxes(dtype), "size": (32, 24)},
        gradient=("boxes",),
        batched=("boxes",),
    ),
    "flip_keypoints": Example(
        lambda dtype: {
            "keypoints": _points(2, 5).to(dtype),
            "visibility": torch.tensor([[0, 1, 2, 1, 0]] * 2),
            "flip_pairs": [(0, 1), (3, 4)],
            "width": 12,
        },
        gradient=("keypoints",),
        batched=("keypoints", "visibility"),
    ),
    "flip_merge": Example(
        lambda dtype: {
            "heatmaps": _random(2, 5, 16, 12).to(dtype),
            "flipped": _random(2, 5, 16, 12, seed=1).to(dtype),
            "flip_pairs": ((0, 1), (4, 2)),
            "shift": True,
        },
        gradient=("heatmaps", "flipped"),
        batched=("heatmaps", "flipped"),
    ),
    "gaussian_heatmap": Example(
        lambda dtype: {
            "keypoints": _points(2, 5).to(dtype),
            "visibility": torch.ones(2, 5),
            "size": (16, 12),
            "sigma": torch.full((5,), 1.5, dtype=dtype),
            "encoding": "unbiased",
        },
        gradient=("keypoints", "sigma"),
        batched=("keypoints", "visibility"),
    ),
    "gaussian_heatmap_loss": Example(
        lambda dtype: {
            "pred": _maps(dtype),
            "keypoints": _points(2, 5).float(),
            "visibility": _weights(),
            "sigma": 1.5,
        },
        gradient=("pred",),
        batched=("pred", "keypoints", "visibility"),
    ),
    "hardest_joints": Example(
        lambda dtype: {"losses": _random(2, 5).to(dtype), "top_k": 2},
        gradient=("losses",),
        batched=("losses",),
    ),
    "heatmap_decode": Example(
        lambda dtype: {"heatmaps": _random(2, 5, 16, 12).to(dtype), "refine": "quarter"},
        batched=("heatmaps",),
    ),
    "heatmap_nms": Example(
        lambda dtype: {"heatmaps": _maps(dtype), "window": 3, "threshold": 0.2},
        gradient=("heatmaps",),
        batched=("heatmaps",),
    ),
    "heatmap_peaks": Example(
        lambda dtype: {"heatmaps": _maps(dtype), "max_peaks": 6, "refine": "centroid"},
        batched=("heatmaps",),
    ),
    "heatmap_to_crop": Example(
        lambda dtype: {"keypoints": _points(2, 5).to(dtype), "size": (32, 24), "heatmap_size": (8, 6)},
        gradient=("keypoints",),
        batched=("keypoints",),
    ),
    "invert_affine": Example(
        lambda dtype: {"affines": _affines(dtype)}, gradient=("affines",), batched=("affines",)
    ),
    "invert_perspective": Example(
        lambda dtype: {
            "matrices": torch.tensor([[[1.0, 0.2, 3], [-0.2, 1, 4], [0.01, 0.02, 1]]] * 2).to(dtype)
        },
        gradient=("matrices",),
        batched=("matrices",),
    ),
    "invert_theta": Example(lambda dtype: {"theta": _thetas(dtype)}, gradient=("theta",), batched=("theta",)),
    "joints_mse_loss": Example(
        lambda dtype: {"pred": _maps(dtype), "target": _maps(dtype, 1), "weights": _weights()},
        gradient=("pred", "target"),
        batched=("pred", "target", "weights"),
    ),
    "keypoint_bins": Example(
        lambda dtype: {
            "keypoints": _points(2, 5).to(dtype),
            "visibility": torch.ones(2, 5),
            "boxes": torch.tensor([[1.0, 1.0, 9.0, 12.0]] * 2, dtype=dtype),
            "size": (8, 6),
        },
        batched=("keypoints", "visibility", "boxes"),
    ),
    "keypoint_boxes": Example(
        lambda dtype: {"keypoints": _points(2, 5).to(dtype), "padding": 1.25},
        gradient=("keypoints",),
        batched=("keypoints",),
    ),
    "nearby_joints_nms": Example(
        lambda dtype: {
            "keypoints": _points(4, 5).to(dtype),
            "scores": torch.tensor([0.4, 0.9, 0.4, 0.7], dtype=dtype),
            "distance_threshold": 0.4,
        },
        batched=("keypoints", "scores"),
        dtypes=(torch.float32, torch.float64),
    ),
    "offset_heatmap": Example(
        lambda dtype: {
            "keypoints": _points(2, 3, 5).to(dtype),
            "visibility": torch.ones(2, 3, 5),
            "size": (16, 12),
            "kind": "offset",
        },
        batched=("keypoints", "visibility"),
    ),
    "ohkm_loss": Example(
        lambda dtype: {"pred": _maps(dtype), "target": _maps(dtype, 1), "weights": _weights(), "top_k": 2},
        gradient=("pred", "target"),
        batched=("pred", "target", "weights"),
    ),
    "oks_loss": Example(
        lambda dtype: {
            "pred": _points(2, 5).to(dtype),
            "target": _points(2, 5).to(dtype) + 1,
            "visibility": _weights(),
            "area": torch.tensor([120.0, 90.0]),
            "sigmas": (0.1, 0.2, 0.3, 0.2, 0.1),
        },
        gradient=("pred",),
        batched=("pred", "target", "visibility", "area"),
    ),
    "oks_matrix": Example(
        lambda dtype: {
            "detections": _points(2, 3, 5).to(dtype),
            "truths": _points(2, 2, 5).to(dtype) + 1,
            "sigmas": (0.1, 0.2, 0.3, 0.2, 0.1),
            "areas": torch.tensor([[120.0, 90.0], [60.0, 40.0]]),
            "visibility": torch.tensor(
                [[[1, 2, 0, 2, 1], [0, 0, 0, 0, 0]], [[2, 2, 2, 2, 2], [0, 0, 1, 0, 0]]]
            ),
            "boxes": torch.tensor([4.0, 4.0, 3.0, 4.0]).expand(2, 2, 4),
            "unlabelled": "box",
        },
        gradient=("detections",),
        batched=("detections", "truths", "areas", "visibility", "boxes"),
    ),
    "oks_nms": Example(
        lambda dtype: {
            "keypoints": _points(4, 5).to(dtype),
            "scores": torch.tensor([0.4, 0.9, 0.4, 0.7], dtype=dtype),
            "areas": torch.tensor([120.0, 90.0, 100.0, 80.0], dtype=dtype),
            "sigmas": (0.1, 0.2, 0.3, 0.2, 0.1),
            "threshold": 0.2,
        },
        batched=("keypoints", "scores", "areas"),
        dtypes=(torch.float32, torch.float64),
    ),
    "oks_pair_offsets": Example(
        lambda dtype: {"detection_offsets": torch.tensor([0, 3, 5]), "truth_offsets": torch.tensor([0, 2, 3])}
    ),
    "paf_decode": Example(_limbs_of_two, batched=("heatmaps", "pafs")),
    "parametric_pose_nms": Example(
        lambda dtype: {
            "boxes": torch.tensor([[1.0, 1.0, 9.0, 12.0]] * 4, dtype=dtype),
            "box_scores": torch.tensor([0.4, 0.9, 0.4, 0.7], dtype=dtype),
            "keypoints": _points(4, 5).to(dtype),
            "keypoint_scores": _random(4, 5).to(dtype),
            "gamma": 2.0,
        },
        batched=("boxes", "box_scores", "keypoints", "keypoint_scores"),
        dtypes=(torch.float32, torch.float64),
    ),
    "part_affinity_field": Example(
        lambda dtype: {
            "keypoints": _points(2, 3, 5).to(dtype),
            "visibility": torch.ones(2, 3, 5),
            "limbs": [(0, 1), (1, 2), (4, 3)],
            "size": (16, 12),
            "return_counts": True,
        },
        batched=("keypoints", "visibility"),
    ),
    "paste_back": Example(
        lambda dtype: {"maps": _maps(dtype), "theta": _thetas(dtype), "size": (9, 11)},
        gradient=("maps", "theta"),
        batched=("maps", "theta"),
    ),
    "paste_back_keypoints": Example(
        lambda dtype: {
            "keypoints": _points(2, 5).to(dtype),
            "theta": _thetas(dtype),
            "size": (16, 12),
            "input_size": (32, 40),
        },
        gradient=("keypoints", "theta"),
        batched=("keypoints", "theta"),
    ),
    "personlab_decode": Example(
        lambda dtype: {
            "heatmaps": _maps(dtype),
            "offsets": 4 * torch.cat((_maps(dtype, 1), _maps(dtype, 2)), 1) - 2,
            "forward": 20 * _maps(dtype, 3)[:, :4] - 10,
            "backward": 20 * _maps(dtype, 4)[:, :4] - 10,
            "edges": ((0, 1), (1, 2)),
            "stride_px": 4.0,
            "min_score": 0.3,
            "max_people": 6,
        },
        batched=("heatmaps", "offsets", "forward", "backward"),
    ),
    "pifpaf_decode": Example(
        lambda dtype: {
            "cif": 3 * _random(2, 3, 5, 8, 6).to(dtype),
            "caf": 3 * _random(2, 2, 8, 8, 6, seed=1).to(dtype),
            "limbs": ((0, 1), (1, 2)),
            "stride_px": 8.0,
            "min_score": 0.05,
            "max_people": 6,
        },
        batched=("cif", "caf"),
    ),
    "project_points": Example(
        lambda dtype: {"points": _random(2, 5, 3).to(dtype), "cameras": _cameras(dtype)[0]},
        gradient=("points", "cameras"),
        batched=("points",),
    ),
    "simcc_decode": Example(
        lambda dtype: {
            "simcc_x": _distributions(dtype, 2, 5, 24),
            "simcc_y": _distributions(dtype, 2, 5, 32),
            "refine": "dark",
            "blur_kernel": (5, 7),
            "affines": _affines(torch.float32),
        },
        batched=("simcc_x", "simcc_y", "affines"),
    ),
    "simcc_label": Example(
        lambda dtype: {
            "keypoints": _points(2, 5).to(dtype),
            "visibility": torch.ones(2, 5),
            "size": (16, 12),
            "sigma": 3.0,
        },
        gradient=("keypoints",),
        batched=("keypoints", "visibility"),
    ),
    "simcc_loss": Example(
        lambda dtype: {
            "pred_x": _random(2, 5, 24).to(dtype),
            "pred_y": _random(2, 5, 32).to(dtype),
            "target_x": _distributions(dtype, 2, 5, 24),
            "target_y": _distributions(dtype, 2, 5, 32),
            "weights": _weights(),
        },
        gradient=("pred_x", "pred_y"),
        batched=("pred_x", "pred_y", "target_x", "target_y", "weights"),
    ),
    "soft_argmax_1d": Example(
        lambda dtype: {"heatmaps": 8 * _random(2, 5, 12).to(dtype), "covariance": True},
        gradient=("heatmaps",),
        batched=("heatmaps",),
    ),
    "soft_argmax_2d": Example(
        lambda dtype: {"heatmaps": 8 * _random(2, 5, 16, 12).to(dtype), "covariance": True},
        gradient=("heatmaps",),
        batched=("heatmaps",),
    ),
    "soft_argmax_3d": Example(
        lambda dtype: {"heatmaps": 8 * _random(2, 5, 4, 6, 5).to(dtype), "covariance": True},
        gradient=("heatmaps",),
        batched=("heatmaps",),
    ),
    "soft_oks_nms": Example(
        lambda dtype: {
            "keypoints": _points(4, 5).to(dtype),
            "scores": torch.tensor([0.4, 0.9, 0.4, 0.7], dtype=dtype),
            "areas": torch.tensor([120.0, 90.0, 100.0, 80.0], dtype=dtype),
            "sigmas": (0.1, 0.2, 0.3, 0.2, 0.1),
            "max_dets": 3,
        },
        batched=("keypoints", "scores", "areas"),
        dtypes=(torch.float32, torch.float64),
    ),
    "spatial_transformer": Example(
        lambda dtype: {"input": _maps(dtype), "theta": _thetas(dtype), "size": (9, 11)},
        gradient=("input", "theta"),
        batched=("input", "theta"),
    ),
    "tag_grouping": Example(
        lambda dtype: {
            "heatmaps": _maps(dtype),
            "tags": 3 * _maps(dtype, 1),
            "joint_order": (4, 3, 2, 1, 0),
            "max_peaks": 6,
            "max_people": 8,
        },
        batched=("heatmaps", "tags"),
    ),
    "theta_from_affine": Example(
        lambda dtype: {"affines": _affines(dtype), "input_size": (32, 40), "size": (16, 12)},
        gradient=("affines",),
        batched=("affines",),
    ),
    "transform_keypoints": Example(
        lambda dtype: {"keypoints": _points(2, 5).to(dtype), "affines": _affines(dtype)},
        gradient=("keypoints", "affines"),
        batched=("keypoints", "affines"),
    ),
    "triangulate_points": Example(
        lambda dtype: {"keypoints": _random(2, 3, 4, 2).to(dtype), "cameras": _cameras(dtype)},
        gradient=("keypoints", "cameras"),
        batched=("keypoints",),
    ),
}
