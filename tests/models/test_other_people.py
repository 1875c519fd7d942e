"""Training with other people's joints in the crop: what batches say of them, and the loss, worked out by hand."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import pyposeops
from python_models import zoo
from python_models.cascade import RefinementCascade
from python_models.data import (
    COCO_SKELETON,
    Augmentation,
    Batch,
    BatchPreparer,
    GeneratedCrowds,
    OtherPeople,
    PoseDataset,
    Sample,
    labelled_inside,
)
from python_models.errors import UserError
from python_models.model_card import ModelCard
from python_models.objectives import LossSettings, Objective
from python_models.refinement_phases import Refinement
from python_models.settings import TrainSettings
from python_models.train import train_on
from python_models.zoo import ModelInfo
from tests.models.test_training import assert_same_run
from tests.models.tiny import Dots, tiny_settings
from tests.models.tiny_crowds import COLOURS, TwoPeople

SIZE, MAP = (128, 96), (32, 24)
DRAWN = Augmentation(flip_probability=0.5, half_body_probability=0.3)
TRAINED = LossSettings(interference_weight=0.5)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Networks this small are slower on many threads, and tests may share the machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


class Together(TwoPeople):
    """Both people in the box of each."""

    def __init__(self, count: int) -> None:
        super().__init__(count)
        for record in self.records:
            record.box_xywh = np.float32([0, 0, 96, 64])


def samples(dataset: PoseDataset, indices: range) -> list[Sample]:
    return [dataset[index] for index in indices]


@pytest.fixture(scope="module")
def crowd() -> GeneratedCrowds:
    return GeneratedCrowds(5, 4, crowding=0.8)


@pytest.fixture(scope="module")
def batch(crowd: GeneratedCrowds) -> Batch:
    prepare = BatchPreparer(crowd, size=SIZE, augmentation=DRAWN, others=True)
    return prepare(samples(crowd, range(len(crowd))), torch.Generator().manual_seed(2))


def others_by_hand(dataset: PoseDataset, batch: Batch, place: int) -> tuple[np.ndarray, np.ndarray]:
    """(M, K, 2) and (M, K): the others of the image, moved by the crop's affine, right joints left in a mirror."""
    own = dataset.records[batch.indices[place]]
    affine = batch.affines[place].double().numpy()
    mirrored = np.linalg.det(affine[:, :2]) < 0
    order = list(dataset.skeleton.flip_order) if mirrored else list(range(dataset.skeleton.num_joints))
    there = [record for record in dataset.records if record.image_id == own.image_id and record is not own]
    keypoints = [
        record.keypoints[order].astype(np.float64) @ affine[:, :2].T + affine[:, 2] for record in there
    ]
    return np.array(keypoints), np.array([record.visibility[order] for record in there])


def assert_others(dataset: PoseDataset, batch: Batch, place: int) -> None:
    keypoints, visibility = others_by_hand(dataset, batch, place)
    there = batch.others.visibility[place].any(1)
    np.testing.assert_allclose(batch.others.keypoints[place][there], keypoints, atol=2e-3)
    np.testing.assert_array_equal(batch.others.visibility[place][there], visibility)


def test_others_are_where_the_crops_affine_takes_them(crowd, batch):
    for place in range(len(crowd)):
        assert_others(crowd, batch, place)
    flips = int((torch.det(batch.affines[:, :, :2]) < 0).sum())
    assert 2 < flips < len(crowd) - 2
    alone = (batch.others.visibility == 0).all(2)
    assert not alone.all(1).any() and alone.any()  # images show different numbers of people


def test_the_crop_shows_the_others_where_the_batch_says():
    dataset = Together(6)
    drawn = Augmentation(scale=0.2, brightness=0.0, tint=0.0, offset=0.0)
    colours = {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}
    prepare = BatchPreparer(dataset, size=SIZE, augmentation=drawn, others=True, **colours)
    batch = prepare(samples(dataset, range(12)), torch.Generator().manual_seed(0))
    checked = set()
    for place, mirrored in enumerate(torch.det(batch.affines[:, :, :2]) < 0):
        order = dataset.skeleton.flip_order if mirrored else range(3)
        inside = labelled_inside(batch.others.keypoints[place], batch.others.visibility[place], SIZE)
        for person, joint in inside.nonzero().tolist():
            x, y = batch.others.keypoints[place, person, joint].round().int().tolist()
            # A mirror shows the colour of the right shoulder where the left one is.
            expected = torch.tensor(COLOURS[order[joint]]) / 255
            torch.testing.assert_close(batch.crops[place, :, y, x], expected, atol=0.1, rtol=0)
            checked.add((bool(mirrored), joint))
    assert len(checked) == 6


