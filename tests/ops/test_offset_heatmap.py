"""offset_heatmap against its definition, against the published loops, and at its corners."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
import torch

import pyposeops
from pyposeops import offset_heatmap, reference
from tests.op_contract import FLOATS, ISAS, assert_graph_captures, assert_same, run_under_isa
from tests.property_tests import given, settings, st

SIZE = (24, 18)
VARIANTS = list(product(("udp", "offset"), ("disc", "map"), ("nearest", "last")))
# an offset and a factor, rounded once each: offsets reach 40 px
FLOAT32 = {"rtol": 3e-7, "atol": 1e-6}
STORED = {torch.float32: 1e-6, torch.float64: 1e-14, torch.float16: 2e-3, torch.bfloat16: 2e-2}


def random_people(generator, *shape, size=SIZE, margin=5.0, dtype=torch.float32):
    """Joints on the map and up to `margin` pixels off it, every fourth on a pixel's centre, a third invisible."""
    spread = torch.tensor([size[1] + 2 * margin, size[0] + 2 * margin])
    keypoints = torch.rand(*shape, 2, generator=generator) * spread - margin
    keypoints = torch.where(torch.rand(*shape, 1, generator=generator) < 0.25, keypoints.round(), keypoints)
    visibility = torch.randint(0, 3, shape, generator=generator).to(torch.float32)
    return keypoints.to(dtype), visibility


# ---- the published loops: one person (K, 2), or people (N, K, 2) of visible joints --------------------------


def udp_loop(joints, size, factor=0.0546875):
    """UDP: a disc and two offsets for each joint, in radii."""
    radius = factor * max(size)
    maps = np.zeros((len(joints), 3, *size))
    for k, (x, y) in enumerate(joints):
        for row, column in np.ndindex(*size):
            across, down = (x - column) / radius, (y - row) / radius
            if across**2 + down**2 <= 1:
                maps[k, :, row, column] = 1, across, down
    return maps.reshape(-1, *size)


def personlab_loop(people, size, radius):
    """PersonLab: within a radius of a joint the vector to it, to the nearest of several."""
    joints = people.shape[1]
    maps, discs = np.zeros((joints, 2, *size)), np.zeros((joints, *size), bool)
    for k, (row, column) in product(range(joints), np.ndindex(*size)):
        to_joint = people[:, k] - [column, row]
        distance = np.linalg.norm(to_joint, axis=1)
        if distance.min() <= radius:
            maps[k, :, row, column], discs[k, row, column] = to_joint[distance.argmin()], True
    return maps.reshape(-1, *size), discs


def deeplabcut_loop(people, size, stride, threshold, plateau):
    """DeepLabCut, all in input pixels: locref maps and masks of its Gaussian and plateau generators."""
    joints = people.shape[1]
    maps, masks = np.zeros((joints, 2, *size)), np.zeros((joints, *size), bool)
    rows, columns = np.mgrid[: size[0], : size[1]] * stride + stride / 2
    for person, k in product(people, range(joints)):
        dx, dy = person[k, 0] - columns, person[k, 1] - rows
        mask = dx**2 + dy**2 <= threshold**2
        where = mask if plateau else np.ones_like(mask)
        maps[k, 0][where], maps[k, 1][where] = dx[where] / 7.2801, dy[where] / 7.2801
        masks[k] |= mask
    return maps.reshape(-1, *size), masks


def test_equals_udp(device, generator):
    keypoints, _ = random_people(generator, 4, 5, dtype=torch.float64)
    scale = torch.tensor([71 / 17, 95 / 23], dtype=torch.float64)
    visible = torch.ones(4, 5, device=device)
    got = offset_heatmap((keypoints * scale).to(device), visible, SIZE, input_size=(96, 72))
    for b in range(4):
        np.testing.assert_allclose(
            got.heatmaps[b].cpu(), udp_loop(keypoints[b].numpy(), SIZE), rtol=0, atol=1e-12
        )
    assert torch.equal(got.masks, got.heatmaps[:, 0::3])
    assert torch.equal(got.weights, torch.ones_like(got.weights))


