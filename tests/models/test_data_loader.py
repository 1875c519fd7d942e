"""Order, resuming, sharing among processes, packing, and images that cannot be read."""

import re
import warnings
from collections.abc import Iterable
from itertools import chain

import numpy as np
import pytest
import torch

from python_models.data import (
    CocoKeypoints,
    GeneratedPeople,
    ImageReadError,
    PackedSamples,
    PersonRecord,
    PoseDataset,
    PoseLoader,
    Sample,
    Skeleton,
    export_coco,
)
from python_models.data.loader import EpochBatches, derived_seed


class Numbered(PoseDataset):
    """People whose image is filled with their index and has its own size; some images are broken."""

    skeleton = Skeleton.from_names("dot", ("middle",))

    def __init__(self, count: int, broken: tuple[int, ...] = ()) -> None:
        self.broken = broken
        box, joint, seen = np.float32([0, 0, 2, 2]), np.zeros((1, 2), np.float32), np.full(1, 2, np.float32)
        self.records = [
            PersonRecord(index, index, index + 1, box, joint, seen, 4.0) for index in range(count)
        ]

    def load_image(self, record: PersonRecord) -> np.ndarray:
        if record.image in self.broken:
            raise ImageReadError(f"photo{record.image}.jpg: cannot be decoded as an image")
        return np.full((2 + record.image % 3, 4, 3), record.image, np.uint8)


def indices(loader: PoseLoader) -> list[list[int]]:
    return [[sample.index for sample in batch] for batch in loader]


def joined(lists: Iterable[list[int]]) -> list[int]:
    return list(chain.from_iterable(lists))


def batches(length: int, batch_size: int, **options) -> EpochBatches:
    return EpochBatches(length, batch_size, **{"training": True, **options})


def test_every_sample_keeps_its_image():
    for samples in PoseLoader(Numbered(7), 3, training=False):
        for sample in samples:
            assert sample.image.shape == (2 + sample.index % 3, 4, 3)
            assert (sample.image == sample.index).all()


def test_order_is_a_function_of_seed_and_epoch():
    sampler = batches(20, 4, seed=3)
    first = list(sampler)
    sampler.set_epoch(1)
    second = list(sampler)
    assert first != second
    again = batches(20, 4, seed=3)
    again.set_epoch(1)
    assert list(again) == second
    assert list(batches(20, 4, seed=4)) != first
    assert sorted(joined(first)) == list(range(20))


def test_an_epoch_can_be_continued_at_a_batch():
    sampler = batches(20, 4)
    whole = list(sampler)
    sampler.set_epoch(0, first_batch=3)
    assert list(sampler) == whole[3:]


def test_workers_change_nothing():
    dataset = Numbered(13, broken=(4,))
    with pytest.warns(RuntimeWarning, match="photo4.jpg"):
        alone = indices(PoseLoader(dataset, 4, training=True, seed=5))
    with pytest.warns(RuntimeWarning, match="photo4.jpg"):
        helped = indices(PoseLoader(dataset, 4, training=True, seed=5, workers=2))
    assert alone == helped


def test_iterating_leaves_the_global_random_state_alone():
    state = torch.random.get_rng_state()
    indices(PoseLoader(Numbered(5), 2, training=True))
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize("world_size", [2, 3])
def test_processes_together_see_the_global_batches_of_one(world_size):
    whole = list(batches(25, 2 * world_size, seed=1))
    shares = [list(batches(25, 2, seed=1, rank=rank, world_size=world_size)) for rank in range(world_size)]
    assert [joined(parts) for parts in zip(*shares, strict=True)] == whole


def test_training_drops_an_incomplete_batch_unless_it_is_the_only_one():
    assert [len(batch) for batch in batches(11, 4)] == [4, 4]
    assert [len(batch) for batch in batches(3, 4)] == [3]
    assert [len(batch) for batch in batches(5, 4, rank=1, world_size=2)] == [2]
    assert len(batches(11, 4)) == 2


