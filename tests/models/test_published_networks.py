"""Our networks give the values of the published ones, with weights under the names of their public checkpoints."""

from pathlib import Path

import pytest

from tests.models.published import PUBLISHED, Probe, check_published

PAIRS = [pytest.param(name, probe, id=probe.name) for name, probes in PUBLISHED.items() for probe in probes]


@pytest.fixture(scope="module")
def published(pose_data: Path) -> Path:
    folder = pose_data.parent / "checkpoints"
    if not folder.is_dir():
        pytest.skip(f"no descriptions of public checkpoints at {folder}")
    return folder


@pytest.mark.parametrize(("name", "probe"), PAIRS)
def test_values_are_those_of_the_published_network(published: Path, name: str, probe: Probe):
    check_published(published, name, probe)
