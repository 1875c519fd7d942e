"""Opening the data that a command line names: `generated`, or people in COCO form."""

from python_models.data import CocoKeypoints, GeneratedPeople, PoseDataset, Skeleton, has_split
from python_models.errors import UserError

GENERATED = "generated"
# Seeds of generated people: what a model is scored on was never trained on.
TRAIN_SEED, VAL_SEED, TEST_SEED = 1, 2, 3


def open_training_data(data: str, *, images: str | None, count: int) -> PoseDataset:
    """The people to train on; `count` of them where they are generated."""
    if data == GENERATED:
        return GeneratedPeople(TRAIN_SEED, count)
    return CocoKeypoints(data, images, split="train" if has_split(data, "train") else None)


def open_validation_data(data: str, val: str | None, *, images: str | None, count: int) -> PoseDataset | None:
    """The people to score on: `val` where given, else the split `val` of `data`, else none."""
    if val is None and data != GENERATED and not has_split(data, "val"):
        return None
    return open_evaluation_data(val or data, images=images, count=count)


def open_evaluation_data(data: str, *, images: str | None, count: int) -> PoseDataset:
    """The people of `data` itself, or of its split `val` where it has one."""
    if data == GENERATED:
        return GeneratedPeople(VAL_SEED, count)
    return CocoKeypoints(data, images, split="val" if has_split(data, "val") else None)


def check_same_joints(trained: Skeleton, labelled: Skeleton) -> None:
    """Raise where a model for one skeleton cannot be scored on the other."""
    if trained.joint_names != labelled.joint_names:
        raise UserError(
            f"joints do not match: the model has {_in_words(trained)}, the data {_in_words(labelled)}"
        )


def _in_words(skeleton: Skeleton) -> str:
    return f"{skeleton.num_joints} ({', '.join(skeleton.joint_names)})"
