"""displacement_heatmap against its definition, against the published loops, and at its corners."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
import torch

import pyposeops
from pyposeops import displacement_heatmap, reference
from tests.op_contract import FLOATS, assert_compiles, assert_graph_captures, assert_same
from tests.ops.test_offset_heatmap import FLOAT32, SIZE, STORED, ragged, random_people
from tests.property_tests import given, settings, st


def random_roots(generator, *shape):
    """Roots on the map and off it, and sizes of which some are equal."""
    roots, _ = random_people(generator, *shape)
    return roots, torch.randint(1, 4, shape, generator=generator).double() * 5.5


# ---- the published loops, one image at a time: people (N, K, 2) of visible joints ----------------------------


def spr_loop(people, roots, sizes, size, radius):
    """DEKR and single-stage pose machines: joint minus pixel around the root, smaller people over larger ones."""
    joints = people.shape[1]
    maps, weights = np.zeros((joints, 2, *size)), np.zeros((joints, *size))
    held = np.full((joints, *size), np.inf)
    for person, root, extent in zip(people, roots, sizes, strict=True):
        left, top = (max(int(v - radius), 0) for v in root)
        right, bottom = (min(int(v + radius), n) for v, n in zip(root, size[::-1], strict=True))
        for k, y, x in product(range(joints), range(top, bottom), range(left, right)):
            if held[k, y, x] < extent:
                continue
            maps[k, :, y, x] = person[k] - [x, y]
            weights[k, y, x] = 1 / extent
            held[k, y, x] = extent
    return maps.reshape(-1, *size), weights


def deeplabcut_loop(people, roots, areas, size, stride, threshold):
    """DeepLabCut's DEKR generator in input pixels: whole roots, pixel minus joint, joints off the map left out."""
    joints = people.shape[1]
    maps, weights = np.zeros((joints, 2, *size)), np.zeros((joints, *size))
    held = np.full((joints, *size), np.inf)
    radius = threshold / stride
    for person, root, area in zip(people, roots, areas, strict=True):
        centre = [(int(v) - stride / 2) / stride for v in root]
        left, top = (max(int(v - radius), 0) for v in centre)
        right, bottom = (min(int(v + radius), n) for v, n in zip(centre, size[::-1], strict=True))
        for k, (px, py) in enumerate((person - stride / 2) / stride):
            if px < 0 or py < 0 or px >= size[1] or py >= size[0]:
                continue
            for y, x in product(range(top, bottom), range(left, right)):
                if held[k, y, x] >= area:
                    maps[k, :, y, x] = x - px, y - py
                    weights[k, y, x] = 1 / np.sqrt(area)
                    held[k, y, x] = area
    return maps.reshape(-1, *size), weights


def test_equals_dekr(device, generator):
    keypoints, _ = random_people(generator, 3, 5, 4, dtype=torch.float64)
    roots, sizes = random_roots(generator, 3, 5)
    visible = torch.ones(3, 5, 4, device=device)
    got = displacement_heatmap(
        keypoints.to(device),
        visible,
        SIZE,
        radius=4,
        roots=roots.to(device),
        instance_sizes=sizes.to(device),
    )
    for b in range(3):
        people = keypoints[b].numpy(), roots[b].numpy(), sizes[b].numpy()
        maps, weights = spr_loop(*people, SIZE, 4)
        np.testing.assert_allclose(got.heatmaps[b].cpu(), maps, rtol=0, atol=1e-12)
        np.testing.assert_allclose(got.weights[b].cpu(), weights, rtol=0, atol=1e-12)


def test_equals_deeplabcut(device, generator):
    keypoints, _ = random_people(generator, 3, 5, 4, dtype=torch.float64)
    roots, sizes = random_roots(generator, 3, 5)
    got = displacement_heatmap(
        8 * keypoints.to(device),
        torch.ones(3, 5, 4, device=device),
        SIZE,
        radius=17 / 8,
        roots=(8 * roots).trunc().to(device),
        instance_sizes=sizes.square().sqrt().to(device),
        direction="from_joint",
        off_map="skip",
        grid="edge",
        input_size=(8 * SIZE[0], 8 * SIZE[1]),
    )
    for b in range(3):
        people = 8 * keypoints[b].numpy(), 8 * roots[b].numpy(), sizes[b].numpy() ** 2
        maps, weights = deeplabcut_loop(*people, SIZE, 8, 17)
        np.testing.assert_allclose(got.heatmaps[b].cpu(), maps, rtol=0, atol=1e-12)
        np.testing.assert_allclose(got.weights[b].cpu(), weights, rtol=0, atol=1e-7)


