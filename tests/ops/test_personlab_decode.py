"""personlab_decode against its definition, against a port in the manner of the public code, and at its corners."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import pyposeops
from benchmarks.alternatives import personlab_parser
from benchmarks.stepping_people import STRIDE, crowd, draw
from pyposeops import personlab_decode, reference
from pyposeops.skeletons import POSENET_EDGES
from tests.op_contract import FLOATS, ISAS, assert_compiles, assert_same, layouts, run_under_isa
from tests.property_tests import given, settings, st

EXACT = {"rtol": 0.0, "atol": 0.0}
EDGES = ((0, 1), (1, 2))
FAR = {"stride_px": float(STRIDE)}


def noise(generator, batch=2, size=(14, 18), levels=0):
    """Peaks everywhere, and steps of any length, some of them out of the image."""

    def rand(channels):
        maps = torch.rand(batch, channels, *size, generator=generator)
        return (maps * levels).round() / levels if levels else maps

    return rand(3), 8 * rand(6) - 4, 80 * rand(4) - 40, 80 * rand(4) - 40


# ---- values ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("people", [0, 1, 5, 20])
def test_people_are_equal_to_the_definition(device, people):
    maps = crowd(people, seed=people)[1]
    got = personlab_decode(*(m.to(device) for m in maps), POSENET_EDGES, **FAR)
    assert_same(got, reference.personlab_decode(*maps, POSENET_EDGES, **FAR), **EXACT)
    assert (got.counts.item() > 0) == (people > 0)


def test_people_come_back():
    joints, maps = crowd(3, seed=1, size=(40, 80))
    got = personlab_decode(*maps, POSENET_EDGES, **FAR)
    assert got.counts.item() == 3
    for person in joints:
        errors = (got.keypoints[0, :3, :, :2] - person).abs().amax((1, 2))
        assert errors.min() < 1e-3


@pytest.mark.parametrize("people", [1, 5, 20])
@pytest.mark.parametrize("options", [{}, {"refine_steps": 1, "radius_px": 10.0, "min_score": 0.2}])
def test_equals_the_public_procedure(people, options):
    pytest.importorskip("scipy")
    maps = crowd(people, seed=people)[1]
    arrays = (m.numpy() for m in maps)
    want = personlab_parser.decode(*arrays, edges=POSENET_EDGES, **FAR, **options)[0]
    got = personlab_decode(*maps, POSENET_EDGES, **FAR, **options)
    np.testing.assert_allclose(got.keypoints[0, : got.counts[0]].numpy(), want, atol=1e-3)


@pytest.mark.parametrize("levels", [0, 5])
@pytest.mark.parametrize(
    "options",
    [
        {"stride_px": 4.0, "min_score": 0.3},
        {"stride_px": 3.3, "threshold": 0.8, "refine_steps": 0, "min_score": 0.0},
        {"stride_px": 1.0, "max_people": 2, "max_peaks": 3, "radius_px": 0.0, "min_score": -1.0},
        {"stride_px": 8.0, "refine_steps": 5, "radius_px": 100.0, "min_score": 0.2},
    ],
)
def test_noise_is_equal_to_the_definition(device, generator, levels, options):
    maps = noise(generator, levels=levels)
    got = personlab_decode(*(m.to(device) for m in maps), EDGES, **options)
    assert_same(got, reference.personlab_decode(*maps, EDGES, **options), **EXACT)
    assert got.counts.min() > 0


@pytest.mark.parametrize("layout", ["contiguous", "channels_last", "strided", "transposed"])
@pytest.mark.parametrize("dtype", FLOATS)
def test_dtypes_and_layouts(device, generator, layout, dtype):
    maps = [m.to(dtype) for m in noise(generator)]
    options = {"stride_px": 4.0, "min_score": 0.3}
    got = personlab_decode(*(layouts(m.to(device))[layout] for m in maps), EDGES, **options)
    assert_same(got, reference.personlab_decode(*maps, EDGES, **options), **EXACT)
    assert got.keypoints.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)


@settings(max_examples=40, deadline=None)
@given(
    people=st.integers(0, 50),
    seed=st.integers(0, 10_000),
    levels=st.sampled_from([0, 2, 8]),
    options=st.fixed_dictionaries(
        {
            "threshold": st.sampled_from([-math.inf, 0.1, 0.5]),
            "max_peaks": st.sampled_from([1, 5, 60]),
            "refine_steps": st.integers(0, 3),
            "radius_px": st.sampled_from([0.0, 20.0, 60.0]),
            "min_score": st.sampled_from([0.0, 0.5]),
            "max_people": st.sampled_from([1, 10, 60]),
        }
    ),
)
def test_any_crowd_equals_definition(people, seed, levels, options):
    generator = torch.Generator().manual_seed(seed)
    joints = torch.rand(people, 3, 2, generator=generator) * torch.tensor([200.0, 160.0])
    maps = draw(joints, (11, 13), EDGES, seed)
    if levels:
        maps = tuple((m * levels).round() / levels for m in maps)
    got = personlab_decode(*maps, EDGES, **FAR, **options)
    assert_same(got, reference.personlab_decode(*maps, EDGES, **FAR, **options), **EXACT)


# ---- corners -----------------------------------------------------------------------------------------------------


def two_joints(*peaks, step=(0.0, 24.0)):
    """Maps of one edge: peaks (joint, x, y, score), no offsets, one step everywhere."""
    heatmaps, offsets = torch.zeros(1, 2, 8, 12), torch.zeros(1, 4, 8, 12)
    for joint, x, y, score in peaks:
        heatmaps[0, joint, y, x] = score
    forward = torch.tensor(step)[None, :, None, None].expand(1, 2, 8, 12)
    return heatmaps, offsets, forward, -forward


def test_poses_start_at_the_largest_peak_and_go_both_ways(device):
    maps = two_joints((0, 2, 1, 0.6), (1, 2, 4, 0.9))
    got = personlab_decode(*(m.to(device) for m in maps), [(0, 1)], stride_px=8.0)
    assert got.counts.item() == 1
    assert got.keypoints[0, 0].flatten().tolist() == pytest.approx([16, 8, 0.6, 16, 32, 0.9])
    assert got.scores[0, 0].item() == pytest.approx(0.75)


def test_joints_of_better_people_do_not_count(device):
    """Two first joints share one second joint."""
    maps = two_joints((0, 2, 1, 0.9), (0, 6, 1, 0.8), (1, 2, 4, 0.7))
    forward = maps[2].clone()
    forward[0, :, :, 4:] = torch.tensor([-32.0, 24.0])[:, None, None]
    options = {"stride_px": 8.0, "min_score": 0.3}
    got = personlab_decode(*(m.to(device) for m in (*maps[:2], forward, maps[3])), [(0, 1)], **options)
    assert got.counts.item() == 2
    assert got.keypoints[0, 1, 1].tolist() == pytest.approx([16, 32, 0.7])
    assert got.scores[0, :2].tolist() == pytest.approx([0.8, 0.4])


@pytest.mark.parametrize(("radius", "count"), [(16.0, 1), (15.9, 2)])
def test_radius_is_within(device, radius, count):
    maps = [m.to(device) for m in two_joints((0, 2, 1, 0.9), (0, 4, 1, 0.8))]
    options = {"stride_px": 8.0, "radius_px": radius, "min_score": 0.3}
    assert personlab_decode(*maps, [(0, 1)], **options).counts.item() == count


def test_steps_out_of_the_image_end_on_its_border(device):
    maps = two_joints((0, 2, 6, 0.9), (1, 2, 7, 0.4), step=(0.0, 1e30))
    got = personlab_decode(*(m.to(device) for m in maps), [(0, 1)], stride_px=8.0)
    assert got.keypoints[0, 0, 1].tolist() == pytest.approx([16, 56, 0.4])


def test_nan_and_infinite_values(device, generator):
    maps = noise(generator, batch=1)
    maps[0][:, 0, 3:5], maps[0][:, 1, 8, 8], maps[1][:, 1, :5, :5] = math.nan, math.inf, math.nan
    maps[2][:, :, 9], maps[3][:, 1, 2] = math.inf, math.nan
    options = {"stride_px": 4.0, "min_score": 0.1}
    got = personlab_decode(*(m.to(device) for m in maps), EDGES, **options)
    assert_same(got, reference.personlab_decode(*maps, EDGES, **options), **EXACT)
    assert got.keypoints.isfinite().all()
    nothing = personlab_decode(
        maps[0].to(device) * math.nan, *(m.to(device) for m in maps[1:]), EDGES, **options
    )
    assert nothing.counts.item() == 0


# ---- the machinery -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("batch", "joints"), [(0, 3), (2, 0)])
def test_empty_batch_and_no_joints(device, batch, joints):
    maps = [torch.zeros(batch, channels, 4, 5, device=device) for channels in (joints, 2 * joints, 0, 0)]
    got = personlab_decode(*maps, [], stride_px=8.0, max_people=4)
    assert got.keypoints.shape == (batch, 4, joints, 3) and got.counts.tolist() == [0] * batch
    assert isinstance(got, pyposeops.PersonlabPeople)


def test_one_pixel_maps(device, generator):
    maps = noise(generator, size=(1, 1))
    options = {"stride_px": 4.0, "threshold": 0.0, "min_score": 0.0}
    got = personlab_decode(*(m.to(device) for m in maps), EDGES, **options)
    assert_same(got, reference.personlab_decode(*maps, EDGES, **options), **EXACT)


def test_opcheck_and_compilation(device, generator):
    maps = [m.to(device) for m in noise(generator)]
    arguments = ([0, 1, 1, 2], 4.0, 0.5, 8, 2, 20.0, 0.3, 6)
    torch.library.opcheck(torch.ops.pyposeops.personlab_decode.default, (*maps, *arguments))
    assert_compiles(lambda h: personlab_decode(h * 2, *maps[1:], EDGES, stride_px=4.0), maps[0])


@pytest.mark.parametrize("isa", ISAS)
def test_every_instruction_set_gives_the_same_bits(tmp_path, generator, isa):
    cases = []
    for dtype in FLOATS:
        maps = [m.to(dtype) for m in noise(generator)]
        cases.append((maps, list(personlab_decode(*maps, EDGES, stride_px=3.3, min_score=0.2))))
    torch.save(cases, tmp_path / "expected.pt")
    run_under_isa(
        isa,
        "import torch, pyposeops\n"
        f"assert pyposeops.build_info()['cpu_isa'] == '{isa}'\n"
        f"for maps, want in torch.load({str(tmp_path / 'expected.pt')!r}):\n"
        f"    got = list(pyposeops.personlab_decode(*maps, {EDGES}, stride_px=3.3, min_score=0.2))\n"
        "    torch.testing.assert_close(got, want, rtol=0, atol=0)\n",
    )


def test_thread_count_does_not_change_the_result(generator):
    maps = noise(generator, batch=5)
    threads = torch.get_num_threads()
    try:
        results = []
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            results.append(personlab_decode(*maps, EDGES, stride_px=4.0, min_score=0.2))
    finally:
        torch.set_num_threads(threads)
    for result in results[1:]:
        assert_same(result, results[0], **EXACT)


# ---- bad input ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"heatmaps": torch.zeros(3, 4, 5)}, ValueError, "heatmaps: expected (B, K, H, W), got (3, 4, 5)"),
        (
            {"heatmaps": torch.zeros(2, 3, 0, 5)},
            ValueError,
            "heatmaps: expected a height and width of at least 1",
        ),
        ({"offsets": torch.zeros(2, 3, 4, 5)}, ValueError, "offsets: expected (B, 2 K, H, W)"),
        ({"offsets": torch.zeros(2, 6, 4, 5).double()}, TypeError, "offsets: expected the heatmaps' dtype"),
        ({"forward": torch.zeros(2, 4, 4, 6)}, ValueError, "forward: expected (B, 2 E, H, W)"),
        ({"backward": torch.zeros(2, 2, 4, 5)}, ValueError, "backward: expected (B, 2 E, H, W)"),
        ({"edges": [(0, 1), (1, 3)]}, ValueError, "edges: expected two of 3 joints, got 1 and 3"),
        ({"edges": [(0, 1), (1, 1)]}, ValueError, "edges: expected two of 3 joints, got 1 and 1"),
        ({"edges": [(0, 1)] * 129}, ValueError, "edges: expected at most 128 of them, got 129"),
        ({"stride_px": 0.0}, ValueError, "stride_px: expected a finite number above 0"),
        ({"threshold": math.nan}, ValueError, "threshold: expected a number, got nan"),
        ({"min_score": math.nan}, ValueError, "min_score: expected a number, got nan"),
        ({"max_peaks": 0}, ValueError, "max_peaks: expected a number from 1 to 1024, got 0"),
        ({"max_people": 0}, ValueError, "max_people: expected a number of at least 1, got 0"),
        ({"refine_steps": -1}, ValueError, "refine_steps: expected a number from 0 to 100, got -1"),
        ({"radius_px": -1.0}, ValueError, "radius_px: expected a finite number of at least 0"),
    ],
)
def test_bad_input_is_named(device, change, error, words):
    channels = {"heatmaps": 3, "offsets": 6, "forward": 4, "backward": 4}
    arguments = {name: torch.zeros(2, count, 4, 5) for name, count in channels.items()}
    arguments.update({"edges": EDGES, "stride_px": 8.0, **change})
    for name in channels:
        arguments[name] = arguments[name].to(device)
    with pytest.raises(error) as caught:
        personlab_decode(**arguments)
    assert words in str(caught.value)
