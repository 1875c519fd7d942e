"""Any value anywhere in a published file: people, or an error in words that names the file."""

import copy
import random
import warnings

import numpy as np
import pytest
from scipy.io import savemat

from python_models.data import (
    CROWDPOSE_SKELETON,
    POSETRACK_SKELETON,
    AiChallenger,
    AnnotationError,
    CrowdPose,
    Flic,
    Mpii,
    PoseTrack18,
)
from tests.models.published_files import (
    aic_entry,
    coco_content,
    coco_person,
    flic_example,
    mpii_entry,
    mpii_point,
    mpii_rect,
    structs,
    write_flic,
    write_images,
    write_json,
    write_mpii_release,
)

IMAGE = {"id": 1, "file_name": "images/1.jpg", "is_labeled": True}
TRACKED = coco_person(1, 1, 17, track_id=3, bbox_head=[1, 2, 3, 4])
LISTS = {
    "mpii": (
        Mpii,
        "annot/train.json",
        [mpii_entry("1.jpg", np.arange(32.0).reshape(16, 2), np.ones(16))] * 2,
    ),
    "crowdpose": (
        CrowdPose,
        "json/crowdpose_train.json",
        coco_content(
            [{**IMAGE, "file_name": "1.jpg"}], [coco_person(1, 1, 14)], CROWDPOSE_SKELETON.joint_names
        ),
    ),
    "posetrack18": (
        PoseTrack18,
        "annotations/train/video.json",
        coco_content([IMAGE], [TRACKED], POSETRACK_SKELETON.joint_names),
    ),
    "aic": (
        AiChallenger,
        "keypoint_train_annotations_20170909.json",
        [
            aic_entry(
                "1", {"human1": ([1, 2, 30, 40], np.arange(42.0).reshape(14, 3) * [1, 1, 0] + [0, 0, 1])}
            )
        ],
    ),
}
JSON_VALUES = [
    None,
    "x",
    "",
    -1,
    -2.5,
    True,
    1e400,
    float("nan"),
    10**30,
    10**400,
    [],
    {},
    [1],
    [[1, 2], [3]],
]
MAT_VALUES = ["x", "", -1.0, np.nan, np.inf, [], np.zeros((2, 3)), structs([{"a": 1.0}]), 10**9]


def places(value, path=()):
    """Paths to everything inside of a value."""
    yield path
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, entry in inside:
        yield from places(entry, (*path, key))


def changed(content, draw):
    content = copy.deepcopy(content)
    *parents, last = draw.choice(list(places(content))[1:])
    place = content
    for key in parents:
        place = place[key]
    if draw.random() < 0.2:
        del place[last]
    else:
        place[last] = draw.choice(JSON_VALUES)
    return content


def opens_or_tells(kind, folder):
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # overflow to infinity, which is then told
            people = kind(folder, split="train")
    except AnnotationError as error:
        assert str(folder) in str(error)
    else:
        assert len(people.to_coco()["annotations"]) >= len(people) > 0
        assert all(np.isfinite(record.keypoints).all() for record in people.records)


@pytest.mark.parametrize("name", LISTS)
def test_json_files(tmp_path, name):
    kind, file, content = LISTS[name]
    write_images(tmp_path / folder / "1.jpg" for folder in ("images", "keypoint_train_images_20170902"))
    write_json(tmp_path / file, content)
    assert len(kind(tmp_path, split="train")) > 0
    draw = random.Random(0)
    for _ in range(250):
        write_json(tmp_path / file, changed(content, draw))
        opens_or_tells(kind, tmp_path)


def test_release_of_mpii(tmp_path):
    draw = random.Random(0)
    write_images([tmp_path / "images" / "1.jpg"])
    for _ in range(100):
        rect = mpii_rect([mpii_point(0, 9, 9), mpii_point(1, 20, 30)])
        point = mpii_point(1, 20, 30)
        which = draw.choice([rect, point])
        which[draw.choice(list(which))] = draw.choice(MAT_VALUES)
        if which is point:
            rect["annopoints"] = {"point": structs([mpii_point(0, 9, 9), point])}
        write_mpii_release(tmp_path, [("1.jpg", 1, [rect])])
        opens_or_tells(Mpii, tmp_path)
    for value in MAT_VALUES:
        savemat(tmp_path / "mpii_human_pose_v1_u12_1.mat", {"RELEASE": value})
        opens_or_tells(Mpii, tmp_path)


def test_examples_of_flic(tmp_path):
    fields = ("coords", "filepath", "torsobox", "istrain")
    for field in fields:
        for value in MAT_VALUES:
            write_flic(tmp_path, [flic_example("1.jpg", 1)])
            savemat(
                tmp_path / "examples.mat", {"examples": structs([flic_example("1.jpg", 1) | {field: value}])}
            )
            opens_or_tells(Flic, tmp_path)
