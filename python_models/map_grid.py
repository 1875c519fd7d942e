"""How heat maps lie on the crops that they are of."""

from typing import Literal, NamedTuple

Grid = Literal["msra", "udp", "half_pixel"]


class MapAxis(NamedTuple):
    """One axis: pixel p of the crop is at `p * per_pixel + first` of the map."""

    per_pixel: float
    first: float

    @classmethod
    def of(cls, crop: int, cells: int, grid: Grid) -> "MapAxis":
        """Of a crop of so many pixels and a map of so many cells.

        They share the centre of the first pixel (`msra`), of the first and the last one (`udp`), or their edges
        (`half_pixel`).
        """
        per_pixel = max(cells - 1, 1) / max(crop - 1, 1) if grid == "udp" else cells / crop
        return cls(per_pixel, (per_pixel - 1) / 2 if grid == "half_pixel" else 0.0)
