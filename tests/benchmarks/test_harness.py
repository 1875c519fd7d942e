"""The benchmark harness: what it accepts, what it leaves out, what it writes. No claims about speed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks import metrics, ops, report, table
from benchmarks.__main__ import main
from benchmarks.cases import Alternative, Case, Overhead, Tolerance, Traffic
from benchmarks.checks import ResultDiffersError, check_result
from benchmarks.runner import (
    CALLS_OF_SHORT,
    Effort,
    Row,
    checked_alternative,
    checked_ours,
    run_case,
    run_overhead,
    run_slow_case,
    usable,
)
from benchmarks.timing import MIN_QUIET, Samples
from benchmarks.yardstick import copy_of

CPU = torch.device("cpu")
SHORT = Effort(case_s=0.01, slow_starts=True, overhead_calls=5, overhead_rounds=3)
PROMISED_KEYS = {
    "op",
    "case",
    "shape",
    "dtype",
    "device",
    "ours_ms",
    "alternatives",
    "copy_ms",
    "overhead_us",
}


def doubling_case(**changes: Any) -> Case:
    """An operator anyone can check: twice the input."""
    case = Case(
        op="doubling",
        name="plain",
        shape=(4, 8),
        dtype=torch.float32,
        make_inputs=lambda device: (torch.arange(32.0, device=device).view(4, 8),),
        ours=lambda x: x + x,
        reference=lambda x: 2 * x,
        traffic=Traffic(read=128, written=128),
        alternatives={"torch-eager": Alternative(lambda x: x * 2)},
        quick=True,
    )
    return replace(case, **changes)


def doubling_overhead() -> Overhead:
    return Overhead("doubling", lambda device: (torch.ones(2, device=device),), lambda x: (x + x, x * 2))


@pytest.fixture
def only_doubling(monkeypatch: pytest.MonkeyPatch) -> Callable[[Case], None]:
    """Puts one case in the place of all benchmark files."""

    def use(case: Case) -> None:
        monkeypatch.setattr(ops, "names", lambda: ["doubling"])
        monkeypatch.setattr(ops, "cases_of", lambda op: [case])
        monkeypatch.setattr(ops, "overhead_of", lambda op: doubling_overhead())

    return use


def test_json_holds_meta_and_the_promised_keys(only_doubling: Callable[[Case], None], tmp_path: Path) -> None:
    only_doubling(doubling_case())
    file = tmp_path / "new folder" / "result.json"
    assert main(["--quick", "--json", str(file)]) == 0
    content = json.loads(file.read_text())
    assert {"hardware", "versions", "commit", "threads", "date"} <= content["meta"].keys()
    speed, overhead = content["rows"]
    assert speed.keys() >= PROMISED_KEYS and overhead.keys() >= PROMISED_KEYS
    assert speed["alternatives"].keys() == {"torch-eager"} and speed["copy_ms"] > 0
    assert speed["shape"] == [4, 8] and speed["dtype"] == "float32" and speed["overhead_us"] is None
    assert overhead["case"] == "overhead" and overhead["overhead_us"] is not None


def test_report_prints_every_row_and_draws_a_picture(
    only_doubling: Callable[[Case], None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib")
    only_doubling(doubling_case())
    file, png = tmp_path / "result.json", tmp_path / "plot.png"
    main(["--quick", "--json", str(file)])
    capsys.readouterr()
    assert main(["report", str(file), "--out", str(png)]) == 0
    assert png.read_bytes().startswith(b"\x89PNG")
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| doubling")]
    assert len(lines) == 2 and "torch-eager" in lines[0] and "overhead" in lines[1]


def test_rows_survive_the_file(tmp_path: Path) -> None:
    row = run_case(doubling_case(), CPU, SHORT)
    report.save(tmp_path / "rows.json", {"device": "cpu"}, [row])
    _, (read,) = report.load(tmp_path / "rows.json")
    assert table.block(read) == table.block(row)


@pytest.mark.parametrize("content", ["{}", "not json", '{"meta": {}, "rows": [{"op": "x"}]}'])
def test_report_of_another_file_is_refused_by_name(
    content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "other.json"
    file.write_text(content)
    with pytest.raises(SystemExit, match="2"):
        main(["report", str(file)])
    assert "other.json" in capsys.readouterr().err


def test_unknown_operator_is_refused_with_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["--op", "gaussian_heatmaps"])
    message = capsys.readouterr().err
    assert "'gaussian_heatmaps'" in message and all(name in message for name in ops.names())
    with pytest.raises(ValueError, match="got 'nothing'"):
        ops.cases_of("nothing")


def test_wrong_result_of_ours_ends_the_run(
    only_doubling: Callable[[Case], None], capsys: pytest.CaptureFixture[str]
) -> None:
    only_doubling(doubling_case(ours=lambda x: x + x + 1e-3))
    assert main(["--quick"]) == 1
    assert "doubling | plain" in capsys.readouterr().err


def test_wrong_or_failing_alternative_is_left_out_with_a_note() -> None:
    def fail(x: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("no compiler\nand a long trace")

    row = run_case(
        doubling_case(
            alternatives={
                "triples": Alternative(lambda x: 3 * x),
                "fails": Alternative(fail),
                "torch-eager": Alternative(lambda x: x * 2, note="the same"),
            }
        ),
        CPU,
        SHORT,
    )
    assert row.alternatives.keys() == {"torch-eager"}
    assert "not the same result" in row.notes["triples"]
    assert row.notes["fails"] == "left out, it failed: RuntimeError: no compiler"
    assert row.notes["torch-eager"] == "the same"


def test_alternative_with_other_semantics_is_compared_on_the_common_part() -> None:
    half = Alternative(lambda x: 2 * x[:2], comparable=lambda result, expected: (result, expected[:2]))
    case = doubling_case(alternatives={"half": half})
    inputs = case.make_inputs(CPU)
    checked_alternative("half", case, inputs, case.reference(*inputs))
    wrong = replace(half, comparable=lambda result, expected: (result, expected[2:]))
    with pytest.raises(ResultDiffersError, match="half"):
        case = doubling_case(alternatives={"half": wrong})
        checked_alternative("half", case, inputs, case.reference(*inputs))


def test_missing_module_or_other_device_leaves_the_alternative_out() -> None:
    assert not usable(Alternative(abs, requires="no_such_module"), CPU)
    assert not usable(Alternative(abs, devices=("cuda",)), CPU)
    assert usable(Alternative(abs, requires="torch"), CPU)


def test_preparation_is_not_part_of_what_is_timed() -> None:
    seen: list[str] = []

    def prepare(x: torch.Tensor) -> tuple[Any, ...]:
        seen.append("prepared")
        return (x.numpy(),)

    row = run_case(
        doubling_case(alternatives={"numpy": Alternative(lambda x: x * 2, prepare=prepare)}), CPU, SHORT
    )
    assert seen == ["prepared"] and row.alternatives["numpy"] > 0


def test_quick_effort_starts_no_compiler() -> None:
    compiled = Alternative(lambda x: x * 2, slow_start=True)
    row = run_case(
        doubling_case(alternatives={"torch-compile": compiled}), CPU, replace(SHORT, slow_starts=False)
    )
    assert not row.alternatives and not row.notes


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (torch.zeros(3), "expected shape"),
        (torch.full((2,), float("nan")), "outside the tolerance"),
        ((torch.zeros(2), torch.zeros(2)), "expected 1 tensors, got 2"),
    ],
)
def test_check_names_what_differs(found: Any, reason: str) -> None:
    with pytest.raises(ResultDiffersError, match=reason):
        check_result("it", found, torch.zeros(2), Tolerance())


def test_check_allows_the_stated_share_of_outliers_and_equal_nans() -> None:
    wanted = torch.tensor([0.0, 1.0, float("nan"), 3.0])
    found = torch.tensor([0.0, 1.0, float("nan"), 9.0])
    check_result("it", found.numpy(), [wanted], Tolerance(outliers=0.25))
    with pytest.raises(ResultDiffersError, match="worst difference 6"):
        check_result("it", found, wanted, Tolerance(outliers=0.2))


def test_disturbed_slices_count_only_where_others_are_too_few() -> None:
    assert Samples(quiet=[1.0] * MIN_QUIET, disturbed=[9.0] * 50).median == 1.0
    assert Samples(quiet=[1.0], disturbed=[9.0, 9.0]).median == 9.0


@pytest.mark.parametrize("traffic", [Traffic(0, 4096), Traffic(65536, 8), Traffic(4096, 4096), Traffic(0, 0)])
def test_copy_of_any_proportion_runs(traffic: Traffic) -> None:
    copy_of(traffic, CPU)()


def test_overhead_row_is_the_call_less_its_outputs() -> None:
    row = run_overhead(doubling_overhead(), SHORT)
    allocation_ms = row.spread["allocation of the outputs"]
    assert isinstance(row, Row) and row.overhead_us is not None
    assert row.overhead_us <= (row.ours_ms - allocation_ms[0]) * 1e3 + 1e-9


def test_slow_case_counts_its_checked_calls_and_prepares_each() -> None:
    prepared: list[int] = []

    def prepare(x: torch.Tensor) -> tuple[Any, ...]:
        prepared.append(1)
        return (x.clone(),)

    alternatives = {
        "torch-eager": Alternative(lambda x: x * 2, prepare=prepare, note="the same"),
        "triples": Alternative(lambda x: 3 * x),
    }
    row = run_slow_case(doubling_case(alternatives=alternatives), rounds=2)
    assert row.alternatives.keys() == {"torch-eager"} and row.copy_ms is None
    assert row.notes["torch-eager"] == "the same" and "not the same result" in row.notes["triples"]
    assert len(prepared) == 2 * CALLS_OF_SHORT
    with pytest.raises(ResultDiffersError, match="pyposeops"):
        run_slow_case(doubling_case(ours=lambda x: x), rounds=1)


def test_evaluations_of_all_packages_agree() -> None:
    pytest.importorskip("pycocotools")
    for case in metrics.cases(images=20):
        row = run_slow_case(case, rounds=1)
        left_out = [note for note in row.notes.values() if "left out" in note]
        assert not left_out and "pycocotools" in row.alternatives


def test_evaluations_have_no_operator_and_no_gpu(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["--metrics", "--op", "gaussian_heatmap"])
    assert "expected neither --op" in capsys.readouterr().err


@pytest.mark.parametrize("op", ops.names())
def test_ours_and_every_alternative_compute_the_definition(op: str) -> None:
    """The quick cases of every operator; nothing is timed."""
    for case in (case for case in ops.cases_of(op) if case.quick):
        inputs = case.make_inputs(CPU)
        expected = case.reference(*inputs)
        checked_ours(case, inputs, expected)
        for name, alternative in case.alternatives.items():
            if usable(alternative, CPU) and not alternative.slow_start:
                checked_alternative(name, case, inputs, expected)


@pytest.mark.parametrize("op", ops.names())
def test_cases_of_an_operator_have_different_titles_and_move_bytes(op: str) -> None:
    cases = ops.cases_of(op)
    assert cases and all(case.op == op and case.traffic.written > 0 for case in cases)
    assert len({case.title for case in cases}) == len(cases)
    assert ops.overhead_of(op).op == op
