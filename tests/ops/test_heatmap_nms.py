"""heatmap_nms against its definition, against loops, SciPy and kornia, and at its corners."""

from __future__ import annotations

import math
from collections import deque

import numpy as np
import pytest
import torch

from pyposeops import heatmap_nms, nn, reference
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

PLATEAUS = ("first", "all", "none")
LAYOUTS = ("contiguous", "channels_last", "strided", "transposed")
EXACT = {"rtol": 0.0, "atol": 0.0}


def noise(generator, *shape, levels=None, low=-0.3, dtype=torch.float32):
    """Values from `low` to 1 + `low`; with few `levels` there are many ties."""
    values = torch.rand(shape, generator=generator, dtype=torch.float64)
    if levels is not None:
        values = (values * levels).floor() / levels
    return (values + low).to(dtype)


def loop(heatmap, window, plateau, threshold):
    """One map, pixel by pixel; plateaus by flooding."""
    radius = window // 2
    height, width = heatmap.shape
    values = np.where(heatmap > threshold, heatmap, -math.inf)

    def around(y, x):
        for other_y in range(max(0, y - radius), min(height, y + radius + 1)):
            for other_x in range(max(0, x - radius), min(width, x + radius + 1)):
                yield other_y, other_x

    pixels = [(y, x) for y in range(height) for x in range(width)]
    peaks = {p for p in pixels if values[p] > -math.inf and all(values[q] <= values[p] for q in around(*p))}
    if plateau == "none":
        peaks = {p for p in peaks if sum(values[q] == values[p] for q in around(*p)) == 1}
    if plateau == "first":
        seen, firsts = set(), set()
        for peak in sorted(peaks):
            if peak in seen:
                continue
            firsts.add(peak)
            queue = deque([peak])
            while queue:
                near = {q for q in around(*queue.popleft()) if q in peaks} - seen
                seen |= near
                queue.extend(near)
        peaks = firsts
    result = np.zeros_like(heatmap)
    for p in peaks:
        result[p] = heatmap[p]
    return result


# ---- values ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("plateau", PLATEAUS)
@pytest.mark.parametrize("window", [3, 5, 7, 9])
@pytest.mark.parametrize("threshold", [-math.inf, 0.1])
@pytest.mark.parametrize("levels", [None, 6, 2])
def test_equals_loop(generator, plateau, window, threshold, levels):
    maps = noise(generator, 2, 2, 13, 11, levels=levels, dtype=torch.float64)
    maps[0, 0, 5, 5], maps[0, 1, 0, 3] = math.nan, math.inf
    options = {"window": window, "plateau": plateau, "threshold": threshold}
    want = np.stack([[loop(m, window, plateau, threshold) for m in image] for image in maps.numpy()])
    np.testing.assert_array_equal(heatmap_nms(maps, **options), want)
    np.testing.assert_array_equal(reference.heatmap_nms(maps, **options), want)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("plateau", PLATEAUS)
@pytest.mark.parametrize("levels", [None, 5])
def test_equals_definition(device, generator, layout, dtype, plateau, levels):
    maps = noise(generator, 3, 5, 24, 18, levels=levels, dtype=dtype)
    maps[torch.rand(maps.shape, generator=generator) < 0.02] = math.nan
    for window in (3, 5, 7, 11):
        for threshold in (-math.inf, 0.2):
            options = {"window": window, "plateau": plateau, "threshold": threshold}
            got = heatmap_nms(layouts(maps.to(device))[layout], **options)
            assert_same(got, reference.heatmap_nms(maps, **options), **EXACT)


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (2, 3, 1, 40), (2, 3, 40, 1), (1, 2, 5, 3), (1, 17, 3, 131),
                                   (2, 20, 70, 129), (1, 1, 300, 250)])  # fmt: skip
@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("window", [3, 5, 21])
def test_map_sizes(device, generator, shape, channels_last, window):
    maps = noise(generator, *shape, levels=50)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    got = heatmap_nms(maps.to(device).contiguous(memory_format=layout), window=window)
    assert_same(got, reference.heatmap_nms(maps, window=window), **EXACT)


@pytest.mark.cuda
@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("plateau", PLATEAUS)
def test_marks_that_exceed_shared_memory(generator, channels_last, plateau):
    maps = noise(generator, 2, 9, 700, 900, levels=300)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    got = heatmap_nms(maps.cuda().contiguous(memory_format=layout), plateau=plateau)
    assert_same(got, heatmap_nms(maps, plateau=plateau).contiguous(), **EXACT)