def test_everything_else_in_a_batch_is_as_without(crowd, batch):
    plain = BatchPreparer(crowd, size=SIZE, augmentation=DRAWN)
    other = plain(samples(crowd, range(len(crowd))), torch.Generator().manual_seed(2))
    assert other.others is None
    for name in ("crops", "keypoints", "visibility", "affines", "indices"):
        assert torch.equal(getattr(other, name), getattr(batch, name))
    assert len(list(batch.tensors())) == len(list(other.tensors())) + 2


def card(monkeypatch: pytest.MonkeyPatch, info: ModelInfo | None = None, **values: Any) -> ModelCard:
    monkeypatch.setitem(zoo._INFOS, "made_up", info or ModelInfo())
    return ModelCard("made_up", SIZE, COCO_SKELETON, **{"encoding": "unbiased", **values})


def gaussians(keypoints: Tensor, visibility: Tensor, sigma: float) -> Tensor:
    """(..., h, w): the whole Gaussian around each labelled joint."""
    x = torch.arange(MAP[1]) - keypoints[..., 0, None, None] / 4
    y = torch.arange(MAP[0])[:, None] - keypoints[..., 1, None, None] / 4
    return torch.exp(-(x.square() + y.square()) / (2 * sigma**2)) * (visibility > 0)[..., None, None]


def weights_of(batch: Batch, sigma: float) -> Tensor:
    """(N, K): labelled, and the square of 3 sigma around the joint reaches the map, by a pixel on its near side."""
    at, reach = batch.keypoints / 4, 3 * sigma
    near = (at - reach < torch.tensor(MAP[::-1])) & (at + reach + 1 >= 0)
    return ((batch.visibility > 0) & near.all(-1)).float()


def candidates(batch: Batch, sigma: float, mu: float) -> Tensor:
    """T + mu C of the paper, (N, K, h, w)."""
    own = gaussians(batch.keypoints, weights_of(batch, sigma), sigma)
    return own + mu * gaussians(batch.others.keypoints, in_crop(batch), sigma).amax(1)


def in_crop(batch: Batch) -> Tensor:
    """(N, M, K): the others' visibility, 0 outside the crop."""
    x, y = batch.others.keypoints.unbind(-1)
    inside = (x >= 0) & (x <= SIZE[1] - 1) & (y >= 0) & (y <= SIZE[0] - 1)
    return batch.others.visibility * inside


def test_the_loss_of_several_stages_is_that_of_the_paper(batch, generator, monkeypatch):
    count = len(batch.crops)
    stages = [torch.rand(count, 17, *MAP, generator=generator) for _ in range(2)]
    settings = LossSettings(interference_weight=0.5, stage_sigmas=(3.0, 1.5), stage_weights=(0.5, 2.0))
    got = Objective(settings, card(monkeypatch))(stages, batch)
    expected = 0.0
    for factor, sigma, maps in zip((0.5, 2.0), (3.0, 1.5), stages, strict=True):
        squares = (maps - candidates(batch, sigma, 0.5)).square().mean((2, 3))
        expected = expected + factor * (0.5 * squares * weights_of(batch, sigma)).mean()
    torch.testing.assert_close(got, expected, rtol=1e-5, atol=0)


def test_a_background_is_where_no_candidate_is(batch, generator, monkeypatch):
    maps = torch.rand(len(batch.crops), 18, *MAP, generator=generator)
    got = Objective(TRAINED, card(monkeypatch, ModelInfo(background=True)))([maps], batch)
    wanted = candidates(batch, 2.0, 0.5)
    joints = 0.5 * (maps[:, :17] - wanted).square().mean((2, 3)) * weights_of(batch, 2.0)
    empty = 0.5 * (maps[:, 17] - (1 - wanted.amax(1)).clamp_min(0)).square().mean((1, 2))
    torch.testing.assert_close(got, torch.cat([joints, empty[:, None]], 1).mean(), rtol=1e-5, atol=0)


