"""COCO's keypoint AP as a metric that grows batch by batch, on every process of a training run."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor
from torchmetrics import Metric

from pyposeops.metrics.coco_data import Integers
from pyposeops.metrics.coco_figures import CROWD_SPLITS, figures_of
from pyposeops.metrics.coco_joints import with_one_joint
from pyposeops.metrics.coco_matching import Params, match, sort_params
from pyposeops.metrics.image_people import read_images
from pyposeops.metrics.kept_people import KeptPeople


class KeypointAP(Metric):
    """Average precision and recall by object keypoint similarity, from batches, on one process or many.

    ``update`` matches the people of its images at once; what is kept of a detection is its score and one bit per
    threshold and area range, for "correct" and for "ignored": 24 bytes with COCO's settings. ``compute`` sorts the
    images by id, so the result is bit for bit that of :class:`COCOeval` over all images, whatever the batches, the
    processes and their order. Processes exchange tensors, and an image that a sampler gave to several of them to
    fill its last batch counts once.

    Args:
        sigmas: (K,) one per joint; default COCO's 17 (:mod:`pyposeops.metrics.keypoint_sets` has others).
        max_dets: the best detections of an image and category that count.
        area_ranges: name -> (lowest, highest) area in square pixels, both included; the first one is that of AP and
            AR, and COCO's "medium" and "large" have lines of their own. Default: COCO's.
        categories: ids that are evaluated.
        use_area: False: 0.53 of the box in place of the annotated area, as CrowdPose does.
        per_joint: also give "AP per joint" and "AR per joint", (K,) (see :meth:`COCOeval.joint_figures`); K times
            the memory and time.
        strict: repeat pycocotools to the bit; see :class:`COCOeval`.
        options: of ``torchmetrics.Metric``.

    ``update(image_ids, preds, target)``: people of whole images. All people of an image come in one call (an image
    that comes again with other people is an error; with the same, it counts once).

    * ``image_ids``: one integer per image.
    * ``preds``: a list of dictionaries, one per image, or one dictionary with ``offsets`` (images + 1), where the
      people of image i are rows ``offsets[i]`` to ``offsets[i + 1]``. Tensors or arrays: ``keypoints`` (N, K, 2) or
      (N, K, 3), whose third value is not read, in pixels; ``scores`` (N,); optionally ``areas`` (N,) and ``labels``
      (N,).
    * ``target``: in the same form: ``keypoints`` (N, K, 3) with visibility; ``areas`` (N,), or ``boxes`` (N, 4) xywh
      with ``use_area=False``; optionally ``boxes``, ``iscrowd`` (N,), ``num_keypoints`` (N,), ``ids`` (N,),
      ``labels`` (N,), and ``crowd_index``, one number per image, which brings CrowdPose's three splits.

    ``compute`` gives a dictionary of float64 tensors: the names of :meth:`COCOeval.figures`, -1 where nobody counts.

    Raises:
        ValueError: a key that is missing, shapes that do not fit, NaN; the message names batch, image and key.

    Example:
        >>> metric = KeypointAP(sigmas=[0.1])
        >>> found = {"keypoints": torch.tensor([[[5.0, 6.0]]]), "scores": torch.tensor([0.9])}
        >>> person = {"keypoints": torch.tensor([[[5.0, 5.0, 2.0]]]), "areas": torch.tensor([900.0])}
        >>> metric.update([7], [found], [person])
        >>> metric.compute()["AR"]
        tensor(1., dtype=torch.float64)

    Source: cocodataset.org/#keypoints-eval.
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = False

    rows: list[Tensor]
    scores: list[Tensor]
    bits: list[Tensor]
    crowd_index: list[Tensor]

    def __init__(
        self,
        sigmas: ArrayLike | None = None,
        *,
        max_dets: int = 20,
        area_ranges: Mapping[str, Sequence[float]] | None = None,
        categories: Sequence[int] = (1,),
        use_area: bool = True,
        per_joint: bool = False,
        strict: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        if isinstance(max_dets, bool) or not isinstance(max_dets, int | np.integer) or max_dets < 1:
            raise ValueError(f"max_dets: expected an integer of at least 1, got {max_dets}")
        if not categories or not np.issubdtype(np.asarray(categories).dtype, np.integer):
            raise ValueError(f"categories: expected at least one id, integers, got {categories}")
        self.params = Params("keypoints", sigmas)
        self.params.maxDets, self.params.catIds = [max_dets], sorted(set(categories))
        if area_ranges is not None:
            self.params.areaRng = _read_ranges(area_ranges)
            self.params.areaRngLbl = list(area_ranges)
        self.use_area, self.per_joint, self.strict = use_area, per_joint, strict
        for name in KeptPeople._fields:
            self.add_state(name, default=[], dist_reduce_fx="cat")

    @property
    def _views(self) -> int:
        """Evaluations that are kept side by side: of all joints, and of each alone where asked for."""
        return 1 + len(self.params.kpt_oks_sigmas) * self.per_joint

    def update(self, image_ids: Any, preds: Any, target: Any) -> None:
        """Add the people of some images; see the class."""
        joints = len(self.params.kpt_oks_sigmas)
        for people in read_images(image_ids, preds, target, joints=joints, use_area=self.use_area):
            params = self._params_of(people.image_ids)
            views = [
                people.truths,
                *(with_one_joint(people.truths, joint) for joint in range(self._views - 1)),
            ]
            matched = [match(truths, people.results, params, strict=self.strict) for truths in views]
            self._append(KeptPeople.of(matched, people.crowd_index))

    def _params_of(self, image_ids: Integers) -> Params:
        params = copy.copy(self.params)
        params.imgIds = image_ids.tolist()
        sort_params(params)
        return params

    def _append(self, kept: KeptPeople) -> None:
        for name, value in kept._asdict().items():
            getattr(self, name).append(torch.from_numpy(np.ascontiguousarray(value)).to(self.device))

    def compute(self) -> dict[str, Tensor]:
        """The figures of all images so far, of all processes."""
        kept = self._all().ordered()
        found: dict[str, Any] = self._figures(kept, 0)
        index = kept.crowd_index
        if np.isfinite(index).any():
            for name, (low, high) in CROWD_SPLITS.items():
                found[f"AP {name}"] = self._figures(kept.select((low <= index) & (index < high)), 0)["AP"]
        if self.per_joint:
            joints = [self._figures(kept, view) for view in range(1, self._views)]
            found |= {f"{name} per joint": [joint[name] for joint in joints] for name in ("AP", "AR")}
        return {
            name: torch.tensor(value, dtype=torch.float64, device=self.device)
            for name, value in found.items()
        }

    def _all(self) -> KeptPeople:
        parts = [KeptPeople.empty(self.params, self._views)]
        columns = [
            [tensor.cpu().numpy() for tensor in _listed(getattr(self, name))] for name in KeptPeople._fields
        ]
        parts += [KeptPeople(*part) for part in zip(*columns, strict=True)]
        return KeptPeople(*(np.concatenate(column) for column in zip(*parts, strict=True)))

    def _figures(self, kept: KeptPeople, view: int) -> dict[str, float]:
        drawn = kept.draw(self.params, view, self._views)
        return figures_of(drawn, self.params, limit=self.params.maxDets[-1], strict=self.strict)

    def sync(self, *arguments: Any, **options: Any) -> None:
        """As in ``Metric``. A process that has seen nothing takes part with no rows, since all must exchange."""
        if not self._is_synced and not self.rows:
            self._append(KeptPeople.empty(self.params, self._views))
        super().sync(*arguments, **options)


def _read_ranges(area_ranges: Mapping[str, Sequence[float]]) -> list[list[float]]:
    ranges = [list(map(float, pair)) for pair in area_ranges.values()]
    if not ranges or not all(len(pair) == 2 and pair[0] <= pair[1] for pair in ranges):
        raise ValueError(
            f"area_ranges: expected at least one name with (lowest, highest), got {dict(area_ranges)}"
        )
    return ranges


def _listed(state: list[Tensor] | Tensor) -> list[Tensor]:
    """After an exchange a state is one tensor."""
    return [state] if isinstance(state, Tensor) else state
