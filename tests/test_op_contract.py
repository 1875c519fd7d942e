"""What every public operator promises, whatever it computes. Values are in tests/ops."""

from __future__ import annotations

import doctest
import inspect
from typing import Any

import numpy as np
import pytest
import torch

import pyposeops
from tests.op_contract import FLOATS, assert_same, flatten
from tests.op_examples import EXAMPLES, Arguments, Example
from tools import operators_table

NOT_OPERATORS = {"build_info", "flip_order"}
OPERATORS = sorted(EXAMPLES)
DIFFERENTIABLE = [name for name in OPERATORS if EXAMPLES[name].gradient]
# Elementary geometry and counting: no paper to name.
ELEMENTARY = {
    "compose_affine",
    "convert_boxes",
    "crop_origins",
    "flip_keypoints",
    "invert_affine",
    "invert_perspective",
    "keypoint_boxes",
    "oks_pair_offsets",
    "theta_from_affine",
    "transform_keypoints",
}


def run(name: str, arguments: Arguments) -> list[torch.Tensor]:
    return flatten(getattr(pyposeops, name)(**arguments))


def float32(name: str) -> Arguments:
    return EXAMPLES[name].arguments(torch.float32)


def tensors_of(arguments: Arguments) -> dict[str, torch.Tensor]:
    return {key: value for key, value in arguments.items() if isinstance(value, torch.Tensor)}


class Call(torch.nn.Module):
    """The operator on its tensors, with all other arguments fixed."""

    def __init__(self, name: str, arguments: Arguments) -> None:
        super().__init__()
        self.function = getattr(pyposeops, name)
        self.options = {k: v for k, v in arguments.items() if not isinstance(v, torch.Tensor)}

    def forward(self, **tensors: torch.Tensor) -> Any:
        result = self.function(**tensors, **self.options)
        return result if isinstance(result, torch.Tensor) else tuple(result)


def test_every_public_function_has_an_example():
    functions = {n for n in pyposeops.__all__ if inspect.isfunction(getattr(pyposeops, n))}
    assert functions - NOT_OPERATORS == set(EXAMPLES)


@pytest.mark.parametrize("name", OPERATORS)
def test_takes_the_stated_dtypes_and_refuses_others(name):
    example: Example = EXAMPLES[name]
    for dtype in FLOATS:
        if dtype in example.dtypes:
            assert run(name, example.arguments(dtype))
        else:
            with pytest.raises(TypeError):
                run(name, example.arguments(dtype))


@pytest.mark.parametrize("name", OPERATORS)
def test_compiles_into_one_graph(name):
    arguments = float32(name)
    torch._dynamo.reset()
    compiled = torch.compile(Call(name, arguments), fullgraph=True, backend="aot_eager")
    assert_same(compiled(**tensors_of(arguments)), run(name, arguments))


@pytest.mark.parametrize("name", OPERATORS)
def test_exports(name):
    arguments = float32(name)
    program = torch.export.export(Call(name, arguments), (), tensors_of(arguments))
    assert_same(program.module()(**tensors_of(arguments)), run(name, arguments))


@pytest.mark.parametrize("name", OPERATORS)
def test_autocast_changes_nothing(name):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = run(name, float32(name))
    assert_same(got, run(name, float32(name)), rtol=0, atol=0)


@pytest.mark.parametrize("name", OPERATORS)
def test_repeats_to_the_bit_under_deterministic_algorithms(name):
    torch.use_deterministic_algorithms(True)
    try:
        first, second = gradients(name, torch.float32), gradients(name, torch.float32)
        assert_same(run(name, float32(name)), run(name, float32(name)), rtol=0, atol=0)
    finally:
        torch.use_deterministic_algorithms(False)
    for key, value in first.items():
        assert torch.equal(value, second[key])


@pytest.mark.parametrize("name", OPERATORS)
def test_arrays_in_arrays_out(name):
    arguments = float32(name)
    arrays = {k: v.numpy() if isinstance(v, torch.Tensor) else v for k, v in arguments.items()}
    result = getattr(pyposeops, name)(**arrays)
    for array, tensor in zip(
        [result] if isinstance(result, np.ndarray) else result, run(name, arguments), strict=True
    ):
        assert type(array) is np.ndarray or np.isscalar(array)
        np.testing.assert_array_equal(array, tensor.numpy())


