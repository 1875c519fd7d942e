"""The rarer options of crop_images: borders, perspective, averaging, arenas; against the definition and OpenCV."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from pyposeops import (
    ImageArena,
    affine_from_box,
    crop_images,
    invert_perspective,
    reference,
    transform_keypoints,
)
from tests.op_contract import ISAS, assert_compiles, assert_graph_captures, assert_same, run_under_isa
from tests.ops.test_crop_images import DTYPES, FLOAT32, IDENTITY, RAW, SIZE, STORED, mixed_affines, noise
from tests.property_tests import given, settings, st

BORDERS = ("constant", "replicate", "reflect")


def mixed_perspectives(generator, count=8, size=SIZE, image=(48, 64)):
    """The maps of mixed_affines, tilted so that the far side of the crop is up to three times as far away."""
    affines = mixed_affines(generator, count, size, image)
    tilt = torch.eye(3, dtype=torch.float64).repeat(count, 1, 1)
    tilt[:, 2, :2] = (torch.rand(count, 2, generator=generator, dtype=torch.float64) - 0.5) * 0.5
    tilt[:, 2, :2] /= torch.tensor([size[1], size[0]])
    square = torch.cat([affines, torch.tensor([[[0.0, 0, 1]]]).expand(count, 1, 3)], dim=1)
    scale = torch.linspace(-2, 3, count, dtype=torch.float64)[:, None, None]  # of a matrix: means nothing
    return scale * (tilt @ square)


def shrink(ratio_x, ratio_y, x=0.0, y=0.0):
    """The affine under which a crop pixel covers ratio_x x ratio_y image pixels, whole ones from (x, y) on."""
    return torch.tensor(
        [[[1 / ratio_x, 0, (0.5 - x) / ratio_x - 0.5], [0, 1 / ratio_y, (0.5 - y) / ratio_y - 0.5]]],
        dtype=torch.float64,
    )


# ---- borders -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("border", ["replicate", "reflect"])
def test_borders_equal_definition(device, generator, border, dtype, channels_last):
    image, affines = noise(generator, 48, 64), mixed_affines(generator)
    options = {"border": border, "channels_last": channels_last, "reverse_channels": True}
    got = crop_images(image.to(device), affines.to(device), SIZE, out_dtype=dtype, **options)
    want = reference.crop_images(image, affines, SIZE, out_dtype=torch.float64, **options)
    assert got.is_contiguous(memory_format=torch.channels_last if channels_last else torch.contiguous_format)
    assert_same(got.double(), want, rtol=0.0, atol=STORED[dtype])


def test_borders_by_hand(device):
    image = torch.tensor([10, 20, 40, 80], dtype=torch.uint8, device=device)[None, :, None].expand(1, 4, 3)
    whole = torch.tensor(
        [[[1.0, 0.0, 5.0], [0.0, 1.0, 0.0]]], device=device
    )  # crop pixel u shows image x = u - 5
    rows = {
        "replicate": [10] * 5 + [10, 20, 40, 80] + [80] * 5,
        "reflect": [20, 40, 80, 40, 20, 10, 20, 40, 80, 40, 20, 10, 20, 40],
        "constant": [7] * 5 + [10, 20, 40, 80] + [7] * 5,
    }
    for border, row in rows.items():
        crop = crop_images(image, whole, (3, 14), **RAW, border=border, border_value=7)
        assert_same(crop[0, 1, 0].cpu(), torch.tensor(row).float(), rtol=0, atol=1e-4)
    turned = crop_images(
        image.transpose(0, 1), whole[:, [1, 0]][:, :, [1, 0, 2]], (14, 3), **RAW, border="reflect"
    )
    assert_same(turned[0, 2, :, 1].cpu(), torch.tensor(rows["reflect"]).float(), rtol=0, atol=1e-4)


def opencv_border(border):
    cv2 = pytest.importorskip("cv2")
    if int(cv2.__version__.split(".")[0]) < 5:
        pytest.skip("OpenCV 4 rounds positions to 1/32 pixel")
    names = {
        "constant": cv2.BORDER_CONSTANT,
        "replicate": cv2.BORDER_REPLICATE,
        "reflect": cv2.BORDER_REFLECT_101,
    }
    return cv2, {"borderMode": names[border], "borderValue": (10, 10, 10)}


@pytest.mark.parametrize("border", BORDERS)
def test_borders_equal_warp_affine_of_opencv(generator, border):
    cv2, options = opencv_border(border)
    image, affines = noise(generator, 480, 640), mixed_affines(generator, 16, (128, 96), (480, 640))
    got = crop_images(image, affines, (128, 96), **RAW, border=border, border_value=10)
    for n, affine in enumerate(affines.numpy()):
        want = cv2.warpAffine(image.numpy(), affine, (96, 128), **options).astype(float)
        # its float positions are good to 1e-3 px where a crop reaches thousands of pixels beyond the image
        difference = np.abs(got[n].permute(1, 2, 0).numpy() - want)
        assert difference.max() < 0.8 and (difference > 0.55).mean() < 2e-3


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (2, 2), (3, 2)])
@pytest.mark.parametrize("border", ["replicate", "reflect"])
def test_smallest_images_with_borders(device, generator, shape, border):
    image, affines = noise(generator, *shape), mixed_affines(generator, image=shape)
    got = crop_images(image.to(device), affines.to(device), SIZE, border=border)
    assert_same(got, reference.crop_images(image, affines, SIZE, border=border), **FLOAT32)


def test_borders_reach_as_far_as_positions(device, generator):
    image = noise(generator, 5, 4)
    far = torch.tensor([[[1.0, 0.0, 2.0**30 - 64], [0.0, -1.0, 64 - 2.0**30]]], dtype=torch.float64)
    for border in ("replicate", "reflect"):
        got = crop_images(image.to(device), far.to(device), SIZE, **RAW, border=border)
        assert_same(got, reference.crop_images(image, far, SIZE, **RAW, border=border), rtol=0, atol=1e-4)


def test_crops_without_an_image_are_the_border_value_whatever_the_border(device, generator):
    matrices = torch.zeros(4, 3, 3, dtype=torch.float64)
    matrices[1] = math.nan
    matrices[2] = torch.tensor([[1.0, 2, 3], [2, 4, 6], [0, 0, 1]])
    matrices[3] = torch.tensor([[1.0, 0, 0], [0, 1, math.inf], [0, 0, 1]])
    image = noise(generator, 9, 9).to(device)
    for border in BORDERS:
        for part in (matrices, matrices[:, :2]):
            for antialias in (False, True):
                got = crop_images(
                    image, part.to(device), SIZE, **RAW, border=border, border_value=77, antialias=antialias
                )
                assert_same(got, torch.full_like(got, 77.0), rtol=0, atol=1e-4)


# ---- perspective -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_perspective_equals_definition(device, generator, border, dtype):
    image, matrices = noise(generator, 48, 64), mixed_perspectives(generator)
    options = {"border": border, "border_value": 99.0, "channels_last": dtype == torch.float16}
    got = crop_images(image.to(device), matrices.to(device), SIZE, out_dtype=dtype, **options)
    want = reference.crop_images(image, matrices, SIZE, out_dtype=torch.float64, **options)
    assert_same(got.double(), want, rtol=0.0, atol=STORED[dtype])


@pytest.mark.parametrize("border", BORDERS)
def test_perspective_equals_warp_perspective_of_opencv(generator, border):
    cv2, options = opencv_border(border)
    image = noise(generator, 480, 640)
    matrices = mixed_perspectives(generator, 10, (128, 96), (480, 640))
    got = crop_images(image, matrices, (128, 96), **RAW, border=border, border_value=10)
    for n, matrix in enumerate(matrices.numpy()):
        want = cv2.warpPerspective(image.numpy(), matrix, (96, 128), **options).astype(float)
        difference = np.abs(got[n].permute(1, 2, 0).numpy() - want)
        assert difference.max() < 1.2 and (difference > 0.6).mean() < 5e-3


def test_an_affine_as_perspective_is_the_affine(device, generator):
    image, affines = noise(generator, 48, 64).to(device), mixed_affines(generator).to(device)
    bottom = torch.tensor([[[0.0, 0, 2.5]]], dtype=torch.float64, device=device).expand(12, 1, 3)
    square = torch.cat([affines * 2.5, bottom], dim=1)
    assert_same(crop_images(image, square, SIZE), crop_images(image, affines, SIZE), **FLOAT32)


def test_perspective_shows_what_keypoints_map_to(device, generator):
    image = torch.zeros(60, 60, 3, dtype=torch.uint8, device=device)
    image[20:23, 30:33] = 255
    matrices = mixed_perspectives(generator, 5, (200, 200), (60, 60))[2:4].to(device)
    spot = transform_keypoints(
        torch.full((2, 1, 2), 1.0, device=device) * torch.tensor([31.0, 21.0], device=device), matrices
    )
    back = transform_keypoints(spot, invert_perspective(matrices))
    assert_same(back.cpu(), torch.tensor([[[31.0, 21.0]]] * 2).double(), rtol=0, atol=1e-9)
    shift = torch.eye(3, dtype=torch.float64, device=device).repeat(2, 1, 1)
    shift[:, :2, 2] = 5.0 - spot[:, 0]
    crops = crop_images(image, shift @ matrices, (11, 11), **RAW)
    assert (crops[:, :, 5, 5] > 254).all()


def test_flip_mirrors_a_perspective(device, generator):
    image, matrices = noise(generator, 48, 64).to(device), mixed_perspectives(generator, 3).to(device)
    plain = crop_images(image, matrices, SIZE)
    flip = torch.tensor([True, False, True], device=device)
    mixed = crop_images(image, matrices, SIZE, flip=flip)
    assert_same(mixed, torch.where(flip[:, None, None, None], plain.flip(3), plain), **FLOAT32)


def test_horizon_is_border(device):
    """The crop's row 10 lies at infinity; beyond it the formula shows the ground from behind, as OpenCV does."""
    image = torch.full((50, 50, 3), 200, dtype=torch.uint8, device=device)
    inverse = torch.tensor([[1.0, 0, 0], [0, 0, 100], [0, 1, -10]], dtype=torch.float64)
    crop = crop_images(image, inverse.inverse()[None].to(device), (21, 3), **RAW, border_value=9)
    assert_same(crop[0, :, 10].cpu(), torch.full((3, 3), 9.0), rtol=0, atol=1e-4)
    assert_same(crop[0, :, 15, 0].cpu(), torch.full((3,), 200.0), rtol=0, atol=1e-4)


