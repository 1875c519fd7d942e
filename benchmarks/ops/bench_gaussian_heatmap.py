"""gaussian_heatmap beside the per-sample NumPy loops of HRNet and mmpose, vectorised torch, and kornia."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

import pyposeops
from benchmarks.alternatives.gaussian_encodings import (
    KERNEL_SIZE,
    PEOPLE,
    cmu_numpy,
    cmu_torch,
    maps_only,
    megvii_opencv,
    megvii_torch,
    normalized_torch,
)
from benchmarks.alternatives.gaussian_heatmap import (
    SIGMA_PX,
    Setting,
    kornia_render,
    numpy_loop,
    same_peak_height,
    torch_separable,
)
from benchmarks.cases import Alternative, Case, Inputs, Overhead, Tolerance, Traffic, compiled

OP = "gaussian_heatmap"
ROUNDING = {torch.float32: 1e-5, torch.float16: 5e-4, torch.bfloat16: 4e-3}  # one rounding of values up to 1


def make_inputs(setting: Setting, device: torch.device) -> Inputs:
    """Joints anywhere in the input image, one in six not visible."""
    generator = torch.Generator().manual_seed(0)
    batch, joints = setting.shape[:2]
    height, width = setting.input_size
    keypoints = torch.rand(batch, joints, 2, generator=generator) * torch.tensor([width - 1.0, height - 1.0])
    visibility = (torch.rand(batch, joints, generator=generator) > 1 / 6).float()
    return keypoints.to(device), visibility.to(device)


def _drawing_case(setting: Setting, *, compile_it: bool = False, quick: bool = False) -> Case:
    eager = partial(torch_separable, setting=setting)
    alternatives = {
        "numpy-official": Alternative(
            partial(numpy_loop, setting=setting),
            prepare=lambda keypoints, visibility: (keypoints.numpy(), visibility.numpy()),
            devices=("cpu",),
            note="" if setting.dtype == torch.float32 else "float32",
        ),
        "torch-eager": Alternative(eager),
    }
    if compile_it:
        alternatives["torch-compile"] = compiled(eager)
    if setting.encoding != "udp" and setting.dtype == torch.float32 and not setting.channels_last:
        alternatives["kornia"] = Alternative(
            partial(kornia_render, setting=setting),
            comparable=same_peak_height,
            requires="kornia",
            note="each map sums to 1, is never cut off and ignores visibility; no weights",
        )
    return Case(
        op=OP,
        name=setting.encoding + (" channels_last" if setting.channels_last else ""),
        shape=setting.shape,
        dtype=setting.dtype,
        make_inputs=partial(make_inputs, setting),
        ours=partial(pyposeops.gaussian_heatmap, size=setting.size, **setting.options),
        reference=partial(pyposeops.reference.gaussian_heatmap, size=setting.size, **setting.options),
        traffic=_traffic(setting),
        alternatives=alternatives,
        tolerance=Tolerance(absolute=ROUNDING[setting.dtype]),
        quick=quick,
    )


def _traffic(setting: Setting) -> Traffic:
    batch, joints, height, width = setting.shape
    maps = batch * joints * height * width * setting.dtype.itemsize
    return Traffic(read=batch * joints * 3 * 4, written=maps + batch * joints * 4)


def _training_case(setting: Setting) -> Case:
    """Forward and the gradient in the keypoints, for a loss that reaches every pixel."""

    def with_gradient(draw: Callable[..., Any], keypoints: Tensor, *others: Tensor) -> Inputs:
        visibility, upstream = others
        heatmaps = draw(keypoints, visibility)[0]
        return heatmaps, *torch.autograd.grad(heatmaps, keypoints, upstream)

    def inputs_with_upstream(device: torch.device) -> Inputs:
        keypoints, visibility = make_inputs(setting, device)
        upstream = torch.randn(setting.shape, generator=torch.Generator().manual_seed(1)).to(device)
        return keypoints.requires_grad_(), visibility, upstream

    drawing, traffic = _drawing_case(setting), _traffic(setting)
    return Case(
        op=OP,
        name=f"{setting.encoding} forward+backward",
        shape=setting.shape,
        dtype=setting.dtype,
        make_inputs=inputs_with_upstream,
        ours=partial(with_gradient, drawing.ours),
        reference=partial(with_gradient, drawing.reference),
        traffic=Traffic(read=2 * traffic.read + traffic.written, written=traffic.written + traffic.read),
        alternatives={
            "torch-eager": Alternative(partial(with_gradient, partial(torch_separable, setting=setting))),
        },
        tolerance=Tolerance(absolute=1e-4, relative=1e-4),
    )


def _encoding_case(
    setting: Setting,
    options: dict[str, Any],
    alternatives: dict[str, Alternative],
    *,
    people: int | None = None,
    maps: int = 17,
    quick: bool = False,
) -> Case:
    """Encodings whose alternatives are their own; ``people`` on every map, else one."""

    def inputs(device: torch.device) -> Inputs:
        if people is None:
            return make_inputs(setting, device)
        batch, joints, *size = setting.shape
        keypoints, visibility = make_inputs(
            Setting((batch * people, joints, *size), setting.encoding), device
        )
        return keypoints.view(batch, people, joints, 2), visibility.view(batch, people, joints)

    options = {
        "size": setting.size,
        "input_size": setting.input_size,
        "encoding": setting.encoding,
        **options,
    }
    batch, joints, height, width = setting.shape
    read = batch * (people or 1) * joints * 3 * 4
    return Case(
        op=OP,
        name=setting.encoding + ("" if people is None else f" {people} people, background"),
        shape=(batch, maps, height, width),
        dtype=setting.dtype,
        make_inputs=inputs,
        ours=partial(pyposeops.gaussian_heatmap, **options),
        reference=partial(pyposeops.reference.gaussian_heatmap, **options),
        traffic=Traffic(read=read, written=batch * maps * (height * width + 1) * 4),
        alternatives=alternatives,
        tolerance=Tolerance(absolute=1e-5, relative=1e-4, outliers=1e-5),
        quick=quick,
    )


def _encoding_cases(shape: tuple[int, int, int, int]) -> list[Case]:
    megvii, cmu, normalized = (Setting(shape, name) for name in ("megvii", "cmu", "normalized"))

    def arrays(keypoints: Tensor, visibility: Tensor) -> Inputs:
        return keypoints.numpy(), visibility.numpy()

    def beside(function: Callable[..., Any], setting: Setting, **options: Any) -> Alternative:
        return Alternative(partial(function, setting=setting), comparable=maps_only, **options)

    on_cpu: dict[str, Any] = {"prepare": arrays, "devices": ("cpu",)}
    return [
        _encoding_case(
            megvii,
            {"kernel_size": KERNEL_SIZE},
            {
                "opencv": beside(megvii_opencv, megvii, requires="cv2", **on_cpu),
                "torch-eager": beside(megvii_torch, megvii),
                "torch-compile": compiled(partial(megvii_torch, setting=megvii), comparable=maps_only),
            },
        ),
        _encoding_case(
            cmu,
            {"sigma": SIGMA_PX, "background": True},
            {
                "numpy-official": beside(cmu_numpy, cmu, **on_cpu),
                "torch-eager": beside(cmu_torch, cmu),
                "torch-compile": compiled(partial(cmu_torch, setting=cmu), comparable=maps_only),
            },
            people=PEOPLE,
            maps=shape[1] + 1,
        ),
        _encoding_case(
            normalized,
            {"sigma": SIGMA_PX},
            {
                "torch-eager": beside(normalized_torch, normalized, note="DSNT, lightning-pose"),
                "torch-compile": compiled(
                    partial(normalized_torch, setting=normalized), comparable=maps_only
                ),
            },
        ),
    ]


def cases() -> list[Case]:
    usual, large, many = (64, 17, 64, 48), (64, 17, 96, 72), (256, 17, 64, 48)
    return [
        _drawing_case(Setting(usual, "msra"), compile_it=True, quick=True),
        _drawing_case(Setting(large, "msra")),
        _drawing_case(Setting(many, "msra")),
        _drawing_case(Setting(usual, "msra", torch.bfloat16), quick=True),
        _drawing_case(Setting(usual, "msra", torch.float16)),
        _drawing_case(Setting(usual, "msra", channels_last=True)),
        _drawing_case(Setting(usual, "unbiased"), compile_it=True, quick=True),
        _drawing_case(Setting(usual, "unbiased", torch.bfloat16)),
        _drawing_case(Setting(usual, "udp")),
        _training_case(Setting(usual, "unbiased")),
        *_encoding_cases(usual),
    ]


def overhead() -> Overhead:
    call = partial(pyposeops.gaussian_heatmap, size=(4, 4), sigma=SIGMA_PX)
    return Overhead(
        OP, lambda device: (torch.ones(1, 1, 2, device=device), torch.ones(1, 1, device=device)), call
    )
