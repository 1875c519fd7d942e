"""The settings that models were published with, by name: `train --recipe NAME` starts from them.

Batch sizes are those of all GPUs of the published run together: with several processes, divide. Where a paper and
its code differ, the code's values stand here.
"""

import fnmatch
from typing import Any

from python_models.errors import unknown_name
from python_models.people_recipes import PEOPLE_RECIPES
from python_models.recipe import Recipe, plain_augmentation

_SIMPLE = {
    "epochs": 140, "batch_size": 128, "optimizer": "adam", "lr": 1e-3, "drop_epochs": (90, 120), "flip_test": True,
}  # fmt: skip
_SIMPLE_COCO = {**_SIMPLE, "augmentation": plain_augmentation(scale=0.3, rotation_deg=80.0)}
_SIMPLE_MPII = {
    **_SIMPLE,
    "input_size": (256, 256),
    "augmentation": plain_augmentation(scale=0.25, rotation_deg=60.0),
}
_HRNET_COCO = {
    **_SIMPLE, "epochs": 210, "drop_epochs": (170, 200),
    "augmentation": plain_augmentation(scale=0.35, rotation_deg=90.0, half_body_probability=0.3),
}  # fmt: skip
_HOURGLASS_MPII = {
    "optimizer": "rmsprop", "lr": 2.5e-4, "batch_size": 6, "epochs": 100, "drop_epochs": (60, 90), "flip_test": True,
    "augmentation": plain_augmentation(scale=0.25, rotation_deg=60.0),
}  # fmt: skip
_LARGE = {"input_size": (384, 288), "sigma_px": 3.0}

_XIAO = "Xiao et al., ECCV 2018, published code"
_SUN = "Sun et al., CVPR 2019, published code"
_NEWELL = "Newell et al., ECCV 2016; settings of the bearpaw port"
_CHEN = "Chen et al., CVPR 2018; settings of the GengDavid port"
_LI = "Li et al., Rethinking on Multi-Stage Networks, 2019, published code"
_LI_SIMCC = "Li et al., SimCC, ECCV 2022, published code (SimDR*)"
_LI_RLE = "Li et al., Residual Log-likelihood Estimation, ICCV 2021, published code"

# mmpose also moves boxes by up to a sixth of their size, which is not drawn here.
_MMPOSE = {
    **_SIMPLE, "epochs": 210, "drop_epochs": (170, 200), "batch_size": 512, "warmup_steps": 500,
    "augmentation": plain_augmentation(scale=0.5, rotation_deg=80.0, half_body_probability=0.3),
}  # fmt: skip


def _simple_baselines() -> dict[str, Recipe]:
    coco = {50: ("70.4", "72.2"), 101: ("71.4", "73.6"), 152: ("72.0", "74.3")}
    mpii = {50: "88.5", 101: "89.1", 152: "89.6"}
    recipes = {}
    for depth, (small, large) in coco.items():
        model = {"model": f"pose_resnet{depth}"}
        recipes[f"pose_resnet{depth}_coco_256x192"] = Recipe(
            {**_SIMPLE_COCO, **model}, "COCO", f"val AP {small}", _XIAO
        )
        recipes[f"pose_resnet{depth}_coco_384x288"] = Recipe(
            {**_SIMPLE_COCO, **model, **_LARGE}, "COCO", f"val AP {large}", _XIAO
        )
        recipes[f"pose_resnet{depth}_mpii_256x256"] = Recipe(
            {**_SIMPLE_MPII, **model}, "MPII", f"val PCKh@0.5 {mpii[depth]}", _XIAO
        )
    return recipes


def _hrnet() -> dict[str, Recipe]:
    recipes = {}
    for width, (small, large) in {"w32": ("74.4", "75.8"), "w48": ("75.1", "76.3")}.items():
        model = {"model": f"pose_hrnet_{width}"}
        recipes[f"pose_hrnet_{width}_coco_256x192"] = Recipe(
            {**_HRNET_COCO, **model}, "COCO", f"val AP {small}", _SUN
        )
        recipes[f"pose_hrnet_{width}_coco_384x288"] = Recipe(
            {**_HRNET_COCO, **model, **_LARGE}, "COCO", f"val AP {large}", _SUN
        )
    mpii = {**_HRNET_COCO, "model": "pose_hrnet_w32", "input_size": (256, 256)}
    mpii["augmentation"] = plain_augmentation(scale=0.25, rotation_deg=60.0)
    recipes["pose_hrnet_w32_mpii_256x256"] = Recipe(mpii, "MPII", "val PCKh@0.5 90.3", _SUN)
    return recipes


