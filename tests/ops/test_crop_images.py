"""crop_images against its definition, against OpenCV, and at its corners."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from pyposeops import affine_from_box, crop_images, reference
from tests.op_contract import ISAS, assert_compiles, assert_graph_captures, assert_same, run_under_isa
from tests.property_tests import given, settings, st

SIZE = (40, 30)
DTYPES = (torch.float32, torch.float16, torch.bfloat16)
# float32: a handful of roundings of values up to 255, divided by 255 * 0.225. 16 bits: half a unit in the
# last place of values up to 2.7.
STORED = {torch.float32: 2e-6, torch.float16: 1e-3, torch.bfloat16: 8e-3}
FLOAT32 = {"rtol": 0.0, "atol": STORED[torch.float32]}
# mean and std with which the crop holds the raw values 0 .. 255.
RAW = {"mean": (0.0, 0.0, 0.0), "std": (1 / 255, 1 / 255, 1 / 255)}
IDENTITY = torch.tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]])


def noise(generator, *shape):
    return torch.randint(0, 256, (*shape, 3), dtype=torch.uint8, generator=generator)


def mixed_affines(generator, count=12, size=SIZE, image=(48, 64)):
    """Inside, half and wholly outside the image, turned, ten-fold enlarged to ten-fold reduced."""
    centre = torch.rand(count, 2, generator=generator, dtype=torch.float64) * 2 - 0.5
    extent = (
        torch.logspace(-1, 1, count, dtype=torch.float64)[:, None] * torch.tensor([image[1], image[0]]) / 2
    )
    corner = centre * torch.tensor([image[1], image[0]]) - extent / 2
    boxes = torch.cat([corner, extent], dim=1)
    angle = torch.rand(count, generator=generator, dtype=torch.float64) * 360 - 180
    angle[:3] = torch.tensor([0.0, 90.0, 180.0])[:count]
    return affine_from_box(boxes, size, padding=1.0, rotation_deg=angle)


# ---- values ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("round_uint8", [False, True])
@pytest.mark.parametrize("border_value", [0.0, 127.25])
def test_equals_definition(device, generator, channels_last, dtype, round_uint8, border_value):
    image = noise(generator, 48, 64)
    affines = mixed_affines(generator)
    options = {"channels_last": channels_last, "round_uint8": round_uint8, "border_value": border_value}
    got = crop_images(image.to(device), affines.to(device), SIZE, out_dtype=dtype, **options)
    want = reference.crop_images(image, affines, SIZE, out_dtype=torch.float64, **options)
    assert got.dtype == dtype
    assert got.is_contiguous(memory_format=torch.channels_last if channels_last else torch.contiguous_format)
    assert_same(got.double(), want, rtol=0.0, atol=STORED[dtype])


@pytest.mark.parametrize("convention", ["msra", "udp"])
def test_boxes_and_their_options_equal_definition(device, generator, convention):
    image = noise(generator, 48, 64)
    boxes = torch.tensor([[3.0, 4.0, 20.0, 30.0], [-9.0, 30.0, 50.0, 20.0], [50.0, -10.0, 40.0, 90.0]])
    options = {
        "rotation_deg": torch.tensor([0.0, 40.0, -100.0]),
        "scale": torch.tensor([1.0, 0.7, 1.3]),
        "flip": torch.tensor([False, True, True]),
        "gain": torch.tensor([1.0, 0.8, 1.2]),
        "bias": torch.rand(3, 3, generator=generator) - 0.5,
    }
    fixed = {"convention": convention, "padding": 1.1, "reverse_channels": True, "mean": (0.5, 0.4, 0.3)}
    there = {name: value.to(device) for name, value in options.items()}
    got = crop_images(image.to(device), boxes.to(device), SIZE, **there, **fixed)
    assert_same(got, reference.crop_images(image, boxes, SIZE, **options, **fixed), **FLOAT32)


def test_equals_warp_affine_of_opencv_5(generator):
    cv2 = pytest.importorskip("cv2")
    if int(cv2.__version__.split(".")[0]) < 5:
        pytest.skip("OpenCV 4 rounds positions to 1/32 pixel")
    image = noise(generator, 480, 640)
    affines = mixed_affines(generator, 24, (256, 192), (480, 640))
    exact = crop_images(image, affines, (256, 192), **RAW, border_value=10)
    rounded = crop_images(image, affines, (256, 192), **RAW, border_value=10, round_uint8=True)
    for n, affine in enumerate(affines.numpy()):
        want = cv2.warpAffine(image.numpy(), affine, (192, 256), borderValue=(10, 10, 10)).astype(float)
        # OpenCV's positions are float: where they are off by 1e-4 px, a value on the edge falls otherwise.
        assert np.abs(exact[n].permute(1, 2, 0).numpy() - want).max() < 0.55
        difference = np.abs(rounded[n].permute(1, 2, 0).numpy() - want)
        assert difference.max() <= 1 and (difference > 0).mean() < 2e-3


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (2, 2), (3, 2)])
def test_smallest_images(device, generator, shape):
    image = noise(generator, *shape)
    affines = mixed_affines(generator, image=shape)
    affines[0] = IDENTITY[0]
    got = crop_images(image.to(device), affines.to(device), SIZE, border_value=50)
    assert_same(got, reference.crop_images(image, affines, SIZE, border_value=50), **FLOAT32)


def test_identity_copies_the_image(device, generator):
    image = noise(generator, *SIZE)
    got = crop_images(image.to(device), IDENTITY.to(device), SIZE, **RAW)
    assert_same(got[0].permute(1, 2, 0), image.float(), rtol=0, atol=2e-5)


def test_border_blends_over_one_pixel():
    image = torch.full((4, 4, 3), 200, dtype=torch.uint8)
    shift = torch.tensor([[[1.0, 0.0, 1.25], [0.0, 1.0, 0.0]]])  # crop pixel u shows image x = u - 1.25
    row = crop_images(image, shift, (4, 8), **RAW, border_value=100)[0, 0, 0]
    assert_same(row, torch.tensor([100.0, 175, 200, 200, 200, 125, 100, 100]), rtol=0, atol=1e-4)


def test_rounding_is_half_to_even():
    image = torch.tensor([0, 1, 2, 3, 4], dtype=torch.uint8).repeat(3, 1).T[None].contiguous()
    half = torch.tensor([[[1.0, 0.0, -0.5], [0.0, 1.0, 0.0]]])
    crops = crop_images(image, half, (1, 4), **RAW, round_uint8=True)
    assert_same(crops[0, 0, 0], torch.tensor([0.0, 2.0, 2.0, 4.0]), rtol=0, atol=1e-5)


@pytest.mark.parametrize("vertical", [False, True])
def test_positions_stay_exact_far_from_the_origin(device, generator, vertical):
    """A float position is off by up to 5e-4 px at 10,000 px, 0.06 grey levels of noise, a hundred times the
    tolerance."""
    image = noise(generator, 6, 12000)
    affine = torch.tensor([[[1.37, 0.011, -1.37 * 11800.123], [-0.011, 1.37, 0.011 * 11800.123 + 10.0]]])
    if vertical:
        image = image.transpose(0, 1)
        affine = affine.flip(1)[:, :, [1, 0, 2]]
    affine = affine.double()
    got = crop_images(image.to(device), affine.to(device), (200, 200))
    want = reference.crop_images(image, affine, (200, 200))
    assert want.std() > 0.05
    assert_same(got, want, **FLOAT32)


def test_crops_wider_than_a_run(device, generator):
    image = noise(generator, 30, 2000)
    affines = torch.tensor(
        [[[0.9, 0.001, -3.0], [0.001, 1.1, 2.0]], [[-1.2, 0.02, 2300.0], [0.0, 0.9, 3.0]]]
    ).double()
    for channels_last in (False, True):
        got = crop_images(image.to(device), affines.to(device), (37, 1800), channels_last=channels_last)
        want = reference.crop_images(image, affines, (37, 1800), channels_last=channels_last)
        assert_same(got, want, **FLOAT32)


def test_one_large_crop(generator):
    """35 MB: memory that is mapped afresh, for which huge pages are asked."""
    image = noise(generator, 300, 400)
    affine = torch.tensor([[[4.1, 0.3, -20.0], [-0.3, 5.7, 60.0]]], dtype=torch.float64)
    got = crop_images(image, affine, (1750, 1650))
    assert_same(got, reference.crop_images(image, affine, (1750, 1650)), rtol=0.0, atol=5e-6)


@settings(max_examples=100, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    angle=st.floats(0, 2 * math.pi),
    zoom=st.tuples(st.floats(0.05, 20), st.floats(0.05, 20)),
    centre=st.tuples(st.floats(-15, 15), st.floats(-15, 15)),
    size=st.tuples(st.integers(1, 11), st.integers(1, 19)),
    seed=st.integers(0, 99),
)
def test_any_crop_equals_definition(shape, angle, zoom, centre, size, seed):
    image = noise(torch.Generator().manual_seed(seed), *shape)
    cos, sin = math.cos(angle), math.sin(angle)
    linear = torch.tensor(
        [[cos * zoom[0], -sin * zoom[0]], [sin * zoom[1], cos * zoom[1]]], dtype=torch.float64
    )
    middle = torch.tensor([size[1] / 2, size[0] / 2], dtype=torch.float64)
    affine = torch.cat(
        [linear, (middle - linear @ torch.tensor(centre, dtype=torch.float64))[:, None]], dim=1
    )[None]
    got = crop_images(image, affine, size, border_value=33)
    assert_same(got, reference.crop_images(image, affine, size, border_value=33), **FLOAT32)


def test_flip_mirrors_the_finished_crop(device, generator):
    image = noise(generator, 48, 64).to(device)
    boxes = torch.tensor([[3.0, 4.0, 20.0, 30.0], [10.0, -4.0, 50.0, 30.0]], device=device)
    plain = crop_images(image, boxes, SIZE)
    mixed = crop_images(image, boxes, SIZE, flip=torch.tensor([True, False], device=device))
    assert_same(mixed, torch.stack([plain[0].flip(2), plain[1]]), **FLOAT32)
    affines = affine_from_box(boxes.double(), SIZE)
    assert_same(crop_images(image, affines, SIZE, flip=True), plain.flip(3), **FLOAT32)


def test_jitter_and_normalisation_follow_the_order_of_the_crop(device, generator):
    image = noise(generator, *SIZE).to(device)
    gain = torch.tensor([[2.0, 0.5, 1.0]], device=device)
    bias = torch.tensor([[0.25, -0.5, 0.0]], dtype=torch.float64, device=device)
    mean, std = (0.1, 0.2, 0.3), (0.5, 1.0, 2.0)
    bgr = image.flip(2)
    got = crop_images(
        bgr, IDENTITY.to(device), SIZE, mean=mean, std=std, gain=gain, bias=bias, reverse_channels=True
    )
    unit = image.double() / 255 * gain[0] + bias[0]
    want = ((unit - unit.new_tensor(mean)) / unit.new_tensor(std)).float().permute(2, 0, 1)[None]
    assert_same(got, want, **FLOAT32)


# ---- crops without an image under them ---------------------------------------------------------------------

UNUSABLE = {
    "singular": [[1.0, 2.0, 3.0], [2.0, 4.0, 5.0]],
    "zero": [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]],
    "nan": [[math.nan, 0.0, 0.0], [0.0, 1.0, 0.0]],
    "infinite": [[1.0, 0.0, math.inf], [0.0, 1.0, 0.0]],
    "huge image": [[1e-300, 0.0, 0.0], [0.0, 1e-300, 0.0]],
    "far away": [[1.0, 0.0, 1e30], [0.0, 1.0, 0.0]],
    "just too far": [[1.0, 0.0, 2.0**30], [0.0, 1.0, 0.0]],
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_unusable_affine_gives_border(device, generator, name):
    affines = torch.tensor([UNUSABLE[name], IDENTITY[0].tolist()], dtype=torch.float64, device=device)
    got = crop_images(noise(generator, *SIZE).to(device), affines, SIZE, **RAW, border_value=77)
    assert_same(got[0], torch.full((3, *SIZE), 77.0), rtol=0, atol=1e-4)
    assert not (got[1] == got[0]).all()


@pytest.mark.parametrize("box", [[5.0, 5.0, 0.0, 9.0], [5.0, 5.0, 9.0, -1.0], [math.nan, 5.0, 9.0, 9.0]])
def test_box_without_a_size_gives_border(device, generator, box):
    got = crop_images(noise(generator, 20, 20).to(device), torch.tensor([box], device=device), SIZE, **RAW)
    assert not got.any()


def test_the_farthest_usable_crop_is_border_too(device, generator):
    far = torch.tensor(
        [[[1.0, 0.0, 2.0**30 - 64], [0.0, -1.0, 64 - 2.0**30]]], dtype=torch.float64, device=device
    )
    got = crop_images(noise(generator, 9, 9).to(device), far, SIZE, **RAW, border_value=9)
    assert_same(got, torch.full_like(got, 9.0), rtol=0, atol=1e-5)


# ---- images ------------------------------------------------------------------------------------------------


def test_images_of_many_sizes(device, generator):
    """More images than one CUDA launch takes."""
    images = [noise(generator, 5 + n % 7, 4 + n % 5) for n in range(150)]
    affines = mixed_affines(generator, 200, image=(8, 6))
    index = torch.randint(0, 150, (200,), generator=generator)
    want = reference.crop_images(images, affines, SIZE, image_index=index)
    there = [image.to(device) for image in images]
    for dtype in (torch.int32, torch.int64):
        got = crop_images(there, affines.to(device), SIZE, image_index=index.to(device, dtype))
        assert_same(got, want, **FLOAT32)
    one_each = crop_images(there, affines[:150].to(device), SIZE)
    assert_same(one_each, reference.crop_images(images, affines[:150], SIZE), **FLOAT32)


def test_stack_of_images(device, generator):
    images = noise(generator, 5, 20, 30)
    affines = mixed_affines(generator, 5, image=(20, 30))
    want = reference.crop_images(images, affines, SIZE)
    assert_same(crop_images(images.to(device), affines.to(device), SIZE), want, **FLOAT32)
    index = torch.tensor([4, 4, 0, 1, 3], device=device)
    want = reference.crop_images(images, affines, SIZE, image_index=index.cpu())
    assert_same(crop_images(images.to(device), affines.to(device), SIZE, image_index=index), want, **FLOAT32)


def test_every_memory_layout_of_images(device, generator):
    image = noise(generator, 24, 32).to(device)
    affines = mixed_affines(generator, image=(24, 32)).to(device)
    wide = torch.zeros(48, 40, 4, dtype=torch.uint8, device=device)
    wide[::2, 3:35, :3] = image
    layouts = {
        "planes": image.permute(2, 0, 1).contiguous().permute(1, 2, 0),
        "window of four channels": wide[::2, 3:35, :3],
        "columns first": image.transpose(0, 1).contiguous().transpose(0, 1),
    }
    want = reference.crop_images(image.cpu(), affines.cpu(), SIZE)
    for name, view in layouts.items():
        assert torch.equal(view, image) and not view.is_contiguous(), name
        assert_same(crop_images(view, affines, SIZE), want, **FLOAT32)
    for view in (image[:1].expand(9, 32, 3), image[:, :1].expand(24, 9, 3), image[..., :1].expand(24, 32, 3)):
        want = reference.crop_images(view.cpu(), affines.cpu(), SIZE)
        assert_same(crop_images(view, affines, SIZE), want, **FLOAT32)
    repeated = image[None].expand(len(affines), 24, 32, 3)
    assert_same(crop_images(repeated, affines, SIZE), crop_images(image, affines, SIZE))


GUARDED = """
import ctypes, mmap, torch, pyposeops
from pyposeops import crop_images, reference
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
        image = torch.frombuffer(memory, dtype=torch.uint8, count=size, offset=offset).view(height, width, 3)
        image.copy_(torch.randint(0, 256, image.shape, generator=generator))
        for angle in (0.0, 90.0, 180.0, 270.0, 33.0):
            box = torch.tensor([[-1.0, -1.0, width + 2.0, height + 2.0]])
            for view in (image, image.view(height, width, 3).transpose(0, 1)):
                got = crop_images(view, box, (50, 60), padding=1.0, rotation_deg=angle)
                want = reference.crop_images(view, box, (50, 60), padding=1.0, rotation_deg=angle)
                assert (got - want).abs().max() < 2e-6
