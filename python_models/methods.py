"""The ways from images to people that `predict` offers, and which networks each of them works with."""

import fnmatch
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from python_models.alphapose import AlphaPose
from python_models.bottom_up import BottomUpEstimator, Resize
from python_models.crowd_matching import CrowdMatching
from python_models.data import Skeleton
from python_models.deepcut_people import DeepCut
from python_models.deepercut import DeeperCut
from python_models.errors import UserError
from python_models.estimator import PoseEstimator, Refine
from python_models.model_card import ModelCard, load_model
from python_models.outputs import certain_score
from python_models.pairwise_terms import load_terms
from python_models.people import Finder, People, whole_image
from python_models.refinement import build_estimator
from python_models.whole_body import WholeBody
from python_models.zoo import model_info

MethodName = Literal[
    "auto",
    "topdown",
    "alphapose",
    "crowdpose",
    "openpose",
    "ae",
    "centernet",
    "personlab",
    "pifpaf",
    "deepcut",
]


@dataclass(frozen=True)
class FinderSettings:
    """What the methods can be told.

    Args:
        device: Where they run.
        refine: How peaks of a person's heat maps are refined.
        flip_test: Average with the mirrored image or crop.
        scales: Look in each of these sizes.
        resize: How whole images are fitted, see `BottomUpEstimator`.
        batch_size: People per run of a network that sees crops.
        pairwise: File of pairwise terms, for deepcut.
        exact_s: Seconds for the exact solution of an image, for deepcut; None: by the heuristic.
    """

    device: torch.device
    refine: Refine = "auto"
    flip_test: bool = False
    scales: tuple[float, ...] = (1.0,)
    resize: Resize = "inside"
    batch_size: int = 32
    pairwise: str | None = None
    exact_s: float | None = None


class TopDown:
    """One person in each box; a `python_models.people.Finder`.

    A person's score is the mean over the joints that are certain (`python_models.outputs.certain_score`; 0 without
    any), times that of the box, as published.
    """

    def __init__(self, estimator: PoseEstimator, batch_size: int) -> None:
        self.estimator, self.batch_size = estimator, batch_size

    def __call__(self, images: Sequence[Tensor], boxes: Sequence[Tensor | None]) -> list[People]:
        device = self.estimator.device
        own = [
            whole_image(image) if given is None else given for image, given in zip(images, boxes, strict=True)
        ]
        counts = [len(given) for given in own]
        everybody, on_device = torch.cat(own)[:, :4], [image.to(device) for image in images]
        index = torch.arange(len(images)).repeat_interleave(torch.tensor(counts))
        found = [self.estimator.nobody()] + [
            self.estimator.from_images(on_device, *part)
            for part in zip(everybody.split(self.batch_size), index.split(self.batch_size), strict=True)
            if len(part[0])
        ]
        keypoints = torch.cat([poses.keypoints.float().cpu() for poses in found])
        scores = torch.cat([poses.scores.float().cpu() for poses in found])
        certain = scores > certain_score(self.estimator.card)
        means = torch.where(certain, scores, 0.0).sum(1) / certain.sum(1).clamp_min(1)
        person_scores = means * torch.cat(own)[:, 4]
        columns = (values.split(counts) for values in (keypoints, scores, person_scores, everybody))
        return [People(*values) for values in zip(*columns, strict=True)]


Build = Callable[[nn.Module, ModelCard, FinderSettings], Finder]


@dataclass(frozen=True)
class Method:
    """A way from images to people.

    Args:
        build: Makes the finder.
        models: Patterns of the networks in the zoo that it works with.
        needs_boxes: Whether people are looked for in boxes.
        takes_pairwise: Whether it is told `pairwise` and `exact_s`.
    """

    build: Build
    models: tuple[str, ...]
    needs_boxes: bool = False
    takes_pairwise: bool = False

    def finder(self, network: nn.Module, card: ModelCard, settings: FinderSettings) -> Finder:
        """The finder that the settings describe; raises UserError for those that the method does not know."""
        self.check(settings.pairwise, settings.exact_s)
        return self.build(network, card, settings)

    def check(self, pairwise: str | None, exact_s: float | None) -> None:
        """Raise UserError for what another method is told."""
        if not self.takes_pairwise and (pairwise is not None or exact_s is not None):
            raise UserError("pairwise, exact_s: are for the method deepcut; leave them out")


