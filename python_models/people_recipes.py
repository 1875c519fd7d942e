"""The settings that networks of whole images were published with; they are among `python_models.recipes.RECIPES`.

Schedules that are counted in steps became epochs of the 56,599 images of COCO's train2017 that show labelled people.
Images are fitted into the input whole, then enlarged, turned and shifted by a draw; the published codes cut
squares from them, OpenPose's around one person each. All layers have one learning rate; in OpenPose's and
lightweight OpenPose's codes biases have twice the rate, and later stages four times.
"""

from typing import Any

from python_models.recipe import Recipe, plain_augmentation

_TRAIN_IMAGES = 56_599


def _epochs(steps: int, batch_size: int) -> int:
    """How often so many steps show each image."""
    return round(steps * batch_size / _TRAIN_IMAGES)


def _whole_images(**changes: Any) -> dict[str, Any]:
    """Everybody is turned, by up to 40 degrees, and moved by up to 40 of 368 pixels, as in OpenPose's codes."""
    common = {"scale": 0.5, "rotation_deg": 40.0, "rotation_probability": 1.0, "translation": 0.11}
    return plain_augmentation(**{**common, **changes})


def _part_affinity_fields() -> dict[str, Recipe]:
    cao = "Cao et al., CVPR 2017, published code"
    tpami = "Cao et al., TPAMI 2021, published training files"
    osokin = "Osokin, Lightweight OpenPose, 2018, published code"
    coco = {
        "model": "openpose_body_coco", "optimizer": "sgd", "momentum": 0.9, "weight_decay": 5e-4, "lr": 4e-5,
        "batch_size": 10, "epochs": _epochs(600_000, 10), "drop_factor": 0.333,
        "drop_epochs": tuple(_epochs(drop * 136_106, 10) for drop in range(1, 5)), "augmentation": _whole_images(),
    }  # fmt: skip
    # The published weights are those after 584,000 steps, with feet from a file of the authors; COCO's own files
    # have 17 joints, and these are what is learned from them.
    drops = (200_000, 300_000, 360_000, 420_000, 480_000, 540_000)
    body_25 = {
        "model": "openpose_body_25", "optimizer": "adam", "weight_decay": 5e-4, "lr": 1e-4, "batch_size": 10,
        "epochs": _epochs(584_000, 10), "drop_factor": 0.5,
        "drop_epochs": tuple(_epochs(drop, 10) for drop in drops),
        "augmentation": _whole_images(scale=0.6, rotation_deg=45.0),
    }  # fmt: skip
    # Three runs, each from the weights of the one before: AP 38, 39, and 40 with `{"refinements": 3}` as options.
    # 420,000 steps are 280 epochs there, in which an image comes once for each person that it is cut around.
    lightweight = {
        "model": "lightweight_openpose", "optimizer": "adam", "weight_decay": 5e-4, "lr": 4e-5, "batch_size": 80,
        "epochs": _epochs(420_000, 80), "drop_factor": 0.333,
        "drop_epochs": tuple(_epochs(drop * 1500, 80) for drop in (100, 200, 260)), "augmentation": _whole_images(),
    }  # fmt: skip
    return {
        "openpose_body_coco_368x368": Recipe(coco, "COCO", "test-dev AP 61.8 (refined by CPM)", cao),
        "openpose_body_25_coco_368x368": Recipe(body_25, "COCO", "", tpami),
        "lightweight_openpose_coco_368x368": Recipe(
            lightweight, "COCO", "val AP 40 (38 after the first run)", osokin
        ),
    }


def _tags() -> dict[str, Recipe]:
    """Fitted to the longer side; HigherHRNet's images fill the input with their shorter one, times 0.67 to 1.33."""
    newell = "Newell et al., NIPS 2017; the authors' pose-ae-train, which runs until it is stopped"
    cheng = "Cheng et al., HigherHRNet, CVPR 2020, published code"
    mmpose = "mmpose, ae_hrnet-w32_8xb24-300e_coco-512x512"
    # Hues are turned there as well.
    hourglass = {
        "model": "pose_ae_hourglass4", "optimizer": "adam", "lr": 2e-4, "batch_size": 32, "flip_test": True,
        "epochs": 130, "drop_epochs": (_epochs(200_000, 32),), "drop_factor": 0.05,
        "augmentation": _whole_images(
            scale=0.25, rotation_deg=30.0, translation=0.2, brightness=0.5, tint=0.1, offset=0.3
        ),
    }  # fmt: skip
    higher = {
        "model": "higherhrnet_w32", "optimizer": "adam", "lr": 1e-3, "batch_size": 48, "flip_test": True,
        "epochs": 300, "drop_epochs": (200, 260), "drop_factor": 0.1,
        "augmentation": _whole_images(scale=0.4, rotation_deg=30.0, translation=0.15),
    }  # fmt: skip
    plain = {**higher, "model": "ae_hrnet_w32", "lr": 1.5e-3, "batch_size": 192, "warmup_steps": 500}
    return {
        "pose_ae_hourglass4_coco_512x512": Recipe(hourglass, "COCO", "AP 59 (66 at several scales)", newell),
        "higherhrnet_w32_coco_512x512": Recipe(higher, "COCO", "val AP 67.1", cheng),
        "ae_hrnet_w32_coco_512x512": Recipe(plain, "COCO", "val AP 65.6", mmpose),
    }


def _centres() -> dict[str, Recipe]:
    """From the weights of CenterNet's detector there."""
    zhou = "Zhou et al., Objects as Points, 2019, published code"
    once = {
        "model": "centernet_hourglass", "optimizer": "adam", "lr": 2.5e-4, "batch_size": 24, "epochs": 50,
        "drop_epochs": (40,), "drop_factor": 0.1,
        "augmentation": _whole_images(
            scale=0.4, rotation_deg=0.0, translation=0.25, brightness=0.4, tint=0.1, offset=0.1
        ),
    }  # fmt: skip
    thrice = {**once, "epochs": 150, "drop_epochs": (130,)}
    return {
        "centernet_hourglass_coco_512x512": Recipe(once, "COCO", "val AP 58.7 (mirrored images too)", zhou),
        "centernet_hourglass_3x_coco_512x512": Recipe(
            thrice, "COCO", "val AP 64.0 (mirrored images too)", zhou
        ),
    }


PEOPLE_RECIPES: dict[str, Recipe] = {**_part_affinity_fields(), **_tags(), **_centres()}
