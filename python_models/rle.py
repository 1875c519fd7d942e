"""Regression of joints and their uncertainty, trained by the likelihood that a normalising flow gives the residual.

Source: Li, Bian, Zeng, Wang, Pang, Liu, Lu, "Human Pose Regression with Residual Log-likelihood Estimation", ICCV
2021, section 3, with the constants of its published code, whose tensor names these are.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn

from python_models.resnet import ResNet
from python_models.zoo import ModelInfo, register_model

INFO = ModelInfo(output="coordinates", source="Li et al., ICCV 2021, section 3")
INIT_GAIN = 0.01
HIDDEN = 64
COUPLINGS = 6


class Linear(nn.Module):
    """A linear layer; with `norm` of the direction of its input alone."""

    def __init__(self, in_features: int, out_features: int, *, norm: bool) -> None:
        super().__init__()
        self.norm = norm
        self.linear = nn.Linear(in_features, out_features)
        nn.init.xavier_uniform_(self.linear.weight, gain=INIT_GAIN)

    def forward(self, x: Tensor) -> Tensor:
        if self.norm:
            x = x / x.norm(dim=1, keepdim=True)
        return self.linear(x)


def _coupling(*last: nn.Module) -> nn.Sequential:
    layers = [nn.Linear(2, HIDDEN), nn.LeakyReLU(), nn.Linear(HIDDEN, HIDDEN), nn.LeakyReLU()]
    return nn.Sequential(*layers, nn.Linear(HIDDEN, 2), *last)


class RealNVP(nn.Module):
    """A density of points in the plane: couplings that move one coordinate by the other, onto a normal distribution.

    Source: Dinh, Sohl-Dickstein, Bengio, "Density Estimation using Real NVP", ICLR 2017, section 3.
    """

    mask: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mask", torch.tensor([[0.0, 1.0], [1.0, 0.0]]).repeat(COUPLINGS // 2, 1))
        self.t = nn.ModuleList(_coupling() for _ in range(COUPLINGS))
        self.s = nn.ModuleList(_coupling(nn.Tanh()) for _ in range(COUPLINGS))

    def log_prob(self, points: Tensor) -> Tensor:
        """Logarithm of the density at points (N, 2): (N,)"""
        z = points.to(self.mask.dtype)
        log_determinant = torch.zeros_like(z[:, 0])
        for keep, shift, scale in zip(reversed(self.mask), reversed(self.t), reversed(self.s), strict=True):
            kept = keep * z
            log_scale = scale(kept) * (1 - keep)
            z = kept + (1 - keep) * (z - shift(kept)) * torch.exp(-log_scale)
            log_determinant = log_determinant - log_scale.sum(dim=1)
        return log_determinant - 0.5 * z.square().sum(dim=1) - math.log(2 * math.pi)


def residual_log_likelihood_loss(prediction: Tensor, wanted: Tensor, flow: RealNVP) -> Tensor:
    """Negative log-likelihood of joints, (B, K).

    Args:
        prediction: (B, K, 4), coordinates and their deviations.
        wanted: (B, K, 2), in the same units; not NaN.
        flow: The density of what the Laplace distribution leaves, at errors in units of the deviation.

    The terms of both axes are summed, as in the published code: the logarithm of the deviation enters with the flow
    and with the Laplace distribution, and the flow's once for each axis.
    """
    coords, sigma = prediction.float().split(2, dim=-1)
    error = (coords - wanted) / (sigma + 1e-9)
    log_flow = flow.log_prob(error.flatten(0, 1)).view(*error.shape[:2], 1).float()
    log_laplace = -error.abs() / math.sqrt(2) - torch.log(math.sqrt(2 * math.pi) * sigma)
    return (torch.log(sigma) - log_flow - log_laplace).sum(dim=-1)


class RegressionFlow(ResNet):
    """Image (B, 3, H, W) -> (B, num_joints, 4): x and y in units of the crop, 0 to 1, and their deviations.

    The flow is no part of the network's output; `flow` is what the loss is computed with.

    Args:
        depth: Depth of the ResNet: 18, 34, 50, 101 or 152.
        num_joints: Number of joints.
        trunk: `width` and `blocks` of `ResNet`.
    """

    final_layers = ("fc_coord.*", "fc_sigma.*")

    def __init__(self, depth: int, *, num_joints: int, **trunk: Any) -> None:
        super().__init__(depth, **trunk)
        self.avg_pool = nn.AdaptiveAvgPool2d(1)
        self.fc_coord = Linear(self.out_channels, 2 * num_joints, norm=True)
        self.fc_sigma = Linear(self.out_channels, 2 * num_joints, norm=False)
        self.flow = RealNVP()

    def forward(self, image: Tensor) -> Tensor:
        x = self.avg_pool(self.features(image)).flatten(1)
        coords = (
            self.fc_coord(x).unflatten(1, (-1, 2)) + 0.5
        )  # the network counts from the middle of the crop
        return torch.cat([coords, self.fc_sigma(x).unflatten(1, (-1, 2)).sigmoid()], dim=-1)


@register_model(INFO)
def rle_resnet50(*, num_joints: int, **options: Any) -> RegressionFlow:
    return RegressionFlow(50, num_joints=num_joints, **options)


@register_model(INFO)
def rle_resnet152(*, num_joints: int, **options: Any) -> RegressionFlow:
    return RegressionFlow(152, num_joints=num_joints, **options)