def test_equals_personlab(device, generator):
    keypoints, _ = random_people(generator, 2, 4, 5, dtype=torch.float64)
    visible = torch.ones(2, 4, 5, device=device)
    got = offset_heatmap(keypoints.to(device), visible, SIZE, kind="offset", radius=4.3)
    for b in range(2):
        maps, discs = personlab_loop(keypoints[b].numpy(), SIZE, 4.3)
        np.testing.assert_allclose(got.heatmaps[b].cpu(), maps, rtol=0, atol=1e-12)
        np.testing.assert_array_equal(got.masks[b].cpu(), discs)


@pytest.mark.parametrize("region", ["disc", "map"])
def test_equals_deeplabcut(device, generator, region):
    keypoints, _ = random_people(generator, 2, 3, 5, dtype=torch.float64)
    options = {"kind": "offset", "radius": 17 / 8, "scale": 7.2801 / 8, "overlap": "last", "grid": "edge"}
    got = offset_heatmap(
        8 * keypoints.to(device),
        torch.ones(2, 3, 5, device=device),
        SIZE,
        region=region,
        input_size=(8 * SIZE[0], 8 * SIZE[1]),
        **options,
    )
    for b in range(2):
        maps, masks = deeplabcut_loop(8 * keypoints[b].numpy(), SIZE, 8, 17, region == "disc")
        np.testing.assert_allclose(got.heatmaps[b].cpu(), maps, rtol=0, atol=1e-12)
        np.testing.assert_array_equal(got.masks[b].cpu(), masks)


@pytest.mark.parametrize(("kind", "region", "overlap"), VARIANTS)
@pytest.mark.parametrize("channels_last", [False, True])
def test_equals_definition(device, generator, kind, region, overlap, channels_last):
    keypoints, visibility = random_people(generator, 3, 6, 5)
    options = {"kind": kind, "region": region, "overlap": overlap, "channels_last": channels_last}
    for grid, radius, scale in ((None, None, None), ("aligned", 2.0, 0.5), ("edge", 0.3, 3.0)):
        options |= {"grid": grid, "radius": radius, "scale": scale, "input_size": (48, 54)}
        got = offset_heatmap((2 * keypoints).to(device), visibility.to(device), SIZE, **options)
        want = reference.offset_heatmap(2 * keypoints, visibility, SIZE, **options)
        assert_same(got, want, **FLOAT32)
        layout = torch.channels_last if channels_last else torch.contiguous_format
        assert got.heatmaps.is_contiguous(memory_format=layout)
        assert kind == "udp" or got.masks.is_contiguous(memory_format=layout)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("channels_last", [False, True])
def test_every_dtype_equals_definition_in_float64(device, generator, dtype, channels_last):
    keypoints, visibility = random_people(generator, 3, 4, 5, dtype=torch.float64)
    for kind, region in (("udp", "disc"), ("offset", "disc")):
        options = {"kind": kind, "region": region, "scale": 3.5, "channels_last": channels_last}
        got = offset_heatmap(keypoints.to(device), visibility.to(device), SIZE, dtype=dtype, **options)
        want = reference.offset_heatmap(keypoints, visibility, SIZE, **options)
        assert got.heatmaps.dtype == dtype
        assert_same(got.heatmaps.double(), want[0], rtol=0.0, atol=STORED[dtype])
        assert_same(got.weights.double(), want[2], rtol=0.0, atol=0.0)


def test_values_of_one_joint_by_hand():
    keypoints = torch.tensor([[[5.0, 6.0]]])
    udp = offset_heatmap(keypoints, torch.ones(1, 1), (32, 16), radius=2.0).heatmaps[0]
    assert udp[:, 6, 5].tolist() == [1.0, 0.0, 0.0]
    assert udp[:, 6, 3].tolist() == [1.0, 1.0, 0.0]  # on the edge of the disc
    assert udp[:, 7, 6].tolist() == [1.0, -0.5, -0.5]
    assert udp[:, 7, 7].tolist() == [0.0, 0.0, 0.0]
    plain = offset_heatmap(keypoints, torch.ones(1, 1), (32, 16), radius=2.0, kind="offset", region="map")
    assert plain.heatmaps[0, :, 30, 1].tolist() == [4.0, -24.0]
    assert plain.masks.sum() == 13 and plain.masks[0, 0, 6, 3]