# ---- averaging ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_antialias_equals_definition(device, generator, border, dtype):
    image, affines = noise(generator, 48, 64), mixed_affines(generator)
    options = {
        "antialias": True,
        "border": border,
        "border_value": 99.0,
        "round_uint8": dtype == torch.float16,
    }
    options["channels_last"] = dtype == torch.bfloat16
    got = crop_images(image.to(device), affines.to(device), (10, 7), out_dtype=dtype, **options)
    want = reference.crop_images(image, affines, (10, 7), out_dtype=torch.float64, **options)
    assert_same(got.double(), want, rtol=0.0, atol=max(STORED[dtype], 3e-6))


def test_antialias_of_a_perspective_equals_definition(device, generator):
    image, matrices = noise(generator, 90, 120), mixed_perspectives(generator, 6, (12, 9), (90, 120))
    got = crop_images(image.to(device), matrices.to(device), (12, 9), antialias=True)
    assert_same(got, reference.crop_images(image, matrices, (12, 9), antialias=True), rtol=0, atol=4e-6)


@pytest.mark.parametrize("ratio", [(2, 2), (3, 3), (4, 2), (5, 7), (1, 3), (16, 16)])
def test_antialias_equals_inter_area_of_opencv_at_whole_ratios(device, generator, ratio):
    cv2 = pytest.importorskip("cv2")
    image = noise(generator, 8 * ratio[1], 6 * ratio[0])
    got = crop_images(image.to(device), shrink(*ratio).to(device), (8, 6), **RAW, antialias=True)
    want = cv2.resize(image.numpy().astype(np.float64), (6, 8), interpolation=cv2.INTER_AREA)
    np.testing.assert_allclose(got[0].permute(1, 2, 0).cpu(), want, rtol=0, atol=2e-4)


