"""Generated crowds: the same everywhere, the closer the more crowded, labelled where they are drawn."""

import hashlib
import subprocess
import sys
from collections import defaultdict

import numpy as np
import pytest

from pyposeops.metrics import crowd_index
from python_models.data import GeneratedCrowds, crowds
from python_models.data.people.figure import covering_parts


def digest(seed: int, count: int) -> str:
    dataset = GeneratedCrowds(seed, count, 0.5)
    content = hashlib.sha256()
    for sample, record in zip(dataset, dataset.records, strict=True):
        content.update(sample.image.numpy().tobytes())
        content.update(record.keypoints.tobytes() + record.visibility.tobytes() + record.box_xywh.tobytes())
    return content.hexdigest()


def mean_index(crowding: float) -> float:
    people = defaultdict(list)
    for record in GeneratedCrowds(0, 60, crowding).records:
        people[record.image].append(record)
    return float(
        np.mean(
            [
                crowd_index(
                    [record.box_xywh for record in own],
                    [record.keypoints for record in own],
                    [record.visibility for record in own],
                )
                for own in people.values()
            ]
        )
    )


def test_same_seed_gives_the_same_pixels_and_labels_in_another_process():
    script = f"from {__name__} import digest; print(digest(7, 2))"
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == digest(7, 2)


def test_images_do_not_depend_on_how_many_are_asked_for():
    few, many = GeneratedCrowds(3, 2), GeneratedCrowds(3, 5)
    for one, other in zip(few.records, many.records, strict=False):
        assert (one.image, one.image_id, one.annotation_id) == (
            other.image,
            other.image_id,
            other.annotation_id,
        )
        np.testing.assert_array_equal(one.keypoints, other.keypoints)


def test_people_of_an_image_follow_each_other_and_have_names_of_their_own():
    records = GeneratedCrowds(1, 30).records
    assert [record.image for record in records] == sorted(record.image for record in records)
    assert len({record.annotation_id for record in records}) == len(records)
    counts = np.bincount([record.image for record in records])
    assert counts.min() >= 2 and counts.max() <= 6
    assert all(record.image_id == record.image + 1 for record in records)


def test_crowding_brings_people_together():
    found = [mean_index(crowding) for crowding in (0.0, 0.3, 0.6, 1.0)]
    assert found == sorted(found)
    assert found[0] < 0.1 < 0.5 < found[-1]


def test_the_same_people_stand_elsewhere_when_it_is_crowded():
    apart, close = (crowds.plan_crowd(0, 4, crowding) for crowding in (0.0, 1.0))
    for one, other in zip(apart.members, close.members, strict=True):
        shift = other.figure.joints - one.figure.joints
        np.testing.assert_allclose(shift, np.broadcast_to(shift[0] * [1, 0, 0], shift.shape), atol=1e-9)
        assert one.number == other.number


def test_joints_behind_nearer_people_are_hidden_and_painted_over():
    """A joint that is covered by somebody nearer looks the same whoever stands behind."""
    checked = 0
    for index in range(12):
        crowd = crowds.plan_crowd(2, index, 1.0)
        with_all = crowds.paint_crowd(crowd, 2, index).astype(float)
        without_far = crowds.paint_crowd(crowd._replace(members=crowd.members[1:]), 2, index).astype(float)
        record = next(record for record in GeneratedCrowds(2, 12, 1.0).records if record.image == index)
        far = crowd.members[0].figure
        covered = np.zeros(17, bool)
        for nearer in crowd.members[1:]:
            covered |= covering_parts(nearer.figure, far.joints[:, :2]).any(1)
        np.testing.assert_array_equal(record.visibility[covered & (record.visibility > 0)], 1)
        for (x, y), is_covered in zip(np.rint(far.joints[:, :2]).astype(int), covered, strict=True):
            if is_covered and 2 <= x < crowd.size[1] - 2 and 2 <= y < crowd.size[0] - 2:
                checked += 1
                patch = np.s_[y : y + 1, x : x + 1]
                assert np.abs(with_all[patch] - without_far[patch]).max() < 60
    assert checked > 20


def test_joints_outside_are_not_labelled():
    for record in GeneratedCrowds(4, 20, 0.0).records:
        height, width = crowds.plan_crowd(4, record.image, 0.0).size
        outside = ((record.keypoints < 0) | (record.keypoints > [width - 1, height - 1])).any(1)
        np.testing.assert_array_equal(record.visibility == 0, outside)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((-1, 5), "at least 0 and 1, got -1 and 5"),
        ((0, 0), "got 0 and 0"),
        ((0, 1, 1.5), "from 0 to 1, got 1.5"),
    ],
)
def test_arguments_are_checked(arguments, message):
    with pytest.raises(ValueError, match=message):
        GeneratedCrowds(*arguments)
