"""crop_images beside warpAffine + to-tensor + normalise + stack, torch's grid_sample, and kornia."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

import pyposeops
from benchmarks.alternatives.crop_images import (
    MEAN,
    STD,
    Setting,
    as_arrays,
    kornia_warp,
    opencv_loop,
    torch_grid_sample,
)
from benchmarks.cases import Alternative, Case, Inputs, Overhead, Tolerance, Traffic

OP = "crop_images"
# One rounding of values up to 2.7.
ROUNDING = {torch.float32: 3e-6, torch.float16: 1e-3, torch.bfloat16: 8e-3}
IMAGE_SIZES = [(480, 640), (427, 640), (640, 480), (640, 427), (480, 640), (425, 640), (640, 480), (500, 375)]


def make_inputs(setting: Setting, device: torch.device) -> Inputs:
    """COCO-sized images of noise, and people of 60 to 300 px in them, turned by up to 40 degrees."""
    generator = torch.Generator().manual_seed(0)
    images = [
        torch.randint(0, 256, (*size, 3), dtype=torch.uint8, generator=generator) for size in IMAGE_SIZES
    ]
    count = setting.shape[0]
    index = torch.arange(count) % len(images)
    extent = 60 + 240 * torch.rand(count, 2, generator=generator, dtype=torch.float64)
    centre = 100 + 300 * torch.rand(count, 2, generator=generator, dtype=torch.float64)
    angle = 80 * torch.rand(count, generator=generator, dtype=torch.float64) - 40
    boxes = torch.cat([centre - extent / 2, extent], dim=1)
    affines = pyposeops.affine_from_box(boxes, setting.size, rotation_deg=angle)
    if setting.perspective:
        tilt = torch.eye(3, dtype=torch.float64)
        tilt[2, 0] = 0.5 / setting.shape[3]
        bottom = torch.tensor([[[0.0, 0.0, 1.0]]], dtype=torch.float64).expand(count, 1, 3)
        affines = tilt @ torch.cat([affines, bottom], dim=1)
    return [image.to(device) for image in images], affines.to(device), index.to(device)


def _ours(setting: Setting) -> Callable[[list[Tensor], Tensor, Tensor], Tensor]:
    options = {"mean": MEAN, "std": STD, "out_dtype": setting.dtype, "channels_last": setting.channels_last}
    options |= {"border": setting.border, "antialias": setting.antialias}
    reused: dict[torch.device, Tensor] = {}
    arenas: dict[torch.device, pyposeops.ImageArena] = {}

    def crop(images: list[Tensor], affines: Tensor, index: Tensor) -> Tensor:
        device = affines.device
        if setting.reuse and device not in reused:
            blank = torch.empty(setting.shape, dtype=setting.dtype, device=device)
            reused[device] = blank.contiguous(memory_format=setting.memory_format)
        out = reused.get(device)
        if setting.arena and device not in arenas:
            arenas[device] = pyposeops.ImageArena.pack(images)
        source = arenas.get(device, images)
        return pyposeops.crop_images(source, affines, setting.size, image_index=index, out=out, **options)

    return crop


def _case(setting: Setting, *, quick: bool = False) -> Case:
    rounding = ROUNDING[setting.dtype]
    layout = "channels_last" if setting.channels_last else "NCHW"
    alternatives = {
        "opencv": Alternative(
            partial(opencv_loop, setting=setting),
            prepare=as_arrays,
            # half a grey level of 1 / 255 / 0.224, twice where the samples of a pixel are rounded before their mean;
            # a float position may tip a value over to the next level
            tolerance=Tolerance(
                absolute=0.0089 * (2 if setting.antialias else 1) + rounding,
                outliers=5e-3 if setting.options else 2e-3,
            ),
            devices=("cpu",),
            requires="cv2",
            note="rounds to uint8 before it normalises",
        ),
    }
    if not setting.options:
        alternatives |= {
            # their positions are float32, off by some 1e-4 px, of noise as steep as 255 grey levels per pixel
            "torch-eager": Alternative(
                partial(torch_grid_sample, setting=setting), tolerance=Tolerance(absolute=2e-3 + rounding)
            ),
            "kornia": Alternative(
                partial(kornia_warp, setting=setting),
                tolerance=Tolerance(absolute=5e-3 + rounding),
                requires="kornia",
            ),
        }
    reference = partial(
        pyposeops.reference.crop_images,
        size=setting.size,
        mean=MEAN,
        std=STD,
        channels_last=setting.channels_last,
        border=setting.border,
        antialias=setting.antialias,
    )
    return Case(
        op=OP,
        name=" ".join(filter(None, (layout, setting.options, "out=" if setting.reuse else ""))),
        shape=setting.shape,
        dtype=setting.dtype,
        make_inputs=partial(make_inputs, setting),
        ours=_ours(setting),
        reference=lambda images, affines, index: reference(
            [image.cpu() for image in images], affines.cpu(), image_index=index.cpu()
        ),
        traffic=_traffic(setting),
        alternatives=alternatives,
        # the mean of n samples rounds more often than one
        tolerance=Tolerance(absolute=rounding * (3 if setting.antialias else 1)),
        quick=quick,
    )


def _traffic(setting: Setting) -> Traffic:
    images = sum(3 * height * width for height, width in IMAGE_SIZES)
    return Traffic(read=images, written=torch.Size(setting.shape).numel() * setting.dtype.itemsize)


def cases() -> list[Case]:
    usual, large = (64, 3, 256, 192), (64, 3, 384, 288)
    return [
        _case(Setting(usual), quick=True),
        _case(Setting(usual, reuse=True)),
        _case(Setting(large)),
        _case(Setting(usual, torch.bfloat16, channels_last=True), quick=True),
        _case(Setting(usual, torch.float16)),
        _case(Setting(large, torch.bfloat16, channels_last=True)),
        _case(Setting(usual, arena=True)),
        _case(Setting(usual, border="reflect")),
        _case(Setting(usual, perspective=True)),
        _case(Setting((64, 3, 64, 48), antialias=True)),
    ]


def overhead() -> Overhead:
    """One crop of 2x2 pixels."""

    def inputs(device: torch.device) -> Inputs:
        image = torch.zeros(4, 4, 3, dtype=torch.uint8, device=device)
        return torch.tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]], device=device), image

    return Overhead(OP, inputs, lambda affines, image: pyposeops.crop_images(image, affines, (2, 2)))