def test_antialias_of_float32_boxes_counts_whole_ratios_as_whole(device, generator):
    """1/3 is no float: a length of 3.0000002 must not take four samples."""
    image = noise(generator, 48, 36).to(device)
    box = torch.tensor([[-0.5, -0.5, 36.0, 48.0]], device=device)
    affine = affine_from_box(box, (16, 12), padding=1.0)
    affine[:, :, 2] -= 0.5  # edge to edge
    got = crop_images(image, affine, (16, 12), **RAW, antialias=True)
    want = image.double().view(16, 3, 12, 3, 3).mean((1, 3)).permute(2, 0, 1)[None]
    assert_same(got.double(), want, rtol=0, atol=2e-3)


def test_antialias_starts_above_two_and_stops_at_64(device, generator):
    image = noise(generator, 200, 200).to(device)
    for ratio in (0.5, 1.0, 1.7, 2.0):
        plain = crop_images(image, shrink(ratio, ratio).to(device), SIZE)
        assert_same(
            crop_images(image, shrink(ratio, ratio).to(device), SIZE, antialias=True), plain, rtol=0, atol=0
        )
    for ratio in (2.01, 63.5, 100.0, 1e6):
        affine = shrink(ratio, 1.0)
        got = crop_images(image, affine.to(device), (20, 3), antialias=True, border="reflect")
        want = reference.crop_images(image.cpu(), affine, (20, 3), antialias=True, border="reflect")
        assert_same(got, want, rtol=0, atol=5e-6)


