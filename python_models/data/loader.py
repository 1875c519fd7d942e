"""Batches of decoded images, in an order that (seed, epoch) decides; bad images are survived."""

from __future__ import annotations

import signal
import warnings
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from python_models.data.packing import PackedSamples
from python_models.data.records import ImageReadError, PoseDataset, Sample
from python_models.errors import UserError

# A set is refused when more of its people than this have an unreadable image.
TOLERATED_BAD_FRACTION = 0.05
TOLERATED_BAD_PEOPLE = 10
# Training looks this far ahead for a readable image to put in the place of a bad one.
_REPLACEMENT_TRIES = 16
_PREFETCHED_BATCHES = 4


def derived_seed(*parts: int) -> int:
    """Mix whole numbers such as (seed, epoch, rank) into one 63-bit seed."""
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> np.uint64(1))


class EpochBatches(Sampler[list[int]]):
    """Index batches of one process; `batch_size` counts one process.

    Training: each epoch is a permutation drawn from (seed, epoch), cut into global batches of
    batch_size * world_size of which every process takes its slice, so that the processes together see what
    one process with the global batch would see. The last, incomplete global batch is dropped unless it is
    the only one. Evaluation: the order of the records; every record goes to exactly one process, so no
    result counts twice, and processes may have different numbers of batches (do not let the model
    synchronise in its forward pass: call `.module` of a DDP wrapper).
    """

    def __init__(
        self,
        length: int,
        batch_size: int,
        *,
        training: bool,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        if batch_size < 1:
            raise UserError(f"batch_size: expected at least 1, got {batch_size}")
        if not 0 <= rank < world_size:
            raise UserError(f"rank: expected 0 to {world_size - 1}, got {rank}")
        if training and length < world_size:
            raise UserError(f"data set: {length} people cannot be shared by {world_size} processes")
        self.length, self.batch_size, self.training = length, batch_size, training
        self.seed, self.rank, self.world_size = seed, rank, world_size
        self.epoch, self.first_batch = 0, 0

    def set_epoch(self, epoch: int, first_batch: int = 0) -> None:
        """Choose the epoch, counted from 0, of the next iteration, and the batch it begins with."""
        self.epoch, self.first_batch = epoch, first_batch

    def __len__(self) -> int:
        if self.training:
            return max(1, self.length // (self.batch_size * self.world_size))
        own = len(range(self.rank, self.length, self.world_size))
        return -(-own // self.batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        return self._training_batches() if self.training else self._evaluation_batches()

    def _training_batches(self) -> Iterator[list[int]]:
        generator = torch.Generator().manual_seed(derived_seed(self.seed, self.epoch))
        order = torch.randperm(self.length, generator=generator).tolist()
        share = min(self.batch_size, self.length // self.world_size)
        for number in range(self.first_batch, len(self)):
            first = (number * self.world_size + self.rank) * share
            yield order[first : first + share]

    def _evaluation_batches(self) -> Iterator[list[int]]:
        own = range(self.rank, self.length, self.world_size)
        for first in range(0, len(own), self.batch_size):
            yield list(own[first : first + self.batch_size])


class _Reading(NamedTuple):
    """One place of a batch: the sample or None, and (record index, message) of every failed image."""

    sample: Sample | None
    failures: list[tuple[int, str]]


class _SurvivingReader(Dataset[_Reading]):
    """Reads records; with `replace`, a bad image gives way to the next readable record of the set."""

    def __init__(self, dataset: PoseDataset, replace: bool) -> None:
        self.dataset, self.replace = dataset, replace

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> _Reading:
        failures: list[tuple[int, str]] = []
        for step in range(_REPLACEMENT_TRIES if self.replace else 1):
            candidate = (index + step) % len(self.dataset)
            try:
                return _Reading(self.dataset[candidate], failures)
            except ImageReadError as error:
                failures.append((candidate, str(error)))
        return _Reading(None, failures)


def _collate(readings: Sequence[_Reading]) -> tuple[PackedSamples, list[tuple[int, str]]]:
    samples = [reading.sample for reading in readings if reading.sample is not None]
    return PackedSamples.pack(samples), [failure for reading in readings for failure in reading.failures]


def _start_worker(_: int) -> None:
    cv2.setNumThreads(0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the main process decides


class PoseLoader:
    """Iterates over a data set in batches of decoded images (`PackedSamples`).

    An unreadable image costs one warning that names the file. Training replaces it by the next readable
    record, so that batches keep their size on every process; evaluation leaves it out. More than 10 such
    people, or 5 % of the set where that is more, raise ImageReadError.

    Args:
        dataset: the people.
        batch_size: people per batch and process.
        training: shuffled full batches, or every record once in order; see `EpochBatches`.
        seed: with the epoch, decides the order.
        workers: decoding processes; 0 decodes in this one, with the same result.
        rank, world_size: this process among those that share the epoch.
        pin_memory: page-locked batches, for asynchronous copies to a GPU.
    """

    def __init__(
        self,
        dataset: PoseDataset,
        batch_size: int,
        *,
        training: bool,
        seed: int = 0,
        workers: int = 0,
        rank: int = 0,
        world_size: int = 1,
        pin_memory: bool = False,
    ) -> None:
        self.dataset = dataset
        self.batches = EpochBatches(
            len(dataset), batch_size, training=training, seed=seed, rank=rank, world_size=world_size
        )
        self.bad_images: dict[int, str] = {}
        self._loader = DataLoader(
            _SurvivingReader(dataset, replace=training),
            batch_sampler=self.batches,
            collate_fn=_collate,
            num_workers=workers,
            pin_memory=pin_memory,
            worker_init_fn=_start_worker,
            persistent_workers=workers > 0,
            prefetch_factor=_PREFETCHED_BATCHES if workers > 0 else None,
            generator=torch.Generator(),  # its own, so that iterating draws nothing from the global state
        )

    def __len__(self) -> int:
        return len(self.batches)

    def set_epoch(self, epoch: int, first_batch: int = 0) -> None:
        """Choose the epoch, counted from 0, of the next iteration, and the batch it begins with."""
        self.batches.set_epoch(epoch, first_batch)

    def __iter__(self) -> Iterator[PackedSamples]:
        for samples, failures in self._loader:
            for index, message in failures:
                self._note_failure(index, message)
            if len(samples):
                yield samples
        if self.bad_images and len(self.bad_images) == len(self.dataset):
            raise ImageReadError(
                f"no image of the data set can be read; {next(iter(self.bad_images.values()))}"
            )

    def _note_failure(self, index: int, message: str) -> None:
        if index in self.bad_images:
            return
        if message not in self.bad_images.values():
            warnings.warn(f"{message}; left out", RuntimeWarning, stacklevel=3)
        self.bad_images[index] = message
        tolerated = max(TOLERATED_BAD_PEOPLE, int(TOLERATED_BAD_FRACTION * len(self.dataset)))
        if len(self.bad_images) > tolerated:
            raise ImageReadError(
                f"more than {tolerated} of {len(self.dataset)} people have an unreadable image; {message}"
            )
