"""VGG's convolutions (Simonyan and Zisserman, ICLR 2015): the feature extractor under OpenPose and DeepCut."""

from collections.abc import Sequence

from torch import nn

POOL = 0  # in a list of channels: halve the resolution


def vgg_layers(
    channels: Sequence[int], in_channels: int = 3, *, dilation: int = 1, ceil_mode: bool = False
) -> list[nn.Module]:
    """3x3 convolutions of these channels, each with a ReLU; a `POOL` among them is a 2x2 max pooling.

    Args:
        channels: Of the convolutions, with the poolings among them.
        in_channels: Of what goes in.
        dilation: Of the convolutions.
        ceil_mode: Poolings keep what an odd size leaves over, as Caffe's do.
    """
    layers: list[nn.Module] = []
    for count in channels:
        if count == POOL:
            layers.append(nn.MaxPool2d(2, ceil_mode=ceil_mode))
            continue
        layers += [
            nn.Conv2d(in_channels, count, 3, padding=dilation, dilation=dilation),
            nn.ReLU(inplace=True),
        ]
        in_channels = count
    return layers