def test_radius_0_writes_the_pixel_of_the_centre_as_centernet():
    keypoints = torch.tensor([[[3.0, 4.5], [9.0, 30.0]]])
    got = displacement_heatmap(keypoints, torch.ones(1, 2), SIZE, radius=0, roots=torch.tensor([[6.8, 5.2]]))
    assert got.heatmaps[0, :, 5, 6].tolist() == [-3.0, -0.5, 3.0, 25.0]
    assert got.heatmaps.count_nonzero() == 4 and got.weights.count_nonzero() == 2
    on_map = displacement_heatmap(
        keypoints, torch.ones(1, 2), SIZE, radius=0, roots=torch.tensor([[6.8, 5.2]]), off_map="skip"
    )
    assert on_map.heatmaps[0, :, 5, 6].tolist() == [-3.0, -0.5, 0.0, 0.0]


@pytest.mark.parametrize("given_people", [False, True])
@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("direction", ["to_joint", "from_joint"])
@pytest.mark.parametrize("off_map", ["draw", "skip"])
def test_equals_definition(device, generator, given_people, channels_last, direction, off_map):
    keypoints, visibility = random_people(generator, 3, 6, 5)
    options = {
        "direction": direction,
        "off_map": off_map,
        "channels_last": channels_last,
        "input_size": (48, 54),
    }
    extra = {}
    if given_people:
        roots, sizes = random_roots(generator, 3, 6)
        extra = {"roots": 2 * roots, "instance_sizes": sizes}
    on_device = {key: value.to(device) for key, value in extra.items()}
    for grid, radius in (("half_pixel", 4.0), ("aligned", 2.5), ("edge", 0)):
        options |= {"grid": grid, "radius": radius}
        got = displacement_heatmap(
            (2 * keypoints).to(device), visibility.to(device), SIZE, **options, **on_device
        )
        want = reference.displacement_heatmap(2 * keypoints, visibility, SIZE, **options, **extra)
        assert_same(got, want, **FLOAT32)
        layout = torch.channels_last if channels_last else torch.contiguous_format
        for tensor in got:
            assert tensor.is_contiguous(memory_format=layout)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("channels_last", [False, True])
def test_every_dtype_equals_definition_in_float64(device, generator, dtype, channels_last):
    keypoints, visibility = random_people(generator, 3, 4, 5, dtype=torch.float64)
    people = keypoints.to(device), visibility.to(device)
    got = displacement_heatmap(*people, SIZE, radius=4, dtype=dtype, channels_last=channels_last)
    want = reference.displacement_heatmap(keypoints, visibility, SIZE, radius=4)
    assert {t.dtype for t in got} == {dtype}
    # offsets up to 40 px, stored to the dtype's relative precision
    for a, b in zip(got, want, strict=True):
        assert_same(a.double().contiguous(), b, rtol=STORED[dtype] / 2, atol=STORED[dtype])


def test_default_roots_and_sizes_are_the_mean_and_the_diagonal_of_the_visible_joints():
    keypoints = torch.tensor([[[4.0, 2.0], [8.0, 5.0], [100.0, 100.0]]])
    got = displacement_heatmap(keypoints, torch.tensor([[1.0, 1.0, 0.0]]), SIZE, radius=1)
    rows, columns = got.weights[0, 0].nonzero().T
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (2, 3, 5, 6)  # the root is (6, 3.5)
    assert got.weights[0, 0, 2, 5] == pytest.approx(1 / 5) and not got.weights[0, 2].any()


def test_the_smaller_person_keeps_the_pixel_joint_by_joint():
    keypoints = torch.tensor([[[[2.0, 2.0], [3.0, 3.0]], [[9.0, 9.0], [8.0, 8.0]]]])
    visibility = torch.tensor([[[1.0, 0.0], [1.0, 1.0]]])
    roots = torch.full((1, 2, 2), 5.0)
    for order in ([0, 1], [1, 0]):
        people = (t[:, order] for t in (keypoints, visibility))
        sizes = torch.tensor([[3.0, 7.0]])[:, order]
        got = displacement_heatmap(*people, SIZE, radius=2, roots=roots, instance_sizes=sizes)
        assert got.heatmaps[0, :, 5, 5].tolist() == [-3.0, -3.0, 3.0, 3.0]
        assert got.weights[0, :, 5, 5].tolist() == pytest.approx([1 / 3, 1 / 7])


