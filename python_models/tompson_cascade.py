"""Tompson et al.'s cascade: a fine network looks at the coarse one's first features again, around each joint.

Source: Tompson, Goroshin, Jain, LeCun, Bregler, "Efficient Object Localization Using Convolutional Networks", CVPR
2015, section 4. Layer sizes of the fine network are ours: the paper has them in a figure only.
"""

from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

import pyposeops
from python_models.resnet import init_he, init_normal
from python_models.tompson import INFO as COARSE_INFO
from python_models.tompson import SCORE_STD, TompsonCoarse
from python_models.zoo import ModelInfo, register_model

INFO: ModelInfo = replace(COARSE_INFO, stride=1, source="Tompson et al., CVPR 2015, section 4")
WINDOW_PX = 36
FINE_WEIGHT = 0.1  # lambda
NOISE = 20 / 36  # deviation of the centres that the fine network learns at, in sides of the window


class CascadeMaps(NamedTuple):
    """What both networks give for crops (B, 3, H, W)."""

    coarse: Tensor  # (B, K, h, w)
    fine: Tensor  # (B, K, n, n), the window around each joint in pixels of the crop
    centres: Tensor  # (B, K, 2), (x, y) in crop pixels: where the windows were cut


class CascadeLosses(NamedTuple):
    """Scalars: squared errors of all pixels of a joint's map, averaged over joints and people."""

    coarse: Tensor  # E1
    fine: Tensor  # E2
    joint: Tensor  # E1 + 0.1 E2


class FineNet(nn.Module):
    """Windows out of feature maps -> heat maps of them; the same layers for all joints, but for the last one.

    Args:
        num_joints: K.
        in_channels: Of the features.
        levels: Resolutions of them.
        channels: Of the layers.
    """

    def __init__(self, num_joints: int, in_channels: int, levels: int, channels: int) -> None:
        super().__init__()
        self.first = nn.ModuleList(nn.Conv2d(in_channels, channels, 5, padding=2) for _ in range(levels))
        self.shared = nn.Sequential(
            nn.Conv2d(channels, channels, 5, padding=2),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 5, padding=2),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, 2 * channels, 1),
            nn.ReLU(inplace=True),
        )
        self.score = nn.Conv2d(2 * channels * num_joints, num_joints, 1, groups=num_joints)

    def forward(self, windows: tuple[Tensor, ...]) -> Tensor:
        """(B, K, C, n, n) of the finest resolution first -> (B, K, n, n)."""
        people, *_, height, width = windows[0].shape
        total = None
        for layer, level in zip(self.first, windows, strict=True):
            x = functional.relu(layer(level.flatten(0, 1)))
            x = functional.interpolate(x, size=(height, width), mode="nearest")
            total = x if total is None else total + x
        features = self.shared(total)
        return self.score(features.reshape(people, -1, height, width))


def paste_windows(windows: Tensor, origins: Tensor, size: tuple[int, int]) -> Tensor:
    """Windows (B, K, n, n) back to their places on maps (B, K, H, W) of 0.

    Args:
        windows: What is pasted.
        origins: (B, K, 2), (x, y) of their first pixels, whole numbers; what lies off the map is cut off.
        size: (H, W).
    """
    height, width = size
    rows, columns = windows.shape[-2:]
    # A frame of one window around the map takes what is cut off.
    low, high = origins.new_tensor([-columns, -rows]), origins.new_tensor([width, height])
    x, y = (torch.minimum(torch.maximum(origins, low), high) - low).long().unbind(-1)
    wide, tall = width + 2 * columns, height + 2 * rows
    across = x[..., None, None] + torch.arange(columns, device=x.device)
    down = y[..., None, None] + torch.arange(rows, device=x.device)[:, None]
    maps = windows.new_zeros(*windows.shape[:2], tall * wide)
    maps = maps.scatter(2, (down * wide + across).flatten(2), windows.flatten(2)).unflatten(2, (tall, wide))
    return maps[..., rows:-rows, columns:-columns]


