"""The joints of real crowds, drawn as maps, come back out of the parsers as the same people.

How well they do is COCO's average precision: 1.0 where every joint of every person is in its place. What cannot come
back is left out, and said here to be:

* one person of `coco_people` is drawn over another, their faces a pixel apart: such joints have one peak for two
  (`test_people_drawn_over_each_other` has both);
* joints that no limb joins to most of a person's others, for parsers that go along limbs, and people of one joint,
  for fields;
* joints outside of a person's crop, for the parser that looks into crops.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

import pyposeops
from benchmarks.composite_people import draw as composite_fields
from pyposeops.skeletons import (
    COCO_17_TAG_ORDER,
    OPENPOSE_COCO_18,
    POSENET_EDGES,
    PafSkeleton,
    coco_17_of,
    openpose_of_coco_17,
)
from pyposeops.solvers import match_joints, solve_partition
from tests.ops.real_people import NAMES, Crowd, Found, RealSet, average_precision, distinct, joined, read

MOST = 60
SAME_PLACE_PX = 2.0
PEOPLE = {"coco_people": 86, "crowdpose_mini": 4, "posetrack_mini": 14}


@pytest.fixture(scope="module", params=NAMES)
def real(request: pytest.FixtureRequest, pose_data: Path) -> RealSet:
    everybody = read(pose_data, request.param)
    return everybody._replace(crowds=[distinct(crowd, SAME_PLACE_PX) for crowd in everybody.crowds])


def precision(real: RealSet, crowds: list[Crowd], parser: Callable[[Crowd], Found]) -> float:
    return average_precision(real, crowds, [parser(crowd) for crowd in crowds])


def map_size(crowd: Crowd, stride: int) -> tuple[int, int]:
    height, width = crowd.size
    return -(-height // stride), -(-width // stride)


def heatmaps_of(pixels: Tensor, visibility: Tensor, size: tuple[int, int], sigma: float) -> Tensor:
    return pyposeops.gaussian_heatmap(
        pixels.float()[None], visibility[None], size, sigma=sigma, encoding="unbiased"
    ).heatmaps


def labelled(crowd: Crowd) -> list[list[int]]:
    return (crowd.visibility > 0).nonzero().tolist()


def cells(pixels: Tensor, size: tuple[int, int]) -> Tensor:
    """The pixels of a map nearest to points on it, halves to even."""
    limit = torch.tensor([size[1] - 1, size[0] - 1])
    return pixels.round().long().clamp_min(0).minimum(limit)


def test_the_sets_have_their_people(real, pose_data):
    everybody = read(pose_data, real.name)
    assert everybody.count() == PEOPLE[real.name]
    assert real.count() == everybody.count() - (real.name == "coco_people")


def test_the_measure_tells_right_from_wrong(real):
    perfect = [Found(crowd.joints, crowd.areas) for crowd in real.crowds]
    assert average_precision(real, real.crowds, perfect) == 1.0
    moved = [Found(crowd.joints + 15.0, crowd.areas) for crowd in real.crowds]
    assert average_precision(real, real.crowds, moved) < 0.9


def tree_of(real: RealSet) -> tuple[tuple[int, int], ...]:
    """Edges away from the first joint, nearer ones first, as the parser walks them."""
    if real.name == "coco_people":
        return POSENET_EDGES
    reached, tree = [real.limbs[-1][0]], []
    for joint in reached:
        for limb in real.limbs:
            if joint in limb and (other := sum(limb) - joint) not in reached:
                reached.append(other)
                tree.append((joint, other))
    return tuple(tree)


# ---- fields of limbs ---------------------------------------------------------------------------------------------


def fields_of(real: RealSet) -> tuple[PafSkeleton, list[Crowd]]:
    """The skeleton whose limbs are drawn, and the people with its joints; COCO's are made OpenPose's."""
    if real.name != "coco_people":
        limbs = list(real.limbs)
        if real.name == "posetrack_mini":
            limbs += [(1, 5), (1, 6)]
        return PafSkeleton.of(real.joint_names, limbs), real.crowds
    made = []
    for crowd in real.crowds:
        body = openpose_of_coco_17(
            torch.cat([crowd.joints, crowd.visibility[..., None]], dim=-1), OPENPOSE_COCO_18
        )
        made.append(crowd._replace(joints=body[..., :2], visibility=body[..., 2]))
    return OPENPOSE_COCO_18, made


def parse_fields(crowd: Crowd, skeleton: PafSkeleton, stride: int, assembly: str) -> Found:
    size = map_size(crowd, stride)
    options = {
        "input_size": (size[0] * stride, size[1] * stride),
        "offsets": torch.tensor([0, len(crowd.joints)]),
    }
    heatmaps = pyposeops.gaussian_heatmap(
        crowd.joints, crowd.visibility, size, sigma=0.7, encoding="cmu", **options
    ).heatmaps
    pafs = pyposeops.part_affinity_field(
        crowd.joints, crowd.visibility, skeleton.limbs, size, ends="openpose", **options
    ).fields
    fields = torch.zeros(1, max(map(max, skeleton.channels)) + 1, *size)
    fields[:, [channel for pair in skeleton.channels for channel in pair]] = pafs
    got = pyposeops.paf_decode(
        heatmaps,
        fields,
        skeleton,
        upsampling=stride,
        min_joints=1,
        min_score=0.0,
        heatmap_threshold=0.3,
        assembly=assembly,
    )
    count = int(got.counts[0])
    joints = got.keypoints[0, :count]
    if skeleton is OPENPOSE_COCO_18:
        joints = coco_17_of(joints, skeleton)
    return Found(joints[..., :2], got.scores[0, :count])


def as_annotated(crowd: Crowd, skeleton: PafSkeleton) -> Crowd:
    if skeleton is not OPENPOSE_COCO_18:
        return crowd
    seen = coco_17_of(crowd.visibility[..., None], skeleton)[..., 0]
    return crowd._replace(joints=coco_17_of(crowd.joints, skeleton), visibility=seen)


def test_paf_decode(real):
    skeleton, crowds = fields_of(real)
    crowds = [joined(crowd, skeleton.limbs, fewest=2) for crowd in crowds]
    found = [parse_fields(crowd, skeleton, 2, "global") for crowd in crowds]
    annotated = [as_annotated(crowd, skeleton) for crowd in crowds]
    assert average_precision(real, annotated, found) == 1.0


def test_paf_decode_sequentially(real):
    """People never merge there, so limbs must lead from a root outwards."""
    skeleton = PafSkeleton.of(real.joint_names, tree_of(real))
    crowds = [joined(crowd, skeleton.limbs, fewest=2) for crowd in real.crowds]
    assert precision(real, crowds, lambda crowd: parse_fields(crowd, skeleton, 2, "sequential")) == 1.0


# ---- tags --------------------------------------------------------------------------------------------------------


def parse_tags(crowd: Crowd, order: tuple[int, ...] | None, stride: int) -> Found:
    size = map_size(crowd, stride)
    pixels = cells(crowd.joints / stride, size)
    heatmaps = heatmaps_of(pixels, crowd.visibility, size, 0.7)
    tags = torch.zeros(heatmaps.shape)
    for person, joint in labelled(crowd):
        x, y = pixels[person, joint].tolist()
        tags[0, joint, y, x] = 3.0 * (person + 1)
    got = pyposeops.tag_grouping(
        heatmaps,
        tags,
        joint_order=order,
        window=3,
        max_peaks=MOST,
        max_people=MOST,
        fill=False,
        refine="none",
    )
    count = int(got.counts[0])
    return Found(got.keypoints[0, :count, :, :2] * stride, got.scores[0, :count])


def test_tag_grouping(real):
    order = COCO_17_TAG_ORDER if real.name == "coco_people" else None
    assert precision(real, real.crowds, lambda crowd: parse_tags(crowd, order, 1)) == 1.0


# ---- centres -----------------------------------------------------------------------------------------------------


def parse_centres(crowd: Crowd, stride: int) -> Found:
    size = map_size(crowd, stride)
    points = crowd.joints / stride
    maps = {
        "sizes": torch.zeros(1, 2, *size),
        "joint_offsets": torch.zeros(1, 2 * points.shape[1], *size),
        "center_offsets": torch.zeros(1, 2, *size),
        "joint_heatmap_offsets": torch.zeros(1, 2, *size),
    }
    middles = (crowd.boxes[:, :2] + crowd.boxes[:, 2:] / 2) / stride
    centers = torch.zeros(1, 1, *size)
    for middle, box, person in zip(middles, crowd.boxes, points, strict=True):
        x, y = middle.int().tolist()
        centers[0, 0, y, x] = 0.9
        maps["sizes"][0, :, y, x] = box[2:] / stride
        maps["center_offsets"][0, :, y, x] = middle - torch.tensor([x, y])
        # A cell off: the peak of the joint's own map must put it right.
        maps["joint_offsets"][0, :, y, x] = (person + 1.0 - torch.tensor([x, y])).flatten()
    pixels = points.floor()
    for person, joint in labelled(crowd):
        x, y = pixels[person, joint].int().tolist()
        maps["joint_heatmap_offsets"][0, :, y, x] = points[person, joint] - pixels[person, joint]
    heatmaps = heatmaps_of(pixels, crowd.visibility, size, 0.7)
    got = pyposeops.centernet_decode(centers, **maps, joint_heatmaps=heatmaps)
    count = int(got.counts[0])
    assert count == 0 or got.joint_scores.count_nonzero() > 0
    return Found(got.keypoints[0, :count] * stride, got.scores[0, :count])


def test_centernet_decode(real):
    assert precision(real, real.crowds, lambda crowd: parse_centres(crowd, 2)) == 1.0


# ---- displacements -----------------------------------------------------------------------------------------------


def parse_displacements(crowd: Crowd, edges: tuple[tuple[int, int], ...], stride: int) -> Found:
    """Steps to joints that are not labelled are NaN, which ends the way there."""
    size, joints = map_size(crowd, stride), crowd.joints.shape[1]
    offsets = torch.zeros(joints, 2, *size)
    steps = torch.full((2, len(edges), 2, *size), torch.nan)
    pixels = cells(crowd.joints / stride, size)
    for person, joint in labelled(crowd):
        x, y = pixels[person, joint].tolist()
        offsets[joint, :, y, x] = crowd.joints[person, joint] - torch.tensor([x, y]) * stride
    for e, (start, end) in enumerate(edges):
        for way, (a, b) in enumerate(((start, end), (end, start))):
            for person in (crowd.visibility[:, [a, b]] > 0).all(1).nonzero()[:, 0].tolist():
                x, y = pixels[person, a].tolist()
                steps[way, e, :, y, x] = crowd.joints[person, b] - crowd.joints[person, a]
    got = pyposeops.personlab_decode(
        heatmaps_of(pixels, crowd.visibility, size, 0.7),
        offsets.flatten(0, 1)[None],
        *(way.flatten(0, 1)[None] for way in steps),
        edges,
        stride_px=float(stride),
        min_score=0.5 / joints,
        radius_px=0.5,
        max_people=MOST,
    )
    count = int(got.counts[0])
    return Found(got.keypoints[0, :count, :, :2], got.scores[0, :count])


def test_personlab_decode(real):
    edges = tree_of(real)
    crowds = [joined(crowd, edges) for crowd in real.crowds]
    assert precision(real, crowds, lambda crowd: parse_displacements(crowd, edges, 2)) == 1.0


# ---- composite fields --------------------------------------------------------------------------------------------


def parse_composite(crowd: Crowd, limbs: tuple[tuple[int, int], ...], stride: int) -> Found:
    sizes = torch.full((len(crowd.joints),), 0.5)
    fields = composite_fields(crowd.joints / stride, crowd.visibility, sizes, map_size(crowd, stride), limbs)
    got = pyposeops.pifpaf_decode(
        *fields, limbs, stride_px=float(stride), min_joint_score=0.0, min_score=0.0, max_people=MOST
    )
    count = int(got.counts[0])
    return Found(got.keypoints[0, :count, :, :2], got.scores[0, :count])


def test_pifpaf_decode(real):
    limbs = real.limbs + (((1, 5), (1, 6)) if real.name == "posetrack_mini" else ())
    crowds = [joined(crowd, limbs) for crowd in real.crowds]
    assert precision(real, crowds, lambda crowd: parse_composite(crowd, limbs, 2)) == 1.0


# ---- candidates of joints in everybody's boxes -------------------------------------------------------------------


CROP = (256, 192)
# A node reaches as far as a joint's spread; these people stand closer, so that theirs would be one.
NODE_SHARE = 0.3


def in_sight(crowd: Crowd) -> Crowd:
    own = pyposeops.transform_keypoints(crowd.joints, pyposeops.affine_from_box(crowd.boxes, CROP))
    inside = ((own >= 0) & (own <= torch.tensor([CROP[1] - 1, CROP[0] - 1]))).all(-1)
    return crowd._replace(visibility=crowd.visibility * inside)


def parse_candidates(crowd: Crowd, sigmas: tuple[float, ...]) -> Found:
    """Each person's crop shows all joints that lie in it, those of the others half as strong."""
    affines = pyposeops.affine_from_box(crowd.boxes, CROP)
    count, joints = crowd.visibility.shape
    maps = torch.zeros(count, joints, *CROP)
    for person in range(count):
        points = pyposeops.transform_keypoints(crowd.joints, affines[person].expand(count, 2, 3))
        drawn = pyposeops.gaussian_heatmap(
            points, crowd.visibility, CROP, sigma=2.0, encoding="unbiased"
        ).heatmaps
        strength = torch.full((count, 1, 1, 1), 0.5)
        strength[person] = 1.0
        maps[person] = (drawn * strength).amax(0)
    peaks = pyposeops.heatmap_peaks(maps, max_peaks=MOST, threshold=0.2, refine="dark", window=3)
    inverse = pyposeops.invert_affine(affines)
    coords = pyposeops.transform_keypoints(peaks.coords.flatten(1, 2), inverse).unflatten(1, (joints, -1))
    sizes = NODE_SHARE * crowd.boxes[:, 2:].prod(1).sqrt()
    got = match_joints(coords, peaks.scores, peaks.counts, sizes=sizes, sigmas=sigmas, position="own")
    return Found(
        torch.from_numpy(got.keypoints[got.keep]).float(), torch.from_numpy(got.scores[got.keep]).sum(1)
    )


