"""The encodings of gaussian_heatmap against published formulas, typed as NumPy loops, and against cv2 and kornia."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from pyposeops import gaussian_heatmap, reference
from tests.op_contract import FLOATS, ISAS, assert_compiles, assert_same, run_under_isa
from tests.ops.test_gaussian_heatmap import SIZE, random_people
from tests.property_tests import given, settings, st

OPTIONS = {
    "megvii": {"encoding": "megvii", "kernel_size": 11},
    "megvii small": {"encoding": "megvii", "kernel_size": 7},
    "mspn": {"encoding": "megvii", "kernel_size": 15, "compat": "mspn"},
    "cmu": {"encoding": "cmu", "sigma": 1.3},
    "cmu anisotropic": {"encoding": "cmu", "sigma": [[2.0, 0.9]]},
    "normalized": {"encoding": "normalized", "sigma": 1.7},
    "lightning": {"encoding": "normalized", "sigma": 1.7, "compat": "lightning_pose"},
    "unbiased anisotropic": {"encoding": "unbiased", "sigma": [[2.0, 0.9]]},
    "msra anisotropic": {"encoding": "msra", "sigma": [[2.0, 0.9]]},
    "udp anisotropic": {"encoding": "udp", "sigma": [[2.0, 0.9]], "compat": "reference"},
}
MOVING = ("cmu", "cmu anisotropic", "normalized", "unbiased anisotropic")


def close(name, dtype=torch.float32):
    """Two roundings of each factor and one of the product; megvii's peak is 255."""
    peak = 255 if "megvii" in name or name == "mspn" else 1
    relative = {torch.float32: 5e-7, torch.float64: 1e-14, torch.float16: 5e-4, torch.bfloat16: 4e-3}[dtype]
    return {"rtol": 1e-5 if dtype == torch.float32 else 0.0, "atol": peak * relative}


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("people", [None, 3])
def test_equals_definition(device, generator, name, channels_last, people):
    shape = (5, 7) if people is None else (5, people, 7)
    keypoints, visibility = random_people(generator, *shape)
    visibility *= 2 - torch.randint(0, 2, shape, generator=generator)  # 0, 1, 2
    options = {**OPTIONS[name], "channels_last": channels_last}
    got = gaussian_heatmap(keypoints.to(device), visibility.to(device), SIZE, **options)
    assert_same(got, reference.gaussian_heatmap(keypoints, visibility, SIZE, **options), **close(name))


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("dtype", FLOATS)
def test_every_dtype_equals_definition_in_float64(device, generator, name, dtype):
    keypoints, visibility = random_people(generator, 3, 5, dtype=torch.float64)
    got = gaussian_heatmap(keypoints.to(device), visibility.to(device), SIZE, dtype=dtype, **OPTIONS[name])
    want = reference.gaussian_heatmap(keypoints, visibility, SIZE, **OPTIONS[name])
    assert got.heatmaps.dtype == dtype
    tolerance = close(name, dtype)
    tolerance["atol"] *= (
        1.3 if "mspn" not in name and "megvii" in name else 1
    )  # beside the joint it may pass 255
    assert_same(got.heatmaps.double(), want[0], **tolerance)
    assert torch.equal(got.weights.cpu().double(), want[1])


# ---- megvii ------------------------------------------------------------------------------------------------------


def published_megvii(keypoints, visibility, size, kernel_size, by_maximum, stride=1.0):
    """One sample, joint by joint: mmpose's codec, or (by_maximum) the published code of MSPN."""
    cv2 = pytest.importorskip("cv2")
    height, width = size
    heatmaps = np.zeros((len(keypoints), height, width), np.float32)
    weights = visibility.astype(np.float32).copy()
    for k, (x, y) in enumerate(keypoints):
        if visibility[k] < 0.5:
            continue
        column, row = int(x / np.float32(stride)), int(y / np.float32(stride))
        if not (0 <= column < width and 0 <= row < height):
            weights[k] = 0
            continue
        heatmaps[k, row, column] = 1
        heatmaps[k] = cv2.GaussianBlur(heatmaps[k], (kernel_size, kernel_size), 0)
        peak = heatmaps[k].max() if by_maximum else heatmaps[k, row, column]
        heatmaps[k] = heatmaps[k] / peak * 255
    return heatmaps, weights