def test_antialias_removes_what_pixels_are_too_coarse_for(generator):
    """A chequerboard shrunk by 5.3 and turned is grey; without averaging it is noise."""
    board = (
        ((torch.arange(300)[:, None] + torch.arange(300)) % 2 * 255)
        .to(torch.uint8)[..., None]
        .expand(-1, -1, 3)
    )
    affine = affine_from_box(
        torch.tensor([[50.0, 50.0, 190.8, 212.0]]).double(), (40, 36), padding=1.0, rotation_deg=17.0
    )
    plain = crop_images(board, affine, (40, 36), **RAW)
    smooth = crop_images(board, affine, (40, 36), **RAW, antialias=True)
    assert float((smooth - 127.5).abs().max()) < 12 < float(plain.std())


@settings(max_examples=60, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    angle=st.floats(0, 2 * math.pi),
    zoom=st.tuples(st.floats(0.08, 8), st.floats(0.08, 8)),
    centre=st.tuples(st.floats(-15, 15), st.floats(-15, 15)),
    size=st.tuples(st.integers(1, 7), st.integers(1, 9)),
    border=st.sampled_from(BORDERS),
    antialias=st.booleans(),
    seed=st.integers(0, 99),
)
def test_any_crop_equals_definition(shape, angle, zoom, centre, size, border, antialias, seed):
    image = noise(torch.Generator().manual_seed(seed), *shape)
    cos, sin = math.cos(angle), math.sin(angle)
    linear = torch.tensor([[cos * zoom[0], -sin * zoom[0]], [sin * zoom[1], cos * zoom[1]]]).double()
    middle = torch.tensor([size[1] / 2, size[0] / 2]).double()
    affine = torch.cat([linear, (middle - linear @ torch.tensor(centre).double())[:, None]], dim=1)[None]
    options = {"border": border, "border_value": 33, "antialias": antialias}
    want = reference.crop_images(image, affine, size, **options)
    assert_same(crop_images(image, affine, size, **options), want, rtol=0, atol=3e-6)


# ---- arenas ------------------------------------------------------------------------------------------------


def test_arena_holds_the_images(device, generator):
    images = [noise(generator, 5 + n % 7, 4 + n % 5).to(device) for n in range(20)]
    images[3] = images[3].transpose(0, 1)
    arena = ImageArena.pack(images)
    assert arena.pixels.device == images[0].device and arena.offsets.dtype == arena.sizes.dtype == torch.int64
    for view, image in zip(arena.images(), images, strict=True):
        assert torch.equal(view, image)
    assert arena.to("cpu").pixels.device.type == "cpu"


