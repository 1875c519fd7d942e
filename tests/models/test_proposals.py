"""RMPE's proposals: boxes as drawn from what is planted, learned from a detector's, and used in training."""

import json
import sys
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from python_models.__main__ import main
from python_models.data import COCO_SKELETON, Augmentation, GeneratedCrowds, PersonRecord
from python_models.data.prepare import BatchPreparer
from python_models.data.proposals import (
    LearnedProposals,
    PublishedProposals,
    atom_of,
    moved,
    open_proposals,
    within,
)
from python_models.data.torso_pose import torso_poses
from python_models.errors import UserError
from python_models.proposals import Offsets, fit, matched_offsets
from python_models.proposals import proposals as learn
from python_models.sources import open_training_data
from python_models.train import train_on
from tests.models.tiny import STILL, Dots, tiny_settings

NAMES = COCO_SKELETON.joint_names
BOX = torch.tensor([[10.0, 20.0, 40.0, 80.0]])


def draw(proposals: Any, count: int, labelled: int = 17, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Boxes (N, 4) that are drawn for the same person, and whether they show but a part."""
    generator = torch.Generator().manual_seed(seed)
    boxes, keypoints = BOX.expand(count, 4), torch.rand(count, 17, 2, generator=generator)
    visibility = torch.zeros(count, 17)
    visibility[:, :labelled] = 2
    drawn = Augmentation(half_body_probability=0.0).draw(
        boxes, keypoints, visibility, torch.zeros(17, dtype=torch.bool), generator
    )
    found = proposals.apply(drawn, boxes, keypoints, visibility, generator)
    return found.boxes, found.part


def offsets_of(boxes: torch.Tensor) -> torch.Tensor:
    low = (boxes[:, :2] - BOX[:, :2]) / BOX[:, 2:]
    high = (boxes[:, :2] + boxes[:, 2:] - BOX[:, :2]) / BOX[:, 2:] - 1
    return torch.cat([low, high], dim=1)


def test_boxes_and_places_are_what_they_say():
    sides = moved(BOX, torch.tensor([[0.1, -0.1, 0.2, 0.0]]))
    torch.testing.assert_close(sides, torch.tensor([[14.0, 12.0, 44.0, 88.0]]))
    # Sides that would pass each other leave a tenth.
    torch.testing.assert_close(
        moved(BOX, torch.tensor([[0.9, 0.0, -0.9, 0.0]])), torch.tensor([[46.0, 20.0, 4.0, 80.0]])
    )
    torch.testing.assert_close(
        within(BOX, torch.tensor([[0.5, 0.0, 0.5, 1.0]])), torch.tensor([[30.0, 20.0, 20.0, 80.0]])
    )


def test_published_sides_have_the_published_gaussians():
    boxes, part = draw(PublishedProposals(), 60_000, labelled=13)
    assert part.float().mean() == pytest.approx(0.15, abs=0.01)
    found = offsets_of(boxes[~part])
    wanted = torch.tensor([[-0.0142, 0.1158], [0.0043, 0.0680], [0.0154, 0.1337], [-0.0013, 0.0711]])
    torch.testing.assert_close(found.mean(0), wanted[:, 0], rtol=0, atol=2e-3)
    torch.testing.assert_close(found.std(0), wanted[:, 1], rtol=0.02, atol=0)


def test_published_patches_lie_in_the_box_with_its_proportions():
    boxes, part = draw(PublishedProposals(), 20_000, labelled=13)
    patches = boxes[part]
    share = patches[:, 2:] / BOX[:, 2:]
    torch.testing.assert_close(share[:, 0], share[:, 1])
    assert share.min() >= 0.85 and share.max() <= 1
    found = offsets_of(patches)
    assert found[:, :2].min() >= -1e-5 and found[:, 2:].max() <= 1e-5


def test_people_with_many_joints_are_cut_to_a_quarter_or_half_now_and_then():
    seen, _ = draw(PublishedProposals(), 40_000, labelled=14)
    uncut, _ = draw(PublishedProposals(), 40_000, labelled=13)
    share = seen[:, 2:] / uncut[:, 2:]
    cut = (share < 0.99).any(1)
    assert cut.float().mean() == pytest.approx(0.32, abs=0.01)
    kinds, counts = share[cut].round(decimals=3).unique(dim=0, return_counts=True)
    assert kinds.tolist() == [[0.5, 0.5], [0.5, 1.0], [1.0, 0.5]]
    torch.testing.assert_close(counts / counts.sum(), torch.tensor([0.5, 0.25, 0.25]), rtol=0, atol=0.02)
    # Each corner, and each side, is as often kept.
    corner = ((seen - uncut)[:, :2] > 0.1)[cut & (share < 0.99).all(1)]
    assert corner.float().mean(0).tolist() == pytest.approx([0.5, 0.5], abs=0.02)


def test_the_same_seed_draws_the_same_and_boxes_always_have_an_extent():
    first, second = (draw(PublishedProposals(), 5000, seed=3)[0] for _ in range(2))
    assert torch.equal(first, second)
    assert not torch.equal(first, draw(PublishedProposals(), 5000, seed=4)[0])
    assert (first[:, 2:] >= 0.05 * BOX[:, 2:] - 1e-4).all()


class Standing(GeneratedCrowds):
    """People standing or bent; a detector's boxes lie differently around them."""

    def __init__(self, count: int) -> None:
        rng = np.random.default_rng(0)
        self.skeleton = COCO_SKELETON
        pose = rng.normal(0, 1, (17, 2))
        pose[[5, 6]], pose[[11, 12]] = [[-0.4, -1], [0.4, -1]], [[-0.3, 1], [0.3, 1]]
        bent = pose + rng.normal(0, 1.5, (17, 2))
        bent[[5, 6, 11, 12]] = pose[[5, 6, 11, 12]]
        self.bent = rng.random(count) < 0.3
        poses = np.where(self.bent[:, None, None], bent, pose) + rng.normal(0, 0.05, (count, 17, 2))
        self.records = [
            PersonRecord(
                image=index,
                image_id=index + 1,
                annotation_id=index + 1,
                box_xywh=np.float32([50, 40, 60, 120]),
                keypoints=(80 + 20 * own).astype(np.float32),
                visibility=np.full(17, 2, np.float32),
                area=7200.0,
            )
            for index, own in enumerate(poses)
        ]


MEANS = np.array([[0.05, -0.02, 0.1, 0.0], [-0.1, 0.15, -0.05, -0.1]])


@pytest.fixture(scope="module")
def planted() -> tuple[Standing, dict[int, torch.Tensor]]:
    people = Standing(3000)
    rng = np.random.default_rng(1)
    sides = MEANS[people.bent.astype(int)] + 0.02 * rng.standard_normal((3000, 4))
    boxes = {}
    for record, own in zip(people.records, sides, strict=True):
        box = moved(torch.from_numpy(record.box_xywh)[None].double(), torch.from_numpy(own)[None])
        boxes[record.image_id] = torch.cat([box, torch.ones(1, 1)], dim=1).float()
    return people, boxes


def test_a_gaussian_for_each_side_is_learned_from_the_boxes(planted):
    people, boxes = planted
    found = matched_offsets(people, boxes, 0.5)
    assert found.records == list(range(3000))
    (atom,) = fit(people, found, atoms=1, components=1)
    share = people.bent.mean()
    mean = (1 - share) * MEANS[0] + share * MEANS[1]
    np.testing.assert_allclose(atom["means"][0], mean, atol=2e-3)
    spread = (1 - share) * share * (MEANS[0] - MEANS[1]) ** 2 + 0.02**2
    np.testing.assert_allclose(atom["covariances"][0], np.diag(spread), rtol=0.1, atol=1e-9)


def test_each_atomic_pose_has_boxes_of_its_own(planted, tmp_path: Path):
    pytest.importorskip("sklearn")
    people, boxes = planted
    atoms = fit(people, matched_offsets(people, boxes, 0.5), atoms=2, components=1)
    assert sorted(atom["share"] for atom in atoms) == pytest.approx(
        sorted([people.bent.mean(), 1 - people.bent.mean()])
    )
    file = tmp_path / "proposals.json"
    file.write_text(json.dumps({"kind": "pyposeops proposals", "joint_names": list(NAMES), "atoms": atoms}))
    learned = open_proposals(str(file), NAMES)
    columns = (np.stack([own.keypoints for own in people.records]), np.full((3000, 17), 2, np.float32))
    keypoints, visibility = (torch.from_numpy(own) for own in columns)
    visibility[::3, :5] = 0  # a face that is not labelled does not change the pose
    sides = learned.sides(BOX.expand(3000, 4), keypoints, visibility, torch.Generator().manual_seed(0))
    for kind, mean in enumerate(MEANS):
        own = sides[torch.from_numpy(people.bent == bool(kind))]
        np.testing.assert_allclose(own.mean(0), mean, atol=3e-3)
        np.testing.assert_allclose(own.std(0), 0.02, rtol=0.15)


def test_without_a_torso_atoms_are_drawn_by_their_share(planted):
    pytest.importorskip("sklearn")
    people, boxes = planted
    atoms = fit(people, matched_offsets(people, boxes, 0.5), atoms=2, components=1)
    learned = LearnedProposals([atom_of(own) for own in atoms], list(NAMES))
    nobody = torch.zeros(6000, 17, 2), torch.zeros(6000, 17)
    sides = learned.sides(BOX.expand(6000, 4), *nobody, torch.Generator().manual_seed(0))
    share = (sides[:, 1] > 0.06).float().mean()
    assert share == pytest.approx(people.bent.mean(), abs=0.02)


def test_mixtures_have_their_components():
    pytest.importorskip("sklearn")
    rng = np.random.default_rng(2)
    which = rng.random(4000) < 0.25
    sides = np.where(which[:, None], 0.2, -0.1) + 0.03 * rng.standard_normal((4000, 4))
    people = Standing(1)
    (atom,) = fit(people, Offsets(sides, [0] * 4000), atoms=1, components=2)
    order = np.argsort(atom["weights"])
    np.testing.assert_allclose(np.array(atom["weights"])[order], [0.25, 0.75], atol=0.02)
    np.testing.assert_allclose(np.array(atom["means"])[order], [[0.2] * 4, [-0.1] * 4], atol=5e-3)
    learned = LearnedProposals([atom_of(atom)], list(NAMES))
    drawn = learned.sides(
        BOX.expand(8000, 4), torch.zeros(8000, 17, 2), torch.zeros(8000, 17), torch.Generator().manual_seed(0)
    )
    assert (drawn.mean(1) > 0.05).float().mean() == pytest.approx(0.25, abs=0.02)


def test_boxes_go_to_whom_they_overlap_most_and_strangers_are_left_out():
    people = Standing(1)
    boxes = {1: torch.tensor([[53.0, 40, 60, 120, 1], [50, 46, 60, 120, 0.4], [400, 40, 60, 120, 1]]), 9: BOX}
    found = matched_offsets(people, boxes, 0.5)
    np.testing.assert_allclose(found.sides, [[0.05, 0, 0.05, 0], [0, 0.05, 0, 0.05]], atol=1e-7)
    assert found.records == [0, 0]


def test_true_boxes_without_extent_are_nobodys():
    people = Standing(2)
    people.records = [replace(own, image_id=1) for own in people.records]
    people.records[0].box_xywh[2:] = 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = matched_offsets(
            people, {1: torch.tensor([[50.0, 40, 60, 120, 1], [500, 40, 60, 120, 1]])}, 0.5
        )
    assert found.records == [1] and not found.sides.any()


def test_learned_boxes_are_drawn_by_the_seed_and_always_have_an_extent():
    wild = {"pose": np.zeros((17, 2)), "share": 1, "weights": [1], "means": [[0, 0, 0, 0]]}
    learned = LearnedProposals([atom_of({**wild, "covariances": [np.eye(4)]})], list(NAMES))
    first, second = (draw(learned, 5000, seed=3)[0] for _ in range(2))
    assert torch.equal(first, second)
    assert not torch.equal(first, draw(learned, 5000, seed=4)[0])
    assert (first[:, 2:] >= 0.1 * BOX[:, 2:] - 1e-4).all() and first.isfinite().all()


def test_torso_poses_have_one_size_and_place():
    keypoints = torch.rand(3, 17, 2) * 50
    visibility = torch.full((3, 17), 2.0)
    visibility[1, 0], visibility[2, 5] = 0, 0
    poses, known = torso_poses(keypoints, visibility, NAMES)
    assert known.tolist() == [True, True, False]
    length = (poses[:2, 5:7].mean(1) - poses[:2, 11:13].mean(1)).norm(dim=1)
    torch.testing.assert_close(length, torch.ones(2))
    torch.testing.assert_close(poses[0, [5, 6, 11, 12]].sum(0), torch.zeros(2), rtol=0, atol=1e-5)
    assert not poses[1, 0].any() and not poses[2].any()
    again, _ = torso_poses(3 * keypoints + 7, visibility, NAMES)
    torch.testing.assert_close(again, poses, rtol=1e-4, atol=1e-4)


def test_training_sees_such_boxes():
    data, generator = Dots(200), torch.Generator()
    samples = [data[index] for index in range(200)]

    def sides(proposals: str) -> torch.Tensor:
        prepare = BatchPreparer(
            data,
            size=(32, 32),
            convention="msra",
            augmentation=replace(STILL, proposals=proposals),
        )
        return prepare(samples, generator.manual_seed(0)).affines

    assert (sides("none") == sides("none")[0]).all()
    published = sides("published")
    assert published[:, 0, 0].std() > 0.01 and published[:, :, 2].std(0).min() > 0.5


def test_the_command_learns_and_training_reads_its_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    file, boxes = tmp_path / "p.json", tmp_path / "boxes.json"
    crowds = open_training_data("crowds:0.2", images=None, count=12)
    rng = np.random.default_rng(0)
    results = [
        {
            "image_id": own.image_id,
            "category_id": 1,
            "bbox": (own.box_xywh + rng.normal(0, 2, 4)).tolist(),
            "score": 0.9,
        }
        for own in crowds.records
    ]
    boxes.write_text(json.dumps(results * 2))  # everybody is found twice
    command = ["proposals", "--data", "crowds:0.2", "--boxes", str(boxes), "--out", str(file)]
    assert main([*command, "--generated_count", "12"]) == 0
    learned, count = open_proposals(str(file), NAMES), json.loads(file.read_text())["boxes"]
    assert isinstance(learned, LearnedProposals) and 30 < count // 2 <= len(crowds)
    assert f"{count} boxes of {count // 2} of {len(crowds)} people" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"atoms": 0}, "atoms: expected"),
        ({"min_overlap": 0.0}, "min_overlap: expected above 0"),
        ({"boxes": "absent.json"}, "no such file"),
        ({"atoms": 50}, "are near a labelled person; expected at least 500"),
    ],
)
def test_what_cannot_be_learned_is_said(changes: dict[str, Any], message: str, tmp_path: Path):
    boxes = tmp_path / "boxes.json"
    boxes.write_text("[]")
    options = {"data": "crowds", "boxes": str(boxes), "generated_count": 1, "out": str(tmp_path / "p.json")}
    with pytest.raises(UserError, match=message):
        learn(**{**options, **changes})
    assert not (tmp_path / "p.json").exists()


