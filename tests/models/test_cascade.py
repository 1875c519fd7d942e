"""DeepPose's cascade: its geometry, its training data, and that it is trained and resumed stage by stage."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from python_models.__main__ import main
from python_models.cascade import RefinementCascade, torso_lengths
from python_models.checkpoints import read_checkpoint
from python_models.data import Augmentation, Batch, Skeleton, export_coco
from python_models.data.prepare import IMAGENET_MEAN, IMAGENET_STD
from python_models.errors import UserError
from python_models.evaluate import predict_stages
from python_models.model_card import ModelCard, load_model
from python_models.refinement import build_estimator
from python_models.refinement_phases import Refinement
from python_models.runtime import start_fabric
from python_models.train import TrainResult, train_on
from python_models.training_state import BEST, LAST
from tests.models.test_training import StopsItself, assert_same_run, weights
from tests.models.tiny import COLOURS, DOTS, STILL, Dots, tiny_settings

SIZE = (48, 32)
CARD = ModelCard("deeppose_resnet50", SIZE, DOTS, stages=3, stage_torsos=1.5)
TURNED = Augmentation(scale=0.2, rotation_deg=60.0, rotation_probability=1.0, half_body_probability=0.0)
CASCADE: dict[str, Any] = {
    "model": "deeppose_resnet18",
    "options": {"width": 4, "blocks": [1, 1, 1, 1]},
    "stages": 3,
    "phase_epochs": (2, 1, 1),
    "ema_decay": 0.9,
    "schedule": "cosine",
}


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


class Squares(Dots):
    """Dots that lie near the corners of a rectangle, so that every torso has a length; `shift` moves them."""

    def __init__(self, count: int, seed: int = 0) -> None:
        super().__init__(count, seed)
        rng = np.random.default_rng(seed)
        corners = np.float32([[12, 14], [28, 14], [12, 34], [28, 34]])
        for record in self.records:
            record.keypoints = (corners + rng.uniform(-6, 6, (4, 2))).astype(np.float32)


class Beside(nn.Module):
    """Joints near the middle of the crop, wherever they are."""

    def forward(self, crops: Tensor) -> Tensor:
        places = torch.tensor([[0.4, 0.3], [0.6, 0.35], [0.35, 0.6], [0.7, 0.7]])
        return places.expand(len(crops), -1, -1)


class ColourFinder(nn.Module):
    """The middle of what has the joint's colour; that of the crop where nothing has."""

    def forward(self, crops: Tensor) -> Tensor:
        mean, std = (torch.tensor(values)[:, None, None] for values in (IMAGENET_MEAN, IMAGENET_STD))
        colours = torch.tensor(COLOURS / 255, dtype=torch.float32)
        distance = (crops * std + mean - 1e-6)[:, None] - colours[:, :, None, None]
        like = (distance.norm(dim=2) < 0.25).float()
        height, width = crops.shape[-2:]
        count = like.sum((2, 3)).clamp_min(1e-6)
        x = (like.sum(2) * torch.arange(width)).sum(-1) / count / width
        y = (like.sum(3) * torch.arange(height)).sum(-1) / count / height
        found = torch.stack([x, y], dim=-1)
        return torch.where(like.sum((2, 3))[..., None] > 0, found, 0.5)


def batch_of(people: Dots, augmentation: Augmentation | None = None) -> Batch:
    prepare = CARD.batch_preparer(people, torch.device("cpu"), augmentation=augmentation)
    samples = [people[index] for index in range(len(people))]
    return prepare(samples, torch.Generator().manual_seed(1))


def test_a_later_stage_finds_what_lies_in_its_crops_however_the_person_is_turned():
    network = RefinementCascade([Beside(), ColourFinder(), ColourFinder()], 4).eval()
    estimator = build_estimator(network, CARD, device=torch.device("cpu"))
    plain = replace(TURNED, flip_probability=0.0)  # mirrored people have their colours on the other side
    batch = batch_of(Squares(24), plain)
    stages = estimator.stage_poses(batch.crops, None, batch.source)
    errors = [(poses.keypoints - batch.keypoints).norm(dim=-1) for poses in stages]
    assert errors[0].mean() > 5
    seen = (
        errors[1] < 4
    )  # where the first stage was not so far off that the joint lies outside of the second's crop
    assert seen.float().mean() > 0.6 and errors[2][seen].mean() < 0.35
    assert len(stages) == estimator.stage_count() == 3


