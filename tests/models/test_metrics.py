"""OKS-AP on people worked out by hand."""

import numpy as np
import pytest

from python_models.data import COCO_SKELETON, GeneratedPeople
from python_models.metrics import oks_ap


def results_of(dataset: GeneratedPeople, shift: float) -> list[dict]:
    return [
        {
            "image_id": record.image_id,
            "category_id": 1,
            "keypoints": np.c_[record.keypoints + shift, np.ones(17)].ravel().tolist(),
            "score": 0.9,
        }
        for record in dataset.records
    ]


def test_oks_ap_is_one_for_the_labels_and_nothing_for_strangers():
    people = GeneratedPeople(5, 4)
    ids = [record.image_id for record in people.records]
    perfect = oks_ap(people.to_coco(), results_of(people, 0.0), COCO_SKELETON.sigmas, image_ids=ids)
    assert perfect["AP"] == pytest.approx(1.0) and perfect["AR"] == pytest.approx(1.0)
    missed = oks_ap(people.to_coco(), results_of(people, 500.0), COCO_SKELETON.sigmas, image_ids=ids)
    assert missed["AP"] == 0.0


def test_oks_ap_leaves_out_images_that_do_not_count():
    people = GeneratedPeople(5, 4)
    found = results_of(people, 0.0)[:2]
    ids = [record.image_id for record in people.records[:2]]
    assert oks_ap(people.to_coco(), found, COCO_SKELETON.sigmas, image_ids=ids)["AR"] == pytest.approx(1.0)
