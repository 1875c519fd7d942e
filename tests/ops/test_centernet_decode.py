"""centernet_decode against its definition, against torch in the manner of the public code, and at its corners."""

from __future__ import annotations

import math

import pytest
import torch

import pyposeops
from benchmarks.alternatives import centernet_parser
from benchmarks.centred_people import crowd
from pyposeops import centernet_decode, reference
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

EXACT = {"rtol": 0.0, "atol": 0.0}
OPTIONAL = ("center_offsets", "joint_heatmaps", "joint_heatmap_offsets")


def noise(generator, batch=2, joints=3, size=(20, 24), levels=0):
    """Peaks everywhere; boxes and joints of any place and size."""

    def rand(channels):
        maps = torch.rand(batch, channels, *size, generator=generator)
        return (maps * levels).round() / levels if levels else maps

    return {
        "centers": rand(1),
        "sizes": 16 * rand(2) - 1,
        "joint_offsets": 12 * rand(2 * joints) - 6,
        "center_offsets": rand(2),
        "joint_heatmaps": rand(joints),
        "joint_heatmap_offsets": rand(2),
    }


def moved(maps, device):
    return {name: tensor.to(device) for name, tensor in maps.items()}


# ---- values ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("people", [0, 1, 5, 50])
def test_people_are_equal_to_the_definition(device, people):
    maps = crowd(people, seed=people)[1]
    options = {"threshold": 0.3}
    got = centernet_decode(**moved(maps, device), **options)
    assert_same(got, reference.centernet_decode(**maps, **options), **EXACT)
    assert got.counts.item() <= people and (people == 0 or got.joint_scores.count_nonzero())


def test_people_come_back():
    """Where boxes hold their joints, and few people are near each other."""
    people, maps = crowd(4, seed=3)
    got = centernet_decode(**maps, threshold=0.3)
    assert got.counts.item() == 4
    for person in people:
        errors = (got.keypoints[0, :4] - person).abs().amax((1, 2))
        assert errors.min() < 3
        nearest = got.keypoints[0, errors.argmin()]
        assert (nearest - person).abs().amax(1).lt(1e-4).float().mean() > 0.8


@pytest.mark.parametrize("people", [1, 5, 50])
def test_equals_the_public_procedure(device, people):
    maps = moved(crowd(people, seed=people)[1], device)
    keypoints, corners, scores = centernet_parser.decode(*maps.values())
    got = centernet_decode(**maps)
    sure = got.scores > 0.3
    assert torch.equal(got.scores[sure], scores[sure])
    assert torch.equal(got.keypoints[sure], keypoints[sure])
    torch.testing.assert_close(got.boxes[sure][:, :2] + got.boxes[sure][:, 2:], corners[sure][:, 2:])


@pytest.mark.parametrize("levels", [0, 4])
@pytest.mark.parametrize(
    ("without", "options"),
    [
        ((), {}),
        (("center_offsets",), {"max_people": 3, "max_peaks": 4}),
        (("joint_heatmap_offsets",), {"max_distance": 0.1, "joint_threshold": 0.6}),
        (("joint_heatmaps", "joint_heatmap_offsets"), {"threshold": 0.8}),
        (OPTIONAL, {"max_distance": 0.0}),
        ((), {"max_distance": 100.0}),
    ],
)
def test_noise_is_equal_to_the_definition(device, generator, levels, without, options):
    maps = {name: value for name, value in noise(generator, levels=levels).items() if name not in without}
    got = centernet_decode(**moved(maps, device), **options)
    assert_same(got, reference.centernet_decode(**maps, **options), **EXACT)
    assert got.counts.min() > 0


@pytest.mark.parametrize("layout", ["contiguous", "channels_last", "strided", "transposed"])
@pytest.mark.parametrize("dtype", FLOATS)
def test_dtypes_and_layouts(device, generator, layout, dtype):
    maps = {name: value.to(dtype) for name, value in noise(generator).items()}
    laid_out = {name: layouts(value.to(device))[layout] for name, value in maps.items()}
    got = centernet_decode(**laid_out)
    assert_same(got, reference.centernet_decode(**maps), **EXACT)
    assert got.keypoints.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)


@settings(max_examples=60, deadline=None)
@given(
    people=st.integers(0, 50),
    seed=st.integers(0, 10_000),
    levels=st.sampled_from([0, 3, 10]),
    options=st.fixed_dictionaries(
        {
            "max_people": st.sampled_from([1, 10, 60]),
            "max_peaks": st.sampled_from([1, 10, 60]),
            "threshold": st.sampled_from([0.0, 0.3]),
            "joint_threshold": st.sampled_from([-math.inf, 0.1, 0.5]),
            "max_distance": st.sampled_from([0.0, 0.3, 2.0]),
        }
    ),
)
def test_any_crowd_equals_definition(people, seed, levels, options):
    maps = crowd(people, seed, size=(40, 44), joints=2)[1]
    if levels:
        maps = {name: (value * levels).round() / levels for name, value in maps.items()}
    got = centernet_decode(**maps, **options)
    assert_same(got, reference.centernet_decode(**maps, **options), **EXACT)


