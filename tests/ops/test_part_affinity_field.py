"""part_affinity_field against its definition, against the published loops, and at its corners."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
import torch

import pyposeops
from pyposeops import part_affinity_field, reference
from tests.op_contract import (
    FLOATS,
    ISAS,
    assert_graph_captures,
    assert_same,
    run_under_isa,
)
from tests.property_tests import given, settings, st

SIZE = (24, 18)
LIMBS = [(0, 1), (1, 2), (4, 3)]
FLAT = [(p, o, e) for p in ("flat", "linear") for o in ("mean", "sum", "overwrite")
        for e in ("clipped", "openpose", "lightweight")]  # fmt: skip
SMOOTH = [(p, "sum", "clipped") for p in ("gaussian", "quartic")]
VARIANTS = FLAT + SMOOTH
# unit vectors and strengths are rounded to float once each, and a few of them added
FLOAT32 = {"rtol": 0.0, "atol": 1e-6}
STORED = {torch.float32: 1e-6, torch.float64: 1e-14, torch.float16: 2e-3, torch.bfloat16: 2e-2}


def random_people(generator, *shape, size=SIZE, margin=5.0, on_centre=0.25, dtype=torch.float32):
    """Joints on the map and up to `margin` pixels off it, some on a pixel's centre, a third invisible."""
    spread = torch.tensor([size[1] + 2 * margin, size[0] + 2 * margin])
    keypoints = torch.rand(*shape, 2, generator=generator) * spread - margin
    keypoints = torch.where(
        torch.rand(*shape, 1, generator=generator) < on_centre, keypoints.round(), keypoints
    )
    visibility = torch.randint(0, 3, shape, generator=generator).to(torch.float32)
    return keypoints.to(dtype), visibility


# ---- the published loops, one image at a time: people (N, K, 2) of visible joints --------------------------


def paper_loop(people, limbs, size, thickness):
    """Cao et al., section 2.3: vectors on the limb, clipped at its ends, averaged over the people."""
    fields, counts = np.zeros((len(limbs), 2, *size)), np.zeros((len(limbs), *size))
    for joints, (c, (a, b)) in product(people, enumerate(limbs)):
        length = np.hypot(*(joints[b] - joints[a]))
        v = (joints[b] - joints[a]) / length
        for y, x in np.ndindex(*size):
            p = np.array([x, y]) - joints[a]
            if 0 <= v @ p <= length and abs(v[0] * p[1] - v[1] * p[0]) <= thickness:
                fields[c, :, y, x] += v
                counts[c, y, x] += 1
    return fields / np.maximum(counts, 1)[:, None]


def openpose_loop(people, limbs, size, thickness):
    """The trainer of OpenPose: the joints' box grown by the thickness and rounded, then the distance to the line."""
    fields, counts = np.zeros((len(limbs), 2, *size)), np.zeros((len(limbs), *size))
    for joints, (c, (a, b)) in product(people, enumerate(limbs)):
        low, high = np.minimum(joints[a], joints[b]) - thickness, np.maximum(joints[a], joints[b]) + thickness
        left, top = (max(math.floor(v + 0.5), 0) for v in low)
        right, bottom = (min(math.floor(v + 0.5), n) for v, n in zip(high, size[::-1], strict=True))
        v = (joints[b] - joints[a]) / np.linalg.norm(joints[b] - joints[a])
        for y, x in product(range(top, bottom), range(left, right)):
            if abs((x - joints[a][0]) * v[1] - (y - joints[a][1]) * v[0]) <= thickness:
                fields[c, :, y, x] = (fields[c, :, y, x] * counts[c, y, x] + v) / (counts[c, y, x] + 1)
                counts[c, y, x] += 1
    return fields