@pytest.mark.parametrize("encoding", ["msra", "udp", "megvii"])
def test_candidates_look_as_the_encoding_draws_joints(batch, generator, monkeypatch, encoding):
    maps = torch.rand(len(batch.crops), 17, *MAP, generator=generator)
    kernel = {"kernel_size": 7} if encoding == "megvii" else {"sigma": 2.0}
    settings = LossSettings(interference_weight=0.3, stage_kernels=(7,) if encoding == "megvii" else ())
    got = Objective(settings, card(monkeypatch, encoding=encoding))([maps], batch)

    def drawn(keypoints: Tensor, visibility: Tensor) -> Any:
        return pyposeops.gaussian_heatmap(
            keypoints, (visibility > 0).float(), MAP, encoding=encoding, input_size=SIZE, **kernel
        )

    target, weights = drawn(batch.keypoints, batch.visibility)
    both = target + 0.3 * drawn(batch.others.keypoints, in_crop(batch)).heatmaps
    expected = (0.5 * (maps - both).square().mean((2, 3)) * weights).mean()
    torch.testing.assert_close(got, expected, rtol=1e-5, atol=0)


def test_without_others_the_loss_is_the_plain_one(batch, generator, monkeypatch):
    maps = torch.rand(len(batch.crops), 17, *MAP, generator=generator)
    plain = Objective(LossSettings(), card(monkeypatch))([maps], batch)
    assert torch.equal(
        plain, Objective(LossSettings(), card(monkeypatch))([maps], batch._replace(others=None))
    )
    nobody = OtherPeople(batch.others.keypoints, torch.zeros_like(batch.others.visibility))
    alone = Objective(TRAINED, card(monkeypatch))([maps], batch._replace(others=nobody))
    torch.testing.assert_close(alone, plain)
    assert Objective(TRAINED, card(monkeypatch))([maps], batch) != plain


def test_a_closer_crop_of_a_cascade_shows_the_others_too(crowd, batch, monkeypatch):
    own = card(monkeypatch, stages=2)
    network = RefinementCascade([torch.nn.Identity(), torch.nn.Identity()], 17)
    settings = TrainSettings(model="made_up", loss=TRAINED, crops_per_person=3)
    closer = Refinement(network, 1, own, settings).closer_batch(batch, torch.Generator().manual_seed(0))
    found = closer.affines.isfinite().all((1, 2))
    assert found.sum() > len(crowd)
    for place in found.nonzero().flatten().tolist():
        assert_others(crowd, closer, place)


@pytest.mark.parametrize(
    ("info", "values", "kind"),
    [
        (ModelInfo(output="coordinates"), {}, "auto"),
        (ModelInfo(output="volume"), {}, "auto"),
        (None, {"head": "integral"}, "both"),
        (None, {"head": "simcc"}, "auto"),
    ],
)
def test_a_network_that_gives_one_place_is_refused(monkeypatch, info, values, kind):
    with pytest.raises(UserError, match=r"loss\.interference_weight: made_up with head \w+ gives one place"):
        Objective(LossSettings(kind=kind, interference_weight=0.5), card(monkeypatch, info, **values))


def test_what_cannot_be_meant_is_refused(batch, monkeypatch, tmp_path: Path):
    for weight in (-0.1, 1.5, float("nan")):
        with pytest.raises(UserError, match="interference_weight: expected 0 to 1"):
            LossSettings(interference_weight=weight)
    with pytest.raises(UserError, match=r"loss\.interference_weight: needs batches that tell who else"):
        Objective(TRAINED, card(monkeypatch))(
            [torch.zeros(len(batch.crops), 17, *MAP)], batch._replace(others=None)
        )
    with pytest.raises(UserError, match=r"data: no image shows two .* loss\.interference_weight needs some"):
        train_on(tiny_settings(tmp_path, loss=TRAINED), Dots(8), None)
    with pytest.raises(UserError, match="loss: lightweight_openpose has a loss of its own"):
        train_on(
            tiny_settings(tmp_path, loss=TRAINED, model="lightweight_openpose", options={}),
            TwoPeople(4),
            None,
        )
    with pytest.raises(UserError, match=r"loss\.interference_weight: cannot be learned behind a transformer"):
        train_on(tiny_settings(tmp_path, loss=TRAINED, stn_width=4), TwoPeople(4), None)
    assert not list(tmp_path.iterdir())


def test_a_run_is_the_same_in_workers_and_after_a_stop(tmp_path: Path):
    data = Together(6)

    def settings(folder: str, **changes: Any) -> TrainSettings:
        values = {"loss": TRAINED, "batch_size": 6, **changes}
        return tiny_settings(tmp_path / folder, **values)

    whole = train_on(settings("whole"), data, None)
    assert_same_run(train_on(settings("workers", workers=2), data, None), whole)
    train_on(settings("resumed", epochs=1), data, None)
    assert_same_run(train_on(settings("resumed", resume=str(tmp_path / "resumed")), data, None), whole)
    plain = train_on(settings("plain", epochs=1, loss=LossSettings()), data, None)
    assert plain.history[0]["train_loss"] != whole.history[0]["train_loss"]