class TompsonCascade(nn.Module):
    """Image (B, 3, H, W) -> coarse heat maps (B, num_joints, H/pooling, W/pooling), fine ones (B, num_joints, H, W).

    The fine map of a joint is that of a window around the coarse maximum, and 0 outside of it.

    Args:
        num_joints: Number of heat maps.
        window_px: Side of the windows in crop pixels, a multiple of 4.
        fine_channels: Of the fine network.
        coarse: Options of `TompsonCoarse`.
    """

    final_layers = ("fine.score.*", "coarse.head.5.*")

    def __init__(
        self, *, num_joints: int, window_px: int = WINDOW_PX, fine_channels: int = 64, **coarse: Any
    ) -> None:
        super().__init__()
        self.coarse = TompsonCoarse(num_joints=num_joints, **coarse)
        first = self.coarse.banks[0].first
        self.fine = FineNet(num_joints, first.out_channels, len(self.coarse.banks), fine_channels)
        self.window_px = window_px
        init_he(self.fine)
        init_normal(self.fine.score, SCORE_STD)

    def maps(self, image: Tensor, centres: Tensor | None = None) -> CascadeMaps:
        """
        Args:
            image: (B, 3, H, W).
            centres: (B, K, 2), where windows are cut, (x, y) in crop pixels; by default the coarse maxima. A window
                around NaN shows nothing.
        """
        coarse, features = self.coarse.with_features(image)
        if centres is None:
            size = tuple(image.shape[-2:])
            above_least = coarse.detach() - coarse.detach().amin(
                dim=(2, 3), keepdim=True
            )  # negative maxima count
            centres, _ = pyposeops.heatmap_decode(above_least, refine="none", input_size=size)
        windows = pyposeops.crop_features(features, centres, self.window_px)
        return CascadeMaps(coarse, self.fine(windows), centres)

    def forward(self, image: Tensor) -> list[Tensor]:
        coarse, fine, centres = self.maps(image)
        origins = pyposeops.crop_origins(centres, self.window_px)
        return [coarse, paste_windows(fine, origins, tuple(image.shape[-2:]))]


def cascade_losses(
    maps: CascadeMaps,
    keypoints: Tensor,
    visibility: Tensor,
    *,
    input_size: tuple[int, int],
    sigma: float = INFO.sigma_px,
    encoding: str = INFO.encoding,
) -> CascadeLosses:
    """E1, E2 and E1 + 0.1 E2.

    Args:
        maps: What the cascade gives.
        keypoints: (B, K, 2), (x, y) in crop pixels.
        visibility: (B, K); joints of 0 do not count, nor do those outside of their window for E2.
        input_size: (height, width) of the crops.
        sigma, encoding: Of the Gaussians on either kind of map, see `pyposeops.gaussian_heatmap_loss`.
    """
    target: dict[str, Any] = {"sigma": sigma, "encoding": encoding}
    first = coarse_loss(maps.coarse, keypoints, visibility, input_size=input_size, **target)
    second = fine_loss(maps.fine, maps.centres, keypoints, visibility, **target)
    return CascadeLosses(first, second, first + FINE_WEIGHT * second)


def coarse_loss(
    heatmaps: Tensor, keypoints: Tensor, visibility: Tensor, *, input_size: tuple[int, int], **target: Any
) -> Tensor:
    """E1."""
    return _squared_error(heatmaps, keypoints, visibility, input_size=input_size, **target)


def fine_loss(
    windows: Tensor, centres: Tensor, keypoints: Tensor, visibility: Tensor, **target: Any
) -> Tensor:
    """E2, of windows (B, K, n, n) around `centres` (B, K, 2)."""
    origins = pyposeops.crop_origins(centres, windows.shape[-1]).to(keypoints.dtype)
    return _squared_error(windows, keypoints - origins, visibility, **target)


def _squared_error(maps: Tensor, keypoints: Tensor, visibility: Tensor, **target: Any) -> Tensor:
    labelled = (visibility > 0).to(keypoints.dtype)
    mean = pyposeops.gaussian_heatmap_loss(maps, keypoints, labelled, **target)
    return 2 * maps.shape[-2] * maps.shape[-1] * mean  # the operator gives half the mean over the pixels


@register_model(INFO)
def tompson_cascade(*, num_joints: int, **options: Any) -> TompsonCascade:
    return TompsonCascade(num_joints=num_joints, **options)
