"""CrowdPose's association of joints with people who stand in each other's boxes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Position = Literal["node", "own"]


class CrowdPeople(NamedTuple):
    """What :func:`match_joints` returns."""

    keypoints: Floats
    """(N, K, 2): (x, y) of the joints that each person is given; 0 where there is none."""
    scores: Floats
    """(N, K): the response of the person's candidate in the joint's node; 0 where there is none."""
    keep: NDArray[np.bool_]
    """(N,): whether enough is left to the person; the others were seen in somebody else's place."""


class JointNodes(NamedTuple):
    """What :func:`joint_nodes` returns."""

    node: Integers
    """(M,): the node of each candidate, numbered by their strongest candidates."""
    centers: Floats
    """(J, 2): the mean of each node's candidates, weighted by their responses."""


def joint_nodes(points: ArrayLike, responses: ArrayLike, reaches: ArrayLike) -> JointNodes:
    """Gather the candidates of one joint, from all people's boxes, that mean the same place.

    Candidates are taken by falling response, of equal ones the first. Each joins the nearest of the nodes whose
    strongest candidate is no farther than the smaller of both reaches, or else starts a node.

    Args:
        points: (M, 2), (x, y) in pixels of the image.
        responses: (M,), above 0.
        reaches: (M,), in pixels: how far each candidate's response spreads.

    Returns:
        The node of each candidate, and the nodes' centers.

    Raises:
        ValueError: other shapes, numbers that are not finite, responses that are not above 0.

    Example:
        >>> joint_nodes([[0.0, 0.0], [1.0, 0.0], [9.0, 0.0]], [0.5, 0.5, 0.9], [2.0, 2.0, 2.0]).node.tolist()
        [1, 1, 0]

    Source: Li, Wang, Zhu, Mao, Fang, Lu, "CrowdPose: Efficient Crowded Scenes Pose Estimation and a New Benchmark",
    CVPR 2019, section 3.3. The paper leaves open in which order candidates join.
    """
    at, strength, reach = (np.asarray(x, np.float64) for x in (points, responses, reaches))
    count = len(strength)
    if at.shape != (count, 2) or strength.shape != (count,) or reach.shape != (count,):
        raise ValueError(
            "points, responses, reaches: expected (M, 2), (M,), (M,), "
            f"got {at.shape}, {strength.shape}, {reach.shape}"
        )
    if not (
        np.isfinite(at).all()
        and np.isfinite(reach).all()
        and (strength > 0).all()
        and np.isfinite(strength).all()
    ):
        raise ValueError("points, responses, reaches: expected finite numbers and responses above 0")
    order = np.argsort(-strength, kind="stable")
    at, strength, reach = at[order], strength[order], reach[order]
    distances = np.hypot(*(at[:, None] - at).transpose(2, 0, 1))
    near = distances <= np.minimum(reach[:, None], reach)
    node = np.zeros(count, np.int64)
    seeds: list[int] = []
    for candidate in range(count):
        close = [index for index, seed in enumerate(seeds) if near[candidate, seed]]
        if close:
            node[candidate] = min(close, key=lambda index: distances[candidate, seeds[index]])
        else:
            node[candidate] = len(seeds)
            seeds.append(candidate)
    weights = np.bincount(node, strength, len(seeds))
    sums = np.stack([np.bincount(node, strength * axis, len(seeds)) for axis in at.T], axis=1)
    centers = np.divide(sums, weights[:, None]) if seeds else np.zeros((0, 2))
    unsorted = np.empty(count, np.int64)
    unsorted[order] = node
    return JointNodes(unsorted, centers)


