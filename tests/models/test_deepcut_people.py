"""DeepCut from maps to people: planted crowds come back; and from training to predictions by three commands."""

import json
import logging
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from python_models import pairwise as pairwise_command
from python_models.__main__ import main
from python_models.data import COCO_SKELETON
from python_models.deepcut_people import DeepCut
from python_models.errors import UserError
from python_models.maps import PairedPartMaps, PartScoreMaps
from python_models.methods import METHODS, FinderSettings
from python_models.model_card import ModelCard
from python_models.pairwise_terms import PairwiseTerms, save_terms
from python_models.part_candidates import Candidates
from python_models.train import train_on
from python_models.training_state import BEST
from tests.models.planted_parts import GRID, SIZE, Scene, learned_terms, scenes
from tests.models.tiny_crowds import CHAIN, TwoPeople, crowd_settings

CPU = torch.device("cpu")


def finder_of(terms: PairwiseTerms, maps: object = None, **options: object) -> DeepCut:
    model = "deepercut_resnet152" if terms.uses_offsets else "deepcut_vgg16"
    card = ModelCard(model, SIZE, COCO_SKELETON, sigma_px=GRID.radius_px / 8)
    finder = DeepCut(lambda images: maps, card, terms, device=CPU, **options)
    finder.grid = GRID  # planted maps have one for both networks
    return finder


@pytest.fixture(scope="module", params=[False, True], ids=["geometry", "offsets"])
def terms(request: pytest.FixtureRequest) -> PairwiseTerms:
    pytest.importorskip("sklearn")
    return learned_terms(request.param)


def maps_of(scene: Scene, terms: PairwiseTerms) -> PairedPartMaps | PartScoreMaps:
    return scene.maps if terms.uses_offsets else PartScoreMaps(*scene.maps[:2])


def test_planted_people_come_back(terms: PairwiseTerms):
    whole, joints, everybody = 0, 0, 0
    for scene in scenes(2, 8):
        (found,) = finder_of(terms).decode(maps_of(scene, terms), SIZE)
        assert (found.person_scores.diff() <= 0).all()
        distance = (found.keypoints[:, None] - scene.people).norm(dim=-1)  # (found, true, K)
        right = (distance < 1) & (found.scores[:, None] > 0) & (scene.visibility > 0)
        best = right.sum(-1).amax(0)
        known = (scene.visibility > 0).sum(-1)
        whole += int((best >= 0.9 * known).sum())
        joints += int((found.scores > 0).sum()) - int(right.sum(-1).amax(1).sum())
        everybody += len(known)
    assert everybody > 25
    assert whole >= (0.95 if terms.uses_offsets else 0.75) * everybody
    # Few joints are given to somebody else.
    assert joints < (0.02 if terms.uses_offsets else 0.1) * everybody * 17


def candidates(*rows: tuple[int, float, float, float]) -> Candidates:
    values = np.array(rows, np.float64).reshape(-1, 4)
    return Candidates(values[:, 0].astype(np.int64), values[:, 1:3], values[:, 3], None)


def attracting() -> PairwiseTerms:
    """All different parts belong together within 100 pixels."""
    terms = PairwiseTerms.unknown(COCO_SKELETON.joint_names, uses_offsets=False)
    terms.between.known[:] = True
    terms.between.low[..., 5], terms.between.high[..., 5] = (
        0.0,
        200.0,
    )  # the length of the vector, whose mean is 0
    terms.between.weights[..., 5], terms.between.bias[:] = -8.0, 4.0
    return terms


def test_near_candidates_of_a_part_become_their_weighted_mean():
    scale = GRID.scale
    rows = [(0, 10, 10, 0.9), (0, 10 + 30 * scale, 10, 0.3), (1, 12, 10, 0.8), (2, 14, 10, 0.7)]
    found = finder_of(attracting()).people(candidates(*rows))
    assert len(found.keypoints) == 1
    torch.testing.assert_close(found.keypoints[0, 0], torch.tensor([10 + 30 * scale / 4, 10.0]))
    torch.testing.assert_close(found.scores[0, :4], torch.tensor([0.9, 0.8, 0.7, 0.0]))
    assert found.person_scores.item() == pytest.approx(2.4 / 17)
    assert not found.keypoints[0, 3:].any()


