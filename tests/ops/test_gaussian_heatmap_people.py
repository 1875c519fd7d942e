"""gaussian_heatmap with many people: ragged lists, sigma per person, people added up, interference, background."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import pytest
import torch

from pyposeops import gaussian_heatmap, reference
from tests.op_contract import FLOATS, assert_compiles, assert_graph_captures, assert_same
from tests.ops.test_gaussian_heatmap import FLOAT32, SIZE, STORED, random_people
from tests.property_tests import given, settings, st

OPTIONS: dict[str, dict[str, Any]] = {
    "msra": {"sigma": 2.0},
    "unbiased": {"encoding": "unbiased", "sigma": [1.0, 1.5, 2.0]},
    "udp": {"encoding": "udp", "sigma": 1.5},
    "megvii": {"encoding": "megvii", "kernel_size": 11},
    "cmu": {"encoding": "cmu", "sigma": 1.2},
    "cmu add": {"encoding": "cmu", "sigma": 2.5, "combine": "add"},
    "normalized": {"encoding": "normalized", "sigma": 1.2},
}
WITH_BACKGROUND = ("msra", "unbiased", "udp", "cmu", "cmu add")
COUNTS = (2, 0, 5, 1)


def scale(name):
    """Tolerance of megvii's values of up to 255 and more, beside all others' of up to 1."""
    return {"rtol": 1e-5, "atol": 2e-4 if name == "megvii" else 5e-7}


def ragged_people(generator, joints=3, dtype=torch.float32):
    keypoints, visibility = random_people(generator, sum(COUNTS), joints, dtype=dtype)
    offsets = torch.tensor([0, *torch.tensor(COUNTS).cumsum(0).tolist()])
    return keypoints, visibility, offsets


def padded(keypoints, visibility, offsets):
    points = torch.full((len(COUNTS), max(COUNTS), *keypoints.shape[1:]), math.nan, dtype=keypoints.dtype)
    seen = torch.zeros(points.shape[:-1])
    for b, (begin, end) in enumerate(pairwise(offsets)):
        points[b, : end - begin] = keypoints[begin:end]
        seen[b, : end - begin] = visibility[begin:end]
    return points, seen


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("channels_last", [False, True])
def test_ragged_people_equal_padded_ones(device, generator, name, channels_last):
    keypoints, visibility, offsets = (t.to(device) for t in ragged_people(generator))
    options = {**OPTIONS[name], "channels_last": channels_last}
    got = gaussian_heatmap(keypoints, visibility, SIZE, offsets=offsets, **options)
    assert_same(
        got, gaussian_heatmap(*padded(keypoints.cpu(), visibility.cpu(), offsets.cpu()), SIZE, **options)
    )
    want = reference.gaussian_heatmap(
        keypoints.cpu(), visibility.cpu(), SIZE, offsets=offsets.cpu(), **options
    )
    assert_same(got, want, **scale(name))
    assert not got.heatmaps[1].any() and not got.weights[1].any()


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("channels_last", [False, True])
def test_interference_and_background_equal_definition(device, generator, name, channels_last):
    keypoints, visibility, offsets = (t.to(device) for t in ragged_people(generator))
    others = random_people(generator, 6, 3)
    options = {
        **OPTIONS[name],
        "channels_last": channels_last,
        "background": name in WITH_BACKGROUND,
        "interference_weight": 0.3,
    }
    ragged = {
        "offsets": offsets,
        "interference_keypoints": others[0].to(device),
        "interference_visibility": others[1].to(device),
        "interference_offsets": torch.tensor([0, 3, 3, 4, 6], device=device),
    }
    got = gaussian_heatmap(keypoints, visibility, SIZE, **options, **ragged)
    ragged = {key: value.cpu() for key, value in ragged.items()}
    want = reference.gaussian_heatmap(keypoints.cpu(), visibility.cpu(), SIZE, **options, **ragged)
    assert_same(got, want, **scale(name))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("channels_last", [False, True])
def test_composed_maps_are_rounded_once(device, generator, dtype, channels_last):
    keypoints, visibility = random_people(generator, 2, 3, 4, dtype=torch.float64)
    others = random_people(generator, 2, 2, 4, dtype=torch.float64)
    options = {
        "sigma": 1.6,
        "encoding": "cmu",
        "combine": "add",
        "background": True,
        "interference_keypoints": others[0],
        "interference_visibility": others[1],
    }
    want = reference.gaussian_heatmap(keypoints, visibility, SIZE, **options)
    options.update(interference_keypoints=others[0].to(device), interference_visibility=others[1].to(device))
    got = gaussian_heatmap(
        keypoints.to(device), visibility.to(device), SIZE, dtype=dtype, channels_last=channels_last, **options
    )
    assert got.heatmaps.dtype == dtype
    assert_same(got.heatmaps.double(), want[0], rtol=0, atol=1.5 * STORED[dtype])


def test_interference_is_crowdpose_target(generator):
    """T + mu C, with the maximum of the others' joints in C, typed from the plain maps."""
    own, seen = random_people(generator, 4, 5)
    others, others_seen = random_people(generator, 4, 3, 5)
    plain = gaussian_heatmap(own, seen, SIZE, sigma=2.0)
    candidates = gaussian_heatmap(others, others_seen, SIZE, sigma=2.0).heatmaps
    got = gaussian_heatmap(
        own,
        seen,
        SIZE,
        sigma=2.0,
        interference_keypoints=others,
        interference_visibility=others_seen,
    )
    assert_same(got.heatmaps, plain.heatmaps + 0.5 * candidates, **FLOAT32)
    assert torch.equal(got.weights, plain.weights)