def lightweight_loop(people, limbs, size, thickness):
    """lightweight-openpose: the box truncated to integers; the last person's vector stays."""
    fields = np.zeros((len(limbs), 2, *size))
    for joints, (c, (a, b)) in product(people, enumerate(limbs)):
        (ax, ay), (bx, by) = joints[a], joints[b]
        left, right = int(max(min(ax, bx) - thickness, 0)), int(min(max(ax, bx) + thickness, size[1]))
        top, bottom = int(max(min(ay, by) - thickness, 0)), int(min(max(ay, by) + thickness, size[0]))
        v = np.array([bx - ax, by - ay]) / math.hypot(bx - ax, by - ay)
        for y, x in product(range(top, bottom), range(left, right)):
            if abs((x - ax) * v[1] - (y - ay) * v[0]) <= thickness:
                fields[c, :, y, x] = v
    return fields


def deeplabcut_loop(people, limbs, size, stride, width):
    """DeepLabCut: all in input pixels, grid points in the middle of a stride, 1 - distance / width inside."""
    fields = np.zeros((len(limbs), 2, *size))
    y, x = (np.mgrid[: size[0], : size[1]] * stride) + stride / 2
    for joints, (c, (a, b)) in product(people, enumerate(limbs)):
        v = (joints[b] - joints[a]) / np.linalg.norm(joints[b] - joints[a])
        along = v[0] * x + v[1] * y
        across = np.abs(v[0] * (y - joints[a][1]) - v[1] * (x - joints[a][0])) / width
        inside = (along >= v @ joints[a]) & (along <= v @ joints[b]) & (across <= 1)
        fields[c][:, inside] = v[:, None] * (1 - across[inside])
    return fields


def trt_pose_loop(people, limbs, size, sigma):
    """trt_pose: joints as shares of the image, pixel centres at + 0.5, added up."""
    fields = np.zeros((len(limbs), 2, *size))
    for joints, (c, (a, b)) in product(people, enumerate(limbs)):
        start, end = joints[a] * size[::-1], joints[b] * size[::-1]
        length = np.linalg.norm(end - start)
        v = (end - start) / length
        for y, x in np.ndindex(*size):
            p = np.array([x + 0.5, y + 0.5]) - start
            beyond = min(v @ p, 0) + max(v @ p - length, 0)
            across = v[0] * p[1] - v[1] * p[0]
            fields[c, :, y, x] += v * math.exp(-(beyond**2 + across**2) / sigma**2)
    return fields


def sleap_loop(people, limbs, size, stride, sigma):
    """sleap: grid points at multiples of the stride, the squared distance to the segment squared again, added up."""
    fields = np.zeros((len(limbs), 2, *size))
    for joints, (c, (a, b)) in product(people, enumerate(limbs)):
        along = joints[b] - joints[a]
        for y, x in np.ndindex(*size):
            p = np.array([x, y]) * stride - joints[a]
            share = min(max(p @ along / (along @ along), 0), 1)
            distance = np.sum((p - share * along) ** 2)
            strength = math.exp(-(distance**2) / (2 * sigma**2))
            fields[c, :, y, x] += along / np.linalg.norm(along) * strength
    return fields


LOOPS = {
    "paper": (paper_loop, (1.0,), 1.0, {"half_width": 1.0}),
    "openpose": (openpose_loop, (1.0,), 1.0, {"half_width": 1.0, "ends": "openpose"}),
    "lightweight": (
        lightweight_loop,
        (1.0,),
        1.0,
        {"half_width": 1.0, "ends": "lightweight", "overlap": "overwrite"},
    ),
    "deeplabcut": (
        deeplabcut_loop,
        (8.0, 20.0),
        8.0,
        {"half_width": 2.5, "profile": "linear", "overlap": "overwrite", "grid": "edge"},
    ),
    "trt_pose": (
        trt_pose_loop,
        (1.3,),
        1 / np.array(SIZE[::-1]),
        {"half_width": 1.3, "profile": "gaussian", "overlap": "sum", "grid": "edge"},
    ),
    "sleap": (
        sleap_loop,
        (4.0, 30.0),
        4.0,
        {"half_width": 30 / 16, "profile": "quartic", "overlap": "sum", "grid": "aligned"},
    ),
}