def test_joints_come_back_to_the_image():
    network = RefinementCascade([ColourFinder(), ColourFinder()], 4).eval()
    card = replace(CARD, stages=2, stage_torsos=1.0)
    estimator = build_estimator(network, card, device=torch.device("cpu"))
    people = Squares(8)
    batch = batch_of(people)
    truth = torch.from_numpy(np.stack([record.keypoints for record in people.records]))
    first, second = estimator.stage_poses(batch.crops, batch.affines, batch.source)
    for poses in (first, second):  # to what a dot of whole pixels tells
        assert (poses.keypoints - truth).abs().mean() < 0.2
    boxes = torch.from_numpy(np.stack([record.box_xywh for record in people.records]))
    images = [people[index].image for index in range(8)]
    found = estimator.from_images(images, boxes, torch.arange(8))
    torch.testing.assert_close(found.keypoints, second.keypoints, rtol=0, atol=1e-3)
    torch.testing.assert_close(
        estimator.from_crops(*batch[:1], batch.affines, batch.source).keypoints, second[0]
    )


def test_crops_alone_are_not_enough():
    network = RefinementCascade([Beside(), Beside()], 4)
    estimator = build_estimator(network, replace(CARD, stages=2), device=torch.device("cpu"))
    with pytest.raises(UserError, match="look at the image again"):
        estimator.from_crops(torch.zeros(1, 3, *SIZE), None)
    untrained = replace(CARD, stages=2, trained_stages=1)
    first_only = build_estimator(network, untrained, device=torch.device("cpu"))
    assert first_only.from_crops(torch.zeros(1, 3, *SIZE), None).keypoints.shape == (1, 4, 2)


def test_a_collapsed_prediction_still_sees_something():
    class Point(nn.Module):
        def forward(self, crops: Tensor) -> Tensor:
            return torch.full((len(crops), 4, 2), 0.5)

    estimator = build_estimator(
        RefinementCascade([Point(), ColourFinder()], 4), replace(CARD, stages=2), device="cpu"
    )
    batch = batch_of(Squares(2))
    assert estimator.from_crops(batch.crops, None, batch.source).keypoints.isfinite().all()


def test_the_torso_is_the_mean_of_its_labelled_diagonals():
    names = DOTS.joint_names
    joints = torch.tensor([[[4.0, 0.0], [0.0, 0.0], [6.0, 8.0], [4.0, 3.0]]]).expand(3, -1, -1)
    labelled = torch.tensor([[1, 1, 1, 1], [1, 0, 1, 1], [0, 0, 1, 1]]) > 0
    torch.testing.assert_close(torso_lengths(joints, names), torch.tensor([6.5] * 3))
    expected = torch.tensor([6.5, 3.0, torch.nan])
    torch.testing.assert_close(torso_lengths(joints, names, labelled), expected, equal_nan=True)


def cascade_of(first: nn.Module) -> RefinementCascade:
    return RefinementCascade([first, nn.Linear(1, 1), nn.Linear(1, 1)], 4)


def refinement(network: RefinementCascade, crops_per_person: int = 0) -> Refinement:
    settings = tiny_settings("", stages=3, crops_per_person=crops_per_person)
    return Refinement(network, 1, CARD, settings)


def test_residuals_are_measured_in_torso_lengths():
    network, batches = cascade_of(Beside()), [batch_of(Squares(6, seed), TURNED) for seed in (1, 2)]
    batches[0].visibility[2, 1] = 0  # a shoulder: the other diagonal counts
    batches[1].visibility[0] = torch.tensor([0.0, 0.0, 1.0, 1.0])  # no torso
    refinement(network).measure(batches, start_fabric("cpu", 1, "32-true"))
    errors: list[list[np.ndarray]] = [[] for _ in range(4)]
    places = Beside()(torch.zeros(1, 3, 1, 1))[0].numpy() * (SIZE[1], SIZE[0])
    for number, batch in enumerate(batches):
        for person, joints in enumerate(batch.keypoints.double().numpy()):
            if (number, person) == (1, 0):
                continue
            diagonals = [np.hypot(*(joints[0] - joints[3])), np.hypot(*(joints[1] - joints[2]))]
            torso = diagonals[0] if (number, person) == (0, 2) else np.mean(diagonals)
            for joint in range(4):
                if batch.visibility[person, joint] > 0:
                    errors[joint].append((places[joint] - joints[joint]) / torso)
    np.testing.assert_allclose(network.residual_mean[0], [np.mean(own, axis=0) for own in errors], atol=1e-5)
    np.testing.assert_allclose(network.residual_std[0], [np.std(own, axis=0) for own in errors], atol=1e-5)
    assert not network.residual_mean[1].any()


