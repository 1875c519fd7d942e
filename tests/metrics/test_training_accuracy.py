"""The accuracy during training against a loop after HRNet's code, and on numbers by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pyposeops.metrics import crop_accuracy, heatmap_accuracy
from tests.metrics import joint_loops


def maps(seed: int = 0, samples: int = 12, joints: int = 5, size: tuple[int, int] = (32, 24)):
    """Peaks near the targets', some of them close to the edges, some maps empty."""
    rng = np.random.default_rng(seed)
    target = np.zeros((samples, joints, *size))
    output = rng.uniform(-0.5, 0.2, target.shape)
    for sample in range(samples):
        for joint in range(joints):
            y, x = rng.integers(0, size[0]), rng.integers(0, size[1])
            target[sample, joint, y, x] = rng.uniform(0.5, 1) if rng.random() < 0.9 else 0
            y = np.clip(y + rng.integers(-3, 4), 0, size[0] - 1)
            output[sample, joint, y, np.clip(x + rng.integers(-3, 4), 0, size[1] - 1)] = 1
    output[0, 0] = -1
    return output, target


@pytest.mark.parametrize("seed", range(4))
def test_accuracy_with_swapped_axes_is_that_of_hrnet(seed):
    output, target = maps(seed)
    shares, mean = joint_loops.hrnet_accuracy(output, target)
    got = heatmap_accuracy(output, target, axes="swapped")
    np.testing.assert_array_equal(np.nan_to_num(got.per_joint, nan=-1.0), shares)
    assert got.mean == pytest.approx(mean, rel=1e-14)


def test_axes_make_a_difference_where_maps_are_not_square():
    target = np.zeros((1, 1, 40, 20))
    target[0, 0, 20, 10] = 1
    beside = np.roll(target, 1, axis=3)  # half a tenth of the width, a quarter of one of the height
    assert heatmap_accuracy(beside, target).mean == 0
    assert heatmap_accuracy(beside, target, comparison="<=").mean == 1
    assert heatmap_accuracy(beside, target, axes="swapped").mean == 1


def test_mask_takes_the_place_of_the_rule_on_the_first_rows():
    target = torch.zeros(2, 2, 20, 20)
    target[:, :, 1, 1] = 1
    assert heatmap_accuracy(target, target).counted.tolist() == [0, 0]
    got = heatmap_accuracy(target, target, torch.tensor([[1.0, 0.0], [0.5, 0.0]]))
    assert got.counted.tolist() == [2, 0] and got.per_joint.isnan().tolist() == [False, True]


def test_mean_over_joints_and_over_labels():
    target = torch.zeros(3, 2, 20, 20)
    target[:, :, 10, 10] = 1
    output = target.clone()
    output[:, 0] = output[:, 0].roll(5, dims=-1)
    labelled = torch.tensor([[1, 1], [1, 0], [1, 0]])
    assert float(heatmap_accuracy(output, target, labelled).mean) == 1 / 2
    assert float(heatmap_accuracy(output, target, labelled, average="labels").mean) == 1 / 4


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
def test_maps_of_the_network_may_be_of_any_dtype_and_need_a_gradient(dtype):
    output, target = (torch.from_numpy(values) for values in maps())
    want = heatmap_accuracy(output.to(dtype).double(), target)
    got = heatmap_accuracy(output.to(dtype).requires_grad_(), target.float())
    assert torch.equal(got.mean, want.mean) and not got.mean.requires_grad


def test_joints_of_a_crop_are_near_by_its_width_in_x_and_its_height_in_y():
    truth = torch.full((1, 3, 2), 80.0)
    found = torch.tensor([[[84.0, 80.0], [92.0, 80.0], [80.0, 80.0]]])
    labelled = torch.tensor([[1.0, 2.0, 0.0]])
    for size, share in (((160, 160), 0.5), ((160, 320), 1.0), ((320, 160), 0.5)):
        got = crop_accuracy(found, truth, labelled, size=size)
        assert float(got.mean) == share and got.counted.tolist() == [1, 1, 0]


def test_joint_at_nan_is_not_found():
    truth = torch.full((1, 2, 2), 80.0)
    found = truth.clone()
    found[0, 0, 1] = torch.nan
    assert crop_accuracy(found, truth, size=(160, 160)).per_joint.tolist() == [0, 1]


@pytest.mark.parametrize("size", [(0, 10), (10,), (-3, 4)])
def test_crop_without_a_size_is_refused(size):
    with pytest.raises(ValueError, match=r"size: expected \(height, width\) above 0"):
        crop_accuracy(torch.zeros(1, 2, 2), torch.zeros(1, 2, 2), size=size)


@pytest.mark.parametrize(
    ("message", "change"),
    [
        ("axes: expected one of", {"axes": "both"}),
        ("comparison: expected one of", {"comparison": "="}),
        ("threshold: expected finite", {"threshold": -0.5}),
        ("average: expected one of", {"average": "people"}),
        (r"target: expected \(2, 3, 8, 8\)", {"target": torch.zeros(2, 3, 8, 9)}),
        (r"pred: expected \(B, K, H, W\)", {"pred": torch.zeros(2, 3, 8)}),
        (r"labelled: expected \(2, 3\)", {"labelled": torch.ones(2)}),
    ],
)
def test_bad_input_is_refused_by_name(message, change):
    with pytest.raises(ValueError, match=message):
        heatmap_accuracy(**{"pred": torch.zeros(2, 3, 8, 8), "target": torch.zeros(2, 3, 8, 8), **change})


@pytest.mark.cuda
def test_cuda_gives_the_numbers_of_the_cpu_without_waiting():
    output, target = (torch.from_numpy(values).cuda() for values in maps())
    torch.cuda.set_sync_debug_mode("error")
    try:
        got = heatmap_accuracy(output, target)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert torch.equal(got.mean.cpu(), heatmap_accuracy(output.cpu(), target.cpu()).mean)
