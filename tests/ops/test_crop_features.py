"""crop_features against its definition, against slices, grid_sample and OpenCV, and at its corners."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import pyposeops
from pyposeops import crop_features, crop_origins, reference
from tests.op_contract import (
    FLOATS,
    ISAS,
    assert_compiles,
    assert_graph_captures,
    assert_same,
    layouts,
    run_under_isa,
)
from tests.property_tests import given, settings, st

SAMPLINGS = ("integer", "bilinear")
# Products of weights below 1 with values below 4, and sums of up to 5 windows: a few units in the last place. CUDA
# fuses products with sums.
CLOSE = {
    torch.float32: {"rtol": 1e-6, "atol": 2e-6},
    torch.float64: {"rtol": 1e-13, "atol": 1e-13},
    torch.float16: {"rtol": 2e-3, "atol": 1e-3},
    torch.bfloat16: {"rtol": 2e-2, "atol": 1e-2},
}


def random_pyramid(generator, batch=2, sizes=((3, 20, 15), (5, 10, 8), (2, 5, 4)), dtype=torch.float32):
    return [torch.randn(batch, *size, generator=generator, dtype=torch.float64).to(dtype) for size in sizes]


def random_centers(generator, *shape, size=(20, 15), margin=8.0):
    """On the map, and up to `margin` pixels off it."""
    spread = torch.tensor([size[1] + 2 * margin, size[0] + 2 * margin])
    return torch.rand(*shape, 2, generator=generator) * spread - margin


def slices_by_loop(level, centers, window, scale):
    """The windows of one image in NumPy, pixel by pixel, as the paper and specs describe them: whole pixels, zeros
    outside, the window's size scaled with the level."""
    channels, height, width = level.shape
    size = [max(1, math.floor(n * scale + 0.5)) for n in window]
    crops = np.zeros((len(centers), channels, *size), level.dtype)
    for k, (center_x, center_y) in enumerate(centers):
        first = []
        for center, length in ((center_y, size[0]), (center_x, size[1])):
            position = (center + 0.5) * scale - 0.5
            candidates = range(math.floor(position) - length, math.ceil(position) + 2)
            first.append(min(candidates, key=lambda n: abs(n + (length - 1) / 2 - position)))
        for row in range(size[0]):
            for column in range(size[1]):
                y, x = first[0] + row, first[1] + column
                if 0 <= y < height and 0 <= x < width:
                    crops[k, :, row, column] = level[:, y, x]
    return crops


def grid_sample_windows(features, centers, size):
    """Bilinear windows with grid_sample: (B, K, C, h, w)."""
    step_x = torch.arange(size[1], device=features.device) - (size[1] - 1) / 2
    step_y = torch.arange(size[0], device=features.device) - (size[0] - 1) / 2
    x = (centers[..., 0, None, None] + step_x).expand(*centers.shape[:2], *size)
    y = (centers[..., 1, None, None] + step_y[:, None]).expand(*centers.shape[:2], *size)
    height, width = features.shape[2:]
    grid = torch.stack([2 * x / (width - 1) - 1, 2 * y / (height - 1) - 1], -1).flatten(1, 2)
    crops = F.grid_sample(features, grid, align_corners=True)
    return crops.unflatten(2, (centers.shape[1], size[0])).transpose(1, 2)


def gradients(function, features, centers, upstream, sampling, **options):
    """Of the features, and with bilinear sampling of the centres."""
    levels = [level.clone(memory_format=torch.preserve_format).requires_grad_() for level in features]
    points = centers.clone().requires_grad_()
    wanted = [*levels, points] if sampling == "bilinear" else levels
    crops = function(levels, points, sampling=sampling, **options)
    return torch.autograd.grad(crops, wanted, upstream)


@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("alignment", ["half_pixel", "origin"])
@pytest.mark.parametrize("window", [(7, 7), (4, 6), (1, 1), (45, 3)])
def test_equals_definition_in_every_layout(device, generator, sampling, alignment, window):
    pyramid = random_pyramid(generator)
    centers = random_centers(generator, 2, 6)
    options = {"sampling": sampling, "alignment": alignment}
    want = reference.crop_features(pyramid, centers, window, **options)
    stored = [layouts(level.to(device)) for level in pyramid]
    for name in stored[0]:
        got = crop_features([level[name] for level in stored], centers.to(device), window, **options)
        assert_same(got, want, **CLOSE[torch.float32])
        innermost = name == "channels_last"
        assert all(crop.flatten(0, 1).is_contiguous() != innermost for crop in got if crop.shape[3] > 1)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("channels_last", [False, True])
