"""What is claimed, and which figures of which trainings decide it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from python_models.estimator import Refine


@dataclass(frozen=True)
class Subject:
    """What is measured: a training's network with a decoder.

    Args:
        run: name in `RUNS`.
        label: in the table.
        refine: of the heat maps' peaks.
        stage: of a network with several, counted from 0; none for the last one.
    """

    run: str
    label: str
    refine: Refine = "auto"
    stage: int | None = None


@dataclass(frozen=True)
class Claim:
    """Subjects in the claimed order, from the worse to the better.

    Args:
        title: the claim in a sentence.
        source: who claims it.
        threshold: the PCK that decides, in torso diagonals.
        subjects: two or more.
        remark: what the figures alone do not tell, for those who read the page.
        beside: shown with them, and outside of the verdict.
    """

    title: str
    source: str
    threshold: float
    subjects: Sequence[Subject]
    remark: str = ""
    beside: Sequence[Subject] = ()


THRESHOLDS = (0.05, 0.1, 0.2, 0.5)

_MORE = "peak-more", "peak-half-more", "peak-quarter-more"


def _against_arg_max(size: str, name: str) -> Claim:
    subjects = Subject(f"peak{name}-more", "arg-max", refine="none"), Subject(f"integral{name}", "integral")
    title = f"Integral regression beats the arg-max, most where heat maps are coarse: {size} of the input."
    remark = "The last row refines the same peaks and stands outside of the claim."
    beside = (Subject(f"peak{name}-more", "heat maps, refined"),)
    return Claim(title, "Sun et al., ECCV 2018, section 4", 0.2, subjects, remark, beside)


def _two_networks(pooling: int) -> Claim:
    run = f"tompson{pooling}"
    subjects = Subject(run, "coarse network", stage=0), Subject(run, "with the fine network", stage=1)
    title = f"The fine network improves on the coarse one at small distances: {pooling}x pooling."
    remark = "At large distances the fine network, which sees a window only, may lose."
    return Claim(title, "Tompson et al., CVPR 2015, figure 9", 0.1, subjects, remark)


CLAIMS: tuple[Claim, ...] = (
    Claim(
        "Heat maps beat direct regression with the same backbone.",
        "Tompson et al., NeurIPS 2014; Carreira et al., CVPR 2016",
        0.2,
        (Subject("regression-more", "regression"), Subject("peak-more", "heat maps")),
    ),
    Claim(
        "Each stage of the cascade improves the detection rate at small thresholds.",
        "Toshev and Szegedy, CVPR 2014, section 4.2",
        0.1,
        tuple(Subject("deeppose", f"stage {stage + 1}", stage=stage) for stage in range(3)),
        "Each stage starts from the weights of the one before.",
    ),
    *(_two_networks(pooling) for pooling in (4, 8, 16)),
    Claim(
        "Less pooling in the coarse network is better.",
        "Tompson et al., CVPR 2015, figure 7",
        0.2,
        tuple(Subject(f"tompson{pooling}", f"{pooling}x", stage=0) for pooling in (16, 8, 4)),
    ),
    Claim(
        "Intermediate supervision helps.",
        "Newell et al., ECCV 2016, section 4.2; Wei et al., CVPR 2016",
        0.2,
        (
            Subject("hourglass2-last-only", "2 hourglasses, the last one supervised"),
            Subject("hourglass2", "2 hourglasses, both supervised"),
        ),
    ),
    Claim(
        "More stages help.",
        "Newell et al., ECCV 2016; Wei et al., CVPR 2016",
        0.2,
        (Subject("hourglass1", "1 hourglass"), Subject("hourglass2", "2 hourglasses")),
    ),
    Claim(
        "Integral regression beats direct regression with the same backbone, after heat maps.",
        "Sun et al., ECCV 2018",
        0.2,
        (Subject("regression-more", "regression"), Subject("integral", "integral")),
        "The integral goes on from a network that has learned heat maps, the regression from one that has learned "
        "joints: what it gains may come from there.",
    ),
    Claim(
        "Integral regression beats direct regression with the same backbone, from joints alone.",
        "Sun et al., ECCV 2018",
        0.2,
        (Subject("regression", "regression"), Subject("integral-alone", "integral")),
        "Both start from nothing; the network of the integral has transposed convolutions besides.",
    ),
    _against_arg_max("1/4", ""),
    _against_arg_max("1/8", "-half"),
    _against_arg_max("1/16", "-quarter"),
    Claim(
        "Mining the hardest joints helps.",
        "Chen et al., CVPR 2018, table 3",
        0.2,
        (Subject("peak-more", "all joints"), Subject("mining", "the 7 hardest of 14")),
    ),
    Claim(
        "Finer heat maps are better.",
        "Xiao et al., ECCV 2018, table 2",
        0.1,
        (Subject(_MORE[2], "1/16"), Subject(_MORE[1], "1/8"), Subject(_MORE[0], "1/4")),
        "On the CPU's budget 1/16 is a map of 4 x 4 pixels, in which only the inner ones are refined.",
    ),
    Claim(
        "Keeping the resolution throughout beats lowering and raising it.",
        "Sun et al., CVPR 2019",
        0.2,
        (Subject("peak", "ResNet-18 and transposed convolutions"), Subject("hrnet", "HRNet")),
    ),
    Claim(
        "Decoding the distribution beats a quarter pixel towards the second maximum, which beats the arg-max.",
        "Zhang et al., CVPR 2020, table 1",
        0.1,
        tuple(
            Subject("hrnet", label, refine=refine)
            for label, refine in (("arg-max", "none"), ("quarter", "quarter"), ("DARK", "dark"))
        ),
    ),
)
