"""Affine maps against three-point and matrix constructions of the published codes."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from pyposeops import (
    affine_from_box,
    compose_affine,
    crop_to_heatmap,
    gaussian_heatmap,
    heatmap_decode,
    heatmap_to_crop,
    invert_affine,
    invert_perspective,
    transform_keypoints,
)
from tests.op_contract import assert_compiles, assert_same

SIZE = (256, 192)
CONVENTIONS = ("msra", "udp")


def random_boxes(generator, count=20, dtype=torch.float64):
    low = torch.tensor([-100.0, -100.0, 5.0, 5.0], dtype=dtype)
    span = torch.tensor([700.0, 500.0, 300.0, 300.0], dtype=dtype)
    return torch.rand(count, 4, generator=generator, dtype=dtype) * span + low


def enlarged(box, size, factor):
    """Centre and (width, height) of the box at the crop's aspect ratio, times the factor."""
    x, y, width, height = box
    aspect = size[1] / size[0]
    if width > aspect * height:
        height = width / aspect
    else:
        width = height * aspect
    return np.array([x + box[2] / 2, y + box[3] / 2]), np.array([width, height]) * factor


def three_point_affine(box, size, factor, angle_deg):
    """The published MSRA construction: the centre, the middle of the upper edge, a third beside them."""
    centre, extent = enlarged(box, size, factor)
    angle = math.radians(angle_deg)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    middle = np.array([size[1] / 2, size[0] / 2])
    source = [centre, centre + turn @ [0, -extent[0] / 2]]
    target = [middle, middle - np.array([0, size[1] / 2])]
    for points in (source, target):
        across = points[0] - points[1]
        points.append(points[1] + np.array([-across[1], across[0]]))
    return np.linalg.solve(np.column_stack([source, np.ones(3)]), np.array(target)).T


def udp_matrix(box, size, factor, angle_deg):
    """The published UDP matrix, which takes twice the centre for an input size."""
    (cx, cy), (width, height) = enlarged(box, size, factor)
    cos, sin = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))
    sx, sy = (size[1] - 1) / width, (size[0] - 1) / height
    return np.array(
        [
            [cos * sx, -sin * sx, sx * (-cx * cos + cy * sin + 0.5 * width)],
            [sin * sy, cos * sy, sy * (-cx * sin - cy * cos + 0.5 * height)],
        ]
    )


@pytest.mark.parametrize(("convention", "construct"), [("msra", three_point_affine), ("udp", udp_matrix)])
@pytest.mark.parametrize("size", [SIZE, (64, 64), (100, 300)])
def test_equals_the_published_construction(device, generator, convention, construct, size):
    boxes = random_boxes(generator)
    angle = torch.linspace(-180, 180, 20, dtype=torch.float64)
    scale = torch.linspace(0.5, 2.0, 20, dtype=torch.float64)
    got = affine_from_box(
        boxes.to(device),
        size,
        convention=convention,
        padding=1.1,
        rotation_deg=angle.to(device),
        scale=scale.to(device),
    )
    for n in range(20):
        want = construct(boxes[n].numpy(), size, 1.1 * float(scale[n]), float(angle[n]))
        np.testing.assert_allclose(got[n].cpu(), want, rtol=1e-9, atol=1e-9)


def test_default_padding_is_a_quarter_more():
    box = torch.tensor([[10.0, 20.0, 192.0, 256.0]])
    assert_same(affine_from_box(box, SIZE)[0, 0, 0], torch.tensor(0.8))


def test_msra_turns_counter_clockwise_and_udp_clockwise():
    box = torch.tensor([[0.0, 0.0, 100.0, 100.0]])
    to_the_right = torch.tensor([[[50.0, 50.0], [90.0, 50.0]]])
    for convention, direction in (("msra", -1), ("udp", 1)):  # v grows downwards
        affine = affine_from_box(box, (64, 64), convention=convention, rotation_deg=90.0)
        (centre, tip) = transform_keypoints(to_the_right, affine)[0]
        assert abs(float(tip[0] - centre[0])) < 1e-4
        assert math.copysign(1, float(tip[1] - centre[1])) == direction


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_flip_mirrors_the_crop(generator, convention):
    boxes = random_boxes(generator, 4)
    points = torch.rand(4, 5, 2, generator=generator, dtype=torch.float64) * 300
    flip = torch.tensor([True, False, True, False])
    options = {"convention": convention, "rotation_deg": 20.0}
    plain = transform_keypoints(points, affine_from_box(boxes, SIZE, **options))
    mixed = transform_keypoints(points, affine_from_box(boxes, SIZE, flip=flip, **options))
    mirror = plain.clone()
    mirror[..., 0] = SIZE[1] - 1 - mirror[..., 0]
    assert_same(mixed, torch.where(flip[:, None, None], mirror, plain), rtol=0, atol=1e-9)
    all_flipped = affine_from_box(boxes, SIZE, flip=True, **options)
    assert_same(transform_keypoints(points, all_flipped), mirror, rtol=0, atol=1e-9)


