"""What a checkpoint of ours says about its model, and rebuilding the model from it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from python_models.cascade import RefinementCascade
from python_models.checkpoints import load_weights, read_checkpoint, weights_of
from python_models.data import (
    COCO_SKELETON,
    NETWORK_SKELETONS,
    Augmentation,
    BatchPreparer,
    ImagePeople,
    PeoplePreparer,
    PoseDataset,
    Skeleton,
    paf_skeleton,
)
from python_models.errors import UserError
from python_models.map_grid import Grid
from python_models.symmetric_stn import Localisation, SymmetricPoseNetwork
from python_models.zoo import create_model, model_info, require_images

Encoding = Literal["msra", "unbiased", "udp", "megvii", "cmu"]
Head = Literal["peak", "integral", "simcc"]


@dataclass(frozen=True)
class ModelCard:
    """All that is needed to run a model on crops of one person each, or on whole images, besides its weights.

    Raises: UserError for a model that sees neither.
    """

    model: str
    input_size: tuple[int, int]  # (height, width) of the crop, or the image, in pixels
    skeleton: Skeleton
    encoding: Encoding = "msra"
    sigma_px: float = 2.0
    head: Head = "peak"  # joints are peaks of heat maps, expectations over them, or classes along x and y
    options: dict[str, Any] = field(default_factory=dict)  # of the architecture
    stages: int = 1  # networks one after the other; from the second on, each looks again around every joint
    stage_torsos: float = 2.0  # what they see there: a square of so many torso diagonals
    # Channels of the stem of the network that cuts crops again before they are looked at, 64 as published; 0: none.
    stn_width: int = 0
    trained_stages: int | None = None  # only so many first stages are trained; None: all

    def __post_init__(self) -> None:
        require_images(self.model)
        if self.stn_width:
            self._check_transformer()

    def _check_transformer(self) -> None:
        info = model_info(self.model)
        if (info.input, info.output, self.head, self.stages) != ("crop", "heatmaps", "peak", 1):
            raise UserError(
                f"stn_width: {self.model} with head {self.head} and {self.stages} stages does not fit; expected one "
                "network of heat maps for one person's crop, read at their peaks"
            )

    @property
    def heatmap_size(self) -> tuple[int, int]:
        stride = model_info(self.model).stride
        return self.input_size[0] // stride, self.input_size[1] // stride

    @property
    def convention(self) -> Literal["msra", "udp"]:
        """How crops are cut."""
        return "udp" if self.encoding == "udp" else "msra"

    @property
    def grid(self) -> Grid:
        """How heat maps lie on crops: a convention of `pyposeops.heatmap_decode`."""
        return "half_pixel" if self.encoding == "cmu" else self.convention

    def create(self) -> nn.Module:
        """The model with random weights."""
        own: dict[str, Any] = {}
        if self.head == "simcc":
            own = {"head": "simcc", "input_size": self.input_size}
        if model_info(self.model).limb_fields:
            own["num_limbs"] = len(paf_skeleton(self.skeleton).limbs)
        options, joints = {**own, **self.options}, self.skeleton.num_joints
        try:
            networks = [create_model(self.model, num_joints=joints, **options) for _ in range(self.stages)]
        except TypeError as error:
            raise UserError(f"model {self.model}: options {options} do not fit ({error})") from error
        if self.stn_width:
            return SymmetricPoseNetwork(Localisation(self.stn_width), networks[0], self.grid)
        return networks[0] if self.stages == 1 else RefinementCascade(networks, joints)

    def batch_preparer(
        self,
        dataset: PoseDataset,
        device: torch.device,
        *,
        augmentation: Augmentation | None = None,
        channels_last: bool = False,
        others: bool = False,
    ) -> BatchPreparer | PeoplePreparer:
        """What makes this model's batches from the images of a data set, `ImagePeople` for one of whole images.

        With `others`, batches of crops tell who else is in the image; those of whole images have everybody.
        """
        info = model_info(self.model)
        if isinstance(dataset, ImagePeople):
            return PeoplePreparer(
                dataset,
                size=self.input_size,
                augmentation=augmentation,
                reverse_channels=info.channel_order == "bgr",
                mean=info.mean,
                std=info.std,
                channels_last=channels_last,
                device=device,
            )
        return BatchPreparer(
            dataset,
            size=self.input_size,
            convention=self.convention,
            augmentation=augmentation,
            reverse_channels=info.channel_order == "bgr",
            mean=info.mean,
            std=info.std,
            channels_last=channels_last,
            device=device,
            others=others,
            centred=self.stn_width > 0,
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as the weights-only reader wants them."""
        return asdict(self)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "ModelCard":
        """What `to_dict` gave; raises UserError for fields that this version does not know."""
        try:
            return cls(**{**content, "skeleton": Skeleton(**content["skeleton"])})
        except (TypeError, KeyError) as error:
            raise UserError(f"checkpoint: its card is not one of this version ({error})") from error


def default_card(model: str, skeleton: Skeleton | None = None) -> ModelCard:
    """The card of a model as published; the joints are those of COCO, or of the network if it has others."""
    info = model_info(model)
    if skeleton is None:
        skeleton = NETWORK_SKELETONS.get(info.num_joints, COCO_SKELETON)
    return ModelCard(
        model,
        info.input_size,
        skeleton,
        encoding=info.encoding,
        sigma_px=info.sigma_px,
        head=info.head,
    )


def load_model(
    weights: str | Path, *, model: str | None = None, skeleton: Skeleton | None = None
) -> tuple[nn.Module, ModelCard]:
    """Rebuild a trained model in eval mode, with the card that says how to use it.

    Args:
        weights: Path or URL. A checkpoint of ours knows its model; for others `model` names it.
        model: Name in the zoo, only for weights that do not know theirs.
        skeleton: Joints of a model whose weights do not name them; by default those it was published with.
    """
    content = read_checkpoint(weights)
    if "card" in content:
        card = ModelCard.from_dict(content["card"])
    elif model is not None:
        card = default_card(model, skeleton)
    else:
        raise UserError(f"checkpoint {weights}: does not name its model; pass it with --model")
    network = card.create()
    load_weights(network, weights_of(content, weights), weights)
    return network.eval(), card
