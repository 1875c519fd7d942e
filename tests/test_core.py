"""The binding: what it accepts as a tensor, what it refuses, and that it keeps nothing."""

from __future__ import annotations

import gc
import os
import resource
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from pyposeops import _core, build_info
from pyposeops.__main__ import main

KEYPOINTS = torch.tensor([[[3.0, 2.0]]])
VISIBLE = torch.ones(1, 1)


def render(keypoints, visibility, heatmaps, weights):
    """The operator with its outputs in the caller's hands: (1, 1, 5, 7) maps, sigma 1, msra."""
    _core.gaussian_heatmap(keypoints, visibility, None, 1.0, 1.0, 1.0, 0, False, heatmaps, weights)
    return heatmaps


def outputs():
    return torch.empty(1, 1, 5, 7), torch.empty(1, 1)


@pytest.fixture
def expected():
    return render(KEYPOINTS, VISIBLE, *outputs())


@pytest.fixture
def without_exchange_table():
    """torch as it was before it had DLPack's C exchange table: __dlpack__ must serve."""
    _core.forget_torch_tensor_type()
    yield
    assert _core.bind_torch_tensor_type(torch.Tensor)


def test_numpy_arrays(expected):
    heatmaps = np.empty((1, 1, 5, 7), np.float32)
    render(KEYPOINTS.numpy(), VISIBLE.numpy(), heatmaps, np.empty((1, 1), np.float32))
    np.testing.assert_array_equal(heatmaps, expected.numpy())


def test_torch_through_dlpack_method(expected, without_exchange_table):
    assert torch.equal(render(KEYPOINTS, VISIBLE, *outputs()), expected)
    with pytest.raises(TypeError, match="keypoints"):
        render("no tensor", VISIBLE, *outputs())


def test_parameter_and_subclass(expected):
    class Subclass(torch.Tensor):
        pass

    assert torch.equal(render(torch.nn.Parameter(KEYPOINTS), VISIBLE, *outputs()), expected)
    assert torch.equal(render(KEYPOINTS.as_subclass(Subclass), VISIBLE, *outputs()), expected)


def test_views_with_offsets_and_strides(expected):
    base = torch.zeros(4, 3, 6)
    view = base[1:2, 2:, ::3]
    view.copy_(KEYPOINTS)
    assert view.storage_offset() > 0
    assert torch.equal(render(view, VISIBLE, *outputs()), expected)


def test_unversioned_capsule(expected):
    class OldProducer:
        """A producer from before DLPack 1.0: no max_version argument, an unversioned capsule."""

        def __init__(self, tensor):
            self.tensor = tensor

        def __dlpack__(self, stream=None):
            return torch.utils.dlpack.to_dlpack(self.tensor)

        def __dlpack_device__(self):
            return self.tensor.__dlpack_device__()

    assert torch.equal(render(OldProducer(KEYPOINTS), VISIBLE, *outputs()), expected)


def test_read_only_output_is_refused():
    frozen = np.zeros((1, 1, 5, 7), np.float32)
    frozen.flags.writeable = False
    with pytest.raises(ValueError, match="heatmaps: expected a writable tensor, got a read-only one"):
        render(KEYPOINTS.numpy(), VISIBLE.numpy(), frozen, np.empty((1, 1), np.float32))
    assert not frozen.any()


def test_read_only_input_is_accepted(expected):
    frozen = KEYPOINTS.numpy().copy()
    frozen.flags.writeable = False
    assert torch.equal(render(frozen, VISIBLE, *outputs()), expected)


@pytest.mark.filterwarnings("ignore:Accessing the data pointer of FakeTensor")
def test_fake_tensor_is_refused_in_words():
    with FakeTensorMode():
        fake = torch.empty(1, 1, 2)
    with pytest.raises(TypeError, match="keypoints: expected a tensor with data, got one without storage"):
        render(fake, VISIBLE, *outputs())


@pytest.mark.parametrize(
    "tensor",
    [
        pytest.param(torch.empty(1, 1, 2, device="meta"), id="meta"),
        pytest.param(torch.zeros(1, 1, 2).to_sparse(), id="sparse"),
    ],
)
def test_tensors_without_memory_are_refused_by_name(tensor):
    with pytest.raises(TypeError, match=r"^keypoints: expected a dense tensor with data") as caught:
        render(tensor, VISIBLE, *outputs())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (torch.zeros(1, 1, 2, dtype=torch.complex64), "DLPack type code 5 with 64 bits"),
        (torch.zeros(1, 1, 2, dtype=torch.int8), "DLPack type code 0 with 8 bits"),
        (None, "expected a tensor"),
        ([[[1.0, 2.0]]], "expected a tensor .* got list"),
    ],
)
def test_what_is_no_usable_tensor_is_named(bad, words):
    with pytest.raises(TypeError, match=f"keypoints: .*{words}"):
        render(bad, VISIBLE, *outputs())


def test_too_many_dimensions():
    with pytest.raises(ValueError, match="keypoints: expected at most 6 dimensions, got 7"):
        render(torch.zeros([1] * 7), VISIBLE, *outputs())


