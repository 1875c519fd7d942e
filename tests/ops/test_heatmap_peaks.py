"""heatmap_peaks against its definition, against loops, pooling and heatmap_decode, and at its corners."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import pyposeops
from pyposeops import heatmap_decode, heatmap_peaks, reference
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

REFINES = ("none", "quarter", "quarter_mmpose", "dark", "dark_udp", "parabola", "centroid")
NEWTON = ("dark", "dark_udp")
PLATEAUS = ("first", "all", "none")
LAYOUTS = ("contiguous", "channels_last", "strided", "transposed")
# As for heatmap_decode: steps divide differences of logarithms by curvatures.
FLOAT32 = {"rtol": 0.0, "atol": 2e-4}
FLOAT64 = {"rtol": 1e-9, "atol": 1e-9}
EXACT = {"rtol": 0.0, "atol": 0.0}


def crowds(generator, *shape, people=4, sigma=1.5, noise=0.02, dtype=torch.float32):
    """Maps (B, K, H, W) with several Gaussians each, of different heights."""
    batch, joints, height, width = shape
    centres = torch.rand(batch, joints, people, 2, generator=generator).double()
    centres = centres * torch.tensor([width - 1.0, height - 1.0])
    heights = torch.rand(batch, joints, people, generator=generator).double() * 0.7 + 0.3
    x = torch.arange(width) - centres[..., 0, None]
    y = torch.arange(height) - centres[..., 1, None]
    people_maps = torch.exp(-(x[..., None, :] ** 2 + y[..., None] ** 2) / (2 * sigma**2))
    maps = (people_maps * heights[..., None, None]).amax(dim=2)
    return (maps + noise * torch.randn(shape, generator=generator)).to(dtype)


def peaks_as_defined(maps, **options):
    """The definition on the stored values, computed in float64, rounded like our output."""
    coords, scores, counts = reference.heatmap_peaks(maps.cpu().double(), **options)
    dtype = torch.float64 if maps.dtype == torch.float64 else torch.float32
    return coords.to(dtype), scores.to(dtype), counts


# ---- values ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("refine", REFINES)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", FLOATS)
def test_equals_definition(device, generator, refine, layout, dtype):
    maps = crowds(generator, 3, 5, 24, 18, dtype=dtype)
    options = {"refine": refine, "threshold": 0.1, "max_peaks": 8}
    got = heatmap_peaks(layouts(maps.to(device))[layout], **options)
    tolerance = FLOAT64 if dtype == torch.float64 else FLOAT32
    assert_same(got, peaks_as_defined(maps, **options), **tolerance)
    assert got.counts.min() > 0 and got.counts.max() < 8


@pytest.mark.parametrize("plateau", PLATEAUS)
@pytest.mark.parametrize("window", [3, 5, 7, 11])
@pytest.mark.parametrize("max_peaks", [1, 5, 30, 200, 1024])
@pytest.mark.parametrize("levels", [None, 5])
def test_choice_and_order_of_many_peaks(device, generator, plateau, window, max_peaks, levels):
    maps = torch.rand(2, 3, 40, 33, generator=generator)
    if levels:
        maps = (maps * levels).floor() / levels
    options = {"window": window, "plateau": plateau, "max_peaks": max_peaks, "refine": "none"}
    for tensor in (maps, maps.contiguous(memory_format=torch.channels_last)):
        assert_same(
            heatmap_peaks(tensor.to(device), **options), reference.heatmap_peaks(maps, **options), **EXACT
        )


@pytest.mark.parametrize("window", [3, 5, 7])
def test_scores_equal_max_pooling_and_topk(device, generator, window):
    """On maps without ties, where torch.topk has one answer."""
    maps = (torch.randperm(6 * 64 * 48, generator=generator) + 1.0).view(2, 3, 64, 48).to(device)
    pooled = torch.nn.functional.max_pool2d(maps, window, stride=1, padding=window // 2)
    scores, index = (maps * (maps == pooled)).flatten(2).topk(30)
    got = heatmap_peaks(maps, window=window, refine="none")
    assert torch.equal(got.scores, scores)
    assert torch.equal(got.coords[..., 1] * 48 + got.coords[..., 0], index.float())
    assert (got.counts == 30).all()


def test_scores_equal_scipy_maximum_filter(generator):
    ndimage = pytest.importorskip("scipy.ndimage")
    for heatmap in crowds(generator, 1, 6, 40, 30)[0].numpy():
        is_peak = heatmap == ndimage.maximum_filter(heatmap, 5, mode="constant", cval=-np.inf)
        want = -np.sort(-heatmap[is_peak & (heatmap > 0.1)])
        got = heatmap_peaks(heatmap[None, None], threshold=0.1)
        np.testing.assert_array_equal(got.scores[0, 0, : got.counts[0, 0]], want)


@pytest.mark.parametrize("refine", [refine for refine in REFINES if refine != "centroid"])
def test_largest_peak_is_what_heatmap_decode_finds(device, generator, refine):
    maps = crowds(generator, 4, 17, 64, 48, dtype=torch.float64).to(device)
    got = heatmap_peaks(maps, max_peaks=1, refine=refine)
    want = heatmap_decode(maps, refine=refine)
    assert_same((got.coords[..., 0, :], got.scores[..., 0]), want, **EXACT)


@pytest.mark.parametrize("refine", NEWTON)
@pytest.mark.parametrize("kind", ["noise", "faint", "bright", "vanishing"])
@pytest.mark.parametrize("plateau", ["first", "none"])
def test_smoothing_around_the_peaks_equals_smoothing_the_map(device, generator, refine, kind, plateau):
    """Maps on which smoothed values are negative or clipped, so that the maximum of the smoothed map matters."""
    scale = {"noise": 1.0, "faint": 1e-3, "bright": 60.0, "vanishing": 1e-10}[kind]
    maps = torch.randn(2, 6, 20, 23, generator=generator).double() * scale
    options = {"refine": refine, "blur_kernel": 5, "plateau": plateau, "max_peaks": 12}
    want = reference.heatmap_peaks(maps, **options)
    for tensor in (maps, maps.contiguous(memory_format=torch.channels_last)):
        assert_same(heatmap_peaks(tensor.to(device), **options), want, rtol=1e-7, atol=1e-7)


def openpose_centroid(heatmap, x, y):
    """The rule of OpenPose's nonmaximum suppression, written out; without its half pixel."""
    total, sum_x, sum_y = 0.0, 0.0, 0.0
    for other_y in range(y - 3, y + 4):
        for other_x in range(x - 3, x + 4):
            if 0 <= other_x < heatmap.shape[1] and 0 <= other_y < heatmap.shape[0]:
                score = heatmap[other_y, other_x]
                if score > 0:
                    total += score
                    sum_x += score * other_x
                    sum_y += score * other_y
    return sum_x / total, sum_y / total


