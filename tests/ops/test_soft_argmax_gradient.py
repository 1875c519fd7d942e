"""Gradients of soft_argmax: against finite differences, against autograd through the definition, at the corners."""

from __future__ import annotations

import math

import pytest
import torch

from pyposeops import soft_argmax_2d
from tests.op_contract import assert_same, layouts
from tests.ops.test_soft_argmax import (
    DEFINITION,
    OURS,
    SIZES,
    WEIGHTS,
    random_maps,
    volumes_in_every_layout,
)

SMALL = {1: (7,), 2: (4, 5), 3: (2, 3, 4)}
# Of the largest entry of a gradient: one rounding to the dtype of the maps.
ROUNDING = {torch.float32: 2e-5, torch.float64: 1e-12, torch.float16: 1e-3, torch.bfloat16: 5e-3}


def gradient(function, maps, upstream_coords, upstream_covariance, **options):
    maps = maps.detach().clone(memory_format=torch.preserve_format).requires_grad_()
    coords, _, covariance = function(maps, covariance=True, **options)
    (coords * upstream_coords).sum().add((covariance * upstream_covariance).sum()).backward()
    return maps.grad


def assert_gradient_equals_definition(dims, maps, generator, **options):
    upstream = [
        torch.randn(*maps.shape[:2], dims, generator=generator, dtype=torch.float64).to(maps.device),
        torch.randn(*maps.shape[:2], dims, dims, generator=generator, dtype=torch.float64).to(maps.device),
    ]
    want = gradient(DEFINITION[dims], maps.double(), *upstream, **options)
    real = torch.float64 if maps.dtype == torch.float64 else torch.float32
    got = gradient(OURS[dims], maps, *(t.to(real) for t in upstream), **options)
    assert got.dtype == maps.dtype
    scale = want.abs().amax(dim=tuple(range(2, want.ndim)), keepdim=True)
    assert ((got.double() - want).abs() <= ROUNDING[maps.dtype] * scale).all()


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("weight", WEIGHTS)
@pytest.mark.parametrize("coordinates", ["pixel", "symmetric", "corners"])
def test_gradcheck(device, generator, dims, weight, coordinates):
    maps = random_maps(generator, 2, 3, *SMALL[dims], dtype=torch.float64).to(device).requires_grad_()
    options = {**WEIGHTS[weight], "coordinates": coordinates}
    if coordinates == "pixel":
        assert torch.autograd.gradcheck(lambda m: OURS[dims](m, **options).coords, maps)
    assert torch.autograd.gradcheck(lambda m: OURS[dims](m, covariance=True, **options)[::2], maps)


@pytest.mark.parametrize("weight", WEIGHTS)
def test_second_derivatives(generator, weight):
    maps = random_maps(generator, 1, 2, 3, 4, dtype=torch.float64).requires_grad_()
    options = {**WEIGHTS[weight], "coordinates": "symmetric"}
    assert torch.autograd.gradgradcheck(lambda m: soft_argmax_2d(m, covariance=True, **options)[::2], maps)
    assert torch.autograd.gradgradcheck(lambda m: soft_argmax_2d(m, **options).coords, maps)


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("weight", WEIGHTS)
@pytest.mark.parametrize("dtype", ROUNDING)
def test_every_dtype_equals_definition(device, generator, dims, weight, dtype):
    maps = random_maps(generator, 2, 3, *SIZES[dims], dtype=dtype).to(device)
    assert_gradient_equals_definition(dims, maps, generator, **WEIGHTS[weight])


