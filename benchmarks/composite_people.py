"""PifPaf's composite fields of people that are known."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from benchmarks.stepping_people import STANDING
from python_models.data import COCO_SKELETON

STRIDE = 8
LIMBS = COCO_SKELETON.limbs
Limbs = Sequence[tuple[int, int]]
REACH = 2.0  # cells around a joint speak for it that are nearer along both axes
LIMB_REACH = 1.5  # cells around a limb


def draw(
    joints: Tensor, visibility: Tensor, sizes: Tensor, size: tuple[int, int], limbs: Limbs
) -> tuple[Tensor, Tensor]:
    """cif and caf (1, ...) of joints (N, K, 2) in cells, with visibility (N, K) and sizes (N,): the nearest wins."""
    y, x = torch.meshgrid(torch.arange(size[0]), torch.arange(size[1]), indexing="ij")
    cells = torch.stack((x, y), -1).float()
    cif = torch.zeros(joints.shape[1], 5, *size)
    caf = torch.zeros(len(limbs), 8, *size)
    if len(joints):
        for k in range(joints.shape[1]):
            apart = cells - joints[:, k, None, None]  # (N, H, W, 2)
            near = (apart.abs().amax(-1) < REACH) & (visibility[:, k, None, None] > 0)
            owner, chosen = _nearest(apart.square().sum(-1), near)
            cif[k, 1], cif[k, 4] = chosen.float(), sizes[owner]
            cif[k, 2:4] = joints[owner, k].permute(2, 0, 1)
        for index, (a, b) in enumerate(limbs):
            apart = _from_segments(cells, joints[:, a], joints[:, b])
            seen = (visibility[:, a] > 0) & (visibility[:, b] > 0)
            owner, chosen = _nearest(apart, (apart < LIMB_REACH**2) & seen[:, None, None])
            caf[index, 1] = chosen.float()
            caf[index, 2:6] = torch.cat([joints[owner, a], joints[owner, b]], -1).permute(2, 0, 1)
            caf[index, 6:] = sizes[owner]
    return cif[None], caf[None]


def _nearest(squared: Tensor, near: Tensor) -> tuple[Tensor, Tensor]:
    """Whose each cell (H, W) is, of N, and whether anybody's."""
    least = torch.where(near, squared, torch.inf).min(0)
    return least.indices, least.values.isfinite()


def _from_segments(cells: Tensor, starts: Tensor, ends: Tensor) -> Tensor:
    """Squared distances of cells (H, W, 2) from N segments, (N, H, W)."""
    along = (ends - starts)[:, None, None]
    apart = cells - starts[:, None, None]
    share = ((apart * along).sum(-1) / along.square().sum(-1).clamp_min(1e-9)).clamp(0, 1)
    return (apart - share[..., None] * along).square().sum(-1)


def crowd(count: int, seed: int, size: tuple[int, int] = (46, 82)) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """Joints in cells of so many standing people anywhere on the map, and their fields with a little noise."""
    generator = torch.Generator().manual_seed(seed)
    height = 15 + 15 * torch.rand(count, 1, 1, generator=generator)
    room = torch.tensor([size[1] - 12.0, max(size[0] - 31.0, 1.0)])
    corners = torch.rand(count, 1, 2, generator=generator) * room + torch.tensor([6.0, 0.0])
    joints = STANDING * height + corners + 0.2 * torch.randn(count, 17, 2, generator=generator)
    joints = joints.minimum(torch.tensor([size[1] - 1.0, size[0] - 1.0])).clamp(min=0)
    fields = draw(joints, torch.ones(count, 17), 0.04 * height[:, 0, 0] + 0.4, size, LIMBS)
    return joints, (_noisy(fields[0], 1, generator), _noisy(fields[1], 2, generator))


def _noisy(fields: Tensor, points: int, generator: torch.Generator) -> Tensor:
    noise = 0.05 * torch.randn(fields.shape, generator=generator)
    noise[:, :, 0] = 0
    noise[:, :, 1] = -0.3 * torch.rand(fields[:, :, 1].shape, generator=generator)
    noisy = fields + noise
    noisy[:, :, 1].clamp_(0, 1)
    noisy[:, :, 2 + 2 * points :].clamp_(min=0.1)
    return noisy