def test_people_of_few_joints_are_dropped_and_bad_candidates_belong_to_nobody():
    rows = [
        (0, 10, 10, 0.9),
        (0, 300, 10, 0.9),
        (1, 12, 10, 0.8),
        (1, 300, 12, 0.8),
        (2, 14, 10, 0.7),
        (5, 150, 300, 0.3),
    ]
    two = finder_of(attracting(), min_joints=2).people(candidates(*rows))
    assert [(own > 0).sum().item() for own in two.scores] == [3, 2]
    three = finder_of(attracting()).people(candidates(*rows))
    assert len(three.keypoints) == 1 and three.frames()[0].tolist() == pytest.approx([10, 10, 4, 0])
    assert finder_of(attracting(), min_joints=1).partition(candidates(*rows)).tolist() == [0, 1, 0, 1, 0, -1]
    nobody = finder_of(attracting()).people(candidates())
    assert nobody.keypoints.shape == (0, 17, 2) and nobody.scores.shape == (0, 17)


def test_the_exact_solution_agrees_where_people_are_clear(caplog: pytest.LogCaptureFixture):
    pytest.importorskip("scipy")
    rows = [(part, 300 * person + 2 * part, 10, 0.9) for part in range(6) for person in range(2)]
    by_heuristic = finder_of(attracting()).people(candidates(*rows))
    exact = finder_of(attracting(), exact_s=20.0).people(candidates(*rows))
    torch.testing.assert_close(exact.keypoints, by_heuristic.keypoints)
    assert len(exact.keypoints) == 2 and not caplog.records


def test_a_time_limit_that_did_not_suffice_is_told(caplog: pytest.LogCaptureFixture):
    pytest.importorskip("scipy")
    rng = np.random.default_rng(0)
    rows = [(part, *rng.uniform(0, 150, 2), 0.8) for part in range(17) for _ in range(3)]
    with caplog.at_level(logging.WARNING):
        found = finder_of(attracting(), exact_s=1e-4).people(candidates(*rows))
    assert "51 candidates: no proof of the optimum in 0.0001 s; cost" in caplog.text and "gap" in caplog.text
    # Not nobody, which is what an exact solution without time gives.
    torch.testing.assert_close(found.scores, finder_of(attracting()).people(candidates(*rows)).scores)


def test_people_are_in_pixels_of_the_image_whatever_its_size(terms: PairwiseTerms):
    scene = next(iter(scenes(4, 1)))
    finder = finder_of(terms, maps_of(scene, terms))
    (small,) = finder([torch.zeros(*SIZE, 3, dtype=torch.uint8)])
    (large,) = finder([torch.zeros(2 * SIZE[0], 2 * SIZE[1], 3, dtype=torch.uint8)])
    both = small.scores > 0
    torch.testing.assert_close(
        large.keypoints[both], (small.keypoints[both] + 0.5) * 2 - 0.5, atol=1e-3, rtol=0
    )
    # What the network sees twice as large, it says in pixels that are half as large.
    (zoomed,) = finder_of(terms, maps_of(scene, terms), zoom=2.0)([torch.zeros(*SIZE, 3, dtype=torch.uint8)])
    torch.testing.assert_close(
        zoomed.keypoints[both], (small.keypoints[both] + 0.5) / 2 - 0.5, atol=1e-3, rtol=0
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"exact_s": 0.0}, "exact_s: expected seconds above 0, got 0.0"),
        ({"min_joints": 0}, "min_joints: expected 1 or more"),
        ({"zoom": -1.0}, "scales: expected numbers above 0"),
    ],
)
def test_wrong_options_are_told(options: dict, message: str):
    with pytest.raises(UserError, match=message):
        finder_of(attracting(), **options)


def test_the_method_wants_terms_that_fit(tmp_path: Path):
    network, card = nn.Identity(), ModelCard("deepcut_vgg16", (64, 96), COCO_SKELETON)
    deepcut, path = METHODS["deepcut"], str(tmp_path / "terms.json")
    with pytest.raises(
        UserError, match="pairwise: the method deepcut needs what the command pairwise writes"
    ):
        deepcut.finder(network, card, FinderSettings(CPU))
    save_terms(path, attracting())
    assert isinstance(deepcut.finder(network, card, FinderSettings(CPU, pairwise=path)), DeepCut)
    with pytest.raises(UserError, match="flip_test, scales: the method deepcut looks once"):
        deepcut.finder(network, card, FinderSettings(CPU, pairwise=path, flip_test=True))
    save_terms(path, PairwiseTerms.unknown(CHAIN.joint_names, uses_offsets=False))
    with pytest.raises(UserError, match="pairwise: made for the joints left_shoulder"):
        deepcut.finder(network, card, FinderSettings(CPU, pairwise=path))
    with pytest.raises(UserError, match="pairwise, exact_s: are for the method deepcut"):
        METHODS["openpose"].finder(network, card, FinderSettings(CPU, exact_s=1.0))