def _encodings() -> dict[str, Recipe]:
    """The baseline with the decoders and encoders that came after it."""
    base = {**_HRNET_COCO, "model": "pose_hrnet_w32"}
    dark = "Zhang et al., Distribution-Aware Coordinate Representation, CVPR 2020"
    udp = "Huang et al., The Devil is in the Details, CVPR 2020"
    return {
        "pose_hrnet_w32_dark_coco_256x192": Recipe({**base, "encoding": "unbiased"}, "COCO", "", dark),
        "pose_hrnet_w32_udp_coco_256x192": Recipe({**base, "encoding": "udp"}, "COCO", "", udp),
    }


def _hourglasses() -> dict[str, Recipe]:
    accuracies = {"hourglass2": "val PCKh@0.5 86.95 (port)", "hourglass8": "val PCKh@0.5 88.78 (port)"}
    recipes = {
        f"{model}_mpii_256x256": Recipe({**_HOURGLASS_MPII, "model": model}, "MPII", accuracy, _NEWELL)
        for model, accuracy in accuracies.items()
    }
    pyramid = {**_HOURGLASS_MPII, "epochs": 250, "drop_epochs": (150, 170, 200)}
    yang = "Yang et al., Learning Feature Pyramids, ICCV 2017, published code"
    tang = "Tang et al., Quantized Densely Connected U-Nets, ECCV 2018; schedule of the hourglass"
    recipes["pyranet2_mpii_256x256"] = Recipe({**pyramid, "model": "pyranet2"}, "MPII", "", yang)
    recipes["pyranet8_mpii_256x256"] = Recipe(
        {**pyramid, "model": "pyranet8"}, "MPII", "val PCKh@0.5 90.27", yang
    )
    for stacks in (2, 4, 8, 16):
        name = f"cunet{stacks}"
        recipes[f"{name}_mpii_256x256"] = Recipe({**_HOURGLASS_MPII, "model": name}, "MPII", "", tang)
    return recipes


def _cascades() -> dict[str, Recipe]:
    """Coarse to fine: the Gaussians narrow from stage to stage, and the last one learns from its hardest joints."""
    cpn = {
        "epochs": 32, "batch_size": 128, "optimizer": "adam", "lr": 5e-4, "weight_decay": 1e-5,
        "drop_epochs": (6, 12, 18, 24, 30), "drop_factor": 0.5, "encoding": "megvii", "flip_test": True,
        "augmentation": plain_augmentation(scale=0.3, rotation_deg=45.0),
        "loss": {"stage_weights": (0.5, 0.5, 0.5, 0.5, 1.0), "stage_kernels": (15, 11, 9, 7, 7), "hardest_joints": 8},
    }  # fmt: skip
    recipes = {
        "cpn50_coco_256x192": Recipe(
            {**cpn, "model": "cpn50"}, "COCO", "minival AP 71.2 (ground-truth boxes)", _CHEN
        ),
        "cpn50_coco_384x288": Recipe(
            {**cpn, "model": "cpn50", "input_size": (384, 288)},
            "COCO",
            "minival AP 74.1 (ground-truth boxes)",
            _CHEN,
        ),
        "cpn101_coco_384x288": Recipe(
            {**cpn, "model": "cpn101", "input_size": (384, 288)},
            "COCO",
            "minival AP 74.0 (ground-truth boxes)",
            _CHEN,
        ),
    }
    accuracies = {1: "71.5", 2: "74.5", 3: "75.2", 4: "75.9"}
    for stages, accuracy in accuracies.items():
        kernels = ((15, 11, 9, 7),) * (stages - 1) + ((11, 9, 7, 5),)
        loss = {
            "stage_kernels": tuple(side for stage in kernels for side in stage),
            "hardest_joints": 8,
            "hardest_stages": tuple(range(3, 4 * stages, 4)),
        }
        settings = {
            **cpn, "model": f"mspn{stages}", "epochs": 82, "batch_size": 256, "schedule": "linear",
            "warmup_steps": 2400, "drop_epochs": (), "drop_factor": 0.1, "loss": loss,
            "augmentation": plain_augmentation(scale=0.35, rotation_deg=45.0, half_body_probability=0.3),
        }  # fmt: skip
        recipes[f"mspn{stages}_coco_256x192"] = Recipe(settings, "COCO", f"val AP {accuracy}", _LI)
    return recipes


