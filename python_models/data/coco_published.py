"""COCO and CrowdPose in the folders in which they are published."""

from __future__ import annotations

from pathlib import Path

from python_models.data.coco import CocoKeypoints
from python_models.data.published import PublishedDataset, find_file, find_folder, splits_there
from python_models.data.skeletons import COCO_SKELETON, CROWDPOSE_SKELETON

_COCO = {
    split: tuple(f"annotations/person_keypoints_{split}{year}.json" for year in (2017, 2014))
    for split in ("train", "val")
}
_CROWDPOSE = {
    split: tuple(f"{folder}crowdpose_{split}.json" for folder in ("json/", "annotations/", ""))
    for split in ("train", "val")
}


class Coco(CocoKeypoints, PublishedDataset):
    """COCO keypoints of 2017 or 2014.

    `path` holds `annotations/person_keypoints_train2017.json` and so on, and the images in `train2017/`, or in
    `images/train2017/`. Pixels are counted as here. `CocoKeypoints` says what is left out.

    Source: Lin et al., Microsoft COCO: Common Objects in Context, ECCV 2014.
    """

    def __init__(self, path: str | Path, images: str | Path | None = None, *, split: str) -> None:
        annotations = find_file(path, *_COCO[split])
        folder = annotations.stem.rpartition("_")[2]
        root = annotations.parent
        usual = (root.parent / folder, root.parent / "images" / folder, root / folder, root)
        CocoKeypoints.__init__(self, annotations, find_folder(images, *usual), skeleton=COCO_SKELETON)

    @classmethod
    def splits(cls, path: Path) -> tuple[str, ...]:
        return splits_there(path, _COCO)


class CrowdPose(CocoKeypoints, PublishedDataset):
    """CrowdPose: 14 joints, many people to an image.

    `path` holds `images/` and `json/crowdpose_train.json`, `json/crowdpose_val.json` (or in `annotations/`). The
    published accuracies are those of `crowdpose_test.json`, after training on `crowdpose_trainval.json`: name the
    file itself for these. Pixels are counted as here. The files have no areas: they are 0.53 of the box, as in the
    published evaluation; `to_coco` keeps each image's `crowdIndex`. `CocoKeypoints` says what is left out.

    Source: Li et al., CrowdPose: Efficient Crowded Scenes Pose Estimation and a New Benchmark, CVPR 2019.
    """

    def __init__(self, path: str | Path, images: str | Path | None = None, *, split: str) -> None:
        annotations = find_file(path, *_CROWDPOSE[split])
        root = annotations.parent
        folder = find_folder(images, root.parent / "images", root / "images")
        CocoKeypoints.__init__(self, annotations, folder, skeleton=CROWDPOSE_SKELETON)

    @classmethod
    def splits(cls, path: Path) -> tuple[str, ...]:
        return splits_there(path, _CROWDPOSE)