@pytest.mark.parametrize("kernel_size", [1, 3, 5, 7, 9, 11, 15, 35])
@pytest.mark.parametrize("compat", ["reference", "mspn"])
def test_megvii_equals_the_published_blur(generator, kernel_size, compat):
    keypoints, _ = random_people(generator, 40, 5, margin=3.0)
    seen = torch.ones(40, 5)
    options = {"encoding": "megvii", "kernel_size": kernel_size, "compat": compat}
    got = gaussian_heatmap(4 * keypoints, seen, SIZE, input_size=(4 * SIZE[0], 4 * SIZE[1]), **options)
    for b in range(len(keypoints)):
        heatmaps, weights = published_megvii(
            4 * keypoints[b].numpy(), seen[b].numpy(), SIZE, kernel_size, compat == "mspn", stride=4
        )
        np.testing.assert_allclose(got.heatmaps[b].numpy(), heatmaps, rtol=0, atol=2e-4)  # of 255
        np.testing.assert_array_equal(got.weights[b].numpy(), weights)


def test_megvii_peak_is_255_and_passed_only_beside_a_joint_next_to_the_border():
    keypoints = torch.tensor([[[9.7, 12.2], [1.5, 1.5]]])
    maps = gaussian_heatmap(keypoints, torch.ones(1, 2), SIZE, encoding="megvii", kernel_size=11).heatmaps[0]
    assert maps[0].max() == maps[0, 12, 9] == 255
    assert maps[1, 1, 1] == pytest.approx(255, rel=1e-6) and maps[1, 0, 0] > 256
    mspn = gaussian_heatmap(
        keypoints, torch.ones(1, 2), SIZE, encoding="megvii", kernel_size=11, compat="mspn"
    ).heatmaps[0]
    assert mspn[1].max() == pytest.approx(255, rel=1e-6) and mspn[1, 1, 1] < 254


@pytest.mark.parametrize(("compat", "weight"), [("fixed", 0.0), ("reference", 1.0), ("mspn", 1.0)])
def test_megvii_just_outside_is_drawn_by_published_code(compat, weight):
    got = gaussian_heatmap(
        torch.tensor([[[-0.5, 3.0]]]), torch.ones(1, 1), SIZE, encoding="megvii", kernel_size=5, compat=compat
    )
    assert got.weights.item() == weight and bool(got.heatmaps.any()) == bool(weight)


# ---- cmu ---------------------------------------------------------------------------------------------------------


def published_cmu(people, size, stride, sigma_px, add):
    """One joint of several people, pixel by pixel; sigma in pixels of the input image."""
    heatmap = np.zeros(size)
    for x, y in people:
        for row in range(size[0]):
            for column in range(size[1]):
                grid_x = column * stride + stride / 2 - 0.5
                grid_y = row * stride + stride / 2 - 0.5
                exponent = ((x - grid_x) ** 2 + (y - grid_y) ** 2) / (2 * sigma_px**2)
                if exponent > 4.6052:
                    continue
                value = math.exp(-exponent)
                heatmap[row, column] = (
                    heatmap[row, column] + value if add else max(heatmap[row, column], value)
                )
    return np.minimum(heatmap, 1)


@pytest.mark.parametrize("combine", ["max", "add"])
@pytest.mark.parametrize("channels_last", [False, True])
def test_cmu_equals_the_published_loop_with_its_background(device, generator, combine, channels_last):
    size, stride, sigma_px = (12, 10), 8, 7.0
    people = torch.rand(2, 4, 3, 2, generator=generator) * torch.tensor([90.0, 108.0]) - 5
    got = gaussian_heatmap(
        people.to(device),
        torch.ones(2, 4, 3, device=device),
        size,
        sigma=sigma_px / stride,
        encoding="cmu",
        input_size=(96, 80),
        combine=combine,
        background=True,
        channels_last=channels_last,
    )
    assert got.heatmaps.shape == (2, 4, *size) and got.weights.shape == (2, 4)
    for b in range(2):
        joints = [
            published_cmu(people[b, :, k].tolist(), size, stride, sigma_px, combine == "add")
            for k in range(3)
        ]
        want = np.stack([*joints, 1 - np.max(joints, axis=0)])
        np.testing.assert_allclose(got.heatmaps[b].cpu().numpy(), want, rtol=0, atol=2e-6)
    assert (got.weights[:, 3] == 1).all()


def test_cmu_is_cut_below_a_hundredth():
    maps = gaussian_heatmap(
        torch.tensor([[[9.0, 12.0]]]), torch.ones(1, 1), SIZE, sigma=2.0, encoding="cmu"
    ).heatmaps[0, 0]
    assert maps[12, 9 + 6] == pytest.approx(math.exp(-4.5), rel=1e-6) and maps[12, 9 + 7] == 0
    assert maps[12 + 4, 9 + 4] == pytest.approx(math.exp(-4.0), rel=1e-6) and maps[12 + 5, 9 + 4] == 0
    assert maps[maps > 0].min() > 0.00999


