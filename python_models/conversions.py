"""Names of public checkpoints: what each code base calls the tensors of a network, turned into our names.

`convert_names` takes off what wrappers put in front of every name, then tries the rows of FORMATS; the row that gives
most of the names that the model wants is the right one. A checkpoint with our names passes unchanged.
"""

import fnmatch
import re
from collections.abc import Callable, Mapping

from torch import Tensor

Weights = Mapping[str, Tensor]
Conversion = Callable[[Weights], dict[str, Tensor]]

# DataParallel and a trainer around it, torch.compile, a Lightning module, and the half-precision wrapper of the
# HRNet family (a Sequential of conversion and network).
WRAPPERS = ("module.", "_orig_mod.", "model.", "1.")


def rename(*rules: tuple[str, str | Callable[[re.Match[str]], str]]) -> Conversion:
    """A conversion that puts every name through substitutions of `re.sub`, one after the other.

    Where two names would become one, the format is another one and nothing is renamed.
    """

    def convert(weights: Weights) -> dict[str, Tensor]:
        renamed = {}
        for name, value in weights.items():
            for pattern, replacement in rules:
                name = re.sub(pattern, replacement, name)
            renamed[name] = value
        return renamed if len(renamed) == len(weights) else dict(weights)

    return convert


def _mmpose_integral(weights: Weights) -> dict[str, Tensor]:
    """mmpose keeps the indices of the pixels, too, in the head around the network of heat maps."""
    layers = {name: value for name, value in weights.items() if not name.startswith("head.linspace_")}
    return rename((r"^(backbone|head\.simplebaseline_head)\.", ""))(layers)


def _mspn_head(match: re.Match[str]) -> str:
    """mmpose counts the predictors of all stages and resolutions through."""
    stage, unit = divmod(int(match[1]), 4)
    return f"stage{stage}.upsample.up{unit + 1}.res_conv{int(match[2]) + 1}."


# The first layers of OpenPose by their names in Caffe, and their places among convolutions, ReLUs and poolings.
_OPENPOSE_TRUNK = {
    "1_1": 0, "1_2": 2, "2_1": 5, "2_2": 7, "3_1": 10, "3_2": 12, "3_3": 14, "3_4": 16, "4_1": 19, "4_2": 21,
    "4_3_CPM": 23, "4_4_CPM": 25,
}  # fmt: skip
# DeepCut's VGG by its names in Caffe.
_DEEPCUT_LAYERS = {
    "conv1_1": "layers.0", "conv1_2": "layers.2", "conv2_1": "layers.5", "conv2_2": "layers.7",
    "conv3_1": "layers.10", "conv3_2": "layers.12", "conv3_3": "layers.14", "conv4_1": "layers.17",
    "conv4_2": "layers.19", "conv4_3": "layers.21", "conv5_1": "layers.24", "conv5_2": "layers.26",
    "conv5_3": "layers.28", "fc6-conv": "layers.31", "fc7-conv": "layers.34", "fc8_pose-conv": "scores",
    "loc_pred-conv": "offsets",
}  # fmt: skip
_OPENPOSE_BRANCHES = {"1": "pafs", "2": "heatmaps"}


def _openpose_trunk(match: re.Match[str]) -> str:
    place = _OPENPOSE_TRUNK.get(match[2])  # None: a layer of another network
    return match[0] if place is None else f"trunk.{place + (match[1] == 'prelu')}."


def _openpose_stage(match: re.Match[str]) -> str:
    """Stages count from 1 in their names; a ReLU stands between two convolutions."""
    stage, layer = int(match["stage"] or 1) - 1, 2 * (int(match["layer"]) - 1)
    return f"stages.{stage}.{_OPENPOSE_BRANCHES[match['branch']]}.{layer}."


def _body_25_stage(match: re.Match[str]) -> str:
    """The branches have changed their numbers, L2 are the fields; stages count from 0."""
    kind, layer, stage, branch, part = match.groups()
    where = f"{'paf' if branch == '2' else 'heatmap'}_stages.{stage}."
    if layer == "7":
        return f"{where}maps."
    inside = "hidden" if layer == "6" else f"triples.{int(layer) - 1}.layers.{part}"
    return f"{where}{inside}.{int(kind == 'prelu')}."


_DEEPERCUT_BRANCHES = {"1": "downsample.0", "2a": "conv1", "2b": "conv2", "2c": "conv3"}