@pytest.mark.parametrize("project", LOOPS)
def test_equals_the_published_loop(device, generator, project):
    loop, arguments, scale, options = LOOPS[project]
    # no joint on a pixel's centre: the loops divide by the length, and pixels on an edge fall either way
    keypoints, _ = random_people(generator, 3, 4, 5, on_centre=0.0, dtype=torch.float64)
    keypoints = keypoints * torch.as_tensor(scale)
    want = np.stack([loop(image.numpy(), LIMBS, SIZE, *arguments) for image in keypoints])
    # trt_pose: shares of the image are keypoints of an image of one pixel
    input_size = (1, 1) if project == "trt_pose" else [int(n * scale) for n in SIZE]
    visible = torch.ones(3, 4, 5, device=device)
    got = part_affinity_field(keypoints.to(device), visible, LIMBS, SIZE, input_size=input_size, **options)
    np.testing.assert_allclose(got.fields.cpu().view(want.shape), want, rtol=0, atol=1e-9)


@pytest.mark.parametrize(("profile", "overlap", "ends"), VARIANTS)
@pytest.mark.parametrize("channels_last", [False, True])
def test_equals_definition(device, generator, profile, overlap, ends, channels_last):
    keypoints, visibility = random_people(generator, 3, 6, 5)
    options = {"profile": profile, "overlap": overlap, "ends": ends, "channels_last": channels_last}
    options["return_counts"] = profile in ("flat", "linear")
    for grid, half_width in (("half_pixel", 1.0), ("aligned", 2.5), ("edge", 0.3)):
        options |= {"grid": grid, "half_width": half_width, "input_size": (48, 54)}
        got = part_affinity_field((2 * keypoints).to(device), visibility.to(device), LIMBS, SIZE, **options)
        want = reference.part_affinity_field(2 * keypoints, visibility, LIMBS, SIZE, **options)
        assert_same(got[:2], want[:2], **FLOAT32)
        layout = torch.channels_last if channels_last else torch.contiguous_format
        assert got.fields.is_contiguous(memory_format=layout)
        if got.counts is not None:
            assert torch.equal(got.counts.cpu(), want[2])
            assert got.counts.is_contiguous(memory_format=layout)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("channels_last", [False, True])
def test_every_dtype_equals_definition_in_float64(device, generator, dtype, channels_last):
    keypoints, visibility = random_people(generator, 3, 4, 5, dtype=torch.float64)
    for profile, overlap in (("flat", "mean"), ("linear", "overwrite"), ("gaussian", "sum")):
        options = {"profile": profile, "overlap": overlap, "half_width": 1.7, "channels_last": channels_last}
        people = keypoints.to(device), visibility.to(device)
        got = part_affinity_field(*people, LIMBS, SIZE, dtype=dtype, **options)
        want = reference.part_affinity_field(keypoints, visibility, LIMBS, SIZE, **options)
        assert got.fields.dtype == dtype
        assert_same(got.fields.double(), want[0], rtol=0.0, atol=STORED[dtype])
        assert_same(got.weights.double(), want[1], rtol=0.0, atol=0.0)


def test_half_precision_people_are_averaged_in_float():
    keypoints = torch.tensor([[[[2.0, 9.0], [15.0, 9.0]]] * 255 + [[[15.0, 9.0], [2.0, 9.0]]]])
    got = part_affinity_field(keypoints.bfloat16(), torch.ones(1, 256, 2), [(0, 1)], SIZE, return_counts=True)
    assert got.fields[0, 0, 9, 9].item() == torch.tensor(254 / 256).bfloat16().item()
    assert got.counts[0, 0, 9, 9] == 255  # 256 do not fit


def test_values_of_one_limb_by_hand():
    keypoints, visible = torch.tensor([[[2.0, 4.0], [6.0, 7.0]]]), torch.ones(1, 2)
    fields = part_affinity_field(keypoints, visible, [(0, 1)], (12, 12)).fields[0]
    assert fields[:, 4, 2].tolist() == pytest.approx([0.8, 0.6])  # the first joint
    assert fields[:, 7, 6].tolist() == pytest.approx([0.8, 0.6])  # the second
    assert fields[:, 8, 7].tolist() == [0.0, 0.0]  # one step beyond
    linear = part_affinity_field(keypoints, visible, [(0, 1)], (12, 12), profile="linear", half_width=2.0)
    assert linear.fields[0, :, 6, 4].tolist() == pytest.approx([0.8 * 0.8, 0.6 * 0.8])  # 0.4 px off the axis


