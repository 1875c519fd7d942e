"""Generated clips: the same everywhere, labelled where they are drawn, tracked as well as their poses allow."""

import itertools

import cv2
import numpy as np
import pytest

from pyposeops.metrics import evaluate_posetrack
from python_models.data import GeneratedClip
from python_models.data.clips import noisy_poses
from python_models.tracking import PoseTracker
from python_models.tracking_flow import flow_between
from python_models.tracks import FrameTracks, posetrack_content


def tracked(clip: GeneratedClip, flow: str = "dis_medium", *, noise: float, options=None, **found_options):
    """Results file of a tracker that is shown noisy poses."""
    tracker, before, results = PoseTracker(clip.skeleton.sigmas, **(options or {})), None, []
    for frame, found in enumerate(noisy_poses(clip, noise, **found_options)):
        image = clip.paint(frame)
        if before is not None:
            tracker.advance(flow_between(before, image, flow))
        before = image
        ids = tracker.update(found.keypoints, found.scores)
        kept = ids >= 0
        poses = found.keypoints[kept], found.scores[kept]
        results.append(
            FrameTracks(frame + 1, f"{frame}", ids[kept], *poses, np.zeros((kept.sum(), 4), np.float32))
        )
    return posetrack_content(results, clip.skeleton, video=str(clip.seed))


@pytest.mark.parametrize("seed", range(3))
def test_without_occlusion_crossing_people_keep_their_ids_and_only_the_noise_costs_accuracy(seed):
    clip = GeneratedClip(seed, frames=24, people=3, overlap=0.0, joints="posetrack18")
    heads = [person.head_size for person in clip.people_in(0)]
    wrong = annotated = 0
    for frame, found in enumerate(noisy_poses(clip, 0.2)):
        truth = {person.track_id: person for person in clip.people_in(frame)}
        for joints, track in zip(found.keypoints, found.tracks, strict=True):
            scored = [k for k in range(17) if k not in (3, 4) and truth[track].visibility[k] > 0]
            errors = np.linalg.norm(joints - truth[track].keypoints, axis=1) / heads[track]
            wrong, annotated = wrong + (errors[scored] > 0.5).sum(), annotated + len(scored)
    assert wrong > 20
    mota = evaluate_posetrack([clip.to_posetrack()], [tracked(clip, noise=0.2)]).mota
    assert mota.switches.sum() == 0
    assert mota.total == pytest.approx(
        1 - 2 * wrong / annotated, abs=1e-12
    )  # a miss and a false positive each


@pytest.mark.parametrize(("flow", "matching"), [("dis_fast", "greedy"), ("lk", "hungarian")])
def test_all_joints_found_people_who_pass_before_each_other_keep_their_ids(flow, matching):
    for seed in range(2):
        clip = GeneratedClip(seed, frames=32, people=2, overlap=0.8, joints="posetrack18")
        results = tracked(clip, flow, noise=0.05, options={"matching": matching})
        mota = evaluate_posetrack([clip.to_posetrack()], [results]).mota
        assert mota.switches.sum() == 0 and mota.mean == 1.0


def test_people_whose_hidden_joints_are_missed_keep_their_ids():
    for seed in range(2):
        clip = GeneratedClip(seed, frames=32, people=2, overlap=0.7, joints="posetrack18")
        results = tracked(clip, noise=0.1, miss_hidden=True, miss=0.1)
        mota = evaluate_posetrack([clip.to_posetrack()], [results]).mota
        assert mota.switches.sum() == 0 and mota.misses.sum() > 50
        assert {person["track_id"] for person in results["annotations"]} == {0, 1}


def test_joints_move_with_what_is_painted():
    moved, still = [], []
    for seed in range(3):
        clip = GeneratedClip(seed, frames=32, people=2, overlap=0.0)
        now, then = (cv2.GaussianBlur(clip.paint(frame), (0, 0), 1.0) for frame in (5, 6))
        for person, later in zip(clip.people_in(5), clip.people_in(6), strict=True):
            seen = (person.visibility == 2) & (later.visibility == 2)
            here, there = (record.keypoints[seen][:, None] for record in (person, later))
            colours = cv2.remap(now, here, None, cv2.INTER_LINEAR).astype(int)
            moved.append(np.abs(cv2.remap(then, there, None, cv2.INTER_LINEAR) - colours).mean())
            still.append(np.abs(cv2.remap(then, here, None, cv2.INTER_LINEAR) - colours).mean())
    assert np.median(moved) < 0.4 * np.median(still)