def test_default_radius_is_that_of_udp():
    disc = offset_heatmap(torch.tensor([[[20.0, 30.0]]]), torch.ones(1, 1), (64, 48)).heatmaps[0, 0]
    assert disc[30].sum() == 7 and disc[:, 20].sum() == 7  # 0.0546875 * 64 = 3.5


@pytest.mark.parametrize(("overlap", "winner"), [("nearest", 0), ("last", 1)])
def test_of_equally_near_joints_the_first_or_the_last_stays(overlap, winner):
    keypoints = torch.tensor([[[[4.0, 5.0]], [[8.0, 5.0]]]])
    options = {"kind": "offset", "radius": 3.0, "overlap": overlap}
    got = offset_heatmap(keypoints, torch.ones(1, 2, 1), SIZE, **options).heatmaps[0, :, 5]
    assert got[0, 6] == (-2.0, 2.0)[winner]
    assert got[0, 5] == (-1.0, 3.0)[winner]
    assert got[0, 3] == 1.0 and got[0, 9] == -1.0  # one disc only


@pytest.mark.parametrize("region", ["disc", "map"])
def test_order_of_people_does_not_matter_to_the_nearest(generator, region):
    keypoints = torch.rand(2, 5, 4, 2, generator=generator) * 20
    visibility = torch.ones(2, 5, 4)
    want = offset_heatmap(keypoints, visibility, SIZE, region=region)
    assert_same(offset_heatmap(keypoints.flip(1), visibility, SIZE, region=region), want)


@pytest.mark.parametrize("x", [-20.0, 60.0])
def test_weight_stays_off_the_map(x):
    got = offset_heatmap(torch.tensor([[[x, 5.0]]]), torch.full((1, 1), 2.0), SIZE)
    assert got.weights.item() == 2.0 and not got.heatmaps.any()


def test_weight_is_the_visibility_as_given_the_largest_of_the_people():
    visibility = torch.tensor([[[2.0, 0.3, -1.0], [1.0, 0.2, -2.0]]])
    got = offset_heatmap(torch.full((1, 2, 3, 2), 5.0), visibility, SIZE)
    assert_same(got.weights, torch.tensor([[2.0, 0.3, -1.0]]))
    assert got.heatmaps[0, 3:].count_nonzero() == 0


# ---- people and joints ---------------------------------------------------------------------------------------


def ragged(keypoints, visibility, counts):
    """The first `counts[b]` people of each image as one list, and where each image's begin."""
    index = tuple(torch.tensor([(b, n) for b, count in enumerate(counts) for n in range(count)]).T)
    return keypoints[index], visibility[index], torch.tensor([0, *np.cumsum(counts).tolist()])


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("kind", ["udp", "offset"])
def test_ragged_people_equal_padded_ones(device, generator, channels_last, kind):
    keypoints, visibility = random_people(generator, 4, 3, 5)
    counts = [2, 0, 3, 1]
    visibility[torch.arange(3) >= torch.tensor(counts)[:, None]] = 0
    people, seen, offsets = (t.to(device) for t in ragged(keypoints, visibility, counts))
    options = {"kind": kind, "channels_last": channels_last}
    got = offset_heatmap(people, seen, SIZE, offsets=offsets, **options)
    assert_same(got, offset_heatmap(keypoints, visibility, SIZE, **options), **FLOAT32)
    assert_same(got, reference.offset_heatmap(people, seen, SIZE, offsets=offsets, **options), **FLOAT32)


@pytest.mark.cuda
@pytest.mark.parametrize("channels_last", [False, True])
def test_more_people_than_a_block_can_stage(generator, channels_last):
    keypoints, visibility = random_people(generator, 1, 500, 5)
    options = {"kind": "offset", "radius": 6.0, "channels_last": channels_last}
    got = offset_heatmap(keypoints.cuda(), visibility.cuda(), SIZE, **options)
    assert_same(got, offset_heatmap(keypoints, visibility, SIZE, **options), **FLOAT32)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("where", ["coordinate", "visibility"])