@pytest.mark.parametrize("window", [3, 5, 7])
@pytest.mark.parametrize("levels", [None, 8])
def test_all_equals_max_pooling(device, generator, window, levels):
    maps = noise(generator, 4, 3, 32, 24, levels=levels).to(device)
    pooled = torch.nn.functional.max_pool2d(maps, window, stride=1, padding=window // 2)
    got = heatmap_nms(maps, window=window, plateau="all")
    assert_same(got, maps * (maps == pooled), **EXACT)


@pytest.mark.parametrize("window", [3, 5, 9])
def test_all_equals_scipy_maximum_filter(generator, window):
    ndimage = pytest.importorskip("scipy.ndimage")
    maps = noise(generator, 1, 4, 30, 22, levels=10)
    got = heatmap_nms(maps, window=window, plateau="all")[0].numpy()
    for heatmap, suppressed in zip(maps[0].numpy(), got, strict=True):
        largest = ndimage.maximum_filter(heatmap, window, mode="constant", cval=-np.inf)
        np.testing.assert_array_equal(suppressed, heatmap * (heatmap == largest))


def test_first_keeps_one_pixel_of_each_connected_plateau_as_scipy_labels_them(generator):
    ndimage = pytest.importorskip("scipy.ndimage")
    for heatmap in noise(generator, 20, 1, 25, 25, levels=2, low=0.5)[:, 0]:
        peaks = heatmap_nms(heatmap[None, None], window=3, plateau="all")[0, 0].numpy() > 0
        labels, count = ndimage.label(peaks, structure=np.ones((3, 3)))
        kept = heatmap_nms(heatmap[None, None], window=3)[0, 0].numpy() > 0
        first = [np.flatnonzero(labels == label)[0] for label in range(1, count + 1)]
        assert np.flatnonzero(kept).tolist() == sorted(first)


@pytest.mark.parametrize("window", [3, 5, 7])
@pytest.mark.parametrize("levels", [None, 8])
def test_none_equals_kornia_away_from_the_border(generator, window, levels):
    kornia = pytest.importorskip("kornia")
    maps = noise(generator, 2, 3, 30, 24, levels=levels)
    want = kornia.geometry.subpix.nms2d(maps, (window, window))
    inside = slice(window // 2, -(window // 2))
    got = heatmap_nms(maps, window=window, plateau="none")
    assert torch.equal(got[..., inside, inside], want[..., inside, inside])


# ---- rules -------------------------------------------------------------------------------------------------------


def disc(radius, value=1.0):
    x = torch.arange(40) - 20
    return (x**2 + x[:, None] ** 2 <= radius**2).float() * value


@pytest.mark.parametrize("radius", [1, 2, 5, 9, 14])
@pytest.mark.parametrize("window", [3, 5, 7, 15])
@pytest.mark.parametrize("channels_last", [False, True])
def test_saturated_disc_keeps_exactly_its_first_pixel(device, radius, window, channels_last):
    """Every row of it begins farther left than a window reaches from the row above."""
    maps = disc(radius).expand(2, 3, 40, 40)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    got = heatmap_nms(maps.to(device).contiguous(memory_format=layout), window=window, threshold=0).cpu()
    assert got.flatten(2).count_nonzero(dim=2).unique().tolist() == [1]
    assert (got[..., 20 - radius, 20] == 1).all()


def test_plateaus_that_meet_below_their_tops_are_one(device):
    comb = torch.zeros(9, 31)
    comb[:, ::3] = 1
    comb[8] = 1
    spiral = torch.tensor(
        [[0, 0, 0, 0, 1, 1], [0, 1, 1, 0, 0, 1], [1, 0, 0, 1, 0, 1], [1, 0, 0, 0, 0, 1], [0, 1, 1, 1, 1, 0]]
    ).float()
    for plateau in (comb, spiral):
        got = heatmap_nms(plateau[None, None].to(device), window=3, threshold=0)[0, 0].cpu()
        assert torch.equal(got.flatten().nonzero()[:, 0], plateau.flatten().nonzero()[:1, 0])


def test_plateau_of_two_pixels_under_each_rule(device):
    line = torch.tensor([[[[0.1, 0.9, 0.9, 0.1, 0.4]]]], device=device)
    kept = {p: heatmap_nms(line, window=3, plateau=p).flatten().nonzero()[:, 0].tolist() for p in PLATEAUS}
    assert kept == {"first": [1, 4], "all": [1, 2, 4], "none": [4]}


def test_peaks_on_the_border_are_found(device):
    maps = torch.zeros(1, 4, 6, 7)
    corners = [(0, 0), (0, 6), (5, 0), (5, 6)]
    for k, corner in enumerate(corners):
        maps[0, k][corner] = 1.0
    got = heatmap_nms(maps.to(device), threshold=0).cpu()
    assert torch.equal(got, maps)


def test_negative_peaks_are_kept_without_threshold(device):
    maps = torch.full((1, 1, 5, 5), -2.0)
    maps[0, 0, 2, 2] = -1.0
    got = heatmap_nms(maps.to(device), window=3, plateau="none")
    assert got.flatten().nonzero().flatten().tolist() == [12] and got[0, 0, 2, 2] == -1


def test_constant_map_keeps_its_first_pixel(device):
    got = heatmap_nms(torch.full((2, 2, 33, 70), 0.5, device=device))
    assert got.count_nonzero() == 4 and (got[..., 0, 0] == 0.5).all()
    assert not heatmap_nms(torch.full((2, 2, 33, 70), 0.5, device=device), plateau="none").any()


def test_nan_is_no_peak_and_suppresses_nothing(device):
    maps = torch.tensor([[[[0.1, math.nan, 0.3, 0.2, math.nan]]]], device=device)
    for plateau in PLATEAUS:
        assert heatmap_nms(maps, window=5, plateau=plateau).nan_to_num(9).flatten().tolist() == pytest.approx(
            [0, 0, 0.3, 0, 0]
        )
    assert not heatmap_nms(torch.full((1, 1, 4, 4), math.nan, device=device)).any()


def test_infinite_values(device):
    line = [1.0, math.inf, math.inf, 2.0, 0.5, 0.7, -math.inf]
    maps = torch.tensor(line, device=device).view(1, 1, 1, 7)
    assert heatmap_nms(maps, window=3).flatten().tolist() == [0, math.inf, 0, 0, 0, pytest.approx(0.7), 0]
    assert not heatmap_nms(torch.full((1, 1, 4, 4), -math.inf, device=device), plateau="all").any()


def test_zeros_of_both_signs_are_one_plateau(device):
    maps = torch.tensor([[[[-1.0, -0.0, 0.0, -1.0]]]], device=device)
    assert not heatmap_nms(maps, window=3, plateau="none").any()


@pytest.mark.parametrize("dtype", FLOATS)
def test_threshold_is_compared_in_the_computing_precision(device, dtype):
    maps = torch.tensor([[[[0.0, 0.1, 0.0]]]], dtype=dtype, device=device)
    compute = torch.float64 if dtype == torch.float64 else torch.float32
    above = bool(maps[0, 0, 0, 1].to(compute) > torch.tensor(0.1, dtype=compute))
    assert bool(heatmap_nms(maps, threshold=0.1).any()) == above


@settings(max_examples=200, deadline=None)
@given(
    values=st.lists(
        st.sampled_from([-2.0, -1.0, -0.0, 0.0, 1.0, 2.0, math.nan, math.inf, -math.inf]),
        min_size=1,
        max_size=140,
    ),
    width=st.integers(1, 20),
    window=st.sampled_from([3, 5, 7, 9]),
    plateau=st.sampled_from(PLATEAUS),
    threshold=st.sampled_from([-math.inf, 0.0, 1.0]),
    dtype=st.sampled_from(FLOATS),
    layout=st.sampled_from(LAYOUTS),
)
def test_any_map_equals_definition(values, width, window, plateau, threshold, dtype, layout):
    width = min(width, len(values))
    rows = len(values) // width
    maps = torch.tensor(values[: rows * width]).view(1, 1, rows, width).to(dtype)
    options = {"window": window, "plateau": plateau, "threshold": threshold}
    assert_same(
        heatmap_nms(layouts(maps)[layout], **options), reference.heatmap_nms(maps, **options), **EXACT
    )


# ---- gradients ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("plateau", PLATEAUS)
def test_gradients_of_every_order(device, generator, channels_last, plateau):
    maps = noise(generator, 2, 2, 6, 5, dtype=torch.float64).to(device)
    maps = maps.contiguous(memory_format=torch.channels_last if channels_last else torch.contiguous_format)
    maps.requires_grad_()

    def squared(m):
        return heatmap_nms(m, window=3, plateau=plateau, threshold=-0.1).square()

    assert torch.autograd.gradcheck(squared, maps)
    assert torch.autograd.gradgradcheck(squared, maps)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", FLOATS)
def test_gradient_is_the_upstream_one_at_the_peaks(device, generator, layout, dtype):
    maps = noise(generator, 2, 3, 9, 8, levels=4, dtype=dtype)
    upstream = torch.randn(maps.shape, generator=generator).to(dtype)
    leaf = layouts(maps.to(device))[layout].detach().requires_grad_()
    heatmap_nms(leaf, window=3, threshold=0.1).backward(layouts(upstream.to(device))[layout])
    kept = reference.heatmap_nms(maps, window=3, threshold=0.1) != 0
    assert_same(leaf.grad, upstream.where(kept, 0), **EXACT)


def test_gradient_equals_that_of_the_definition(generator):
    gradients = []
    maps = noise(generator, 2, 3, 12, 12)
    for function in (heatmap_nms, reference.heatmap_nms):
        leaf = maps.clone().requires_grad_()
        function(leaf, window=5).pow(3).sum().backward()
        gradients.append(leaf.grad)
    assert_same(gradients[0], gradients[1], **EXACT)


# ---- the machinery -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", FLOATS)
def test_output_keeps_dtype_and_channels_last(device, generator, dtype):
    maps = noise(generator, 2, 3, 4, 5, dtype=dtype).to(device)
    for layout in (torch.contiguous_format, torch.channels_last):
        got = heatmap_nms(maps.contiguous(memory_format=layout))
        assert got.dtype == dtype and got.is_contiguous(memory_format=layout) and got.device == maps.device
    assert heatmap_nms(layouts(maps)["strided"]).is_contiguous()


@pytest.mark.parametrize("shape", [(0, 3, 4, 5), (2, 0, 4, 5)])
def test_empty_batch_and_no_joints(device, shape):
    maps = torch.zeros(shape, device=device, requires_grad=True)
    got = heatmap_nms(maps)
    got.sum().backward()
    assert got.shape == maps.grad.shape == shape


def test_inputs_are_not_written(device, generator):
    maps = noise(generator, 2, 3, 16, 16, levels=3).to(device)
    before = maps.clone()
    heatmap_nms(maps)
    assert torch.equal(maps, before)


@pytest.mark.parametrize("plateau", PLATEAUS)
def test_opcheck(device, generator, plateau):
    maps = noise(generator, 2, 3, 16, 12, levels=9).to(device)
    operator = torch.ops.pyposeops.heatmap_nms.default
    for tensor in layouts(maps).values():
        torch.library.opcheck(operator, (tensor, maps, 5, PLATEAUS.index(plateau), 0.0))


def test_compiles_without_graph_breaks(device, generator):
    maps = noise(generator, 2, 3, 16, 12, levels=9).to(device)
    assert_compiles(lambda m: heatmap_nms(m * 2, window=3), maps)


def test_compiles_with_gradient(generator):
    def loss(m):
        return heatmap_nms(m, window=3).square().sum()

    maps = noise(generator, 2, 3, 16, 12)
    torch._dynamo.reset()
    gradients = []
    for function in (loss, torch.compile(loss, fullgraph=True, backend="aot_eager")):
        leaf = maps.clone().requires_grad_()
        function(leaf).backward()
        gradients.append(leaf.grad)
    assert_same(gradients[1], gradients[0], **EXACT)


def test_autocast_leaves_the_dtype(generator):
    maps = noise(generator, 1, 2, 8, 8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert heatmap_nms(maps).dtype == torch.float32


@pytest.mark.filterwarnings("ignore:There is a performance drop")
def test_vmap_loops_over_the_mapped_dimension(generator):
    maps = noise(generator, 4, 2, 3, 16, 12)
    assert torch.equal(torch.vmap(heatmap_nms)(maps), torch.stack([heatmap_nms(m) for m in maps]))


def test_exports(generator):
    maps = noise(generator, 2, 3, 16, 12)
    program = torch.export.export(nn.HeatmapNMS(window=3), (maps,))
    assert_same(program.module()(maps), heatmap_nms(maps, window=3), **EXACT)


@pytest.mark.cuda
@pytest.mark.parametrize("plateau", PLATEAUS)
def test_cuda_graph_capture(generator, plateau):
    maps = noise(generator, 2, 3, 40, 33, levels=20).cuda()
    assert_graph_captures(lambda m: heatmap_nms(m, plateau=plateau), maps)


@pytest.mark.cuda
def test_cuda_allocates_the_result_only(generator):
    maps = noise(generator, 8, 17, 64, 48).cuda()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    heatmap_nms(maps)
    size = maps.numel() * maps.element_size()
    assert torch.cuda.max_memory_allocated() - before <= size + 512


@pytest.mark.parametrize("isa", ISAS)
def test_every_instruction_set_gives_the_same_bits(tmp_path, generator, isa):
    maps = noise(generator, 2, 5, 40, 70, levels=60)
    maps[0, 3, 20, 20] = math.nan
    cases = [
        (tensor, {"window": window, "plateau": plateau, "threshold": 0.0})
        for dtype in FLOATS
        for tensor in layouts(maps.to(dtype)).values()
        for window in (3, 5, 7, 9)
        for plateau in PLATEAUS
    ]
    torch.save([(tensor, o, heatmap_nms(tensor, **o)) for tensor, o in cases], tmp_path / "expected.pt")
    run_under_isa(
        isa,
        "import torch, pyposeops\n"
        f"assert pyposeops.build_info()['cpu_isa'] == '{isa}'\n"
        f"for tensor, options, want in torch.load({str(tmp_path / 'expected.pt')!r}):\n"
        "    assert torch.equal(pyposeops.heatmap_nms(tensor, **options), want)\n",
    )


def test_thread_count_does_not_change_the_result(generator):
    maps = noise(generator, 8, 17, 64, 48, levels=40)
    threads = torch.get_num_threads()
    try:
        results = []
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            for layout in (torch.contiguous_format, torch.channels_last):
                results.append(heatmap_nms(maps.contiguous(memory_format=layout)).contiguous())
    finally:
        torch.set_num_threads(threads)
    for result in results[1:]:
        assert torch.equal(result, results[0])


def test_numpy_in_numpy_out(generator):
    maps = noise(generator, 2, 3, 16, 12)
    got = heatmap_nms(maps.numpy(), window=3)
    assert isinstance(got, np.ndarray)
    np.testing.assert_array_equal(got, heatmap_nms(maps, window=3))


def test_module_is_the_function(generator):
    module = nn.HeatmapNMS(window=7, plateau="all", threshold=0.2)
    maps = noise(generator, 2, 3, 16, 12, levels=9)
    assert torch.equal(module(maps), heatmap_nms(maps, window=7, plateau="all", threshold=0.2))
    assert repr(module) == "HeatmapNMS(window=7, plateau='all', threshold=0.2)"
    assert not module.state_dict()


# ---- bad input ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("maps", "options", "error", "words"),
    [
        (torch.zeros(3, 4, 5), {}, ValueError, "heatmaps: expected (B, K, H, W), got (3, 4, 5)"),
        (torch.zeros(2, 3, 0, 5), {}, ValueError, "heatmaps: expected a height and width of at least 1"),
        (torch.zeros(2, 3, 4, 5, dtype=torch.int64), {}, TypeError, "heatmaps: expected dtype float32"),
        (None, {"window": 4}, ValueError, "window: expected an odd number from 3 to 63, got 4"),
        (None, {"window": 1}, ValueError, "window: expected an odd number from 3 to 63, got 1"),
        (None, {"window": 65}, ValueError, "window: expected an odd number from 3 to 63, got 65"),
        (None, {"window": -3}, ValueError, "window: expected an odd number from 3 to 63, got -3"),
        (None, {"plateau": "last"}, ValueError, "plateau: expected one of first, all, none, got 'last'"),
        (None, {"threshold": math.nan}, ValueError, "threshold: expected a number, got nan"),
    ],
)
def test_bad_input_is_named(device, maps, options, error, words):
    maps = torch.zeros(2, 3, 4, 5) if maps is None else maps
    with pytest.raises(error) as caught:
        heatmap_nms(maps.to(device), **options)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("values", "error", "words"),
    [
        (torch.zeros(2, 3, 4, 6), ValueError, "values: expected the shape of heatmaps, got (2, 3, 4, 6)"),
        (torch.zeros(2, 3, 4, 5, dtype=torch.float64), TypeError, "values: expected dtype float32"),
    ],
)
def test_values_must_fit_the_heatmaps(values, error, words):
    with pytest.raises(error) as caught:
        torch.ops.pyposeops.heatmap_nms(torch.zeros(2, 3, 4, 5), values, 3, 0, 0.0)
    assert words in str(caught.value)