print("guarded")
"""


@pytest.mark.parametrize("isa", ISAS)
def test_no_byte_outside_the_image_is_read(isa, capfd):
    run_under_isa(isa, GUARDED)
    assert "guarded" in capfd.readouterr().out


@pytest.mark.cuda
@pytest.mark.parametrize("images", [1, 3, 70])
def test_cuda_makes_crops_of_unknown_images_nan(generator, images):
    pixels = [noise(generator, 9, 9).cuda() for _ in range(images)]
    index = torch.tensor([-1, 0, images, images - 1, 2**40], device="cuda")
    affines = IDENTITY.repeat(5, 1, 1).cuda()
    got = crop_images(pixels, affines, SIZE, image_index=index)
    for n, known in enumerate([False, True, False, True, False]):
        assert got[n].isnan().all() if not known else got[n].isfinite().all()
    narrow = crop_images(pixels, affines, SIZE, image_index=index.clamp(-1, 1000).int())
    assert_same(narrow, got)


# ---- out= --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channels_last", [False, True])
def test_out_is_filled_and_returned(device, generator, dtype, channels_last):
    image = noise(generator, 48, 64).to(device)
    affines = mixed_affines(generator, 4).to(device)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    out = torch.full((4, 3, *SIZE), math.nan, dtype=dtype, device=device).contiguous(memory_format=layout)
    assert crop_images(image, affines, SIZE, out_dtype=dtype, out=out) is out
    want = crop_images(image, affines, SIZE, out_dtype=dtype)
    assert torch.equal(out, want)


def test_part_of_a_larger_tensor_serves_as_out(generator):
    buffer = torch.full((6, 3, *SIZE), 5.0)
    crop_images(noise(generator, 48, 64), mixed_affines(generator, 2), SIZE, out=buffer[2:4])
    assert (buffer[:2] == 5).all() and (buffer[4:] == 5).all() and not (buffer[2:4] == 5).any()


# ---- the machinery -----------------------------------------------------------------------------------------


def test_result_does_not_depend_on_the_number_of_threads(generator):
    image = noise(generator, 48, 64)
    affines = mixed_affines(generator, 5, (100, 90))
    threads = torch.get_num_threads()
    crops = []
    try:
        for count in (1, 2, 5):
            torch.set_num_threads(count)
            crops.append(crop_images(image, affines, (100, 90)))
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(crops[0], crops[1]) and torch.equal(crops[0], crops[2])


def test_no_crops(device):
    image = torch.zeros(5, 6, 3, dtype=torch.uint8, device=device)
    assert crop_images(image, torch.zeros(0, 4, device=device), SIZE).shape == (0, 3, *SIZE)
    index = torch.zeros(0, dtype=torch.int64, device=device)
    crops = crop_images([image, image], torch.zeros(0, 2, 3, device=device), SIZE, image_index=index)
    assert crops.shape == (0, 3, *SIZE)


def test_crops_are_detached(generator):
    affines = mixed_affines(generator, 2).requires_grad_()
    gain = torch.ones(2, requires_grad=True)
    assert not crop_images(noise(generator, 9, 9), affines, SIZE, gain=gain).requires_grad


def test_opcheck(device, generator):
    images = [noise(generator, 9, 9).to(device), noise(generator, 5, 8).to(device)]
    affines = mixed_affines(generator, 3, image=(9, 9)).to(device)
    index = torch.tensor([0, 1, 1], device=device)
    gain = torch.rand(3, 3, device=device)
    options = {"gain": gain, "bias": gain[:, 0], "reverse_channels": True, "round_uint8": True}
    options |= {"border_value": 5.0, "mean": [0.5] * 3, "std": [0.2] * 3}
    layout = {"dtype": torch.float16, "channels_last": True}
    crop = torch.ops.pyposeops.crop_images.default
    torch.library.opcheck(crop, (images[:1], affines, *SIZE))
    torch.library.opcheck(crop, (images, affines, *SIZE, index), {**options, **layout})
    out = torch.empty(3, 3, *SIZE, device=device)
    torch.library.opcheck(torch.ops.pyposeops.crop_images_out.default, (images, affines, out, index), options)


def test_compiles_without_graph_breaks(device, generator):
    images = [noise(generator, 9, 9).to(device), noise(generator, 5, 8).to(device)]
    boxes = torch.tensor([[1.0, 2.0, 5.0, 4.0], [0.0, 0.0, 3.0, 9.0]], device=device)
    assert_compiles(
        lambda boxes, angle, flip: crop_images(
            images, boxes, SIZE, rotation_deg=angle, flip=flip, channels_last=True
        ),
        boxes,
        torch.tensor([10.0, 20.0], device=device),
        torch.tensor([True, False], device=device),
    )
    assert_compiles(
        lambda boxes: crop_images(images, boxes, SIZE, out=torch.empty(2, 3, *SIZE, device=boxes.device)) + 1,
        boxes,
    )


def test_vmap_is_refused_in_words(generator):
    image = noise(generator, 9, 9)
    boxes = torch.rand(2, 3, 4, generator=generator)
    with pytest.raises(RuntimeError, match="crop_images"):
        torch.vmap(lambda b: crop_images(image, b, SIZE))(boxes)


@pytest.mark.cuda
def test_cuda_graph_capture(generator):
    images = [noise(generator, 48, 64).cuda() for _ in range(70)]
    boxes = torch.rand(70, 4, generator=generator).cuda() * 30 + 1
    assert_graph_captures(lambda boxes: crop_images(images, boxes, SIZE, rotation_deg=3.0), boxes)


@pytest.mark.cuda
def test_cuda_equals_cpu_bit_for_bit(generator):
    image = noise(generator, 48, 64)
    affines = mixed_affines(generator, 24)
    got = crop_images(image.cuda(), affines.cuda(), SIZE, round_uint8=True)
    assert torch.equal(got.cpu(), crop_images(image, affines, SIZE, round_uint8=True))


@pytest.mark.parametrize("isa", ISAS)
def test_every_instruction_set_equals_definition(isa):
    run_under_isa(
        isa,
        "import torch, pyposeops\n"
        f"assert pyposeops.build_info()['cpu_isa'] == '{isa}'\n"
        "g = torch.Generator().manual_seed(0)\n"
        "image = torch.randint(0, 256, (48, 64, 3), dtype=torch.uint8, generator=g)\n"
        "boxes = torch.rand(9, 4, generator=g) * 60 - 8; boxes[:, 2:] = boxes[:, 2:].abs() + 3\n"
        "options = dict(rotation_deg=torch.rand(9, generator=g) * 360, border_value=99.5)\n"
        "for view in (image, image.permute(2, 0, 1).contiguous().permute(1, 2, 0)):\n"
        "    for last in (False, True):\n"
        "        for dtype, bound in (('float32', 2e-6), ('float16', 1e-3), ('bfloat16', 8e-3)):\n"
        "            o = dict(options, channels_last=last)\n"
        "            got = pyposeops.crop_images(view, boxes, (67, 45), out_dtype=getattr(torch, dtype), **o)\n"
        "            want = pyposeops.reference.crop_images(view, boxes, (67, 45), **o)\n"
        "            assert (got.float() - want).abs().max() <= bound\n",
    )


def test_numpy_in_numpy_out(generator):
    image = noise(generator, 48, 64)
    boxes = torch.tensor([[3.0, 4.0, 20.0, 30.0]])
    want = crop_images(image, boxes, SIZE)
    got = crop_images(image.numpy(), boxes.numpy(), SIZE)
    assert isinstance(got, np.ndarray)
    np.testing.assert_array_equal(got, want.numpy())
    np.testing.assert_array_equal(crop_images([image.numpy()], boxes.numpy(), SIZE), want.numpy())
    bgr = np.ascontiguousarray(image.numpy()[:, :, ::-1])
    np.testing.assert_array_equal(crop_images(bgr[:, :, ::-1], boxes.numpy(), SIZE), want.numpy())
    out = np.empty((1, 3, *SIZE), np.float32)
    assert np.shares_memory(crop_images(image.numpy(), boxes.numpy(), SIZE, out=out), out)
    np.testing.assert_array_equal(out, want.numpy())


# ---- bad input ---------------------------------------------------------------------------------------------

IMAGE = torch.zeros(6, 7, 3, dtype=torch.uint8)
TWO = IDENTITY.repeat(2, 1, 1)
FROZEN = np.empty((2, 3, *SIZE), np.float32)
FROZEN.flags.writeable = False


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (
            {"images": torch.zeros(6, 7, dtype=torch.uint8)},
            ValueError,
            r"images: expected \(H, W, 3\) or \(M, H, W, 3\)",
        ),
        (
            {"images": torch.zeros(6, 7, 1, dtype=torch.uint8)},
            ValueError,
            r"images: expected .*, got \(6, 7, 1\)",
        ),
        (
            {"images": torch.zeros(6, 7, 4, dtype=torch.uint8)},
            ValueError,
            r"images: expected .*, got \(6, 7, 4\)",
        ),
        (
            {"images": torch.zeros(3, 6, 7, dtype=torch.uint8)},
            ValueError,
            r"of \(3, H, W\) the .permute\(1, 2, 0\)",
        ),
        (
            {"images": [IMAGE, torch.zeros(2, 6, 7, 3, dtype=torch.uint8)]},
            ValueError,
            r"images\[1\]: expected \(H, W, 3\)",
        ),
        ({"images": torch.zeros(6, 7, 3)}, TypeError, "images: expected dtype uint8, got float32"),
        (
            {"images": [IMAGE, torch.zeros(6, 7, 3).bool()]},
            TypeError,
            r"images\[1\]: expected dtype uint8, got bool",
        ),
        (
            {"images": torch.zeros(0, 7, 3, dtype=torch.uint8)},
            ValueError,
            "images: expected a height and width from 1",
        ),
        (
            {"images": torch.zeros(0, 6, 7, 3, dtype=torch.uint8)},
            ValueError,
            "images: expected at least one image, got none",
        ),
        ({"images": []}, ValueError, "images: expected at least one image, got none"),
        (
            {"images": [IMAGE, IMAGE.to("meta")], "image_index": torch.zeros(2).long()},
            ValueError,
            r"images\[1\]: expected the device",
        ),
        ({"gain": torch.ones(2, device="meta")}, ValueError, "gain: expected the device of boxes_or_affines"),
        ({"boxes_or_affines": torch.zeros(2, 3)}, ValueError, r"boxes: expected \(N, 4\), got \(2, 3\)"),
        (
            {"boxes_or_affines": torch.zeros(2, 4, 3)},
            ValueError,
            r"boxes_or_affines: expected \(N, 4\), \(N, 2, 3\) or \(N, 3, 3\)",
        ),
        (
            {"boxes_or_affines": torch.zeros(4)},
            ValueError,
            r"boxes_or_affines: expected \(N, 4\), \(N, 2, 3\) or \(N, 3, 3\)",
        ),
        ({"boxes_or_affines": TWO.half()}, TypeError, "boxes_or_affines: expected dtype float32, float64"),
        ({"size": 40}, ValueError, r"size: expected \(height, width\), got 40"),
        ({"size": (0, 30)}, ValueError, "size: expected a height and width of at least 1"),
        ({"size": (40, -1)}, ValueError, "size: expected a height and width of at least 1"),
        ({"mean": (0.5, 0.5)}, ValueError, "mean: expected three numbers, got 2"),
        ({"mean": (0.5, 0.5, math.nan)}, ValueError, "mean: expected finite numbers"),
        ({"std": (1.0,)}, ValueError, "std: expected three numbers, got 1"),
        ({"std": (1.0, 0.0, 1.0)}, ValueError, "std: expected finite numbers above 0, got 0"),
        ({"std": (1.0, math.inf, 1.0)}, ValueError, "std: expected finite numbers above 0, got inf"),
        ({"border_value": -1.0}, ValueError, "border_value: expected 0 to 255, got -1"),
        ({"border_value": math.nan}, ValueError, "border_value: expected 0 to 255, got nan"),
        (
            {"images": [IMAGE] * 3},
            ValueError,
            "image_index: expected an image for each of 2 crops from 3 images, got None",
        ),
        (
            {"image_index": torch.tensor([0])},
            ValueError,
            r"image_index: expected \(N,\), one per crop, got \(1,\)",
        ),
        (
            {"image_index": torch.tensor([0, 1])},
            ValueError,
            "image_index: expected values from 0 to 0, got 1 for crop 1",
        ),
        (
            {"image_index": torch.tensor([-1, 0])},
            ValueError,
            "image_index: expected values from 0 to 0, got -1 for crop 0",
        ),
        ({"image_index": torch.tensor([0.0, 0.0])}, TypeError, "image_index: expected dtype int32, int64"),
        ({"gain": torch.ones(3)}, ValueError, r"gain: expected \(N,\) or \(N, 3\) with N = 2, got \(3,\)"),
        ({"gain": torch.ones(2, 1)}, ValueError, r"gain: expected .*, got \(2, 1\)"),
        ({"bias": torch.ones(2, 3, 1)}, ValueError, r"bias: expected .*, got \(2, 3, 1\)"),
        ({"bias": torch.ones(2, dtype=torch.int64)}, TypeError, "bias: expected dtype float32"),
        ({"flip": torch.ones(3).bool()}, ValueError, r"flip: expected \(2,\), got \(3,\)"),
        ({"rotation_deg": 3.0}, ValueError, "rotation_deg, scale: expected None with matrices"),
        ({"scale": torch.ones(2)}, ValueError, "rotation_deg, scale: expected None with matrices"),
        (
            {"out_dtype": torch.float64},
            TypeError,
            "out: expected dtype float32, float16, bfloat16, got float64",
        ),
        (
            {"out": torch.empty(2, 3, 30, 40)},
            ValueError,
            r"out: expected \(2, 3, 40, 30\), got \(2, 3, 30, 40\)",
        ),
        ({"out": torch.empty(2, 3, *SIZE).half()}, TypeError, r"out: expected torch.float32 \(out_dtype\)"),
        (
            {"out": torch.empty(2, 3, 40, 31)[..., :30]},
            ValueError,
            "out: expected dense NCHW or channels_last",
        ),
        ({"out": torch.empty(1, 3, *SIZE).expand(2, 3, *SIZE)}, ValueError, "out: expected dense NCHW"),
        (
            {"out": torch.empty(2, 3, *SIZE, device="meta")},
            ValueError,
            "out: expected the device of boxes_or_affines",
        ),
        (
            {"images": IMAGE.numpy(), "boxes_or_affines": TWO.numpy(), "out": FROZEN},
            ValueError,
            "out: expected a writable",
        ),
    ],
)
def test_bad_input_is_named(change, error, words):
    arguments = {"images": IMAGE, "boxes_or_affines": TWO, "size": SIZE, **change}
    images, boxes, size = (arguments.pop(name) for name in ("images", "boxes_or_affines", "size"))
    with pytest.raises(error, match=words):
        crop_images(images, boxes, size, **arguments)


def test_out_may_not_overlap_an_input():
    memory = torch.zeros(2 * 3 * 40 * 30)
    out = memory.view(2, 3, *SIZE)
    image = memory.view(torch.uint8)[-6 * 7 * 3 :].view(6, 7, 3)
    with pytest.raises(ValueError, match="out: expected memory of its own, got memory of an image"):
        crop_images(image, TWO, SIZE, out=out)
    with pytest.raises(ValueError, match="out: expected memory of its own, got memory of the affines"):
        crop_images(IMAGE, memory[:12].view(2, 2, 3), SIZE, out=out)


@pytest.mark.cuda
def test_devices_may_not_be_mixed():
    with pytest.raises(ValueError, match="boxes_or_affines: expected the device of images"):
        crop_images(IMAGE.cuda(), TWO, SIZE)
    with pytest.raises(ValueError, match=r"images\[1\]: expected the device of images\[0\]"):
        crop_images([IMAGE.cuda(), IMAGE], TWO.cuda(), SIZE)