@pytest.mark.parametrize("bad", [0.0, -3.0, math.nan, math.inf])
@pytest.mark.parametrize("column", [2, 3])
@pytest.mark.parametrize("convention", CONVENTIONS)
def test_box_without_a_positive_size_gives_nan(device, convention, bad, column):
    boxes = torch.tensor([[10.0, 20.0, 30.0, 40.0]]).repeat(2, 1).to(device)
    boxes[1, column] = bad
    got = affine_from_box(boxes, SIZE, convention=convention)
    assert got[0].isfinite().all() and got[1].isnan().all()


@pytest.mark.parametrize(
    "options", [{"scale": torch.tensor([0.0])}, {"scale": -1.0}, {"rotation_deg": math.nan}]
)
def test_unusable_options_give_nan(options):
    assert affine_from_box(torch.tensor([[1.0, 2.0, 3.0, 4.0]]), SIZE, **options).isnan().all()


def test_inverse_undoes_the_map(device, generator):
    affines = affine_from_box(random_boxes(generator).to(device), SIZE, rotation_deg=33.0, flip=True)
    points = (torch.rand(20, 7, 2, generator=generator, dtype=torch.float64) * 500).to(device)
    there = transform_keypoints(points, affines)
    assert_same(transform_keypoints(there, invert_affine(affines)), points, rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    "matrix", [[[1.0, 2, 3], [2, 4, 5]], [[0.0, 0, 0], [0, 0, 0]], [[math.nan, 0, 0], [0, 1, 0]]]
)
def test_map_without_inverse_gives_nan(matrix):
    assert invert_affine(torch.tensor([matrix])).isnan().all()


def test_composition_is_one_map_after_the_other(device, generator):
    first = affine_from_box(random_boxes(generator).to(device), SIZE, rotation_deg=33.0)
    second = affine_from_box(random_boxes(generator).to(device), SIZE, rotation_deg=-20.0, convention="udp")
    points = (torch.rand(20, 7, 2, generator=generator, dtype=torch.float64) * 500).to(device)
    both = compose_affine(first, second)
    want = transform_keypoints(transform_keypoints(points, first), second)
    assert_same(transform_keypoints(points, both), want, rtol=1e-12, atol=1e-9)
    square = torch.cat([both, torch.tensor([[[0.0, 0, 1]]], device=device).expand(20, 1, 3)], 1)
    rows = [torch.cat([m, square[:, 2:]], 1) for m in (second, first)]
    assert_same(square, rows[0] @ rows[1], rtol=1e-12, atol=1e-9)
    identity = torch.eye(3, dtype=torch.float64, device=device)[None, :2].expand(20, 2, 3)
    assert_same(compose_affine(first, invert_affine(first)), identity, rtol=0, atol=1e-9)


def test_composition_with_one_map_for_all(generator):
    many, one = (
        affine_from_box(random_boxes(generator), SIZE),
        affine_from_box(random_boxes(generator, 1), SIZE),
    )
    assert torch.equal(compose_affine(many, one), compose_affine(many, one.expand(20, 2, 3)))
    assert torch.equal(compose_affine(one, many), compose_affine(one.expand(20, 2, 3), many))


def test_heatmap_pixels_by_hand(device):
    corner = torch.tensor([191.0, 255.0], device=device)
    assert crop_to_heatmap(corner, SIZE, (64, 48)).tolist() == [47.75, 63.75]
    assert crop_to_heatmap(corner, SIZE, (64, 48), convention="udp").tolist() == [47.0, 63.0]
    assert heatmap_to_crop(torch.tensor([24.0, 32.0], device=device), SIZE, (64, 48)).tolist() == [
        96.0,
        128.0,
    ]