def test_pixels_exactly_half_a_width_off_the_axis_belong_to_the_limb():
    keypoints = torch.tensor([[[2.0, 4.0], [6.0, 4.0], [9.0, 8.0]]])  # the second limb is 3, 4, 5
    counts = part_affinity_field(
        keypoints, torch.ones(1, 3), [(0, 1), (1, 2)], (12, 12), return_counts=True
    ).counts
    assert counts[0, 0].nonzero().tolist() == [[y, x] for y in (3, 4, 5) for x in range(2, 7)]
    assert (
        counts[0, 1, 5, 8] == 1
    )  # (2, 1) off the joint: |3 * 1 - 4 * 2| = 5, the length times the half width
    assert counts[0, 1, 7, 7] == 1  # (1, 3): |3 * 3 - 4 * 1| = 5
    assert counts[0, 1, 4, 8] == 0  # (2, 0): 8


def test_opposite_limbs_cancel_in_the_mean_and_the_last_wins_in_overwrite():
    keypoints = torch.tensor([[[[2.0, 4.0], [8.0, 4.0]], [[8.0, 4.0], [2.0, 4.0]]]])
    visible = torch.ones(1, 2, 2)
    for overlap, value in (("mean", 0.0), ("sum", 0.0), ("overwrite", -1.0)):
        got = part_affinity_field(keypoints, visible, [(0, 1)], (9, 9), overlap=overlap, return_counts=True)
        assert got.fields[0, 0, 4, 5] == value and got.counts[0, 0, 4, 5] == 2


@pytest.mark.parametrize(("profile", "overlap", "ends"), [v for v in VARIANTS if v[1] != "overwrite"])
def test_order_of_people_does_not_matter(generator, profile, overlap, ends):
    keypoints, visibility = random_people(generator, 2, 5, 5)
    options = {"profile": profile, "overlap": overlap, "ends": ends}
    want = part_affinity_field(keypoints, visibility, LIMBS, SIZE, **options)
    got = part_affinity_field(keypoints.flip(1), visibility.flip(1), LIMBS, SIZE, **options)
    assert_same(got[:2], want[:2], **FLOAT32)


def test_openpose_limbs_overshoot_their_joints_only_where_slanted():
    keypoints, visible = torch.tensor([[[4.0, 4.0], [8.0, 8.0]]]), torch.ones(1, 2)
    clipped = part_affinity_field(keypoints, visible, [(0, 1)], SIZE).fields
    boxed = part_affinity_field(keypoints, visible, [(0, 1)], SIZE, ends="openpose").fields
    assert clipped[0, 0, 3, 3] == 0 and boxed[0, 0, 3, 3] > 0
    assert boxed[0, 0, 8, 8] > 0 and boxed[0, 0, 9, 9] == 0  # the far side of the box is left out


def test_grids_differ_by_half_a_pixel_of_the_input():
    keypoints, visible = torch.tensor([[[40.0, 43.5], [90.0, 43.5]]]), torch.ones(1, 2)
    for grid, row in (("half_pixel", 5), ("aligned", 5.4375), ("edge", 4.9375)):
        options = {"profile": "linear", "half_width": 8.0, "input_size": (192, 144), "grid": grid}
        field = part_affinity_field(keypoints, visible, [(0, 1)], SIZE, **options).fields[0, 0]
        assert field[4, 8].item() == pytest.approx(1 - (row - 4) / 8)


# ---- people, joints, limbs ---------------------------------------------------------------------------------


