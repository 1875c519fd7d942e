"""CrowdPose's way from boxes to people: every box shows joints of several people, and each joint goes to one of them.

Source: Li et al., CrowdPose: Efficient Crowded Scenes Pose Estimation and A New Benchmark, CVPR 2019, section 3.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

import pyposeops
from pyposeops.solvers import match_joints
from python_models.errors import UserError
from python_models.estimator import CROP_PADDING, PoseEstimator
from python_models.map_grid import MapAxis
from python_models.outputs import uses_peaks
from python_models.people import People, whole_image

MAX_PEAKS, THRESHOLD, WINDOW = 5, 0.1, 5
MIN_JOINTS = 5
# Others in a box respond half as high as its own person where the network has learned so. Between the two:
MIN_SHARE = 0.75
LEAST = 1e-6
# The other refinements look at more than a peak's neighbours, so that candidates beside each other disturb them.
REFINEMENTS = ("none", "quarter", "parabola")


class Candidates(NamedTuple):
    """What the heat maps of N boxes show of one image."""

    coords: Tensor  # (N, K, P, 2), places of peaks in pixels of the image, the highest first
    scores: Tensor  # (N, K, P), 0 beyond the peaks
    counts: Tensor  # (N, K)
    highest: Tensor  # (N, K, 2), where each map is highest, peak or not
    pixels: Tensor  # (N,), a pixel of the maps in pixels of the image


class CrowdMatching:
    """Joint candidates in every box, matched between all of an image; a `python_models.people.Finder`.

    Boxes may overlap and repeat each other: whoever is left with few joints, or mostly with what was seen of others,
    is dropped, which pose NMS does else. Of boxes around one person the surest takes the joints: responses count by
    the box's score and by how strong the person's joints are on average, as in the public code. Of a joint that a
    person is not given, the place is that of the highest response in the box, and the score 0.

    Args:
        estimator: Of a network of heat maps for one person's crop. Peaks are refined as it does, or by a parabola
            where that is DARK's or MSPN's way.
        batch_size: People per run of the network.
        max_peaks: Candidates of a joint in a box.
        threshold: They are above it.
        min_joints: People with fewer joints are dropped,
        min_share: and those with less than this part of the responses that they would have alone.

    Raises: UserError for a network without heat maps.
    """

    def __init__(
        self,
        estimator: PoseEstimator,
        batch_size: int = 32,
        *,
        max_peaks: int = MAX_PEAKS,
        threshold: float = THRESHOLD,
        min_joints: int = MIN_JOINTS,
        min_share: float = MIN_SHARE,
    ) -> None:
        if not uses_peaks(estimator.card) or estimator.card.stages > 1:
            raise UserError(
                f"model {estimator.card.model}: crowds are matched by peaks of heat maps; it has none"
            )
        self.estimator, self.batch_size = estimator, batch_size
        self.max_peaks, self.threshold = max_peaks, threshold
        self.min_joints = min(min_joints, estimator.card.skeleton.num_joints)
        self.min_share = min_share
        self.refine = estimator.refine if estimator.refine in REFINEMENTS else "parabola"

    def __call__(self, images: Sequence[Tensor], boxes: Sequence[Tensor | None]) -> list[People]:
        """The people of uint8 RGB images (H, W, 3), at most one for each box (N, 5)."""
        return [
            self._people(image, whole_image(image) if own is None else own)
            for image, own in zip(images, boxes, strict=True)
        ]

    def _people(self, image: Tensor, boxes: Tensor) -> People:
        if not len(boxes):
            return People.nobody(self.estimator.card.skeleton.num_joints)._replace(boxes=torch.zeros(0, 4))
        found = [self._candidates(image, part) for part in boxes[:, :4].split(self.batch_size)]
        seen = Candidates(*(torch.cat(values) for values in zip(*found, strict=True)))
        # A peak's first entry is the largest; detectors may give scores of 0.
        sureness = boxes[:, 4].clamp_min(LEAST) * seen.scores[..., 0].mean(1)
        crowd = match_joints(
            seen.coords,
            seen.scores * sureness[:, None, None],
            seen.counts,
            sizes=CROP_PADDING * boxes[:, 2:4].prod(1).sqrt(),
            sigmas=self.estimator.card.skeleton.sigmas,
            pixels=seen.pixels,
            min_joints=self.min_joints,
            min_share=self.min_share,
        )
        keep = torch.from_numpy(crowd.keep)
        matched = torch.from_numpy(crowd.scores).float()[keep]
        given = torch.from_numpy(crowd.keypoints).float()[keep]
        keypoints = torch.where((matched > 0)[..., None], given, seen.highest[keep])
        return People(keypoints, matched / sureness[keep, None], matched.mean(1), boxes[keep, :4])

    def _candidates(self, image: Tensor, boxes: Tensor) -> Candidates:
        estimator = self.estimator
        index = torch.zeros(len(boxes), dtype=torch.int64)
        source = estimator.source([image.to(estimator.device)], boxes, index)
        maps = estimator.heatmaps(source.crops()).float()[:, : estimator.card.skeleton.num_joints]
        peaks = pyposeops.heatmap_peaks(
            maps, max_peaks=self.max_peaks, threshold=self.threshold, window=WINDOW, refine=self.refine
        )
        size, to_image = (maps.shape[-2], maps.shape[-1]), pyposeops.invert_affine(source.affines)
        places = pyposeops.transform_keypoints(self._in_crop(peaks.coords, size).flatten(1, 2), to_image)
        scores, counts = peaks.scores.cpu(), peaks.counts.cpu()
        is_peak = torch.arange(self.max_peaks) < counts[..., None]
        coords = torch.where(is_peak[..., None], places.cpu().unflatten(1, scores.shape[1:]), 0.0)
        pixel = self._in_crop(maps.new_ones(2), size)[0] - self._in_crop(maps.new_zeros(2), size)[0]
        return Candidates(
            coords,
            torch.where(is_peak, scores, 0.0),
            counts,
            estimator.decode(maps, source.affines).keypoints.float().cpu(),
            (pixel * to_image[:, :, 0].norm(dim=1)).cpu(),
        )

    def _in_crop(self, coords: Tensor, size: tuple[int, int]) -> Tensor:
        """From pixels of the maps to those of the crop, by how the maps lie on it."""
        sides = zip(reversed(self.estimator.card.input_size), reversed(size), strict=True)  # x, then y
        axes = [MapAxis.of(crop, cells, self.estimator.card.grid) for crop, cells in sides]
        per_pixel, first = coords.new_tensor(axes).unbind(1)
        return (coords - first) / per_pixel
