"""DeepCut: from the candidates for joints in an image to its people, by subset partition and labelling.

Source: Pishchulin et al., CVPR 2016, section 3. Each candidate is of the part whose map it comes from, as in
DeeperCut's later code, so that the problem is which candidates are joints and which of these are of one person.
"""

import logging
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pyposeops.solvers import solve_partition, solve_partition_exactly
from python_models.bottom_up import BottomUpEstimator, Resize
from python_models.errors import UserError
from python_models.model_card import ModelCard
from python_models.pairwise_terms import PairwiseTerms
from python_models.part_candidates import SETTINGS, Candidates, CandidateSettings, Floats, part_candidates
from python_models.part_grid import PartGrid
from python_models.people import People

logger = logging.getLogger(__name__)
MIN_JOINTS = 3
_LEAST = 1e-6  # scores stay so far from 0 and 1


class DeepCut(BottomUpEstimator):
    """A part detector and what its candidates have to do with each other; a `python_models.people.Finder`.

    A person's joint is the mean of its candidates, weighted by their scores, and scores as the best of them; a person
    scores the mean over all joints, 0 for missing ones.

    Args:
        network: Images (B, 3, h, w) -> `PartScoreMaps` or `PairedPartMaps`, on `device`, in eval mode.
        card: Of the network.
        terms: For this network.
        device: Where images are resized; candidates are partitioned on the CPU.
        resize: See `BottomUpEstimator`.
        zoom: Images are looked at so many times as large, so that people are as large as in training.
        candidates: Which cells are candidates.
        min_joints: People with fewer are dropped.
        exact_s: Solve every image exactly, for at most so many seconds; a warning tells where that was not enough,
            and how far from the optimum the people may be. None: by the heuristic, in milliseconds.

    Raises: UserError for numbers that make no sense.
    """

    def __init__(
        self,
        network: Callable[[Tensor], Any],
        card: ModelCard,
        terms: PairwiseTerms,
        *,
        device: torch.device,
        resize: Resize = "inside",
        zoom: float = 1.0,
        candidates: CandidateSettings = SETTINGS,
        min_joints: int = MIN_JOINTS,
        exact_s: float | None = None,
    ) -> None:
        super().__init__(network, card, device=device, resize=resize, scales=(zoom,))
        if min_joints < 1:
            raise UserError(f"min_joints: expected 1 or more, got {min_joints}")
        if exact_s is not None and not 0 < exact_s < float("inf"):
            raise UserError(f"exact_s: expected seconds above 0, got {exact_s}")
        self.terms, self.candidates, self.grid = terms, candidates.check(), PartGrid.of(card)
        self.min_joints, self.exact_s = min(min_joints, card.skeleton.num_joints), exact_s

    def decode(self, maps: Any, size: tuple[int, int]) -> list[People]:
        return [self.people(own) for own in part_candidates(maps, self.grid, self.candidates)]

    def people(self, candidates: Candidates) -> People:
        """The people that candidates of one image make, in pixels of the network's input, the best first."""
        owners = self.partition(candidates)
        joints = self.card.skeleton.num_joints
        found = [
            _person(candidates, owners == person, joints) for person in range(owners.max(initial=-1) + 1)
        ]
        found = [person for person in found if (person[:, 2] > 0).sum() >= self.min_joints]
        found.sort(key=lambda person: -person[:, 2].mean())
        triples = torch.from_numpy(np.array(found, np.float32).reshape(-1, joints, 3))
        return People(triples[..., :2], triples[..., 2], triples[..., 2].mean(1))

    def partition(self, candidates: Candidates) -> NDArray[np.int64]:
        """(D,): the person that each candidate is of; -1 for none."""
        scores = candidates.scores.clip(_LEAST, 1 - _LEAST)
        unaries = np.log((1 - scores) / scores)
        costs = self.terms.costs(candidates, self.grid)
        if self.exact_s is None:
            return solve_partition(unaries, costs).people
        exact = solve_partition_exactly(unaries, costs, time_limit_s=self.exact_s)
        if exact.proven:
            return exact.people
        heuristic = solve_partition(unaries, costs)
        cost = min(exact.cost, heuristic.cost)
        logger.warning(
            "deepcut: %d candidates: no proof of the optimum in %g s; cost %.2f, bound %.2f, gap %.1f %%",
            *(len(unaries), self.exact_s, cost, exact.bound),
            100 * (cost - exact.bound) / max(abs(cost), _LEAST),
        )
        return exact.people if exact.cost <= heuristic.cost else heuristic.people


def _person(candidates: Candidates, own: NDArray[np.bool_], joints: int) -> Floats:
    """(K, 3): x, y and score; zeros for a joint without candidates."""
    person = np.zeros((joints, 3))
    for part in np.unique(candidates.parts[own]):
        of_part = own & (candidates.parts == part)
        scores = candidates.scores[of_part]
        person[part, :2] = np.average(candidates.places[of_part], axis=0, weights=scores)
        person[part, 2] = scores.max()
    return person
