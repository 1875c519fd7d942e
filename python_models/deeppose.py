"""DeepPose: a network that regresses the joints' coordinates, in units of the box around the person.

`deeppose_alexnet_lrn` is the network of the paper; `deeppose_alexnet` has the layers and names of torchvision's
AlexNet, as voqtuyen/DeepPose.pytorch takes it; `deeppose_resnet50` is mmpose's, `deeppose_resnet18` a smaller one.

Source: Toshev, Szegedy, "DeepPose: Human Pose Estimation via Deep Neural Networks", CVPR 2014, section 3.
"""

from dataclasses import replace
from typing import Any

from torch import Tensor, nn

from python_models.resnet import ResNet, init_he, init_normal
from python_models.zoo import ModelInfo, register_model

INFO = ModelInfo(
    input_size=(224, 224),
    size_multiple=0,
    output="coordinates",
    from_centre=True,
    source="Toshev and Szegedy, CVPR 2014, section 3",
)
INFO_LRN = replace(INFO, input_size=(220, 220))
INFO_RESNET = ModelInfo(output="coordinates", source="Toshev and Szegedy, CVPR 2014, as in mmpose")
INIT_STD = 0.001
LAST_MAP = 6  # side of AlexNet's last feature map


def to_box(keypoints: Tensor, boxes: Tensor) -> Tensor:
    """The paper's N(y; b): joints relative to the centre of a box, in units of its width and height.

    Args:
        keypoints: (..., K, 2), (x, y) in pixels.
        boxes: (..., 4), (x, y, width, height) in the same pixels, width and height above 0.

    Returns:
        (..., K, 2); inside of the box within -0.5..0.5.

    Example:
        >>> to_box(torch.tensor([[30.0, 50.0]]), torch.tensor([10.0, 10.0, 40.0, 40.0]))
        tensor([[0.0000, 0.5000]])

    Source: section 3, equation 1.
    """
    corner, size = boxes[..., None, :2], boxes[..., None, 2:]
    return (keypoints - corner) / size - 0.5


def from_box(numbers: Tensor, boxes: Tensor) -> Tensor:
    """The inverse of `to_box`: numbers of a network back to pixels."""
    corner, size = boxes[..., None, :2], boxes[..., None, 2:]
    return (numbers + 0.5) * size + corner


class AlexNetRegressor(nn.Module):
    """Image (B, 3, S, S) -> (x, y) of each joint from the crop's centre, (B, 2 * num_joints).

    Args:
        num_joints: Number of joints.
        channels: Of the five convolutions.
        hidden: Of the two layers between them and the joints.
        padding: Of the first convolution; it decides which S gives a last map of 6x6.
        norm: Local response normalisation after the first two convolutions.
        dropout: Of the hidden layers.
    """

    final_layers = ("classifier.6.*",)

    def __init__(
        self,
        *,
        num_joints: int,
        channels: tuple[int, int, int, int, int],
        padding: int,
        norm: bool,
        dropout: float,
        hidden: int = 4096,
    ) -> None:
        super().__init__()
        first, second, third, fourth, fifth = channels
        between = [nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=1.0)] if norm else []
        self.features = nn.Sequential(
            nn.Conv2d(3, first, 11, stride=4, padding=padding),
            nn.ReLU(inplace=True),
            *between,
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(first, second, 5, padding=2),
            nn.ReLU(inplace=True),
            *between,
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(second, third, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(third, fourth, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(fourth, fifth, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2),
        )
        self.classifier = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(fifth * LAST_MAP**2, hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(hidden, hidden),
            nn.ReLU(inplace=True),
            nn.Linear(hidden, 2 * num_joints),
        )
        init_he(self)
        init_normal(self.classifier[6], INIT_STD)

    def forward(self, image: Tensor) -> Tensor:
        return self.classifier(self.features(image).flatten(1))


class ResNetRegressor(nn.Module):
    """Image (B, 3, H, W) -> coordinates of each joint in units of the crop, (B, num_joints, numbers).

    Args:
        depth: Of the ResNet.
        num_joints: Number of joints.
        numbers: 2, or 3 with the joints' depth.
        flat: Give (B, num_joints * numbers) instead.
        trunk: `width` and `blocks` of `ResNet`.
    """

    final_layers = ("head.fc.*",)

    def __init__(
        self, depth: int, *, num_joints: int, numbers: int = 2, flat: bool = False, **trunk: Any
    ) -> None:
        super().__init__()
        self.backbone = ResNet(depth, **trunk)
        self.head = nn.ModuleDict({"fc": nn.Linear(self.backbone.out_channels, numbers * num_joints)})
        self.numbers, self.flat = numbers, flat
        init_normal(self.head, INIT_STD)

    def forward(self, image: Tensor) -> Tensor:
        x = self.head["fc"](self.backbone(image).mean(dim=(2, 3)))
        return x if self.flat else x.unflatten(1, (-1, self.numbers))


@register_model(INFO)
def deeppose_alexnet(*, num_joints: int, **options: Any) -> AlexNetRegressor:
    as_torchvision = {"channels": (64, 192, 384, 256, 256), "padding": 2, "norm": False, "dropout": 0.5}
    return AlexNetRegressor(num_joints=num_joints, **{**as_torchvision, **options})


@register_model(INFO_LRN)
def deeppose_alexnet_lrn(*, num_joints: int, **options: Any) -> AlexNetRegressor:
    as_published = {"channels": (96, 256, 384, 384, 256), "padding": 4, "norm": True, "dropout": 0.6}
    return AlexNetRegressor(num_joints=num_joints, **{**as_published, **options})


@register_model(INFO_RESNET)
def deeppose_resnet18(*, num_joints: int, **options: Any) -> ResNetRegressor:
    return ResNetRegressor(18, num_joints=num_joints, **options)


@register_model(INFO_RESNET)
def deeppose_resnet50(*, num_joints: int, **options: Any) -> ResNetRegressor:
    return ResNetRegressor(50, num_joints=num_joints, **options)