def test_openpose_peaks(generator):
    """Strictly above the 8 neighbours and a threshold, then the centroid of 7 x 7; inner pixels only, in its code."""
    options = {"window": 3, "plateau": "none", "threshold": 0.05, "max_peaks": 400}
    for heatmap in crowds(generator, 1, 5, 36, 28, dtype=torch.float64)[0].numpy():
        height, width = heatmap.shape
        wanted = {}
        for y in range(1, height - 1):
            for x in range(1, width - 1):
                around = np.delete(heatmap[y - 1 : y + 2, x - 1 : x + 2].ravel(), 4)
                if heatmap[y, x] > 0.05 and (heatmap[y, x] > around).all():
                    wanted[x, y] = openpose_centroid(heatmap, x, y)
        pixels = heatmap_peaks(heatmap[None, None], refine="none", **options)
        refined = heatmap_peaks(heatmap[None, None], refine="centroid", **options)
        found = {}
        for i in range(pixels.counts[0, 0]):
            x, y = (int(value) for value in pixels.coords[0, 0, i])
            if 0 < x < width - 1 and 0 < y < height - 1:
                found[x, y] = tuple(refined.coords[0, 0, i])
        assert found.keys() == wanted.keys()
        for pixel in wanted:
            assert found[pixel] == pytest.approx(wanted[pixel], abs=1e-9)