def test_of_equally_small_people_the_last_keeps_the_pixel():
    keypoints = torch.tensor([[[[2.0, 2.0]], [[9.0, 9.0]]]])
    got = displacement_heatmap(
        keypoints,
        torch.ones(1, 2, 1),
        SIZE,
        radius=2,
        roots=torch.full((1, 2, 2), 5.0),
        instance_sizes=torch.ones(1, 2),
    )
    assert got.heatmaps[0, :, 5, 5].tolist() == [4.0, 4.0]


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("given_people", [False, True])
def test_ragged_people_equal_padded_ones(device, generator, channels_last, given_people):
    keypoints, visibility = random_people(generator, 4, 3, 5)
    counts = [2, 0, 3, 1]
    visibility[torch.arange(3) >= torch.tensor(counts)[:, None]] = 0
    people, seen, offsets = (t.to(device) for t in ragged(keypoints, visibility, counts))
    options = {"radius": 3, "channels_last": channels_last}
    padded_extra, extra = {}, {}
    if given_people:
        roots, sizes = random_roots(generator, 4, 3)
        padded_extra = {"roots": roots, "instance_sizes": sizes}
        list_roots, list_sizes, _ = ragged(roots, sizes, counts)
        extra = {"roots": list_roots.to(device), "instance_sizes": list_sizes.to(device)}
    got = displacement_heatmap(people, seen, SIZE, offsets=offsets, **options, **extra)
    assert_same(got, displacement_heatmap(keypoints, visibility, SIZE, **options, **padded_extra), **FLOAT32)
    want = reference.displacement_heatmap(people, seen, SIZE, offsets=offsets, **options, **extra)
    assert_same(got, want, **FLOAT32)


def test_one_person_without_the_dimension_of_people(generator):
    keypoints, visibility = random_people(generator, 3, 5)
    roots, sizes = random_roots(generator, 3)
    got = displacement_heatmap(keypoints, visibility, SIZE, radius=3, roots=roots, instance_sizes=sizes)
    several = displacement_heatmap(
        keypoints[:, None],
        visibility[:, None],
        SIZE,
        radius=3,
        roots=roots[:, None],
        instance_sizes=sizes[:, None],
    )
    assert_same(got, several)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("where", ["coordinate", "visibility", "root", "size"])
def test_not_finite_means_not_drawn(device, bad, where):
    keypoints, visibility = torch.full((2, 1, 2), 5.0), torch.ones(2, 1)
    roots, sizes = torch.full((2, 2), 6.0), torch.ones(2)
    {"coordinate": keypoints[0, 0], "visibility": visibility[0], "root": roots[0], "size": sizes[:1]}[where][
        0
    ] = math.nan if where == "visibility" else bad
    tensors = (t.to(device) for t in (keypoints, visibility, roots, sizes))
    points, seen, centres, extents = tensors
    got = displacement_heatmap(points, seen, SIZE, radius=2, roots=centres, instance_sizes=extents)
    assert not got.heatmaps[0].any() and not got.weights[0].any() and got.weights[1].any()


@pytest.mark.parametrize("size", [0.0, -1.0])
def test_people_without_size_are_not_drawn(size):
    got = displacement_heatmap(
        torch.full((1, 1, 2), 5.0), torch.ones(1, 1), SIZE, radius=2, instance_sizes=torch.tensor([size])
    )
    assert not got.weights.any()


@pytest.mark.parametrize("shape", [(0, 2, 5), (2, 0, 5), (0, 5), (2, 3, 0)])
@pytest.mark.parametrize("channels_last", [False, True])
def test_nobody_and_no_joints(device, shape, channels_last):
    people = torch.zeros(*shape, 2, device=device), torch.zeros(shape, device=device)
    got = displacement_heatmap(*people, SIZE, radius=2, channels_last=channels_last)
    assert got.heatmaps.shape == (shape[0], 2 * shape[-1], *SIZE)
    assert not got.heatmaps.any() and not got.weights.any()


@settings(max_examples=60, deadline=None)
@given(
    numbers=st.lists(st.floats(-40, 60, width=32), min_size=8, max_size=8),
    sizes=st.lists(st.floats(0.5, 4, width=32), min_size=2, max_size=2),
    radius=st.floats(0, 60),
)
def test_any_people_equal_definition(numbers, sizes, radius):
    keypoints, roots = torch.tensor(numbers).view(2, 1, 2, 2)[:, :, :, None].unbind(0)
    options = {"radius": radius, "roots": roots[..., 0, :], "instance_sizes": torch.tensor([sizes])}
    arguments = (keypoints, torch.ones(1, 2, 1), SIZE)
    assert_same(
        displacement_heatmap(*arguments, **options),
        reference.displacement_heatmap(*arguments, **options),
        **FLOAT32,
    )