def test_without_scikit_learn_nothing_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "sklearn.mixture", None)
    with pytest.raises(UserError, match=r"needs scikit-learn: pip install 'pyposeops\[fit\]'"):
        learn(data="absent", boxes="absent.json", out=str(tmp_path / "p.json"), atoms=2)


GAUSSIAN = {"pose": [[0.0, 0.0]] * 17, "share": 1.0, "weights": [1.0], "means": [[0.0] * 4]}
GAUSSIAN["covariances"] = [np.eye(4).tolist()]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (None, "no atoms"),
        ({"pose": [[0.0, 0.0]] * 16}, "atom 0: sizes"),
        ({"weights": [0.5, 0.5]}, "atom 0: sizes"),
        ({"weights": [], "means": [], "covariances": []}, "atom 0: sizes"),
        ({"means": [[0.0, 0.0, float("nan"), 0.0]]}, "atom 0: not all"),
        ({"weights": [0.0]}, "atom 0: share and weights"),
        ({"share": float("nan")}, "atom 0: share and weights"),
        ({"covariances": [np.diag([1.0, 1, 1, -1]).tolist()]}, "LinAlgError"),
        ({"means": [[0.0, 0.0]]}, "ValueError"),
    ],
)
def test_files_from_which_no_box_can_be_drawn_are_refused(
    changes: dict[str, Any] | None, message: str, tmp_path: Path
):
    file = tmp_path / "file.json"
    atoms = [] if changes is None else [{**GAUSSIAN, **changes}]
    file.write_text(json.dumps({"kind": "pyposeops proposals", "joint_names": list(NAMES), "atoms": atoms}))
    with pytest.raises(UserError, match=f"not written by the command proposals .*{message}"):
        open_proposals(str(file), NAMES)


def test_files_of_other_kinds_and_joints_are_refused(tmp_path: Path):
    with pytest.raises(UserError, match="expected none, published or a file, got 'nine'"):
        open_proposals("nine", NAMES)
    file = tmp_path / "file.json"
    for content in ("[]", "{}", "nothing", '{"kind": "boxes"}'):
        file.write_text(content)
        with pytest.raises(UserError, match="not written by the command proposals"):
            open_proposals(str(file), NAMES)
    content = {"kind": "pyposeops proposals", "joint_names": list(NAMES), "atoms": [GAUSSIAN]}
    file.write_text(json.dumps(content))
    with pytest.raises(UserError, match="learned for the joints nose"):
        open_proposals(str(file), ("a", "b"))
    settings = tiny_settings(tmp_path, augmentation=replace(STILL, proposals=str(file)))
    with pytest.raises(UserError, match="learned for the joints nose"):
        train_on(settings, Dots(4), None)