def test_error_of_the_5x5_centroid_on_gaussians_without_noise(device, generator):
    """The known accuracy of SLEAP's refinement for sigma 2 on a 64 x 48 map, joints off the border."""
    centres = torch.rand(4000, 1, 2, generator=generator) * torch.tensor([23.0, 39.0]) + 12
    maps = pyposeops.gaussian_heatmap(
        centres, torch.ones(4000, 1), (64, 48), sigma=2.0, encoding="unbiased"
    ).heatmaps
    got = heatmap_peaks(maps.to(device), max_peaks=1, refine="centroid", centroid_window=5)
    error = (got.coords[..., 0, :].cpu() - centres).abs()
    assert error.mean().item() == pytest.approx(0.147, abs=3e-3)
    assert error.max().item() == pytest.approx(0.293, abs=1e-3)


def test_centroid_is_the_weighted_mean_of_positive_values(device):
    maps = torch.zeros(1, 1, 9, 9)
    maps[0, 0, 4, 4], maps[0, 0, 4, 5], maps[0, 0, 3, 4], maps[0, 0, 5, 5] = 1.0, 0.5, 0.5, -3.0
    maps[0, 0, 4, 7] = 0.2  # outside 5 x 5, inside 7 x 7
    small = heatmap_peaks(maps.to(device), max_peaks=1, refine="centroid", centroid_window=5).coords
    large = heatmap_peaks(maps.to(device), max_peaks=1, refine="centroid").coords
    assert small.flatten().tolist() == pytest.approx([4 + 0.5 / 2, 4 - 0.5 / 2])
    assert large.flatten().tolist() == pytest.approx([4 + (0.5 + 0.6) / 2.2, 4 - 0.5 / 2.2])


# ---- rules -------------------------------------------------------------------------------------------------------


def test_fewer_peaks_than_entries(device):
    maps = torch.zeros(1, 2, 5, 8)
    maps[0, 0, 2, 1], maps[0, 0, 3, 6] = 0.5, 0.75
    got = heatmap_peaks(maps.to(device), max_peaks=3, refine="none")
    assert got.coords.tolist() == [[[[6, 3], [1, 2], [-1, -1]], [[-1, -1]] * 3]]
    assert got.scores.tolist() == [[[0.75, 0.5, 0], [0, 0, 0]]]
    assert got.counts.tolist() == [[2, 0]]


def test_more_entries_than_pixels(device):
    got = heatmap_peaks(torch.tensor([[[[0.2, 0.1], [0.1, 0.2]]]], device=device), max_peaks=9, window=3)
    assert got.counts.item() == 1 and got.scores.flatten().tolist() == pytest.approx([0.2] + [0] * 8)


def test_equal_scores_come_in_row_major_order(device):
    maps = torch.zeros(1, 1, 9, 40)
    where = [(0, 33), (0, 39), (2, 5), (4, 0), (4, 20), (8, 2), (8, 38)]
    for y, x in where:
        maps[0, 0, y, x] = 0.5
    got = heatmap_peaks(maps.to(device), window=3, refine="none", max_peaks=5)
    assert got.coords[0, 0].tolist() == [[x, y] for y, x in where[:5]]