def test_output_of_the_wrong_shape_or_layout_is_refused():
    with pytest.raises(ValueError, match=r"weights: expected \(B, K\), got \(2, 1\)"):
        render(KEYPOINTS, VISIBLE, torch.empty(1, 1, 5, 7), torch.empty(2, 1))
    with pytest.raises(ValueError, match="heatmaps: expected contiguous or channels_last memory"):
        render(KEYPOINTS, VISIBLE, torch.empty(1, 1, 7, 5).mT, torch.empty(1, 1))


def test_nothing_is_leaked():
    arrays = (
        KEYPOINTS.numpy(),
        VISIBLE.numpy(),
        np.empty((1, 1, 5, 7), np.float32),
        np.empty((1, 1), np.float32),
    )
    tensors = (KEYPOINTS.clone(), VISIBLE.clone(), *outputs())
    broken = (KEYPOINTS.clone(), VISIBLE.clone(), torch.empty(1, 1, 5, 7), torch.empty(3, 3))

    def calls(count):
        for _ in range(count):
            render(*arrays)
            render(*tensors)
            with pytest.raises(ValueError, match="weights"):
                render(*broken)

    calls(200)
    gc.collect()
    references = [sys.getrefcount(t) for t in (*arrays, *tensors, *broken)]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    calls(10_000)
    gc.collect()
    assert [sys.getrefcount(t) for t in (*arrays, *tensors, *broken)] == references
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 4096  # KiB


def test_thread_count_follows_torch():
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        assert build_info()["threads"] == 1
    finally:
        torch.set_num_threads(threads)
    assert build_info()["threads"] == threads


def test_info_command(capsys):
    assert main(["info"]) == 0
    printed = capsys.readouterr().out
    for name in (
        "version",
        "cpu_isa",
        "threads",
        "cuda_compiled",
        "cuda_usable",
        "cuda_architectures",
        "torch",
    ):
        assert name in printed


def test_unknown_instruction_set_fails_the_import():
    environment = {**os.environ, "PYPOSEOPS_CPU": "sse9"}
    process = subprocess.run(
        [sys.executable, "-c", "import pyposeops"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert process.returncode != 0
    assert "PYPOSEOPS_CPU: expected baseline, avx2 or avx512, got sse9" in process.stderr


def test_cuda_tensors_without_cuda_build_are_refused_in_words():
    if build_info()["cuda_compiled"]:
        pytest.skip("this build has CUDA")
    cuda_like = _CudaLike(KEYPOINTS)
    with pytest.raises((RuntimeError, ValueError), match="visibility: expected the device of keypoints"):
        render(cuda_like, VISIBLE, *outputs())
    arguments = [_CudaLike(t) for t in (KEYPOINTS, VISIBLE, *outputs())]
    with pytest.raises(RuntimeError, match="pyposeops was built without CUDA; rebuild it with nvcc on PATH"):
        render(*arguments)


class _CudaLike:
    """A producer that claims CUDA memory; a build without CUDA must refuse before it touches the pointer."""

    def __init__(self, tensor):
        self.tensor = tensor

    def __dlpack__(self, *, max_version=None, stream=None):
        import ctypes

        capsule = self.tensor.__dlpack__()
        get = ctypes.pythonapi.PyCapsule_GetPointer
        get.restype, get.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
        pointer = get(capsule, b"dltensor")
        ctypes.c_int32.from_address(pointer + 8).value = 2  # DLTensor.device.device_type = kDLCUDA
        return capsule

    def __dlpack_device__(self):
        return (2, 0)


@pytest.mark.cuda
def test_current_stream_is_used():
    """Inputs written on a side stream behind a long sleep are only right if the kernel waits in the same stream."""
    keypoints, visible = torch.zeros(1, 1, 2, device="cuda"), VISIBLE.cuda()
    source = KEYPOINTS.cuda()  # before the sleep: a copy from the host would wait for it
    heatmaps, weights = (torch.full_like(t, -1.0).cuda() for t in outputs())
    stream = torch.cuda.Stream()
    torch.cuda.synchronize()
    with torch.cuda.stream(stream):
        torch.cuda._sleep(50_000_000)
        keypoints.copy_(source)
        render(keypoints, visible, heatmaps, weights)
    stream.synchronize()
    assert torch.equal(heatmaps.cpu(), render(KEYPOINTS, VISIBLE, *outputs()))


@pytest.mark.cuda
def test_import_leaves_cuda_alone():
    """A process that has initialised CUDA cannot use it in a forked child."""
    code = (
        "import os, torch, pyposeops\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    torch.zeros(1, device='cuda'); os._exit(0)\n"
        "raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


@pytest.mark.cuda
def test_second_gpu():
    if torch.cuda.device_count() < 2:
        pytest.skip("one GPU only")
    arguments = [t.to("cuda:1") for t in (KEYPOINTS, VISIBLE, *outputs())]
    with torch.cuda.device(0):
        assert torch.equal(render(*arguments).cpu(), render(KEYPOINTS, VISIBLE, *outputs()))
        assert torch.cuda.current_device() == 0