def test_background_is_what_the_joints_leave(generator):
    keypoints, visibility = random_people(generator, 3, 2, 4)
    plain = gaussian_heatmap(keypoints, visibility, SIZE, sigma=2.0)
    got = gaussian_heatmap(keypoints, visibility, SIZE, sigma=2.0, background=True)
    assert_same(got.heatmaps[:, :4], plain.heatmaps, **FLOAT32)
    assert_same(got.heatmaps[:, 4], 1 - plain.heatmaps.amax(1), **FLOAT32)
    assert torch.equal(got.weights, torch.cat((plain.weights, torch.ones(3, 1)), dim=1))
    nobody = gaussian_heatmap(torch.zeros(2, 0, 3, 2), torch.zeros(2, 0, 3), SIZE, sigma=2.0, background=True)
    assert (nobody.heatmaps[:, 3] == 1).all() and not nobody.heatmaps[:, :3].any()


@pytest.mark.parametrize("encoding", ["msra", "unbiased", "udp", "cmu", "normalized"])
@pytest.mark.parametrize("last", [1, 2])
@pytest.mark.parametrize("ragged", [False, True])
def test_sigma_per_person(device, generator, encoding, last, ragged):
    keypoints, visibility = random_people(generator, 4, 3) if ragged else random_people(generator, 2, 2, 3)
    sigma = torch.rand(*keypoints.shape[:-1], last, generator=generator) + 1
    options = {"encoding": encoding}
    if ragged:
        options["offsets"] = torch.tensor([0, 1, 4], device=device)
    got = gaussian_heatmap(
        keypoints.to(device), visibility.to(device), SIZE, sigma=sigma.to(device), **options
    )
    options.update(offsets=torch.tensor([0, 1, 4])) if ragged else None
    assert_same(
        got, reference.gaussian_heatmap(keypoints, visibility, SIZE, sigma=sigma, **options), **FLOAT32
    )


def test_sigma_of_one_person_per_image(generator):
    keypoints, visibility = random_people(generator, 4, 3)
    sigma = torch.rand(4, 3, 1, generator=generator) + 1
    got = gaussian_heatmap(keypoints, visibility, SIZE, sigma=sigma)
    for b in range(4):
        want = gaussian_heatmap(keypoints[b : b + 1], visibility[b : b + 1], SIZE, sigma=sigma[b, :, 0])
        assert torch.equal(got.heatmaps[b], want.heatmaps[0])