def _deepercut_block(match: re.Match[str]) -> str:
    """Blocks are a, b, c, or a, b1, b2 and so on; a batch norm's statistics and its weights are two layers."""
    kind, stage, letter, number, branch = match.groups()
    block = int(number) if number else "abc".index(letter)
    layer = _DEEPERCUT_BRANCHES[branch]
    if kind != "res":
        layer = "downsample.1" if branch == "1" else layer.replace("conv", "bn")
    return f"layer{int(stage) - 1}.{block}.{layer}."


def _vgg_under_openpose(weights: Weights) -> dict[str, Tensor]:
    """The first ten convolutions of VGG-19's; the others have no place, and neither has the classifier."""
    renamed = rename((r"^features\.(?=(1?\d|2[01])\.)", "trunk."))(weights)
    return {name: value for name, value in renamed.items() if not name.startswith("features.")}


_CENTERNET_HEADS = (
    ("hm_hp", "heatmaps"),
    ("hp_offset", "heatmap_offsets"),
    ("hm", "centres"),
    ("reg", "centre_offsets"),
    ("wh", "sizes"),
    ("hps", "joints"),
)
_PIFPAF_HEADS = ((r"^head_nets\.0\.conv\.", "joints."), (r"^head_nets\.1\.conv\.", "limbs."))

# One row for each format that differs from ours; a row may serve many networks.
FORMATS: dict[str, Conversion] = {
    "ours": dict,
    "mmpose": rename((r"^(backbone|keypoint_head|head)\.", "")),
    "mmpose, integral": _mmpose_integral,
    "mks0601, integral": rename((r"\.deconv_layers\.", ".features."), (r"\.final_layer\.", ".features.9.")),
    "mmpose, MSPN": rename(
        (r"^backbone\.top\.top\.0\.", "top.conv."),
        (r"^backbone\.multi_stage_mspn\.", "stage"),
        (r"^head\.predict_layers\.(\d+)\.conv_layers\.(\d)\.", _mspn_head),
        (r"(\.layer\d\.\d+)\.(conv|bn)(\d)\.", r"\1.conv_bn_relu\3.\2."),
        (r"\.in_skip\.", ".u_skip."),
        (r"\.out_skip", ".skip"),
    ),
    "mmpose, SimCC": rename(
        (r"^backbone\.", ""),
        (r"^head\.mlp_head_([xy])\.", r"head.\1."),
        (r"^head\.(deconv_layers|final_layer)\.", r"\1."),
    ),
    "AlphaPose": rename((r"^preact\.", "")),
    "AlphaPose, PyraNet": rename(
        (r"con\.modules_list\.0\.0\.0\.modules_list\.0\.", "full."),
        (r"con\.modules_list\.0\.0\.0\.modules_list\.1\.", "pyramid."),
        (r"(pyramid\.\d)\.0\.modules_list\.(\d)\.1\.", r"\1.levels.\2."),
        (r"con\.modules_list\.0\.1\.", "merge.0."),
        (r"con\.modules_list\.0\.3\.", "merge.2."),
        (r"con\.modules_list\.1\.m\.", "skip."),
        (r"\.0\.modules_list\.0\.", ".full."),
        (r"\.0\.modules_list\.1\.", ".skip."),
        (r"upperBranch", "beside"),
        (r"lowerBranch\.0\.1", "before"),
        (r"lowerBranch\.1", "low"),
        (r"lowerBranch\.2", "after"),
    ),
    "CenterNet, hourglass": rename(
        *((rf"^{theirs}\.(\d)\.0\.conv\.", rf"heads.{ours}.\1.0.") for theirs, ours in _CENTERNET_HEADS),
        *((rf"^{theirs}\.(\d)\.1\.", rf"heads.{ours}.\1.2.") for theirs, ours in _CENTERNET_HEADS),
        (r"^pre\.", "stem."),
        (r"^kps\.", "hourglasses."),
        (r"^cnvs\.", "after."),
        (r"^inters\.", "merged."),
        (r"^inters_\.", "before_again."),
        (r"^cnvs_\.", "after_again."),
        (r"\.skip\.", ".downsample."),
    ),
    "HigherHRNet": rename((r"^final_layers\.", "heads."), (r"^deconv_layers\.", "upsamples.")),
    "mmpose, associative embedding": rename((r"^backbone\.", ""), (r"^head\.final_layer\.", "heads.0.")),
    "tensorboy, OpenPose": rename(
        (r"^model0\.", "trunk."),
        (
            r"^model(\d)_([12])\.",
            lambda match: f"stages.{int(match[1]) - 1}.{_OPENPOSE_BRANCHES[match[2]]}.",
        ),
    ),
    "Caffe or Hzzone, OpenPose": rename(
        (r"^model\d(_\d)?\.", ""),
        (r"^(conv)(\d_\d(?:_CPM)?)\.", _openpose_trunk),
        (
            r"^(?:conv5_|M?conv)(?P<layer>\d)_(?:CPM|stage(?P<stage>\d))_L(?P<branch>[12])\.",
            _openpose_stage,
        ),
    ),
    "Caffe, OpenPose with 25 joints": rename(
        (r"^(conv|prelu)(\d_\d(?:_CPM)?)\.", _openpose_trunk),
        (r"^M(conv|prelu)(\d)_stage(\d)_L([12])(?:_(\d))?\.", _body_25_stage),
    ),
    "Caffe, DeepCut": rename(
        (r"^([^.]+)(?=\.)", lambda match: _DEEPCUT_LAYERS.get(match[1], match[1])),
    ),
    "Caffe, DeeperCut": rename(
        (r"^(?:bn|scale)_conv1\.", "bn1."),
        (r"^(res|bn|scale)(\d)([abc])(\d*)_branch(1|2[abc])\.", _deepercut_block),
        (r"^res5c_up_", "up."),
        (r"^res3d_", "skip."),
        (r"\.pose\.", ".scores."),
        (r"\.locref\.", ".offsets."),
        (r"\.next\.", ".pairs."),
    ),
    "PifPaf": rename(*_PIFPAF_HEADS),
    "PifPaf, ResNet": rename(
        *_PIFPAF_HEADS,
        (r"input_block\.0\.", "conv1."),
        (r"input_block\.1\.", "bn1."),
        (r"^base_net\.block(\d)\.", lambda match: f"base_net.layer{int(match[1]) - 1}."),
    ),
    "ImageNet, VGG-19 under OpenPose": _vgg_under_openpose,
    "ImageNet, VGG-16 under DeepCut": rename((r"^features\.(?=\d)", "layers.")),
    **{
        f"ImageNet, where the trunk is a part named {part}": rename(
            (r"^(?=(conv1|bn1|layer\d)\.)", f"{part}.")
        )
        for part in ("backbone", "base_net", "preact", "resnet")
    },
}

