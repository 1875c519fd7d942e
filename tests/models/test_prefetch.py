"""Batches made ahead are the batches."""

import torch

from python_models.data import BatchPreparer
from python_models.prefetch import prefetched
from tests.models.tiny import Dots


def test_batches_made_ahead_equal_those_made_in_turn(device: torch.device):
    people = Dots(12)
    prepare = BatchPreparer(people, size=(64, 64), device=device)
    groups = [[people[index] for index in range(first, first + 3)] for first in range(0, 12, 3)]
    expected = [prepare(group) for group in groups]
    busy = torch.randn(2000, 2000, device=device)
    for batch, wanted in zip(prefetched(map(prepare, groups), device), expected, strict=True):
        busy = busy @ busy * 1e-3  # keeps the consumer's stream behind the one that makes batches
        for got, value in zip(batch.tensors(), wanted.tensors(), strict=True):
            assert torch.equal(got, value)


def test_nothing_is_made_ahead_on_a_cpu():
    people, made = Dots(2), []
    prepare = BatchPreparer(people, size=(64, 64))

    def batches():
        for index in range(2):
            made.append(index)
            yield prepare([people[index]])

    first = next(prefetched(batches(), torch.device("cpu")))
    assert made == [0] and int(first.indices) == 0