def match_joints(
    coords: ArrayLike,
    scores: ArrayLike,
    counts: ArrayLike,
    *,
    sizes: ArrayLike,
    sigmas: ArrayLike,
    pixels: ArrayLike | None = None,
    position: Position = "node",
    min_joints: int = 1,
    min_score: float = 0.0,
    min_share: float = 0.0,
) -> CrowdPeople:
    """Give every joint of an image to one person at most, so that the responses sum to the most.

    Each person's heatmaps show candidates of a joint: those of the person, and those of others in the box. Candidates
    of all people that mean the same place become one node (:func:`joint_nodes`, with the reach sigma_k times the
    person's size). A person and a node are connected with the largest response of the person's candidates in the
    node. For every joint by itself, the connections are chosen that sum to the most while no person and no node has
    two (Kuhn and Munkres; SciPy's ``linear_sum_assignment``).

    Two boxes around the same person compete for the same nodes, and the weaker one is left with few, or with what it
    has seen of others. People who are left with too little are not kept: the weaker half of them, by the sum of what
    they are left with, give their joints back, everybody else is matched again, and so on until there are no such
    people. (The paper does not say what becomes of the joints of boxes that it drops.)

    Args:
        coords: (N, K, P, 2), candidates of N people in pixels of the image, as :func:`pyposeops.heatmap_peaks` finds
            them in heatmaps, transformed to the image.
        scores: (N, K, P), their responses, above 0 where they count.
        counts: (N, K), how many of the P entries are candidates.
        sizes: (N,), of the people in pixels: the square root of the box's area.
        sigmas: (K,), of the joints, such as ``pyposeops.metrics.keypoint_sets.CROWDPOSE_14``.
        pixels: (N,), a pixel of the person's heatmaps in pixels of the image; reaches are not below it, since peaks
            are not surer than that. None: reaches may be as small as sizes and sigmas make them.
        position: "node", the node's center, or "own", the person's strongest candidate in it.
        min_joints: too little are fewer joints,
        min_score: a lower mean response over all K joints,
        min_share: or less than this part, 0 to 1, of the sum of the responses of the person's strongest candidates.

    Returns:
        Keypoints, scores and whom to keep; those who are not kept have no joints.

    Raises:
        ValueError: other shapes, counts beyond P, candidates that are not finite or have no response, sizes or sigmas
            that are not above 0, pixels below 0, a share beyond 0 to 1, an unknown position.
        ImportError: SciPy is not installed.

    Example:
        >>> import numpy as np
        >>> coords = np.array([[[[5.0, 5.0], [20.0, 5.0]]], [[[20.5, 5.0], [0.0, 0.0]]]])
        >>> scores, counts = np.array([[[0.9, 0.8]], [[0.7, 0.0]]]), np.array([[2], [1]])
        >>> found = match_joints(coords, scores, counts, sizes=[30.0, 30.0], sigmas=[0.1], position="own")
        >>> found.keypoints[:, 0].tolist()
        [[5.0, 5.0], [20.5, 5.0]]

    Source: Li et al., CrowdPose, CVPR 2019, sections 3.3 and 3.4. The public code takes the strongest candidate of
    each person alone, and hands losers their second one without matching again; this is the paper's.
    """
    candidates = _Candidates(coords, scores, counts, sizes, sigmas, pixels)
    if position not in ("node", "own"):
        raise ValueError(f"position: expected node or own, got {position!r}")
    if not 0 <= min_share <= 1:
        raise ValueError(f"min_share: expected 0 to 1, got {min_share}")
    graphs = [candidates.graph(joint, position) for joint in range(candidates.counts.shape[1])]
    strongest = np.zeros(candidates.counts.shape)
    for joint, graph in enumerate(graphs):
        strongest[:, joint] = graph.weights.max(axis=1, initial=0)
    whole = strongest.sum(axis=1)
    keep = np.ones(len(whole), bool)
    while True:
        keypoints, matched = _matched(graphs, keep)
        left = matched.sum(axis=1)
        share = np.divide(left, whole, out=np.zeros_like(whole), where=whole > 0)
        enough = ((matched > 0).sum(axis=1) >= min_joints) & (left >= min_score * len(graphs))
        enough &= share >= min_share
        weak = np.flatnonzero(keep & ~enough)
        if not len(weak):
            return CrowdPeople(keypoints, matched, keep)
        keep[weak[np.argsort(left[weak], kind="stable")][: (len(weak) + 1) // 2]] = False


class _Graph(NamedTuple):
    """Who may have which node of one joint."""

    weights: Floats  # (N, J), 0 where person and node are not connected
    places: Floats  # (N, J, 2), where the joint is if the person is given the node


def _matched(graphs: Sequence[_Graph], keep: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Keypoints (N, K, 2) and responses (N, K) of the best matching of those who are kept; 0 without a joint."""
    people = np.flatnonzero(keep)
    keypoints, matched = np.zeros((len(keep), len(graphs), 2)), np.zeros((len(keep), len(graphs)))
    for joint, graph in enumerate(graphs):
        for row, node in _best_pairs(graph.weights[people]):
            keypoints[people[row], joint] = graph.places[people[row], node]
            matched[people[row], joint] = graph.weights[people[row], node]
    return keypoints, matched


def _best_pairs(weights: Floats) -> list[tuple[int, int]]:
    """Connected pairs, no row and no column twice, of the largest sum."""
    try:
        from scipy.optimize import linear_sum_assignment
    except ImportError as error:
        raise ImportError("matching joints needs SciPy: pip install 'pyposeops[metrics]'") from error
    rows, columns = linear_sum_assignment(weights, maximize=True)
    return [(int(r), int(c)) for r, c in zip(rows, columns, strict=True) if weights[r, c] > 0]


class _Candidates:
    """The arguments of :func:`match_joints`, checked."""

    def __init__(
        self,
        coords: ArrayLike,
        scores: ArrayLike,
        counts: ArrayLike,
        sizes: ArrayLike,
        sigmas: ArrayLike,
        pixels: ArrayLike | None,
    ) -> None:
        self.coords, self.scores = np.asarray(coords, np.float64), np.asarray(scores, np.float64)
        self.counts = np.asarray(counts)
        self.sizes, self.sigmas = np.asarray(sizes, np.float64), np.asarray(sigmas, np.float64)
        if self.scores.ndim != 3 or self.coords.shape != (*self.scores.shape, 2):
            raise ValueError(
                "coords, scores: expected (N, K, P, 2) and (N, K, P), "
                f"got {self.coords.shape} and {self.scores.shape}"
            )
        people, joints, places = self.scores.shape
        self.pixels = np.zeros(people) if pixels is None else np.asarray(pixels, np.float64)
        for name, array, shape in (
            ("counts", self.counts, (people, joints)),
            ("sizes", self.sizes, (people,)),
            ("sigmas", self.sigmas, (joints,)),
            ("pixels", self.pixels, (people,)),
        ):
            if array.shape != shape:
                raise ValueError(f"{name}: expected {shape}, got {array.shape}")
        if self.counts.size and not np.issubdtype(self.counts.dtype, np.integer):
            raise ValueError(f"counts: expected integers, got {self.counts.dtype}")
        if ((self.counts < 0) | (self.counts > places)).any():
            raise ValueError(
                f"counts: expected 0 to {places}, got {self.counts.min()} to {self.counts.max()}"
            )
        for name, lengths in (("sizes", self.sizes), ("sigmas", self.sigmas)):
            if not (np.isfinite(lengths) & (lengths > 0)).all():
                raise ValueError(f"{name}: expected finite numbers above 0, got {lengths.tolist()}")
        if not (np.isfinite(self.pixels) & (self.pixels >= 0)).all():
            raise ValueError(f"pixels: expected finite numbers of at least 0, got {self.pixels.tolist()}")

    def graph(self, joint: int, position: Position) -> _Graph:
        """Nodes of a joint's candidates, with everybody's connections."""
        present: Any = np.arange(self.scores.shape[2]) < self.counts[:, joint, None]
        owner = np.nonzero(present)[0]
        at, response = self.coords[:, joint][present], self.scores[:, joint][present]
        reaches = np.maximum(self.sizes * self.sigmas[joint], self.pixels)
        node, centers = joint_nodes(at, response, reaches[owner])
        weights = np.zeros((len(self.sizes), len(centers)))
        np.maximum.at(weights, (owner, node), response)
        places = np.tile(centers, (len(self.sizes), 1, 1))
        if position == "own":
            rising = np.argsort(-response, kind="stable")[::-1]  # the last one that is written stays
            places[owner[rising], node[rising]] = at[rising]
        return _Graph(weights, places)
