"""heatmap_decode against its definition, against the published decoders, and at its corners."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import pyposeops
from benchmarks.alternatives.heatmap_decode import PUBLISHED
from pyposeops import heatmap_decode, reference
from pyposeops.reference.peak_refine import gaussian_taps
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

REFINES = ("none", "quarter", "quarter_mmpose", "dark", "dark_udp", "parabola")
NEWTON = ("dark", "dark_udp")
LAYOUTS = ("contiguous", "channels_last", "strided", "transposed")
# Scores are copies. Steps divide differences of logarithms, each within 2e-7, by curvatures around 1/8: 1e-5 of a
# step, and with noise on the maps now and then ten times that.
FLOAT32 = {"rtol": 0.0, "atol": 2e-4}
FLOAT64 = {"rtol": 1e-9, "atol": 1e-9}


def gaussians(generator, shape, *, sigma=2.0, noise=0.0, margin=0.0, dtype=torch.float64):
    """Maps (B, K, H, W) with one un-rounded Gaussian each, and the true centres."""
    *lead, height, width = shape
    room = torch.tensor([width - 1.0, height - 1.0]) - 2 * margin
    centres = torch.rand(*lead, 2, generator=generator).double() * room + margin
    x = torch.arange(width) - centres[..., 0, None]
    y = torch.arange(height) - centres[..., 1, None]
    maps = torch.exp(-(x[..., None, :] ** 2 + y[..., None] ** 2) / (2 * sigma**2))
    return (maps + noise * torch.randn(shape, generator=generator)).to(dtype), centres


def decode_as_defined(maps, **options):
    """The definition on the stored values, computed in float64, rounded like our output."""
    coords, scores = reference.heatmap_decode(maps.cpu().double(), **options)
    dtype = torch.float64 if maps.dtype == torch.float64 else torch.float32
    return coords.to(dtype), scores.to(dtype)


# ---- values ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("refine", REFINES)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", FLOATS)
def test_equals_definition(device, generator, refine, layout, dtype):
    maps, _ = gaussians(generator, (3, 5, 24, 18), noise=0.01, dtype=dtype)
    got = heatmap_decode(layouts(maps.to(device))[layout], refine=refine)
    tolerance = FLOAT64 if dtype == torch.float64 else FLOAT32
    assert_same(got, decode_as_defined(maps, refine=refine), **tolerance)


def hard_maps(generator, kind, shape=(2, 6, 20, 23)):
    """Maps on which smoothing, scaling and clipping interact."""
    noise = torch.randn(shape, generator=generator).double()
    if kind == "noise":  # of both signs: some of the smoothed values are negative
        return noise
    if kind == "faint":  # maxima around the lower clip of dark_udp
        return noise * 1e-3
    if kind == "bright":  # maxima around its upper clip
        return gaussians(generator, shape)[0] * 60 + noise
    if kind == "vanishing":  # maxima around the clip of dark
        return noise.abs() * 1e-10
    assert kind == "spike beside a hill"  # the smoothed map has its maximum elsewhere
    hill, _ = gaussians(generator, shape, sigma=4.0)
    maps = 0.8 * hill - 0.05
    rows = torch.randint(0, shape[2], shape[:2], generator=generator)
    columns = torch.randint(0, shape[3], shape[:2], generator=generator)
    maps.flatten(2).scatter_(2, (rows * shape[3] + columns)[..., None], 1.0)
    return maps


HARD = ("noise", "faint", "bright", "vanishing", "spike beside a hill")


@pytest.mark.parametrize("kind", HARD)
@pytest.mark.parametrize("blur_kernel", [3, 5, 7, 9, 11, 17, 63])
@pytest.mark.parametrize("refine", NEWTON)
@pytest.mark.parametrize("layout", ["contiguous", "channels_last"])
def test_smoothing_around_the_peak_equals_smoothing_the_map(
    device, generator, kind, blur_kernel, refine, layout
):
    maps = hard_maps(generator, kind)
    options = {"refine": refine, "blur_kernel": blur_kernel}
    got = heatmap_decode(layouts(maps.to(device))[layout], **options)
    assert_same(got, reference.heatmap_decode(maps, **options), **FLOAT64)


@pytest.mark.parametrize("refine", NEWTON)
@pytest.mark.parametrize("size", [(5, 200), (90, 70), (130, 6), (64, 64), (65, 129)])
def test_maximum_of_the_smoothed_map_is_found_anywhere(device, generator, refine, size):
    """A spike beside negative values is read with some values clipped; a hill at a random place sets the scale."""
    maps, _ = gaussians(generator, (4, 8, *size), sigma=3.0)
    maps *= torch.rand(4, 8, 1, 1, generator=generator) * 0.5 + 0.4
    maps[..., :5, :3], maps[..., :5, 3:6], maps[..., 2, 2] = 1e-3, -0.6, 1.0
    options = {"refine": refine, "blur_kernel": 3}
    got = heatmap_decode(maps.to(device), **options)
    assert_same(got, reference.heatmap_decode(maps, **options), **FLOAT64)
    without_hill = heatmap_decode(maps[..., :5, :6].to(device), **options)
    assert (without_hill.coords - got.coords).abs().amax(-1).min() > 1e-4


@pytest.mark.parametrize("refine", NEWTON)
@pytest.mark.parametrize("size", [(40, 20), (40, 70)])
def test_smoothed_values_off_the_map_do_not_count(device, refine, size):
    """A bright line on the border with a dark one inside it would be brightest off the map once smoothed."""
    maps = torch.zeros(1, 2, *size, dtype=torch.float64)
    maps[..., 5, 6], maps[..., 3:8, 7:10] = 1.0, -0.2
    maps[0, 0, 15:, -1], maps[0, 0, 15:, -2] = 0.9, -0.9
    maps[0, 1, -1], maps[0, 1, -2] = 0.9, -0.9
    options = {"refine": refine, "blur_kernel": 5}
    got = heatmap_decode(maps.to(device), **options)
    assert_same(got, reference.heatmap_decode(maps, **options), **FLOAT64)


@pytest.mark.parametrize("kind", [*HARD, "gaussians"])
@pytest.mark.parametrize("refine", sorted(PUBLISHED))
@pytest.mark.parametrize("blur_kernel", [3, 7, 11, 25])
def test_equals_published_code(generator, kind, refine, blur_kernel):
    pytest.importorskip("cv2")
    maps, _ = gaussians(generator, (4, 17, 64, 48), noise=0.02)
    if kind in HARD:
        maps = hard_maps(generator, kind)
    options = {"blur_kernel": blur_kernel} if refine in NEWTON else {}
    want_coords, want_scores = PUBLISHED[refine](maps.numpy(), **options)
    got = heatmap_decode(maps, refine=refine, **options)
    np.testing.assert_array_equal(got.scores, want_scores)
    # The published code keeps coordinates in float32.
    np.testing.assert_allclose(got.coords, want_coords, rtol=2e-6, atol=1e-5)


@pytest.mark.parametrize("refine", ["quarter", "quarter_mmpose", "dark", "dark_udp"])
def test_peak_on_every_pixel_follows_the_published_border_rules(device, generator, refine):
    pytest.importorskip("cv2")
    height, width = 8, 7
    maps = torch.rand(height * width, 1, height, width, generator=generator).double() * 0.4 + 0.3
    maps.view(height * width, -1).fill_diagonal_(1.0)
    want, _ = PUBLISHED[refine](maps.numpy())
    got = heatmap_decode(maps.to(device), refine=refine).coords.cpu().numpy()
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("refine", "mean", "largest"),
    [("none", 0.251, 0.5), ("quarter", 0.126, 0.25), ("dark", 0.0001, 0.0003), ("dark_udp", 0.0, 0.0),
     ("parabola", 0.0, 0.0)],
)  # fmt: skip
def test_error_on_gaussians_without_noise(device, generator, refine, mean, largest):
    """The known accuracy of each decoder for sigma 2 on a 64 x 48 map, in heatmap pixels, joints off the border."""
    maps, centres = gaussians(generator, (4000, 1, 64, 48), margin=12, dtype=torch.float32)
    error = (heatmap_decode(maps.to(device), refine=refine).coords.cpu() - centres).abs()
    assert error.mean().item() == pytest.approx(mean, rel=0.03, abs=5e-5)
    assert error.max().item() == pytest.approx(largest, rel=0.01, abs=5e-5)


def test_smoothing_kernels_are_those_of_opencv():
    cv2 = pytest.importorskip("cv2")
    for size in range(3, 64, 2):
        np.testing.assert_allclose(gaussian_taps(size), cv2.getGaussianKernel(size, 0).ravel(), rtol=1e-12)


# ---- the rules of the refinements --------------------------------------------------------------------------------


def test_quarter_offset_by_hand(device):
    maps = torch.zeros(1, 1, 7, 7)
    maps[0, 0, 3, 2] = 1.0
    maps[0, 0, 3, 3] = 0.5
    maps[0, 0, 2, 2] = maps[0, 0, 4, 2] = 0.25
    for refine in ("quarter", "quarter_mmpose"):
        assert heatmap_decode(maps.to(device), refine=refine).coords.flatten().tolist() == [2.25, 3.0]


def test_peak_on_border_gets_no_offset(device):
    maps = torch.zeros(4, 1, 7, 9)
    for sample, (x, y) in enumerate([(0, 3), (8, 3), (4, 0), (4, 6)]):
        maps[sample, 0, y, x] = 1.0
        maps[sample, 0, 3, 4] += 0.5
    for refine in ("quarter", "dark"):
        coords = heatmap_decode(maps.to(device), refine=refine).coords[:, 0].cpu()
        assert coords.tolist() == [[0, 3], [8, 3], [4, 0], [4, 6]]


@pytest.mark.parametrize("refine", REFINES)
def test_constant_map_is_decoded_at_its_first_pixel(device, refine):
    """dark_udp sees the smoothed map fall off toward the border and repeat itself beyond: half a pixel outward."""
    coords = heatmap_decode(torch.full((2, 3, 40, 40), 0.7, device=device), refine=refine).coords.cpu()
    assert_same(coords, torch.full((2, 3, 2), -0.5 if refine == "dark_udp" else 0.0), rtol=0, atol=1e-5)


def test_dark_udp_moves_a_peak_on_the_border_half_a_pixel_outward(device):
    maps = torch.zeros(2, 1, 9, 7)
    maps[0, 0, 4, 0] = maps[1, 0, 8, 3] = 1.0
    coords = heatmap_decode(maps.to(device), refine="dark_udp").coords.cpu()
    assert_same(coords, torch.tensor([[[-0.5, 4.0]], [[3.0, 8.5]]]), rtol=0, atol=1e-5)


@pytest.mark.parametrize("refine", NEWTON)
def test_flat_top_gives_a_singular_hessian_and_no_step(device, refine):
    """One last bit above a plateau: smoothing with 3 taps rounds it away, and all the values read are equal."""
    maps = torch.ones(1, 1, 12, 12)
    maps[0, 0, 6, 5] += torch.finfo(torch.float32).eps
    got = heatmap_decode(maps.to(device), refine=refine, blur_kernel=3)
    assert got.coords.flatten().tolist() == [5.0, 6.0]


@pytest.mark.parametrize("refine", NEWTON)
def test_map_without_positive_value_once_smoothed_is_not_refined(device, refine):
    maps = torch.full((1, 1, 12, 64), -1.0)
    maps[0, 0, 6, 5], maps[0, 0, 6, 4] = 1.0, 0.5
    got = heatmap_decode(maps.to(device), refine=refine)
    assert got.coords.flatten().tolist() == [5.0, 6.0]
    assert_same(got, reference.heatmap_decode(maps, refine=refine))


def test_newton_step_is_not_limited(device):
    x, y = torch.arange(30.0), torch.arange(30.0)[:, None]
    ridge = torch.exp(-((x - 20) ** 2) / 5000 - (y - 15) ** 2 / 8)
    ridge[15, 8] += 1e-3  # the first maximum, far from the ridge's own
    got = heatmap_decode((ridge * (x <= 12))[None, None].double().to(device), refine="dark", blur_kernel=3)
    assert abs(got.coords[0, 0, 0].item() - 8) > 2


@pytest.mark.parametrize("refine", REFINES)
def test_infinite_values(device, refine):
    maps = torch.rand(1, 3, 9, 9, generator=torch.Generator().manual_seed(3)).double()
    maps[0, 0, 4, 5] = math.inf
    maps[0, 1, 4, 4:7] = math.inf
    maps[0, 2, 4, 5] = 2.0
    maps[0, 2, 3, 5] = -math.inf
    got = heatmap_decode(maps.to(device), refine=refine)
    assert_same(got, reference.heatmap_decode(maps, refine=refine), **FLOAT64)
    assert got.coords.isfinite().all()
    if refine in (*NEWTON, "parabola"):
        assert got.coords[0, :2].tolist() == [[5, 4], [4, 4]]


def test_parabola_refines_each_axis_that_has_both_neighbours(device):
    line = torch.tensor([0.1, 0.5, 1.0, 0.7, 0.1])
    bend = math.log(0.5) + math.log(0.7)
    offset = 0.5 * (math.log(0.5) - math.log(0.7)) / bend
    row = heatmap_decode(line.view(1, 1, 1, 5).to(device), refine="parabola").coords.cpu().flatten()
    column = heatmap_decode(line.view(1, 1, 5, 1).to(device), refine="parabola").coords.cpu().flatten()
    assert row.tolist() == pytest.approx([2 + offset, 0.0], abs=1e-6)
    assert column.tolist() == pytest.approx([0.0, 2 + offset], abs=1e-6)


def test_parabola_between_two_equal_pixels_is_half_way(device):
    line = torch.tensor([0.2, 0.9, 0.9, 0.0, -5.0])
    coords = heatmap_decode(line.view(1, 1, 1, 5).to(device), refine="parabola").coords
    assert coords.flatten().tolist() == [1.5, 0.0]


@settings(max_examples=150, deadline=None)
@given(
    values=st.lists(
        st.one_of(
            st.floats(-2, 2, width=16),
            st.sampled_from([math.nan, math.inf, -math.inf, 0.0, -0.0, 6e-8, 1.0]),
        ),
        min_size=6,
        max_size=60,
    ),
    width=st.integers(1, 6),
    refine=st.sampled_from(REFINES),
    dtype=st.sampled_from(FLOATS),
    layout=st.sampled_from(LAYOUTS),
)
def test_any_map_equals_definition(values, width, refine, dtype, layout):
    rows = len(values) // width
    maps = torch.tensor(values[: rows * width]).view(1, 1, rows, width).to(dtype)
    got = heatmap_decode(layouts(maps)[layout], refine=refine, blur_kernel=3)
    want = decode_as_defined(maps, refine=refine, blur_kernel=3)
    assert torch.equal(got.scores.nan_to_num(9e9), want[1].nan_to_num(9e9))
    if refine in NEWTON and dtype != torch.float64:
        return  # a Hessian that is nearly singular makes anything of a rounding
    assert_same(got.coords, want[0], rtol=1e-6, atol=1e-6)


# ---- the machinery -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", FLOATS)
def test_output_dtypes_and_shapes(device, dtype):
    got = heatmap_decode(torch.rand(2, 3, 4, 5, device=device).to(dtype))
    wanted = torch.float64 if dtype == torch.float64 else torch.float32
    assert got.coords.dtype == got.scores.dtype == wanted
    assert got.coords.shape == (2, 3, 2) and got.scores.shape == (2, 3)
    assert got.coords.device == got.scores.device
    assert isinstance(got, pyposeops.Keypoints)


@pytest.mark.parametrize("shape", [(0, 3, 4, 5), (2, 0, 4, 5)])
@pytest.mark.parametrize("refine", REFINES)
def test_empty_batch_and_no_joints(device, shape, refine):
    got = heatmap_decode(torch.zeros(shape, device=device), refine=refine)
    assert got.coords.shape == (*shape[:2], 2) and got.scores.shape == shape[:2]


@pytest.mark.parametrize("refine", REFINES)
def test_one_pixel_maps(device, refine):
    maps = torch.tensor([[[[0.5]], [[-0.5]]]], device=device)
    got = heatmap_decode(maps, refine=refine, empty_coord=-2.0)
    assert got.coords.tolist() == [[[0, 0], [-2, -2]]]
    assert got.scores.tolist() == [[0.5, -0.5]]


@pytest.mark.parametrize("refine", REFINES)
def test_result_carries_no_gradient(device, refine):
    maps = torch.rand(1, 2, 8, 8, device=device, requires_grad=True)
    got = heatmap_decode(maps, refine=refine)
    assert not got.coords.requires_grad and not got.scores.requires_grad


def test_inputs_are_not_written(device, generator):
    maps, _ = gaussians(generator, (2, 3, 16, 16), dtype=torch.float32)
    maps = maps.to(device)
    before = maps.clone()
    for refine in REFINES:
        heatmap_decode(maps, refine=refine)
    assert torch.equal(maps, before)


@pytest.mark.parametrize("refine", REFINES)
def test_opcheck(device, generator, refine):
    maps, _ = gaussians(generator, (2, 3, 16, 12), dtype=torch.float32)
    operator = torch.ops.pyposeops.heatmap_decode.default
    for tensor in (maps.to(device), maps.to(device).contiguous(memory_format=torch.channels_last)):
        torch.library.opcheck(operator, (tensor, REFINES.index(refine), 7, -1.0))


@pytest.mark.parametrize("refine", REFINES)
def test_compiles_without_graph_breaks(device, generator, refine):
    maps, _ = gaussians(generator, (2, 3, 16, 12), dtype=torch.float32)
    assert_compiles(lambda m: heatmap_decode(m * 2, refine=refine), maps.to(device))


@pytest.mark.filterwarnings("ignore:There is a performance drop")
def test_vmap_loops_over_the_mapped_dimension(generator):
    maps, _ = gaussians(generator, (4, 2, 3, 16, 12), dtype=torch.float32)
    got = torch.vmap(lambda m: heatmap_decode(m, refine="dark").coords)(maps)
    assert torch.equal(got, torch.stack([heatmap_decode(m, refine="dark").coords for m in maps]))


def test_exports(generator):
    class Module(torch.nn.Module):
        def forward(self, maps):
            return heatmap_decode(maps, refine="dark").coords

    maps, _ = gaussians(generator, (2, 3, 16, 12), dtype=torch.float32)
    program = torch.export.export(Module(), (maps,))
    assert_same(program.module()(maps), Module()(maps))


@pytest.mark.cuda
@pytest.mark.parametrize("refine", REFINES)
def test_cuda_graph_capture(generator, refine):
    maps, _ = gaussians(generator, (2, 3, 16, 12), dtype=torch.float32)
    assert_graph_captures(lambda m: heatmap_decode(m, refine=refine), maps.cuda())


@pytest.mark.parametrize("isa", ISAS)
def test_every_instruction_set_gives_the_same_bits(tmp_path, generator, isa):
    """Sums have a fixed order and no fused multiply-adds; the tests above run with the best set there is."""
    maps = torch.randn(3, 17, 40, 70, generator=generator)
    maps[1, 3, 20, 20], maps[2] = -math.nan, -maps[2].abs()
    expected = [
        (tensor, refine, *heatmap_decode(tensor, refine=refine))
        for dtype in FLOATS
        for tensor in layouts(maps.to(dtype)).values()
        for refine in REFINES
    ]
    torch.save(expected, tmp_path / "expected.pt")
    run_under_isa(
        isa,
        "import torch, pyposeops\n"
        f"assert pyposeops.build_info()['cpu_isa'] == '{isa}'\n"
        f"for tensor, refine, *want in torch.load({str(tmp_path / 'expected.pt')!r}):\n"
        "    got = pyposeops.heatmap_decode(tensor, refine=refine)\n"
        "    torch.testing.assert_close(list(got), want, rtol=0, atol=0, equal_nan=True)\n",
    )


def test_thread_count_does_not_change_the_result(generator):
    maps = torch.randn(8, 17, 64, 48, generator=generator)
    threads = torch.get_num_threads()
    try:
        results = []
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            for tensor in (maps, maps.contiguous(memory_format=torch.channels_last)):
                results.append(heatmap_decode(tensor, refine="dark"))
    finally:
        torch.set_num_threads(threads)
    for result in results[1:]:
        assert_same(result, results[0], rtol=0, atol=0)


def test_numpy_in_numpy_out(generator):
    maps, _ = gaussians(generator, (2, 3, 16, 12), dtype=torch.float32)
    want = heatmap_decode(maps, refine="dark")
    frozen = maps.numpy().copy()
    frozen.flags.writeable = False
    for array in (maps.numpy(), frozen, maps.numpy()[::-1][::-1]):
        got = heatmap_decode(array, refine="dark")
        assert isinstance(got, pyposeops.Keypoints) and isinstance(got.coords, np.ndarray)
        np.testing.assert_array_equal(got.coords, want.coords.numpy())
        np.testing.assert_array_equal(got.scores, want.scores.numpy())


# ---- bad input ---------------------------------------------------------------------------------------------------

MAPS = torch.zeros(2, 3, 5, 4)


@pytest.mark.parametrize(
    ("maps", "options", "error", "words"),
    [
        (torch.zeros(3, 5, 4), {}, ValueError, "heatmaps: expected (B, K, H, W), got (3, 5, 4)"),
        (torch.zeros(1, 2, 3, 5, 4), {}, ValueError, "heatmaps: expected (B, K, H, W), got (1, 2, 3, 5, 4)"),
        (torch.zeros(2, 3, 0, 4), {}, ValueError, "heatmaps: expected a height and width of at least 1"),
        (torch.zeros(2, 3, 5, 0), {}, ValueError, "heatmaps: expected a height and width of at least 1"),
        (torch.zeros(0, 0, 0, 0), {}, ValueError, "heatmaps: expected a height and width of at least 1"),
        (torch.zeros(1).expand(1, 1, 65536, 32768), {}, ValueError, "fewer than 2^31 pixels"),
        (torch.zeros(1).expand(1, 1, 1, 1 << 24), {}, ValueError, "fewer than 2^31 pixels"),
        (MAPS.to(torch.int64), {}, TypeError, "heatmaps: expected dtype float32, float64, float16, bfloat16"),
        (MAPS.to(torch.uint8), {}, TypeError, "heatmaps: expected dtype float32"),
        (MAPS, {"refine": "half"}, ValueError, "refine: expected one of none, quarter, quarter_mmpose, dark"),
        (MAPS, {"refine": None}, ValueError, "refine: expected one of none, quarter"),
        (MAPS, {"blur_kernel": 10}, ValueError, "blur_kernel: expected an odd number from 3 to 63, got 10"),
        (MAPS, {"blur_kernel": 1}, ValueError, "blur_kernel: expected an odd number from 3 to 63, got 1"),
        (MAPS, {"blur_kernel": 65}, ValueError, "blur_kernel: expected an odd number from 3 to 63, got 65"),
        (MAPS, {"blur_kernel": -11}, ValueError, "blur_kernel: expected an odd number from 3 to 63, got -11"),
        (MAPS.to_sparse(), {}, NotImplementedError, "pyposeops::heatmap_decode"),
    ],
)  # fmt: skip
def test_bad_input_is_named(maps, options, error, words):
    with pytest.raises(error) as caught:
        heatmap_decode(maps, **options)
    assert words in str(caught.value)


def test_wrong_outputs_are_refused():
    decode = pyposeops._core.heatmap_decode
    coords, scores = torch.empty(2, 3, 2), torch.empty(2, 3)
    for bad_coords, bad_scores, error, words in [
        (torch.empty(2, 3), scores, ValueError, r"coords: expected \(B, K, 2\), got \(2, 3\)"),
        (coords, torch.empty(3, 2), ValueError, r"scores: expected \(B, K\), got \(3, 2\)"),
        (coords.double(), scores, TypeError, "coords: expected dtype float32, got float64"),
        (coords, torch.empty(3, 2).T, ValueError, "scores: expected contiguous memory"),
    ]:
        with pytest.raises(error, match=words):
            decode(MAPS, 0, 11, 0.0, bad_coords, bad_scores)
    with pytest.raises(ValueError, match="refine: expected a code from 0 to 7, got 8"):
        decode(MAPS, 8, 11, 0.0, coords, scores)