@settings(max_examples=40, deadline=None)
@given(
    counts=st.lists(st.integers(0, 4), min_size=0, max_size=5),
    name=st.sampled_from(sorted(OPTIONS)),
    seed=st.integers(0, 1000),
)
def test_any_list_of_people_equals_definition(counts, name, seed):
    generator = torch.Generator().manual_seed(seed)
    keypoints, visibility = random_people(generator, sum(counts), 3)
    offsets = torch.tensor([0, *counts]).cumsum(0)
    got = gaussian_heatmap(keypoints, visibility, SIZE, offsets=offsets, **OPTIONS[name])
    want = reference.gaussian_heatmap(keypoints, visibility, SIZE, offsets=offsets, **OPTIONS[name])
    assert_same(got, want, **scale(name))


@pytest.mark.parametrize("encoding", ["unbiased", "cmu", "normalized"])
@pytest.mark.parametrize("sigma_shape", [(3,), (8, 3, 1), (8, 3, 2)])
def test_gradient_of_ragged_people(device, generator, encoding, sigma_shape):
    keypoints, visibility, offsets = ragged_people(generator, dtype=torch.float64)
    offsets[-1] -= 1  # the last person is on no image: no gradient
    widths = torch.rand(sigma_shape, generator=generator, dtype=torch.float64) + 1
    upstream = torch.rand(len(COUNTS), 3, *SIZE, generator=generator, dtype=torch.float64)
    gradients = []
    for function in (gaussian_heatmap, reference.gaussian_heatmap):
        points, width = (t.clone().to(device).requires_grad_() for t in (keypoints, widths))
        options = {"sigma": width, "encoding": encoding, "offsets": offsets.to(device)}
        maps = function(points, visibility.to(device), SIZE, **options)[0]
        gradients.append(torch.autograd.grad((maps * upstream.to(device)).sum(), (points, width)))
    assert_same(gradients[0], gradients[1], rtol=1e-8, atol=1e-11)
    assert not gradients[0][0][-1].any()


def test_gradient_of_composed_maps(device, generator):
    keypoints = (torch.rand(2, 2, 3, 2, generator=generator, dtype=torch.float64) * 8).to(device)
    others = (torch.rand(2, 3, 2, generator=generator, dtype=torch.float64) * 8).to(device)
    seen = torch.ones(2, 2, 3, device=device)

    def render(points, width):
        options = {
            "interference_keypoints": others,
            "interference_visibility": seen[:, 0],
            "background": True,
        }
        return gaussian_heatmap(
            points, seen, (9, 8), sigma=width, encoding="unbiased", input_size=(18, 12), **options
        ).heatmaps

    sigma = torch.tensor([1.1, 1.3, 1.7], dtype=torch.float64, device=device)
    assert torch.autograd.gradcheck(render, (keypoints.requires_grad_(), sigma.requires_grad_()))


def test_opcheck_and_compile(device, generator):
    keypoints, visibility, offsets = (t.to(device) for t in ragged_people(generator))
    others = [t.to(device) for t in random_people(generator, 4, 3)]

    def render(k, v, o):
        options = {"interference_keypoints": others[0], "interference_visibility": others[1]}
        return gaussian_heatmap(k, v, SIZE, sigma=2.0, offsets=o, background=True, **options)

    assert_compiles(render, keypoints, visibility, offsets)
    rest = (None, None, 0, None, True, 0, False, True, offsets, *others, None, 0.5)
    torch.library.opcheck(
        torch.ops.pyposeops.gaussian_heatmap.default, (keypoints, visibility, *SIZE, 2.0, 0, *rest)
    )
    torch.library.opcheck(
        torch.ops.pyposeops.gaussian_heatmap_backward.default,
        (keypoints, visibility, torch.rand(4, 3, *SIZE, device=device), 2.0, 1, None, None, 0, offsets),
    )