# ---- normalized --------------------------------------------------------------------------------------------------


def dsnt_gaussian(x, y, size, sigma):
    """make_gauss of the DSNT paper's code: coordinates (2 i + 1) / n - 1, std 2 sigma / n, over the sum."""
    axes = []
    for mean_px, n in ((y, size[0]), (x, size[1])):
        grid = (2 * np.arange(n) + 1) / n - 1
        mean = (2 * mean_px + 1) / n - 1
        axes.append(np.exp(-0.5 * ((grid - mean) / (2 * sigma / n)) ** 2))
    values = axes[0][:, None] * axes[1]
    return values / (values.sum() + 1e-24)


def test_normalized_equals_dsnt_and_sums_to_one(device, generator):
    keypoints = torch.rand(3, 4, 2, generator=generator) * torch.tensor([17.0, 23.0])
    options = {"sigma": 1.4, "encoding": "normalized"}
    maps = gaussian_heatmap(
        keypoints.to(device), torch.ones(3, 4, device=device), SIZE, **options
    ).heatmaps.cpu()
    for b, k in np.ndindex(3, 4):
        want = dsnt_gaussian(*keypoints[b, k].tolist(), SIZE, 1.4)
        np.testing.assert_allclose(maps[b, k].numpy(), want, rtol=2e-5, atol=1e-9)
    assert_same(maps.sum((2, 3)), torch.ones(3, 4), rtol=0, atol=1e-6)


@pytest.mark.parametrize("sigma", [1e-30, 1e-3, 1e30])
def test_normalized_sums_to_one_for_any_sigma(sigma):
    keypoints = torch.tensor([[[5.3, 6.6], [-0.4, 23.2]]])
    maps = gaussian_heatmap(keypoints, torch.ones(1, 2), SIZE, sigma=sigma, encoding="normalized").heatmaps
    assert_same(maps.sum((2, 3)), torch.ones(1, 2), rtol=0, atol=1e-5)
    if sigma < 1:
        assert maps[0, 0, 7, 5] == 1 and maps[0, 1, 23, 0] == 1


def lightning_heatmap(x, y, label, size, sigma):
    """lightning-pose's generate_heatmaps for one joint with a visibility label."""
    if label == 1:
        return np.full(size, 1 / (size[0] * size[1]))
    outside = not (-1 <= x <= size[1] + 1 and -1 <= y <= size[0] + 1)
    if label == 0 or outside:
        return np.zeros(size)
    columns, rows = np.arange(size[1]), np.arange(size[0])[:, None]
    values = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * sigma**2))
    return values / values.sum()


def test_lightning_pose_labels(device, generator):
    keypoints, _ = random_people(generator, 20, 6, margin=2.5)
    keypoints[0, 0] = math.nan
    keypoints[0, 1] = math.nan
    label = torch.randint(0, 3, (20, 6), generator=generator)
    label[0, :2] = torch.tensor([1, 2])
    got = gaussian_heatmap(
        keypoints.to(device),
        label.to(device),
        SIZE,
        sigma=1.25,
        encoding="normalized",
        compat="lightning_pose",
    )
    for b, k in np.ndindex(20, 6):
        want = lightning_heatmap(*keypoints[b, k].tolist(), int(label[b, k]), SIZE, 1.25)
        np.testing.assert_allclose(got.heatmaps[b, k].cpu().numpy(), want, rtol=2e-5, atol=1e-9)
        assert got.weights[b, k].item() == float(want.any())


@pytest.mark.parametrize("sigma", [[[1.5, 1.5]], [[2.5, 0.8]]])
def test_normalized_equals_kornia(generator, sigma):
    subpix = pytest.importorskip("kornia.geometry.subpix")
    keypoints = torch.rand(3, 4, 2, generator=generator) * torch.tensor([17.0, 23.0])
    got = gaussian_heatmap(keypoints, torch.ones(3, 4), SIZE, sigma=sigma, encoding="normalized").heatmaps
    deviation = torch.tensor(sigma).expand(3, 4, 2)
    want = subpix.render_gaussian2d(keypoints, deviation, SIZE, normalized_coordinates=False)
    assert_same(got, want, rtol=1e-4, atol=1e-7)