@pytest.mark.parametrize("layout", ["contiguous", "channels_last", "strided", "transposed"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_every_layout_equals_definition(device, generator, layout, dtype):
    maps = layouts(random_maps(generator, 2, 17, *SIZES[2], dtype=dtype).to(device))[layout]
    assert_gradient_equals_definition(2, maps, generator)


def test_every_volume_layout_equals_definition(device, generator):
    for volume in volumes_in_every_layout(random_maps(generator, 2, 5, 8, 6, 7).to(device)).values():
        assert_gradient_equals_definition(3, volume, generator)


@pytest.mark.parametrize(
    "shape", [(2, 3, 1, 1), (2, 3, 37, 1), (1, 2, 67, 48), (1, 2, 3, 5000), (1, 300, 9, 11)]
)
@pytest.mark.parametrize("channels_last", [False, True])
def test_sizes_beside_the_usual(device, generator, shape, channels_last):
    layout = torch.channels_last if channels_last else torch.contiguous_format
    maps = random_maps(generator, *shape).to(device).contiguous(memory_format=layout)
    assert_gradient_equals_definition(2, maps, generator, coordinates="symmetric")


def test_gradient_keeps_the_layout_of_the_maps(generator):
    maps = (
        random_maps(generator, 2, 3, *SIZES[2]).contiguous(memory_format=torch.channels_last).requires_grad_()
    )
    soft_argmax_2d(maps).coords.sum().backward()
    assert maps.grad.is_contiguous(memory_format=torch.channels_last)


def test_upstream_of_any_strides(generator):
    maps = random_maps(generator, 2, 3, *SIZES[2]).requires_grad_()
    upstream = torch.randn(2, 2, 3, generator=generator).permute(1, 2, 0)
    (got,) = torch.autograd.grad(soft_argmax_2d(maps).coords, maps, upstream)
    (want,) = torch.autograd.grad(soft_argmax_2d(maps).coords, maps, upstream.contiguous())
    assert torch.equal(got, want)
    (expanded,) = torch.autograd.grad(soft_argmax_2d(maps).coords.sum(), maps)
    (ones,) = torch.autograd.grad(soft_argmax_2d(maps).coords, maps, torch.ones(2, 3, 2))
    assert torch.equal(expanded, ones)


def test_gradient_of_the_covariance_alone(generator):
    maps = random_maps(generator, 2, 3, *SIZES[2], dtype=torch.float64)
    gradients = []
    for function in (soft_argmax_2d, DEFINITION[2]):
        leaf = maps.clone().requires_grad_()
        function(leaf, covariance=True)[2].diagonal(dim1=-2, dim2=-1).sum().backward()
        gradients.append(leaf.grad)
    assert_same(gradients[0], gradients[1], rtol=1e-10, atol=1e-12)


def test_confidence_passes_no_gradient(generator):
    maps = random_maps(generator, 2, 3, *SIZES[2]).requires_grad_()
    result = soft_argmax_2d(maps)
    assert result.coords.requires_grad and not result.confidence.requires_grad
    assert not soft_argmax_2d(maps.detach()).coords.requires_grad
    with torch.no_grad():
        assert not soft_argmax_2d(maps).coords.requires_grad


@pytest.mark.parametrize(
    ("value", "weight"), [(0.0, "sum"), (0.0, "debiased"), (-math.inf, "softmax"), (-math.inf, "sigmoid")]
)
def test_weightless_map_passes_no_gradient(device, value, weight):
    maps = torch.full((1, 2, *SIZES[2]), value, device=device).requires_grad_()
    result = soft_argmax_2d(maps, covariance=True, **WEIGHTS[weight])
    (result.coords.sum() + result.covariance.sum()).backward()
    assert not maps.grad.any()


@pytest.mark.parametrize("weight", ["softmax", "sigmoid"])
def test_masked_pixels_get_no_gradient_and_others_stay_finite(device, generator, weight):
    maps = random_maps(generator, 1, 2, *SIZES[2]).to(device)
    maps[..., 9:] = -math.inf
    maps.requires_grad_()
    soft_argmax_2d(maps, **WEIGHTS[weight]).coords.sum().backward()
    assert maps.grad.isfinite().all() and maps.grad[..., :9].any() and not maps.grad[..., 9:].any()


def test_nan_poisons_the_gradient_of_its_own_map_only(device, generator):
    maps = random_maps(generator, 1, 2, *SIZES[2]).to(device)
    maps[0, 0, 3, 4] = math.nan
    maps.requires_grad_()
    soft_argmax_2d(maps).coords.sum().backward()
    assert maps.grad[0, 0].isnan().all() and maps.grad[0, 1].isfinite().all()


@pytest.mark.parametrize("covariance", [False, True])
def test_compiles_with_gradient(generator, covariance):
    maps = random_maps(generator, 2, 3, *SIZES[2])

    def loss(m):
        result = soft_argmax_2d(m, covariance=covariance)
        spread = result.covariance.square().sum() if covariance else 0.0
        return result.coords.square().sum() + spread

    torch._dynamo.reset()
    gradients = []
    for function in (loss, torch.compile(loss, fullgraph=True, backend="aot_eager")):
        leaf = maps.clone().requires_grad_()
        function(leaf).backward()
        gradients.append(leaf.grad)
    assert_same(gradients[1], gradients[0])


def test_gradient_under_deterministic_algorithms(device, generator):
    maps = random_maps(generator, 4, 17, 64, 48).to(device).requires_grad_()
    torch.use_deterministic_algorithms(True)
    try:
        first, second = (
            torch.autograd.grad(soft_argmax_2d(maps).coords.square().sum(), maps)[0] for _ in range(2)
        )
    finally:
        torch.use_deterministic_algorithms(False)
    assert torch.equal(first, second)


@pytest.mark.cuda
def test_gradient_in_a_cuda_graph(generator):
    maps = random_maps(generator, 2, 3, *SIZES[2]).cuda().requires_grad_()

    def step():
        return torch.autograd.grad(soft_argmax_2d(maps).coords.sum(), maps)[0]

    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        step()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        captured = step()
    graph.replay()
    assert torch.equal(captured, step())
