"""From samples to a batch: the same affine must move pixels and joints."""

import numpy as np
import pytest
import torch

from python_models.data import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    Augmentation,
    BatchPreparer,
    GeneratedPeople,
    PersonRecord,
    PoseDataset,
    Sample,
    Skeleton,
)

SIZE = (128, 96)
NO_COLOUR = {"brightness": 0.0, "tint": 0.0, "offset": 0.0}


class Dots(PoseDataset):
    """Dark images with one bright, smooth dot at a joint; the joints change from image to image."""

    skeleton = Skeleton.from_names("dots", ("left_hand", "right_hand", "left_foot", "right_foot"))

    def __init__(self, count: int) -> None:
        rng = np.random.default_rng(1)
        self.records = []
        for index in range(count):
            keypoints = rng.uniform((70, 80), (130, 180), (4, 2)).astype(np.float32)
            box = np.float32([60, 70, 80, 120])
            visibility = np.float32([2, 2, 1, 0])
            self.records.append(PersonRecord(index, index, index, box, keypoints, visibility, 5000.0))

    def load_image(self, record: PersonRecord) -> np.ndarray:
        y, x = np.mgrid[:240, :200]
        joint = record.keypoints[record.image % 2]
        dot = np.exp(-((x - joint[0]) ** 2 + (y - joint[1]) ** 2) / (2 * 2.5**2))
        return np.repeat(np.rint(255 * dot).astype(np.uint8)[..., None], 3, axis=2)


def samples(dataset: PoseDataset) -> list[Sample]:
    return [dataset[index] for index in range(len(dataset))]


def brightness(crops: torch.Tensor) -> torch.Tensor:
    """Undo the normalisation; (N, h, w) from 0 to 1."""
    mean, std = (torch.tensor(values)[:, None, None] for values in (IMAGENET_MEAN, IMAGENET_STD))
    return (crops.float().cpu() * std + mean).mean(1)


def centre_of_light(crops: torch.Tensor) -> torch.Tensor:
    light = brightness(crops).clamp_min(0)
    light = torch.where(light > 0.05, light, 0.0)
    y, x = torch.meshgrid(torch.arange(crops.shape[2]), torch.arange(crops.shape[3]), indexing="ij")
    total = light.sum((1, 2))
    return torch.stack([(light * x).sum((1, 2)) / total, (light * y).sum((1, 2)) / total], dim=1)


@pytest.mark.parametrize("convention", ["msra", "udp"])
@pytest.mark.parametrize("augmented", [False, True])
def test_the_joint_is_where_its_dot_is_found_in_the_crop(convention, augmented, device, generator):
    dataset = Dots(24)
    augmentation = Augmentation(**NO_COLOUR) if augmented else None
    prepare = BatchPreparer(
        dataset, size=SIZE, convention=convention, augmentation=augmentation, device=device
    )
    batch = prepare(samples(dataset), generator)
    found = centre_of_light(batch.crops)
    checked, swapped = 0, 0
    for index, keypoints in enumerate(batch.keypoints.cpu()):
        # a mirrored crop shows what was the left hand at the right hand's place
        gaps = (keypoints[:2] - found[index]).norm(dim=1)
        inside = (keypoints[:2] > 10).all() and (keypoints[:2] < torch.tensor(SIZE[::-1]) - 10).all()
        if inside:
            checked += 1
            swapped += int(gaps.argmin()) != index % 2
            assert gaps.min() < 0.1
    assert checked > 12
    assert (swapped > 4) == augmented


def test_without_augmentation_the_box_fills_the_crop_with_its_padding():
    dataset = Dots(1)
    batch = BatchPreparer(dataset, size=SIZE)(samples(dataset))
    scale = 128 / (120 * 1.25)  # the box is narrow, so its height decides
    expected = [[scale, 0, 48 - 100 * scale], [0, scale, 64 - 130 * scale]]
    np.testing.assert_allclose(batch.affines[0], expected, atol=1e-4)


def test_a_batch_says_whom_it_shows_and_what_is_hidden():
    dataset = Dots(6)
    batch = BatchPreparer(dataset, size=SIZE)(samples(dataset))
    assert batch.visibility.tolist() == [[2, 2, 1, 0]] * 6
    assert batch.indices.tolist() == list(range(6))