def test_arrays_in_arrays_out(generator):
    keypoints, visibility, offsets = ragged_people(generator)
    options = {"sigma": 2.0, "background": True}
    got = gaussian_heatmap(keypoints.numpy(), visibility.numpy(), SIZE, offsets=offsets.numpy(), **options)
    want = gaussian_heatmap(keypoints, visibility, SIZE, offsets=offsets, **options)
    assert_same([torch.from_numpy(array) for array in got], want)


@pytest.mark.cuda
def test_cuda_graph_capture(generator):
    keypoints, visibility, offsets = (t.cuda() for t in ragged_people(generator))
    options = {"sigma": 2.0, "offsets": offsets, "background": True}
    assert_graph_captures(lambda k: gaussian_heatmap(k, visibility, SIZE, **options), keypoints)


@pytest.mark.cuda
def test_offsets_past_the_end_read_no_other_memory():
    keypoints, visibility = torch.full((3, 2, 2), 5.0).cuda(), torch.ones(3, 2).cuda()
    offsets = torch.tensor([-4, 2, 1, 900]).cuda()
    maps = gaussian_heatmap(keypoints, visibility, SIZE, sigma=2.0, offsets=offsets).heatmaps
    assert maps.amax((1, 2, 3)).tolist() == [1.0, 0.0, 1.0]


@pytest.mark.cuda
@pytest.mark.parametrize("channels_last", [False, True])
def test_more_people_than_a_block_can_stage(generator, channels_last):
    keypoints, visibility = random_people(generator, 60, 133)
    options = {"sigma": 1.0, "channels_last": channels_last, "background": True}
    offsets = torch.tensor([0, 5, 60])
    got = gaussian_heatmap(keypoints.cuda(), visibility.cuda(), SIZE, offsets=offsets.cuda(), **options)
    assert_same(got, gaussian_heatmap(keypoints, visibility, SIZE, offsets=offsets, **options), **FLOAT32)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"offsets": torch.tensor([0, 2, 1])}, ValueError, "offsets: expected numbers that do not fall"),
        ({"offsets": torch.tensor([0, 9])}, ValueError, "from 0 to the 4 people, got 9 at 1"),
        ({"offsets": torch.tensor([-1, 2])}, ValueError, "got -1 at 0"),
        ({"offsets": torch.tensor([[0, 2]])}, ValueError, "expected (P, K, 2) and (B + 1,)"),
        ({"offsets": torch.tensor([0.0, 2.0])}, TypeError, "offsets: expected dtype int64"),
        ({"interference_keypoints": torch.zeros(4, 3, 2)}, ValueError, "expected both or none, got one"),
        (
            {"interference_offsets": torch.tensor([0])},
            ValueError,
            "expected None without interference_keypoints",
        ),
        (
            {"interference_keypoints": torch.zeros(3, 3, 2), "interference_visibility": torch.ones(3, 3)},
            ValueError,
            "interference_keypoints: expected the images and the joints of keypoints, got (3, 3, 2)",
        ),
        (
            {"interference_keypoints": torch.zeros(4, 3, 2), "interference_visibility": torch.ones(4, 2)},
            ValueError,
            "interference_visibility: expected the shape of interference_keypoints",
        ),
        (
            {
                "interference_keypoints": torch.zeros(4, 3, 2),
                "interference_visibility": torch.ones(4, 3),
                "sigma": torch.ones(4, 3, 1),
            },
            ValueError,
            "with interference joints, got (4, 3, 1)",
        ),
    ],
)
def test_bad_people_are_named(options, error, words):
    with pytest.raises(error) as caught:
        gaussian_heatmap(torch.zeros(4, 3, 2), torch.ones(4, 3), SIZE, **{"sigma": 2.0, **options})
    assert words in str(caught.value)