# ---- corners -----------------------------------------------------------------------------------------------------


def one_person(*peaks, offset=(0.0, 0.0), size=(8.0, 4.0)):
    """A person at (6, 5), a joint at an offset from there, and detected joints (x, y, value)."""
    maps = {
        "centers": torch.zeros(1, 1, 12, 14),
        "sizes": torch.tensor(size)[None, :, None, None].expand(1, 2, 12, 14),
        "joint_offsets": torch.tensor(offset)[None, :, None, None].expand(1, 2, 12, 14),
        "center_offsets": torch.zeros(1, 2, 12, 14),
        "joint_heatmaps": torch.zeros(1, 1, 12, 14),
        "joint_heatmap_offsets": torch.zeros(1, 2, 12, 14),
    }
    maps["centers"][0, 0, 5, 6] = 0.9
    for x, y, value in peaks:
        maps["joint_heatmaps"][0, 0, y, x] = value
    return maps


@pytest.mark.parametrize(
    ("peaks", "options", "want"),
    [
        ([(8, 5, 0.5)], {}, (8, 5)),
        ([(8, 5, 0.1)], {}, (6, 5)),  # not above the threshold
        ([(10, 5, 0.5)], {}, (6, 5)),  # too far: 4 of 2.4 pixels
        ([(10, 5, 0.5)], {"max_distance": 0.5}, (10, 5)),  # on the border of the box, and as far as may be
        ([(11, 5, 0.5)], {"max_distance": 2.0}, (6, 5)),  # outside the box
        ([(6, 8, 0.5)], {"max_distance": 2.0}, (6, 5)),  # below it
        (
            [(6, 8, 0.5), (10, 5, 0.5)],
            {"max_distance": 2.0},
            (6, 5),
        ),  # the nearest decides, though it may not be
        ([(4, 5, 0.5), (8, 5, 0.7)], {}, (8, 5)),  # equally near: the larger
        ([(4, 5, 0.5), (8, 5, 0.5)], {}, (4, 5)),  # equally large: the first
    ],
)
def test_which_detected_joint_is_taken(device, peaks, options, want):
    got = centernet_decode(**moved(one_person(*peaks), device), **options)
    assert got.counts.item() == 1
    assert got.keypoints[0, 0, 0].tolist() == list(want)
    assert (got.joint_scores[0, 0, 0] > 0) == (want != (6, 5))
    assert got.boxes[0, 0].tolist() == [2, 3, 8, 4]


def test_people_share_a_peak(device):
    maps = one_person((8, 5, 0.5))
    maps["centers"][0, 0, 5, 9] = 0.8
    got = centernet_decode(**moved(maps, device))
    assert got.keypoints[0, :2, 0].tolist() == [[8, 5], [8, 5]]


def test_nan_and_infinite_values(device, generator):
    maps = noise(generator, batch=1)
    for name, tensor in maps.items():
        tensor[..., 3:6, :] = math.nan if name != "joint_heatmaps" else math.inf
        tensor[..., 12, 4:] = math.inf
    maps["sizes"][..., 15:, :] = -1.0
    got = centernet_decode(**moved(maps, device))
    assert_same(got, reference.centernet_decode(**maps), **EXACT)
    maps["centers"][:] = math.nan
    assert centernet_decode(**moved(maps, device)).counts.item() == 0


# ---- the machinery -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("batch", "joints"), [(0, 3), (2, 0)])
def test_empty_batch_and_no_joints(device, generator, batch, joints):
    got = centernet_decode(**moved(noise(generator, batch, joints), device), max_people=4)
    assert got.keypoints.shape == (batch, 4, joints, 2) and got.boxes.shape == (batch, 4, 4)
    assert isinstance(got, pyposeops.CenternetPeople)


def test_one_pixel_maps(device, generator):
    maps = noise(generator, size=(1, 1))
    assert_same(centernet_decode(**moved(maps, device)), reference.centernet_decode(**maps), **EXACT)


def test_inputs_are_not_written(device, generator):
    maps = moved(noise(generator), device)
    before = {name: tensor.clone() for name, tensor in maps.items()}
    centernet_decode(**maps)
    assert all(torch.equal(maps[name], tensor) for name, tensor in before.items())


