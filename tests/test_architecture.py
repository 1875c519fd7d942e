"""The arrows of docs/architecture.md: who may include and import whom, and which files an operator has."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CSRC = ROOT / "csrc"
OPS = sorted(folder.name for folder in (CSRC / "ops").iterdir() if folder.is_dir())
CUDA_HEADERS = re.compile(r"^(cuda|cub/|cooperative_groups|nv)")
# Packages of the extra `metrics`, and the files of pyposeops that may import them, when they are first used.
OPTIONAL = {
    "matplotlib": "pyposeops/metrics/plots.py",
    "orjson": "pyposeops/evaluate/reading.py",
    "scipy": "pyposeops/solvers/*.py",
    "torchmetrics": "pyposeops/metrics/*.py",
    "tqdm": "pyposeops/evaluate/progress.py",
}


def includes(path: Path) -> list[str]:
    return re.findall(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', path.read_text(), re.MULTILINE)


def sources(*suffixes: str) -> list[Path]:
    return sorted(p for p in CSRC.rglob("*") if p.suffix in suffixes)


def imported_modules(path: Path) -> set[str]:
    modules = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            modules.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            modules.add(node.module)
    return modules


def test_there_are_operators():
    assert "gaussian_heatmap" in OPS


def test_core_and_math_know_no_python():
    for path in [
        *(CSRC / "core").rglob("*"),
        *CSRC.rglob("*_math.h"),
        *CSRC.rglob("*_cpu.cpp"),
        *sources(".cu"),
    ]:
        if path.is_file():
            for header in includes(path):
                assert not re.match(r"Python\.h|pybind11|torch|ATen|c10|bindings/", header), (
                    f"{path}: {header}"
                )


def test_only_cuda_files_include_the_cuda_runtime():
    for path in sources(".h", ".cpp"):
        for header in includes(path):
            assert not CUDA_HEADERS.match(header), f"{path}: {header}"


def test_core_includes_no_operator_and_operators_no_other():
    for path in sources(".h", ".cpp", ".cu", ".cuh"):
        parts = path.relative_to(CSRC).parts
        for header in includes(path):
            if header.startswith("ops/"):
                assert parts[0] == "ops" and header.split("/")[1] == parts[1], f"{path}: {header}"


@pytest.mark.parametrize("op", OPS)
def test_operator_has_its_whole_set_of_files(op):
    wanted = [f"csrc/ops/{op}/{op}{end}" for end in (".h", "_math.h", "_cpu.cpp", "_cuda.cu", "_bind.cpp")]
    wanted += [f"pyposeops/{folder}/{op}.py" for folder in ("ops", "reference")]
    wanted += [f"tests/ops/test_{op}.py", f"benchmarks/ops/bench_{op}.py"]
    assert [path for path in wanted if not (ROOT / path).is_file()] == []
    assert re.search(rf"^\s*{op}\)?$", (ROOT / "CMakeLists.txt").read_text(), re.MULTILINE)
    assert f"bind_{op}(module);" in (CSRC / "bindings/module.cpp").read_text()
    strangers = [p.name for p in (CSRC / "ops" / op).iterdir() if not p.name.startswith(op)]
    assert strangers == []


@pytest.mark.parametrize("op", OPS)
def test_math_header_compiles_alone(op, tmp_path):
    compiler = shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        pytest.skip("no C++ compiler")
    source = tmp_path / "alone.cpp"
    source.write_text(f'#include "ops/{op}/{op}_math.h"\nint main() {{}}\n')
    command = [
        compiler,
        "-std=c++17",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-fsyntax-only",
        f"-I{CSRC}",
        str(source),
    ]
    subprocess.run(command, check=True, timeout=120)


def test_package_imports_neither_models_nor_tests_nor_benchmarks():
    for path in (ROOT / "pyposeops").rglob("*.py"):
        for module in imported_modules(path):
            root = module.split(".")[0]
            assert root not in ("python_models", "tests", "benchmarks"), f"{path}: {module}"


def test_package_needs_torch_and_numpy_and_names_what_it_may_use():
    allowed = {"torch", "numpy", "pyposeops"}
    for path in (ROOT / "pyposeops").rglob("*.py"):
        here = {package for package, users in OPTIONAL.items() if path.relative_to(ROOT).match(users)}
        for module in imported_modules(path):
            root = module.split(".")[0]
            assert root in allowed | here or root in sys.stdlib_module_names, f"{path}: {module}"


def test_what_the_package_may_use_stands_in_its_extra():
    text = (ROOT / "pyproject.toml").read_text()
    extra = re.search(r"^metrics = \[(.*)\]$", text, re.MULTILINE)
    assert extra is not None
    assert set(re.findall(r'"([a-z]+)>=', extra[1])) == OPTIONAL.keys()


def test_package_is_imported_without_what_it_may_use():
    """With None in its place a module cannot be imported. torch looks for tqdm of its own, and does without it."""
    code = f"""
import sys
sys.modules.update(dict.fromkeys({sorted(OPTIONAL)}))
import pyposeops, pyposeops.metrics, pyposeops.__main__
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_instruction_set_objects_share_no_code():
    """An ordinary function in a file compiled per instruction set would be merged by the linker with its twins, and
    the AVX-512 one might be kept. So those objects define nothing weak but what is in their own namespace."""
    nm = shutil.which("nm")
    builds = [p for p in (ROOT / "build").rglob("*_cpu.cpp.o") if "cpu_avx512.dir" in str(p)]
    if nm is None or not builds:
        pytest.skip("no object files of a build here")
    for path in builds:
        listing = subprocess.run([nm, "-C", str(path)], check=True, capture_output=True, text=True).stdout
        weak = re.findall(r"^[0-9a-f]+ [WVu] (.*)$", listing, re.MULTILINE)
        foreign = [name for name in weak if "avx512::" not in name and not name.startswith("DW.ref.")]
        assert foreign == [], f"{path}: {foreign}"