# The last layers of ImageNet's ResNets and MobileNets, HRNets, and VGGs.
IMAGENET_OUTPUTS = ("fc.weight", "classifier.weight", "classifier.6.weight")
# What ImageNet networks have and pose networks lack: ResNet's last layer; HRNet's classifier, what leads to it, and
# the last exchange's coarser outputs; MobileNet's last two blocks.
CLASSIFIERS = (
    "model.1[23].*",
    "fc.*",
    "classifier.*",
    "incre_modules.*",
    "downsamp_modules.*",
    "final_layer.*",
    "stage4.*.fuse_layers.*",
)


def convert_names(weights: Weights, wanted: Weights) -> dict[str, Tensor]:
    """The weights under the names of a model.

    Args:
        weights: A state_dict as some code base saved it.
        wanted: The model's state_dict.

    Returns:
        The same tensors; names that no format knows are kept, for the caller to report.
    """
    bare = _without_wrappers(weights, wanted)
    candidates = [convert(bare) for convert in FORMATS.values()]
    return max(candidates, key=lambda candidate: len(candidate.keys() & wanted.keys()))


def imagenet_trunk(weights: Weights, wanted: Weights) -> dict[str, Tensor] | None:
    """The part of an ImageNet classifier's weights that a pose network starts from; None for other weights."""
    own = [name for name in IMAGENET_OUTPUTS if name in weights and name not in wanted]
    if not own:
        return None
    return {
        name: value
        for name, value in weights.items()
        if name in wanted or not any(fnmatch.fnmatch(name, pattern) for pattern in CLASSIFIERS)
    }


def _without_wrappers(weights: Weights, wanted: Weights) -> dict[str, Tensor]:
    """Take off prefixes that all names have and the model's do not."""
    bare = dict(weights)
    for _ in WRAPPERS:  # one inside the other, in any order
        for prefix in WRAPPERS:
            ours = any(name.startswith(prefix) for name in wanted)
            if not ours and all(name.startswith(prefix) for name in bare):
                bare = {name.removeprefix(prefix): value for name, value in bare.items()}
    return bare
