"""Writes docs/operators.md: what each operator runs on, in which dtypes, with which gradients, and where it is from.

The rows come from the code: public functions from ``pyposeops.__all__``, their first sentence and source from their
docstrings, kernels, dtypes and gradients from running the examples of the contract tests.
"""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import pyposeops  # noqa: E402
from tests.op_examples import EXAMPLES, Example  # noqa: E402

TARGET = ROOT / "docs" / "operators.md"
SHORT = {
    torch.float32: "f32",
    torch.float16: "f16",
    torch.bfloat16: "bf16",
    torch.float64: "f64",
}
HEADER = """# Operators

Written by `python tools/operators_table.py`; `tests/test_op_contract.py` holds every row to it. **native**:
C++ for the CPU and a CUDA kernel; **PyTorch**: a composition of PyTorch's own operations, on every device
that has them, where a kernel would gain nothing. **gradient**: the arguments that it reaches with the options
of the example; the docstring says when else. Every operator takes NumPy arrays as well, works in
`torch.compile(fullgraph=True)` and `torch.export`, and computes the same under autocast.

| operator | what it does | CPU, CUDA | dtypes | gradient | source |
|---|---|---|---|---|---|
"""


class Recorder(TorchDispatchMode):
    """Notes whether a registered operator of this package is called."""

    native = False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.native |= func.namespace == "pyposeops"
        return func(*args, **(kwargs or {}))


def _section(docstring: str, title: str) -> str:
    """The text of a section, on one line."""
    found = re.search(rf"^{title}:(.*?)(?=\n\s*\n|\Z)", docstring, re.MULTILINE | re.DOTALL)
    return " ".join(found[1].split()) if found else ""


def row(name: str, example: Example) -> str:
    function = getattr(pyposeops, name)
    docstring = inspect.getdoc(function) or ""
    with Recorder() as recorder:
        function(**example.arguments(example.dtypes[0]))
    summary = docstring.split("\n\n")[0].replace("\n", " ").replace("``", "`").rstrip(".")
    summary = re.sub(r":func:`(\w+)`", r"`\1`", summary)
    cells = (
        f"`{name}`",
        summary,
        "native" if recorder.native else "PyTorch",
        ", ".join(SHORT[dtype] for dtype in example.dtypes),
        ", ".join(f"`{argument}`" for argument in example.gradient),
        _section(docstring, "Source").replace("``", "`"),
    )
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def page() -> str:
    return HEADER + "\n".join(row(name, example) for name, example in sorted(EXAMPLES.items())) + "\n"


if __name__ == "__main__":
    TARGET.write_text(page())