@pytest.mark.parametrize("length", [1, 7, 8])
def test_evaluation_gives_every_record_to_exactly_one_process(length):
    samplers = [batches(length, 2, training=False, rank=rank, world_size=3) for rank in range(3)]
    assert sorted(joined(map(joined, samplers))) == list(range(length))
    assert all(len(list(sampler)) == len(sampler) for sampler in samplers)


def test_a_bad_image_is_replaced_in_training_with_one_warning():
    loader = PoseLoader(Numbered(8, broken=(2, 3)), 4, training=True)
    with pytest.warns(RuntimeWarning) as caught:
        first = indices(loader)
    assert sorted(str(warning.message).split(":")[0] for warning in caught) == ["photo2.jpg", "photo3.jpg"]
    assert sorted(joined(first)) == [0, 1, 4, 4, 4, 5, 6, 7]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        indices(loader)


def test_a_bad_image_is_left_out_in_evaluation():
    loader = PoseLoader(Numbered(6, broken=(2, 3)), 2, training=False)
    with pytest.warns(RuntimeWarning, match="left out"):
        assert indices(loader) == [[0, 1], [4, 5]]
    assert sorted(loader.bad_images) == [2, 3]


def test_too_many_bad_images_end_the_run():
    with pytest.raises(ImageReadError, match="more than 10 of 40 people"), pytest.warns(RuntimeWarning):
        indices(PoseLoader(Numbered(40, broken=tuple(range(5, 16))), 4, training=False))
    with pytest.warns(RuntimeWarning):
        indices(PoseLoader(Numbered(250, broken=tuple(range(5, 17))), 4, training=False))


@pytest.mark.parametrize("workers", [0, 1])
def test_a_broken_jpeg_on_disk_does_not_end_the_epoch(tmp_path, workers):
    dataset = CocoKeypoints(export_coco(GeneratedPeople(0, 5), tmp_path))
    broken = tmp_path / "images" / "000000000003.jpg"
    broken.write_bytes(b"\xff\xd8\xff\xe0 torn off")
    loader = PoseLoader(dataset, 2, training=False, workers=workers)
    with pytest.warns(
        RuntimeWarning, match=f"{re.escape(str(broken))}: cannot be decoded as an image; left out"
    ):
        assert joined(indices(loader)) == [0, 1, 3, 4]


@pytest.mark.parametrize("training", [True, False])
def test_a_set_without_any_readable_image_is_refused(training):
    loader = PoseLoader(Numbered(3, broken=(0, 1, 2)), 2, training=training)
    with (
        pytest.raises(ImageReadError, match="no image of the data set can be read"),
        pytest.warns(RuntimeWarning),
    ):
        indices(loader)


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match="batch_size: expected at least 1, got 0"):
        batches(5, 0)
    with pytest.raises(ValueError, match="rank: expected 0 to 1, got 2"):
        batches(5, 1, rank=2, world_size=2)
    with pytest.raises(ValueError, match="1 people cannot be shared by 2 processes"):
        batches(1, 1, world_size=2)


def test_packing_keeps_sizes_and_pixels():
    images = [torch.randint(0, 256, (height, 5, 3), dtype=torch.uint8) for height in (4, 1, 6)]
    packed = PackedSamples.pack(Sample(image, index) for index, image in enumerate(images))
    assert len(packed) == 3
    assert packed.pixels.numel() == sum(image.numel() for image in images)
    for sample, image in zip(packed, images, strict=True):
        assert torch.equal(sample.image, image)
    assert PackedSamples.pack(packed) is packed
    assert len(PackedSamples.pack([])) == 0


@pytest.mark.cuda
def test_pinned_batches_reach_the_device():
    loader = PoseLoader(Numbered(4), 4, training=False, pin_memory=True)
    (samples,) = loader
    assert samples.pixels.is_pinned()
    for sample in samples.to("cuda"):
        assert sample.image.is_cuda
        assert (sample.image == sample.index).all()


def test_derived_seeds_differ():
    seeds = {derived_seed(seed, epoch, rank) for seed in range(4) for epoch in range(4) for rank in range(4)}
    assert len(seeds) == 64
    assert min(seeds) >= 0