class Opened:
    """Data that a command opens, whatever it asks for."""

    def __init__(self, count: int, seed: int) -> None:
        self.count, self.seed = count, seed

    def __call__(self, data: str, **options: object) -> TwoPeople:
        return TwoPeople(self.count, self.seed)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A detector of parts for images of two people."""
    pytest.importorskip("sklearn")
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("parts")
    options = {"width": 8, "hidden": 32, "dropout": 0.0}
    settings = crowd_settings(
        folder,
        "deepcut_vgg16",
        options=options,
        input_size=(64, 96),
        sigma_px=1.5,
        epochs=12,
        lr=4e-3,
        optimizer="adamw",
    )
    train_on(settings, TwoPeople(24), None)
    return folder / BEST


def test_people_are_found_by_three_commands(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(pairwise_command, "open_training_data", Opened(24, 0))
    terms, out = tmp_path / "terms.json", tmp_path / "found"
    learn = ["pairwise", "--weights", str(trained), "--data", "two", "--out", str(terms), "--strength", "1"]
    assert main([*learn, "--accelerator", "cpu", "--workers", "0"]) == 0
    assert "3 of 3 pairs of parts" in capsys.readouterr().out
    content = json.loads(terms.read_text())
    assert len(content["between"]) == 3 and content["joints"] == list(CHAIN.joint_names)

    data = TwoPeople(4, seed=1)
    for record in data.records[::2]:
        cv2.imwrite(str(tmp_path / f"{record.image}.png"), data.load_image(record)[..., ::-1])
    images = [str(tmp_path / f"{image}.png") for image in range(4)]
    find = ["predict", "--weights", str(trained), "--method", "deepcut", "--images", *images]
    find += ["--out", str(out), "--accelerator", "cpu"]
    assert main([*find, "--pairwise", str(terms)]) == 0
    found = json.loads((out / "predictions.json").read_text())
    assert 6 <= len(found) <= 10
    right = 0
    for record in data.records:
        own = [
            np.array(r["keypoints"]).reshape(3, 3) for r in found if r["file_name"] == f"{record.image}.png"
        ]
        errors = [np.linalg.norm(person[:, :2] - record.keypoints, axis=1).mean() for person in own]
        right += min(errors, default=np.inf) < 12  # one joint of the other, 48 pixels away, makes it 16
    assert right >= 6
    assert main(find) == 2
    assert "needs what the command pairwise writes" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"strength": 0.0}, "strength: expected a number above 0"),
        ({"workers": -1}, "workers: expected at least 0"),
        ({"max_images": 0}, "max_images: expected 1 or more"),
        ({"out": "."}, "out .: expected a file, got a folder"),
        ({"data": "nowhere.json"}, "nowhere.json"),
    ],
)
def test_wrong_options_of_the_command_are_told(trained: Path, changes: dict, message: str):
    with pytest.raises(UserError, match=message):
        pairwise_command.pairwise(**{"weights": str(trained), "data": "crowds", **changes})


def test_networks_that_find_nothing_or_need_nothing_are_told(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(pairwise_command, "open_training_data", Opened(2, 0))
    options = {"weights": str(trained), "data": "two", "out": str(tmp_path / "terms.json"), "workers": 0}
    with pytest.raises(UserError, match="find too few joints of the same people"):
        pairwise_command.pairwise(**options, accelerator="cpu")
    assert not list(tmp_path.iterdir())
    settings = crowd_settings(tmp_path / "run", "lightweight_openpose", epochs=1)
    train_on(settings, TwoPeople(4), None)
    with pytest.raises(UserError, match="model lightweight_openpose: takes no pairwise terms"):
        pairwise_command.pairwise(**{**options, "weights": str(tmp_path / "run" / BEST)})
