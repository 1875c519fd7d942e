"""Losses against their published form, joint by joint."""

import torch

from python_models.losses import joints_mse_loss


def test_joints_mse_equals_the_mean_over_joints_of_half_the_weighted_error(generator: torch.Generator):
    heatmaps, targets = torch.rand(2, 3, 5, 8, 6, generator=generator, dtype=torch.float64)
    weights = torch.tensor([[1.0, 0.0, 0.5, 2.0, 1.0]] * 3, dtype=torch.float64)
    total = 0.0
    for joint in range(5):
        weight = weights[:, joint, None, None]
        total += 0.5 * ((weight * heatmaps[:, joint] - weight * targets[:, joint]) ** 2).mean()
    torch.testing.assert_close(joints_mse_loss(heatmaps, targets, weights), total / 5)


def test_a_joint_without_weight_gets_no_gradient(generator: torch.Generator):
    heatmaps = torch.rand(2, 3, 4, 4, generator=generator, requires_grad=True)
    joints_mse_loss(heatmaps, torch.zeros(2, 3, 4, 4), torch.tensor([[1.0, 0.0, 1.0]] * 2)).backward()
    assert not heatmaps.grad[:, 1].any() and heatmaps.grad[:, 0].all()
