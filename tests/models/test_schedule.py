"""Learning rates as a function of the step."""

import pytest
import torch

from python_models.schedule import build_optimizer, learning_rate_factor, set_learning_rate


def test_warm_up_rises_evenly_and_ends_at_the_full_rate():
    factors = [
        learning_rate_factor(step, total_steps=10, schedule="step", warmup_steps=4) for step in range(6)
    ]
    assert factors == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0, 1.0])


def test_steps_multiply_by_a_tenth():
    factors = [
        learning_rate_factor(s, total_steps=9, schedule="step", drop_steps=(3, 6)) for s in (2, 3, 5, 6)
    ]
    assert factors == pytest.approx([1.0, 0.1, 0.1, 0.01])


def test_linear_falls_evenly():
    factors = [learning_rate_factor(s, total_steps=12, schedule="linear", warmup_steps=2) for s in (2, 7, 12)]
    assert factors == pytest.approx([1.0, 0.5, 0.0])


def test_cosine_is_half_way_down_in_the_middle_and_zero_at_the_end():
    factors = [learning_rate_factor(s, total_steps=12, schedule="cosine", warmup_steps=2) for s in (2, 7, 12)]
    assert factors == pytest.approx([1.0, 0.5, 0.0], abs=1e-12)


@pytest.mark.parametrize("name", ["adam", "adamw", "rmsprop", "sgd", "adagrad"])
def test_every_optimizer_steps_at_the_rate_of_the_schedule(name: str):
    weight = torch.nn.Parameter(torch.ones(1))
    optimizer = build_optimizer(name, [weight], weight_decay=0.0, momentum=0.9, fused=False)
    weight.sum().backward()
    set_learning_rate(optimizer, 0.0)
    optimizer.step()
    assert weight.item() == 1.0
    set_learning_rate(optimizer, 0.125)
    optimizer.step()
    assert weight.item() < 0.95


def test_the_rate_reaches_the_update():
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = build_optimizer("adam", [weight], weight_decay=0.0, fused=False)
    set_learning_rate(optimizer, 0.25)
    weight.grad = torch.ones(1)
    optimizer.step()
    # Adam's first step is the rate, whatever the gradient.
    assert float(weight.detach()) == pytest.approx(-0.25, rel=1e-6)
