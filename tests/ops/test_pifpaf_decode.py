"""pifpaf_decode against its definition, people that are known, and at its corners."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

import pyposeops
from benchmarks.composite_people import LIMBS, STRIDE, crowd, draw
from pyposeops import pifpaf_decode, reference
from tests.op_contract import FLOATS, ISAS, assert_compiles, assert_same, run_under_isa
from tests.property_tests import given, settings, st

EXACT = {"rtol": 0.0, "atol": 0.0}
CHAIN = ((0, 1), (1, 2), (0, 2))
FAR = {"stride_px": float(STRIDE)}
OPTIONS = {"stride_px": 4.0, "min_score": 0.05}


def noise(generator, batch=2, size=(8, 10), levels=0, joints=3, limbs=3):
    """Cells that point anywhere near them, sizes of all kinds."""

    def field(count, points):
        maps = torch.rand(batch, count, 2 + 3 * points, *size, generator=generator)
        y, x = torch.meshgrid(torch.arange(size[0]), torch.arange(size[1]), indexing="ij")
        here = torch.stack([x, y] * points)
        maps[:, :, 2 : 2 + 2 * points] = 4 * maps[:, :, 2 : 2 + 2 * points] - 2 + here
        maps[:, :, 2 + 2 * points :] *= 3
        return (maps * levels).round() / levels if levels else maps

    return field(joints, 1), field(limbs, 2)


def moved(maps, device):
    return tuple(m.to(device) for m in maps)


# ---- values ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("people", [0, 1, 5, 20])
def test_people_are_equal_to_the_definition(device, people):
    fields = crowd(people, seed=people)[1]
    got = pifpaf_decode(*moved(fields, device), LIMBS, **FAR)
    assert_same(got, reference.pifpaf_decode(*fields, LIMBS, **FAR), **EXACT)
    assert (got.counts.item() > 0) == (people > 0)


def test_people_come_back(device):
    joints, fields = crowd(4, seed=3)
    got = pifpaf_decode(*moved(fields, device), LIMBS, **FAR)
    assert got.counts.item() == 4
    for person in joints:
        errors = (got.keypoints[0, :4, :, :2].cpu() - person * STRIDE).abs().amax((1, 2))
        assert errors.min() < 0.15 * STRIDE


def test_limbs_tell_people_apart_whose_joints_are_close(device):
    """Two people a cell and a half apart, of whom no place says whose joint it is."""
    joints = torch.tensor([[[4.0, 3.0], [4.0, 7.0], [8.0, 9.0]], [[9.0, 3.0], [9.0, 7.0], [6.5, 9.0]]])
    fields = draw(joints, torch.ones(2, 3), torch.tensor([1.0, 1.0]), (12, 14), CHAIN)
    got = pifpaf_decode(*moved(fields, device), CHAIN, **FAR)
    assert got.counts.item() == 2
    order = got.keypoints[0, :2, 0, 0].argsort()
    torch.testing.assert_close(got.keypoints[0, order, :, :2].cpu(), joints * STRIDE, rtol=0, atol=0.5)


@pytest.mark.parametrize("levels", [0, 3])
@pytest.mark.parametrize(
    "options",
    [
        OPTIONS,
        {"stride_px": 8.0, "cif_threshold": 0.7, "caf_threshold": 0.6, "min_score": 0.02},
        {
            "stride_px": 3.3,
            "cif_threshold": 0.0,
            "caf_threshold": 0.0,
            "seed_threshold": 0.0,
            "min_score": 0.0,
        },
        {"stride_px": 1.0, "max_people": 2, "min_joint_score": 0.0, "min_joint_share": 0.0, "min_score": 0.0},
        {"stride_px": 8.0, "min_joint_score": 0.2, "min_joint_share": 0.9, "min_score": 0.02},
    ],
)
def test_noise_is_equal_to_the_definition(device, generator, levels, options):
    fields = noise(generator, levels=levels)
    got = pifpaf_decode(*moved(fields, device), CHAIN, **options)
    assert_same(got, reference.pifpaf_decode(*fields, CHAIN, **options), **EXACT)
    assert got.counts.min() > 0


@pytest.mark.parametrize("layout", ["contiguous", "strided", "transposed"])
@pytest.mark.parametrize("dtype", FLOATS)
def test_dtypes_and_layouts(device, generator, layout, dtype):
    fields = [m.to(dtype) for m in noise(generator)]

    def laid_out(maps: Tensor) -> Tensor:
        if layout == "strided":
            return torch.stack([maps, maps + 1], -1)[..., 0]
        return maps.mT.contiguous().mT if layout == "transposed" else maps

    got = pifpaf_decode(*(laid_out(m.to(device)) for m in fields), CHAIN, **OPTIONS)
    assert_same(got, reference.pifpaf_decode(*fields, CHAIN, **OPTIONS), **EXACT)
    assert got.keypoints.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)


@settings(max_examples=30, deadline=None)
@given(
    people=st.integers(0, 20),
    seed=st.integers(0, 10_000),
    levels=st.sampled_from([0, 2, 8]),
    options=st.fixed_dictionaries(
        {
            "cif_threshold": st.sampled_from([0.0, 0.3, 0.9]),
            "caf_threshold": st.sampled_from([0.1, 0.5]),
            "seed_threshold": st.sampled_from([0.1, 0.5]),
            "min_joint_score": st.sampled_from([0.0, 0.15, 0.5]),
            "min_joint_share": st.sampled_from([0.0, 0.5, 0.9]),
            "min_score": st.sampled_from([0.0, 0.3]),
            "max_people": st.sampled_from([1, 10, 60]),
        }
    ),
)
def test_any_crowd_equals_definition(people, seed, levels, options):
    generator = torch.Generator().manual_seed(seed)
    joints = torch.rand(people, 3, 2, generator=generator) * torch.tensor([16.0, 13.0]) - 1
    seen = (torch.rand(people, 3, generator=generator) > 0.2).float()
    sizes = 2 * torch.rand(people, generator=generator)
    drawn = draw(joints, seen, sizes, (12, 14), CHAIN)
    fields = [maps + 0.1 * torch.rand(maps.shape, generator=generator) for maps in drawn]
    if levels:
        fields = [(maps * levels).round() / levels for maps in fields]
    got = pifpaf_decode(*fields, CHAIN, **FAR, **options)
    assert_same(got, reference.pifpaf_decode(*fields, CHAIN, **FAR, **options), **EXACT)


# ---- corners -----------------------------------------------------------------------------------------------------


def fields_of(*cells, joints=2, size=(8, 12)):
    """cif of single cells (joint, x, y, confidence), of size 1, that point at themselves."""
    cif = torch.zeros(1, joints, 5, *size)
    for joint, x, y, confidence in cells:
        cif[0, joint, 1:, y, x] = torch.tensor([confidence, float(x), float(y), 1.0])
    return cif


def way(start, end, confidence=1.0, size=(8, 12), at=(0, 0)):
    """caf of one limb, whose one cell says so."""
    caf = torch.zeros(1, 1, 8, *size)
    caf[0, 0, 1:, at[1], at[0]] = torch.tensor([confidence, *start, *end, 1.0, 1.0])
    return caf


LOW = {"stride_px": 8.0, "min_joint_score": 0.0, "min_score": 0.0}


def test_scores_are_those_of_the_formulas(device):
    cif, caf = fields_of((0, 2, 1, 1.0)), way((2.0, 1.0), (2.0, 5.0), 0.8)
    got = pifpaf_decode(cif.to(device), caf.to(device), [(0, 1)], **LOW, min_joint_share=0.0)
    seed = 0.1 + 0.9 / 16
    reached = math.sqrt(0.8 * 0.1 * seed)  # nothing says that a joint is at the end
    want = [16.0, 8.0, seed, 16.0, 40.0, reached]
    assert got.keypoints[0, 0].flatten().tolist() == pytest.approx(want)
    assert got.scores[0, 0].item() == pytest.approx((seed + reached) / 2)


@pytest.mark.parametrize(("start", "count"), [((2.9, 1.0), 2), ((3.1, 1.0), 1)])
def test_the_way_back_must_end_within_the_size(device, start, count):
    cif, caf = fields_of((0, 2, 1, 1.0)), way(start, (2.0, 5.0))
    got = pifpaf_decode(cif.to(device), caf.to(device), [(0, 1)], **LOW, min_joint_share=0.0)
    assert (got.keypoints[0, 0, :, 2] > 0).sum().item() == count


@pytest.mark.parametrize(("apart", "x"), [(0.4, 2.2), (0.6, 2.0)])
def test_second_best_ends_are_averaged_where_they_agree(device, apart, x):
    caf = way((2.0, 1.0), (2.0, 5.0)) + way((2.0, 1.0), (2.0 + apart, 5.0), at=(1, 0))
    got = pifpaf_decode(
        fields_of((0, 2, 1, 1.0)).to(device), caf.to(device), [(0, 1)], **LOW, min_joint_share=0.0
    )
    assert got.keypoints[0, 0, 1, 0].item() == pytest.approx(8 * x)


@pytest.mark.parametrize(("x", "count"), [(3, 1), (4, 2)])
def test_a_joint_covers_its_size(device, x, count):
    cif = fields_of((0, 2, 1, 1.0), (0, x, 1, 0.9))
    got = pifpaf_decode(cif.to(device), way((0.0, 0.0), (0.0, 0.0), 0.0).to(device), [(0, 1)], **LOW)
    assert got.counts.item() == count


def test_places_beyond_the_border(device):
    cif = fields_of((0, 0, 0, 1.0), (1, 11, 7, 1.0))
    cif[0, 0, 2:4, 0, 0], cif[0, 1, 2:4, 7, 11] = -2.5, torch.tensor([13.0, 9.5])
    caf = way((-2.5, -2.5), (13.0, 9.5))
    options = {**LOW, "min_joint_share": 0.0}
    got = pifpaf_decode(cif.to(device), caf.to(device), [(0, 1)], **options)
    assert_same(got, reference.pifpaf_decode(cif, caf, [(0, 1)], **options), **EXACT)
    assert got.counts.item() == 1
    assert got.keypoints[0, 0, :, :2].flatten().tolist() == pytest.approx([-20, -20, 104, 76])


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e7, 1e30, -1.0])
def test_cells_that_are_not_numbers_do_not_exist(device, generator, value):
    cif, caf = noise(generator, batch=1)
    for component in range(1, 5):
        cif[0, :, component, component, 2:5] = value
    for component in range(1, 8):
        caf[0, :, component, component, 3:6] = value
    got = pifpaf_decode(cif.to(device), caf.to(device), CHAIN, **OPTIONS)
    assert_same(got, reference.pifpaf_decode(cif, caf, CHAIN, **OPTIONS), **EXACT)
    assert got.keypoints.isfinite().all() and got.counts.item() > 0
    nothing = pifpaf_decode(
        torch.full_like(cif, math.nan).to(device), torch.full_like(caf, math.nan).to(device), CHAIN, **OPTIONS
    )
    assert nothing.counts.item() == 0


def test_huge_joints_are_heard_everywhere(device, generator):
    cif, caf = noise(generator, size=(20, 24))
    cif[:, :, 4], caf[:, :, 6:] = 1e6, 1e6
    got = pifpaf_decode(cif.to(device), caf.to(device), CHAIN, **OPTIONS)
    assert_same(got, reference.pifpaf_decode(cif, caf, CHAIN, **OPTIONS), **EXACT)
    assert got.counts.tolist() == [1, 1]


# ---- the machinery -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("batch", "joints"), [(0, 3), (2, 0)])
def test_empty_batch_and_no_joints(device, batch, joints):
    cif, caf = (
        torch.zeros(batch, joints, 5, 4, 5, device=device),
        torch.zeros(batch, 0, 8, 4, 5, device=device),
    )
    got = pifpaf_decode(cif, caf, [], stride_px=8.0, max_people=4)
    assert got.keypoints.shape == (batch, 4, joints, 3) and got.counts.tolist() == [0] * batch
    assert isinstance(got, pyposeops.PifpafPeople)


def test_one_cell(device, generator):
    fields = noise(generator, size=(1, 1))
    options = {"stride_px": 4.0, "seed_threshold": 0.0, "min_joint_score": 0.0, "min_score": 0.0}
    got = pifpaf_decode(*moved(fields, device), CHAIN, **options)
    assert_same(got, reference.pifpaf_decode(*fields, CHAIN, **options), **EXACT)


def test_opcheck_and_compilation(device, generator):
    fields = moved(noise(generator), device)
    arguments = ([0, 1, 1, 2, 0, 2], 4.0, 0.3, 0.3, 0.2, 0.15, 0.5, 0.05, 8)
    torch.library.opcheck(torch.ops.pyposeops.pifpaf_decode.default, (*fields, *arguments))
    assert_compiles(lambda cif: pifpaf_decode(cif * 1, fields[1], CHAIN, **OPTIONS), fields[0])


@pytest.mark.parametrize("isa", ISAS)
def test_every_instruction_set_gives_the_same_bits(tmp_path, generator, isa):
    cases = []
    for dtype in FLOATS:
        fields = [m.to(dtype) for m in noise(generator)]
        cases.append((fields, list(pifpaf_decode(*fields, CHAIN, **OPTIONS))))
    torch.save(cases, tmp_path / "expected.pt")
    run_under_isa(
        isa,
        "import torch, pyposeops\n"
        f"assert pyposeops.build_info()['cpu_isa'] == '{isa}'\n"
        f"for fields, want in torch.load({str(tmp_path / 'expected.pt')!r}):\n"
        f"    got = list(pyposeops.pifpaf_decode(*fields, {CHAIN}, **{OPTIONS}))\n"
        "    torch.testing.assert_close(got, want, rtol=0, atol=0)\n",
    )


def test_thread_count_does_not_change_the_result(generator):
    fields = noise(generator, batch=5)
    threads = torch.get_num_threads()
    try:
        results = []
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            results.append(pifpaf_decode(*fields, CHAIN, **OPTIONS))
    finally:
        torch.set_num_threads(threads)
    for result in results[1:]:
        assert_same(result, results[0], **EXACT)


# ---- bad input ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"cif": torch.zeros(3, 5, 4, 5)}, ValueError, "cif: expected (B, K, 5, H, W), got (3, 5, 4, 5)"),
        ({"cif": torch.zeros(2, 3, 4, 4, 5)}, ValueError, "cif: expected (B, K, 5, H, W)"),
        ({"cif": torch.zeros(2, 3, 5, 0, 5)}, ValueError, "cif: expected a height and width of at least 1"),
        ({"cif": torch.zeros(2, 3, 5, 4, 5).int()}, TypeError, "caf: expected the dtype of cif"),
        ({"caf": torch.zeros(2, 2, 8, 4, 5)}, ValueError, "caf: expected (B, L, 8, H, W)"),
        ({"caf": torch.zeros(2, 3, 8, 4, 6)}, ValueError, "caf: expected (B, L, 8, H, W)"),
        (
            {"caf": torch.zeros(2, 3, 8, 4, 5).double()},
            TypeError,
            "caf: expected the dtype of cif torch.float32",
        ),
        ({"limbs": [(0, 1), (1, 2), (0, 3)]}, ValueError, "limbs: expected two of 3 joints, got 0 and 3"),
        ({"limbs": [(0, 1), (1, 2), (2, 2)]}, ValueError, "limbs: expected two of 3 joints, got 2 and 2"),
        ({"limbs": [(0, 1)] * 129}, ValueError, "limbs: expected at most 128 of them, got 129"),
        ({"stride_px": 0.0}, ValueError, "stride_px: expected a finite number above 0"),
        ({"stride_px": math.inf}, ValueError, "stride_px: expected a finite number above 0"),
        *(
            ({name: value}, ValueError, f"{name}: expected a finite number of at least 0")
            for name in (
                *("cif_threshold", "caf_threshold", "seed_threshold"),
                *("min_joint_score", "min_joint_share", "min_score"),
            )
            for value in (-0.1, math.nan)
        ),
        ({"max_people": 0}, ValueError, "max_people: expected a number of at least 1, got 0"),
    ],
)
def test_bad_input_is_named(device, change, error, words):
    arguments = {"cif": torch.zeros(2, 3, 5, 4, 5), "caf": torch.zeros(2, 3, 8, 4, 5)}
    arguments.update({"limbs": CHAIN, "stride_px": 8.0, **change})
    for name in ("cif", "caf"):
        arguments[name] = arguments[name].to(device)
    with pytest.raises(error) as caught:
        pifpaf_decode(**arguments)
    assert words in str(caught.value)
