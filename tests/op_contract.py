"""What every operator must pass, whatever it computes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch

from pyposeops import build_info

FLOATS = (torch.float32, torch.float16, torch.bfloat16, torch.float64)
ISAS = ("baseline", "avx2", "avx512")


def flatten(result: Any) -> list[torch.Tensor]:
    return [result] if isinstance(result, torch.Tensor) else list(result)


def assert_same(got: Any, want: Any, **tolerance: float) -> None:
    """Same number of tensors, same shapes and dtypes, values within the tolerance, NaN equal to NaN."""
    got, want = flatten(got), flatten(want)
    assert len(got) == len(want)
    for a, b in zip(got, want, strict=True):
        torch.testing.assert_close(a.cpu(), b.cpu(), equal_nan=True, **tolerance)


def assert_compiles(function: Callable[..., Any], *args: torch.Tensor) -> None:
    """torch.compile without graph breaks gives the eager result. The eager backend suffices: the operator is one
    node, no code is generated for it."""
    torch._dynamo.reset()
    compiled = torch.compile(function, fullgraph=True, backend="aot_eager")
    assert_same(compiled(*args), function(*args))


def assert_graph_captures(function: Callable[..., Any], *args: torch.Tensor) -> None:
    """Runs the function in a CUDA graph twice, with changed inputs: nothing in it may synchronise or allocate
    outside torch's pool."""
    static = [arg.clone() for arg in args]
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        function(*static)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        captured = function(*static)
    for factor in (1, 2):
        for target, arg in zip(static, args, strict=True):
            target.copy_(arg * factor)
        graph.replay()
        assert_same(captured, function(*[arg * factor for arg in args]))


def layouts(tensor: torch.Tensor) -> dict[str, torch.Tensor]:
    """The same (B, C, H, W) values in every memory layout an operator may meet."""
    strided = torch.empty([2 * n for n in tensor.shape], dtype=tensor.dtype, device=tensor.device)
    strided = strided[tuple(slice(None, None, 2) for _ in tensor.shape)]
    strided.copy_(tensor)
    return {
        "contiguous": tensor.contiguous(),
        "channels_last": tensor.contiguous(memory_format=torch.channels_last),
        "strided": strided,
        "transposed": tensor.transpose(2, 3).contiguous().transpose(2, 3),
    }


def run_under_isa(isa: str, code: str) -> None:
    """Run Python code in a process that uses the given CPU instruction set."""
    best = build_info()["cpu_isa"]
    if ISAS.index(isa) > ISAS.index(best):
        pytest.skip(f"this CPU offers {best} at most")
    environment = {**os.environ, "PYPOSEOPS_CPU": isa}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, timeout=120)