def test_every_dtype_forward_and_gradient(device, generator, dtype, sampling, channels_last):
    layout = torch.channels_last if channels_last else torch.contiguous_format
    pyramid = [level.contiguous(memory_format=layout) for level in random_pyramid(generator, dtype=dtype)]
    centers = random_centers(generator, 2, 5)
    want = reference.crop_features(pyramid, centers, (6, 5), sampling=sampling)
    got = crop_features([x.to(device) for x in pyramid], centers.to(device), (6, 5), sampling=sampling)
    assert_same(got, want, **CLOSE[dtype])
    upstream = [torch.randn(c.shape, generator=generator, dtype=torch.float64).to(dtype) for c in want]
    found = gradients(
        crop_features,
        [x.to(device) for x in pyramid],
        centers.to(device),
        [g.to(device) for g in upstream],
        sampling,
        window=(6, 5),
    )
    exact = gradients(
        reference.crop_features,
        [x.double() for x in pyramid],
        centers.double(),
        [g.double() for g in upstream],
        sampling,
        window=(6, 5),
    )
    for one, other in zip(found[:3], exact[:3], strict=True):
        assert one.dtype == dtype
        assert_same(one.double(), other, **CLOSE[dtype])
    if sampling == "bilinear":  # sums over channels and pixels; features and gradients are exact in both
        assert_same(found[3].double(), exact[3], rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("window", [(5, 5), (4, 6)])
def test_equals_slices_taken_pixel_by_pixel(device, generator, window):
    pyramid = random_pyramid(generator, batch=1)
    centers = random_centers(generator, 1, 12)
    got = crop_features(
        [level.to(device) for level in pyramid], centers.to(device), window, level_scale=[1, 0.5, 0.25]
    )
    for level, crops, scale in zip(pyramid, got, (1, 0.5, 0.25), strict=True):
        want = slices_by_loop(level[0].numpy(), centers[0].double().numpy(), window, scale)
        assert np.array_equal(crops[0].cpu().numpy(), want)


@pytest.mark.parametrize("size", [5, 6])
def test_whole_pixel_centre_gives_the_usual_slice(size):
    level = torch.rand(1, 2, 20, 20)
    got = crop_features(level, torch.tensor([[[9, 7]]]), size)
    top, left = 7 - size // 2, 9 - size // 2
    assert torch.equal(got[0, 0], level[0, :, top : top + size, left : left + size])


def test_of_two_equally_near_windows_the_one_of_lower_index():
    level = torch.arange(10.0).view(1, 1, 1, 10)
    got = crop_features(level, torch.tensor([[[4.5, 0.0], [4.49, 0.0], [4.51, 0.0]]]), (1, 3))
    assert got[0, :, 0, 0].tolist() == [[3, 4, 5], [3, 4, 5], [4, 5, 6]]


@pytest.mark.parametrize("size", [(5, 5), (4, 6)])
def test_bilinear_equals_grid_sample_with_both_gradients(device, generator, size):
    features = torch.randn(2, 3, 12, 10, generator=generator, dtype=torch.float64).to(device)
    centers = random_centers(generator, 2, 7, size=(12, 10), margin=5).double().to(device)
    results = []
    for function in (grid_sample_windows, lambda f, c, s: crop_features(f, c, s, sampling="bilinear")):
        level, points = features.clone().requires_grad_(), centers.clone().requires_grad_()
        crops = function(level, points, size)
        upstream = torch.linspace(-1, 1, crops.numel(), dtype=torch.float64, device=device)
        grads = torch.autograd.grad(crops, (level, points), upstream.view(crops.shape))
        results.append((crops, *grads))
    assert_same(results[1], results[0], rtol=1e-9, atol=1e-10)


def test_bilinear_equals_opencv_inside_the_map(generator):
    cv2 = pytest.importorskip("cv2")
    level = torch.rand(1, 1, 30, 40, generator=generator)
    for x, y in ((10.3, 12.75), (20.5, 15.0), (17.125, 9.9)):
        for size in ((7, 5), (6, 4)):
            got = crop_features(level, torch.tensor([[[x, y]]]), size, sampling="bilinear")
            want = cv2.getRectSubPix(level[0, 0].numpy(), size[::-1], (x, y))
            np.testing.assert_allclose(got[0, 0, 0].numpy(), want, atol=2e-6)


def test_bilinear_at_whole_pixels_is_the_integer_window(device, generator):
    (level,) = random_pyramid(generator, sizes=((3, 20, 15),))
    centers = random_centers(generator, 2, 9).round().to(device)
    integer = crop_features(level.to(device), centers, 5)
    assert torch.equal(crop_features(level.to(device), centers, 5, sampling="bilinear"), integer)


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_all_levels_show_the_same_part_of_the_picture(sampling):
    """Each level holds the picture's own coordinates, as average pooling leaves them."""
    full = torch.stack(torch.meshgrid(torch.arange(64.0), torch.arange(48.0), indexing="ij")[::-1])[None]
    pyramid = [full, F.avg_pool2d(full, 2), F.avg_pool2d(full, 4)]
    centers = torch.tensor([[[21.3, 30.6], [24.0, 33.0]]])
    for crops, pixel in zip(crop_features(pyramid, centers, 16, sampling=sampling), (1, 2, 4), strict=True):
        assert crops.shape[3:] == (16 // pixel, 16 // pixel)
        error = (crops.mean((3, 4)) - centers).abs().max()
        assert error <= (0.5 * pixel if sampling == "integer" else 1e-5)


@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("alignment", ["half_pixel", "origin"])
def test_origins_say_where_a_window_begins(sampling, alignment):
    ramp = torch.stack(torch.meshgrid(torch.arange(64.0), torch.arange(48.0), indexing="ij")[::-1])[None]
    centers = torch.tensor([[[21.3, 30.6], [24.0, 33.0]]])
    options = {"sampling": sampling, "alignment": alignment, "level_scale": 0.75}
    crops = crop_features(ramp, centers, (9, 6), **options)
    origins = crop_origins(centers, (9, 6), **options)
    torch.testing.assert_close(crops[..., 0, 0], origins, rtol=0, atol=1e-5)


def test_centres_without_a_place_give_zeros_and_no_gradient(device):
    lost = [math.nan, math.inf, -math.inf, 1e30, -(2.0**29), 2.0**31]
    centers = torch.tensor([[[x, 3.0] for x in lost] + [[3.0, x] for x in lost]], device=device)
    for sampling in SAMPLINGS:
        level = torch.ones(1, 2, 8, 8, device=device, requires_grad=True)
        points = centers.clone().requires_grad_()
        crops = crop_features(level, points, 3, sampling=sampling)
        crops.sum().backward()
        assert not crops.any() and not level.grad.any()
        assert points.grad is None or not points.grad.any()


def test_not_finite_features_stay_in_their_windows(device):
    level = torch.zeros(1, 1, 9, 9, device=device)
    level[0, 0, 4, 4] = math.nan
    level[0, 0, 0, 0] = math.inf
    got = crop_features(level, torch.tensor([[[4.0, 4.0], [1.0, 1.0], [7.0, 1.0]]], device=device), 3)
    assert got[0, 0, 0].isnan().sum() == 1 and got[0, 0, 0, 1, 1].isnan()
    assert got[0, 1, 0].isinf().sum() == 1 and not got[0, 2].any()


@pytest.mark.parametrize("dtype", [torch.int32, torch.int64, torch.float16, torch.bfloat16, torch.float64])
def test_centres_of_any_kind(device, generator, dtype):
    (level,) = random_pyramid(generator, sizes=((3, 20, 15),))
    centers = random_centers(generator, 2, 4).round()
    got = crop_features(level.to(device), centers.to(device, dtype), 4)
    assert_same(got, crop_features(level, centers, 4))
    transposed = centers.transpose(0, 1).contiguous().transpose(0, 1).to(device, dtype)
    assert_same(crop_features(level.to(device), transposed, 4), got)


@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("joints", [1, 40, 150])
def test_gradient_of_many_overlapping_windows(device, generator, sampling, channels_last, joints):
    layout = torch.channels_last if channels_last else torch.contiguous_format
    pyramid = [
        level.double().contiguous(memory_format=layout).to(device)
        for level in random_pyramid(generator, sizes=((6, 40, 15), (5, 10, 8)))
    ]
    centers = random_centers(generator, 2, joints, size=(40, 15)).double().to(device)
    upstream = [
        torch.randn(2, joints, 6, 7, 5, generator=generator, dtype=torch.float64).to(device),
        torch.randn(2, joints, 5, 2, 3, generator=generator, dtype=torch.float64).to(device),
    ]
    options = {"sampling": sampling, "window": (7, 5)}
    found = gradients(crop_features, pyramid, centers, upstream, **options)
    assert_same(
        found,
        gradients(reference.crop_features, pyramid, centers, upstream, **options),
        rtol=1e-9,
        atol=1e-10,
    )
    assert all(g.is_contiguous(memory_format=layout) for g in found[:2])


@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("channels_last", [False, True])
def test_windows_and_maps_larger_than_a_tile(device, generator, sampling, channels_last):
    """The CPU works on tiles of 8192 and stretches of 16384 elements."""
    layout = torch.channels_last if channels_last else torch.contiguous_format
    level = torch.randn(1, 3, 150, 190, generator=generator, dtype=torch.float64)
    level = level.contiguous(memory_format=layout).to(device)
    centers = torch.tensor([[[95.3, 70.2], [20.0, 140.7], [180.5, 4.4]]], dtype=torch.float64, device=device)
    options = {"sampling": sampling, "window": (120, 110)}
    want = reference.crop_features(level, centers, **options)
    assert_same(crop_features(level, centers, **options), want, **CLOSE[torch.float64])
    upstream = [torch.randn(want.shape, generator=generator, dtype=torch.float64).to(device)]
    found = gradients(crop_features, [level], centers, upstream, **options)
    exact = gradients(reference.crop_features, [level], centers, upstream, **options)
    assert_same(found, exact, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_gradients_arrive_in_any_layout(device, generator, sampling, channels_last, dtype):
    layout = torch.channels_last if channels_last else torch.contiguous_format
    pyramid = [x.contiguous(memory_format=layout).to(device) for x in random_pyramid(generator, dtype=dtype)]
    centers = random_centers(generator, 2, 4).to(device)
    sizes = [tuple(c.shape) for c in crop_features(pyramid, centers, 5)]
    dense = [torch.randn(size, generator=generator).to(device, dtype) for size in sizes]
    want = gradients(crop_features, pyramid, centers, dense, sampling, window=5)
    innermost = [g.movedim(2, 4).contiguous().movedim(4, 2) for g in dense]
    spaced = [torch.stack([g, g], -1)[..., 0] for g in dense]
    for upstream in (innermost, spaced):
        assert_same(gradients(crop_features, pyramid, centers, upstream, sampling, window=5), want)
    constant = [g.new_ones(()).expand(g.shape) for g in dense]
    ones = [torch.ones_like(g) for g in dense]
    assert_same(
        gradients(crop_features, pyramid, centers, constant, sampling, window=5),
        gradients(crop_features, pyramid, centers, ones, sampling, window=5),
    )


def test_the_same_bits_for_any_number_of_threads(generator):
    pyramid, centers = random_pyramid(generator, batch=5), random_centers(generator, 5, 17)
    upstream = [torch.randn(5, 17, c, n, n, generator=generator) for c, n in ((3, 8), (5, 4), (2, 2))]
    threads, results = torch.get_num_threads(), []
    try:
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            results.append(gradients(crop_features, pyramid, centers, upstream, "bilinear", window=8))
    finally:
        torch.set_num_threads(threads)
    assert all(torch.equal(a, b) for other in results[1:] for a, b in zip(results[0], other, strict=True))


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_gradcheck_twice(device, generator, sampling):
    pyramid = [
        torch.randn(1, 2, *size, generator=generator, dtype=torch.float64).to(device).requires_grad_()
        for size in ((6, 5), (3, 3))
    ]
    centers = torch.tensor([[[1.3, 2.7], [4.2, 0.6], [-0.7, 4.4]]], dtype=torch.float64, device=device)
    bilinear = sampling == "bilinear"
    centers.requires_grad_(bilinear)

    def crop(fine, coarse, points=centers):
        return crop_features([fine, coarse], points, (3, 2), sampling=sampling)

    inputs = (*pyramid, centers) if bilinear else tuple(pyramid)
    assert torch.autograd.gradcheck(crop, inputs)
    assert torch.autograd.gradgradcheck(crop, inputs)


def test_only_the_wanted_gradients(generator):
    (level,) = random_pyramid(generator, sizes=((3, 20, 15),))
    centers = random_centers(generator, 2, 4).requires_grad_()
    assert not crop_features(level, centers, 3).requires_grad
    crop_features(level, centers, 3, sampling="bilinear").square().sum().backward()
    assert centers.grad.any() and level.grad is None
    whole = crop_features(level.clone().requires_grad_(), centers, 3)
    (to_centers,) = torch.autograd.grad(whole.sum(), centers, allow_unused=True)
    assert to_centers is None


@pytest.mark.parametrize("shape", [(0, 3), (2, 0)])
@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_no_images_and_no_joints(device, shape, sampling):
    level = torch.ones(shape[0], 4, 8, 6, device=device, requires_grad=True)
    centers = torch.zeros(*shape, 2, device=device, requires_grad=True)
    crops = crop_features(level, centers, 3, sampling=sampling)
    assert crops.shape == (*shape, 4, 3, 3)
    crops.sum().backward()
    assert level.grad.shape == level.shape and not level.grad.any()


@pytest.mark.parametrize("size", [(0, 4, 4), (2, 0, 4), (2, 1, 1)])
def test_levels_without_channels_or_pixels(device, size):
    level = torch.ones(1, *size, device=device, requires_grad=True)
    crops = crop_features(level, torch.zeros(1, 2, 2, device=device), 3)
    assert crops.shape == (1, 2, size[0], 3, 3)
    assert crops.sum() == (4 if size == (2, 1, 1) else 0)
    crops.sum().backward()
    assert level.grad.shape == level.shape


@settings(max_examples=60, deadline=None)
@given(
    x=st.floats(-40, 40, width=32),
    y=st.floats(-1e6, 1e6, width=32) | st.floats(-30, 30, width=32),
    height=st.integers(1, 9),
    width=st.integers(1, 40),
    scale=st.sampled_from([1.0, 0.5, 1 / 3, 2.0, 0.1]),
    sampling=st.sampled_from(SAMPLINGS),
    alignment=st.sampled_from(["half_pixel", "origin"]),
)
def test_any_window_equals_definition(x, y, height, width, scale, sampling, alignment):
    level = torch.arange(77.0).view(1, 1, 11, 7)
    options = {"level_scale": scale, "sampling": sampling, "alignment": alignment}
    arguments = (level, torch.tensor([[[x, y]]]), (height, width))
    assert_same(
        crop_features(*arguments, **options),
        reference.crop_features(*arguments, **options),
        rtol=1e-6,
        atol=1e-4,
    )


# ---- the machinery -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels_last", [False, True])
def test_opcheck(device, generator, channels_last):
    layout = torch.channels_last if channels_last else torch.contiguous_format
    pyramid = [level.contiguous(memory_format=layout).to(device) for level in random_pyramid(generator)]
    centers = random_centers(generator, 2, 4).to(device)
    windows, scales = [6, 5, 3, 2, 2, 1], [1.0, 1.0, 0.5, 0.5, 0.25, 0.25]
    ops = torch.ops.pyposeops
    torch.library.opcheck(ops.crop_features.default, (pyramid, centers, windows, scales, True, True))
    crops = ops.crop_features(pyramid, centers, windows, scales)
    sizes = [n for level in pyramid for n in level.shape[2:]]
    innermost = [channels_last] * 3
    torch.library.opcheck(
        ops.crop_features_backward.default, (crops, centers, sizes, innermost, scales, True, False)
    )
    torch.library.opcheck(ops.crop_features_center_gradient.default, (pyramid, crops, centers, scales, True))


def test_compiles_with_gradient(generator):
    pyramid, centers = random_pyramid(generator), random_centers(generator, 2, 4)

    def loss(levels, points):
        return sum(crop.square().sum() for crop in crop_features(levels, points, 5, sampling="bilinear"))

    torch._dynamo.reset()
    found = []
    for function in (loss, torch.compile(loss, fullgraph=True, backend="aot_eager")):
        levels, points = [x.clone().requires_grad_() for x in pyramid], centers.clone().requires_grad_()
        found.append(torch.autograd.grad(function(levels, points), [*levels, points]))
    assert_same(found[1], found[0])
    assert_compiles(lambda f, c: crop_features(f, c, (5, 4)), pyramid[0], centers)


@pytest.mark.cuda
@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_cuda_graph_capture(generator, sampling):
    pyramid = [level.cuda() for level in random_pyramid(generator)]
    centers = random_centers(generator, 2, 4).cuda()

    def crops(first, points):
        return crop_features([first, *pyramid[1:]], points, 5, sampling=sampling)

    assert_graph_captures(crops, pyramid[0], centers)


@pytest.mark.parametrize("isa", ISAS)
def test_every_instruction_set_equals_definition(isa):
    run_under_isa(
        isa,
        "import torch, pyposeops\n"
        f"assert pyposeops.build_info()['cpu_isa'] == '{isa}'\n"
        "g = torch.Generator().manual_seed(0)\n"
        "f = torch.randn(2, 9, 20, 15, generator=g); c = torch.rand(2, 5, 2, generator=g) * 24 - 4\n"
        "for sampling in ('integer', 'bilinear'):\n"
        "    for dtype, bound in ((torch.float32, 1e-5), (torch.float16, 1e-2), (torch.bfloat16, 8e-2)):\n"
        "        for layout in (torch.contiguous_format, torch.channels_last):\n"
        "            results = []\n"
        "            for op in (pyposeops.crop_features, pyposeops.reference.crop_features):\n"
        "                x = f.to(dtype).contiguous(memory_format=layout).requires_grad_()\n"
        "                y = op(x, c, (9, 9), sampling=sampling)\n"
        "                results.append((y, torch.autograd.grad(y, x, y.detach())[0]))\n"
        "            for a, b in zip(*results):\n"
        "                assert (a.float() - b.float()).abs().max() <= bound * 8\n",
    )


def test_arrays_and_lists_of_arrays(generator):
    pyramid, centers = random_pyramid(generator), random_centers(generator, 2, 4)
    want = crop_features(pyramid, centers, 5)
    got = crop_features([level.numpy() for level in pyramid], centers.numpy(), 5)
    assert isinstance(got, tuple)
    for one, other in zip(got, want, strict=True):
        assert np.array_equal(one, other.numpy())
    one = crop_features(pyramid[0].numpy(), centers.numpy(), 5)
    assert isinstance(one, np.ndarray) and np.array_equal(one, want[0].numpy())


FEATURES, CENTERS = torch.zeros(2, 3, 8, 6), torch.zeros(2, 4, 2)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"features": torch.zeros(3, 8, 6)}, ValueError, r"features: expected \(B, C, H, W\)"),
        ({"features": torch.zeros(3, 3, 8, 6)}, ValueError, r"features: expected \(B, C, H, W\)"),
        ({"features": []}, ValueError, "features: expected 1 to 8 levels, got 0"),
        ({"features": [FEATURES] * 9}, ValueError, "features: expected 1 to 8 levels, got 9"),
        ({"features": FEATURES.int()}, TypeError, "features"),
        (
            {"features": [FEATURES, FEATURES.double()]},
            TypeError,
            "features: expected dtype float32, got float64",
        ),
        ({"centers": torch.zeros(4, 2)}, ValueError, r"centers: expected \(B, K, 2\)"),
        ({"centers": torch.zeros(2, 4, 3)}, ValueError, r"centers: expected \(B, K, 2\)"),
        ({"centers": CENTERS.bool()}, TypeError, "centers"),
        ({"window": 0}, ValueError, "window: expected at least 1 pixel, got 0"),
        ({"window": (3, -1)}, ValueError, "window: expected at least 1 pixel"),
        ({"window": (3, 3, 3)}, ValueError, r"window: expected a number of pixels or \(height, width\)"),
        ({"window": 1.5}, ValueError, "window: expected a number of pixels"),
        ({"level_scale": 0.0}, ValueError, "level_scale: expected finite numbers above 0"),
        (
            {"level_scale": [1.0, math.nan], "features": [FEATURES] * 2},
            ValueError,
            "level_scale: expected finite",
        ),
        ({"level_scale": [1.0, 0.5]}, ValueError, "level_scale: expected one per level, 1, got 2"),
        ({"sampling": "nearest"}, ValueError, "sampling: expected one of integer, bilinear"),
        ({"alignment": "corner"}, ValueError, "alignment: expected one of origin, half_pixel"),
    ],
)
def test_wrong_arguments_are_named(change, error, message):
    arguments = {"features": FEATURES, "centers": CENTERS, "window": 3, **change}
    with pytest.raises(error, match=message):
        crop_features(**arguments)


@pytest.mark.cuda
def test_tensors_on_different_devices_are_refused():
    with pytest.raises((ValueError, RuntimeError), match="device"):
        crop_features(FEATURES.cuda(), CENTERS, 3)


@pytest.mark.parametrize(
    "change", [{"centers": torch.zeros(4, 2)}, {"window": 0}, {"level_scale": -1.0}, {"sampling": "x"}]
)
def test_wrong_arguments_of_origins_are_named(change):
    (name,) = change
    with pytest.raises(ValueError, match=name):
        pyposeops.crop_origins(**{"centers": CENTERS, "window": 3, **change})
