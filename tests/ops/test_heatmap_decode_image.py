"""heatmap_decode: what it does in the same pass: flip test, offset maps, the way back to the image."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import pyposeops
from pyposeops import affine_from_box, flip_merge, heatmap_decode, reference, transform_keypoints
from tests.op_contract import (
    FLOATS,
    ISAS,
    assert_compiles,
    assert_graph_captures,
    assert_same,
    layouts,
    run_under_isa,
)
from tests.ops.test_heatmap_decode import FLOAT32, FLOAT64, LAYOUTS, REFINES, gaussians
from tests.property_tests import given, settings, st

PAIRS = ((0, 3), (4, 1))  # of five joints
BOXES = torch.tensor([[10.0, 20.0, 120.0, 300.0], [-30.0, 5.0, 90.0, 80.0], [400.0, 300.0, 50.0, 500.0]])
METHODS = (*REFINES, "megvii")


def crops(generator, size=(24, 18), dtype=torch.float32, noise=0.05):
    """Maps (3, 5, H, W) of crops and of their mirror images, offsets likewise, and the crops' affines."""
    maps, _ = gaussians(generator, (3, 5, *size), noise=noise, dtype=dtype)
    flipped, _ = gaussians(generator, (3, 5, *size), noise=noise, dtype=dtype)
    offsets, flipped_offsets = (torch.randn(3, 10, *size, generator=generator).to(dtype) for _ in range(2))
    affines = affine_from_box(
        BOXES, (4 * size[0], 4 * size[1]), rotation_deg=torch.tensor([0.0, 30.0, -100.0])
    )
    return maps, flipped, offsets, flipped_offsets, affines


def to(device, **tensors):
    return {
        key: value.to(device) if isinstance(value, torch.Tensor) else value for key, value in tensors.items()
    }


def as_defined(maps, **options):
    wide = {k: v.cpu().double() if isinstance(v, torch.Tensor) else v for k, v in options.items()}
    coords, scores = reference.heatmap_decode(maps.cpu().double(), **wide)
    dtype = torch.float64 if maps.dtype == torch.float64 else torch.float32
    return coords.to(dtype), scores.to(dtype)


