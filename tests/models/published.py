"""The public networks of our zoo, and how each is compared with its recorded outputs."""

import importlib.util
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from python_models import create_model
from python_models.checkpoints import load_weights
from python_models.maps import CompositeFields, TaggedMaps
from python_models.pifpaf import composite_fields


@dataclass(frozen=True)
class Probe:
    """A recorded network: `<name>.json` lists its tensors, probes.json its outputs for reproducible weights."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)  # for create_model
    call: Callable[[nn.Module, Tensor], Any] = lambda model, image: model(image)


def _probabilities(maps: Sequence[list[Tensor]]) -> list[Tensor]:
    """The first kind of maps was recorded after its sigmoid."""
    (logits,), *others = maps
    return [logits.sigmoid(), *(tensor for (tensor,) in others)]


def _composite(fields: CompositeFields) -> list[Tensor]:
    return [composite_fields(fields.joints[0], 1), composite_fields(fields.limbs[0], 2)]


def _distribution(logits: Tensor) -> Tensor:
    return logits.flatten(1).softmax(dim=1).unflatten(1, logits.shape[1:])


def _together(maps: TaggedMaps) -> list[Tensor]:
    first, *finer = maps.heatmaps
    return [torch.cat([first, *maps.tags], dim=1), *finer]


PUBLISHED: dict[str, list[Probe]] = {
    "pose_resnet18": [Probe("pose_resnet_18")],
    "pose_resnet34": [Probe("pose_resnet_34")],
    "pose_resnet50": [
        Probe("pose_resnet_50"),
        Probe("mmpose_res50_8xb64-210e_coco-256x192"),
        Probe("alphapose_simplepose_res50"),
    ],
    "pose_resnet101": [Probe("pose_resnet_101"), Probe("mmpose_res101_8xb64-210e_coco-256x192")],
    "pose_resnet152": [Probe("pose_resnet_152"), Probe("mmpose_res152_8xb32-210e_coco-256x192")],
    "pose_hrnet_w32": [Probe("pose_hrnet_w32"), Probe("mmpose_hrnet-w32_8xb64-210e_coco-256x192")],
    "pose_hrnet_w48": [Probe("pose_hrnet_w48"), Probe("mmpose_hrnet-w48_8xb32-210e_coco-256x192")],
    "hourglass1": [Probe("hourglass1_bearpaw"), Probe("hourglass1_anibali")],
    "hourglass2": [Probe("hourglass2_bearpaw")],
    "hourglass8": [Probe("hourglass8_bearpaw")],
    "hourglass2_princeton": [Probe("hourglass2_princeton")],
    "hourglass8_princeton": [Probe("hourglass8_princeton")],
    "hourglass52": [Probe("mmpose_hourglass52_8xb32-210e_coco-256x256")],
    "pyranet2": [Probe("pyranet_hgprm_2stack")],
    "pyranet8": [Probe("pyranet_hgprm_8stack")],
    "cunet2": [Probe("cunet2_order1")],
    "cunet4": [Probe("cunet4_order1")],
    "cunet8": [Probe("cunet8_order1")],
    "cunet16": [Probe("cunet16_order1")],
    "cpm": [
        Probe("cpm_caffe_leeds_pc", {"pooling": "caffe"}),
        Probe("cpm_caffe_mpi", {"pooling": "caffe"}),
        Probe("cpm_jhalloy_lsp", {"pooling": "port"}),
    ],
    "integral_resnet50": [Probe("integral_res50"), Probe("integral_res50_mks0601")],
    "integral_resnet101": [Probe("integral_res101")],
    "integral_resnet152": [Probe("integral_res152")],
    "integral_direct_resnet50": [Probe("integral_direct_res50")],
    "integral_mmpose_res50": [  # recorded after the softmax of the head
        Probe(
            "mmpose_ipr_res50_8xb64-210e_coco-256x256",
            call=lambda model, image: model(image).flatten(2).softmax(dim=2).unflatten(2, (64, 64)),
        )
    ],
    "deeppose_alexnet": [Probe("deeppose_alexnet_voqtuyen")],
    "deeppose_resnet50": [Probe("mmpose_td-reg_res50_8xb64-210e_coco-256x192")],
    "fastpose_res50": [Probe("alphapose_fastpose_res50")],
    "fastpose_duc_res50": [Probe("alphapose_fastpose_duc_res50")],
    "fastpose_se_resnet101": [Probe("alphapose_fastpose_se101_duc")],
    "cpn50": [Probe("cpn50")],
    "cpn101": [Probe("cpn101")],
    "mspn1": [Probe("mspn_1stg_coco")],
    "mspn2": [Probe("mspn_2stg_coco")],
    "mspn3": [Probe("mspn_3stg_coco")],
    "mspn4": [Probe("mspn_4stg_coco")],
    "mspn1_mmpose": [Probe("mmpose_mspn50_8xb32-210e_coco-256x192")],
    "mspn2_mmpose": [Probe("mmpose_2xmspn50_8xb32-210e_coco-256x192")],
    "mspn3_mmpose": [Probe("mmpose_3xmspn50_8xb32-210e_coco-256x192")],
    "mspn4_mmpose": [Probe("mmpose_4xmspn50_8xb32-210e_coco-256x192")],
    "openpose_body_coco": [
        Probe("openpose_body_coco_tensorboy"),
        Probe("openpose_body_coco_caffe"),
        Probe("openpose_body_coco_hzzone", {"relu_last": True}),
    ],
    "openpose_body_25": [Probe("openpose_body_25_caffe")],
    "lightweight_openpose": [Probe("lightweight_openpose")],
    "pose_ae_hourglass4": [  # recorded with the maps that mean nothing
        Probe("pose_ae_hourglass4", call=lambda model, image: model.stacks(image))
    ],
    "higherhrnet_w32": [  # heat maps and tags of the first resolution were recorded as one tensor
        Probe("higherhrnet_w32", call=lambda model, image: _together(model(image)))
    ],
    "ae_hrnet_w32": [Probe("mmpose_ae_hrnet-w32_8xb24-300e_coco-512x512")],
    "centernet_res18": [Probe("centernet_res18_multi_pose")],
    "centernet_hourglass": [Probe("centernet_hourglass_multi_pose")],
    "prn": [  # recorded after its softmax, the joints as the last axis
        Probe("prn", call=lambda model, joints: _distribution(model(joints)).permute(0, 2, 3, 1))
    ],
    "deepcut_vgg16": [
        Probe("deepcut_vgg16_dense_cnn", call=lambda model, image: _probabilities(model(image)))
    ],
    "deepercut_resnet152": [
        Probe("deepercut_resnet152", call=lambda model, image: _probabilities(model(image)))
    ],
    **{
        f"personlab_mobilenet_v1_{width}": [
            Probe(
                f"personlab_posenet_mobilenet_v1_{width}",
                call=lambda model, image: _probabilities(model(image)),
            )
        ]
        for width in ("050", "075", "101")
    },
    **{
        f"pifpaf_{trunk}": [  # recorded with places and sizes
            Probe(f"openpifpaf_{trunk}", call=lambda model, image: _composite(model(image)))
        ]
        for trunk in ("resnet50", "shufflenetv2k16", "shufflenetv2k30")
    },
    "cpm_mmpose": [Probe("mmpose_cpm_8xb64-210e_coco-256x192"), Probe("mmpose_cpm_8xb64-210e_mpii-368x368")],
}


class UnderTheirNames:
    """Our model with the tensor names of a public checkpoint: what is loaded goes through our conversion."""

    def __init__(self, model: nn.Module, shapes: Mapping[str, list[int]]) -> None:
        self.model, self.shapes = model, shapes

    def double(self) -> "UnderTheirNames":
        self.model.double()
        return self

    def eval(self) -> "UnderTheirNames":
        self.model.eval()
        return self

    def state_dict(self) -> dict[str, Tensor]:
        return {name: torch.empty(shape, device="meta") for name, shape in self.shapes.items()}

    def load_state_dict(self, weights: Mapping[str, Tensor], strict: bool) -> None:
        assert strict
        message = load_weights(self.model, weights, "the probe")
        assert message.endswith("all layers")

    def __call__(self, image: Tensor) -> Any:
        return self.model(image)


def load_probe(folder: Path) -> ModuleType:
    """The comparison that comes with the recorded outputs."""
    spec = importlib.util.spec_from_file_location("probe", folder / "probe.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def check_published(folder: Path, zoo_name: str, probe: Probe) -> None:
    """Load the probe's weights under the names of the public checkpoint and compare the outputs."""
    manifest = json.loads((folder / f"{probe.name}.json").read_text())
    model = create_model(zoo_name, **{"num_joints": manifest["num_joints"], **probe.options})
    theirs = UnderTheirNames(model, manifest["state_dict"])
    load_probe(folder).check(theirs, probe.name, call=lambda wrapped, image: probe.call(wrapped.model, image))