def test_match_joints(real):
    pytest.importorskip("scipy")
    crowds = [in_sight(crowd) for crowd in real.crowds]
    assert precision(real, crowds, lambda crowd: parse_candidates(crowd, real.sigmas)) == 1.0


# ---- partition ---------------------------------------------------------------------------------------------------


def parse_detections(crowd: Crowd, generator: torch.Generator) -> Found:
    """Detections are the peaks of all maps; what belongs together is known with noise, what they are for certain."""
    joints = crowd.joints.shape[1]
    maps = heatmaps_of(crowd.joints.round(), crowd.visibility, map_size(crowd, 1), 0.7)
    peaks = pyposeops.heatmap_peaks(maps, max_peaks=MOST, threshold=0.5, window=3, refine="none")
    label = torch.repeat_interleave(torch.arange(joints), peaks.counts[0])
    places = torch.cat([peaks.coords[0, joint, : peaks.counts[0, joint]] for joint in range(joints)])
    apart = (crowd.joints[:, label] - places).norm(dim=-1)
    owner = torch.where(crowd.visibility[:, label] > 0, apart, torch.inf).argmin(0)
    unaries = torch.full((len(label), joints), torch.inf)
    unaries[torch.arange(len(label)), label] = -3.0
    pairwise = torch.where(owner[:, None] == owner, -2.0, 2.0)
    pairwise += 0.5 * torch.randn(pairwise.shape, generator=generator)
    got = solve_partition(unaries.numpy(), pairwise.numpy())
    people, chosen = torch.from_numpy(got.people), torch.from_numpy(got.labels) >= 0
    found = torch.zeros(int(people.max()) + 1, joints, 2)
    found[people[chosen], label[chosen]] = places[chosen]
    return Found(found, torch.ones(len(found)))


def test_solve_partition(real, generator):
    assert precision(real, real.crowds, lambda crowd: parse_detections(crowd, generator)) == 1.0


# ---- what cannot come back -----------------------------------------------------------------------------------------


def test_people_drawn_over_each_other(pose_data, generator):
    """Of 86 people two have their faces in the same pixels; that is all that a parser may lose."""
    everybody = read(pose_data, "coco_people")
    parsers: dict[str, Callable[[Crowd], Found]] = {
        "tags": lambda crowd: parse_tags(crowd, COCO_17_TAG_ORDER, 1),
        "centres": lambda crowd: parse_centres(crowd, 2),
        "displacements": lambda crowd: parse_displacements(crowd, POSENET_EDGES, 2),
        "partition": lambda crowd: parse_detections(crowd, generator),
    }
    crowds = [joined(crowd, POSENET_EDGES) for crowd in everybody.crowds]
    found = {name: precision(everybody, crowds, parser) for name, parser in parsers.items()}
    assert 0.97 < min(found.values()) < 1.0, found