def _topdown(network: nn.Module, card: ModelCard, settings: FinderSettings) -> Finder:
    options: dict[str, Any] = {"flip_test": settings.flip_test, "scales": settings.scales}
    estimator = build_estimator(network, card, device=settings.device, refine=settings.refine, **options)
    return TopDown(estimator, settings.batch_size)


def _alphapose(network: nn.Module, card: ModelCard, settings: FinderSettings) -> Finder:
    return AlphaPose(_topdown(network, card, settings))


def _crowdpose(network: nn.Module, card: ModelCard, settings: FinderSettings) -> Finder:
    if settings.scales != (1.0,):
        raise UserError("scales: the method crowdpose looks once, at one size")
    estimator = build_estimator(
        network, card, device=settings.device, refine=settings.refine, flip_test=settings.flip_test
    )
    return CrowdMatching(estimator, settings.batch_size)


def _bottom_up(network: nn.Module, card: ModelCard, settings: FinderSettings) -> Finder:
    return BottomUpEstimator(
        network,
        card,
        device=settings.device,
        resize=settings.resize,
        flip_test=settings.flip_test,
        scales=settings.scales,
    )


def _deepcut(network: nn.Module, card: ModelCard, settings: FinderSettings) -> Finder:
    if settings.pairwise is None:
        raise UserError("pairwise: the method deepcut needs what the command pairwise writes")
    if settings.flip_test or len(settings.scales) != 1:
        raise UserError("flip_test, scales: the method deepcut looks once, at one size")
    terms = load_terms(settings.pairwise)
    terms.check(card, paired=isinstance(network, DeeperCut))
    return DeepCut(
        network,
        card,
        terms,
        device=settings.device,
        resize=settings.resize,
        zoom=settings.scales[0],
        exact_s=settings.exact_s,
    )


METHODS: dict[str, Method] = {
    "topdown": Method(_topdown, ("*",), needs_boxes=True),
    "alphapose": Method(_alphapose, ("*",), needs_boxes=True),
    "crowdpose": Method(_crowdpose, ("*",), needs_boxes=True),
    "openpose": Method(_bottom_up, ("openpose_*", "lightweight_openpose")),
    "ae": Method(_bottom_up, ("pose_ae_*", "higherhrnet_*", "ae_hrnet_*")),
    "centernet": Method(_bottom_up, ("centernet_*",)),
    "personlab": Method(_bottom_up, ("personlab_*",)),
    "pifpaf": Method(_bottom_up, ("pifpaf_*",)),
    "deepcut": Method(_deepcut, ("deepcut_*", "deepercut_*"), takes_pairwise=True),
}


def method_for(name: str, model: str) -> Method:
    """The method of this name, or with "auto" the one that a model was made for.

    Raises: UserError for an unknown name, a model that does not go with it, or one that no method here goes with.
    """
    fitting = [own for own, method in METHODS.items() if _fits(method, model)]
    if name == "auto":
        if not fitting:
            raise UserError(f"model {model}: no method finds people with it here")
        return METHODS[fitting[0]]
    if name not in METHODS:
        raise UserError(f"method: expected auto, {', '.join(METHODS)}, got {name!r}")
    if name not in fitting:
        raise UserError(
            f"method {name}: does not work with model {model}; {' or '.join(fitting) or 'none'} does"
        )
    return METHODS[name]


def _fits(method: Method, model: str) -> bool:
    wanted = "crop" if method.needs_boxes else "image"
    named = any(fnmatch.fnmatch(model, pattern) for pattern in method.models)
    return named and model_info(model).input == wanted


def with_parts(
    finder: Finder, skeleton: Skeleton, fabric: Fabric, *, hand: str | None, face: str | None, padding: float
) -> WholeBody:
    """A finder of bodies that looks at hands and faces too.

    Args:
        finder: Finds people with the joints of `skeleton`.
        skeleton: Of the bodies.
        fabric: Where the networks run.
        hand, face: Path or URL of a checkpoint that knows its model, or is one of `openpose_hand` or `openpose_face`.
        padding: How much larger the crops are than hands and faces.

    Raises: UserError for weights that do not fit, or bodies that do not say where hands and faces are.
    """
    estimators: dict[str, PoseEstimator] = {}
    for part, weights in (("hand", hand), ("face", face)):
        if weights is not None:
            network, card = load_model(weights, model=f"openpose_{part}")
            estimators[part] = build_estimator(fabric.to_device(network), card, device=fabric.device)
    return WholeBody(finder, skeleton, padding=padding, **estimators)