def test_reversed_channels_are_normalised_in_their_own_order():
    dataset = Dots(2)
    rgb = BatchPreparer(dataset, size=SIZE, mean=(0.1, 0.2, 0.3), std=(0.5, 1.0, 2.0))(samples(dataset))
    bgr = BatchPreparer(dataset, size=SIZE, mean=(0.3, 0.2, 0.1), std=(2.0, 1.0, 0.5), reverse_channels=True)(
        samples(dataset)
    )
    torch.testing.assert_close(bgr.crops, rgb.crops.flip(1))


def test_mirroring_swaps_left_and_right():
    dataset = GeneratedPeople(0, 4)
    off = {"scale": 0.0, "rotation_deg": 0.0, "half_body_probability": 0.0, **NO_COLOUR}
    plain = BatchPreparer(dataset, size=SIZE)(samples(dataset))
    mirror = BatchPreparer(dataset, size=SIZE, augmentation=Augmentation(flip_probability=1.0, **off))
    mirrored = mirror(samples(dataset), torch.Generator())
    order = list(dataset.skeleton.flip_order)
    # float32 affines move a sample by some 1e-5 px, which shows at the image's edge
    torch.testing.assert_close(mirrored.crops.flip(3), plain.crops, atol=0.02, rtol=0)
    expected = plain.keypoints[:, order] * torch.tensor([-1.0, 1.0]) + torch.tensor([SIZE[1] - 1.0, 0.0])
    torch.testing.assert_close(mirrored.keypoints, expected, atol=1e-3, rtol=0)
    torch.testing.assert_close(mirrored.visibility, plain.visibility[:, order])


def test_gain_and_bias_act_before_normalisation():
    dataset = Dots(3)
    still = {"scale": 0.0, "rotation_deg": 0.0, "flip_probability": 0.0, "half_body_probability": 0.0}
    coloured = Augmentation(brightness=0.5, tint=0.0, offset=0.2, **still)
    plain = BatchPreparer(dataset, size=SIZE)(samples(dataset)).crops
    changed = BatchPreparer(dataset, size=SIZE, augmentation=coloured)(
        samples(dataset), torch.Generator()
    ).crops
    for before, after in zip(plain, changed, strict=True):
        for channel in range(3):
            old = before[channel].flatten() * IMAGENET_STD[channel] + IMAGENET_MEAN[channel]
            new = after[channel].flatten() * IMAGENET_STD[channel] + IMAGENET_MEAN[channel]
            gain, bias = np.polyfit(old.numpy(), new.numpy(), 1)
            assert 0.5 <= gain <= 1.5 and abs(bias) <= 0.2
            np.testing.assert_allclose(new, gain * old + bias, atol=1e-4)


def test_the_same_generator_state_gives_the_same_batch():
    dataset = GeneratedPeople(1, 5)
    prepare = BatchPreparer(dataset, size=SIZE, augmentation=Augmentation())
    first, second = (prepare(samples(dataset), torch.Generator().manual_seed(3)) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first.tensors(), second.tensors(), strict=True))
    other = prepare(samples(dataset), torch.Generator().manual_seed(4))
    assert not torch.equal(first.crops, other.crops)


def test_memory_order_and_dtype_of_the_crops(device):
    dataset = GeneratedPeople(1, 2)
    prepare = BatchPreparer(dataset, size=SIZE, dtype=torch.bfloat16, channels_last=True, device=device)
    crops = prepare(samples(dataset)).crops
    assert crops.dtype == torch.bfloat16
    assert crops.device.type == device.type
    assert crops.is_contiguous(memory_format=torch.channels_last)


def test_a_skeleton_with_a_one_sided_joint_cannot_be_mirrored():
    dataset = Dots(1)
    dataset.skeleton = Skeleton.from_names("crab", ("left_claw", "right_claw", "left_eye", "shell"))
    with pytest.raises(ValueError, match="flip_probability: 'left_eye' has no partner"):
        BatchPreparer(dataset, augmentation=Augmentation())
    BatchPreparer(dataset, augmentation=Augmentation(flip_probability=0.0))


def test_augmentation_needs_a_generator():
    dataset = Dots(1)
    with pytest.raises(ValueError, match="generator: needed"):
        BatchPreparer(dataset, size=SIZE, augmentation=Augmentation())(samples(dataset))