def ragged(keypoints, visibility, counts):
    """The first `counts[b]` people of each image as one list, and where each image's begin."""
    keep = [(b, n) for b, count in enumerate(counts) for n in range(count)]
    index = tuple(torch.tensor(keep).T) if keep else (torch.zeros(0, dtype=torch.int64),) * 2
    offsets = torch.tensor([0, *np.cumsum(counts).tolist()])
    return keypoints[index], visibility[index], offsets


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("dtype", [torch.int64, torch.int32])
def test_ragged_people_equal_padded_ones(device, generator, channels_last, dtype):
    keypoints, visibility = random_people(generator, 4, 3, 5)
    counts = [2, 0, 3, 1]
    padding = torch.arange(3) >= torch.tensor(counts)[:, None]
    visibility[padding] = 0
    people, seen, offsets = (t.to(device) for t in ragged(keypoints, visibility, counts))
    options = {"channels_last": channels_last, "half_width": 2.0}
    got = part_affinity_field(people, seen, LIMBS, SIZE, offsets=offsets.to(dtype), **options)
    assert_same(got[:2], part_affinity_field(keypoints, visibility, LIMBS, SIZE, **options)[:2], **FLOAT32)
    assert_same(
        got[:2],
        reference.part_affinity_field(people, seen, LIMBS, SIZE, offsets=offsets, **options)[:2],
        **FLOAT32,
    )


@pytest.mark.cuda
def test_offsets_that_leave_the_list_are_cut_on_cuda(generator):
    keypoints, visibility = (t.cuda() for t in random_people(generator, 3, 5))
    offsets = torch.tensor([-5, 2, 1000], device="cuda")
    got = part_affinity_field(keypoints, visibility, LIMBS, SIZE, offsets=offsets)
    want = part_affinity_field(keypoints, visibility, LIMBS, SIZE, offsets=offsets.clamp(0, 3))
    assert_same(got[:2], want[:2])


@pytest.mark.cuda
@pytest.mark.parametrize("channels_last", [False, True])
def test_more_people_than_a_block_can_stage(generator, channels_last):
    keypoints, visibility = random_people(generator, 1, 400, 5)
    options = {"half_width": 4.0, "channels_last": channels_last, "return_counts": True}
    got = part_affinity_field(keypoints.cuda(), visibility.cuda(), LIMBS, SIZE, **options)
    assert_same(got, part_affinity_field(keypoints, visibility, LIMBS, SIZE, **options), rtol=0, atol=1e-5)


def test_one_person_without_the_dimension_of_people(generator):
    keypoints, visibility = random_people(generator, 3, 5)
    got = part_affinity_field(keypoints, visibility, LIMBS, SIZE)
    assert_same(got[:2], part_affinity_field(keypoints[:, None], visibility[:, None], LIMBS, SIZE)[:2])


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("where", ["coordinate", "visibility"])
@pytest.mark.parametrize("profile", ["flat", "gaussian"])
def test_missing_joints_take_their_limbs_away(device, bad, where, profile):
    keypoints, visibility = torch.tensor([[[2.0, 4.0], [8.0, 4.0], [8.0, 9.0]]]), torch.ones(1, 3)
    if where == "coordinate":
        keypoints[0, 0, 1] = bad
    else:
        visibility[0, 0] = math.nan
    overlap = "mean" if profile == "flat" else "sum"
    got = part_affinity_field(
        keypoints.to(device),
        visibility.to(device),
        [(0, 1), (1, 2)],
        SIZE,
        profile=profile,
        overlap=overlap,
    )
    assert not got.fields[:, :2].any() and got.fields[:, 2:].any()
    assert got.weights.tolist() == [[0.0, 1.0]]


@pytest.mark.parametrize("profile", ["flat", "linear", "gaussian", "quartic"])
def test_limbs_without_length_are_not_drawn(device, profile):
    keypoints = torch.tensor([[[2.0, 4.0], [2.0, 4.0]]], device=device)
    got = part_affinity_field(
        keypoints, torch.ones(1, 2, device=device), [(0, 1), (1, 1)], SIZE, profile=profile, overlap="sum"
    )
    assert not got.fields.any() and not got.weights.any()