def test_opcheck_and_compilation(device, generator):
    maps = moved(noise(generator), device)
    operator = torch.ops.pyposeops.centernet_decode.default
    first, further = list(maps.values())[:3], list(maps.values())[3:]
    torch.library.opcheck(operator, (*first, 5, 8, 0.0, 0.1, 0.3, *further))
    torch.library.opcheck(operator, (*first, 5, 8, 0.0, 0.1, 0.3))
    assert_compiles(lambda centers: centernet_decode(**{**maps, "centers": centers * 2}), maps["centers"])


@pytest.mark.cuda
def test_cuda_graph_capture(generator):
    maps = moved(noise(generator), "cuda")
    assert_graph_captures(lambda centers: centernet_decode(**{**maps, "centers": centers}), maps["centers"])


@pytest.mark.parametrize("isa", ISAS)
def test_every_instruction_set_gives_the_same_bits(tmp_path, generator, isa):
    cases = []
    for dtype in FLOATS:
        maps = {name: value.to(dtype) for name, value in noise(generator, size=(40, 50)).items()}
        cases.append((maps, list(centernet_decode(**maps))))
    torch.save(cases, tmp_path / "expected.pt")
    run_under_isa(
        isa,
        "import torch, pyposeops\n"
        f"assert pyposeops.build_info()['cpu_isa'] == '{isa}'\n"
        f"for maps, want in torch.load({str(tmp_path / 'expected.pt')!r}):\n"
        "    got = list(pyposeops.centernet_decode(**maps))\n"
        "    torch.testing.assert_close(got, want, rtol=0, atol=0)\n",
    )


def test_thread_count_does_not_change_the_result(generator):
    maps = noise(generator, batch=5, joints=17, size=(64, 64))
    threads = torch.get_num_threads()
    try:
        results = []
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            results.append(centernet_decode(**maps))
    finally:
        torch.set_num_threads(threads)
    for result in results[1:]:
        assert_same(result, results[0], **EXACT)


# ---- bad input ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (
            {"centers": torch.zeros(2, 2, 4, 5)},
            ValueError,
            "centers: expected (B, 1, H, W), got (2, 2, 4, 5)",
        ),
        ({"centers": torch.zeros(2, 1, 4, 5).int()}, TypeError, "centers: expected a floating dtype"),
        (
            {"centers": torch.zeros(2, 1, 0, 5)},
            ValueError,
            "centers: expected a height and width of at least",
        ),
        ({"sizes": torch.zeros(2, 3, 4, 5)}, ValueError, "sizes: expected (2, 2, 4, 5), as large as centers"),
        ({"sizes": torch.zeros(2, 2, 4, 5).double()}, TypeError, "sizes: expected the centers' dtype"),
        ({"joint_offsets": torch.zeros(2, 3, 4, 5)}, ValueError, "joint_offsets: expected (B, 2 K, H, W)"),
        ({"joint_offsets": torch.zeros(2, 4, 4, 6)}, ValueError, "joint_offsets: expected (2, 4, 4, 5)"),
        ({"center_offsets": torch.zeros(1, 2, 4, 5)}, ValueError, "center_offsets: expected (2, 2, 4, 5)"),
        ({"joint_heatmaps": torch.zeros(2, 3, 4, 5)}, ValueError, "joint_heatmaps: expected (2, 2, 4, 5)"),
        ({"joint_heatmaps": None}, ValueError, "joint_heatmap_offsets: expected joint_heatmaps with them"),
        (
            {"joint_heatmap_offsets": torch.zeros(2, 4, 4, 5)},
            ValueError,
            "joint_heatmap_offsets: expected (2",
        ),
        ({"max_people": 0}, ValueError, "max_people: expected a number from 1 to 1024, got 0"),
        ({"max_peaks": 1025}, ValueError, "max_peaks: expected a number from 1 to 1024, got 1025"),
        ({"threshold": math.nan}, ValueError, "threshold: expected a number, got nan"),
        ({"joint_threshold": math.nan}, ValueError, "joint_threshold: expected a number, got nan"),
        ({"max_distance": -1.0}, ValueError, "max_distance: expected a finite number of at least 0"),
        ({"max_distance": math.nan}, ValueError, "max_distance: expected a finite number of at least 0"),
    ],
)
def test_bad_input_is_named(device, change, error, words):
    channels = {"centers": 1, "sizes": 2, "joint_offsets": 4, "center_offsets": 2, "joint_heatmaps": 2}
    arguments = {name: torch.zeros(2, count, 4, 5) for name, count in channels.items()}
    arguments["joint_heatmap_offsets"] = torch.zeros(2, 2, 4, 5)
    arguments.update(change)
    for name, value in arguments.items():
        arguments[name] = value.to(device) if isinstance(value, torch.Tensor) else value
    with pytest.raises(error) as caught:
        centernet_decode(**arguments)
    assert words in str(caught.value)