# ---- properties, gradients, machinery ------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    x=st.floats(-60, 60, width=32, allow_subnormal=False),
    y=st.floats(-1e6, 1e6, width=32, allow_subnormal=False),
    name=st.sampled_from(sorted(OPTIONS)),
    width=st.floats(0.05, 40),
)
def test_any_joint_equals_definition(x, y, name, width):
    options = dict(OPTIONS[name])
    if "sigma" in options:
        options["sigma"] = width
    arguments = (torch.tensor([[[x, y]]]), torch.full((1, 1), 2.0), SIZE)
    got = gaussian_heatmap(*arguments, **options)
    want = reference.gaussian_heatmap(*arguments, **options)
    # At the cut of cmu, 0 and 0.01 are equally right where rounding decides.
    differs = (got.heatmaps - want[0]).abs() > 1e-4
    assert not (differs & (got.heatmaps.maximum(want[0]) > 0.01000001)).any()
    if name not in ("cmu", "cmu anisotropic"):
        assert_same(got, want, **close(name))


@pytest.mark.parametrize("name", MOVING)
@pytest.mark.parametrize("people", [None, 3])
def test_gradcheck_in_keypoints_and_sigma(device, generator, name, people):
    shape = (2, 4) if people is None else (2, people, 4)
    keypoints = (
        (torch.rand(*shape, 2, generator=generator, dtype=torch.float64) * 40).to(device).requires_grad_()
    )
    sigma = (torch.rand(4, 2, generator=generator, dtype=torch.float64) + 1).to(device).requires_grad_()
    visibility = torch.ones(shape, device=device)
    visibility[0, ..., 0] = 0

    def render(points, width):
        encoding = OPTIONS[name]["encoding"]
        return gaussian_heatmap(
            points, visibility, (9, 8), sigma=width, encoding=encoding, input_size=(36, 40)
        ).heatmaps

    assert torch.autograd.gradcheck(render, (keypoints, sigma))


@pytest.mark.parametrize("name", MOVING)
@pytest.mark.parametrize("sigma_shape", [(4,), (4, 2), (1, 2), (3, 2, 4, 1), (3, 2, 4, 2)])
def test_gradient_equals_that_of_the_definition(device, generator, name, sigma_shape):
    keypoints, visibility = random_people(generator, 3, 2, 4, dtype=torch.float64)
    widths = torch.rand(sigma_shape, generator=generator, dtype=torch.float64) + 1
    upstream = torch.rand(3, 4, *SIZE, generator=generator, dtype=torch.float64)
    gradients = []
    for function in (gaussian_heatmap, reference.gaussian_heatmap):
        points, width = (t.clone().to(device).requires_grad_() for t in (keypoints, widths))
        encoding = OPTIONS[name]["encoding"]
        maps = function(points, visibility.to(device), SIZE, sigma=width, encoding=encoding)[0]
        gradients.append(torch.autograd.grad((maps * upstream.to(device)).sum(), (points, width)))
    assert_same(gradients[0], gradients[1], rtol=1e-8, atol=1e-11)


@pytest.mark.parametrize("name", MOVING)
def test_second_derivatives(generator, name):
    keypoints = (torch.rand(1, 2, 2, generator=generator, dtype=torch.float64) * 5).requires_grad_()
    sigma = (torch.rand(2, 2, generator=generator, dtype=torch.float64) + 1).requires_grad_()

    def render(points, width):
        options = {"sigma": width, "encoding": OPTIONS[name]["encoding"], "input_size": (12, 15)}
        return gaussian_heatmap(points, torch.ones(1, 2), (6, 5), **options).heatmaps

    assert torch.autograd.gradgradcheck(render, (keypoints, sigma))


def test_occluded_joints_get_no_gradient():
    keypoints = torch.tensor([[[3.0, 4.0], [3.0, 4.0]]], requires_grad=True)
    label = torch.tensor([[1, 2]])
    options = {"sigma": 1.5, "encoding": "normalized", "compat": "lightning_pose"}
    gaussian_heatmap(keypoints, label, SIZE, **options).heatmaps.square().sum().backward()
    assert not keypoints.grad[0, 0].any() and keypoints.grad[0, 1].all()


@pytest.mark.parametrize("name", ["megvii", "cmu", "normalized"])
def test_opcheck_and_compile(device, generator, name):
    keypoints, visibility = (t.to(device) for t in random_people(generator, 2, 3))
    assert_compiles(lambda k, v: gaussian_heatmap(k, v, SIZE, **OPTIONS[name]), keypoints, visibility)
    code = {"megvii": 3, "cmu": 4, "normalized": 5}[name]
    arguments = (keypoints, visibility, *SIZE, 2.0, code, None, None, 0, None, False, 9)
    torch.library.opcheck(torch.ops.pyposeops.gaussian_heatmap.default, arguments)


