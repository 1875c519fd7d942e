"""VGG's convolutions (Simonyan and Zisserman, ICLR 2015): the feature extractor under OpenPose and DeepCut."""

from collections.abc import Sequence

from torch import nn

POOL = 0  # in a list of channels: halve the resolution


def vgg_layers(channels: Sequence[int], in_channels: int = 3) -> list[nn.Module]:
    """3x3 convolutions of these channels, each with a ReLU; a `POOL` among them is a 2x2 max pooling."""
    layers: list[nn.Module] = []
    for count in channels:
        if count == POOL:
            layers.append(nn.MaxPool2d(2))
            continue
        layers += [nn.Conv2d(in_channels, count, 3, padding=1), nn.ReLU(inplace=True)]
        in_channels = count
    return layers
