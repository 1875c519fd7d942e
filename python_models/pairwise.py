"""The command that learns DeepCut's pairwise terms from labelled images."""

import torch
from lightning_fabric import Fabric
from torch import nn

from python_models.data import ImagePeople, LabelledPeople, PoseLoader
from python_models.errors import UserError, require_positive
from python_models.files import check_output_file
from python_models.model_card import ModelCard, load_model
from python_models.pairwise_fit import (
    REACH_PX,
    KnownPairs,
    OwnedCandidates,
    describe,
    fit_terms,
    known_pairs,
    logistic_regression,
    owners_of,
)
from python_models.pairwise_terms import PairwiseTerms, save_terms
from python_models.part_candidates import SETTINGS, Candidates, CandidateSettings, part_candidates
from python_models.part_grid import PartGrid
from python_models.progress import progress_bar
from python_models.runtime import Accelerator, Precision, start_fabric
from python_models.sources import check_same_joints, open_training_data
from python_models.zoo import model_info

# For pairs of one part: what is nearer than candidates may be says what near ones mean.
CLOSE = CandidateSettings(apart_cells=1.0, per_part=60, in_all=600)


def pairwise(
    *,
    weights: str,
    data: str,
    images: str | None = None,
    model: str | None = None,
    out: str = "pairwise.json",
    generated_count: int = 1000,
    max_images: int = 2000,
    strength: float = 1.0,
    batch_size: int = 16,
    workers: int = 4,
    accelerator: Accelerator = "auto",
    precision: Precision = "32-true",
) -> PairwiseTerms:
    """Learn which joints belong together, for predict --method deepcut; write it as JSON.

    Images are fitted into the network's input, as in training; `predict` should show people in the same size.

    Args:
        weights: path or URL of a checkpoint of deepcut_vgg16 or deepercut_resnet152.
        data: labelled images, as for train: crowds, a COCO keypoint JSON, a folder with one, or NAME:PATH.
        images: folder of the images, where it is not the folder of the JSON file.
        model: name in the zoo, for checkpoints that do not name their model.
        out: JSON file to write.
        generated_count: how many images, where people are generated.
        max_images: at most so many images are looked at, the first of the data.
        strength: of the examples against the regularisation, scikit-learn's C. Published with 0.001, which leaves
            some thousands of pairs of each two parts without a say; features are from 0 to 1.
        batch_size: images per run of the network.
        workers: processes that decode images.
        accelerator: kind of device.
        precision: of the network's arithmetic.
    """
    check_output_file("out", out)
    require_positive(generated_count=generated_count, max_images=max_images, batch_size=batch_size)
    if workers < 0:
        raise UserError(f"workers: expected at least 0, got {workers}")
    if not 0 < strength < float("inf"):
        raise UserError(f"strength: expected a number above 0, got {strength}")
    dataset = open_training_data(data, images=images, count=generated_count)
    network, card = load_model(weights, model=model, skeleton=dataset.skeleton)
    if not model_info(card.model).parts_alone:
        raise UserError(f"model {card.model}: takes no pairwise terms; deepcut_* and deepercut_* do")
    seen = ImagePeople(dataset)
    check_same_joints(card.skeleton, seen.skeleton)
    regression = logistic_regression(strength)
    fabric = start_fabric(accelerator, 1, precision)
    options = {"batch_size": batch_size, "workers": workers, "max_images": max_images}
    same, different = collect_pairs(fabric.to_device(network), card, seen, fabric, **options)
    terms = fit_terms(card.skeleton.joint_names, same, different, PartGrid.of(card), regression)
    if not terms.between.known.any():
        raise UserError(
            f"weights {weights}: find too few joints of the same people in {data} to learn what belongs together"
        )
    save_terms(out, terms)
    print(f"{len(different.first)} pairs; learned: {describe(terms)}; written: {out}")
    return terms


def collect_pairs(
    network: nn.Module,
    card: ModelCard,
    dataset: ImagePeople,
    fabric: Fabric,
    *,
    batch_size: int,
    workers: int,
    max_images: int,
) -> tuple[KnownPairs, KnownPairs]:
    """Pairs of the same part, and of different parts, of candidates in labelled images.

    Args: as of `pairwise`.
    """
    loader = PoseLoader(dataset, batch_size, training=False, workers=workers)
    prepare, grid = card.batch_preparer(dataset, fabric.device), PartGrid.of(card)
    found: dict[CandidateSettings, list[OwnedCandidates]] = {CLOSE: [], SETTINGS: []}
    bar = progress_bar(min(max_images, len(dataset)), "images", unit="image", leave=False)
    with bar, torch.no_grad(), fabric.autocast():
        for samples in loader:
            batch = prepare(samples)
            maps = network(batch.images)
            for settings, images in found.items():
                images += _owned(part_candidates(maps, grid, settings), batch.people, grid)
            bar.update(len(samples))
            if len(found[SETTINGS]) >= max_images:
                break
    same, different = (images[:max_images] for images in found.values())
    return known_pairs(same, same_part=True), known_pairs(different, same_part=False)


def _owned(images: list[Candidates], people: LabelledPeople, grid: PartGrid) -> list[OwnedCandidates]:
    keypoints, visibility = people.keypoints.double().cpu().numpy(), people.visibility.cpu().numpy()
    reach_px = REACH_PX * grid.scale
    return [
        OwnedCandidates(own, owners_of(own, keypoints[index], visibility[index], reach_px))
        for index, own in enumerate(images)
    ]
