"""The joints of real crowds, drawn as maps, come back out of the parsers as the same people."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

import pyposeops
from pyposeops.skeletons import COCO_17_TAG_ORDER, POSENET_EDGES

MOST = 60
FEWEST_JOINTS = 8


class Crowd(NamedTuple):
    joints: Tensor  # (N, 17, 2)
    visibility: Tensor  # (N, 17)
    boxes: Tensor  # (N, 4)
    size: tuple[int, int]


@pytest.fixture(scope="module")
def crowds(pose_data: Path) -> list[Crowd]:
    content = json.loads((pose_data / "coco_people" / "annotations.json").read_text())
    found = []
    for image in content["images"]:
        people = [
            person
            for person in content["annotations"]
            if person["image_id"] == image["id"] and person["num_keypoints"] >= FEWEST_JOINTS
        ]
        if people:
            triples = torch.tensor([person["keypoints"] for person in people]).float().reshape(-1, 17, 3)
            boxes = torch.tensor([person["bbox"] for person in people]).float()
            visibility = (triples[..., 2] > 0).float()
            found.append(Crowd(triples[..., :2], visibility, boxes, (image["height"], image["width"])))
    return found


def at_stride(crowd: Crowd, stride: int) -> tuple[Tensor, tuple[int, int]]:
    """Joints in pixels of the maps, and the maps' size."""
    height, width = crowd.size
    return crowd.joints / stride, (-(-height // stride), -(-width // stride))


def labelled(crowd: Crowd) -> Iterator[tuple[int, int]]:
    yield from (crowd.visibility > 0).nonzero().tolist()


def heatmaps_of(crowd: Crowd, pixels: Tensor, size: tuple[int, int], sigma: float) -> Tensor:
    return pyposeops.gaussian_heatmap(
        pixels.float()[None], crowd.visibility[None], size, sigma=sigma, encoding="unbiased"
    ).heatmaps


def whole(crowd: Crowd, found: Tensor, error_px: float) -> int:
    """How many people are found, (M, 17, 2) in pixels of the image, with all their labelled joints in place."""
    apart = (found[None] - crowd.joints[:, None]).norm(dim=-1)
    in_place = (apart <= error_px) | (crowd.visibility[:, None] == 0)
    return int(in_place.all(-1).any(-1).sum()) if len(found) else 0


def count(crowds: list[Crowd]) -> int:
    return sum(len(crowd.joints) for crowd in crowds)


def connected(crowd: Crowd) -> Tensor:
    """(N,) bool: whose labelled joints the edges of the tree join."""
    ends = torch.tensor(POSENET_EDGES)
    edges = (crowd.visibility[:, ends] > 0).all(-1).sum(-1)
    return edges == (crowd.visibility > 0).sum(-1) - 1


def test_tag_grouping(crowds):
    stride, back = 2, 0
    for crowd in crowds:
        points, size = at_stride(crowd, stride)
        heatmaps = heatmaps_of(crowd, points.floor(), size, 1.0)
        tags = torch.zeros(heatmaps.shape)
        for person, joint in labelled(crowd):
            x, y = points[person, joint].int().tolist()
            tags[0, joint, y, x] = 3.0 * (person + 1)
        got = pyposeops.tag_grouping(
            heatmaps,
            tags,
            joint_order=COCO_17_TAG_ORDER,
            window=3,
            max_peaks=MOST,
            max_people=MOST,
            fill=False,
            refine="none",
        )
        back += whole(crowd, got.keypoints[0, : got.counts[0], :, :2] * stride, 2.0)
    assert back == count(crowds) > 50


def test_centernet_decode(crowds):
    stride, back = 4, 0
    for crowd in crowds:
        points, size = at_stride(crowd, stride)
        maps = {
            "sizes": torch.zeros(1, 2, *size),
            "joint_offsets": torch.zeros(1, 34, *size),
            "center_offsets": torch.zeros(1, 2, *size),
        }
        middles = (crowd.boxes[:, :2] + crowd.boxes[:, 2:] / 2) / stride
        centers = torch.zeros(1, 1, *size)
        for middle, box, person in zip(middles, crowd.boxes, points, strict=True):
            x, y = middle.int().tolist()
            centers[0, 0, y, x] = 0.9
            maps["sizes"][0, :, y, x] = box[2:] / stride
            maps["center_offsets"][0, :, y, x] = middle - torch.tensor([x, y])
            maps["joint_offsets"][0, :, y, x] = (person - torch.tensor([x, y])).flatten()
        joint_heatmaps = heatmaps_of(crowd, points.floor(), size, 1.0)
        got = pyposeops.centernet_decode(centers, **maps, joint_heatmaps=joint_heatmaps)
        assert got.joint_scores.count_nonzero() > 0
        back += whole(crowd, got.keypoints[0, : got.counts[0]] * stride, 1.5 * stride)
    assert back == count(crowds)


def test_personlab_decode(crowds):
    """Steps to joints that are not labelled are NaN, which cuts people off; those whom the edges join come back."""
    stride, back, expected = 4, 0, 0
    for crowd in crowds:
        points, size = at_stride(crowd, stride)
        offsets = torch.zeros(17, 2, *size)
        steps = torch.full((2, len(POSENET_EDGES), 2, *size), torch.nan)
        pixels = points.round().long().minimum(torch.tensor([size[1] - 1, size[0] - 1]))
        for person, joint in labelled(crowd):
            x, y = pixels[person, joint].tolist()
            offsets[joint, :, y, x] = crowd.joints[person, joint] - torch.tensor([x, y]) * stride
        for e, (start, end) in enumerate(POSENET_EDGES):
            for way, (a, b) in enumerate(((start, end), (end, start))):
                for person in (crowd.visibility[:, [a, b]] > 0).all(1).nonzero()[:, 0].tolist():
                    x, y = pixels[person, a].tolist()
                    steps[way, e, :, y, x] = crowd.joints[person, b] - crowd.joints[person, a]
        got = pyposeops.personlab_decode(
            heatmaps_of(crowd, pixels, size, 0.7),
            offsets.flatten(0, 1)[None],
            *(way.flatten(0, 1)[None] for way in steps),
            POSENET_EDGES,
            stride_px=float(stride),
            min_score=0.05,
            radius_px=4.0,
            max_people=MOST,
        )
        tree = connected(crowd)
        expected += int(tree.sum())
        joined = Crowd(crowd.joints[tree], crowd.visibility[tree], crowd.boxes[tree], crowd.size)
        back += whole(joined, got.keypoints[0, : got.counts[0], :, :2], 4.0)
    assert back == expected > 25
