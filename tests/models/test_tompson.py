"""Tompson et al.: contrast normalisation by its definition, pyramid, pooling, the cascade's windows and losses."""

import numpy as np
import pytest
import torch
from torch import Tensor

from python_models import create_model, model_info
from python_models.tompson import LocalContrastNorm, gaussian_pyramid
from python_models.tompson_cascade import TompsonCascade, cascade_losses, paste_windows

SMALL = {"width": 4, "wide": 8, "hidden": 8, "fine_channels": 4}


def normalised_pixel_by_pixel(image: np.ndarray, size: int, sigma: float) -> np.ndarray:
    """The definition: weighted mean and deviation of each pixel's window, over what of it lies inside."""
    channels, height, width = image.shape
    reach = size // 2

    def over_windows(values: np.ndarray) -> np.ndarray:
        means = np.zeros((height, width))
        for y in range(height):
            for x in range(width):
                total = weights = 0.0
                for v in range(max(0, y - reach), min(height, y + reach + 1)):
                    for u in range(max(0, x - reach), min(width, x + reach + 1)):
                        weight = np.exp(-((u - x) ** 2 + (v - y) ** 2) / (2 * sigma**2))
                        total += weight * values[:, v, u].sum()
                        weights += weight * channels
                means[y, x] = total / weights
        return means

    centred = image - over_windows(image)
    deviation = np.sqrt(over_windows(centred**2))
    return centred / np.maximum(deviation, deviation.mean())


def test_contrast_is_normalised_as_defined(generator: torch.Generator):
    image = torch.rand(2, 3, 11, 8, generator=generator, dtype=torch.float64)
    image[1, :, :4] *= 20  # borders and contrasts of all kinds
    got = LocalContrastNorm(3, size=5, sigma_px=1.3).double()(image)
    for own, picture in zip(got, image, strict=True):
        expected = normalised_pixel_by_pixel(picture.numpy(), 5, 1.3)
        np.testing.assert_allclose(own.numpy(), expected, rtol=1e-6, atol=1e-7)  # weights in float32


def test_contrast_does_not_depend_on_brightness_and_gain(generator: torch.Generator):
    image = torch.rand(1, 3, 32, 32, generator=generator, dtype=torch.float64)
    norm = LocalContrastNorm().double()
    torch.testing.assert_close(norm(5 * image + 7), norm(image), rtol=0, atol=1e-6)


def test_an_image_of_one_colour_gives_zero():
    assert LocalContrastNorm()(torch.full((1, 3, 16, 16), 0.25)).abs().max() < 1e-2


def test_contrast_keeps_its_precision_under_autocast(generator: torch.Generator):
    image = 10 + torch.rand(1, 3, 32, 32, generator=generator)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = LocalContrastNorm()(image)
    torch.testing.assert_close(got.double(), LocalContrastNorm().double()(image.double()), rtol=0, atol=1e-3)


def test_each_pixel_of_the_pyramid_lies_in_the_middle_of_four():
    column = torch.arange(16.0).expand(1, 3, 16, 16)
    _, half, quarter = gaussian_pyramid(column, 3)
    torch.testing.assert_close(half[0, 0, 4, 1:-1], torch.arange(2, 14, 2) + 0.5)
    torch.testing.assert_close(quarter[0, 0, 2, 1:-1], torch.tensor([5.5, 9.5]))


