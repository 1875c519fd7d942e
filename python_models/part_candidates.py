"""Candidates for joints out of the maps of DeepCut's part detectors.

Source: Pishchulin et al., CVPR 2016, section 4; numbers of the published codes.
"""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from python_models.deepcut import OFFSET_PX
from python_models.errors import UserError
from python_models.maps import PairedPartMaps, PartScoreMaps
from python_models.part_grid import PartGrid

Floats = NDArray[np.float64]


class CandidateSettings(NamedTuple):
    """Which cells become candidates.

    DeepCut took 100 candidates in all, DeeperCut 150.
    """

    threshold: float = 0.2  # of the score
    apart_cells: float = (
        3.0  # of two nearer ones of a part the better stays, before and after they are refined
    )
    per_part: int = 20
    in_all: int = 150

    def check(self) -> "CandidateSettings":
        """Itself; raises UserError for numbers that make no sense."""
        if not 0 <= self.threshold < 1:
            raise UserError(f"threshold: expected 0 to below 1, got {self.threshold}")
        if not self.apart_cells >= 0:
            raise UserError(f"apart_cells: expected 0 or more, got {self.apart_cells}")
        if min(self.per_part, self.in_all) < 1:
            raise UserError(f"per_part, in_all: expected 1 or more, got {self.per_part} and {self.in_all}")
        return self


SETTINGS = CandidateSettings()


class Candidates(NamedTuple):
    """The D candidates of an image, part by part, the best of each first; in pixels of the network's input."""

    parts: NDArray[np.int64]  # (D,), of K
    places: Floats  # (D, 2), refined by the offsets
    scores: Floats  # (D,), from 0 to 1
    others: (
        Floats | None
    )  # (D, K, 2): where all parts of the same person are said to be, the own one at its place


def part_candidates(
    maps: PartScoreMaps | PairedPartMaps, grid: PartGrid, settings: CandidateSettings = SETTINGS
) -> list[Candidates]:
    """The candidates of each image of a batch.

    Cells of at least `threshold` are taken by their score (ties: in raster order) if no better one of the part is
    within `apart_cells`; then again where the offsets say that they are. Of what is left the `per_part` best of each
    part are taken and, of these, the `in_all` best. NaN scores are none.

    Args:
        maps: The last stage of each list counts.
        grid: Of the maps.
        settings: Which cells become candidates.
    """
    scores = maps.scores[-1].float().sigmoid().cpu().numpy().astype(np.float64)
    offsets = _vectors(maps.offsets[-1])
    pairs = _vectors(maps.pairs[-1]) if isinstance(maps, PairedPartMaps) else [None] * len(scores)
    return [_of_image(*own, grid, settings) for own in zip(scores, offsets, pairs, strict=True)]


def apart(places: Floats, distance: float) -> NDArray[np.int64]:
    """Which of places (N, 2), in their order, are farther than `distance` from all that were taken before."""
    taken, left = [], np.ones(len(places), bool)
    for index in range(len(places)):
        if left[index]:
            taken.append(index)
            left &= ((places - places[index]) ** 2).sum(1) > distance**2
    return np.array(taken, np.int64)


def _vectors(maps: torch.Tensor) -> Floats:
    """(B, V, 2, h, w) in pixels."""
    return OFFSET_PX * maps.float().unflatten(1, (-1, 2)).cpu().numpy().astype(np.float64)


def _of_image(
    scores: Floats, offsets: Floats, pairs: Floats | None, grid: PartGrid, settings: CandidateSettings
) -> Candidates:
    rows, columns, places, parts = [], [], [], []
    for part, own in enumerate(scores):
        y, x = _spread_cells(own, settings)
        cells = grid.stride_px * np.stack([x, y], axis=1) + grid.first_px
        refined = cells + offsets[part, :, y, x]
        kept = apart(refined, settings.apart_cells * grid.stride_px)[: settings.per_part]
        rows.append(y[kept])
        columns.append(x[kept])
        places.append(refined[kept])
        parts.append(np.full(len(kept), part))
    index = np.concatenate(parts), np.concatenate(rows), np.concatenate(columns)
    best = np.sort(np.argsort(-scores[index], kind="stable")[: settings.in_all])
    part, y, x = (own[best] for own in index)
    found = Candidates(part, np.concatenate(places)[best], scores[part, y, x], None)
    return found if pairs is None else found._replace(others=_others(found, pairs, y, x, grid))


def _spread_cells(scores: Floats, settings: CandidateSettings) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows and columns of a part's cells, the best first, none near a better one."""
    y, x = np.nonzero(scores >= settings.threshold)
    order = np.argsort(-scores[y, x], kind="stable")
    cells = np.stack([x, y], axis=1)[order]
    x, y = cells[apart(cells.astype(np.float64), settings.apart_cells)].T
    return y, x


def _others(
    found: Candidates, pairs: Floats, rows: NDArray[np.int64], columns: NDArray[np.int64], grid: PartGrid
) -> Floats:
    """Where all parts of the candidates' people are, (D, K, 2); pairs (K * (K - 1), 2, h, w)."""
    joints = int((1 + np.sqrt(1 + 4 * len(pairs))) / 2)
    cells = grid.stride_px * np.stack([columns, rows], axis=1) + grid.first_px
    result = np.repeat(found.places[:, None], joints, axis=1)
    for other in range(joints):
        own = np.flatnonzero(found.parts != other)
        part = found.parts[own]
        channel = (joints - 1) * part + other - (other > part)
        result[own, other] = cells[own] + pairs[channel, :, rows[own], columns[own]]
    return result
