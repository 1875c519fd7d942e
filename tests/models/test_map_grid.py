"""Where pixels of crops lie on heat maps."""

import pytest

from python_models.map_grid import Grid, MapAxis


@pytest.mark.parametrize(
    ("grid", "first", "last"),
    [("msra", 0.0, 15.75), ("udp", 0.0, 15.0), ("half_pixel", -0.375, 15.375)],
)
def test_the_ends_of_a_crop_of_64_pixels_on_16_cells(grid: Grid, first: float, last: float):
    axis = MapAxis.of(64, 16, grid)
    assert 0 * axis.per_pixel + axis.first == pytest.approx(first)
    assert 63 * axis.per_pixel + axis.first == pytest.approx(last)


def test_a_map_of_one_cell_has_places():
    assert MapAxis.of(8, 1, "udp").per_pixel > 0