def test_weight_is_the_largest_of_the_people_and_the_smaller_of_the_joints():
    keypoints = torch.tensor([[[[2.0, 4.0], [8.0, 4.0]]] * 3]) + torch.arange(3.0)[:, None, None]
    visibility = torch.tensor([[[2.0, 1.0], [1.5, 1.75], [2.0, 0.4]]])
    assert part_affinity_field(keypoints, visibility, [(0, 1)], SIZE).weights.item() == 1.5
    off_map = part_affinity_field(keypoints + 1000, visibility, [(0, 1)], SIZE)
    assert off_map.weights.item() == 1.5 and not off_map.fields.any()


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.int32, torch.int64, torch.float16])
def test_visibility_of_any_dtype(generator, dtype):
    keypoints, visibility = random_people(generator, 2, 3, 5)
    visibility = visibility.clamp(max=1)
    want = part_affinity_field(keypoints, visibility, LIMBS, SIZE)
    assert_same(part_affinity_field(keypoints, visibility.to(dtype), LIMBS, SIZE)[:2], want[:2])


@pytest.mark.parametrize(
    "limbs", [torch.tensor(LIMBS), np.array(LIMBS), tuple(LIMBS), torch.tensor(LIMBS).int()]
)
def test_limbs_of_any_kind(generator, limbs):
    keypoints, visibility = random_people(generator, 2, 3, 5)
    want = part_affinity_field(keypoints, visibility, LIMBS, SIZE)
    assert_same(part_affinity_field(keypoints, visibility, limbs, SIZE)[:2], want[:2])


@pytest.mark.parametrize("shape", [(0, 2, 5), (2, 0, 5), (0, 5)])
@pytest.mark.parametrize("channels_last", [False, True])
def test_no_images_and_no_people(device, shape, channels_last):
    people = torch.zeros(*shape, 2, device=device), torch.zeros(shape, device=device)
    got = part_affinity_field(*people, LIMBS, SIZE, channels_last=channels_last, return_counts=True)
    assert got.fields.shape == (shape[0], 6, *SIZE) and got.counts.shape == (shape[0], 3, *SIZE)
    assert not got.fields.any() and not got.weights.any() and not got.counts.any()


def test_no_limbs(device):
    got = part_affinity_field(torch.zeros(2, 5, 2, device=device), torch.ones(2, 5, device=device), [], SIZE)
    assert got.fields.shape == (2, 0, *SIZE) and got.weights.shape == (2, 0)


@pytest.mark.parametrize("size", [(1, 1), (1, 37), (5, 3)])
@pytest.mark.parametrize("channels_last", [False, True])
def test_odd_sizes(device, generator, size, channels_last):
    keypoints, visibility = random_people(generator, 3, 2, 5, size=size, margin=2.0)
    for profile, overlap in (("flat", "mean"), ("gaussian", "sum")):
        options = {"profile": profile, "overlap": overlap, "channels_last": channels_last}
        got = part_affinity_field(keypoints.to(device), visibility.to(device), LIMBS, size, **options)
        want = reference.part_affinity_field(keypoints, visibility, LIMBS, size, **options)
        assert_same(got.fields.contiguous(), want[0].contiguous(), **FLOAT32)


@settings(max_examples=60, deadline=None)
@given(
    joints=st.lists(st.floats(-40, 60, width=32), min_size=4, max_size=4),
    half_width=st.floats(0.01, 40),
    variant=st.sampled_from(VARIANTS),
)
def test_any_limb_equals_definition(joints, half_width, variant):
    keypoints = torch.tensor(joints).view(1, 2, 2)
    options = dict(zip(("profile", "overlap", "ends"), variant, strict=True))
    arguments = (keypoints, torch.ones(1, 2), [(0, 1)], SIZE)
    got = part_affinity_field(*arguments, half_width=half_width, **options)
    want = reference.part_affinity_field(*arguments, half_width=half_width, **options)
    assert_same(got[:2], want[:2], **FLOAT32)