def test_crops_are_displaced_like_the_residuals():
    network, people = cascade_of(Beside()), Squares(3000)
    network.residual_mean[0] = torch.tensor([0.2, -0.1])
    network.residual_std[0, 2] = torch.tensor([0.05, 0.3])
    batch = batch_of(people)
    closer = refinement(network).closer_batch(batch, torch.Generator().manual_seed(0))
    assert closer.crops.shape == (12000, 3, *SIZE) and ((closer.visibility > 0).sum(1) == 1).all()
    owner, joint = closer.visibility.nonzero().unbind(1)
    # The crop shows 1.5 torsos across its 32 columns; the joint lies as far from the middle as it was displaced, on
    # the other side.
    torso = torso_lengths(batch.keypoints, DOTS.joint_names)[closer.indices]
    off = (torch.tensor([16.0, 24.0]) - closer.keypoints[owner, joint]) * 1.5 / 32
    third = off[joint == 2].numpy()
    np.testing.assert_allclose(third.mean(0), [0.2, -0.1], atol=0.02)
    np.testing.assert_allclose(third.std(0), [0.05, 0.3], rtol=0.05)
    np.testing.assert_allclose(off[joint == 0].numpy(), np.tile([0.2, -0.1], (3000, 1)), atol=1e-4)
    # From there the affines lead back to the labels, and their scale is that of the torso.
    inside = torch.einsum("nij,nkj->nki", closer.affines[:, :, :2], batch_keypoints(people)[closer.indices])
    torch.testing.assert_close(inside + closer.affines[:, None, :, 2], closer.keypoints, rtol=0, atol=1e-3)
    scale = batch.affines[closer.indices, 0, 0] * 32 / (1.5 * torso)
    torch.testing.assert_close(closer.affines[:, 0, 0], scale, rtol=1e-4, atol=0)


def batch_keypoints(people: Dots) -> Tensor:
    return torch.from_numpy(np.stack([record.keypoints for record in people.records]))


def test_few_crops_of_a_person_show_different_labelled_joints():
    network, people = cascade_of(Beside()), Squares(50)
    for record in people.records[:10]:
        record.visibility[:] = (2, 1, 0, 2)  # one diagonal, three joints
    for record in people.records[10:20]:
        record.visibility[:] = (0, 1, 0, 2)  # no torso
    draw = refinement(network, crops_per_person=3).closer_batch
    closer = draw(batch_of(people), torch.Generator().manual_seed(0))
    labelled = (closer.visibility > 0).view(50, 3, 4)
    assert labelled.sum((1, 2)).tolist() == [3] * 10 + [0] * 10 + [3] * 30
    assert (labelled.sum(1) <= 1).all() and not labelled[:10, :, 2].any()
    again = draw(batch_of(people), torch.Generator().manual_seed(0))
    assert torch.equal(closer.keypoints[:30], again.keypoints[:30])