@pytest.mark.parametrize("isa", ISAS)
def test_every_instruction_set_equals_definition(isa):
    run_under_isa(
        isa,
        "import torch, pyposeops\n"
        "g = torch.Generator().manual_seed(0)\n"
        "k = torch.rand(5, 17, 2, generator=g) * 60 - 8; v = torch.ones(5, 17)\n"
        "for o in (dict(encoding='megvii', kernel_size=11), dict(encoding='cmu', sigma=2.0, background=True),\n"
        "          dict(encoding='normalized', sigma=2.0)):\n"
        "    for channels_last in (False, True):\n"
        "        o['channels_last'] = channels_last\n"
        "        got = pyposeops.gaussian_heatmap(k, v, (64, 48), **o).heatmaps\n"
        "        want = pyposeops.reference.gaussian_heatmap(k, v, (64, 48), **o)[0]\n"
        "        assert (got - want).abs().max() <= 5e-7 * want.max() + 1e-7\n",
    )


# ---- bad input ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "sigma: expected a number or a tensor for msra, got None"),
        ({"encoding": "megvii"}, "kernel_size: expected an odd number above 0 for megvii, got None"),
        (
            {"encoding": "megvii", "kernel_size": 8},
            "kernel_size: expected an odd number above 0 for megvii, got 8",
        ),
        ({"encoding": "megvii", "kernel_size": 37}, "kernel_size: expected at most 35 for this size, got 37"),
        ({"encoding": "megvii", "kernel_size": 9, "sigma": 2.0}, "sigma: expected None for megvii"),
        ({"sigma": 2.0, "kernel_size": 9}, "kernel_size: expected None for msra, got 9"),
        ({"sigma": 2.0, "compat": "mspn"}, "compat: mspn is for encoding megvii, got msra"),
        (
            {"sigma": 2.0, "compat": "lightning_pose"},
            "compat: lightning_pose is for encoding normalized, got msra",
        ),
        ({"sigma": 2.0, "combine": "add"}, "combine: add is for encoding cmu, got msra"),
        ({"sigma": 2.0, "combine": "sum", "encoding": "cmu"}, "combine: expected one of max, add, got 'sum'"),
        (
            {"sigma": 2.0, "background": True, "encoding": "normalized"},
            "background: expected False for normalized",
        ),
        ({"sigma": torch.ones(3, 1)}, "sigma: expected a number or one per joint"),
        ({"sigma": torch.ones(2, 3)}, "sigma: expected a number or one per joint"),
        ({"sigma": torch.ones(2, 3, 3)}, "sigma: expected a number or one per joint"),
        ({"sigma": [[2.0, -1.0]], "encoding": "unbiased", "size": (0, 2)}, "size: expected a height"),
    ],
)
def test_bad_options_are_named(options, words):
    with pytest.raises(ValueError) as caught:
        gaussian_heatmap(torch.zeros(2, 3, 2), torch.ones(2, 3), **{"size": SIZE, **options})
    assert words in str(caught.value)


@pytest.mark.parametrize("options", [{"combine": "add"}, {"background": True}, {"interference": True}])
def test_composed_maps_compile_with_their_gradient(options):
    keypoints = torch.tensor([[[[3.2, 4.1]], [[5.3, 6.4]]]], dtype=torch.float64, requires_grad=True)
    named = dict(options)
    if named.pop("interference", False):
        named["interference_keypoints"] = torch.tensor([[[[8.0, 2.0]]]], dtype=torch.float64)
        named["interference_visibility"] = torch.ones(1, 1, 1)

    def loss(points):
        maps = gaussian_heatmap(
            points, torch.ones(1, 2, 1), (12, 10), sigma=1.5, encoding="cmu", **named
        ).heatmaps
        return maps.square().sum()

    torch._dynamo.reset()
    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
    (got,) = torch.autograd.grad(compiled(keypoints), keypoints)
    (want,) = torch.autograd.grad(loss(keypoints), keypoints)
    torch.testing.assert_close(got, want)
    assert want.count_nonzero()


def test_sigma_of_too_many_dimensions_is_refused():
    with pytest.raises(ValueError, match="sigma: expected"):
        gaussian_heatmap(torch.zeros(2, 3, 2), torch.ones(2, 3), (8, 8), sigma=torch.ones(2, 1, 3, 1, 7))