@pytest.mark.parametrize("options", [{}, {"border": "reflect"}, {"antialias": True}])
def test_arena_gives_the_crops_of_the_list(device, generator, options):
    images = [noise(generator, 5 + n % 7, 4 + n % 5).to(device) for n in range(150)]
    affines = mixed_affines(generator, 200, image=(8, 6)).to(device)
    index = torch.randint(0, 150, (200,), generator=generator).to(device)
    arena = ImageArena.pack(images)
    want = crop_images(images, affines, SIZE, image_index=index, **options)
    assert torch.equal(crop_images(arena, affines, SIZE, image_index=index, **options), want)
    each = crop_images(arena, affines[:150], SIZE, reverse_channels=True, **options)
    assert torch.equal(each, crop_images(images, affines[:150], SIZE, reverse_channels=True, **options))
    out = torch.empty_like(want)
    assert crop_images(arena, affines, SIZE, image_index=index.int(), out=out, **options) is out
    assert torch.equal(out, want)


def test_arena_with_gaps_and_any_strides(device, generator):
    pixels = noise(generator, 20, 30).reshape(-1).to(device)
    table = torch.tensor([[7, 4, 5], [100, 6, 2], [0, 3, 3]], device=device)  # columns as they lie in memory
    arena = ImageArena(pixels, table[:, 0], table[:, 1:])
    affines = mixed_affines(generator, 3, image=(4, 5)).to(device)
    views = [pixels[7:67].view(4, 5, 3), pixels[100:136].view(6, 2, 3), pixels[:27].view(3, 3, 3)]
    assert torch.equal(crop_images(arena, affines, SIZE), crop_images(views, affines, SIZE))
    backwards = ImageArena(pixels, arena.offsets.flip(0), arena.sizes.flip(0))
    assert torch.equal(crop_images(backwards, affines, SIZE), crop_images(views[::-1], affines, SIZE))


def test_arena_of_more_than_4_gib(device):
    """Virtual memory: of the pages in between none is touched."""
    start = 2**32 + 12345
    pixels = torch.empty(start + 300, dtype=torch.uint8, device=device)
    pixels[start:] = torch.arange(300, device=device) % 251
    arena = ImageArena(pixels, torch.tensor([start], device=device), torch.tensor([[10, 10]], device=device))
    got = crop_images(arena, IDENTITY.to(device), (10, 10), **RAW)
    assert_same(
        got[0].permute(1, 2, 0).reshape(-1).cpu(), (torch.arange(300) % 251).float(), rtol=0, atol=2e-5
    )


def test_image_of_more_than_4_gib(device):
    """Rows 2^29 bytes apart: only two bytes' pages of it are touched."""
    pixels = torch.empty(9 * 2**29, dtype=torch.uint8, device=device)
    image = torch.as_strided(pixels, (9, 4, 3), (2**29, 3, 1))
    image[7:] = 200
    shift = torch.tensor([[[1.0, 0, 0], [0, 1, -7]]], device=device)
    for border in ("constant", "replicate"):
        got = crop_images(image, shift, (2, 4), **RAW, border=border)
        assert_same(got, torch.full_like(got, 200.0), rtol=0, atol=2e-4)


def test_arena_of_arrays(generator):
    images = [noise(generator, 9, 9), noise(generator, 5, 8)]
    arena = ImageArena.pack([image.numpy() for image in images])
    assert all(isinstance(array, np.ndarray) for array in arena)
    boxes = torch.tensor([[1.0, 1, 5, 6], [0, 0, 5, 5]])
    got = crop_images(arena, boxes.numpy(), SIZE)
    assert isinstance(got, np.ndarray)
    np.testing.assert_array_equal(got, crop_images(images, boxes, SIZE).numpy())


@pytest.mark.cuda
def test_cuda_makes_crops_of_images_outside_their_arena_nan(generator):
    pixels = noise(generator, 10, 10).reshape(-1).cuda()
    offsets = torch.tensor([0, 1, -1, 300, 2**40, 0, 0, 0], device="cuda")
    sizes = torch.tensor([[10, 10]] * 5 + [[0, 5], [5, -1], [2**31, 2**31]], device="cuda")
    for options in ({}, {"border": "reflect"}):
        got = crop_images(
            ImageArena(pixels, offsets, sizes), IDENTITY.cuda().repeat(8, 1, 1), SIZE, **options
        )
        assert got[0].isfinite().all() and got[1:].isnan().all()