def test_not_finite_means_not_drawn(device, bad, where):
    keypoints, visibility = torch.full((1, 2, 2), 5.0), torch.ones(1, 2)
    if where == "coordinate":
        keypoints[0, 0, 1] = bad
    else:
        visibility[0, 0] = math.nan
    got = offset_heatmap(keypoints.to(device), visibility.to(device), SIZE, kind="offset")
    assert not got.heatmaps[:, :2].any() and got.heatmaps[:, 2:].any()
    assert got.weights.tolist() == [[0.0, 1.0]] and not got.masks[:, 0].any()


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.int32, torch.int64, torch.float16])
def test_visibility_of_any_dtype(generator, dtype):
    keypoints, visibility = random_people(generator, 2, 3, 5)
    visibility = visibility.clamp(max=1)
    want = offset_heatmap(keypoints, visibility, SIZE)
    assert_same(offset_heatmap(keypoints, visibility.to(dtype), SIZE), want)


@pytest.mark.parametrize("shape", [(0, 2, 5), (2, 0, 5), (0, 5), (2, 3, 0)])
@pytest.mark.parametrize("channels_last", [False, True])
def test_nobody_and_no_joints(device, shape, channels_last):
    people = torch.zeros(*shape, 2, device=device), torch.zeros(shape, device=device)
    got = offset_heatmap(*people, SIZE, kind="offset", channels_last=channels_last)
    assert got.heatmaps.shape == (shape[0], 2 * shape[-1], *SIZE)
    assert not got.heatmaps.any() and not got.weights.any() and not got.masks.any()


@pytest.mark.parametrize("size", [(1, 1), (1, 37), (5, 3)])
@pytest.mark.parametrize("channels_last", [False, True])
def test_odd_sizes(device, generator, size, channels_last):
    keypoints, visibility = random_people(generator, 3, 2, 5, size=size, margin=2.0)
    for kind in ("udp", "offset"):
        options = {"kind": kind, "radius": 2.0, "channels_last": channels_last}
        got = offset_heatmap(keypoints.to(device), visibility.to(device), size, **options)
        want = reference.offset_heatmap(keypoints, visibility, size, **options)
        assert_same([t.contiguous() for t in got], [t.contiguous() for t in want], **FLOAT32)


@settings(max_examples=60, deadline=None)
@given(
    joints=st.lists(st.floats(-40, 60, width=32), min_size=4, max_size=4),
    radius=st.floats(0.01, 60),
    variant=st.sampled_from(VARIANTS),
)
def test_any_people_equal_definition(joints, radius, variant):
    arguments = (torch.tensor(joints).view(1, 2, 1, 2), torch.ones(1, 2, 1), SIZE)
    options = {
        **dict(zip(("kind", "region", "overlap"), variant, strict=True)),
        "radius": radius,
        "scale": 2.0,
    }
    assert_same(
        offset_heatmap(*arguments, **options), reference.offset_heatmap(*arguments, **options), **FLOAT32
    )


@pytest.mark.parametrize("radius", [1e-200, 1e200])
def test_extreme_radii(radius):
    keypoints = torch.tensor([[[5.0, 6.0]]], dtype=torch.float64)
    got = offset_heatmap(keypoints, torch.ones(1, 1), SIZE, radius=radius, kind="offset")
    assert got.heatmaps.isfinite().all()
    assert got.masks.sum() == (1 if radius < 1 else SIZE[0] * SIZE[1])


# ---- the machinery -------------------------------------------------------------------------------------------


def test_opcheck(device, generator):
    keypoints, visibility = (t.to(device) for t in random_people(generator, 2, 3, 5))
    operator = torch.ops.pyposeops.offset_heatmap.default
    torch.library.opcheck(operator, (keypoints, visibility, *SIZE, 3, 0, 0, 3.5, 1.0))
    torch.library.opcheck(
        operator, (keypoints, visibility, *SIZE, 2, 0, 0, 3.5, 1.0), {"channels_last": True}
    )


@pytest.mark.cuda
def test_cuda_graph_capture(generator):
    keypoints, visibility = (t.cuda() for t in random_people(generator, 2, 3, 5))
    assert_graph_captures(lambda k: offset_heatmap(k, visibility, SIZE, kind="offset"), keypoints)