def test_feet_that_stand_do_not_slide():
    clip = GeneratedClip(1, frames=64, people=1)
    ankles = np.stack([clip.people_in(n)[0].keypoints[15:] for n in range(64)])
    lower = ankles[:, :, 1].argmax(1)
    steps = [
        abs(ankles[n + 1, lower[n], 0] - ankles[n, lower[n], 0])
        for n in range(63)
        if lower[n] == lower[n + 1]
    ]
    pelvis = abs(
        clip.people_in(1)[0].keypoints[11:13, 0].mean() - clip.people_in(0)[0].keypoints[11:13, 0].mean()
    )
    assert np.median(steps) < 0.5 * pelvis


def test_people_meet_and_nobody_hides_anybody_on_paths_far_apart():
    apart, together = (GeneratedClip(0, people=3, overlap=overlap) for overlap in (0.0, 1.0))
    for clip in (apart, together):
        places = np.array(
            [[person.keypoints[11, 0] for person in clip.people_in(n)] for n in (0, clip.frames - 1)]
        )
        assert places[0, 0] < places[0, 1] and places[1, 0] > places[1, 1]
    hidden = [
        sum((person.visibility == 1).sum() for person in clip.records if person.track_id < 2)
        for clip in (apart, together)
    ]
    alone = sum((person.visibility == 1).sum() for person in GeneratedClip(0, people=2, overlap=0.0).records)
    assert hidden[0] == alone < hidden[1]
    boxes = [person.box_xywh for person in apart.people_in(16)]
    assert all(farther[1] + farther[3] < nearer[1] for farther, nearer in itertools.pairwise(boxes))


def test_frames_follow_from_the_seed_and_their_number_alone():
    first, again = GeneratedClip(5, frames=8), GeneratedClip(5, frames=8)
    again.paint(2)
    assert np.array_equal(first.paint(6), again.paint(6))
    assert not np.array_equal(first.paint(6), GeneratedClip(6, frames=8).paint(6))
    assert not np.array_equal(first.paint(6)[:3], first.paint(7)[:3])  # the noise of the sensor


def test_ends_of_the_head_enclose_nose_and_ears():
    for person in GeneratedClip(2, people=3, joints="posetrack18").records:
        nose, bottom, top, *ears = person.keypoints[:5]
        assert top[1] < min(nose[1], *(ear[1] for ear in ears)) and bottom[1] > nose[1]
        assert np.linalg.norm(bottom - top) < 2 * person.head_size


def test_noise_is_that_asked_for_and_hidden_joints_are_missed():
    clip = GeneratedClip(0, frames=60, people=2, overlap=1.0)
    errors, found = [], list(noisy_poses(clip, 0.3, miss_hidden=True, miss=0.2))
    for frame, poses in enumerate(found):
        for joints, scores, track in zip(*poses, strict=True):
            person = clip.people_in(frame)[track]
            errors.append((joints - person.keypoints) / person.head_size)
            assert ((scores > 0) == (person.visibility == 2)).all()
    assert np.std(errors) == pytest.approx(0.3, rel=0.05)
    assert sum(len(poses.tracks) for poses in found) == pytest.approx(0.8 * 120, rel=0.1)
    assert any(poses.tracks.tolist() == [1, 0] for poses in found)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"seed": -1}, "seed, frames, people"),
        ({"seed": 0, "frames": 1}, "seed, frames, people"),
        ({"seed": 0, "overlap": 1.5}, "overlap: expected"),
        ({"seed": 0, "joints": "mpii"}, "joints: expected one of coco, posetrack18"),
    ],
)
def test_arguments_out_of_range_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        GeneratedClip(**arguments)