# ---- the machinery -----------------------------------------------------------------------------------------


def calls(device, generator):
    """One call for every path beside the plain one: images, matrices, options."""
    images = [noise(generator, 9, 12).to(device), noise(generator, 5, 8).to(device)]
    affines, perspectives = (
        make(generator, 2, image=(9, 12)).to(device) for make in (mixed_affines, mixed_perspectives)
    )
    return [
        (images, affines, {"border": "replicate"}),
        (images, affines, {"border": "reflect", "antialias": True, "out_dtype": torch.float16}),
        (images, perspectives, {"channels_last": True}),
        (ImageArena.pack(images), affines, {}),
        (ImageArena.pack(images), perspectives, {"antialias": True, "round_uint8": True}),
    ]


def test_compiles_without_graph_breaks(device, generator):
    for images, matrices, options in calls(device, generator):
        kind = type(images)

        def crop(matrices, *tensors, kind=kind, options=options):
            images = kind(*tensors) if kind is ImageArena else list(tensors)
            return crop_images(images, matrices, SIZE, **options)

        assert_compiles(crop, matrices, *images)


def test_exports(device, generator):
    class Crop(torch.nn.Module):
        def forward(self, arena, boxes):
            return crop_images(arena, boxes, SIZE, border="reflect", antialias=True)

    arena = ImageArena.pack([noise(generator, 9, 12).to(device)] * 2)
    boxes = torch.tensor([[1.0, 2, 5, 4], [-3, 0, 30, 90]], device=device)
    exported = torch.export.export(Crop(), (arena, boxes)).module()
    assert torch.equal(exported(arena, boxes), Crop()(arena, boxes))


def test_opcheck(device, generator):
    images = [noise(generator, 9, 9).to(device), noise(generator, 5, 8).to(device)]
    matrices = mixed_perspectives(generator, 3, image=(9, 9)).to(device)
    index = torch.tensor([0, 1, 1], device=device)
    arena = ImageArena.pack(images)
    options = {"border": 2, "antialias": True, "arena_offsets": arena.offsets, "arena_sizes": arena.sizes}
    crop = torch.ops.pyposeops.crop_images.default
    torch.library.opcheck(crop, ([arena.pixels], matrices, *SIZE, index), options)
    out = torch.empty(3, 3, *SIZE, device=device)
    out_op = torch.ops.pyposeops.crop_images_out.default
    torch.library.opcheck(out_op, ([arena.pixels], matrices, out, index), options)


def test_no_crops(device, generator):
    for images, matrices, options in calls(device, generator):
        got = crop_images(images, matrices[:0], SIZE, **options, image_index=torch.zeros(0).long().to(device))
        assert got.shape == (0, 3, *SIZE)


def test_result_does_not_depend_on_the_number_of_threads(generator):
    threads = torch.get_num_threads()
    for images, matrices, options in calls("cpu", generator):
        try:
            torch.set_num_threads(1)
            alone = crop_images(images, matrices, (100, 90), **options)
            torch.set_num_threads(5)
            assert torch.equal(crop_images(images, matrices, (100, 90), **options), alone)
        finally:
            torch.set_num_threads(threads)


@pytest.mark.cuda
def test_cuda_graph_capture(generator):
    for images, matrices, options in calls("cuda", generator):
        assert_graph_captures(lambda m, i=images, o=options: crop_images(i, m, SIZE, **o), matrices)


@pytest.mark.cuda
def test_cuda_equals_cpu_bit_for_bit(generator):
    for images, matrices, options in calls("cuda", generator):
        there = images.to("cpu") if isinstance(images, ImageArena) else [image.cpu() for image in images]
        got = crop_images(images, matrices, SIZE, **options)
        assert torch.equal(got.cpu(), crop_images(there, matrices.cpu(), SIZE, **options))


