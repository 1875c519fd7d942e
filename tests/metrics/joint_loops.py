"""PCK, PCKh, PDJ and PCP as the public evaluations count them: plain loops in NumPy over people and joints.

Each is written after the definition of the code it is named for, in its shapes and its order of operations.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

# The places of MPII's joints in the rows of HRNet's table.
MPII_TABLE = {
    "head": (9,),
    "shoulder": (13, 12),
    "elbow": (14, 11),
    "wrist": (15, 10),
    "hip": (3, 2),
    "knee": (4, 1),
    "ankle": (5, 0),
}


def norm(vector: Floats) -> float:
    return float(np.linalg.norm(vector))


def shares_at(scaled: Floats, visible: Bools, limit: float, strictly: bool) -> list[float]:
    """Per joint, of the people in whom it is visible."""
    shares = []
    for joint in range(scaled.shape[1]):
        right = total = 0
        for person in range(len(scaled)):
            if visible[person, joint]:
                total += 1
                error = scaled[person, joint]
                right += error < limit if strictly else error <= limit
        shares.append(right / total if total else float("nan"))
    return shares


def scaled_errors(pred: Floats, truth: Floats, sizes: Floats) -> Floats:
    table = np.empty(pred.shape[:2])
    for person in range(len(pred)):
        for joint in range(pred.shape[1]):
            table[person, joint] = norm(pred[person, joint] - truth[person, joint]) / sizes[person]
    return table


def mpii(
    pred: Floats,
    truth: Floats,
    missing: Bools,
    corners: Floats,
    *,
    strictly: bool,
    fine_row: int,
    by_count: bool,
) -> tuple[dict[str, float], float, float]:
    """Evaluation of MPII: HRNet's (strictly=False, fine_row=11, by_count=True), MMPose's (True, 10, True) and
    pytorch-pose's (True, 10, False). ``truth`` counts pixels from 1, ``pred`` from 0; corners (N, 2, 2) of heads.
    """
    heads = np.array([norm(high - low) * 0.6 for low, high in corners])
    scaled = scaled_errors(pred + 1.0, truth, heads)
    at_half = shares_at(scaled, ~missing, 0.5, strictly)
    fine = shares_at(scaled, ~missing, np.arange(0, 0.51, 0.01)[fine_row], strictly)
    kept = [joint for joint in range(16) if joint not in (6, 7)]
    counts = (~missing).sum(0)
    total = sum(counts[joint] for joint in kept)
    weights = [counts[joint] / total if by_count else 1 / len(kept) for joint in kept]
    rows = {
        name: sum(at_half[joint] for joint in joints) / len(joints) for name, joints in MPII_TABLE.items()
    }
    mean, fine_mean = (
        sum(weight * values[joint] for weight, joint in zip(weights, kept, strict=True))
        for values in (at_half, fine)
    )
    return rows, mean, fine_mean


def mmpose_pck(
    pred: Floats, truth: Floats, visible: Bools, limit: float, factors: Floats
) -> tuple[list[float], float]:
    """keypoint_pck_accuracy: factors (N, 2), one per axis; -1 for a joint nobody shows; 0 where there is none."""
    shares = []
    for joint in range(pred.shape[1]):
        errors = [
            norm((pred[person, joint] - truth[person, joint]) / factors[person])
            for person in range(len(pred))
            if visible[person, joint] and (factors[person] != 0).all()
        ]
        shares.append(sum(error < limit for error in errors) / len(errors) if errors else -1.0)
    valid = [share for share in shares if share >= 0]
    return shares, sum(valid) / len(valid) if valid else 0.0


def mmpose_auc(pred: Floats, truth: Floats, visible: Bools, factor: float = 30, steps: int = 20) -> float:
    factors = np.full((len(pred), 2), float(factor))
    return sum(mmpose_pck(pred, truth, visible, step / steps, factors)[1] / steps for step in range(steps))


def eval_pose_pck(pred: Floats, truth: Floats) -> tuple[list[float], float, float]:
    """LSP: per joint and mean at 0.2 of joints 10 and 3 (from 1), and the area under the mean's curve."""
    sizes = np.array([norm(person[9] - person[2]) for person in truth])
    scaled = scaled_errors(pred, truth, sizes)
    steps = np.arange(21) / 100
    curve = [float(np.mean(scaled.ravel() <= step)) for step in steps]
    per_joint = [float(np.mean(scaled[:, joint] <= 0.2)) for joint in range(14)]
    return per_joint, curve[-1], float(np.trapezoid(curve, steps / 0.2))


