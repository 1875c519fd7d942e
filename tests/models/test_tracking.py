"""Tracking: ids as a slow reference gives them, people who cross or hide, boxes made one set, and the flow."""

import itertools

import cv2
import numpy as np
import pytest

from pyposeops.metrics import evaluate_posetrack
from python_models.box_nms import box_iou, box_nms, unify_boxes
from python_models.errors import UserError
from python_models.tracking import PoseTracker, best_sum_pairs, greedy_pairs
from python_models.tracking_flow import FLOWS, Flow, Moved, flow_between

JOINTS = 17
SIGMAS = [0.06] * JOINTS
SHAPE = np.random.default_rng(3).uniform((-25, -60), (25, 60), (JOINTS, 2)).astype(np.float32)
SURE = np.ones(JOINTS, np.float32)
SEARCHES = [name for name in FLOWS if name != "none"]


class Shift(Flow):
    """All points move alike; where `covered` says so, nothing is trusted."""

    def __init__(self, x: float = 0.0, y: float = 0.0, *, cut: bool = False, covered: bool = False) -> None:
        self.shift, self.cut, self.covered = np.array([x, y], np.float32), cut, covered

    def move(self, points):
        return Moved(points + self.shift, np.full(points.shape[:-1], not self.covered))

    @property
    def is_cut(self):
        return self.cut


