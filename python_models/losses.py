"""Losses of the published recipes."""

from torch import Tensor


def joints_mse_loss(heatmaps: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Half the mean squared difference of weighted heat maps.

    The weight multiplies prediction and target, so it counts squared; joints of weight 0 stay in the mean.

    Args:
        heatmaps: Predicted, (B, K, H, W).
        targets: Same shape.
        weights: (B, K).

    Source: Xiao et al., ECCV 2018, the published `JointsMSELoss`.
    """
    difference = (heatmaps - targets) * weights[..., None, None]
    return 0.5 * difference.square().mean()
