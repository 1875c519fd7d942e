"""flip_merge against its definition, against the published loops, and at its corners."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import pyposeops
from pyposeops import flip_merge, reference
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

PAIRS = ((0, 3), (4, 1))  # of six joints: two have no partner
PER_JOINT = {"heatmap": 1, "udp_combined": 3, "offset": 2}
LAYOUTS = ("contiguous", "channels_last", "strided", "transposed")
EXACT = {"rtol": 0.0, "atol": 0.0}


def two_maps(generator, shape, dtype=torch.float32):
    return (torch.randn(shape, generator=generator).to(dtype) for _ in range(2))


# ---- the published code, typed as loops ----------------------------------------------------------------------


def hrnet_merge(output, output_flipped, matched_parts, shift):
    """Simple Baselines and HRNet: mirror, exchange pair by pair, shift, mean."""
    back = output_flipped[:, :, :, ::-1]
    for left, right in matched_parts:
        kept = back[:, left].copy()
        back = back.copy()
        back[:, left], back[:, right] = back[:, right], kept
    back = back.copy()
    if shift:
        back[:, :, :, 1:] = back.copy()[:, :, :, 0:-1]
    return (output + back) * 0.5


def mmpose_merge(heatmaps, flipped, flip_indices, kind, shift):
    """mmpose: udp_combined and offset maps by joint, the x channel negated."""
    batch, channels, height, width = flipped.shape
    per_joint = PER_JOINT[kind]
    back = flipped.reshape(batch, channels // per_joint, per_joint, height, width)[..., ::-1]
    out = np.empty((batch, channels, height, width), heatmaps.dtype)
    for joint, partner in enumerate(flip_indices):
        for part in range(per_joint):
            plane = back[:, partner, part].copy()
            if (kind, part) in (("udp_combined", 1), ("offset", 0)):
                plane = -plane
            if shift:
                plane[..., 1:] = plane[..., :-1].copy()
            channel = joint * per_joint + part
            out[:, channel] = (heatmaps[:, channel] + plane) * 0.5
    return out


@pytest.mark.parametrize("shift", [False, True])
def test_equals_hrnet(device, generator, shift):
    ours, flipped = two_maps(generator, (3, 6, 8, 12))
    got = flip_merge(ours.to(device), flipped.to(device), PAIRS, shift=shift)
    np.testing.assert_array_equal(got.cpu(), hrnet_merge(ours.numpy(), flipped.numpy(), PAIRS, shift))


@pytest.mark.parametrize("shift", [False, True])
@pytest.mark.parametrize("kind", sorted(PER_JOINT))
def test_equals_mmpose(device, generator, kind, shift):
    ours, flipped = two_maps(generator, (2, 6 * PER_JOINT[kind], 7, 16))
    got = flip_merge(ours.to(device), flipped.to(device), PAIRS, shift=shift, kind=kind)
    want = mmpose_merge(ours.numpy(), flipped.numpy(), [3, 4, 2, 0, 1, 5], kind, shift)
    np.testing.assert_array_equal(got.cpu(), want)


# ---- values ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shift", [False, True])
@pytest.mark.parametrize("kind", sorted(PER_JOINT))
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", FLOATS)
def test_equals_definition_to_the_bit(device, generator, dtype, layout, kind, shift):
    for width in (1, 2, 16, 77):
        ours, flipped = two_maps(generator, (2, 6 * PER_JOINT[kind], 3, width), dtype)
        got = flip_merge(layouts(ours.to(device))[layout], flipped.to(device), PAIRS, shift=shift, kind=kind)
        other = flip_merge(
            ours.to(device), layouts(flipped.to(device))[layout], PAIRS, shift=shift, kind=kind
        )
        want = reference.flip_merge(ours, flipped, PAIRS, shift=shift, kind=kind)
        assert_same(got, want, **EXACT)
        assert_same(other, want, **EXACT)


def test_large_maps(device, generator):
    """More than one block, strip and thread."""
    ours, flipped = two_maps(generator, (5, 6, 100, 200))
    want = reference.flip_merge(ours, flipped, PAIRS, shift=True)
    for maps in (ours, ours.contiguous(memory_format=torch.channels_last)):
        assert_same(flip_merge(maps.to(device), flipped.to(device), PAIRS, shift=True), want, **EXACT)


def test_rows_of_any_alignment(device, generator):
    for start in range(1, 5):
        memory = torch.randn(2, 5 + 2 * 6 * 4 * 8, generator=generator)
        ours, flipped = (row[start : start + 2 * 6 * 4 * 8].view(2, 6, 4, 8).to(device) for row in memory)
        want = reference.flip_merge(ours.cpu(), flipped.cpu(), PAIRS, shift=True)
        assert_same(flip_merge(ours, flipped, PAIRS, shift=True), want, **EXACT)


def test_shift_keeps_column_0_and_drops_the_last(device):
    flipped = torch.tensor([3.0, 2.0, 1.0, 0.0]).view(1, 1, 1, 4).to(device)  # 0 1 2 3 once mirrored
    nothing = torch.zeros(1, 1, 1, 4, device=device)
    assert flip_merge(nothing, flipped, ()).flatten().tolist() == [0.0, 0.5, 1.0, 1.5]
    assert flip_merge(nothing, flipped, (), shift=True).flatten().tolist() == [0.0, 0.0, 0.5, 1.0]


def test_half_is_rounded_once(device):
    ours = torch.tensor([65504.0, 1.0]).view(1, 1, 1, 2).half().to(device)
    got = flip_merge(ours, ours.flip(-1), ())
    assert got.flatten().tolist() == [65504.0, 1.0]


@pytest.mark.parametrize("dtype", FLOATS)
def test_nan_and_infinities_follow_the_mean(device, dtype):
    ours = torch.tensor([math.nan, 1.0, math.inf, -math.inf]).view(1, 1, 1, 4).to(device, dtype)
    flipped = torch.tensor([math.inf, math.inf, math.nan, 0.0]).view(1, 1, 1, 4).to(device, dtype)
    want = torch.tensor([math.nan, math.nan, math.inf, math.nan]).view(1, 1, 1, 4).to(dtype)
    assert_same(flip_merge(ours, flipped, ()), want)


@pytest.mark.parametrize("kind", sorted(PER_JOINT))
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shift", [False, True])
def test_in_place_and_into_other_memory(device, generator, kind, layout, shift):
    ours, flipped = (
        maps.to(device) for maps in two_maps(generator, (2, 6 * PER_JOINT[kind], 5, 72), torch.float16)
    )
    want = flip_merge(ours, flipped, PAIRS, shift=shift, kind=kind)
    target = layouts(torch.full_like(ours, math.nan))[layout]
    assert flip_merge(ours, flipped, PAIRS, shift=shift, kind=kind, out=target) is target
    assert_same(target, want, **EXACT)
    own = layouts(ours.clone())[layout]
    assert flip_merge(own, flipped, PAIRS, shift=shift, kind=kind, out=own) is own
    assert_same(own, want, **EXACT)
    view = ours.view(ours.shape)
    flip_merge(ours, flipped, PAIRS, shift=shift, kind=kind, out=view)
    assert_same(ours, want, **EXACT)


@settings(max_examples=80, deadline=None)
@given(data=st.data(), shift=st.booleans(), dtype=st.sampled_from(FLOATS), layout=st.sampled_from(LAYOUTS))
def test_any_pairs_and_maps_equal_the_definition(data, shift, dtype, layout):
    joints, height, width = (data.draw(st.integers(1, most)) for most in (7, 4, 70))
    joint_list = data.draw(st.permutations(range(joints)))
    pairs = list(zip(joint_list[::2], joint_list[1::2], strict=False))[: data.draw(st.integers(0, 3))]
    seed = torch.Generator().manual_seed(data.draw(st.integers(0, 999)))
    ours, flipped = two_maps(seed, (2, joints, height, width), dtype)
    got = flip_merge(layouts(ours)[layout], layouts(flipped)[layout], pairs, shift=shift)
    assert_same(got, reference.flip_merge(ours, flipped, pairs, shift=shift), **EXACT)


# ---- gradients ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shift", [False, True])
@pytest.mark.parametrize("kind", sorted(PER_JOINT))
@pytest.mark.parametrize("width", [1, 2, 5])
def test_gradient_is_that_of_the_definition(device, generator, kind, shift, width):
    shape = (2, 6 * PER_JOINT[kind], 2, width)
    ours, flipped = (maps.requires_grad_() for maps in two_maps(generator, shape, torch.float64))
    grad = torch.randn(shape, generator=generator).double()
    want = torch.autograd.grad(
        reference.flip_merge(ours, flipped, PAIRS, shift=shift, kind=kind), (ours, flipped), grad
    )
    on_device = ours.detach().to(device).requires_grad_(), flipped.detach().to(device).requires_grad_()
    got = torch.autograd.grad(
        flip_merge(*on_device, PAIRS, shift=shift, kind=kind), on_device, grad.to(device)
    )
    assert_same(got, want, rtol=1e-15, atol=0.0)


def test_only_the_wanted_gradient_is_made(generator):
    ours, flipped = two_maps(generator, (1, 6, 3, 4))
    merged = flip_merge(ours.requires_grad_(), flipped, PAIRS)
    merged.sum().backward()
    assert (ours.grad == 0.5).all() and flipped.grad is None


# ---- the machinery -----------------------------------------------------------------------------------------------


def test_layout_of_the_result_is_that_of_the_heatmaps(device, generator):
    ours, flipped = (maps.to(device) for maps in two_maps(generator, (2, 6, 4, 5)))
    last = ours.contiguous(memory_format=torch.channels_last)
    assert flip_merge(last, flipped, PAIRS).is_contiguous(memory_format=torch.channels_last)
    assert flip_merge(ours, last, PAIRS).is_contiguous()


@pytest.mark.parametrize("shape", [(0, 6, 4, 5), (2, 0, 4, 5), (2, 6, 0, 5), (2, 6, 4, 0)])
def test_nothing_to_merge(device, shape):
    maps = torch.zeros(shape, device=device)
    assert flip_merge(maps, maps, ()).shape == shape


@pytest.mark.parametrize("kind", range(3))
def test_opcheck(device, generator, kind):
    ours, flipped = (maps.to(device) for maps in two_maps(generator, (2, 6, 4, 5)))
    operators = torch.ops.pyposeops
    for maps in (ours, ours.contiguous(memory_format=torch.channels_last)):
        torch.library.opcheck(operators.flip_merge.default, (maps, flipped, [0, 1], True, kind))
        torch.library.opcheck(operators.flip_merge_.default, (maps.clone(), flipped, [0, 1], True, kind))
        out = torch.empty_like(maps)
        torch.library.opcheck(operators.flip_merge_out.default, (maps, flipped, out, [0, 1], True, kind))


def test_compiles_without_graph_breaks(device, generator):
    ours, flipped = (maps.to(device) for maps in two_maps(generator, (2, 6, 4, 5)))
    assert_compiles(lambda a, b: flip_merge(a * 2, b, PAIRS, shift=True), ours, flipped)

    def in_place(a, b):
        maps = a * 2
        flip_merge(maps, b, PAIRS, out=maps)
        return maps, flip_merge(maps, b, PAIRS, out=torch.empty_like(maps))

    assert_compiles(in_place, ours, flipped)


@pytest.mark.cuda
def test_cuda_graph_capture(generator):
    ours, flipped = (maps.cuda() for maps in two_maps(generator, (2, 6, 8, 8)))
    assert_graph_captures(lambda a, b: flip_merge(a, b, PAIRS, shift=True), ours, flipped)


@pytest.mark.parametrize("isa", ISAS)
def test_every_instruction_set_gives_the_same_bits(tmp_path, generator, isa):
    expected = []
    for dtype in FLOATS:
        ours, flipped = two_maps(generator, (2, 6, 5, 77), dtype)
        for maps in layouts(ours).values():
            expected.append((maps, flipped, flip_merge(maps, flipped, PAIRS, shift=True)))
    torch.save(expected, tmp_path / "expected.pt")
    run_under_isa(
        isa,
        "import torch, pyposeops\n"
        f"assert pyposeops.build_info()['cpu_isa'] == '{isa}'\n"
        f"for ours, flipped, want in torch.load({str(tmp_path / 'expected.pt')!r}):\n"
        f"    got = pyposeops.flip_merge(ours, flipped, {PAIRS}, shift=True)\n"
        "    torch.testing.assert_close(got, want, rtol=0, atol=0)\n",
    )


def test_numpy_in_numpy_out(generator):
    ours, flipped = two_maps(generator, (2, 6, 4, 5))
    want = flip_merge(ours, flipped, PAIRS)
    array = ours.numpy().copy()
    for pairs in (PAIRS, np.array(PAIRS)):
        np.testing.assert_array_equal(flip_merge(array, flipped.numpy(), pairs), want.numpy())
    assert np.shares_memory(flip_merge(array, flipped.numpy(), PAIRS, out=array), array)
    np.testing.assert_array_equal(array, want.numpy())


# ---- bad input ---------------------------------------------------------------------------------------------------

MAPS = torch.zeros(2, 6, 5, 4)


@pytest.mark.parametrize(
    ("arguments", "options", "error", "words"),
    [
        ((MAPS[0], MAPS[0], ()), {}, ValueError, "heatmaps: expected (B, C, H, W), got (6, 5, 4)"),
        ((MAPS, MAPS[:1], ()), {}, ValueError, "flipped: expected the (B, C, H, W) of heatmaps, got (1, 6, 5, 4)"),
        ((MAPS, MAPS.half(), ()), {}, TypeError, "flipped: expected dtype float32, got float16"),
        ((MAPS.int(), MAPS.int(), ()), {}, TypeError, "heatmaps: expected dtype float32, float64, float16, bfloat16"),
        ((MAPS, MAPS, ((0, 6),)), {}, ValueError, "flip_pairs: expected joints from 0 to 5, each in one pair"),
        ((MAPS, MAPS, ((-1, 2),)), {}, ValueError, "flip_pairs: expected joints from 0 to 5"),
        ((MAPS, MAPS, ((2, 2),)), {}, ValueError, "got (2, 2)"),
        ((MAPS, MAPS, ((0, 1), (1, 2))), {}, ValueError, "got (1, 2)"),
        ((MAPS, MAPS, (0, 1)), {}, ValueError, "flip_pairs: expected pairs of joints, got (0, 1)"),
        ((MAPS, MAPS, ((0, 1, 2),)), {}, ValueError, "flip_pairs: expected pairs of joints"),
        ((MAPS, MAPS, ((0, 1),)), {"kind": "paf"}, ValueError, "kind: expected one of heatmap, udp_combined, offset"),
        ((MAPS[:, :4], MAPS[:, :4], ()), {"kind": "udp_combined"}, ValueError, "expected 3 channels per joint"),
        ((MAPS, MAPS, ((2, 3),)), {"kind": "udp_combined"}, ValueError, "flip_pairs: expected joints from 0 to 1"),
        ((MAPS, MAPS, ()), {"out": MAPS.double()}, TypeError, "out: expected dtype float32, got float64"),
        ((MAPS, MAPS, ()), {"out": MAPS[:1]}, ValueError, "out: expected the (B, C, H, W) of heatmaps"),
        ((MAPS, MAPS, ()), {"out": MAPS}, ValueError, "out: expected other memory than that of flipped"),
        ((torch.zeros(1, 513, 1, 1),) * 2 + ((),), {}, ValueError, "flipped: expected at most 512 joints, got 513"),
        ((MAPS.clone().requires_grad_(), MAPS, ()), {"out": MAPS.clone()}, ValueError, "out: expected None where"),
    ],
)  # fmt: skip
def test_bad_input_is_named(arguments, options, error, words):
    with pytest.raises(error) as caught:
        flip_merge(*arguments, **options)
    assert words in str(caught.value)


def test_wrong_codes_are_refused():
    with pytest.raises(ValueError, match="kind: expected a code from 0 to 2, got 3"):
        pyposeops._core.flip_merge(MAPS, MAPS, [], False, 3, MAPS.clone())
    with pytest.raises(ValueError, match="flip_pairs: expected pairs of joints, got 3 numbers"):
        pyposeops._core.flip_merge(MAPS, MAPS, [0, 1, 2], False, 0, MAPS.clone())