# ---- the flip test -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("refine", METHODS)
@pytest.mark.parametrize("shift", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_flip_test_equals_decoding_the_merged_map(device, generator, refine, shift, dtype):
    maps, flipped, *_ = crops(generator, dtype=dtype)
    maps, flipped = maps.to(device), flipped.to(device)
    got = heatmap_decode(maps, refine=refine, flipped=flipped, flip_pairs=PAIRS, shift=shift)
    want = heatmap_decode(flip_merge(maps, flipped, PAIRS, shift=shift), refine=refine)
    tolerance = FLOAT64 if dtype == torch.float64 else FLOAT32
    assert_same(got, want, **tolerance)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("refine", ["quarter", "dark_udp", "megvii"])
def test_flip_test_equals_definition(device, generator, dtype, layout, refine):
    """The mean of two halves is not rounded to half precision before its maximum is sought."""
    maps, flipped, *_ = crops(generator, dtype=dtype)
    want = as_defined(maps, refine=refine, flipped=flipped, flip_pairs=PAIRS, shift=True)
    tolerance = FLOAT64 if dtype == torch.float64 else FLOAT32
    maps, flipped = maps.to(device), flipped.to(device)
    for a, b in ((layouts(maps)[layout], flipped), (maps, layouts(flipped)[layout])):
        got = heatmap_decode(a, refine=refine, flipped=b, flip_pairs=PAIRS, shift=True)
        assert_same(got, want, **tolerance)


@pytest.mark.parametrize("layout", ["contiguous", "channels_last"])
@pytest.mark.parametrize("shape", [(2, 37, 40, 30), (1, 3, 300, 260), (3, 5, 2, 3000), (2, 17, 64, 48)])
def test_flip_test_of_many_joints_and_large_maps(device, generator, layout, shape):
    maps, flipped = (torch.randn(shape, generator=generator).to(device) for _ in range(2))
    pairs = [(0, 2)]
    want = heatmap_decode(flip_merge(maps, flipped, pairs, shift=True), refine="none")
    maps, flipped = layouts(maps)[layout], layouts(flipped)[layout]
    got = heatmap_decode(maps, refine="none", flipped=flipped, flip_pairs=pairs, shift=True)
    assert_same(got, want, rtol=0, atol=0)


def test_first_of_equal_maxima_of_the_merged_map(device):
    """One map for every position of the first maximum; made of pairs of a pixel and its mirror image."""
    pixels = 8 * 40
    maps = torch.zeros(pixels, 1, pixels)
    for first in range(pixels):
        maps[first, 0, first :: max(1, (pixels - first) // 3)] = 0.5
    maps = maps.view(pixels, 1, 8, 40).to(device)
    want = torch.stack((torch.arange(pixels) % 40, torch.arange(pixels) // 40), dim=1).float()
    for layout in LAYOUTS:
        got = heatmap_decode(layouts(maps)[layout], refine="none", flipped=maps.flip(-1))
        assert_same(got.coords[:, 0], want)


@pytest.mark.parametrize("refine", METHODS)
def test_nan_in_either_map_empties_the_joint(device, generator, refine):
    maps, flipped, *_ = crops(generator)
    maps[0, 2, 5, 5] = math.nan
    flipped[1, 0, 3, 3] = math.nan  # joint 3 of the image
    got = heatmap_decode(
        maps.to(device), refine=refine, flipped=flipped.to(device), flip_pairs=PAIRS, empty_coord=-9.0
    )
    lost = torch.zeros(3, 5, dtype=torch.bool)
    lost[0, 2] = lost[1, 3] = True
    assert torch.equal(got.scores.cpu().isnan(), lost)
    assert (got.coords.cpu()[lost] == -9.0).all() and (got.coords.cpu()[~lost] != -9.0).any(-1).all()


# ---- offset maps -------------------------------------------------------------------------------------------------


def deeplabcut(scores, locrefs, stride, locref_std=7.2801):
    """DeepLabCut's predictor, joint by joint: argmax, then the offset there, on the half-pixel grid."""
    batch, joints, height, width = scores.shape
    pose = np.zeros((batch, joints, 2))
    for b in range(batch):
        for k in range(joints):
            y, x = np.unravel_index(scores[b, k].argmax(), (height, width))
            dx, dy = locrefs[b, 2 * k, y, x] * locref_std, locrefs[b, 2 * k + 1, y, x] * locref_std
            pose[b, k] = x * stride + 0.5 * stride + dx, y * stride + 0.5 * stride + dy
    return pose


def test_equals_deeplabcut(device, generator):
    maps, _, offsets, *_ = crops(generator, dtype=torch.float64)
    stride = 8.0
    got = heatmap_decode(
        maps.to(device),
        refine="none",
        offsets=offsets.to(device),
        offset_scale=7.2801 / stride,
        input_size=(8 * 24, 8 * 18),
        convention="edge",
    )
    want = deeplabcut(maps.numpy(), offsets.numpy(), stride)
    np.testing.assert_allclose(got.coords.cpu(), want, rtol=0, atol=1e-11)


@pytest.mark.parametrize("shift", [False, True])
@pytest.mark.parametrize("rank", [4, 5])
@pytest.mark.parametrize("dtype", FLOATS)
def test_offsets_with_flip_test_equal_definition(device, generator, shift, rank, dtype):
    maps, flipped, offsets, flipped_offsets, _ = crops(generator, dtype=dtype)
    maps[0, 0] = -1.0
    flipped[0, 3] = -1.0
    if rank == 5:
        offsets, flipped_offsets = (each.unflatten(1, (5, 2)) for each in (offsets, flipped_offsets))
    options = {
        "refine": "none",
        "flip_pairs": PAIRS,
        "shift": shift,
        "offset_scale": 1.75,
        "empty_coord": -3.0,
    }
    tensors = {"flipped": flipped, "offsets": offsets, "flipped_offsets": flipped_offsets}
    got = heatmap_decode(maps.to(device), **options, **to(device, **tensors))
    assert_same(got, as_defined(maps, **options, **tensors), **FLOAT32)
    tensors["flipped_offsets"] = None  # then those of the image alone
    got = heatmap_decode(maps.to(device), **options, **to(device, **tensors))
    assert_same(got, as_defined(maps, **options, **tensors), **FLOAT32)


def test_offsets_in_any_layout_and_dtype(device, generator):
    maps, _, offsets, *_ = crops(generator)
    want = heatmap_decode(maps, refine="none", offsets=offsets)
    for layout in LAYOUTS:
        got = heatmap_decode(maps.to(device), refine="none", offsets=layouts(offsets.to(device))[layout])
        assert_same(got, want)
    got = heatmap_decode(maps.to(device), refine="none", offsets=offsets.half().to(device))
    assert_same(got, heatmap_decode(maps, refine="none", offsets=offsets.half().float()))


def test_offsets_that_are_not_finite_are_not_added(device):
    maps = torch.zeros(1, 3, 5, 5)
    maps[0, :, 2, 3] = 1.0
    offsets = torch.full((1, 3, 2, 5, 5), 0.25)
    offsets[0, 0, 0], offsets[0, 1, 1] = math.nan, math.inf
    got = heatmap_decode(maps.to(device), refine="none", offsets=offsets.to(device))
    assert got.coords[0].tolist() == [[3, 2], [3, 2], [3.25, 2.25]]


def test_udp_combined_with_flip_test_equals_the_merged_channels(device, generator):
    """Three channels per joint merged by flip_merge, then decoded, and the same from the maps as they are."""
    output, mirrored = (torch.randn(2, 5, 3, 20, 16, generator=generator).to(device) for _ in range(2))
    merged = flip_merge(output.flatten(1, 2), mirrored.flatten(1, 2), PAIRS, kind="udp_combined")
    merged = merged.unflatten(1, (5, 3))
    options = {"refine": "udp_combined", "blur_kernel": 7}
    want = heatmap_decode(merged[:, :, 0], offsets=merged[:, :, 1:], **options)
    got = heatmap_decode(
        output[:, :, 0],
        offsets=output[:, :, 1:],
        flipped=mirrored[:, :, 0],
        flipped_offsets=mirrored[:, :, 1:],
        flip_pairs=PAIRS,
        **options,
    )
    assert_same(got, want, rtol=0, atol=1e-6)


# ---- the way to the image ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("refine", METHODS)
@pytest.mark.parametrize("convention", ["msra", "udp", "half_pixel", "edge"])
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("affine_dtype", [torch.float32, torch.float64])
def test_image_coordinates_equal_definition(device, generator, refine, convention, dtype, affine_dtype):
    maps, *_, affines = crops(generator, dtype=dtype)
    affines = affines.to(affine_dtype)
    options = {"refine": refine, "input_size": (96, 72), "convention": convention}
    got = heatmap_decode(maps.to(device), affines=affines.to(device), **options)
    want = as_defined(maps, affines=affines, **options)
    # one heatmap pixel is up to 30 image pixels
    tolerance = {"rtol": 1e-9, "atol": 1e-7} if dtype == torch.float64 else {"rtol": 1e-6, "atol": 6e-3}
    assert_same(got, want, **tolerance)


@pytest.mark.parametrize("convention", ["msra", "udp"])
def test_image_coordinates_are_those_of_the_steps_one_by_one(device, generator, convention):
    maps, *_ = crops(generator, dtype=torch.float64)
    affines = affine_from_box(BOXES.double(), (96, 72), convention=convention).to(device)
    decoded = heatmap_decode(maps.to(device)).coords
    in_crop = pyposeops.heatmap_to_crop(decoded, (96, 72), (24, 18), convention=convention)
    want = transform_keypoints(in_crop, pyposeops.invert_affine(affines))
    got = heatmap_decode(maps.to(device), affines=affines, input_size=(96, 72), convention=convention)
    assert_same(got.coords, want, rtol=1e-12, atol=1e-9)
    assert_same(
        heatmap_decode(maps.to(device), input_size=(96, 72), convention=convention).coords,
        in_crop,
        rtol=1e-14,
        atol=0,
    )


def test_joint_comes_back_to_where_it_was_in_the_image(device):
    """Rendered as it is trained, decoded, brought back: each encoding with its convention."""
    affines = affine_from_box(BOXES, (256, 192)).to(device)
    in_image = torch.stack([BOXES[:, :2] + BOXES[:, 2:] * t for t in (0.3, 0.5, 0.8)], dim=1).to(device)
    for encoding, convention in (("unbiased", "msra"), ("udp", "udp")):
        target = pyposeops.gaussian_heatmap(
            transform_keypoints(in_image, affines),
            torch.ones(3, 3, device=device),
            (64, 48),
            sigma=2.0,
            encoding=encoding,
            input_size=(256, 192),
        )
        got = heatmap_decode(
            target.heatmaps, refine="parabola", affines=affines, input_size=(256, 192), convention=convention
        )
        assert (got.coords - in_image).abs().max() < 2e-3


def test_joint_comes_back_from_offset_maps(device):
    """UDP combined, and short-range offsets of DeepLabCut and PersonLab, as offset_heatmap renders them."""
    joints = torch.tensor([[[30.3, 41.7], [100.0, 64.9]], [[88.8, 77.7], [51.2, 99.1]]], device=device)
    seen = torch.ones(2, 2, device=device)
    size, input_size, stride = (32, 32), (128, 128), 4.0
    output = pyposeops.offset_heatmap(joints, seen, size, input_size=input_size).heatmaps
    channels = output.unflatten(1, (2, 3))
    got = heatmap_decode(
        channels[:, :, 0],
        refine="udp_combined",
        offsets=channels[:, :, 1:],
        input_size=input_size,
        convention="udp",
    )
    assert_same(got.coords, joints.cpu(), rtol=0, atol=1e-3)
    for grid, scale in (("half_pixel", 1.0), ("edge", 7.2801 / stride)):
        fields = pyposeops.offset_heatmap(
            joints, seen, size, kind="offset", radius=4.0, scale=scale, grid=grid, input_size=input_size
        )
        heat = pyposeops.gaussian_heatmap(
            joints / stride, seen, size, sigma=2.0, encoding="unbiased"
        ).heatmaps
        got = heatmap_decode(
            heat,
            refine="none",
            offsets=fields.heatmaps,
            offset_scale=scale,
            input_size=input_size,
            convention=grid,
        )
        assert_same(got.coords, joints.cpu(), rtol=0, atol=1e-3)


def test_affine_without_inverse_gives_nan(device):
    maps = torch.rand(4, 2, 8, 8, device=device)
    affines = torch.tensor([[1.0, 0.0, 2.0], [0.0, 1.0, 3.0]]).repeat(4, 1, 1)
    affines[1, 1] = 0.0
    affines[2, 0, 0] = math.nan
    affines[3, 0, 2] = math.inf
    got = heatmap_decode(maps, affines=affines.to(device))
    assert got.coords[0].isfinite().all() and got.coords[1:].isnan().all()
    assert got.scores.isfinite().all()


def test_empty_coord_is_a_heatmap_position(device):
    maps = torch.full((1, 1, 8, 8), -1.0, device=device)
    affines = torch.tensor([[[2.0, 0.0, 10.0], [0.0, 4.0, 20.0]]], device=device)
    got = heatmap_decode(maps, affines=affines, input_size=(32, 32), empty_coord=-1.0)
    assert got.coords.flatten().tolist() == [-7.0, -6.0]
    assert heatmap_decode(maps, affines=affines, empty_coord=math.nan).coords.isnan().all()


@settings(max_examples=60, deadline=None)
@given(
    data=st.data(),
    refine=st.sampled_from(("none", "quarter", "quarter_mmpose", "parabola")),
    dtype=st.sampled_from(FLOATS),
    layout=st.sampled_from(LAYOUTS),
    convention=st.sampled_from(("msra", "udp", "half_pixel", "edge")),
    shift=st.booleans(),
)
def test_any_options_equal_the_definition(data, refine, dtype, layout, convention, shift):
    height, width = data.draw(st.integers(2, 9)), data.draw(st.integers(2, 9))
    values = st.one_of(st.floats(-2, 2, width=16), st.sampled_from([math.nan, math.inf, -math.inf, 0.0, 1.0]))
    maps, flipped = (
        torch.tensor(data.draw(st.lists(values, min_size=2 * height * width, max_size=2 * height * width)))
        .view(1, 2, height, width)
        .to(dtype)
        for _ in range(2)
    )
    affines = torch.tensor([[[0.7, 0.2, 3.0], [-0.1, 0.5, -4.0]]])
    options = {
        "refine": refine,
        "flipped": flipped,
        "flip_pairs": ((0, 1),),
        "shift": shift,
        "affines": affines,
    }
    options |= {"input_size": (31, 17), "convention": convention}
    if refine == "none":
        options["offsets"] = torch.linspace(-1, 1, 4 * height * width).view(1, 4, height, width)
    got = heatmap_decode(layouts(maps)[layout], **options)
    want = as_defined(maps, **options)
    assert_same(got.scores, want[1], rtol=0, atol=0)
    assert_same(got.coords, want[0], rtol=1e-5, atol=1e-4)


# ---- the machinery -----------------------------------------------------------------------------------------------


def everything(generator, device="cpu", dtype=torch.float32):
    maps, flipped, offsets, flipped_offsets, affines = crops(generator, dtype=dtype)
    tensors = to(device, flipped=flipped, offsets=offsets, flipped_offsets=flipped_offsets, affines=affines)
    options = {"refine": "none", "flip_pairs": PAIRS, "shift": True, "input_size": (96, 72)}
    return maps.to(device), tensors, options


def test_empty_batch(device, generator):
    maps, tensors, options = everything(generator, device)
    got = heatmap_decode(maps[:0], **options, **{key: value[:0] for key, value in tensors.items()})
    assert got.coords.shape == (0, 5, 2) and got.scores.shape == (0, 5)


def test_compiles_without_graph_breaks(device, generator):
    maps, tensors, options = everything(generator, device)
    names = list(tensors)

    def decode(m, *rest):
        return heatmap_decode(m * 2, **options, **dict(zip(names, rest, strict=True)))

    assert_compiles(decode, maps, *tensors.values())


def test_exports(generator):
    maps, tensors, _ = everything(generator)

    class Module(torch.nn.Module):
        def forward(self, maps, flipped, affines):
            return heatmap_decode(
                maps, flipped=flipped, affines=affines, flip_pairs=PAIRS, input_size=(96, 72)
            ).coords

    inputs = (maps, tensors["flipped"], tensors["affines"])
    program = torch.export.export(Module(), inputs)
    assert_same(program.module()(*inputs), Module()(*inputs))


def test_opcheck(device, generator):
    maps, tensors, _ = everything(generator, device)
    operator = torch.ops.pyposeops.heatmap_decode_to_image.default
    flat = [0, 3, 4, 1]
    options = (
        0,
        11,
        0.0,
        tensors["flipped"],
        flat,
        True,
        tensors["offsets"],
        tensors["flipped_offsets"],
        1.5,
    )
    torch.library.opcheck(operator, (maps, *options, tensors["affines"], 4.0, 4.0, 0.0, 0.0))
    torch.library.opcheck(
        operator, (maps, 3, 7, -1.0, None, [], False, None, None, 1.0, None, 1.0, 1.0, 0.0, 0.0)
    )


@pytest.mark.cuda
def test_cuda_graph_capture(generator):
    maps, tensors, options = everything(generator, "cuda")
    rest = {key: value for key, value in tensors.items() if key != "flipped"}
    assert_graph_captures(
        lambda m, f: heatmap_decode(m, flipped=f, **rest, **options), maps, tensors["flipped"]
    )


@pytest.mark.parametrize("isa", ISAS)
def test_every_instruction_set_gives_the_same_bits(tmp_path, generator, isa):
    expected = []
    for dtype in FLOATS:
        maps, tensors, options = everything(generator, dtype=dtype)
        for layout in LAYOUTS:
            expected.append((layouts(maps)[layout], tensors, options))
    expected = [(*case, *heatmap_decode(case[0], **case[1], **case[2])) for case in expected]
    torch.save(expected, tmp_path / "expected.pt")
    run_under_isa(
        isa,
        "import torch, pyposeops\n"
        f"assert pyposeops.build_info()['cpu_isa'] == '{isa}'\n"
        f"for maps, tensors, options, *want in torch.load({str(tmp_path / 'expected.pt')!r}):\n"
        "    got = pyposeops.heatmap_decode(maps, **tensors, **options)\n"
        "    torch.testing.assert_close(list(got), want, rtol=0, atol=0)\n",
    )


def test_numpy_in_numpy_out(generator):
    maps, tensors, options = everything(generator)
    want = heatmap_decode(maps, **tensors, **options)
    got = heatmap_decode(maps.numpy(), **{k: v.numpy() for k, v in tensors.items()}, **options)
    np.testing.assert_array_equal(got.coords, want.coords.numpy())


def test_inputs_are_not_written(device, generator):
    maps, tensors, options = everything(generator, device)
    before = {key: value.clone() for key, value in (tensors | {"maps": maps}).items()}
    heatmap_decode(maps, **tensors, **options)
    for key, value in (tensors | {"maps": maps}).items():
        assert torch.equal(value, before[key])


# ---- bad input ---------------------------------------------------------------------------------------------------

MAPS = torch.zeros(2, 3, 5, 4)
OFFSETS = torch.zeros(2, 6, 5, 4)
AFFINES = torch.zeros(2, 2, 3)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"flipped": MAPS[:1]}, ValueError, "flipped: expected the (B, K, H, W) of heatmaps, got (1, 3, 5, 4)"),
        ({"flipped": MAPS.half()}, TypeError, "flipped: expected dtype float32, got float16"),
        ({"flipped": MAPS, "flip_pairs": ((0, 3),)}, ValueError, "flip_pairs: expected joints from 0 to 2"),
        ({"flipped": MAPS, "flip_pairs": (0, 1)}, ValueError, "flip_pairs: expected pairs of joints"),
        ({"flip_pairs": ((0, 1),)}, ValueError, "flipped: expected the mirrored crops' maps"),
        ({"shift": True, "affines": AFFINES}, ValueError, "flipped: expected the mirrored crops' maps"),
        ({"flipped_offsets": OFFSETS}, ValueError, "flipped: expected the mirrored crops' maps"),
        ({"flipped": MAPS, "flipped_offsets": OFFSETS}, ValueError, "offsets: expected maps"),
        ({"refine": "udp_combined"}, ValueError, "offsets: expected maps with udp_combined"),
        ({"offset_scale": 2.0}, ValueError, "offsets: expected maps with udp_combined, flipped_offsets"),
        ({"offsets": OFFSETS}, ValueError, "refine: expected none or udp_combined with offsets, got quarter"),
        ({"offsets": MAPS, "refine": "none"}, ValueError, "offsets: expected (B, 2K, H, W) or (B, K, 2, H, W)"),
        ({"offsets": OFFSETS.view(2, 2, 3, 5, 4), "refine": "none"}, ValueError, "offsets: expected (B, 2K, H, W)"),
        ({"offsets": OFFSETS.int(), "refine": "none"}, TypeError, "offsets: expected dtype float32, float64"),
        ({"affines": AFFINES[:1]}, ValueError, "affines: expected (B, 2, 3), got (1, 2, 3)"),
        ({"affines": torch.zeros(2, 3, 3)}, ValueError, "affines: expected (B, 2, 3), got (2, 3, 3)"),
        ({"affines": AFFINES.half()}, TypeError, "affines: expected dtype float32, float64, got float16"),
        ({"input_size": 5}, ValueError, "input_size: expected (height, width), got 5"),
        ({"input_size": (0, 4)}, ValueError, "input_size: expected a height and width of at least 1, got (0, 4)"),
        ({"input_size": (1, 4), "convention": "udp"}, ValueError, "input_size: expected a height and width of"),
        ({"input_size": (8, 8), "convention": "corner"}, ValueError, "convention: expected one of msra, udp, "),
        ({"convention": "udp"}, ValueError, "input_size: expected (height, width) with convention='udp', got None"),
    ],
)  # fmt: skip
def test_bad_input_is_named(options, error, words):
    with pytest.raises(error) as caught:
        heatmap_decode(MAPS, **options)
    assert words in str(caught.value)


def test_rank_is_checked_before_the_options():
    with pytest.raises(ValueError, match=r"heatmaps: expected \(B, K, H, W\), got \(3, 5, 4\)"):
        heatmap_decode(MAPS[0], affines=AFFINES, input_size=(8, 8))
    with pytest.raises(ValueError, match="heatmaps: expected a height and width of at least 2"):
        heatmap_decode(torch.zeros(1, 1, 1, 4), input_size=(8, 8), convention="udp")
