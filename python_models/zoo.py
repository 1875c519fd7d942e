"""The list of models: each architecture file registers its builders here, with the input they were made for."""

import fnmatch
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from pyposeops.ops.crop_images import MEAN as IMAGENET_MEAN
from pyposeops.ops.crop_images import STD as IMAGENET_STD
from python_models.checkpoints import load_pretrained, weights_of
from python_models.conversions import convert_names
from python_models.errors import UserError, unknown_name


@dataclass(frozen=True)
class ModelInfo:
    """What a model expects of its input and what it gives; training may choose other values.

    A network is called with crops or images (B, 3, H, W). It gives one tensor, or a list of them where several stages
    are supervised: the last one is the prediction. Networks for several people give a named tuple of such lists
    (`python_models.maps`).
    """

    input_size: tuple[int, int] = (256, 192)  # (height, width) of the crop in pixels
    size_multiple: int = 32  # height and width must be multiples of it; 0: the size is fixed
    stride: int = 4  # crop pixels per heat-map pixel
    extra_cells: int = 0  # rows, and columns, that a map has beyond H // stride and W // stride
    # Standard deviation of the target Gaussian in heat-map pixels; of networks of parts alone, how near to a joint
    # cells show it.
    sigma_px: float = 2.0
    mean: tuple[float, float, float] = IMAGENET_MEAN  # in the order of the channels, images in 0..1
    std: tuple[float, float, float] = IMAGENET_STD
    channel_order: Literal["rgb", "bgr"] = "rgb"
    # heatmaps (B, K, h, w); coordinates (B, K, 2) in units of the crop, 0 its left and top edge, 1 the other, with
    # their depth (B, K, 3) or deviations (B, K, 4), or the same numbers flat; volume (B, K * depth, h, w); maps, a
    # named tuple of lists of maps.
    output: Literal["heatmaps", "coordinates", "volume", "maps"] = "heatmaps"
    parts_alone: bool = False  # its maps do not say whose the parts are; people take pairwise terms besides
    # What it is called with: one person's crop; a whole image with several people; or the joints that were found in
    # one person's box, his and others', as maps (B, K, H, W).
    input: Literal["crop", "image", "joints"] = "crop"
    num_joints: int = 17  # unless a caller wants another number
    from_centre: bool = False  # coordinates count from the middle of the crop: -0.5 its left and top edge
    head: Literal["peak", "integral"] = "peak"  # joints are peaks of heat maps, or expectations over them
    background: bool = False  # one map more, the last: where no joint is
    limb_fields: bool = False  # two maps for each limb besides; built with num_limbs
    encoding: Literal["msra", "unbiased", "udp", "megvii", "cmu"] = "msra"
    refine: str = "auto"  # how peaks are refined; auto takes what belongs to the encoding
    source: str = ""  # authors, venue, section


Builder = Callable[..., nn.Module]
_BUILDERS: dict[str, Builder] = {}
_INFOS: dict[str, ModelInfo] = {}


def register_model(info: ModelInfo) -> Callable[[Builder], Builder]:
    """Decorator: makes `builder(num_joints, **options)` available by its function name."""

    def register(builder: Builder) -> Builder:
        _BUILDERS[builder.__name__] = builder
        _INFOS[builder.__name__] = info
        return builder

    return register


def list_models(pattern: str = "*") -> list[str]:
    """Names of the models that match a shell-style pattern, numbers in their order."""
    return sorted(fnmatch.filter(_BUILDERS, pattern), key=_natural_order)


def _natural_order(name: str) -> list[tuple[int, str]]:
    """Sort key: digits count as numbers, so resnet18 comes before resnet101."""
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", name)]


def model_info(name: str) -> ModelInfo:
    """The input a model was made for."""
    if name not in _INFOS:
        raise unknown_name("model", name, _INFOS)
    return _INFOS[name]


_OTHER_INPUTS = {
    "image": "finds several people in a whole image",
    "joints": "sorts the joints that were found in a box",
}


def require_images(name: str) -> None:
    """Raise UserError where a model sees neither crops nor images."""
    if model_info(name).input == "joints":
        raise UserError(f"model {name}: {_OTHER_INPUTS['joints']}; expected a model that sees images")


def require_crops(name: str) -> None:
    """Raise UserError where a model is none that takes one person's crop at a time."""
    kind = model_info(name).input
    if kind != "crop":
        raise UserError(f"model {name}: {_OTHER_INPUTS[kind]}; expected a model for one person's crop")


def create_model(
    name: str,
    *,
    num_joints: int | None = None,
    pretrained: str | None = None,
    reset_final: bool = False,
    **options: Any,
) -> nn.Module:
    """Build a model by name.

    Args:
        name: One of `list_models()`.
        num_joints: Number of joints; what `model_info` says if None.
        pretrained: Path or URL of weights to start from; see `python_models.checkpoints`.
        reset_final: Where the weights have another joint count, start the last layer at random instead of
            raising.
        options: Passed to the architecture, e.g. `deconv_channels=(64, 64, 64)`.

    Example:
        >>> create_model("pose_resnet18", num_joints=14)(torch.zeros(1, 3, 256, 192)).shape
        torch.Size([1, 14, 64, 48])
    """
    if name not in _BUILDERS:
        raise unknown_name("model", name, _BUILDERS)
    joints = _INFOS[name].num_joints if num_joints is None else num_joints
    model = _BUILDERS[name](num_joints=joints, **options)
    if pretrained is not None:
        load_pretrained(model, pretrained, reset_final=reset_final)
    return model


def convert_state_dict(name: str, state_dict: Mapping[str, Any], **options: Any) -> dict[str, Tensor]:
    """The weights of a public checkpoint under our names, ready for `load_state_dict`.

    Args:
        name: One of `list_models()`.
        state_dict: What the file holds: a state_dict of any code base in `python_models.conversions`, or a
            dictionary with one under "state_dict", "model" or "network". Any joint count.
        options: Of the architecture, as for `create_model`.

    Raises:
        UserError: the names are not those of this network.

    Example:
        >>> theirs = {f"module.{name}": value for name, value in create_model("pose_resnet18").state_dict().items()}
        >>> sorted(convert_state_dict("pose_resnet18", theirs))[0]
        'bn1.bias'
    """
    with torch.device("meta"):
        wanted = create_model(name, **options).state_dict()
    converted = convert_names(weights_of(state_dict, name), wanted)
    strangers = sorted(converted.keys() ^ wanted.keys())
    if strangers:
        raise UserError(f"state_dict: not that of {name}; {strangers[0]} is in one of them only")
    return converted
