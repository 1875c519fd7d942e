"""MSPN: four outputs per stage while it trains, one when it is used."""

import pytest
import torch
from torch import nn

from python_models import create_model

SMALL = {"width": 4, "blocks": (1, 1, 1, 1), "channels": 8}


@pytest.mark.parametrize("stages", [1, 2, 3])
def test_the_prediction_is_the_last_output_of_training(stages: int):
    torch.manual_seed(0)
    network = create_model("mspn1", num_joints=3, stages=stages, **SMALL).train()
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.eval()
    image = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        outputs = network(image)
        prediction = network.eval()(image)
    assert [tuple(x.shape) for x in outputs] == [(1, 3, 16, 24)] * 4 * stages
    assert torch.equal(prediction, outputs[-1])


@pytest.mark.parametrize("name", ["mspn2", "mspn2_mmpose"])
def test_only_the_authors_convolutions_have_a_bias(name: str):
    network = create_model(name, num_joints=3, **SMALL)
    biases = [part.bias is not None for part in network.modules() if isinstance(part, nn.Conv2d)]
    assert biases == [name == "mspn2"] * len(biases)