@pytest.mark.parametrize("half_width", [1e-200, 1e200])
@pytest.mark.parametrize("profile", ["flat", "linear", "gaussian", "quartic"])
def test_extreme_widths_give_finite_fields(profile, half_width):
    keypoints = torch.tensor([[[2.0, 4.0], [8.0, 4.0]]], dtype=torch.float64)
    options = {"profile": profile, "overlap": "sum", "half_width": half_width}
    fields = part_affinity_field(keypoints, torch.ones(1, 2), [(0, 1)], SIZE, **options).fields
    assert fields.isfinite().all() and fields[0, 0, 4, 5] == 1
    assert fields[0, 0, 6, 5] == (0 if half_width < 1 else 1)


# ---- the machinery -----------------------------------------------------------------------------------------


def test_opcheck(device, generator):
    keypoints, visibility = (t.to(device) for t in random_people(generator, 2, 3, 5))
    flat = [joint for limb in LIMBS for joint in limb]
    operator = torch.ops.pyposeops.part_affinity_field.default
    torch.library.opcheck(operator, (keypoints, visibility, flat, *SIZE))
    torch.library.opcheck(
        operator, (keypoints, visibility, flat, *SIZE), {"channels_last": True, "return_counts": True}
    )


@pytest.mark.parametrize("channels_last", [False, True])
def test_cuda_equals_cpu_pixel_for_pixel(device, generator, channels_last):
    keypoints, visibility = random_people(generator, 4, 8, 5, size=(46, 54))
    options = {"channels_last": channels_last, "return_counts": True}
    got = part_affinity_field(keypoints.to(device), visibility.to(device), LIMBS, (46, 54), **options)
    want = part_affinity_field(keypoints, visibility, LIMBS, (46, 54), **options)
    assert torch.equal(got.counts.cpu(), want.counts)
    assert_same(got.fields, want.fields, **FLOAT32)


@pytest.mark.cuda
def test_cuda_graph_capture(generator):
    keypoints, visibility = (t.cuda() for t in random_people(generator, 2, 3, 5))
    assert_graph_captures(lambda k: part_affinity_field(k, visibility, LIMBS, SIZE)[:2], keypoints)


@pytest.mark.parametrize("isa", ISAS)
def test_every_instruction_set_equals_definition(isa):
    run_under_isa(
        isa,
        "import torch, pyposeops\n"
        f"assert pyposeops.build_info()['cpu_isa'] == '{isa}'\n"
        "g = torch.Generator().manual_seed(0)\n"
        "k = torch.rand(3, 6, 9, 2, generator=g) * 60 - 8; v = torch.ones(3, 6, 9)\n"
        "limbs = [(i, i + 1) for i in range(8)]\n"
        "for profile, overlap in (('flat', 'mean'), ('linear', 'overwrite'), ('gaussian', 'sum')):\n"
        "    for channels_last in (False, True):\n"
        "        for dtype, bound in ((torch.float32, 1e-6), (torch.float16, 2e-3), (torch.bfloat16, 2e-2)):\n"
        "            o = dict(profile=profile, overlap=overlap, channels_last=channels_last)\n"
        "            got = pyposeops.part_affinity_field(k, v, limbs, (46, 46), dtype=dtype, **o).fields\n"
        "            want = pyposeops.reference.part_affinity_field(k, v, limbs, (46, 46), **o)[0]\n"
        "            assert (got.float() - want).abs().max() <= bound\n",
    )


def test_numpy_in_numpy_out(generator):
    keypoints, visibility = random_people(generator, 2, 3, 5)
    got = part_affinity_field(keypoints.numpy(), visibility.numpy(), np.array(LIMBS), SIZE)
    assert isinstance(got, pyposeops.PartAffinityFields) and got.counts is None
    np.testing.assert_array_equal(got.fields, part_affinity_field(keypoints, visibility, LIMBS, SIZE).fields)


# ---- bad input ---------------------------------------------------------------------------------------------