def _machines() -> dict[str, Recipe]:
    cpm = {
        "optimizer": "sgd", "momentum": 0.9, "lr": 8e-5, "weight_decay": 5e-4, "batch_size": 16, "epochs": 100,
        "drop_epochs": (40, 70), "drop_factor": 0.333,
        "augmentation": plain_augmentation(scale=0.3, rotation_deg=40.0),
    }  # fmt: skip
    wei = "Wei et al., CVPR 2016; the schedule is counted in iterations there"
    fang = "Fang et al., AlphaPose, TPAMI 2022, published code"
    fastpose = {
        **_SIMPLE, "epochs": 200, "batch_size": 128,
        "augmentation": plain_augmentation(scale=0.3, rotation_deg=80.0),
    }  # fmt: skip
    # CrowdPose's own training code was never published; this is that of the network it builds on.
    crowdpose = {
        "model": "fastpose_se_resnet101", "optimizer": "rmsprop", "lr": 1e-4, "batch_size": 128, "epochs": 50,
        "drop_epochs": (), "flip_test": True, "loss": {"interference_weight": 0.5},
        "augmentation": plain_augmentation(scale=0.3, rotation_deg=40.0),
    }  # fmt: skip
    li = "Li et al., CrowdPose, CVPR 2019; schedule of AlphaPose's train_sppe"
    tompson = {
        "model": "tompson_cascade", "optimizer": "adam", "lr": 5e-4, "batch_size": 16, "epochs": 60,
        "phase_epochs": (60, 30, 30), "drop_epochs": (25, 50), "flip_test": False,
        "augmentation": plain_augmentation(scale=0.5, rotation_deg=20.0),
    }  # fmt: skip
    goroshin = "Tompson et al., CVPR 2015, sections 3 and 4; the schedule is ours"
    return {
        "tompson_cascade_mpii_256x256": Recipe(tompson, "MPII", "test PCKh@0.5 82.0", goroshin),
        "tompson_cascade_flic_240x320": Recipe({**tompson, "input_size": (240, 320)}, "FLIC", "", goroshin),
        "cpm_mpii_368x368": Recipe({**cpm, "model": "cpm"}, "MPII", "test PCKh@0.5 87.95", wei),
        "fastpose_res50_coco_256x192": Recipe(
            {**fastpose, "model": "fastpose_res50"}, "COCO", "val AP 72.0 (YOLOv3 boxes)", fang
        ),
        "fastpose_duc_res50_coco_256x192": Recipe(
            {**fastpose, "model": "fastpose_duc_res50"}, "COCO", "val AP 72.4 (YOLOv3 boxes)", fang
        ),
        "fastpose_se_resnet101_crowdpose_320x256": Recipe(crowdpose, "CrowdPose", "test AP 66.0", li),
    }


def _regressors() -> dict[str, Recipe]:
    integral = {
        **_SIMPLE, "epochs": 300, "drop_epochs": (270, 290), "loss": {"kind": "joints", "distance": "l1"},
        "augmentation": plain_augmentation(scale=0.25, rotation_deg=60.0),
    }  # fmt: skip
    sun = "Sun et al., Integral Human Pose Regression, ECCV 2018, published code"
    toshev = "Toshev and Szegedy, CVPR 2014, section 4.1; the first stage's epochs are ours"
    mmpose = "mmpose, td-reg_res50_8xb64-210e_coco-256x192"
    # Forty crops around each joint of everybody, in epochs of one crop a person.
    deeppose = {
        **_SIMPLE, "model": "deeppose_alexnet_lrn", "stages": 3, "stage_torsos": 2.0, "crops_per_person": 1,
        "optimizer": "adagrad", "lr": 5e-4, "epochs": 100, "phase_epochs": (100, 560, 560), "drop_epochs": (),
        "loss": {"distance": "l2"}, "augmentation": plain_augmentation(rotation_deg=0.0), "flip_test": False,
    }  # fmt: skip
    # The paper's names: H1, heat maps by squared error, read at their peaks; I1, these and the joints that are
    # expected under them together; I*, the joints alone.
    h1 = {**integral, "model": "pose_resnet50", "input_size": (256, 256), "loss": {"kind": "heatmaps"}}
    i1 = {**h1, "head": "integral", "loss": {"kind": "both", "distance": "l1"}}
    volume = {**integral, "model": "integral_resnet50"}
    return {
        "integral_resnet50_256x256": Recipe(volume, "Human3.6M and MPII", "", sun),
        "pose_resnet50_h1_mpii_256x256": Recipe(h1, "MPII", "", sun),
        "pose_resnet50_i1_mpii_256x256": Recipe(i1, "MPII", "", sun),
        "pose_resnet50_istar_mpii_256x256": Recipe({**i1, "loss": {"kind": "joints"}}, "MPII", "", sun),
        "deeppose_resnet50_coco_256x192": Recipe(
            {
                **_HRNET_COCO, "model": "deeppose_resnet50", "lr": 5e-4, "batch_size": 512, "warmup_steps": 500,
                "loss": {"distance": "smooth_l1"},
            },
            "COCO", "val AP 54.1", mmpose,
        ),
        "deeppose_alexnet_lsp_220x220": Recipe(
            deeppose, "LSP", "PCP@0.5 61 (stage 1: 54, stage 2: 60)", toshev
        ),
        "deeppose_alexnet_flic_220x220": Recipe(
            {**deeppose, "stage_torsos": 1.0, "phase_epochs": (100, 440, 440)}, "FLIC", "", toshev
        ),
    }  # fmt: skip