@pytest.mark.parametrize(("convention", "encoding"), [("msra", "unbiased"), ("udp", "udp")])
def test_heatmap_pixels_are_those_that_heatmaps_are_drawn_in(generator, convention, encoding):
    keypoints = torch.rand(3, 4, 2, generator=generator) * 100 + 40
    drawn = gaussian_heatmap(
        keypoints, torch.ones(3, 4), (64, 48), sigma=2.0, encoding=encoding, input_size=SIZE
    ).heatmaps
    peaks = heatmap_decode(drawn, refine="parabola").coords
    want = crop_to_heatmap(keypoints, SIZE, (64, 48), convention=convention)
    assert_same(peaks, want, rtol=0, atol=1e-3)
    assert_same(heatmap_to_crop(want, SIZE, (64, 48), convention=convention), keypoints, rtol=0, atol=1e-4)


def test_keypoints_by_hand():
    affine = torch.tensor([[[2.0, 3.0, 5.0], [7.0, 11.0, 13.0]]])
    points = torch.tensor([[[1.0, 1.0], [0.0, -1.0], [math.nan, 0.0]]])
    got = transform_keypoints(points, affine)
    assert got[0, :2].tolist() == [[10.0, 31.0], [2.0, 2.0]]
    assert got[0, 2].isnan().all()


def perspectives(generator, count=20):
    """Of any scale and sign, with the horizon far from points of 0 .. 500."""
    matrices = torch.randn(count, 3, 3, generator=generator, dtype=torch.float64) * 0.2
    matrices[:, 2, :2] *= 1e-3
    matrices += torch.eye(3, dtype=torch.float64)
    return matrices * torch.randn(count, 1, 1, generator=generator, dtype=torch.float64)


def test_perspective_of_keypoints_equals_a_loop(device, generator):
    matrices = perspectives(generator)
    points = torch.rand(20, 7, 2, generator=generator, dtype=torch.float64) * 500
    got = transform_keypoints(points.to(device), matrices.to(device)).cpu()
    for n, k in np.ndindex(20, 7):
        x, y, z = matrices[n].numpy() @ np.append(points[n, k].numpy(), 1.0)
        np.testing.assert_allclose(got[n, k], [x / z, y / z], rtol=1e-9)


def test_perspective_and_its_inverse_equal_opencv(device, generator):
    cv2 = pytest.importorskip("cv2")
    matrices = perspectives(generator)
    points = torch.rand(20, 7, 2, generator=generator, dtype=torch.float64) * 500
    there = transform_keypoints(points.to(device), matrices.to(device))
    back = transform_keypoints(there, invert_perspective(matrices.to(device)))
    for n in range(20):
        want = cv2.perspectiveTransform(points[n].numpy()[None], matrices[n].numpy())[0]
        np.testing.assert_allclose(there[n].cpu(), want, rtol=1e-8)
    assert_same(back.cpu(), points, rtol=0, atol=1e-7)


@pytest.mark.parametrize("scale", [1.0, -3.0, 1e-6])
def test_inverse_of_a_perspective(device, generator, scale):
    matrices = (perspectives(generator) * scale).to(device)
    assert_same(invert_perspective(matrices), torch.linalg.inv(matrices), rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("entry", [0.0, math.nan, math.inf])
def test_perspective_without_inverse_gives_nan(entry):
    matrix = torch.eye(3)[None].clone()
    matrix[0, 1, 1] = entry
    assert invert_perspective(matrix).isnan().all()


def test_perspective_gradcheck(generator):
    points = torch.rand(3, 2, 2, generator=generator, dtype=torch.float64).requires_grad_()
    matrices = perspectives(generator, 3).requires_grad_()

    def run(points, matrices):
        return transform_keypoints(points, matrices), invert_perspective(matrices) / 100

    assert torch.autograd.gradcheck(run, (points, matrices), atol=1e-4)
    assert torch.autograd.gradgradcheck(run, (points, matrices), atol=1e-3)


def test_keypoints_are_exact_where_matrix_products_are_not(generator):
    affines = affine_from_box(random_boxes(generator).float(), SIZE)
    points = torch.rand(20, 17, 2, generator=generator) * 600
    want = transform_keypoints(points, affines)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(transform_keypoints(points, affines), want)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.int64, torch.float32, torch.float64])