def test_opcheck(device, generator):
    keypoints, visibility = (t.to(device) for t in random_people(generator, 2, 3, 5))
    roots, sizes = (t.to(device) for t in random_roots(generator, 2, 3))
    torch.library.opcheck(
        torch.ops.pyposeops.offset_heatmap.default,
        (keypoints, visibility, *SIZE, 2, 2, 2, 4.0, 1.0),
        {"roots": roots, "instance_sizes": sizes},
    )


def test_compiles_with_roots_and_sizes_of_its_own(device, generator):
    keypoints, visibility = (t.to(device) for t in random_people(generator, 2, 3, 5))
    assert_compiles(lambda k, v: displacement_heatmap(k, v, SIZE, radius=4), keypoints, visibility)


@pytest.mark.cuda
def test_cuda_graph_capture(generator):
    keypoints, visibility = (t.cuda() for t in random_people(generator, 2, 3, 5))
    assert_graph_captures(lambda k: displacement_heatmap(k, visibility, SIZE, radius=4), keypoints)


def test_no_gradient_passes(generator):
    keypoints, visibility = random_people(generator, 2, 3, 5)
    got = displacement_heatmap(keypoints.requires_grad_(), visibility, SIZE, radius=4)
    assert not got.heatmaps.requires_grad and not got.weights.requires_grad


def test_numpy_in_numpy_out(generator):
    keypoints, visibility = random_people(generator, 2, 3, 5)
    roots, sizes = random_roots(generator, 2, 3)
    got = displacement_heatmap(
        keypoints.numpy(),
        visibility.numpy(),
        SIZE,
        radius=4,
        roots=roots.numpy(),
        instance_sizes=sizes.numpy(),
    )
    assert isinstance(got, pyposeops.DisplacementHeatmaps)
    want = displacement_heatmap(keypoints, visibility, SIZE, radius=4, roots=roots, instance_sizes=sizes)
    for array, tensor in zip(got, want, strict=True):
        np.testing.assert_array_equal(array, tensor.numpy())


GOOD = {
    "keypoints": torch.zeros(2, 3, 5, 2),
    "visibility": torch.ones(2, 3, 5),
    "size": SIZE,
    "radius": 4,
    "roots": torch.zeros(2, 3, 2),
    "instance_sizes": torch.ones(2, 3),
}
ALONE = {"roots": None, "instance_sizes": None}


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"keypoints": torch.zeros(3, 2)}, ValueError, "keypoints: expected (B, K, 2) or (B, N, K, 2)"),
        ({"keypoints": torch.zeros(2, 3, 5, 2).int()}, TypeError, "keypoints: expected dtype float32"),
        (
            {**ALONE, "keypoints": torch.zeros(2, 3, 5, 2).int()},
            TypeError,
            "keypoints: expected dtype float32",
        ),
        ({"visibility": torch.ones(2, 5)}, ValueError, "visibility: expected the shape of keypoints"),
        (
            {**ALONE, "visibility": torch.ones(2, 5)},
            ValueError,
            "visibility: expected the shape of keypoints",
        ),
        ({"size": (0, 4)}, ValueError, "size: expected a height and width of at least 1, got (0, 4)"),
        ({"radius": -1.0}, ValueError, "radius: expected a finite number of at least 0"),
        ({"radius": math.nan}, ValueError, "radius: expected a finite number of at least 0"),
        (
            {"roots": torch.zeros(2, 2)},
            ValueError,
            "roots: expected the shape of keypoints without K, got (2, 2)",
        ),
        ({"roots": torch.zeros(2, 3, 3)}, ValueError, "roots: expected the shape of keypoints without K"),
        ({"roots": torch.zeros(2, 3, 2).int()}, TypeError, "roots: expected dtype float32"),
        (
            {"instance_sizes": torch.ones(3)},
            ValueError,
            "instance_sizes: expected one number per person, got (3,)",
        ),
        ({"instance_sizes": torch.ones(2, 3).int()}, TypeError, "instance_sizes: expected dtype float32"),
        ({"direction": "out"}, ValueError, "direction: expected one of to_joint, from_joint"),
        ({"off_map": "clip"}, ValueError, "off_map: expected one of draw, skip"),
        ({"grid": "udp"}, ValueError, "grid: expected one of half_pixel, aligned, edge"),
        ({"input_size": (0, 5)}, ValueError, "input_size: expected a height and width of at least 1"),
        ({"offsets": torch.tensor([0, 1])}, ValueError, "keypoints: expected (M, K, 2) with offsets"),
        ({"dtype": torch.int32}, TypeError, "heatmaps: expected dtype float32"),
    ],
)
def test_bad_input_is_named(change, error, words):
    with pytest.raises(error) as caught:
        displacement_heatmap(**{**GOOD, **change})
    assert words in str(caught.value)
