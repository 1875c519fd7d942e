"""Networks through `torch.compile` as users call it, with the kernels that it generates on a CPU."""

import shutil
from typing import Any

import pytest
import torch

from python_models import create_model
from tests.models.small import JOINTS, outputs_of, small_crops

COMPILERS = ("c++", "g++", "clang++")
# Every distinct layer costs a second of C++ compiler, so there are few: residuals, batch norm and a deconvolution;
# ceiled pooling, a centre map and a background; coordinates from a pooled vector.
NETWORKS: dict[str, dict[str, Any]] = {
    "pose_resnet18": {"width": 4, "blocks": (1, 1, 1, 1), "deconv_channels": (8,)},
    "cpm": {"width": 8, "stages": 1},
    "deeppose_resnet18": {"width": 4, "blocks": (1, 1, 1, 1)},
}


@pytest.mark.skipif(
    not any(map(shutil.which, COMPILERS)), reason="torch.compile generates C++: no compiler here"
)
@pytest.mark.parametrize("name", NETWORKS)
def test_generated_kernels_give_the_network_s_values(name: str):
    torch.manual_seed(0)
    network, crops = create_model(name, num_joints=JOINTS, **NETWORKS[name]).eval(), small_crops(name)
    compiled = torch.compile(network, fullgraph=True)
    with torch.no_grad():
        wanted, got = outputs_of(network(crops)), outputs_of(compiled(crops))
    torch.compiler.reset()
    largest = max(float(output.abs().max()) for output in wanted)
    assert largest > 0 and len(got) == len(wanted)
    for ours, theirs in zip(got, wanted, strict=True):
        assert (ours - theirs).abs().max() <= 1e-5 * largest  # sums in another order, in float32