GOOD = {"keypoints": torch.zeros(2, 3, 5, 2), "visibility": torch.ones(2, 3, 5), "limbs": LIMBS, "size": SIZE}
LIST = {"keypoints": torch.zeros(3, 5, 2), "visibility": torch.ones(3, 5)}


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"keypoints": torch.zeros(3, 2)}, ValueError, "keypoints: expected (B, K, 2) or (B, N, K, 2)"),
        ({"keypoints": torch.zeros(2, 3, 5, 3)}, ValueError, "keypoints: expected (B, K, 2)"),
        ({"keypoints": torch.zeros(2, 3, 5, 2).int()}, TypeError, "keypoints: expected dtype float32"),
        ({"visibility": torch.ones(2, 5)}, ValueError, "visibility: expected the shape of keypoints"),
        ({"limbs": [(0, 5)]}, ValueError, "limbs: expected indices of the 5 joints, got 5"),
        ({"limbs": [(-1, 2)]}, ValueError, "limbs: expected indices of the 5 joints, got -1"),
        ({"limbs": [0, 1]}, ValueError, "limbs: expected (L, 2) pairs of joint indices"),
        ({"limbs": [(0, 1)] * 513}, ValueError, "limbs: expected at most 512 pairs"),
        ({"limbs": torch.rand(3, 2)}, TypeError, "limbs: expected integers"),
        ({"size": (0, 4)}, ValueError, "size: expected a height and width of at least 1, got (0, 4)"),
        ({"size": 4}, ValueError, "size: expected (height, width), got 4"),
        ({"half_width": 0.0}, ValueError, "half_width: expected a finite number above 0"),
        ({"half_width": math.nan}, ValueError, "half_width: expected a finite number above 0"),
        ({"half_width": math.inf}, ValueError, "half_width: expected a finite number above 0"),
        ({"profile": "box"}, ValueError, "profile: expected one of flat, linear, gaussian, quartic"),
        ({"overlap": "max"}, ValueError, "overlap: expected one of mean, sum, overwrite"),
        ({"profile": "quartic"}, ValueError, "overlap: expected sum for the profiles without edges"),
        (
            {"profile": "gaussian", "overlap": "sum", "return_counts": True},
            ValueError,
            "return_counts: expected a profile with edges",
        ),
        ({"ends": "round"}, ValueError, "ends: expected one of clipped, openpose, lightweight"),
        ({"grid": "center"}, ValueError, "grid: expected one of half_pixel, aligned, edge"),
        ({"input_size": (0, 5)}, ValueError, "input_size: expected a height and width of at least 1"),
        ({"offsets": torch.tensor([0, 1])}, ValueError, "keypoints: expected (M, K, 2) with offsets"),
        ({**LIST, "offsets": torch.tensor([[0, 1]])}, ValueError, "offsets: expected (B + 1,), got (1, 2)"),
        ({**LIST, "offsets": torch.tensor([0.0, 1.0])}, TypeError, "offsets: expected dtype int64"),
        (
            {**LIST, "offsets": torch.tensor([0, 4])},
            ValueError,
            "offsets: expected rising numbers from 0 to the 3",
        ),
        ({**LIST, "offsets": torch.tensor([2, 1])}, ValueError, "offsets: expected rising numbers"),
        ({"dtype": torch.int32}, TypeError, "fields: expected dtype float32"),
    ],
)
def test_bad_input_is_named(change, error, words):
    with pytest.raises(error) as caught:
        part_affinity_field(**{**GOOD, **change})
    assert words in str(caught.value)


@pytest.mark.cuda
def test_mixed_devices_are_named():
    with pytest.raises(ValueError, match="visibility: expected the device of keypoints"):
        part_affinity_field(torch.zeros(2, 5, 2).cuda(), torch.ones(2, 5), LIMBS, SIZE)
    with pytest.raises(ValueError, match="limbs: expected numbers or a tensor on the CPU"):
        part_affinity_field(torch.zeros(2, 5, 2), torch.ones(2, 5), torch.tensor(LIMBS).cuda(), SIZE)


@pytest.mark.parametrize("profile", ["flat", "linear"])
def test_limbs_of_absurd_length_give_no_nan(profile):
    joints = torch.tensor([[[-3e38, 0.0], [0.0, 3e38]]])
    result = part_affinity_field(joints, torch.ones(1, 2), [(0, 1)], (4, 4), half_width=0.5, profile=profile)
    assert result.fields.isfinite().all()
