"""Recipes train, stop and go on to the same bits, with small networks, on generated and on real people."""

import re
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from python_models.data import CocoKeypoints, GeneratedCrowds, GeneratedPeople, PersonRecord, PoseDataset
from python_models.recipes import RECIPES
from python_models.settings import TrainSettings
from python_models.sources import as_seen
from python_models.train import train_on
from python_models.zoo import model_info
from tests.models.small import SMALL
from tests.models.test_recipes import parsed
from tests.models.test_training import assert_same_run

PEOPLE = 4
SAME_LAYERS = {"ae_hrnet_w32": "higherhrnet_w32"}  # one without the other's enlarging layers


class Kept(PoseDataset):
    """The first people of a data set, decoded once; a signal comes with the image of a given count."""

    def __init__(self, dataset: PoseDataset, at_load: int | None = None) -> None:
        self.skeleton, self.records = dataset.skeleton, dataset.records[:PEOPLE]
        self.images = {record.annotation_id: dataset.load_image(record) for record in self.records}
        self.loads, self.at_load = 0, at_load

    def load_image(self, record: PersonRecord) -> Any:
        self.loads += 1
        if self.loads == self.at_load:
            signal.raise_signal(signal.SIGINT)
        return self.images[record.annotation_id]

    def stopping(self, at_load: int | None) -> "Kept":
        self.loads, self.at_load = 0, at_load
        return self


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def generated() -> Kept:
    return Kept(GeneratedPeople(1, PEOPLE))


@pytest.fixture(scope="module")
def crowd() -> Kept:
    return Kept(GeneratedCrowds(1, PEOPLE))


@pytest.fixture(scope="module")
def real(pose_data: Path) -> Kept:
    return Kept(CocoKeypoints(str(pose_data / "lspet"), None, split="val"))


def small(recipe: str, out: Path, **changes: Any) -> TrainSettings:
    """The recipe with a network of a few channels, crops and batches to match, and two epochs in each phase."""
    settings = parsed("--recipe", recipe)
    kind = next(
        name for name in SMALL if _family(name) == _family(SAME_LAYERS.get(settings.model, settings.model))
    )
    options = {**settings.options, **SMALL[kind].options}
    options.pop("num_limbs", None)  # follows from the data
    # torch's CPU gradient of 1x1 convolutions with a stride breaks the heap in channels_last with few channels.
    settings = replace(settings, channels_last=settings.model != "centernet_hourglass")
    return replace(
        settings, options=options, input_size=SMALL[kind].size, epochs=2,
        phase_epochs=(), batch_size=2, workers=0, devices=1, accelerator="cpu", out=str(out), **changes,
    )  # fmt: skip


def _family(model: str) -> str:
    return re.sub(r"\d+$", "", model).replace("_se_resnet", "_res")  # FastPose's first name of the same


def check(recipe: str, people: Kept, folder: Path) -> None:
    whole = train_on(small(recipe, folder / "whole"), people.stopping(None), None)
    phases = {row.get("phase") for row in whole.history}
    assert len(whole.history) == 2 * len(phases) and all(row["train_loss"] > 0 for row in whole.history)
    second_epoch = len(as_seen(people, RECIPES[recipe].model)) + 1
    stopped = train_on(small(recipe, folder / "parts"), people.stopping(second_epoch), None)
    assert stopped.stopped
    resumed = train_on(
        small(recipe, folder / "parts", resume=str(folder / "parts")), people.stopping(None), None
    )
    assert_same_run(resumed, whole)


def _kinds() -> list[str]:
    """The first recipe of each: the others differ in depth, in size and in numbers."""
    kinds: dict[Any, str] = {}
    for name, recipe in RECIPES.items():
        loss = tuple(sorted(recipe.settings.get("loss", {})))
        kind = (_family(recipe.model), loss, *(recipe.settings.get(key) for key in ("encoding", "head")))
        kinds.setdefault(kind, name)
    return list(kinds.values())


@pytest.mark.parametrize("recipe", _kinds())
def test_a_recipe_trains_and_goes_on_bit_for_bit(recipe: str, generated: Kept, crowd: Kept, tmp_path: Path):
    settings = RECIPES[recipe].settings
    sees_others = (
        "interference_weight" in settings.get("loss", {}) or model_info(settings["model"]).input == "image"
    )
    check(recipe, crowd if sees_others else generated, tmp_path)


# One of each kind of target and loss.
REAL = (
    "pose_resnet50_coco_256x192", "pose_hrnet_w32_udp_coco_256x192", "hourglass2_mpii_256x256",
    "cpn50_coco_256x192", "mspn2_coco_256x192", "pose_resnet50_i1_mpii_256x256", "integral_resnet50_256x256",
    "deeppose_alexnet_lsp_220x220",
)  # fmt: skip


@pytest.mark.parametrize("recipe", REAL)
def test_a_recipe_trains_on_real_people(recipe: str, real: Kept, tmp_path: Path):
    check(recipe, real, tmp_path)
