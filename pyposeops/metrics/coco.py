"""COCO's keypoint evaluation, with the interface of pycocotools."""

from __future__ import annotations

import copy
import datetime
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pyposeops.metrics.coco_data import Floats, read_results, read_truths
from pyposeops.metrics.coco_figures import CROWD_SPLITS, LINES, figures_of
from pyposeops.metrics.coco_joints import SwapRates, default_flip_pairs, swap_rates, with_one_joint
from pyposeops.metrics.coco_matching import (
    Matched,
    Params,
    cell_names,
    draw_curves,
    match,
    match_details,
    sort_params,
)

IOU_TYPES = ("keypoints", "keypoints_crowd")


class COCOeval:
    """Average precision and recall of found people, by object keypoint similarity.

    Use as pycocotools' class of the same name: ``evaluate()``, ``accumulate()``, ``summarize()``, then ``stats``.
    Nothing is printed but by ``summarize``, and no input is changed. A category, image, area range, threshold or
    limit is what ``params`` says.

    Args:
        cocoGt: the annotated people: a COCO object of pycocotools (or of a package that follows it), the dictionary
            of a COCO file, a list of annotations, or :class:`KeypointTruths`.
        cocoDt: the found people: a COCO object, a list of results, or :class:`KeypointResults`.
        iouType: "keypoints", or "keypoints_crowd" for CrowdPose: its sigmas, 0.53 of the box as area, and average
            precision by how crowded an image is.
        sigmas: (K,) one per joint, for any joint set; default that of COCO's 17 or CrowdPose's 14.
        use_area: False: 0.53 of the box in place of the annotated area (default for "keypoints_crowd").
        strict: repeat pycocotools to the bit, with what is odd in it; see below.

    By default differs from pycocotools (``strict=True``) in this:

    * A ground truth or detection with id 0 counts as any other; pycocotools takes its match for none.
    * The area of a detection is the extent of its joints; pycocotools takes that of the box of every result where the
      first one has a box. Arrays may state areas of their own.
    * The figures are those of the largest ``maxDets``; pycocotools prints -1 for any other than 20.
    * Thresholds are found within rounding; pycocotools compares with ``==`` and misses 0.9.
    * ``num_keypoints`` may be missing and is then counted.
    * In CrowdPose's splits, categories and ranges without people are left out of the mean instead of entering as -1.

    In both, all of pycocotools' other rules hold: similarity over labelled joints only, over the box three times as
    large where no joint is labelled; the later of two equally similar people is matched; a group (``iscrowd``) may be
    matched any number of times, a person without labelled joints once; ``useCats=0`` matches across categories.

    Raises:
        ValueError: a field that is missing or of the wrong length, NaN, an image that the ground truth lacks; the
            message names the entry and the field.

    Example:
        >>> person = {"id": 1, "image_id": 7, "category_id": 1, "area": 900.0, "bbox": [0, 0, 30, 30], "iscrowd": 0,
        ...           "num_keypoints": 1, "keypoints": [5.0, 5.0, 2] + [0, 0, 0] * 16}
        >>> found = {"image_id": 7, "category_id": 1, "score": 0.9, "keypoints": [5.0, 6.0, 1] + [0, 0, 0] * 16}
        >>> evaluation = COCOeval([person], [found])
        >>> evaluation.evaluate()
        >>> evaluation.accumulate()
        >>> float(evaluation.eval["recall"][0, 0, 0, 0])
        1.0

    Source: cocodataset.org/#keypoints-eval; Lin et al., Microsoft COCO, ECCV 2014. keypoints_crowd: Li et al.,
    CrowdPose, CVPR 2019, section 4.
    """

    def __init__(
        self,
        cocoGt: Any = None,
        cocoDt: Any = None,
        iouType: str = "keypoints",
        *,
        sigmas: ArrayLike | None = None,
        use_area: bool | None = None,
        strict: bool = False,
    ) -> None:
        if iouType not in IOU_TYPES:
            raise ValueError(f"iouType: expected one of {', '.join(IOU_TYPES)}, got {iouType!r}")
        self.cocoGt, self.cocoDt = cocoGt, cocoDt
        self.strict = strict
        self.params = Params(iouType, sigmas)
        self.eval: dict[str, Any] = {}
        self.stats: Floats = np.zeros(0)
        self._matched: Matched | None = None
        self._details: tuple[Any, ...] | None = None
        self._use_area = iouType != "keypoints_crowd" if use_area is None else use_area
        if cocoGt is not None:
            joints = len(self.params.kpt_oks_sigmas)
            self._truths = read_truths(cocoGt, joints, use_area=self._use_area, strict=strict)
            self._results = read_results([] if cocoDt is None else cocoDt, joints, strict=strict)
            self.params.imgIds = self._image_ids().tolist()
            self.params.catIds = self._category_ids()

    def _image_ids(self) -> NDArray[np.int64]:
        """All images; ValueError for a result on another one."""
        images: NDArray[np.int64] = self._truths.images
        strangers = ~np.isin(self._results.image_ids, images)
        if isinstance(self.cocoGt, (list, tuple)):  # no list of images came with the annotations
            return np.union1d(images, self._results.image_ids)
        if strangers.any():
            first = int(np.argmax(strangers))
            raise ValueError(
                f"results[{first}]: image_id: expected an image of the ground truth, "
                f"got {self._results.image_ids[first]}"
            )
        return images

    def _category_ids(self) -> list[int]:
        dataset = getattr(self.cocoGt, "dataset", self.cocoGt)
        if isinstance(dataset, dict) and dataset.get("categories"):
            return sorted(category["id"] for category in dataset["categories"])
        found: list[int] = np.union1d(self._truths.category_ids, self._results.category_ids).tolist()
        return found

    def evaluate(self) -> None:
        """Match detections with people in every image."""
        sort_params(self.params)
        self._matched, self._details = self._match(self.params), None

    def _match(self, params: Params) -> Matched:
        if self.cocoGt is None and not hasattr(self, "_truths"):
            raise RuntimeError("expected a ground truth, got none")
        return match(self._truths, self._results, params, strict=self.strict)

    def accumulate(self, p: Params | None = None) -> None:
        """Draw the curves into ``eval``: precision and scores (T, R, K, A, M), recall (T, K, A, M).

        T thresholds, R recalls, K categories, A area ranges, M limits; -1 where no person counts.

        Args:
            p: other settings than those of ``evaluate``; people are then matched anew.
        """
        params = self.params
        if p is not None:
            params = copy.copy(p)
            sort_params(params)
        matched = self._evaluated() if p is None else self._match(params)
        found = draw_curves(matched)
        self.eval = {
            "params": params,
            "counts": [*found["precision"].shape],
            "date": datetime.datetime.now().strftime("%Y-%m-%d %H:%M:%S"),
            **found,
        }

    def _evaluated(self) -> Matched:
        if self._matched is None:
            raise RuntimeError("call evaluate() first")
        return self._matched

    def summarize(self) -> None:
        """Print the figures, one per line, and keep their numbers in ``stats``, in the order of :meth:`figures`."""
        found = self.figures()
        crowd = self.params.iouType == "keypoints_crowd"
        for name, value in found.items():
            if crowd and name.removeprefix("AP ") in CROWD_SPLITS:  # their "medium" is no range of areas
                print(
                    f" Average Precision  (AP) @[ crowd index={name.removeprefix('AP '):<7} ] = {value:0.3f}"
                )
            else:
                print(self._line(value, *LINES[name]))
        self.stats = np.array(list(found.values()))

    def figures(self) -> dict[str, float]:
        """The numbers of :meth:`summarize` by name; -1 where no person counts.

        keypoints: AP, AP50, AP75, AP medium, AP large, then the same five of AR.
        keypoints_crowd: AP, AP50, AP75, AR, AR50, AR75, then AP easy, AP medium, AP hard.
        """
        if not self.eval:
            raise RuntimeError("call accumulate() first")
        found = self._figures(self.eval, self.params)
        if self.params.iouType == "keypoints_crowd":
            found.update({f"AP {name}": value for name, value in self.crowd_split().items()})
        return found

    def crowd_split(self) -> dict[str, float]:
        """AP of the images below 0.2, below 0.8 and from 0.8 crowd index on, as CrowdPose has them; -1 for none."""
        index = self._truths.crowd_index
        if not index:
            raise ValueError("ground truth: expected images with a crowdIndex, got none")
        found = {}
        for name, (low, high) in CROWD_SPLITS.items():
            params = copy.copy(self.params)
            params.imgIds = [image for image in params.imgIds if low <= index.get(image, -1.0) < high]
            part = COCOeval(iouType=params.iouType, strict=self.strict)
            part.params, part._truths, part._results = params, self._truths, self._results
            part.evaluate()
            part.accumulate()
            values = part.eval["precision"][:, :, :, 0, -1]
            if self.strict:
                found[name] = float(round(np.mean(values), 4))
            else:
                found[name] = float(np.mean(values[values > -1])) if (values > -1).any() else -1.0
        return found

    def joint_figures(self) -> dict[str, Floats]:
        """The figures joint by joint: each the name of a line of :meth:`figures` with (K,) numbers, -1 where none.

        Joint k is scored by the same evaluation with k alone labelled: the similarity of a person is that of joint k,
        and who lacks it counts no more than who lacks all joints does otherwise. People are matched anew for each
        joint, so a joint may be right in a detection whose other joints are not. Settings are those of
        :meth:`evaluate`.
        """
        kept = self._evaluated()
        rows: list[dict[str, float]] = []
        for joint in range(len(kept.params.kpt_oks_sigmas)):
            truths = with_one_joint(kept.truths, joint)
            found = draw_curves(match(truths, kept.results, kept.params, strict=self.strict))
            rows.append(self._figures(found, kept.params))
        return {name: np.array([row[name] for row in rows]) for name in rows[0]}

    def swap_rates(
        self,
        flip_pairs: Sequence[Sequence[int]] | None = None,
        *,
        iou: float = 0.5,
        similarity: float = 0.5,
    ) -> SwapRates:
        """How often left and right are mistaken for each other in people who are found.

        Examined are the pairs of joints that are both labelled, in people matched at threshold ``iou`` (first area
        range). A pair is swapped where exchanging the two found joints raises their mean similarity, and to at least
        ``similarity``: so a pair that is wrong in another way is not counted. A person whose pairs are all swapped
        may be too dissimilar to be matched; a lower ``iou`` among ``params.iouThrs`` includes more of them.

        Args:
            flip_pairs: (left, right) indices of joints, from 0; default those of COCO's 17 or CrowdPose's 14 joints.
            iou: one of ``params.iouThrs``.
            similarity: least mean similarity of the exchanged joints, 0 to 1.

        Raises:
            ValueError: pairs that are none, a joint set without default pairs, an ``iou`` that was not evaluated.

        Source: the kind of error called inversion in Ronchi and Perona, Benchmarking and Error Diagnosis in
        Multi-Instance Pose Estimation, ICCV 2017.
        """
        kept = self._evaluated()
        if flip_pairs is None:
            flip_pairs = default_flip_pairs(len(kept.params.kpt_oks_sigmas))
        return swap_rates(kept, self._detailed()[0], flip_pairs, iou=iou, similarity=similarity)

    def _figures(self, drawn: Mapping[str, Any], params: Params) -> dict[str, float]:
        return figures_of(drawn, params, limit=self._limit(), strict=self.strict)

    def _limit(self) -> int:
        return 20 if self.strict else self.params.maxDets[-1]

    def _line(self, figure: float, kind: str, threshold: float | None, area: str) -> str:
        params = self.params
        title = "Average Precision  (AP)" if kind == "precision" else "Average Recall     (AR)"
        iou = (
            f"{params.iouThrs[0]:0.2f}:{params.iouThrs[-1]:0.2f}"
            if threshold is None
            else f"{threshold:0.2f}"
        )
        return f" {title} @[ IoU={iou:<9} | area={area:>6s} | maxDets={self._limit():>3d} ] = {figure:0.3f}"

    @property
    def ious(self) -> dict[tuple[int, int], Any]:
        """(image, category) -> similarities (detections by score, people), or [] where one of them is missing."""
        matched, (_, values, offsets) = self._evaluated(), self._detailed()
        found: dict[tuple[int, int], Any] = {}
        for cell, (category, image) in enumerate(cell_names(matched.params)):
            shape = [np.diff(o[cell : cell + 2])[0] for o in (matched.dt_offsets, matched.gt_offsets)]
            block = values[offsets[cell] : offsets[cell + 1]].reshape(shape)
            found[image, category] = block if block.size else []
        return found

    @property
    def evalImgs(self) -> list[dict[str, Any] | None]:
        """One entry per category, area range and image, as pycocotools keeps them; made when asked for."""
        matched, (matches, _, _) = self._evaluated(), self._detailed()
        params = matched.params
        images = len(params.imgIds)
        entries: list[dict[str, Any] | None] = []
        names = cell_names(params)
        for first in range(0, len(names), images):
            for area in range(len(params.areaRng)):
                for cell in range(first, first + images):
                    entries.append(self._entry(matched, matches, names[cell], cell, area))
        return entries

    def _entry(
        self, matched: Matched, matches: NDArray[np.int32], name: tuple[int, int], cell: int, area: int
    ) -> dict[str, Any] | None:
        first, last = matched.gt_offsets[cell : cell + 2]
        begin, end = matched.dt_offsets[cell : cell + 2]
        if first == last and begin == end:
            return None
        outside = matched.outside[area, first:last]
        order = np.argsort(outside, kind="stable")
        truth_ids = matched.truths.ids[matched.gt_order[first:last]]
        rows = matched.dt_order[begin:end]
        found = matches[area, :, begin:end]
        detection_ids = matched.results.ids[rows]
        of_detections = (
            np.where(found >= 0, matched.truths.ids[matched.gt_order[found]], 0)
            if first < last
            else found * 0
        )
        of_truths = np.zeros((len(found), last - first))
        for threshold, positions in enumerate(found):
            hit = positions >= 0
            of_truths[threshold, positions[hit] - first] = detection_ids[hit]  # the last one stays
        return {
            "image_id": name[1],
            "category_id": name[0],
            "aRng": matched.params.areaRng[area],
            "maxDet": matched.params.maxDets[-1],
            "dtIds": detection_ids.tolist(),
            "gtIds": truth_ids[order].tolist(),
            "dtMatches": of_detections.astype(np.float64),
            "gtMatches": of_truths[:, order],
            "dtScores": matched.results.scores[rows].tolist(),
            "gtIgnore": outside[order].astype(np.int64),
            "dtIgnore": matched.states[area, :, begin:end] == 2,
        }

    def _detailed(self) -> tuple[Any, ...]:
        """Positions of the matched people and all similarities, computed when first asked for."""
        if self._details is None:
            self._details = match_details(self._evaluated())
        return self._details
