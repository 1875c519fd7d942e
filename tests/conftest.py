"""Switches and fixtures of the whole suite."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import pytest
import torch

import pyposeops

REPOSITORY = Path(__file__).resolve().parents[1]
_REQUIRE_CUDA = os.environ.get("POSEOPS_REQUIRE_CUDA") == "1"

# What `make test` installs and a machine that only runs `make gpu` may lack. Without them the tests of the models are
# left out, and said to be; those of the operators and the core always run.
_TRAINING_PACKAGES = ("cv2", "lightning_fabric", "jsonargparse", "pycocotools", "tqdm", "matplotlib", "scipy")
_MISSING = [name for name in _TRAINING_PACKAGES if importlib.util.find_spec(name) is None]
collect_ignore = ["models", "e2e"] if _MISSING else []


def pytest_report_header() -> str | None:
    return f"tests/models and tests/e2e left out: no {', '.join(_MISSING)}" if _MISSING else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if pyposeops.build_info()["cuda_usable"] or _REQUIRE_CUDA:
        return  # with the switch set, a missing GPU makes the tests fail
    skip = pytest.mark.skip(reason="no usable CUDA device (POSEOPS_REQUIRE_CUDA=1 turns this into a failure)")
    for item in items:
        if item.get_closest_marker("cuda"):
            item.add_marker(skip)


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.cuda)])
def device(request: pytest.FixtureRequest) -> torch.device:
    """Every device the operators run on."""
    if request.param == "cuda" and torch.cuda.device_count() > 1:
        return torch.device("cuda", torch.cuda.device_count() - 1)  # not the current one: the guard must act
    return torch.device(request.param)


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(20261122)


@pytest.fixture(scope="session")
def pose_data() -> Path:
    """The folder with real images, where there is one: POSEOPS_DATA, or shared/data beside the repository."""
    folder = Path(os.environ.get("POSEOPS_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder} (POSEOPS_DATA)")
    return folder