@pytest.mark.parametrize("isa", ISAS)
def test_every_instruction_set_equals_definition(isa):
    run_under_isa(
        isa,
        "import torch, pyposeops\n"
        "g = torch.Generator().manual_seed(0)\n"
        "image = torch.randint(0, 256, (48, 64, 3), dtype=torch.uint8, generator=g)\n"
        "boxes = torch.rand(9, 4, generator=g) * 60 - 8; boxes[:, 2:] = boxes[:, 2:].abs() * 4 + 3\n"
        "tilt = torch.eye(3, dtype=torch.float64).repeat(9, 1, 1); tilt[:, 2, 0] = 0.01\n"
        "maps = pyposeops.affine_from_box(boxes.double(), (23, 17), rotation_deg=torch.rand(9, generator=g) * 360)\n"
        "square = tilt @ torch.cat([maps, torch.tensor([[[0.0, 0, 1]]]).expand(9, 1, 3)], 1)\n"
        "for matrices in (maps, square):\n"
        "    for border in ('constant', 'replicate', 'reflect'):\n"
        "        for antialias in (False, True):\n"
        "            o = dict(border=border, antialias=antialias, border_value=99.5)\n"
        "            got = pyposeops.crop_images(image, matrices, (23, 17), **o)\n"
        "            want = pyposeops.reference.crop_images(image, matrices, (23, 17), **o)\n"
        "            assert (got - want).abs().max() <= 5e-6\n",
    )


GUARDED = """
import ctypes, mmap, torch
from pyposeops import ImageArena, crop_images, reference
libc = ctypes.CDLL(None, use_errno=True)
page = mmap.PAGESIZE
memory = mmap.mmap(-1, 3 * page)
start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
for guard in (start, start + 2 * page):
    assert libc.mprotect(ctypes.c_void_p(guard), ctypes.c_size_t(page), 0) == 0  # PROT_NONE
generator = torch.Generator().manual_seed(0)
for height, width in ((1, 1), (2, 2), (1, 2), (2, 1), (3, 5), (20, 30)):
    for at_end in (False, True):
        size = height * width * 3
        offset = page + (page - size if at_end else 0)
        pixels = torch.frombuffer(memory, dtype=torch.uint8, count=size, offset=offset)
        pixels.copy_(torch.randint(0, 256, pixels.shape, generator=generator))
        arena = ImageArena(pixels, torch.tensor([0]), torch.tensor([[height, width]]))
        for angle in (0.0, 90.0, 180.0, 270.0, 33.0):
            box = torch.tensor([[-1.0, -1.0, width * 3 + 2.0, height * 2 + 2.0]])
            for border in ("constant", "replicate", "reflect"):
                o = dict(padding=1.0, rotation_deg=angle, border=border, antialias=height > 2)
                got = crop_images(arena, box, (9, 13), **o)
                assert (got - reference.crop_images(arena, box, (9, 13), **o)).abs().max() < 3e-6
        # Horizons through the crop and everything else; values are for the other tests.
        matrices = torch.randn(50, 3, 3, generator=generator, dtype=torch.float64)
        matrices[:, :2] *= torch.tensor([width, height, 9.0])
        for border in ("constant", "replicate", "reflect"):
            index = torch.zeros(50, dtype=torch.int64)
            assert crop_images(arena, matrices, (9, 13), image_index=index, border=border).isfinite().all()
print("guarded")
"""


@pytest.mark.parametrize("isa", ["baseline", "avx512"])
def test_no_byte_outside_the_image_is_read(isa, capfd):
    run_under_isa(isa, GUARDED)
    assert "guarded" in capfd.readouterr().out


# ---- bad input ---------------------------------------------------------------------------------------------

