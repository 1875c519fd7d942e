"""Scores of found people: COCO's keypoint evaluation, PCK, PCKh, PDJ and PCP, as functions and for torchmetrics."""

import importlib
from typing import TYPE_CHECKING, Any

from pyposeops.metrics.coco import COCOeval
from pyposeops.metrics.coco_data import KeypointResults, KeypointTruths
from pyposeops.metrics.coco_joints import SwapRates
from pyposeops.metrics.coco_matching import Params
from pyposeops.metrics.crowd_index import crowd_index
from pyposeops.metrics.distance_curve import AccuracyCurve, area_under_curve, distance_curve
from pyposeops.metrics.lsp import LspScores, ObserverCentric, lsp_protocol, observer_centric
from pyposeops.metrics.pck import Pck, pck
from pyposeops.metrics.pckh import PCKH_CONVENTIONS, Pckh, pckh
from pyposeops.metrics.pcp import Pcp, mean_stick_lengths, pcp
from pyposeops.metrics.pdj import pdj
from pyposeops.metrics.person_sizes import (
    box_sizes,
    head_box_sizes,
    joints_box_sizes,
    segment_sizes,
    torso_sizes,
)
from pyposeops.metrics.posetrack_ap import PoseTrackAp, posetrack_ap
from pyposeops.metrics.posetrack_data import POSETRACK_JOINTS, TrackResults, TrackTruths
from pyposeops.metrics.posetrack_evaluation import PoseTrackFigures, evaluate_posetrack
from pyposeops.metrics.posetrack_files import read_posetrack_results, read_posetrack_truths
from pyposeops.metrics.posetrack_mota import PoseTrackMota, posetrack_mota
from pyposeops.metrics.sticks import (
    FLIC_JOINTS,
    FLIC_STICKS,
    LSP_JOINTS,
    LSP_PARTS,
    LSP_STICKS,
    MPII_JOINTS,
    MPII_PARTS,
    Stick,
    stick_parts,
)
from pyposeops.metrics.training_accuracy import TrainingAccuracy, crop_accuracy, heatmap_accuracy

if TYPE_CHECKING:
    from pyposeops.metrics.joint_metrics import PCK as PCK
    from pyposeops.metrics.joint_metrics import PCP as PCP
    from pyposeops.metrics.joint_metrics import PDJ as PDJ
    from pyposeops.metrics.joint_metrics import DistanceCurve as DistanceCurve
    from pyposeops.metrics.joint_metrics import PCKh as PCKh
    from pyposeops.metrics.keypoint_ap import KeypointAP as KeypointAP
    from pyposeops.metrics.plots import plot_accuracy_curves as plot_accuracy_curves
    from pyposeops.metrics.plots import plot_precision_recall as plot_precision_recall
    from pyposeops.metrics.posetrack_metrics import MOTA as MOTA
    from pyposeops.metrics.posetrack_metrics import PoseTrackAP as PoseTrackAP

__all__ = [
    "FLIC_JOINTS",
    "FLIC_STICKS",
    "LSP_JOINTS",
    "LSP_PARTS",
    "LSP_STICKS",
    "MPII_JOINTS",
    "MPII_PARTS",
    "PCKH_CONVENTIONS",
    "POSETRACK_JOINTS",
    "AccuracyCurve",
    "COCOeval",
    "KeypointResults",
    "KeypointTruths",
    "LspScores",
    "ObserverCentric",
    "Params",
    "Pck",
    "Pckh",
    "Pcp",
    "PoseTrackAp",
    "PoseTrackFigures",
    "PoseTrackMota",
    "Stick",
    "SwapRates",
    "TrackResults",
    "TrackTruths",
    "TrainingAccuracy",
    "area_under_curve",
    "box_sizes",
    "crop_accuracy",
    "crowd_index",
    "distance_curve",
    "evaluate_posetrack",
    "head_box_sizes",
    "heatmap_accuracy",
    "joints_box_sizes",
    "lsp_protocol",
    "mean_stick_lengths",
    "observer_centric",
    "pck",
    "pckh",
    "pcp",
    "pdj",
    "posetrack_ap",
    "posetrack_mota",
    "read_posetrack_results",
    "read_posetrack_truths",
    "segment_sizes",
    "stick_parts",
    "torso_sizes",
]

# Names that need a package of the extra `metrics`, and their modules: imported when they are first used.
_OPTIONAL = {
    **dict.fromkeys(("PCK", "PCP", "PDJ", "DistanceCurve", "PCKh"), "joint_metrics"),
    "KeypointAP": "keypoint_ap",
    **dict.fromkeys(("MOTA", "PoseTrackAP"), "posetrack_metrics"),
    **dict.fromkeys(("plot_accuracy_curves", "plot_precision_recall"), "plots"),
}


def __getattr__(name: str) -> Any:
    if name not in _OPTIONAL:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        module = importlib.import_module(f"{__name__}.{_OPTIONAL[name]}")
    except ModuleNotFoundError as error:
        message = f"{name} needs {error.name}: pip install 'pyposeops[metrics]'"
        raise ModuleNotFoundError(message, name=error.name) from None
    return getattr(module, name)


def __dir__() -> list[str]:
    return [*globals(), *_OPTIONAL]