def test_everything_is_computed_in_float32_at_least(dtype):
    wide = torch.float64 if dtype == torch.float64 else torch.float32
    boxes = torch.tensor([[10, 20, 30, 40]], dtype=dtype)
    affines = affine_from_box(boxes, SIZE)
    assert affines.dtype == wide and invert_affine(affines).dtype == wide
    assert_same(affines, affine_from_box(boxes.to(wide), SIZE))
    assert transform_keypoints(torch.ones(1, 3, 2, dtype=dtype), affines).dtype == wide


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_gradcheck(generator, convention):
    boxes = random_boxes(generator, 3).requires_grad_()
    points = torch.rand(3, 2, 2, generator=generator, dtype=torch.float64).requires_grad_()
    angle = torch.tensor([10.0, -20.0, 70.0], dtype=torch.float64, requires_grad=True)

    def to_crop(boxes, angle, points):
        affines = affine_from_box(boxes, SIZE, convention=convention, rotation_deg=angle)
        points = transform_keypoints(points, affines)
        there = crop_to_heatmap(points, SIZE, (64, 48), convention=convention)
        back = heatmap_to_crop(points, SIZE, (64, 48), convention=convention)
        return there, back, compose_affine(affines, invert_affine(affines) * 2)

    assert torch.autograd.gradcheck(to_crop, (boxes, angle, points))
    assert torch.autograd.gradgradcheck(to_crop, (boxes, angle, points), atol=1e-4)


def test_compiles_without_graph_breaks(device, generator):
    def to_crop(boxes, points, flip):
        affines = affine_from_box(boxes, SIZE, rotation_deg=5.0, flip=flip)
        maps = crop_to_heatmap(transform_keypoints(points, affines), SIZE, (64, 48))
        return heatmap_to_crop(maps, SIZE, (64, 48)), compose_affine(affines, invert_affine(affines))

    assert_compiles(
        to_crop,
        random_boxes(generator).to(device),
        torch.rand(20, 3, 2, dtype=torch.float64).to(device),
        torch.rand(20).to(device) < 0.5,
    )


def test_numpy_in_numpy_out(generator):
    boxes = random_boxes(generator, 3).numpy()
    affines = affine_from_box(boxes, SIZE, flip=np.array([True, False, True]))
    points = np.ones((3, 2, 2))
    assert all(
        isinstance(a, np.ndarray)
        for a in (
            affines,
            invert_affine(affines),
            compose_affine(affines, affines),
            transform_keypoints(points, affines),
            crop_to_heatmap(points, SIZE, SIZE),
            heatmap_to_crop(points, SIZE, SIZE),
        )
    )
    want = affine_from_box(torch.from_numpy(boxes), SIZE, flip=torch.tensor([True, False, True]))
    np.testing.assert_array_equal(affines, want.numpy())


def test_no_boxes_and_no_keypoints():
    affines = affine_from_box(torch.zeros(0, 4), SIZE, flip=torch.zeros(0, dtype=torch.bool))
    assert affines.shape == (0, 2, 3) and invert_affine(affines).shape == (0, 2, 3)
    assert compose_affine(affines, affines).shape == compose_affine(MAP, affines).shape == (0, 2, 3)
    assert crop_to_heatmap(torch.zeros(0, 17, 2), SIZE, SIZE).shape == (0, 17, 2)
    assert transform_keypoints(torch.zeros(0, 17, 2), affines).shape == (0, 17, 2)
    assert transform_keypoints(torch.zeros(2, 0, 2), torch.zeros(2, 2, 3)).shape == (2, 0, 2)


