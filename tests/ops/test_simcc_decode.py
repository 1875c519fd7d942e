"""simcc_decode against its definition, against mmpose's formulas as NumPy loops with OpenCV, and at its corners."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

import pyposeops
from pyposeops import (
    affine_from_box,
    invert_affine,
    reference,
    simcc_decode,
    simcc_label,
    transform_keypoints,
)
from tests.op_contract import (
    FLOATS,
    ISAS,
    assert_compiles,
    assert_graph_captures,
    assert_same,
    run_under_isa,
)
from tests.property_tests import given, settings, st

PAIRS = [(1, 2), (3, 4)]
EXACT = {"rtol": 0.0, "atol": 0.0}
REFINES = ("none", "dark")
OPTIONS = [
    {"refine": refine, "normalization": norm, "score": score, "blur_kernel": (11, 7)}
    for refine, norm, score in itertools.product(REFINES, ("none", "softmax"), ("min", "max", "mean"))
]


def rows(generator, batch=3, joints=5, bins=(96, 128), sigma=3.0, noise=0.0, dtype=torch.float32):
    """Gaussian rows with their maxima anywhere, of different heights."""
    made = []
    for count in bins:
        centre = torch.rand(batch, joints, 1, generator=generator, dtype=torch.float64) * (count - 1)
        height = torch.rand(batch, joints, 1, generator=generator, dtype=torch.float64) * 0.7 + 0.3
        row = height * torch.exp(-((torch.arange(count) - centre) ** 2) / (2 * sigma**2))
        row += noise * torch.randn(row.shape, generator=generator, dtype=torch.float64)
        made.append(row.to(dtype))
    return tuple(made)


def decoded_as_defined(x, y, **options):
    """The definition on the stored values, computed in float64, rounded like our output."""
    if options.get("flipped") is not None:
        options["flipped"] = [row.cpu().double() for row in options["flipped"]]
    coords, scores = reference.simcc_decode(x.cpu().double(), y.cpu().double(), **options)
    dtype = torch.float64 if x.dtype == torch.float64 else torch.float32
    return coords.to(dtype), scores.to(dtype)


def tolerance_of(dtype):
    return {"rtol": 1e-9, "atol": 1e-9} if dtype == torch.float64 else {"rtol": 1e-5, "atol": 2e-4}


# ---- values ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("dtype", FLOATS)
def test_equals_definition(device, generator, options, dtype):
    x, y = rows(generator, dtype=dtype)
    options = {**options, "inverse_temperature": 8.0}
    got = simcc_decode(x.to(device), y.to(device), **options)
    assert_same(got, decoded_as_defined(x, y, **options), **tolerance_of(dtype))


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("shift", [0, 1, 5])
@pytest.mark.parametrize("dtype", FLOATS)
def test_flip_test_equals_definition(device, generator, options, shift, dtype):
    x, y = rows(generator, dtype=dtype)
    other_x, other_y = rows(generator, noise=0.01, dtype=dtype)
    flip = {"flip_pairs": PAIRS, "shift": shift, "inverse_temperature": 8.0}
    got = simcc_decode(
        x.to(device), y.to(device), flipped=(other_x.to(device), other_y.to(device)), **options, **flip
    )
    want = decoded_as_defined(x, y, flipped=(other_x, other_y), **options, **flip)
    assert_same(got, want, **tolerance_of(dtype))


def mmpose_maximum(x, y):
    """get_simcc_maximum, from its rules."""
    place = np.stack((x.argmax(-1), y.argmax(-1)), axis=-1).astype(np.float32)
    score = np.minimum(x.max(-1), y.max(-1))
    place[score <= 0] = -1
    return place, score


def mmpose_dark(positions, rows, blur_kernel):
    """refine_simcc_dark, from its formulas; smoothing by OpenCV."""
    cv2 = pytest.importorskip("cv2")
    border = blur_kernel // 2
    refined = positions.copy()
    for joint in np.ndindex(positions.shape):
        padded = np.pad(rows[joint], border)[None]
        smooth = cv2.GaussianBlur(padded, (blur_kernel, 1), 0)[0, border:-border]
        smooth = smooth * (rows[joint].max() / smooth.max())
        log = np.pad(np.log(np.clip(smooth, 1e-3, 50)), 2, "edge")
        i = int(positions[joint]) + 2
        slope = 0.5 * (log[i + 1] - log[i - 1])
        curvature = 1e-9 + 0.25 * (log[i + 2] - 2 * log[i] + log[i - 2])
        refined[joint] -= slope / curvature
    return refined


def test_equals_mmpose_maximum(device, generator):
    x, y = rows(generator, 4, 9, noise=0.2)
    x[0, 0], y[1, 1] = -x[0, 0].abs(), 0.0
    place, score = mmpose_maximum(x.numpy(), y.numpy())
    got = simcc_decode(x.to(device), y.to(device), split_ratio=2.0, empty_coord=-1)
    np.testing.assert_array_equal(got.coords.cpu(), place / 2)
    np.testing.assert_array_equal(got.scores.cpu(), score)


@pytest.mark.parametrize("blur_kernel", [3, 5, 7, 9, 11, 29, 37])
@pytest.mark.parametrize("sigma", [2.0, 6.0])
def test_equals_mmpose_dark(device, generator, blur_kernel, sigma):
    x, y = rows(generator, 4, 9, sigma=sigma)
    place, _ = mmpose_maximum(x.numpy(), y.numpy())
    want = np.stack(
        [mmpose_dark(place[..., d], r.numpy(), blur_kernel) for d, r in enumerate((x, y))], axis=-1
    )
    got = simcc_decode(x.to(device), y.to(device), refine="dark", blur_kernel=blur_kernel, split_ratio=1.0)
    np.testing.assert_allclose(got.coords.cpu(), want, atol=2e-3)


def test_published_flip_test(device, generator):
    """Softmax, sides swapped, mirrored, one bin to the left with the last bin kept, averaged; the larger score."""
    (x, y), (other_x, other_y) = rows(generator), rows(generator)
    order = [0, 2, 1, 4, 3]
    flipped_x = torch.softmax(other_x, -1)[:, order].flip(-1)
    flipped_x[:, :, :-1] = flipped_x.clone()[:, :, 1:]
    merged_x = 0.5 * (torch.softmax(x, -1) + flipped_x)
    merged_y = 0.5 * (torch.softmax(y, -1) + torch.softmax(other_y, -1)[:, order])
    got = simcc_decode(
        x.to(device),
        y.to(device),
        split_ratio=2.0,
        normalization="softmax",
        score="max",
        flipped=(other_x.to(device), other_y.to(device)),
        flip_pairs=PAIRS,
        shift=1,
    )
    want = torch.stack((merged_x.argmax(-1), merged_y.argmax(-1)), dim=-1) / 2
    assert torch.equal(got.coords.cpu(), want)
    torch.testing.assert_close(got.scores.cpu(), torch.maximum(merged_x.amax(-1), merged_y.amax(-1)))


@pytest.mark.parametrize("kind", ["noise", "faint", "bright", "vanishing"])
@pytest.mark.parametrize("blur_kernel", [3, 21, 63])
def test_smoothing_around_the_maximum_equals_smoothing_the_row(device, generator, kind, blur_kernel):
    """Rows on which smoothed values are negative or clipped, so that the maximum of the smoothed row matters."""
    scale = {"noise": 1.0, "faint": 3e-3, "bright": 60.0, "vanishing": 1e-10}[kind]
    x, y = (torch.randn(4, 9, n, generator=generator).double() * scale for n in (31, 70))
    options = {"refine": "dark", "blur_kernel": blur_kernel}
    got = simcc_decode(x.to(device), y.to(device), **options)
    assert_same(got, reference.simcc_decode(x, y, **options), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("compat", ["fixed", "mmpose"])
def test_error_of_labels_decoded(device, generator, compat):
    """What encoding and decoding cost: a quarter pixel at two bins each, nothing with dark and unrounded labels."""
    points = torch.rand(16, 17, 2, generator=generator) * torch.tensor([140.0, 200.0]) + 25
    labels = simcc_label(points.to(device), torch.ones(16, 17, device=device), (256, 192), compat=compat)
    plain = (simcc_decode(labels.x, labels.y).coords.cpu() - points).abs()
    dark = (simcc_decode(labels.x, labels.y, refine="dark").coords.cpu() - points).abs()
    assert plain.mean() == pytest.approx(0.125, abs=0.01) and plain.max() < 0.2501
    if compat == "fixed":
        assert dark.max() < 2e-3
    else:
        assert dark.max() == pytest.approx(0.25, abs=0.01)


# ---- rules -------------------------------------------------------------------------------------------------------


def test_first_of_equal_maxima(device):
    x = torch.zeros(1, 1, 40, device=device)
    x[..., 21], x[..., 35] = 1.0, 1.0
    assert simcc_decode(x, torch.zeros(1, 1, 7, device=device)).coords.tolist() == [[[10.5, 0]]]


@pytest.mark.parametrize("options", OPTIONS)
def test_nan_and_infinite_values(device, generator, options):
    x, y = rows(generator, 1, 6, dtype=torch.float64)
    x[0, 0, 40], x[0, 0, 70] = math.nan, math.nan
    x[0, 1, 40] = math.inf
    x[0, 2] = -math.inf
    x[0, 3, ::2] = -math.inf
    x[0, 4] = -x[0, 4]
    got = simcc_decode(x.to(device), y.to(device), **options)
    assert_same(got, reference.simcc_decode(x, y, **options), rtol=1e-7, atol=1e-7)
    assert got.coords[0, 0, 0] == 20 and got.scores[0, 0].isnan() and got.coords[0, 1, 0] == 20
    assert got.coords.isfinite().all()


def test_empty_coord(device, generator):
    x, y = rows(generator, 1, 4)
    x[0, 1], x[0, 2, 3] = -1.0, math.nan
    x[0, 3], y[0, 3] = 0.0, 0.0
    kept = simcc_decode(x.to(device), y.to(device))
    got = simcc_decode(x.to(device), y.to(device), empty_coord=-1, refine="dark")
    assert got.coords[0, 1:].tolist() == [[-0.5, -0.5]] * 3 and (got.coords[0, 0] > 0).all()
    assert kept.coords[0, 1, 0] == 0 and kept.coords[0, 2, 0] == 1.5
    assert torch.equal(got.scores.nan_to_num(7.0), kept.scores.nan_to_num(7.0))


@pytest.mark.parametrize("flip", [False, True])
def test_image_coordinates(device, generator, flip):
    x, y = rows(generator, 2, 5, dtype=torch.float64)
    boxes = torch.tensor([[10.0, 20.0, 60.0, 90.0], [-30.0, 5.0, 200.0, 100.0]], dtype=torch.float64)
    affines = affine_from_box(boxes, (64, 48), rotation_deg=torch.tensor([20.0, -75.0]))
    options = {"refine": "dark", "blur_kernel": 11}
    if flip:
        options |= {"flipped": rows(generator, 2, 5, dtype=torch.float64), "flip_pairs": PAIRS}
    want = transform_keypoints(simcc_decode(x, y, **options).coords, invert_affine(affines))
    if flip:
        options["flipped"] = [row.to(device) for row in options["flipped"]]
    got = simcc_decode(x.to(device), y.to(device), affines=affines.to(device), **options)
    torch.testing.assert_close(got.coords.cpu(), want, rtol=1e-12, atol=1e-9)
    strided = affines.mT.contiguous().mT.to(device)
    assert torch.equal(
        simcc_decode(x.to(device), y.to(device), affines=strided, **options).coords, got.coords
    )


def test_affine_without_inverse_gives_nan(device, generator):
    x, y = rows(generator, 2, 3)
    affines = torch.tensor([[[1.0, 2, 3], [2, 4, 5]], [[1.0, 0, 0], [0, 1, 0]]], device=device)
    got = simcc_decode(x.to(device), y.to(device), affines=affines).coords
    assert got[0].isnan().all() and torch.equal(got[1].cpu(), simcc_decode(x, y).coords[1])


def test_mirrored_labels_agree_when_shifted(device, generator):
    """Labels of mirrored joints, shifted by split_ratio - 1 bins, leave every joint where it was."""
    points = torch.randint(60, 130, (2, 5, 2), generator=generator).float() / 2
    seen = torch.ones(2, 5, device=device)
    labels = simcc_label(points.to(device), seen, (96, 96), split_ratio=2.0)
    mirrored = points[:, [0, 2, 1, 4, 3]].clone()
    mirrored[..., 0] = 95 - mirrored[..., 0]
    other = simcc_label(mirrored.to(device), seen, (96, 96), split_ratio=2.0)
    got = simcc_decode(labels.x, labels.y, flipped=other[:2], flip_pairs=PAIRS, shift=1)
    assert torch.equal(got.coords.cpu(), points)


@settings(max_examples=100, deadline=None)
@given(
    x=st.lists(
        st.sampled_from([-1.0, 0.0, 0.25, 1.0, 2.0, math.nan, math.inf, -math.inf]), min_size=1, max_size=50
    ),
    bins=st.integers(1, 40),
    options=st.sampled_from(OPTIONS),
    empty_coord=st.sampled_from([None, -1.0]),
    dtype=st.sampled_from(FLOATS),
)
def test_any_row_equals_definition(x, bins, options, empty_coord, dtype):
    x = torch.tensor([[x]]).to(dtype)
    y = torch.linspace(0.1, 0.9, bins).view(1, 1, bins).to(dtype)
    options = {**options, "refine": "none", "empty_coord": empty_coord}
    got = simcc_decode(x, y, **options)
    assert_same(got, decoded_as_defined(x, y, **options), rtol=1e-5, atol=1e-6)


# ---- the machinery -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", OPTIONS[:4])
@pytest.mark.parametrize("dtype", FLOATS)
def test_any_strides(device, generator, options, dtype):
    x, y = (row.to(device) for row in rows(generator, dtype=dtype))
    wide = torch.zeros(6, 10, 200, device=device, dtype=dtype)[::2, ::2, 3:195:2].copy_(x)
    got = simcc_decode(wide, y.transpose(0, 2).contiguous().transpose(0, 2), **options)
    assert_same(got, simcc_decode(x, y, **options), **EXACT)


@pytest.mark.parametrize("bins", [(1, 1), (1, 2), (3, 2), (15, 16), (17, 33), (600, 4000)])
@pytest.mark.parametrize("options", OPTIONS[:4])
def test_row_lengths(device, generator, bins, options):
    x, y = (torch.rand(2, 3, n, generator=generator).double() for n in bins)
    got = simcc_decode(x.to(device), y.to(device), **options)
    assert_same(got, reference.simcc_decode(x, y, **options), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape", [(0, 3), (3, 0)])
def test_dtypes_and_empty_batches(device, dtype, shape):
    x, y = (torch.zeros(*shape, n, device=device, dtype=dtype) for n in (4, 6))
    got = simcc_decode(x, y, refine="dark")
    assert isinstance(got, pyposeops.Keypoints)
    assert got.coords.shape == (*shape, 2) and got.scores.shape == shape
    assert (
        got.coords.dtype == got.scores.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    )


def test_result_carries_no_gradient():
    x = torch.rand(1, 2, 8, requires_grad=True)
    assert not any(tensor.requires_grad for tensor in simcc_decode(x, x))


def test_opcheck(device, generator):
    x, y = (row.to(device) for row in rows(generator))
    operator = torch.ops.pyposeops.simcc_decode.default
    torch.library.opcheck(operator, (x, y, 2.0))
    affines = torch.eye(2, 3, device=device).expand(3, 2, 3)
    torch.library.opcheck(operator, (x, y, 2.0, 11, 7, True, 2.0, 1, -1.0, x, y, [0, 1], 1, affines))


def test_compiles_without_graph_breaks(device, generator):
    x, y = (row.to(device) for row in rows(generator))
    assert_compiles(lambda a, b: simcc_decode(a, b, flipped=(a, b), flip_pairs=PAIRS, refine="dark"), x, y)


@pytest.mark.cuda
@pytest.mark.parametrize("options", OPTIONS)
def test_cuda_graph_capture(generator, options):
    x, y = (row.cuda() for row in rows(generator))
    assert_graph_captures(lambda a, b: simcc_decode(a, b, **options), x, y)


@pytest.mark.parametrize("isa", ISAS)
def test_every_instruction_set_gives_the_same_bits(tmp_path, generator, isa):
    cases = []
    for dtype, options in itertools.product(FLOATS, OPTIONS):
        x, y = rows(generator, noise=0.01, dtype=dtype)
        options = {**options, "flipped": rows(generator, dtype=dtype)} if len(cases) % 2 else options
        cases.append((x, y, options, *simcc_decode(x, y, **options)))
    torch.save(cases, tmp_path / "expected.pt")
    run_under_isa(
        isa,
        "import torch, pyposeops\n"
        f"assert pyposeops.build_info()['cpu_isa'] == '{isa}'\n"
        f"for x, y, options, *want in torch.load({str(tmp_path / 'expected.pt')!r}):\n"
        "    got = pyposeops.simcc_decode(x, y, **options)\n"
        "    torch.testing.assert_close(list(got), want, rtol=0, atol=0)\n",
    )


def test_numpy_in_numpy_out(generator):
    (x, y), other = rows(generator), rows(generator)
    got = simcc_decode(x.numpy(), y.numpy(), flipped=tuple(row.numpy() for row in other), flip_pairs=PAIRS)
    assert isinstance(got, pyposeops.Keypoints) and all(isinstance(array, np.ndarray) for array in got)
    for array, tensor in zip(got, simcc_decode(x, y, flipped=other, flip_pairs=PAIRS), strict=True):
        np.testing.assert_array_equal(array, tensor)


# ---- bad input ---------------------------------------------------------------------------------------------------

X, Y = torch.zeros(2, 3, 8), torch.zeros(2, 3, 6)


@pytest.mark.parametrize(
    ("x", "y", "options", "error", "words"),
    [
        (X[0], Y, {}, ValueError, "simcc_x: expected (B, K, X), got (3, 8)"),
        (X, Y[:1], {}, ValueError, "simcc_y: expected (B, K, Y) with the B and K of simcc_x, got (1, 3, 6)"),
        (X[..., :0], Y, {}, ValueError, "simcc_x: expected 1 to 2^24 - 1 bins"),
        (X.long(), Y, {}, TypeError, "simcc_x: expected dtype float32"),
        (X, Y.double(), {}, TypeError, "simcc_y: expected dtype float32"),
        (X, Y, {"split_ratio": 0.0}, ValueError, "split_ratio: expected a finite number above 0"),
        (
            X,
            Y,
            {"inverse_temperature": -1.0},
            ValueError,
            "inverse_temperature: expected a finite number above",
        ),
        (X, Y, {"refine": "quarter"}, ValueError, "refine: expected one of none, dark, got 'quarter'"),
        (X, Y, {"normalization": "sum"}, ValueError, "normalization: expected one of none, softmax"),
        (X, Y, {"score": "sum"}, ValueError, "score: expected one of min, max, mean"),
        (
            X,
            Y,
            {"refine": "dark", "blur_kernel": 4},
            ValueError,
            "blur_kernel: expected an odd number from 3",
        ),
        (
            X,
            Y,
            {"refine": "dark", "blur_kernel": 0},
            ValueError,
            "blur_kernel: expected an odd number from 3",
        ),
        (X, Y, {"refine": "dark", "blur_kernel": (3, 65)}, ValueError, "blur_kernel: expected an odd number"),
        (
            X,
            Y,
            {"refine": "dark", "blur_kernel": (3, 5, 7)},
            ValueError,
            "blur_kernel: expected a number or one",
        ),
        (X, Y, {"flip_pairs": [(0, 1)]}, ValueError, "flipped: expected the mirrored crops' rows"),
        (X, Y, {"shift": 1}, ValueError, "flipped: expected the mirrored crops' rows"),
        (X, Y, {"flipped": (X,)}, ValueError, "flipped: expected the pair (simcc_x, simcc_y)"),
        (X, Y, {"flipped": (Y, X)}, ValueError, "flipped: expected the shapes of simcc_x and simcc_y"),
        (X, Y, {"flipped": (X.double(), Y)}, TypeError, "flipped: expected dtype float32"),
        (
            X,
            Y,
            {"flipped": (X, Y), "flip_pairs": [(0, 3)]},
            ValueError,
            "flip_pairs: expected joints from 0 to 2",
        ),
        (
            X,
            Y,
            {"flipped": (X, Y), "shift": 8},
            ValueError,
            "shift: expected a number of bins from 0 to X - 1",
        ),
        (
            X,
            Y,
            {"flipped": (X, Y), "shift": -1},
            ValueError,
            "shift: expected a number of bins from 0 to X - 1",
        ),
        (X, Y, {"affines": torch.zeros(3, 2, 3)}, ValueError, "affines: expected (B, 2, 3), got (3, 2, 3)"),
        (X, Y, {"affines": torch.zeros(2, 2, 3).half()}, TypeError, "affines: expected dtype float32"),
    ],
)
def test_bad_input_is_named(device, x, y, options, error, words):
    def moved(value):
        if isinstance(value, tuple):
            return tuple(moved(item) for item in value)
        return value.to(device) if isinstance(value, torch.Tensor) else value

    with pytest.raises(error) as caught:
        simcc_decode(x.to(device), y.to(device), **{key: moved(value) for key, value in options.items()})
    assert words in str(caught.value)