def _coordinate_classes() -> dict[str, Recipe]:
    """SimCC with labels of 6 bins' deviation, two bins for a pixel."""
    resnet = {"model": "pose_resnet50", "head": "simcc"}
    hrnet = {**_HRNET_COCO, "model": "pose_hrnet_w32", "head": "simcc", "input_size": (256, 256)}
    hrnet["augmentation"] = plain_augmentation(scale=0.25, rotation_deg=60.0)
    return {
        "pose_resnet50_simcc_coco_256x192": Recipe(
            {**_MMPOSE, **resnet}, "COCO", "val AP 72.1", "mmpose, simcc_res50_8xb64-210e_coco-256x192"
        ),
        "pose_resnet50_simcc_coco_384x288": Recipe(
            {**_SIMPLE_COCO, **resnet, "input_size": (384, 288)}, "COCO", "val AP 73.4", _LI_SIMCC
        ),
        "pose_hrnet_w32_simcc_mpii_256x256": Recipe(hrnet, "MPII", "val PCKh@0.5 90.0", _LI_SIMCC),
    }


def _likelihoods() -> dict[str, Recipe]:
    """Regression by residual log-likelihood; the authors draw scales and rotations uniformly, not normally."""
    authors = {
        **_SIMPLE, "model": "rle_resnet50", "epochs": 270, "drop_epochs": (170, 200), "batch_size": 256,
        "augmentation": plain_augmentation(
            scale=0.25, rotation_deg=45.0, rotation_probability=0.5, half_body_probability=0.3, half_body_joints=3
        ),
    }  # fmt: skip
    large = {**_MMPOSE, "model": "rle_resnet152", "lr": 5e-4}
    mpii = {
        **_MMPOSE, "model": "rle_resnet50", "lr": 5e-4, "input_size": (256, 256),
        "augmentation": plain_augmentation(scale=0.5, rotation_deg=80.0),
    }  # fmt: skip
    return {
        "rle_resnet50_coco_256x192": Recipe(authors, "COCO", "", _LI_RLE),
        "rle_resnet50_mmpose_coco_256x192": Recipe(
            {**_MMPOSE, "model": "rle_resnet50"},
            "COCO",
            "val AP 70.4",
            "mmpose, td-reg_res50_rle-8xb64-210e_coco-256x192",
        ),
        "rle_resnet152_coco_256x192": Recipe(
            large, "COCO", "val AP 73.1", "mmpose, td-reg_res152_rle-8xb64-210e_coco-256x192"
        ),
        "rle_resnet152_coco_384x288": Recipe(
            {**large, "input_size": (384, 288)},
            "COCO",
            "val AP 74.9",
            "mmpose, td-reg_res152_rle-8xb64-210e_coco-384x288",
        ),
        "rle_resnet50_mpii_256x256": Recipe(
            mpii, "MPII", "val PCKh@0.5 86.1", "mmpose, td-reg_res50_rle-8xb64-210e_mpii-256x256"
        ),
    }


RECIPES: dict[str, Recipe] = {
    **_simple_baselines(),
    **_hrnet(),
    **_encodings(),
    **_hourglasses(),
    **_cascades(),
    **_machines(),
    **_regressors(),
    **_coordinate_classes(),
    **_likelihoods(),
    **PEOPLE_RECIPES,
}


def recipe_settings(name: str) -> dict[str, Any]:
    """Options of `TrainSettings`, as a configuration file would hold them.

    Raises: UserError for a name that is not in `RECIPES`.
    """
    if name not in RECIPES:
        raise unknown_name("recipe", name, RECIPES)
    return dict(RECIPES[name].settings)


def format_recipes(pattern: str = "*") -> str:
    """A table of the recipes whose names, or whose models' names, match a shell-style pattern."""
    rows = [("recipe", "model", "data", "published", "source")]
    rows += [
        (name, recipe.model, recipe.data, recipe.accuracy or "-", recipe.source)
        for name, recipe in RECIPES.items()
        if fnmatch.fnmatch(name, pattern) or fnmatch.fnmatch(recipe.model, pattern)
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, [*widths, 0], strict=True)) for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)