def test_crops_have_the_colours_of_the_persons_crop():
    people = Squares(4)
    batch = batch_of(people, replace(STILL, brightness=0.5, tint=0.5, offset=0.2))
    whole = torch.eye(2, 3).expand(4, -1, -1)
    torch.testing.assert_close(batch.source.closer(whole, torch.arange(4)), batch.crops)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> TrainResult:
    """Three stages in four epochs of five steps, not interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    return train_on(tiny_settings(folder, **CASCADE), Squares(20), Squares(6, seed=1))


class Stopping(StopsItself, Squares):
    pass


# Images are read for two epochs, then 20 to measure the first stage's errors, an epoch, 20 to measure, an epoch.
@pytest.mark.parametrize(
    ("at_load", "phase", "steps"),
    [(13, 0, 4), (40, 0, 10), (50, 0, 10), (61, 1, 11), (95, 1, 15), (101, 2, 16), (119, 2, 20)],
)
def test_a_run_stopped_in_any_phase_goes_on_bit_for_bit(
    tmp_path: Path, whole: TrainResult, at_load: int, phase: int, steps: int
):
    settings = tiny_settings(tmp_path, **CASCADE)
    assert train_on(settings, Stopping(20, at_load), Squares(6, seed=1)).stopped
    position = read_checkpoint(tmp_path / LAST)["position"]
    assert (position["phase"], position["epoch"] * 5 + position["step"]) == (phase, steps)
    resumed = train_on(replace(settings, resume=str(tmp_path)), Squares(20), Squares(6, seed=1))
    assert_same_run(resumed, whole)


def test_phases_follow_each_other_with_their_own_epochs_and_schedule(whole: TrainResult):
    assert [row["phase"] for row in whole.history] == [1, 1, 2, 3]
    assert [row["epoch"] for row in whole.history] == [1, 2, 3, 4]
    content = read_checkpoint(whole.folder / LAST)
    assert content["card"]["trained_stages"] == 3
    network, card = load_model(whole.folder / BEST)
    assert card.stages == card.trained_stages == 3
    assert (network.residual_std > 0).all()


def test_later_stages_follow_the_average_of_the_first_which_stays_as_it_is(
    tmp_path: Path, whole: TrainResult
):
    train_on(tiny_settings(tmp_path, **CASCADE), Stopping(20, 40), Squares(6, seed=1))
    first = read_checkpoint(tmp_path / LAST)  # after the last step of the first phase
    after = weights(whole.folder)
    for name, value in first["state_dict"].items():
        if name.startswith("stages.0."):
            assert torch.equal(value, after[name])
    later = [
        name for name in after if name.startswith(("stages.1.", "stages.2.")) and name.endswith("weight")
    ]
    assert not any(torch.equal(first["raw_state_dict"][name], after[name]) for name in later)


def test_later_stages_can_start_from_what_the_stage_before_has_learned(tmp_path: Path):
    """With a rate of next to nothing the later stages stay what they began with."""
    settings = tiny_settings(tmp_path, **{**CASCADE, "lr": 1e-12, "stages_start": "before"})
    train_on(settings, Squares(20), Squares(6, seed=1))
    after = weights(tmp_path)
    learnt = [name.removeprefix("stages.0.") for name in after if name.startswith("stages.0.")]
    learnt = [name for name in learnt if name.endswith(("weight", "bias"))]
    for stage in ("stages.1.", "stages.2."):
        assert all(
            torch.allclose(after[stage + name], after["stages.0." + name], atol=1e-6) for name in learnt
        )
    own = replace(settings, stages_start="own", out=str(tmp_path / "own"))
    train_on(own, Squares(20), Squares(6, seed=1))
    after = weights(tmp_path / "own")
    assert not all(
        torch.allclose(after["stages.1." + name], after["stages.0." + name], atol=1e-6) for name in learnt
    )


def test_an_unfinished_run_is_used_up_to_the_stage_it_has(tmp_path: Path):
    train_on(tiny_settings(tmp_path, **CASCADE), Stopping(20, 45), Squares(6, seed=1))
    network, card = load_model(tmp_path / BEST)
    assert card.trained_stages == 1
    fabric = start_fabric("cpu", 1, "32-true")
    options: dict[str, Any] = {"batch_size": 4, "workers": 0}
    assert len(predict_stages(network, card, Squares(6), fabric, every_stage=True, **options)) == 1


def test_a_second_look_lowers_the_error(tmp_path: Path):
    settings = tiny_settings(
        tmp_path,
        model="deeppose_resnet18",
        options={"width": 16, "blocks": [1, 1, 1, 1]},
        stages=3,
        stage_torsos=1.0,
        augmentation=STILL,
        batch_size=16,
        epochs=12,
        lr=3e-3,
        schedule="cosine",
    )
    train_on(settings, Squares(64), None)
    unseen = Squares(64, seed=1)
    network, card = load_model(tmp_path / LAST)
    fabric = start_fabric("cpu", 1, "32-true")
    found = predict_stages(network, card, unseen, fabric, batch_size=16, workers=0, every_stage=True)
    truth = batch_keypoints(unseen).numpy()
    errors = [float(np.linalg.norm(own.keypoints - truth, axis=-1).mean()) for own in found]
    assert errors[1] < 0.75 * errors[0] and errors[2] < errors[0], errors


@pytest.mark.parametrize(
    ("model", "options"),
    [
        ("pose_resnet18", {"width": 4, "blocks": [1, 1, 1, 1], "deconv_channels": [8, 8, 8]}),
        ("rle_resnet50", {"width": 4, "blocks": [1, 1, 1, 1]}),
    ],
)
def test_any_model_can_be_a_stage(tmp_path: Path, model: str, options: dict[str, Any]):
    settings = tiny_settings(
        tmp_path, **{**CASCADE, "model": model, "options": options, "stages": 2, "phase_epochs": ()}
    )
    result = train_on(replace(settings, epochs=1), Squares(8), Squares(4, seed=1))
    assert [row["phase"] for row in result.history] == [1, 2]


def test_weights_to_start_from_are_given_to_every_stage(tmp_path: Path):
    single = ModelCard("deeppose_resnet18", (32, 32), DOTS, options=CASCADE["options"]).create()
    torch.save(single.state_dict(), tmp_path / "single.pth")
    settings = tiny_settings(tmp_path / "run", **CASCADE, pretrained=str(tmp_path / "single.pth"))
    train_on(settings, Stopping(20, 1), None)
    got = weights(tmp_path / "run")
    for name, value in single.state_dict().items():
        assert torch.equal(got[f"stages.2.{name}"], value)


def test_wrong_settings_are_told_before_anything_is_trained(tmp_path: Path):
    with pytest.raises(UserError, match="stages: expected a number above 0, got 0"):
        tiny_settings(tmp_path, stages=0)
    with pytest.raises(UserError, match="phase_epochs: expected numbers above 0"):
        tiny_settings(tmp_path, phase_epochs=(1, 0))
    with pytest.raises(
        UserError, match=r"phase_epochs: deeppose_resnet18 is trained in 3 phases, got 2 values"
    ):
        train_on(tiny_settings(tmp_path, **{**CASCADE, "phase_epochs": (1, 1)}), Squares(8), None)
    people = Squares(8)
    people.skeleton = Skeleton.from_names("person", ("nose", "left_eye", "right_eye", "left_hip"))
    with pytest.raises(UserError, match="the joints need a shoulder and the other side's hip"):
        train_on(tiny_settings(tmp_path, **CASCADE, augmentation=STILL), people, None)


def test_the_commands_run_all_stages(tmp_path: Path, whole: TrainResult, capsys: pytest.CaptureFixture[str]):
    folder = tmp_path / "people"
    export_coco(Squares(4, seed=2), folder)
    best = str(whole.folder / BEST)
    common = ["--weights", best, "--accelerator", "cpu"]
    out = tmp_path / "metrics.json"
    assert main(["evaluate", *common, "--data", str(folder), "--out", str(out), "--workers", "0"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["PCP@0.5", "PDJ@0.05", "PDJ@0.1", "PDJ@0.2", "PDJ@0.5"] in rows
    assert [row[:2] for row in rows if row[:1] == ["stage"]] == [["stage", str(n)] for n in (1, 2, 3)]
    stages = json.loads(out.read_text())["stages"]
    assert len(stages) == 3 and all(0 <= value <= 1 for figures in stages for value in figures.values())
    images = sorted(str(path) for path in (folder / "images").glob("*")) or [str(folder)]
    assert main(["predict", *common, "--images", *images, "--out", str(tmp_path / "found")]) == 0
    found = json.loads((tmp_path / "found" / "predictions.json").read_text())
    assert len(found) == 4 and all(np.isfinite(person["keypoints"]).all() for person in found)
    capsys.readouterr()
    assert main(["export", "--weights", best, "--out", str(tmp_path / "pose.onnx")]) == 2
    assert "a cascade looks at the image again" in capsys.readouterr().err