BOX = torch.tensor([[1.0, 2.0, 3.0, 4.0]])
MAP = torch.ones(1, 2, 3)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: affine_from_box(torch.zeros(4), SIZE), ValueError, r"boxes: expected \(N, 4\), got \(4,\)"),
        (
            lambda: affine_from_box(torch.zeros(2, 5), SIZE),
            ValueError,
            r"boxes: expected \(N, 4\), got \(2, 5\)",
        ),
        (lambda: affine_from_box(BOX, 256), ValueError, r"size: expected \(height, width\), got 256"),
        (
            lambda: affine_from_box(BOX, (0, 192)),
            ValueError,
            "size: expected a height and width of at least 1",
        ),
        (lambda: affine_from_box(BOX, (1, 9), convention="udp"), ValueError, "size: expected .* at least 2"),
        (
            lambda: affine_from_box(BOX, SIZE, convention="coco"),
            ValueError,
            "convention: expected 'msra' or 'udp'",
        ),
        (
            lambda: affine_from_box(BOX, SIZE, padding=0.0),
            ValueError,
            "padding: expected a finite number above 0",
        ),
        (
            lambda: affine_from_box(BOX, SIZE, padding=math.inf),
            ValueError,
            "padding: expected a finite number",
        ),
        (
            lambda: affine_from_box(BOX, SIZE, scale=torch.ones(2)),
            ValueError,
            r"scale: expected a number or \(1,\)",
        ),
        (
            lambda: affine_from_box(BOX, SIZE, rotation_deg=torch.ones(1, 1)),
            ValueError,
            "rotation_deg: expected",
        ),
        (lambda: affine_from_box(BOX, SIZE, flip=torch.ones(1)), TypeError, "flip: expected bool"),
        (lambda: affine_from_box(BOX, SIZE, flip=torch.ones(2).bool()), ValueError, r"flip: expected \(1,\)"),
        (
            lambda: affine_from_box(BOX, SIZE, scale=torch.ones(1, device="meta")),
            ValueError,
            "scale: expected the device",
        ),
        (
            lambda: invert_affine(torch.zeros(2, 3)),
            ValueError,
            r"affines: expected \(N, 2, 3\), got \(2, 3\)",
        ),
        (
            lambda: compose_affine(torch.zeros(2, 3), MAP),
            ValueError,
            r"first: expected \(N, 2, 3\), got \(2, 3\)",
        ),
        (lambda: compose_affine(MAP, torch.zeros(1, 3, 3)), ValueError, r"second: expected \(N, 2, 3\)"),
        (
            lambda: compose_affine(MAP.expand(2, 2, 3), MAP.expand(3, 2, 3)),
            ValueError,
            "second: expected 2 affines or one, got 3",
        ),
        (lambda: compose_affine(MAP, MAP.to("meta")), ValueError, "second: expected the device of first"),
        (
            lambda: crop_to_heatmap(torch.zeros(3), SIZE, SIZE),
            ValueError,
            r"keypoints: expected \(..., 2\), got \(3,\)",
        ),
        (
            lambda: heatmap_to_crop(torch.zeros(2), SIZE, (64, 0)),
            ValueError,
            "heatmap_size: expected a height and width of at least 1",
        ),
        (
            lambda: heatmap_to_crop(torch.zeros(2), SIZE, (64, 1), convention="udp"),
            ValueError,
            "heatmap_size: expected .* at least 2",
        ),
        (
            lambda: crop_to_heatmap(torch.zeros(2), SIZE, SIZE, convention="coco"),
            ValueError,
            "convention: expected 'msra' or 'udp'",
        ),
        (
            lambda: invert_perspective(MAP),
            ValueError,
            r"matrices: expected \(N, 3, 3\), got \(1, 2, 3\)",
        ),
        (
            lambda: transform_keypoints(torch.zeros(1, 3, 2), torch.zeros(1, 4, 3)),
            ValueError,
            r"affines: expected \(N, 2, 3\) or \(N, 3, 3\), got \(1, 4, 3\)",
        ),
        (lambda: transform_keypoints(torch.zeros(3, 2), MAP), ValueError, r"keypoints: expected \(N, K, 2\)"),
        (
            lambda: transform_keypoints(torch.zeros(1, 3, 3), MAP),
            ValueError,
            r"keypoints: expected \(N, K, 2\)",
        ),
        (
            lambda: transform_keypoints(torch.zeros(2, 3, 2), MAP),
            ValueError,
            "affines: expected one per crop, 2, got 1",
        ),
        (
            lambda: transform_keypoints(torch.zeros(1, 3, 2, device="meta"), MAP),
            ValueError,
            "affines: expected the device",
        ),
    ],
)
def test_bad_input_is_named(call, error, words):
    with pytest.raises(error, match=words):
        call()
