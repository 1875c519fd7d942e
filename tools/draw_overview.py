"""Draws docs/overview.png: a generated person on its way through the operators."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
import torch

import pyposeops
from python_models.data import GeneratedPeople
from python_models.draw import draw_people

matplotlib.use("Agg")
from matplotlib import pyplot as plt

TARGET = Path(__file__).resolve().parents[1] / "docs" / "overview.png"
SEED, PERSON = 11, 5
SIZE, MAP_SIZE = (256, 192), (64, 48)


def panels() -> list[tuple[str, np.ndarray]]:
    dataset = GeneratedPeople(SEED, PERSON + 1)
    record = dataset.records[PERSON]
    image = dataset.load_image(record)
    box = torch.from_numpy(record.box_xywh)[None]
    affine = pyposeops.affine_from_box(box, SIZE, rotation_deg=20.0)
    crop = pyposeops.crop_images(torch.from_numpy(image), affine, SIZE, mean=(0.0,) * 3, std=(1.0,) * 3)
    joints = pyposeops.transform_keypoints(torch.from_numpy(record.keypoints)[None], affine)
    visible = torch.from_numpy(record.visibility)[None].clamp(max=1)
    target = pyposeops.gaussian_heatmap(
        joints, visible, MAP_SIZE, sigma=2.0, encoding="unbiased", input_size=SIZE
    )
    found = pyposeops.heatmap_decode(target.heatmaps, refine="dark")
    back = pyposeops.transform_keypoints(found.coords * 4.0, pyposeops.invert_affine(affine))
    people = torch.cat([back, found.scores[..., None]], -1)[0].numpy()
    return [
        ("uint8 image, person box", draw_people(image, [], dataset.skeleton, boxes=[record.box_xywh])),
        ("crop_images", crop[0].permute(1, 2, 0).clamp(0, 1).numpy()),
        ("gaussian_heatmap", target.heatmaps[0].amax(0).numpy()),
        ("heatmap_decode", draw_people(image, [people], dataset.skeleton)),
    ]


def main() -> None:
    figure, axes = plt.subplots(1, 4, figsize=(11, 3.6), layout="constrained")
    for axis, (title, picture) in zip(axes, panels(), strict=True):
        axis.imshow(picture, cmap="magma")
        axis.set_title(title, fontsize=11)
        axis.axis("off")
    figure.savefig(TARGET, dpi=100)


if __name__ == "__main__":
    main()