def texture(seed: int, height: int = 240, width: int = 480) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(0, 256, (height // 8, width // 8, 3), np.uint8)
    return cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)


def crossing(frames: int = 30, rows: tuple[float, ...] = (70.0, 95.0)) -> np.ndarray:
    """Two people who walk past each other, (frames, 2, K, 2)."""
    right = 60 + 12.0 * np.arange(frames)
    first = np.stack([right, np.full(frames, rows[0])], 1)
    second = np.stack([right[::-1], np.full(frames, rows[1])], 1)
    return (np.stack([first, second], 1)[:, :, None] + SHAPE).astype(np.float32)


def clip(people: np.ndarray) -> list[np.ndarray]:
    """Frames in which patches of texture move as the people do, the last in front."""
    frames = []
    for frame in people:
        image = texture(0)
        for number, joints in enumerate(frame):
            (x0, y0), (x1, y1) = joints.min(0).astype(int) - 4, joints.max(0).astype(int) + 5
            image[y0:y1, x0:x1] = texture(number + 1)[: y1 - y0, : x1 - x0]
        frames.append(image)
    return frames


def track(people: np.ndarray, images: list[np.ndarray], noise_px: float, flow: str, **options) -> np.ndarray:
    """Ids (frames, people) of noisy poses that come in another order in each frame."""
    rng, tracker, found = np.random.default_rng(0), PoseTracker(SIGMAS, **options), []
    for number, truth in enumerate(people):
        if number:
            tracker.advance(flow_between(images[number - 1], images[number], flow))
        order = rng.permutation(len(truth))
        noisy = truth[order] + rng.normal(0, noise_px, truth.shape).astype(np.float32)
        ids = np.empty(len(truth), np.int64)
        ids[order] = tracker.update(noisy, np.tile(SURE, (len(truth), 1)))
        found.append(ids)
    return np.stack(found)


def posetrack_file(people: np.ndarray, ids: np.ndarray) -> dict:
    images = [{"id": n, "vid_id": "1", "frame_id": n, "is_labeled": True} for n in range(len(people))]
    annotations = [
        {
            "image_id": frame,
            "track_id": int(ids[frame, person]),
            "bbox_head": [0, 0, 30, 40],
            "keypoints": np.concatenate([people[frame, person], SURE[:, None]], 1).ravel().tolist(),
            "scores": SURE.tolist(),
        }
        for frame in range(len(people))
        for person in range(people.shape[1])
    ]
    return {"images": images, "annotations": annotations}


def slow_similarity(joints, seen, old, old_seen, sigmas):
    box = np.ptp(old[old_seen], axis=0)
    area = 0.53 * np.prod(np.maximum(box, max(1.0, 0.25 * box.max())))
    both = [k for k in range(len(joints)) if seen[k] and old_seen[k]]
    if len(both) < 2:
        return 0.0
    terms = [np.exp(-np.sum((joints[k] - old[k]) ** 2) / (2 * (2 * sigmas[k]) ** 2 * area)) for k in both]
    return sum(terms) / len(terms)


def slow_tracks(frames, shifts, sigmas, *, length, least, score, matching, inertia):
    """Ids by the definition: all pairs of persons and remembered poses, looked through one by one."""
    memory, result, fresh = [], [], 0
    for now, ((coords, scores), shift) in enumerate(zip(frames, shifts, strict=True)):
        memory = [
            [(when, who, old + shift, was, seen, step) for when, who, old, was, seen, step in people]
            for people in memory
        ]
        seen = scores >= score
        persons = [n for n in range(len(coords)) if seen[n].sum() >= 2]
        likeness = {}
        for n, people in itertools.product(persons, memory):
            for when, who, old, was, old_seen, step in people:
                for place in (old, was + step * (now - when))[: 1 + inertia]:
                    value = slow_similarity(coords[n], seen[n], place, old_seen, sigmas)
                    if value >= least:
                        likeness[n, who] = max(value, likeness.get((n, who), 0))
        chosen = (greedily if matching == "greedy" else exhaustively)(likeness)
        ids = [-1] * len(coords)
        for n in persons:
            ids[n], fresh = (chosen[n], fresh) if n in chosen else (fresh, fresh + 1)
        steps = {n: slow_step(memory, now, ids[n], coords[n], seen[n]) for n in persons}
        memory = [[(now, ids[n], coords[n], coords[n], seen[n], steps[n]) for n in persons], *memory][:length]
        result.append(ids)
    return result


def slow_step(memory, now, id, joints, seen):
    for when, who, _, was, old_seen, step in itertools.chain(*memory):
        if who == id:
            steps = [
                (joints[k] - was[k]) / (now - when) for k in range(len(joints)) if seen[k] and old_seen[k]
            ]
            return np.median(steps, axis=0) if steps else step
    return np.zeros(2)


def greedily(likeness):
    chosen = {}
    while likeness:
        n, who = min(likeness, key=lambda pair: (-likeness[pair], pair))
        chosen[n] = who
        likeness = {pair: value for pair, value in likeness.items() if pair[0] != n and pair[1] != who}
    return chosen


def exhaustively(likeness, chosen=()):
    """Every set of pairs: the most pairs, of those the largest sum."""
    options = [dict(chosen)]
    for pair in likeness:
        if all(pair > other and pair[0] != other[0] and pair[1] != other[1] for other in chosen):
            options.append(exhaustively(likeness, (*chosen, pair)))
    return max(options, key=lambda pairs: (len(pairs), sum(likeness[pair] for pair in pairs.items())))


@pytest.mark.parametrize("matching", ["greedy", "hungarian"])
@pytest.mark.parametrize("inertia", [False, True])
@pytest.mark.parametrize("seed", range(10))
def test_ids_are_those_of_the_slow_reference(seed, inertia, matching):
    rng = np.random.default_rng(seed)
    joints, length = int(rng.integers(2, 6)), int(rng.integers(1, 4))
    sigmas, shape = rng.uniform(0.04, 0.12, joints), rng.uniform(0, 60, (joints, 2))
    places = rng.uniform(0, 80, (5, 1, 2))
    frames, shifts = [], []
    for _ in range(9):
        shifts.append(rng.integers(-40, 40, 2).astype(np.float32))
        places = places + shifts[-1]
        here = rng.permutation(5)[: rng.integers(0, 5)]
        coords = (places[here] + shape + rng.normal(0, 4, (len(here), joints, 2))).astype(np.float32)
        frames.append((coords, rng.uniform(0.2, 1, (len(here), joints)).astype(np.float32)))
    tracker = PoseTracker(sigmas, queue_length=length, min_similarity=0.2, matching=matching, inertia=inertia)
    found = []
    for (coords, scores), shift in zip(frames, shifts, strict=True):
        tracker.advance(Shift(*shift))
        found.append(tracker.update(coords, scores).tolist())
    options = {"length": length, "least": 0.2, "score": 0.4, "matching": matching, "inertia": inertia}
    assert found == slow_tracks(frames, shifts, sigmas, **options)
    ids = [id for frame in found for id in frame]
    assert 5 < max(ids) < len(ids) - 1  # not everyone is known, not everyone is new


@pytest.mark.parametrize("flow", ["dis_fast", "lk"])
@pytest.mark.parametrize("matching", ["greedy", "hungarian"])
def test_crossing_people_never_exchange_their_ids(matching, flow):
    people = crossing()
    ids = track(people, clip(people), 1.5, flow, matching=matching)
    assert (ids == ids[0]).all() and ids[0, 0] != ids[0, 1]
    truth = posetrack_file(people, np.tile([0, 1], (len(people), 1)))
    assert evaluate_posetrack([truth], [posetrack_file(people, ids)]).mota.mean == 1.0


@pytest.mark.parametrize(("queue_length", "kept"), [(6, True), (5, True), (4, False)])
def test_a_person_missing_in_fewer_frames_than_the_queue_has_keeps_the_id(queue_length, kept):
    tracker, people = PoseTracker(SIGMAS, queue_length=queue_length), SHAPE[None] + 100
    assert tracker.update(people, SURE[None]).tolist() == [0]
    for _ in range(4):
        tracker.advance(Shift(9, 0))
        assert tracker.update(people[:0], SURE[None][:0]).tolist() == []
    tracker.advance(Shift(9, 0))
    assert tracker.update(people + np.float32([45, 0]), SURE[None]).tolist() == [0 if kept else 1]


@pytest.mark.parametrize("inertia", [False, True])
def test_a_person_behind_another_goes_on_as_before(inertia):
    tracker, people = PoseTracker(SIGMAS, inertia=inertia), SHAPE[None] + 100
    for frame in range(2):
        tracker.advance(Shift(20, 0))
        tracker.update(people + np.float32([20 * frame, 0]), SURE[None])
    tracker.advance(Shift(-90, 0, covered=True))  # whoever stands in front walks the other way
    tracker.advance(Shift(-90, 0))
    assert tracker.update(people + np.float32([60, 0]), SURE[None]).tolist() == [0]


def test_with_inertia_alone_the_flow_of_who_stands_in_front_takes_no_id_away():
    for inertia, id in ((False, 1), (True, 0)):
        tracker, people = PoseTracker(SIGMAS, inertia=inertia), SHAPE[None] + 100
        for frame in range(2):
            tracker.advance(Shift(20, 0))
            tracker.update(people + np.float32([20 * frame, 0]), SURE[None])
        tracker.advance(Shift(-90, 0))
        assert tracker.update(people + np.float32([40, 0]), SURE[None]).tolist() == [id]


def test_another_scene_gives_new_ids():
    tracker = PoseTracker(SIGMAS)
    tracker.update(SHAPE[None] + 100, SURE[None])
    assert tracker.advance(Shift(cut=True)).shape == (0, 5)
    assert tracker.update(SHAPE[None] + 100, SURE[None]).tolist() == [1]


def test_boxes_follow_the_flow_and_are_wider_by_fifteen_per_cent():
    tracker = PoseTracker([0.05] * 3)
    tracker.update(
        [[[100, 50], [140, 250], [0, 0]]], [[0.9, 0.5, 0.3]]
    )  # by hand: 40 x 200, widened to 50 x 200
    (box,) = tracker.advance(Shift(7, 3))
    np.testing.assert_allclose(box, [102 - 3.75, 53 - 15, 57.5, 230, 0.7], rtol=1e-6)


def test_similarity_from_which_an_id_is_kept_is_that_worked_out_by_hand():
    # Area 0.53 * 100 * 100 = 5300, s = 2 * 0.05: both joints 10 px away give exp(-100 / (2 * 0.01 * 5300)) = 0.3892.
    old, new = [[[0, 0], [100, 100]]], [[[10, 0], [110, 100]]]
    for least, id in ((0.389, 0), (0.3895, 1)):
        tracker = PoseTracker([0.05, 0.05], min_similarity=least)
        tracker.update(old, [[1, 1]])
        assert tracker.update(new, [[1, 1]]).tolist() == [id]


def test_greedy_takes_the_best_pair_of_all_first_and_hungarian_the_largest_sum():
    similarity = np.array([[0.9, 0.8], [0.8, 0.1]], np.float32)
    assert greedy_pairs(similarity, 0.05).tolist() == [0, 1]
    assert greedy_pairs(similarity, 0.3).tolist() == [0, -1]
    assert best_sum_pairs(similarity, 0.3).tolist() == [1, 0]
    ties = np.full((2, 2), 0.5, np.float32)
    assert greedy_pairs(ties, 0.3).tolist() == [0, 1]


def test_joints_of_low_score_do_not_count_and_people_without_joints_get_no_id():
    tracker = PoseTracker(SIGMAS)
    assert tracker.update(SHAPE[None] + 100, [[0.39] * JOINTS]).tolist() == [-1]
    half = np.where(np.arange(JOINTS) < 8, SURE, np.nan)
    wrong = SHAPE + 100
    wrong[8:] = np.nan
    assert tracker.update(wrong[None], half[None]).tolist() == [0]
    assert tracker.update(SHAPE[None] + 100, SURE[None]).tolist() == [0]


def test_of_boxes_that_overlap_the_best_stays():
    boxes = [[0, 0, 10, 10], [0, 0, 10, 5], [0, 0, 10, 4.9], [50, 0, 4, 0]]
    assert box_iou(boxes, boxes)[0].tolist() == [1, 0.5, 0.49, 0]
    assert box_nms(boxes, [0.9, 0.8, 0.7, 0.6], threshold=0.5).tolist() == [
        0,
        1,
        3,
    ]  # 0.5 is not more than 0.5
    assert box_nms(boxes, [0.5] * 4, threshold=0.49).tolist() == [0, 2, 3]
    assert box_nms([], []).tolist() == []


@pytest.mark.parametrize("seed", range(5))
def test_box_nms_is_that_of_the_slow_reference(seed):
    rng = np.random.default_rng(seed)
    boxes = np.concatenate([rng.uniform(0, 40, (40, 2)), rng.uniform(1, 40, (40, 2))], 1)
    scores = rng.integers(0, 10, 40) / 10
    kept = []
    for n in sorted(range(40), key=lambda n: -scores[n]):
        if all(slow_iou(boxes[n], boxes[m]) <= 0.4 for m in kept):
            kept.append(n)
    assert box_nms(boxes, scores, threshold=0.4).tolist() == kept


def slow_iou(a, b):
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    common = max(width, 0) * max(height, 0)
    return common / (a[2] * a[3] + b[2] * b[3] - common)


def test_a_propagated_box_stays_where_nothing_better_was_detected():
    detected, propagated = (
        [[0, 0, 10, 10, 0.6], [40, 0, 10, 10, 0.9]],
        [[1, 0, 10, 10, 0.7], [80, 0, 10, 10, 0.5]],
    )
    unified = unify_boxes(detected, propagated)
    np.testing.assert_allclose(unified, np.float32([detected[1], propagated[0], propagated[1]]))
    assert unify_boxes([], []).shape == (0, 5)


@pytest.mark.parametrize("method", SEARCHES)
def test_flow_finds_a_shift_and_mistrusts_what_is_covered(method):
    image = texture(0)
    shifted = np.roll(image, (2, 5), (0, 1))
    points = np.array([[[100, 100]], [[300, 150]]], np.float32)
    moved = flow_between(image, shifted, method).move(points)
    np.testing.assert_allclose(moved.points, points + np.array([5, 2]), atol=0.3)
    assert moved.trusted.tolist() == [[True], [True]]
    covered = shifted.copy()
    covered[40:200, 20:220] = texture(5)[40:200, 20:220]
    assert flow_between(image, covered, method).move(points).trusted.tolist() == [[False], [True]]


@pytest.mark.parametrize("method", SEARCHES)
def test_flow_of_large_frames_is_in_pixels_of_the_frame(method):
    image = cv2.resize(texture(0), (1440, 720), interpolation=cv2.INTER_CUBIC)
    moved = flow_between(image, np.roll(image, (6, 12), (0, 1)), method).move(np.float32([[700, 300]]))
    np.testing.assert_allclose(moved.points, [[712, 306]], atol=0.5)


@pytest.mark.parametrize("method", SEARCHES)
def test_a_cut_is_told_from_motion(method):
    image = texture(0)
    assert not flow_between(image, np.roll(image, (4, 15), (0, 1)), method).is_cut
    assert flow_between(image, texture(9), method).is_cut
    fast = image.copy()
    fast[40:200, 20:150] = texture(5)[40:200, 20:150]  # all that moves is lost, most of the picture stays
    assert not flow_between(image, fast, method).is_cut
    blank = np.full_like(image, 90)
    assert not flow_between(blank, blank, method).is_cut


@pytest.mark.parametrize("method", SEARCHES)
def test_other_photos_are_cuts_and_frames_of_real_clips_are_none(method, pose_data):
    def read(pattern):
        images = [cv2.imread(str(path)) for path in sorted(pose_data.glob(pattern))[:5]]
        return [cv2.resize(image, (480, 360)) for image in images]

    for pattern, cut in (
        ("coco_people/images/*.jpg", True),
        ("posetrack_mini/clip_*/*.jpg", False),
        ("openfield/images/*.jpg", False),  # the animal jumps by half its length
    ):
        for pair in itertools.pairwise(read(pattern)):
            assert flow_between(*pair, method).is_cut == cut


def test_without_a_flow_nothing_moves():
    points = np.float32([[3, 4]])
    still = flow_between(texture(0), texture(9), "none")
    assert still.move(points).points.tolist() == [[3, 4]] and not still.is_cut


@pytest.mark.parametrize("method", FLOWS)
def test_nobody_is_moved_without_harm(method):
    moved = flow_between(texture(0), texture(0), method).move(np.zeros((0, 17, 2), np.float32))
    assert moved.points.shape == (0, 17, 2) and moved.trusted.shape == (0, 17)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"queue_length": 0}, "queue_length: expected 1 or more"),
        ({"min_similarity": 0.0}, "min_similarity: expected"),
        ({"min_joint_score": float("nan")}, "min_joint_score: expected"),
        ({"matching": "greed"}, "did you mean greedy"),
    ],
)
def test_options_out_of_range_are_named(options, message):
    with pytest.raises(UserError, match=message):
        PoseTracker(SIGMAS, **options)


def test_input_that_does_not_fit_is_named():
    with pytest.raises(UserError, match=r"expected coords \(N, 17, 2\)"):
        PoseTracker(SIGMAS).update(np.zeros((1, 3, 2)), np.zeros((1, 3)))
    with pytest.raises(UserError, match="expected finite numbers"):
        PoseTracker(SIGMAS).update(np.full((1, JOINTS, 2), np.nan), SURE[None])
    with pytest.raises(UserError, match="did you mean dis_"):
        flow_between(texture(0), texture(0), "dis_slow")
    with pytest.raises(UserError, match="two frames of one size"):
        flow_between(texture(0), texture(0)[:100])
    with pytest.raises(UserError, match=r"expected \(N, 4\) and scores"):
        box_nms(np.zeros((2, 4)), [0.5])
    with pytest.raises(UserError, match="finite boxes"):
        box_nms([[0, 0, np.nan, 1]], [0.5])
    with pytest.raises(UserError, match="an overlap from 0 to 1"):
        box_nms([], [], threshold=1.5)