@pytest.mark.parametrize("channels_last", [False, True])
def test_constant_map_under_each_plateau_rule(device, channels_last):
    layout = torch.channels_last if channels_last else torch.contiguous_format
    maps = torch.full((2, 3, 40, 70), 0.5, device=device).contiguous(memory_format=layout)
    counts = {p: heatmap_peaks(maps, plateau=p, max_peaks=1000).counts.unique().tolist() for p in PLATEAUS}
    assert counts == {"first": [1], "all": [1000], "none": [0]}
    got = heatmap_peaks(maps, plateau="all", refine="none", max_peaks=80)
    row_major = torch.stack((torch.arange(80) % 70, torch.arange(80) // 70), dim=1).float()
    assert torch.equal(got.coords.cpu(), row_major.expand(2, 3, 80, 2))


def test_the_last_joins_of_a_plateau_free_places_in_a_full_list(device):
    """Sixteen tips of a comb, one plateau: with four entries, the lower peaks must still be found."""
    maps = torch.zeros(1, 1, 12, 48)
    maps[0, 0, :5, ::3] = 1.0
    maps[0, 0, 4] = 1.0
    maps[0, 0, 9, 7], maps[0, 0, 9, 17], maps[0, 0, 9, 27], maps[0, 0, 9, 37] = 0.1, 0.4, 0.3, 0.2
    got = heatmap_peaks(maps.to(device), window=3, max_peaks=4, refine="none")
    assert got.scores.flatten().tolist() == pytest.approx([1.0, 0.4, 0.3, 0.2])


@pytest.mark.parametrize("refine", REFINES)
def test_nan_and_infinite_values(device, generator, refine):
    maps = torch.rand(1, 5, 16, 15, generator=generator).double()
    maps[0, 0, 4, 5] = math.nan
    maps[0, 1, 4, 5] = math.inf
    maps[0, 2, 4, 5] = -math.inf
    maps[0, 3] = math.nan
    options = {"refine": refine, "window": 3, "blur_kernel": 3}
    got = heatmap_peaks(maps.to(device), **options)
    assert_same(got, reference.heatmap_peaks(maps, **options), rtol=1e-7, atol=1e-7)
    assert got.coords.isfinite().all() and not got.scores.isnan().any()
    assert got.scores[0, 1, 0] == math.inf and got.counts[0, 3] == 0
    if refine in (*NEWTON, "parabola", "centroid"):
        assert got.coords[0, 1, 0].tolist() == [5, 4]
    if refine in NEWTON:  # the smoothed map's scale is not finite
        assert torch.equal(got.coords[0, :2], got.coords[0, :2].round())


def test_negative_peaks_below_zero_threshold(device):
    maps = torch.full((1, 1, 9, 9), -2.0)
    maps[0, 0, 4, 4], maps[0, 0, 4, 5] = -1.0, -1.5
    for refine in REFINES:
        got = heatmap_peaks(maps.to(device), threshold=-math.inf, plateau="none", refine=refine)
        assert got.counts.item() == 1 and got.scores[0, 0, 0] == -1
        want = 4.25 if refine.startswith("quarter") else 4.0
        assert got.coords[0, 0, 0].tolist() == [want, 4]


@settings(max_examples=150, deadline=None)
@given(
    values=st.lists(
        st.one_of(st.floats(-2, 2, width=16), st.sampled_from([math.nan, math.inf, -math.inf, 0.0, 1.0])),
        min_size=1,
        max_size=120,
    ),
    width=st.integers(1, 20),
    max_peaks=st.integers(1, 12),
    window=st.sampled_from([3, 5, 9]),
    threshold=st.sampled_from([-math.inf, 0.0, 1.0]),
    plateau=st.sampled_from(PLATEAUS),
    refine=st.sampled_from(["none", "quarter", "quarter_mmpose", "parabola", "centroid"]),
    dtype=st.sampled_from(FLOATS),
    layout=st.sampled_from(LAYOUTS),
)
def test_any_map_equals_definition(
    values, width, max_peaks, window, threshold, plateau, refine, dtype, layout
):
    width = min(width, len(values))
    rows = len(values) // width
    maps = torch.tensor(values[: rows * width]).view(1, 1, rows, width).to(dtype)
    options = {
        "max_peaks": max_peaks,
        "window": window,
        "threshold": threshold,
        "plateau": plateau,
        "refine": refine,
        "centroid_window": 5,
    }
    got = heatmap_peaks(layouts(maps)[layout], **options)
    want = peaks_as_defined(maps, **options)
    assert_same(got[1:], want[1:], **EXACT)
    assert_same(got.coords, want[0], rtol=1e-6, atol=1e-6)


# ---- the machinery -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", FLOATS)
def test_output_dtypes_and_shapes(device, dtype):
    got = heatmap_peaks(torch.rand(2, 3, 4, 5, device=device).to(dtype), max_peaks=7)
    assert (
        got.coords.dtype == got.scores.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    )
    assert got.counts.dtype == torch.int64
    assert got.coords.shape == (2, 3, 7, 2) and got.scores.shape == (2, 3, 7) and got.counts.shape == (2, 3)
    assert isinstance(got, pyposeops.Peaks)


@pytest.mark.parametrize("shape", [(0, 3, 4, 5), (2, 0, 4, 5)])
@pytest.mark.parametrize("channels_last", [False, True])
def test_empty_batch_and_no_joints(device, shape, channels_last):
    layout = torch.channels_last if channels_last else torch.contiguous_format
    maps = torch.zeros(shape, device=device).contiguous(memory_format=layout)
    for refine in REFINES:
        got = heatmap_peaks(maps, refine=refine, max_peaks=4)
        assert got.coords.shape == (*shape[:2], 4, 2) and got.counts.shape == shape[:2]


@pytest.mark.parametrize("refine", REFINES)
def test_one_pixel_maps(device, refine):
    got = heatmap_peaks(torch.tensor([[[[0.5]], [[-0.5]]]], device=device), max_peaks=2, refine=refine)
    assert got.coords.tolist() == [[[[0, 0], [-1, -1]], [[-1, -1], [-1, -1]]]]
    assert got.counts.tolist() == [[1, 0]]


def test_result_carries_no_gradient(device):
    maps = torch.rand(1, 2, 8, 8, device=device, requires_grad=True)
    got = heatmap_peaks(maps)
    assert not any(tensor.requires_grad for tensor in got)


def test_inputs_are_not_written(device, generator):
    maps = crowds(generator, 2, 3, 16, 16).to(device)
    before = maps.clone()
    for refine in REFINES:
        heatmap_peaks(maps, refine=refine)
    assert torch.equal(maps, before)


@pytest.mark.parametrize("refine", REFINES)
def test_opcheck(device, generator, refine):
    maps = crowds(generator, 2, 3, 16, 12).to(device)
    operator = torch.ops.pyposeops.heatmap_peaks.default
    for tensor in (maps, maps.contiguous(memory_format=torch.channels_last)):
        torch.library.opcheck(operator, (tensor, 5, 0.1, 5, REFINES.index(refine), 1, 7, 5))


@pytest.mark.parametrize("refine", REFINES)
def test_compiles_without_graph_breaks(device, generator, refine):
    maps = crowds(generator, 2, 3, 16, 12).to(device)
    assert_compiles(lambda m: heatmap_peaks(m * 2, refine=refine), maps)


def test_autocast_leaves_the_dtype(generator):
    maps = crowds(generator, 1, 2, 8, 8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert heatmap_peaks(maps).scores.dtype == torch.float32


@pytest.mark.filterwarnings("ignore:There is a performance drop")
def test_vmap_loops_over_the_mapped_dimension(generator):
    maps = crowds(generator, 8, 3, 16, 12).view(4, 2, 3, 16, 12)
    got = torch.vmap(lambda m: heatmap_peaks(m).coords)(maps)
    assert torch.equal(got, torch.stack([heatmap_peaks(m).coords for m in maps]))


def test_exports(generator):
    class Module(torch.nn.Module):
        def forward(self, maps):
            return heatmap_peaks(maps, refine="dark", max_peaks=6)

    maps = crowds(generator, 2, 3, 16, 12)
    program = torch.export.export(Module(), (maps,))
    assert_same(program.module()(maps), Module()(maps))


@pytest.mark.cuda
@pytest.mark.parametrize("refine", REFINES)
def test_cuda_graph_capture(generator, refine):
    maps = crowds(generator, 2, 3, 33, 40).cuda()
    assert_graph_captures(lambda m: heatmap_peaks(m, refine=refine), maps)


@pytest.mark.cuda
@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("max_peaks", [30, 1024])
def test_lists_that_exceed_shared_memory(generator, channels_last, max_peaks):
    maps = torch.rand(2, 9, 300, 500, generator=generator, dtype=torch.float64)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    options = {"max_peaks": max_peaks, "refine": "dark", "blur_kernel": 3, "window": 3}
    got = heatmap_peaks(maps.cuda().contiguous(memory_format=layout), **options)
    assert_same(got, heatmap_peaks(maps, **options), **FLOAT64)


@pytest.mark.cuda
def test_cuda_allocates_the_result_only(generator):
    maps = crowds(generator, 8, 17, 64, 48).cuda()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    got = heatmap_peaks(maps)
    sizes = sum(-(-t.numel() * t.element_size() // 512) * 512 for t in got)
    assert torch.cuda.max_memory_allocated() - before <= sizes + 512


@pytest.mark.parametrize("isa", ISAS)
def test_every_instruction_set_gives_the_same_bits(tmp_path, generator, isa):
    maps = crowds(generator, 2, 5, 40, 70)
    maps[0, 3, 20, 20], maps[1] = math.nan, (maps[1] * 9).round()
    cases = [
        (tensor, {"refine": refine, "max_peaks": 20})
        for dtype in FLOATS
        for tensor in layouts(maps.to(dtype)).values()
        for refine in REFINES
    ]
    torch.save([(tensor, o, *heatmap_peaks(tensor, **o)) for tensor, o in cases], tmp_path / "expected.pt")
    run_under_isa(
        isa,
        "import torch, pyposeops\n"
        f"assert pyposeops.build_info()['cpu_isa'] == '{isa}'\n"
        f"for tensor, options, *want in torch.load({str(tmp_path / 'expected.pt')!r}):\n"
        "    got = pyposeops.heatmap_peaks(tensor, **options)\n"
        "    torch.testing.assert_close(list(got), want, rtol=0, atol=0)\n",
    )


def test_thread_count_does_not_change_the_result(generator):
    maps = crowds(generator, 8, 17, 64, 48)
    threads = torch.get_num_threads()
    try:
        results = []
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            for layout in (torch.contiguous_format, torch.channels_last):
                results.append(heatmap_peaks(maps.contiguous(memory_format=layout), refine="dark"))
    finally:
        torch.set_num_threads(threads)
    for result in results[1:]:
        assert_same(result, results[0], **EXACT)


def test_numpy_in_numpy_out(generator):
    maps = crowds(generator, 2, 3, 16, 12)
    got = heatmap_peaks(maps.numpy())
    assert isinstance(got, pyposeops.Peaks) and all(isinstance(array, np.ndarray) for array in got)
    for array, tensor in zip(got, heatmap_peaks(maps), strict=True):
        np.testing.assert_array_equal(array, tensor)


# ---- bad input ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("maps", "options", "error", "words"),
    [
        (torch.zeros(3, 4, 5), {}, ValueError, "heatmaps: expected (B, K, H, W), got (3, 4, 5)"),
        (torch.zeros(2, 3, 0, 5), {}, ValueError, "heatmaps: expected a height and width of at least 1"),
        (torch.zeros(2, 3, 4, 5, dtype=torch.uint8), {}, TypeError, "heatmaps: expected dtype float32"),
        (None, {"max_peaks": 0}, ValueError, "max_peaks: expected a number from 1 to 1024, got 0"),
        (None, {"max_peaks": 1025}, ValueError, "max_peaks: expected a number from 1 to 1024, got 1025"),
        (None, {"threshold": math.nan}, ValueError, "threshold: expected a number, got nan"),
        (None, {"window": 2}, ValueError, "window: expected an odd number from 3 to 63, got 2"),
        (
            None,
            {"refine": "soft"},
            ValueError,
            "refine: expected one of none, quarter, quarter_mmpose, dark,",
        ),
        (None, {"plateau": "last"}, ValueError, "plateau: expected one of first, all, none, got 'last'"),
        (None, {"blur_kernel": 10}, ValueError, "blur_kernel: expected an odd number from 3 to 63, got 10"),
        (
            None,
            {"centroid_window": 1},
            ValueError,
            "centroid_window: expected an odd number from 3 to 63, got 1",
        ),
    ],
)
def test_bad_input_is_named(device, maps, options, error, words):
    maps = torch.zeros(2, 3, 4, 5) if maps is None else maps
    with pytest.raises(error) as caught:
        heatmap_peaks(maps.to(device), **options)
    assert words in str(caught.value)