def eval_pose_pdj(pred: Floats, truth: Floats, pair: tuple[int, int]) -> Floats:
    """(51, K) at 0, 0.01 to 0.5 of the distance between two joints."""
    table = []
    for step in range(51):
        row = []
        for joint in range(truth.shape[1]):
            right = [
                norm(p[joint] - t[joint]) / norm(t[pair[0]] - t[pair[1]]) <= step / 100
                for p, t in zip(pred, truth, strict=True)
            ]
            row.append(sum(right) / len(right))
        table.append(row)
    return np.array(table)


def modec_curve(pred: Floats, truth: Floats, joint: int, pair: tuple[int, int]) -> list[float]:
    """Within 1, 2 to 20 pixels of an image in which the torso has 100."""
    errors = [
        norm(t[joint] - p[joint]) * (100 / norm(t[pair[0]] - t[pair[1]]))
        for p, t in zip(pred, truth, strict=True)
    ]
    return [sum(error <= radius for error in errors) / len(errors) for radius in range(1, 21)]


def lsp_sticks(joints: Floats) -> list[tuple[Floats, Floats]]:
    """deeppose_tf's ten sticks of LSP's 14 joints: head, torso, four of the right side, four of the left."""
    head, neck = joints[13], joints[12]
    hips, shoulders = (joints[2] + joints[3]) / 2.0, (joints[8] + joints[9]) / 2.0
    right = [(8, 7), (7, 6), (2, 1), (1, 0)]
    left = [(9, 10), (10, 11), (3, 4), (4, 5)]
    return [(head, neck), (shoulders, hips), *((joints[a], joints[b]) for a, b in right + left)]


def deeppose_pcp(pred: Floats, truth: Floats, *, relaxed: bool, limit: float = 0.5) -> list[float]:
    right = np.zeros((len(truth), 10))
    for person in range(len(truth)):
        pairs = zip(lsp_sticks(pred[person]), lsp_sticks(truth[person]), strict=True)
        for stick, ((p1, p2), (t1, t2)) in enumerate(pairs):
            length = norm(t1 - t2)
            a, b = norm(p1 - t1) / length, norm(p2 - t2) / length
            right[person, stick] = (a + b) / 2.0 <= limit if relaxed else a <= limit and b <= limit
    return [float(share) for share in right.mean(0)]


def deeppose_parts(per_stick: list[float]) -> tuple[list[float], float]:
    parts = [*per_stick[:2], *((per_stick[i] + per_stick[i + 4]) / 2 for i in range(2, 6))]
    return parts, float(np.mean(parts))


def deepcut_pcp(pred: Floats, truth: Floats, limit: float = 0.5) -> list[float]:
    """evalidx 2: both ends within a part of the stick's mean length."""
    sticks = [lsp_sticks(person) for person in truth]
    shares = []
    for stick in range(10):
        mean = sum(norm(person[stick][0] - person[stick][1]) for person in sticks) / len(sticks)
        right = 0
        for guess, person in zip(pred, sticks, strict=True):
            ends = zip(lsp_sticks(guess)[stick], person[stick], strict=True)
            right += all(norm(a - b) <= limit * mean for a, b in ends)
        shares.append(right / len(truth))
    return shares


def maxima(maps: Floats) -> Floats:
    """HRNet's get_max_preds: (B, K, 2) as (x, y), 0 where a map is nowhere above 0."""
    found = np.zeros((*maps.shape[:2], 2))
    for sample in range(len(maps)):
        for joint in range(maps.shape[1]):
            plane = maps[sample, joint]
            place = int(np.argmax(plane))
            if plane.flat[place] > 0:
                found[sample, joint] = place % plane.shape[1], place // plane.shape[1]
    return found


def hrnet_accuracy(output: Floats, target: Floats, limit: float = 0.5) -> tuple[list[float], float]:
    """Per joint (-1 where none counts) and the mean of the others; height and width as they stand in the code."""
    pred, truth = maxima(output), maxima(target)
    factors = np.array([output.shape[2], output.shape[3]]) / 10
    shares = []
    for joint in range(output.shape[1]):
        errors = [
            norm(p[joint] / factors - t[joint] / factors)
            for p, t in zip(pred, truth, strict=True)
            if t[joint, 0] > 1 and t[joint, 1] > 1
        ]
        shares.append(sum(error < limit for error in errors) / len(errors) if errors else -1.0)
    valid = [share for share in shares if share >= 0]
    return shares, sum(valid) / len(valid) if valid else 0.0