@pytest.mark.parametrize(
    ("name", "pooling"), [("tompson_coarse", 4), ("tompson_coarse8", 8), ("tompson_coarse16", 16)]
)
def test_maps_are_pooled(name: str, pooling: int):
    options = {key: value for key, value in SMALL.items() if key != "fine_channels"}
    network = create_model(name, num_joints=5, **options).eval()
    assert model_info(name).stride == pooling
    with torch.no_grad():
        assert network(torch.rand(1, 3, 128, 192)).shape == (1, 5, 128 // pooling, 192 // pooling)


def test_dropout_leaves_out_whole_maps():
    torch.manual_seed(0)
    dropout = create_model("tompson_coarse", num_joints=5, width=4, wide=8, hidden=8).head[0].train()
    kept = dropout(torch.ones(4, 64, 5, 5)).flatten(2)
    assert ((kept == 0).all(-1) | (kept == 2).all(-1)).all()
    assert 0.3 < float((kept == 0).double().mean()) < 0.7


@pytest.fixture
def cascade() -> TompsonCascade:
    torch.manual_seed(0)
    network = create_model("tompson_cascade", num_joints=3, window_px=12, **SMALL)
    torch.nn.init.normal_(network.fine.score.weight)
    return network.double().eval()


@pytest.fixture
def image(generator: torch.Generator) -> Tensor:
    return torch.rand(2, 3, 64, 48, generator=generator, dtype=torch.float64)


def test_windows_come_back_to_where_they_were_cut(generator: torch.Generator):
    windows = torch.rand(1, 2, 3, 4, generator=generator) + 1
    maps = paste_windows(windows, torch.tensor([[[1.0, 2.0], [-2.0, 4.0]]]), (6, 7))
    expected = torch.zeros(1, 2, 6, 7)
    expected[0, 0, 2:5, 1:5] = windows[0, 0]
    expected[0, 1, 4:6, 0:2] = windows[0, 1, :2, 2:]
    torch.testing.assert_close(maps, expected)


@pytest.mark.parametrize("origin", [(-400.0, 1.0), (3.0, 500.0), (float("inf"), 0.0)])
def test_windows_off_the_map_leave_it_empty(origin: tuple[float, float]):
    maps = paste_windows(torch.ones(1, 1, 3, 3), torch.tensor([[origin]]), (6, 7))
    assert not maps.any()


def test_the_fine_maps_lie_around_the_coarse_maxima(cascade: TompsonCascade, image: Tensor):
    with torch.no_grad():
        coarse, fine = cascade(image)
        maps = cascade.maps(image)
    peaks = coarse.flatten(2).argmax(-1)
    expected = 4.0 * torch.stack([peaks % 12, peaks // 12], dim=-1)
    torch.testing.assert_close(maps.centres, expected.to(maps.centres.dtype))
    for person, joint in [(0, 0), (1, 2)]:
        x, y = (int(c) for c in expected[person, joint])
        left, top = max(0, x - 6), max(0, y - 6)
        seen = fine[person, joint, top : y + 6, left : x + 6]
        window = maps.fine[person, joint, top - y + 6 :, left - x + 6 :]
        torch.testing.assert_close(seen, window[: seen.shape[0], : seen.shape[1]])


def test_the_layers_but_the_last_serve_all_joints(cascade: TompsonCascade, image: Tensor):
    centres = torch.tensor([[[20.0, 30.0]] * 3] * 2, dtype=torch.float64)
    with torch.no_grad():
        cascade.fine.score.weight[1:] = cascade.fine.score.weight[0].clone()
        fine = cascade.maps(image, centres).fine
    torch.testing.assert_close(fine[:, 0], fine[:, 1])
    torch.testing.assert_close(fine[:, 0], fine[:, 2])


def test_losses_are_those_of_the_paper(cascade: TompsonCascade, image: Tensor):
    keypoints = torch.tensor([[[10.0, 20.0], [30.0, 40.0], [25.0, 33.0]]] * 2, dtype=torch.float64)
    visibility = torch.tensor([[1.0, 2.0, 0.0], [1.0, 1.0, 1.0]])
    centres = keypoints + torch.tensor([2.0, -3.0])
    maps = cascade.maps(image, centres)

    def squared(predicted: Tensor, joints: Tensor) -> Tensor:
        y, x = torch.arange(predicted.shape[2])[:, None], torch.arange(predicted.shape[3])
        wanted = torch.exp(
            -((x - joints[..., 0, None, None]) ** 2 + (y - joints[..., 1, None, None]) ** 2) / 4.5
        )
        return ((predicted - wanted).square().sum(dim=(2, 3)) * (visibility > 0)).mean()

    losses = cascade_losses(maps, keypoints, visibility, input_size=(64, 48))
    # A window of 12 around a whole pixel begins 6 before it.
    fine = squared(maps.fine, keypoints - (centres - 6))
    torch.testing.assert_close(losses.coarse, squared(maps.coarse, keypoints / 4))
    torch.testing.assert_close(losses.fine, fine)
    torch.testing.assert_close(losses.joint, losses.coarse + 0.1 * losses.fine)


def test_the_fine_loss_reaches_the_coarse_networks_first_layers(cascade: TompsonCascade, image: Tensor):
    keypoints = torch.tensor([[[10.0, 20.0], [30.0, 40.0], [25.0, 33.0]]] * 2, dtype=torch.float64)
    maps = cascade.maps(image, keypoints.clone())
    cascade_losses(maps, keypoints, torch.ones(2, 3), input_size=(64, 48)).fine.backward()
    for bank in cascade.coarse.banks:
        assert bank.first.weight.grad.any()
        assert bank.last.weight.grad is None
    assert all(parameter.grad.any() for parameter in cascade.fine.parameters())