IMAGE = torch.zeros(6, 7, 3, dtype=torch.uint8)
PIXELS, OFFSETS, SIZES = ImageArena.pack([IMAGE, IMAGE])


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"border": "wrap"}, ValueError, "border: expected one of constant, replicate, reflect, got 'wrap'"),
        (
            {"boxes_or_affines": torch.zeros(2, 4, 3)},
            ValueError,
            r"expected \(N, 4\), \(N, 2, 3\) or \(N, 3, 3\)",
        ),
        (
            {"boxes_or_affines": torch.zeros(2, 3, 4)},
            ValueError,
            r"expected \(N, 4\), \(N, 2, 3\) or \(N, 3, 3\)",
        ),
        (
            {"boxes_or_affines": torch.zeros(2, 3, 3), "rotation_deg": 3.0},
            ValueError,
            "rotation_deg, scale: expected None with matrices",
        ),
        (
            {"images": ImageArena(PIXELS[None], OFFSETS, SIZES)},
            ValueError,
            r"images.pixels: expected \(bytes,\)",
        ),
        (
            {"images": ImageArena(PIXELS.int(), OFFSETS, SIZES)},
            TypeError,
            "images.pixels: expected dtype uint8",
        ),
        (
            {"images": ImageArena(PIXELS[::2], OFFSETS, SIZES)},
            ValueError,
            "images.pixels: expected contiguous",
        ),
        (
            {"images": ImageArena(PIXELS, OFFSETS[None], SIZES)},
            ValueError,
            r"images.offsets: expected \(M,\)",
        ),
        (
            {"images": ImageArena(PIXELS, OFFSETS.int(), SIZES)},
            TypeError,
            "images.offsets: expected dtype int64",
        ),
        ({"images": ImageArena(PIXELS, OFFSETS, SIZES[:1])}, ValueError, r"images.sizes: expected \(M, 2\)"),
        (
            {"images": ImageArena(PIXELS, OFFSETS, SIZES.int())},
            TypeError,
            "images.sizes: expected dtype int64",
        ),
        (
            {"images": ImageArena(PIXELS, OFFSETS[:0], SIZES[:0])},
            ValueError,
            "images: expected at least one image",
        ),
        ({"images": ImageArena(PIXELS, OFFSETS + 1, SIZES)}, ValueError, r"got image 1 of \(6, 7\) at 127"),
        ({"images": ImageArena(PIXELS, OFFSETS - 1, SIZES)}, ValueError, r"got image 0 of \(6, 7\) at -1"),
        ({"images": ImageArena(PIXELS, OFFSETS, SIZES * 0)}, ValueError, r"got image 0 of \(0, 0\)"),
        (
            {"images": ImageArena(PIXELS, OFFSETS, SIZES + 2**31)},
            ValueError,
            "images: expected a height and width",
        ),
        ({"images": ImageArena(PIXELS, OFFSETS + 2**62, SIZES)}, ValueError, "within the 252 bytes"),
        (
            {"images": ImageArena(PIXELS, OFFSETS, SIZES), "image_index": torch.tensor([0, 2])},
            ValueError,
            "image_index: expected values from 0 to 1, got 2 for crop 1",
        ),
    ],
)
def test_bad_input_is_named(change, error, words):
    arguments = {"images": IMAGE, "boxes_or_affines": IDENTITY.repeat(2, 1, 1), "size": SIZE, **change}
    images, boxes, size = (arguments.pop(name) for name in ("images", "boxes_or_affines", "size"))
    with pytest.raises(error, match=words):
        crop_images(images, boxes, size, **arguments)


@pytest.mark.parametrize(
    ("images", "error", "words"),
    [
        ([], ValueError, "images: expected at least one image, got none"),
        ([IMAGE, IMAGE[0]], ValueError, r"images\[1\]: expected \(H, W, 3\), got \(7, 3\)"),
        ([IMAGE[:0]], ValueError, r"images\[0\]: expected \(H, W, 3\), got \(0, 7, 3\)"),
        ([IMAGE.float()], TypeError, r"images\[0\]: expected dtype uint8, got torch.float32"),
        (
            [IMAGE, IMAGE.to("meta")],
            ValueError,
            r"images\[1\]: expected the device of images\[0\], cpu, got meta",
        ),
    ],
)
def test_images_that_cannot_be_packed_are_named(images, error, words):
    with pytest.raises(error, match=words):
        ImageArena.pack(images)


def test_out_may_not_overlap_an_arena():
    memory = torch.zeros(2 * 3 * 40 * 30)
    arena = ImageArena(memory.view(torch.uint8)[-300:], torch.tensor([0]), torch.tensor([[10, 10]]))
    with pytest.raises(ValueError, match="out: expected memory of its own, got memory of an image"):
        crop_images(arena, IDENTITY.repeat(2, 1, 1), SIZE, out=memory.view(2, 3, *SIZE))