@pytest.mark.parametrize("isa", ISAS)
def test_every_instruction_set_equals_definition(isa):
    run_under_isa(
        isa,
        "import torch, pyposeops\n"
        f"assert pyposeops.build_info()['cpu_isa'] == '{isa}'\n"
        "g = torch.Generator().manual_seed(0)\n"
        "k = torch.rand(3, 4, 9, 2, generator=g) * 60 - 8; v = torch.ones(3, 4, 9)\n"
        "for kind, region in (('udp', 'disc'), ('offset', 'disc'), ('offset', 'map')):\n"
        "    for channels_last in (False, True):\n"
        "        for dtype, bound in ((torch.float32, 1e-6), (torch.float16, 2e-3), (torch.bfloat16, 2e-2)):\n"
        "            o = dict(kind=kind, region=region, scale=40.0, channels_last=channels_last)\n"
        "            got = pyposeops.offset_heatmap(k, v, (46, 46), dtype=dtype, **o)\n"
        "            want = pyposeops.reference.offset_heatmap(k, v, (46, 46), **o)\n"
        "            assert (got.heatmaps.float() - want[0]).abs().max() <= bound\n"
        "            assert torch.equal(got.masks.float(), want[1].float())\n",
    )


def test_numpy_in_numpy_out(generator):
    keypoints, visibility = random_people(generator, 2, 3, 5)
    for kind in ("udp", "offset"):
        got = offset_heatmap(keypoints.numpy(), visibility.numpy(), SIZE, kind=kind)
        assert isinstance(got, pyposeops.OffsetHeatmaps)
        for array, tensor in zip(got, offset_heatmap(keypoints, visibility, SIZE, kind=kind), strict=True):
            np.testing.assert_array_equal(array, tensor.numpy())


# ---- bad input -----------------------------------------------------------------------------------------------

GOOD = {"keypoints": torch.zeros(2, 3, 5, 2), "visibility": torch.ones(2, 3, 5), "size": SIZE}
LIST = {"keypoints": torch.zeros(3, 5, 2), "visibility": torch.ones(3, 5)}


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"keypoints": torch.zeros(3, 2)}, ValueError, "keypoints: expected (B, K, 2) or (B, N, K, 2)"),
        ({"keypoints": torch.zeros(2, 3, 5, 3)}, ValueError, "keypoints: expected (B, K, 2)"),
        ({"keypoints": torch.zeros(2, 3, 5, 2).int()}, TypeError, "keypoints: expected dtype float32"),
        ({"visibility": torch.ones(2, 5)}, ValueError, "visibility: expected the shape of keypoints"),
        ({"size": (0, 4)}, ValueError, "size: expected a height and width of at least 1, got (0, 4)"),
        ({"kind": "combined"}, ValueError, "kind: expected one of udp, offset, got 'combined'"),
        ({"radius": 0.0}, ValueError, "radius: expected a finite number above 0"),
        ({"radius": math.nan}, ValueError, "radius: expected a finite number above 0"),
        ({"radius": math.inf}, ValueError, "radius: expected a finite number above 0"),
        ({"scale": 0.0}, ValueError, "scale: expected a finite number above 0"),
        ({"scale": math.nan}, ValueError, "scale: expected a finite number above 0"),
        ({"region": "box"}, ValueError, "region: expected one of disc, map"),
        ({"overlap": "mean"}, ValueError, "overlap: expected one of nearest, last"),
        ({"grid": "center"}, ValueError, "grid: expected one of udp, half_pixel, aligned, edge"),
        ({"input_size": (0, 5)}, ValueError, "input_size: expected a height and width of at least 1"),
        ({"input_size": (9, 1)}, ValueError, "udp with input_size needs at least 2 pixels"),
        ({"offsets": torch.tensor([0, 1])}, ValueError, "keypoints: expected (M, K, 2) with offsets"),
        ({**LIST, "offsets": torch.tensor([0, 4])}, ValueError, "offsets: expected rising numbers"),
        ({"dtype": torch.int32}, TypeError, "heatmaps: expected dtype float32"),
    ],
)
def test_bad_input_is_named(change, error, words):
    with pytest.raises(error) as caught:
        offset_heatmap(**{**GOOD, **change})
    assert words in str(caught.value)


@pytest.mark.cuda
def test_mixed_devices_are_named():
    with pytest.raises(ValueError, match="visibility: expected the device of keypoints"):
        offset_heatmap(torch.zeros(2, 5, 2).cuda(), torch.ones(2, 5), SIZE)
