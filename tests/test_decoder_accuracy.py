"""How far each decoder lies from the truth: known figures, reproduced to their last digit.

Gaussians of sigma 2 on maps of 64 x 48, 4000 joints at random places off the border: mean and largest error of a
coordinate in heatmap pixels, without noise and under normal noise of 0.02.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

import pyposeops
from pyposeops import heatmap_decode, heatmap_peaks, soft_argmax_2d

HEIGHT, WIDTH, SIGMA_PX, JOINTS, NOISE, MARGIN = 64, 48, 2.0, 4000, 0.02, 10

Decoder = Callable[[Tensor], Tensor]


def decoded(refine: str) -> Decoder:
    return lambda maps: heatmap_decode(maps, refine=refine).coords


def centroid(maps: Tensor) -> Tensor:
    return heatmap_peaks(maps, max_peaks=1, refine="centroid", centroid_window=5).coords[:, :, 0]


def enlarged_by_torchvision(maps: Tensor) -> Tensor:
    """torchvision's heatmaps_to_keypoints: bicubic to the size of the box, the maximum, the middle of its pixel."""
    enlarged = torch.nn.functional.interpolate(maps, scale_factor=4, mode="bicubic", align_corners=False)
    return (decoded("none")(enlarged) + 0.5) / 4 - 0.5


def softmax(inverse_temperature: float) -> Decoder:
    return lambda maps: soft_argmax_2d(maps, inverse_temperature=inverse_temperature).coords


def lightning_pose(maps: Tensor) -> Tensor:
    """Maps of sum 1, twice enlarged and smoothed (binomial, 5 x 5, reflected borders), then softmax(1000 h)."""
    maps = maps / maps.sum(dim=(2, 3), keepdim=True)
    taps = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0], device=maps.device) / 16
    for _ in range(2):
        maps = torch.nn.functional.interpolate(maps, scale_factor=2, mode="bicubic", align_corners=False)
        maps = torch.nn.functional.pad(maps, (2, 2, 2, 2), mode="reflect")
        maps = torch.nn.functional.conv2d(maps, (taps[:, None] * taps)[None, None])
    return (softmax(1000.0)(maps) - 1.5) / 4


DECODERS: dict[str, Decoder] = {
    "argmax": decoded("none"),
    "quarter": decoded("quarter"),
    "dark": decoded("dark"),
    "dark_udp": decoded("dark_udp"),
    "parabola": decoded("parabola"),
    "sleap 5x5 centroid": centroid,
    "torchvision bicubic x4": enlarged_by_torchvision,
    "softmax(10 h)": softmax(10.0),
    "softmax(100 h)": softmax(100.0),
    "h / sum(h)": lambda maps: soft_argmax_2d(maps, normalization="sum").coords,
    "lightning-pose": lightning_pose,
}


def joints_and_noise() -> tuple[Tensor, Tensor]:
    """Joints (4000, 1, 2) and noise for their maps: those that the figures were measured with."""
    random = np.random.default_rng(1)
    joints = random.uniform((MARGIN, MARGIN), (WIDTH - MARGIN, HEIGHT - MARGIN), (JOINTS, 2))
    noise = random.normal(0.0, NOISE, (JOINTS, 1, HEIGHT, WIDTH))
    return torch.from_numpy(joints)[:, None], torch.from_numpy(noise).float()


def errors(decoder: str, device: torch.device, *, encoding: str = "unbiased", noisy: bool = False) -> Tensor:
    joints, noise = joints_and_noise()
    maps = pyposeops.gaussian_heatmap(
        joints.to(device),
        torch.ones(JOINTS, 1, device=device),
        (HEIGHT, WIDTH),
        sigma=SIGMA_PX,
        encoding=encoding,
        dtype=torch.float32,
    ).heatmaps
    if noisy:
        maps = maps + noise.to(device)
    return (DECODERS[decoder](maps).cpu().double() - joints).abs()


@pytest.mark.parametrize(
    ("encoding", "decoder", "mean", "largest", "mean_digit", "largest_digit"),
    [
        ("msra", "argmax", 0.251, 0.500, 0.001, 0.001),
        ("msra", "quarter", 0.251, 0.500, 0.001, 0.001),
        ("unbiased", "argmax", 0.251, 0.500, 0.001, 0.001),
        ("unbiased", "quarter", 0.126, 0.250, 0.001, 0.001),
        ("unbiased", "dark", 0.0001, 0.0003, 0.0001, 0.0001),
        ("unbiased", "dark_udp", 0.0000, 0.0000, 0.0001, 0.0001),
        ("unbiased", "sleap 5x5 centroid", 0.147, 0.293, 0.001, 0.001),
        # two in the last digit: the figure is of torchvision's own code, with boxes that are not known
        ("unbiased", "torchvision bicubic x4", 0.077, 0.206, 0.002, 0.002),
        ("unbiased", "softmax(10 h)", 0.425, 1.05, 0.001, 0.01),
        ("unbiased", "softmax(100 h)", 0.192, 0.33, 0.001, 0.01),
        ("unbiased", "h / sum(h)", 0.0000, 0.0000, 0.0001, 0.0001),
        ("unbiased", "lightning-pose", 0.0000, 0.0000, 0.0001, 0.0001),
        ("unbiased", "parabola", 0.0000, 0.0000, 0.0001, 0.0001),
    ],
)
def test_error_without_noise(device, encoding, decoder, mean, largest, mean_digit, largest_digit):
    error = errors(decoder, device, encoding=encoding)
    assert error.mean().item() == pytest.approx(mean, abs=mean_digit)
    assert error.max().item() == pytest.approx(largest, abs=largest_digit)


@pytest.mark.parametrize(
    ("decoder", "mean", "largest", "mean_digit", "largest_digit"),
    [
        ("argmax", 0.263, 0.84, 0.001, 0.01),
        ("quarter", 0.142, 0.59, 0.001, 0.01),
        ("dark", 0.0126, 0.070, 0.0001, 0.001),
        ("dark_udp", 0.0126, 0.069, 0.0001, 0.001),
        ("parabola", 0.066, 0.38, 0.001, 0.01),
        ("sleap 5x5 centroid", 0.154, 0.50, 0.001, 0.01),
    ],
)
def test_error_under_noise(device, decoder, mean, largest, mean_digit, largest_digit):
    error = errors(decoder, device, noisy=True)
    assert error.mean().item() == pytest.approx(mean, abs=mean_digit)
    assert error.max().item() == pytest.approx(largest, abs=largest_digit)
