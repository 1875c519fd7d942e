"""gaussian_heatmap against its definition, against the published loop, and at its corners."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import pyposeops
from pyposeops import gaussian_heatmap, reference
from tests.op_contract import (
    FLOATS,
    ISAS,
    assert_compiles,
    assert_graph_captures,
    assert_same,
    run_under_isa,
)
from tests.property_tests import given, settings, st

ENCODINGS = ("msra", "unbiased", "udp")
SIZE = (24, 18)
# exp is within 2 units in the last place, the product of two factors within 4: 5e-7 of a peak of 1.
FLOAT32 = {"rtol": 0.0, "atol": 5e-7}
STORED = {torch.float32: 5e-7, torch.float64: 1e-15, torch.float16: 5e-4, torch.bfloat16: 4e-3}


def random_people(generator, *shape, size=SIZE, margin=9.0, dtype=torch.float32):
    """Joints on the map and up to `margin` pixels off it, a third of them invisible."""
    spread = torch.tensor([size[1] + 2 * margin, size[0] + 2 * margin])
    keypoints = torch.rand(*shape, 2, generator=generator) * spread - margin
    visibility = torch.randint(0, 3, shape, generator=generator).clamp(max=1)
    return keypoints.to(dtype), visibility.to(torch.float32)


def published_msra(keypoints, visibility, size, sigma):
    """One sample, joint by joint in NumPy: the published rules of Simple Baselines and HRNet, written out."""
    height, width = size
    heatmaps = np.zeros((len(keypoints), height, width), np.float32)
    weights = visibility.astype(np.float32).copy()
    radius = sigma * 3
    for k, (x, y) in enumerate(keypoints):
        mu_x, mu_y = int(x + 0.5), int(y + 0.5)
        left, top = int(mu_x - radius), int(mu_y - radius)
        right, bottom = int(mu_x + radius + 1), int(mu_y + radius + 1)
        if left >= width or top >= height or right < 0 or bottom < 0:
            weights[k] = 0
            continue
        if weights[k] < 0.5:
            continue
        grid = np.arange(0, 2 * radius + 1, 1, np.float32)
        middle = (2 * radius + 1) // 2
        patch = np.exp(-((grid[None] - middle) ** 2 + (grid[:, None] - middle) ** 2) / (2 * sigma**2))
        columns, rows = slice(max(0, left), min(right, width)), slice(max(0, top), min(bottom, height))
        heatmaps[k, rows, columns] = patch[
            rows.start - top : rows.stop - top, columns.start - left : columns.stop - left
        ]
    return heatmaps, weights


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("compat", ["fixed", "reference"])
@pytest.mark.parametrize("sigma", [2.0, 1.5, 1.2, 0.1, 40.0])
@pytest.mark.parametrize("channels_last", [False, True])
def test_equals_definition(device, generator, encoding, compat, sigma, channels_last):
    keypoints, visibility = random_people(generator, 5, 7)
    options = {"sigma": sigma, "encoding": encoding, "compat": compat, "channels_last": channels_last}
    got = gaussian_heatmap(keypoints.to(device), visibility.to(device), SIZE, **options)
    assert_same(got, reference.gaussian_heatmap(keypoints, visibility, SIZE, **options), **FLOAT32)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    assert got.heatmaps.is_contiguous(memory_format=layout)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("dtype", FLOATS)
def test_every_dtype_equals_definition_in_float64(device, generator, encoding, channels_last, dtype):
    keypoints, visibility = random_people(generator, 3, 5, dtype=torch.float64)
    got = gaussian_heatmap(
        keypoints.to(device),
        visibility.to(device),
        SIZE,
        sigma=1.7,
        encoding=encoding,
        dtype=dtype,
        channels_last=channels_last,
    )
    want = reference.gaussian_heatmap(keypoints, visibility, SIZE, sigma=1.7, encoding=encoding)
    assert got.heatmaps.dtype == dtype
    assert_same(got.heatmaps.double(), want[0], rtol=0.0, atol=STORED[dtype])
    assert torch.equal(got.weights.cpu().double(), want[1])


@pytest.mark.parametrize("sigma", [1.0, 2.0, 3.0, 1.5, 1.2, 16 / 15])
def test_reference_compat_equals_published_loop(generator, sigma):
    keypoints, visibility = random_people(generator, 200, 5, margin=12.0)
    got = gaussian_heatmap(keypoints, visibility, SIZE, sigma=sigma, compat="reference")
    for b in range(len(keypoints)):
        heatmaps, weights = published_msra(keypoints[b].numpy(), visibility[b].numpy(), SIZE, sigma)
        np.testing.assert_allclose(got.heatmaps[b].numpy(), heatmaps, rtol=0, atol=5e-7)
        np.testing.assert_array_equal(got.weights[b].numpy(), weights)


def test_fractional_window_is_centred_by_default_and_shifted_at_the_border_by_reference():
    keypoints = torch.tensor([[[2.0, 10.0]]])
    visible = torch.ones(1, 1)
    fixed = gaussian_heatmap(keypoints, visible, SIZE, sigma=1.5).heatmaps[0, 0]
    published = gaussian_heatmap(keypoints, visible, SIZE, sigma=1.5, compat="reference").heatmaps[0, 0]
    assert divmod(int(fixed.argmax()), SIZE[1]) == (10, 2)
    assert divmod(int(published.argmax()), SIZE[1]) == (10, 3)
    assert torch.equal(fixed[10 - 4 : 10], fixed[10 + 1 : 10 + 5].flip(0))
    assert fixed[5].max() == 0 and fixed[15].max() == 0


@pytest.mark.parametrize(
    ("x", "compat", "weight"),
    [(-6.4, "fixed", 1.0), (-6.6, "fixed", 0.0), (-6.6, "reference", 1.0), (-8.4, "reference", 1.0),
     (-8.6, "reference", 0.0), (23.4, "fixed", 1.0), (23.6, "fixed", 0.0), (23.6, "reference", 0.0)],
)  # fmt: skip
def test_weight_is_zero_where_the_window_misses_the_map(x, compat, weight):
    got = gaussian_heatmap(torch.tensor([[[x, 5.0]]]), torch.ones(1, 1), SIZE, sigma=2.0, compat=compat)
    assert got.weights.item() == weight
    if compat == "fixed":
        assert (got.heatmaps.max() > 0) == (weight > 0)


def test_values_of_one_joint_by_hand():
    got = gaussian_heatmap(torch.tensor([[[3.4, 5.5]]]), torch.full((1, 1), 2.0), SIZE, sigma=1.0)
    assert got.weights.item() == 2.0
    assert got.heatmaps[0, 0, 6, 3].item() == 1.0
    assert got.heatmaps[0, 0, 7, 5].item() == pytest.approx(math.exp(-2.5), rel=1e-6)
    assert got.heatmaps[0, 0, 6, 6].item() == pytest.approx(math.exp(-4.5), rel=1e-6)
    assert got.heatmaps[0, 0, 6, 7].item() == 0.0


def test_input_size_maps_keypoints_by_the_stride_of_each_encoding():
    keypoints = torch.tensor([[[95.0, 127.0], [191.0, 255.0]]])
    visible = torch.ones(1, 2)
    udp = gaussian_heatmap(
        keypoints, visible, (64, 48), sigma=2.0, encoding="udp", input_size=(256, 192)
    ).heatmaps
    assert divmod(int(udp[0, 1].argmax()), 48) == (63, 47)
    unbiased = gaussian_heatmap(
        keypoints, visible, (64, 48), sigma=2.0, encoding="unbiased", input_size=(256, 192)
    ).heatmaps
    direct = gaussian_heatmap(keypoints / 4, visible, (64, 48), sigma=2.0, encoding="unbiased").heatmaps
    assert_same(unbiased, direct, **FLOAT32)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("people", [0, 1, 2, 9])
def test_people_are_combined_by_the_maximum(device, generator, encoding, channels_last, people):
    keypoints, visibility = random_people(generator, 3, people, 4)
    got = gaussian_heatmap(
        keypoints.to(device),
        visibility.to(device),
        SIZE,
        sigma=2.0,
        encoding=encoding,
        channels_last=channels_last,
    )
    if people == 0:
        assert not got.heatmaps.any() and not got.weights.any()
        return
    single = [
        gaussian_heatmap(keypoints[:, n], visibility[:, n], SIZE, sigma=2.0, encoding=encoding)
        for n in range(people)
    ]
    assert_same(got.heatmaps, torch.stack([s.heatmaps for s in single]).amax(0), **FLOAT32)
    assert_same(got.weights, torch.stack([s.weights for s in single]).amax(0))


@pytest.mark.cuda
@pytest.mark.parametrize("channels_last", [False, True])
def test_more_joints_than_a_block_can_stage(generator, channels_last):
    keypoints, visibility = random_people(generator, 1, 40, 133)
    options = {"sigma": 1.0, "channels_last": channels_last}
    got = gaussian_heatmap(keypoints.cuda(), visibility.cuda(), SIZE, **options)
    assert_same(got, gaussian_heatmap(keypoints, visibility, SIZE, **options), **FLOAT32)


def test_sigma_per_joint(device, generator):
    keypoints, visibility = random_people(generator, 4, 3)
    sigma = torch.tensor([0.5, 2.0, 3.3])
    got = gaussian_heatmap(keypoints.to(device), visibility.to(device), SIZE, sigma=sigma.to(device))
    for k in range(3):
        alone = gaussian_heatmap(
            keypoints[:, k : k + 1], visibility[:, k : k + 1], SIZE, sigma=float(sigma[k])
        )
        assert_same(got.heatmaps[:, k : k + 1], alone.heatmaps, **FLOAT32)
    as_list = gaussian_heatmap(keypoints, visibility, SIZE, sigma=[0.5, 2.0, 3.3])
    assert_same(as_list, got, **FLOAT32)
    whole = gaussian_heatmap(keypoints, visibility, SIZE, sigma=[2, 3, 2])
    assert_same(whole, gaussian_heatmap(keypoints, visibility, SIZE, sigma=torch.tensor([2.0, 3.0, 2.0])))
    scalar = gaussian_heatmap(keypoints, visibility, SIZE, sigma=np.float32(2))
    assert_same(scalar, gaussian_heatmap(keypoints, visibility, SIZE, sigma=2.0))


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_not_finite_means_not_drawn(device, encoding):
    keypoints = torch.full((1, 6, 2), 5.0)
    keypoints[0, 0, 0] = math.nan
    keypoints[0, 1, 1] = math.inf
    keypoints[0, 2] = -1e30
    visibility = torch.ones(1, 6)
    visibility[0, 3] = math.nan
    sigma = torch.tensor([2.0, 2.0, 2.0, 2.0, -1.0, math.nan])
    got = gaussian_heatmap(
        keypoints.to(device), visibility.to(device), SIZE, sigma=sigma.to(device), encoding=encoding
    )
    assert not got.heatmaps.any()
    assert not got.weights.any()


@pytest.mark.parametrize("sigma", [1e-30, 1e30])
def test_extreme_sigma_gives_a_point_or_a_constant(sigma):
    got = gaussian_heatmap(torch.tensor([[[5.0, 6.0]]]), torch.ones(1, 1), SIZE, sigma=sigma).heatmaps
    if sigma < 1:
        assert got.sum() == 1 and got[0, 0, 6, 5] == 1
    else:
        assert torch.equal(got, torch.ones_like(got))


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.int32, torch.int64, torch.float16])
def test_visibility_of_any_dtype(generator, dtype):
    keypoints, visibility = random_people(generator, 2, 3)
    want = gaussian_heatmap(keypoints, visibility, SIZE, sigma=2.0)
    assert_same(gaussian_heatmap(keypoints, visibility.to(dtype), SIZE, sigma=2.0), want)


def test_strided_inputs(device, generator):
    keypoints, visibility = random_people(generator, 4, 3)
    flipped = keypoints.flip(-1).to(device).flip(-1)
    wide = torch.empty(4, 6, 3, device=device)[:, ::2, :2].copy_(keypoints)
    seen = visibility.T.contiguous().T.to(device)
    want = gaussian_heatmap(keypoints, visibility, SIZE, sigma=2.0)
    for points in (flipped, wide):
        assert_same(gaussian_heatmap(points, seen, SIZE, sigma=2.0), want, **FLOAT32)


@pytest.mark.parametrize("shape", [(0, 3), (2, 0)])
def test_empty_batch_and_no_joints(device, shape):
    got = gaussian_heatmap(
        torch.zeros(*shape, 2, device=device), torch.zeros(shape, device=device), SIZE, sigma=2.0
    )
    assert got.heatmaps.shape == (*shape, *SIZE) and got.weights.shape == shape


@pytest.mark.parametrize("size", [(1, 1), (1, 37), (5, 3)])
@pytest.mark.parametrize("channels_last", [False, True])
def test_odd_sizes(device, generator, size, channels_last):
    keypoints, visibility = random_people(generator, 3, 5, size=size, margin=2.0)
    for encoding in ENCODINGS:
        options = {"sigma": 1.0, "encoding": encoding, "channels_last": channels_last}
        got = gaussian_heatmap(keypoints.to(device), visibility.to(device), size, **options)
        want = reference.gaussian_heatmap(keypoints, visibility, size, **options)
        assert_same(got.heatmaps.contiguous(), want[0].contiguous(), **FLOAT32)


@settings(max_examples=60, deadline=None)
@given(
    x=st.floats(-1e6, 1e6, width=32),
    y=st.floats(-60, 60, width=32),
    sigma=st.floats(0.05, 50),
    encoding=st.sampled_from(ENCODINGS),
    compat=st.sampled_from(["fixed", "reference"]),
)
def test_any_joint_equals_definition(x, y, sigma, encoding, compat):
    arguments = (torch.tensor([[[x, y]]]), torch.ones(1, 1), SIZE)
    options = {"sigma": sigma, "encoding": encoding, "compat": compat}
    assert_same(
        gaussian_heatmap(*arguments, **options), reference.gaussian_heatmap(*arguments, **options), **FLOAT32
    )


# ---- gradients ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("people", [None, 3])
@pytest.mark.parametrize("channels_last", [False, True])
def test_gradcheck_in_keypoints_and_sigma(device, generator, people, channels_last):
    shape = (2, 4) if people is None else (2, people, 4)
    keypoints = (
        (torch.rand(*shape, 2, generator=generator, dtype=torch.float64) * 40).to(device).requires_grad_()
    )
    sigma = (torch.rand(4, generator=generator, dtype=torch.float64) + 1).to(device).requires_grad_()
    visibility = torch.ones(shape, device=device)
    visibility[0, ..., 0] = 0

    def render(points, width):
        options = {"sigma": width, "encoding": "unbiased", "channels_last": channels_last}
        return gaussian_heatmap(points, visibility, (9, 8), input_size=(36, 40), **options).heatmaps

    assert torch.autograd.gradcheck(render, (keypoints, sigma))


def test_gradient_equals_that_of_the_definition(device, generator):
    keypoints, visibility = random_people(generator, 2, 3, 4, dtype=torch.float64)
    upstream = torch.rand(2, 4, *SIZE, generator=generator, dtype=torch.float64)
    gradients = []
    for function in (gaussian_heatmap, reference.gaussian_heatmap):
        points = keypoints.clone().to(device).requires_grad_()
        heatmaps = function(points, visibility.to(device), SIZE, sigma=2.0, encoding="unbiased")[0]
        (heatmaps * upstream.to(device)).sum().backward()
        gradients.append(points.grad)
    assert_same(gradients[0], gradients[1], rtol=1e-9, atol=1e-12)


def test_second_derivatives(generator):
    keypoints = (torch.rand(1, 2, 2, generator=generator, dtype=torch.float64) * 8).requires_grad_()
    sigma = (torch.rand(2, generator=generator, dtype=torch.float64) + 1).requires_grad_()

    def render(points, width):
        visibility = torch.ones(1, 2)
        return gaussian_heatmap(points, visibility, (6, 5), sigma=width, encoding="unbiased").heatmaps

    assert torch.autograd.gradgradcheck(render, (keypoints, sigma))
    points = keypoints.detach().requires_grad_()
    constant = gaussian_heatmap(points, torch.ones(1, 2), (6, 5), sigma=2.0, encoding="unbiased").heatmaps
    (first,) = torch.autograd.grad(constant.sum(), points, create_graph=True)
    assert first.requires_grad


def test_windowed_encodings_pass_no_gradient():
    keypoints = torch.rand(1, 1, 2, requires_grad=True)
    assert not gaussian_heatmap(keypoints, torch.ones(1, 1), SIZE, sigma=2.0).heatmaps.requires_grad


# ---- the machinery -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_opcheck(device, generator, encoding):
    keypoints, visibility = (t.to(device) for t in random_people(generator, 2, 3))
    code = ENCODINGS.index(encoding)
    torch.library.opcheck(
        torch.ops.pyposeops.gaussian_heatmap.default, (keypoints, visibility, *SIZE, 2.0, code)
    )
    torch.library.opcheck(
        torch.ops.pyposeops.gaussian_heatmap_backward.default,
        (keypoints, visibility, torch.rand(2, 3, *SIZE, device=device), 2.0, code),
    )


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_compiles_without_graph_breaks(device, generator, encoding):
    keypoints, visibility = (t.to(device) for t in random_people(generator, 2, 3))
    assert_compiles(
        lambda k, v: gaussian_heatmap(k, v, SIZE, sigma=2.0, encoding=encoding, channels_last=True),
        keypoints,
        visibility,
    )


def test_compiles_with_gradient(generator):
    keypoints, visibility = random_people(generator, 2, 3)

    def gradient(k):
        heatmaps = gaussian_heatmap(k, visibility, SIZE, sigma=2.0, encoding="unbiased").heatmaps
        return heatmaps.square().sum()

    torch._dynamo.reset()
    grads = []
    for function in (gradient, torch.compile(gradient, fullgraph=True, backend="aot_eager")):
        points = keypoints.clone().requires_grad_()
        function(points).backward()
        grads.append(points.grad)
    assert_same(grads[1], grads[0])


@pytest.mark.filterwarnings("ignore:There is a performance drop")
def test_vmap_loops_over_the_mapped_dimension(generator):
    keypoints, visibility = random_people(generator, 4, 2, 3)
    got = torch.vmap(lambda k, v: gaussian_heatmap(k, v, SIZE, sigma=2.0).heatmaps)(keypoints, visibility)
    want = torch.stack(
        [gaussian_heatmap(k, v, SIZE, sigma=2.0).heatmaps for k, v in zip(keypoints, visibility, strict=True)]
    )
    assert torch.equal(got, want)


def test_exports(generator):
    class Module(torch.nn.Module):
        def forward(self, k, v):
            return gaussian_heatmap(k, v, SIZE, sigma=2.0).heatmaps

    keypoints, visibility = random_people(generator, 2, 3)
    program = torch.export.export(Module(), (keypoints, visibility))
    assert_same(program.module()(keypoints, visibility), Module()(keypoints, visibility))


@pytest.mark.cuda
def test_cuda_graph_capture(generator):
    keypoints, visibility = (t.cuda() for t in random_people(generator, 2, 3))
    assert_graph_captures(lambda k: gaussian_heatmap(k, visibility, SIZE, sigma=2.0), keypoints)


@pytest.mark.parametrize("isa", ISAS)
def test_every_instruction_set_equals_definition(isa):
    run_under_isa(
        isa,
        "import torch, pyposeops\n"
        f"assert pyposeops.build_info()['cpu_isa'] == '{isa}'\n"
        "g = torch.Generator().manual_seed(0)\n"
        "k = torch.rand(5, 17, 2, generator=g) * 60 - 8; v = torch.ones(5, 17)\n"
        "for encoding in ('msra', 'unbiased', 'udp'):\n"
        "    for channels_last in (False, True):\n"
        "        for dtype, bound in ((torch.float32, 5e-7), (torch.float16, 5e-4), (torch.bfloat16, 4e-3)):\n"
        "            o = dict(sigma=2.0, encoding=encoding, channels_last=channels_last)\n"
        "            got = pyposeops.gaussian_heatmap(k, v, (64, 48), dtype=dtype, **o).heatmaps\n"
        "            want = pyposeops.reference.gaussian_heatmap(k, v, (64, 48), **o)[0]\n"
        "            assert (got.float() - want).abs().max() <= bound\n",
    )


def test_numpy_in_numpy_out(generator):
    keypoints, visibility = random_people(generator, 2, 3)
    got = gaussian_heatmap(keypoints.numpy(), visibility.numpy(), SIZE, sigma=2.0)
    assert isinstance(got, pyposeops.GaussianHeatmaps)
    assert isinstance(got.heatmaps, np.ndarray) and isinstance(got.weights, np.ndarray)
    want = gaussian_heatmap(keypoints, visibility, SIZE, sigma=2.0)
    np.testing.assert_array_equal(got.heatmaps, want.heatmaps.numpy())
    named = gaussian_heatmap(keypoints=keypoints.numpy(), visibility=visibility.numpy(), size=SIZE, sigma=2.0)
    np.testing.assert_array_equal(named.heatmaps, got.heatmaps)
    frozen = keypoints.numpy().copy()
    frozen.flags.writeable = False
    np.testing.assert_array_equal(
        gaussian_heatmap(frozen, visibility.numpy(), SIZE, sigma=2.0)[0], got.heatmaps
    )


# ---- bad input ---------------------------------------------------------------------------------------------------

GOOD = {"keypoints": torch.zeros(2, 3, 2), "visibility": torch.ones(2, 3), "size": SIZE, "sigma": 2.0}


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (
            {"keypoints": torch.zeros(3, 2)},
            ValueError,
            "keypoints: expected (B, K, 2) or (B, N, K, 2), got (3, 2)",
        ),
        ({"keypoints": torch.zeros(2, 3, 3)}, ValueError, "keypoints: expected (B, K, 2)"),
        (
            {"keypoints": torch.zeros(2, 3, 2, dtype=torch.int64)},
            TypeError,
            "keypoints: expected dtype float32",
        ),
        (
            {"visibility": torch.ones(2, 4)},
            ValueError,
            "visibility: expected the shape of keypoints (2, 3, 2)",
        ),
        ({"visibility": torch.ones(2, 1, 3)}, ValueError, "visibility: expected the shape of keypoints"),
        ({"size": (0, 4)}, ValueError, "size: expected a height and width of at least 1, got (0, 4)"),
        ({"size": (4,)}, ValueError, "size: expected (height, width), got (4,)"),
        ({"size": 4}, ValueError, "size: expected (height, width), got 4"),
        ({"sigma": 0.0}, ValueError, "sigma: expected a finite number above 0"),
        ({"sigma": math.nan}, ValueError, "sigma: expected a finite number above 0"),
        ({"sigma": math.inf}, ValueError, "sigma: expected a finite number above 0"),
        (
            {"sigma": torch.ones(4)},
            ValueError,
            "sigma: expected a number or one per joint (K,), (K, 2) for x and y",
        ),
        ({"sigma": torch.ones(3, dtype=torch.int32)}, TypeError, "sigma: expected dtype float32"),
        ({"encoding": "gauss"}, ValueError, "encoding: expected one of msra, unbiased, udp, megvii"),
        ({"compat": "old"}, ValueError, "compat: expected one of fixed, reference, mspn"),
        ({"input_size": (0, 5)}, ValueError, "input_size: expected a height and width of at least 1"),
        (
            {"input_size": (9, 1), "encoding": "udp"},
            ValueError,
            "udp with input_size needs at least 2 pixels",
        ),
        ({"dtype": torch.int32}, TypeError, "heatmaps: expected dtype float32"),
    ],
)
def test_bad_input_is_named(change, error, words):
    arguments = {**GOOD, **change}
    with pytest.raises(error) as caught:
        gaussian_heatmap(
            arguments.pop("keypoints"), arguments.pop("visibility"), arguments.pop("size"), **arguments
        )
    assert words in str(caught.value)


@pytest.mark.cuda
def test_mixed_devices_are_named():
    with pytest.raises(ValueError, match="visibility: expected the device of keypoints"):
        gaussian_heatmap(torch.zeros(2, 3, 2).cuda(), torch.ones(2, 3), SIZE, sigma=2.0)