@pytest.mark.parametrize("name", [n for n in OPERATORS if EXAMPLES[n].batched])
def test_empty_batch(name):
    arguments, whole = float32(name), run(name, float32(name))
    for key in EXAMPLES[name].batched:
        arguments[key] = arguments[key][:0]
    for empty, full in zip(run(name, arguments), whole, strict=True):
        assert empty.dtype == full.dtype
        if full.ndim:
            assert empty.shape[1:] == full.shape[1:] and empty.shape[0] in (0, full.shape[0])
        assert not empty.isnan().any()


@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.parametrize("layout", ["every second element", "transposed", "channels_last"])
def test_any_memory_layout(name, layout):
    arguments = float32(name)
    for key, value in tensors_of(arguments).items():
        arguments[key] = _laid_out(value, layout)
    assert_same(run(name, arguments), run(name, float32(name)), rtol=1e-6, atol=1e-6)


def _laid_out(tensor: torch.Tensor, layout: str) -> torch.Tensor:
    if layout == "channels_last":
        return tensor.contiguous(memory_format=torch.channels_last) if tensor.ndim == 4 else tensor
    if layout == "transposed":
        return tensor.mT.contiguous().mT if tensor.ndim > 1 else tensor
    spaced = tensor.new_empty([2 * n for n in tensor.shape])[
        tuple(slice(None, None, 2) for _ in tensor.shape)
    ]
    return spaced.copy_(tensor)


def gradients(name: str, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """The gradient of the sum of squares of all outputs, by argument; arguments that get none are missing."""
    arguments = EXAMPLES[name].arguments(dtype)
    leaves = {k: v.requires_grad_() for k, v in tensors_of(arguments).items() if v.is_floating_point()}
    outputs = [out for out in run(name, arguments) if out.requires_grad]
    if not outputs:
        return {}
    found = torch.autograd.grad(
        sum(out.double().square().sum() for out in outputs), list(leaves.values()), allow_unused=True
    )
    return {key: value for key, value in zip(leaves, found, strict=True) if value is not None}


@pytest.mark.parametrize("name", OPERATORS)
def test_gradient_reaches_exactly_the_stated_arguments(name):
    for dtype in EXAMPLES[name].dtypes:
        found = gradients(name, dtype)
        assert set(found) == set(EXAMPLES[name].gradient)
        for key, value in found.items():
            assert value.dtype == dtype and value.isfinite().all() and value.count_nonzero(), key


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_second_derivatives_are_right_or_refused(name):
    arguments = EXAMPLES[name].arguments(torch.float64)
    names = list(EXAMPLES[name].gradient)
    options = {k: v for k, v in arguments.items() if k not in names}

    def function(*values: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return tuple(
            out
            for out in run(name, {**options, **dict(zip(names, values, strict=True))})
            if out.requires_grad
        )

    inputs = [arguments[key].requires_grad_() for key in names]
    assert torch.autograd.gradcheck(function, inputs, fast_mode=True)
    try:
        assert torch.autograd.gradgradcheck(function, inputs, fast_mode=True)
    except RuntimeError as error:
        assert "second derivative" in str(error) or "double backward" in str(error), error


@pytest.mark.parametrize("name", OPERATORS)
def test_docstring_states_the_contract_and_its_example_runs(name):
    function = getattr(pyposeops, name)
    text = inspect.getdoc(function)
    for part in (
        "Args:",
        "Returns:",
        "Raises:",
        "Example:",
        *(["Source:"] if name not in ELEMENTARY else []),
    ):
        assert part in text, f"{name} has no {part}"
    scope = {"torch": torch, "pyposeops": pyposeops, "np": np, **vars(pyposeops)}
    tests = doctest.DocTestFinder(recurse=False).find(function, name, globs=scope)
    assert any(test.examples for test in tests)
    flags = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    for test in tests:
        assert doctest.DocTestRunner(optionflags=flags).run(test).failed == 0


def test_table_of_operators_is_current():
    assert operators_table.TARGET.read_text() == operators_table.page(), "run python tools/operators_table.py"
