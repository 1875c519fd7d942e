"""Opening the data that a command line names: people that are generated, in COCO form, or of a published set."""

from pathlib import Path

from python_models.data import (
    NETWORK_SKELETONS,
    AiChallenger,
    Coco,
    CocoKeypoints,
    CrowdPose,
    Flic,
    GeneratedCrowds,
    GeneratedPeople,
    ImagePeople,
    LeedsSports,
    LeedsSportsExtended,
    Mpii,
    PoseDataset,
    PoseTrack18,
    PublishedDataset,
    Skeleton,
    has_split,
)
from python_models.data.image_people import follows
from python_models.errors import UserError, unknown_name
from python_models.zoo import model_info

GENERATED, CROWDS = "generated", "crowds"
# What may stand before the colon of NAME:PATH.
PUBLISHED: dict[str, type[PublishedDataset]] = {
    "aic": AiChallenger,
    "coco": Coco,
    "crowdpose": CrowdPose,
    "flic": Flic,
    "lsp": LeedsSports,
    "lspet": LeedsSportsExtended,
    "mpii": Mpii,
    "posetrack18": PoseTrack18,
}
# Seeds of generated people: what a model is scored on was never trained on.
TRAIN_SEED, VAL_SEED, TEST_SEED = 1, 2, 3


def open_training_data(data: str, *, images: str | None, count: int) -> PoseDataset:
    """The people to train on; `count` of them where they are generated."""
    if is_generated(data):
        return open_generated(data, TRAIN_SEED, count)
    named = _published(data)
    if named is not None:
        return _open_published(*named, images, wanted="train")
    return CocoKeypoints(data, images, split="train" if has_split(data, "train") else None)


def open_validation_data(data: str, val: str | None, *, images: str | None, count: int) -> PoseDataset | None:
    """The people to score on: `val` where given, else the split `val` of `data`, else none."""
    if val is None and not is_generated(data) and not _has_both(data):
        return None
    return open_evaluation_data(val or data, images=images, count=count)


def open_evaluation_data(data: str, *, images: str | None, count: int) -> PoseDataset:
    """The people of `data` itself, or of its split `val` where it has one."""
    if is_generated(data):
        return open_generated(data, VAL_SEED, count)
    named = _published(data)
    if named is not None:
        return _open_published(*named, images, wanted="val" if _has_val(data) else "train")
    return CocoKeypoints(data, images, split="val" if has_split(data, "val") else None)


def is_generated(data: str) -> bool:
    """Tell whether `data` names people that are drawn: `generated`, `crowds`, or `crowds:0.6`."""
    return data == GENERATED or data.partition(":")[0] == CROWDS


def open_generated(data: str, seed: int, count: int) -> PoseDataset:
    """`count` people, one in an image each, or so many images of crowds."""
    kind, _, crowding = data.partition(":")
    if kind == GENERATED:
        return GeneratedPeople(seed, count)
    try:
        return GeneratedCrowds(seed, count, float(crowding)) if crowding else GeneratedCrowds(seed, count)
    except ValueError:
        raise UserError(f"data {data}: expected crowds, or crowds:X with X from 0 to 1") from None


def _published(data: str) -> tuple[type[PublishedDataset], Path] | None:
    """Take NAME:PATH apart; None for a plain path, among which are those of Windows and files with a colon."""
    name, colon, path = data.partition(":")
    if not colon or len(name) == 1 or not name.isalnum() or Path(data).exists():
        return None
    if name not in PUBLISHED:
        raise unknown_name("data set", name, PUBLISHED)
    if not Path(path).exists():
        raise UserError(f"data {data}: no such file or folder {path!r}")
    return PUBLISHED[name], Path(path)


def _has_val(data: str) -> bool:
    named = _published(data)
    return has_split(data, "val") if named is None else "val" in named[0].splits(named[1])


def _has_both(data: str) -> bool:
    """Tell whether `data` has people to score on besides those to train on."""
    named = _published(data)
    return has_split(data, "val") if named is None else {"train", "val"} <= set(named[0].splits(named[1]))


def _open_published(
    kind: type[PublishedDataset], path: Path, images: str | None, *, wanted: str
) -> PoseDataset:
    """A file that is named itself serves for training and scoring alike, whatever split it is."""
    splits = kind.splits(path)
    if wanted not in splits and not (path.is_file() and splits):
        raise UserError(f"data {path}: has no people for {wanted!r}; it has {', '.join(splits) or 'none'}")
    return kind(path, images, split=wanted if wanted in splits else splits[0])


def as_seen(data: PoseDataset, model: str) -> PoseDataset:
    """The data as a network of the zoo sees them: person by person, or image by image.

    For networks of whole images the joints become those that the network was published with, where these follow.
    """
    info = model_info(model)
    if info.input == "crop" or isinstance(data, ImagePeople):
        return data
    published = NETWORK_SKELETONS.get(info.num_joints)
    fits = published is not None and follows(published, data.skeleton)
    return ImagePeople(data, published if fits else None)


def check_same_joints(trained: Skeleton, labelled: Skeleton) -> None:
    """Raise where a model for one skeleton cannot be scored on the other."""
    if trained.joint_names != labelled.joint_names:
        raise UserError(
            f"joints do not match: the model has {_in_words(trained)}, the data {_in_words(labelled)}"
        )


def _in_words(skeleton: Skeleton) -> str:
    return f"{skeleton.num_joints} ({', '.join(skeleton.joint_names)})"
