"""``python -m benchmarks.tracking``: switches, accuracy and time of the tracker's options on generated clips.

Three people walk past each other with half-overlapping paths. The tracker is shown their true joints with noise,
without those that are hidden, and without one person in ten. Every option sees the same poses and the same frames.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks import environment
from pyposeops.metrics import evaluate_posetrack
from python_models.data import GeneratedClip
from python_models.data.clips import FramePoses, noisy_poses
from python_models.files import save_json
from python_models.tracking import NOBODY, PoseTracker
from python_models.tracking_flow import FLOWS, Flow, flow_between
from python_models.tracks import FrameTracks, posetrack_content

FRAMES, PEOPLE, OVERLAP = 32, 3, 0.5
NOISE, MISS = 0.15, 0.1  # head sizes; share of people
CLIPS = 6


def tracked(clip: GeneratedClip, flows: Sequence[Flow], tracker: PoseTracker) -> tuple[dict[str, Any], float]:
    """The results file of a clip, and the seconds that the tracker took."""
    found: list[FramePoses] = list(noisy_poses(clip, NOISE, miss_hidden=True, miss=MISS))
    results, seconds = [], 0.0
    for frame, poses in enumerate(found):
        started = time.perf_counter()
        if frame:
            tracker.advance(flows[frame - 1])
        ids = tracker.update(poses.keypoints, poses.scores)
        seconds += time.perf_counter() - started
        own = ids != NOBODY
        boxes = np.zeros((int(own.sum()), 4), np.float32)
        results.append(FrameTracks(frame + 1, "", ids[own], poses.keypoints[own], poses.scores[own], boxes))
    return posetrack_content(results, clip.skeleton, video=str(clip.seed)), seconds


def rows_of(
    flow: str, clips: Sequence[GeneratedClip], frames: Sequence[Sequence[Any]]
) -> list[dict[str, Any]]:
    """A row for each way of matching with a flow."""
    flows, seconds = [], 0.0
    for images in frames:
        started = time.perf_counter()
        flows.append([flow_between(*pair, flow) for pair in itertools.pairwise(images)])
        seconds += time.perf_counter() - started
    pairs, rows = CLIPS * (FRAMES - 1), []
    for matching in ("greedy", "hungarian"):
        for inertia in (False, True):
            counts, spent = np.zeros(3, np.int64), 0.0
            for clip, own in zip(clips, flows, strict=True):
                tracker = PoseTracker(clip.skeleton.sigmas, matching=matching, inertia=inertia)
                content, time_of_clip = tracked(clip, own, tracker)
                mota = evaluate_posetrack([clip.to_posetrack()], [content]).mota
                counts += [
                    count.sum()
                    for count in (mota.switches, mota.misses + mota.false_positives, mota.annotated)
                ]
                spent += time_of_clip
            rows.append(
                {
                    "flow": flow,
                    "matching": matching,
                    "inertia": inertia,
                    "switches": int(counts[0]),
                    "mota": round(1 - float(counts[0] + counts[1]) / float(counts[2]), 4),
                    "dense_flow_ms": round(1e3 * seconds / pairs, 2),
                    "tracker_ms": round(1e3 * spent / pairs, 2),
                }
            )
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tracking", description=__doc__)
    parser.add_argument("--json", type=Path, help="file to write")
    options = parser.parse_args(arguments)
    clips = [
        GeneratedClip(seed, FRAMES, PEOPLE, overlap=OVERLAP, joints="posetrack18") for seed in range(CLIPS)
    ]
    frames = [[clip.paint(frame) for frame in range(FRAMES)] for clip in clips]
    size = "x".join(str(side) for side in clips[0].size[::-1])
    print(f"{CLIPS} clips of {FRAMES} frames, {size}, {PEOPLE} people; noise {NOISE} head sizes")
    print("flow           matching   inertia  switches  MOTA    flow ms  tracker ms")
    rows = []
    for flow in FLOWS:
        for row in rows_of(flow, clips, frames):
            rows.append(row)
            print(
                f"{flow:14} {row['matching']:10} {row['inertia']!s:8} {row['switches']:<9} {row['mota']:<7.3f} "
                f"{row['dense_flow_ms']:<8} {row['tracker_ms']}"
            )
    if options.json:
        save_json(options.json, {"meta": environment.describe(torch.device("cpu")), "rows": rows})


if __name__ == "__main__":
    main()
