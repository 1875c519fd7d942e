"""Fractional max pooling: the plain form is PyTorch's with its draw held in the middle."""

import pytest
import torch
from torch.nn import functional

from python_models.pyranet import fractional_max_pool


@pytest.mark.parametrize(("level", "levels"), [(1, 4), (2, 4), (3, 4), (4, 4), (1, 6), (5, 6), (6, 6)])
def test_without_a_draw_windows_are_those_of_the_middle(generator: torch.Generator, level: int, levels: int):
    x = torch.randn(2, 3, 64, 12, generator=generator, dtype=torch.float64)
    ratio = 2 ** (-level / levels)
    middle = torch.full((2, 3, 2), 0.5, dtype=torch.float64)
    wanted = functional.fractional_max_pool2d(x, 2, output_ratio=(ratio, ratio), _random_samples=middle)
    assert torch.equal(fractional_max_pool(x, ratio, random=False), wanted)


def test_a_draw_moves_windows_and_keeps_the_size(generator: torch.Generator):
    x = torch.randn(1, 4, 32, 32, generator=generator)
    still = fractional_max_pool(x, 0.8, random=False)
    torch.manual_seed(0)
    drawn = fractional_max_pool(x, 0.8, random=True)
    assert drawn.shape == still.shape and not torch.equal(drawn, still)
