"""From images to people by composite fields: drawn fields come back as the people they were drawn from."""

import pytest
import torch
from torch import Tensor

from benchmarks.composite_people import LIMBS, STRIDE, crowd, draw
from benchmarks.stepping_people import STANDING
from python_models.bottom_up import BottomUpEstimator
from python_models.data import COCO_SKELETON, CROWDPOSE_SKELETON
from python_models.errors import UserError
from python_models.map_decoders import decode_maps
from python_models.maps import CompositeFields
from python_models.model_card import ModelCard
from python_models.pifpaf import composite_fields

SIZE = (385, 513)
CARD = ModelCard("pifpaf_resnet50", SIZE, COCO_SKELETON)
CELLS = (49, 65)
# Two people, (x, y) in cells.
TWO = STANDING * 40 + torch.tensor([[[16.0, 2.0]], [[44.0, 6.0]]])


def as_given(fields: Tensor, points: int) -> Tensor:
    """What `composite_fields` makes these fields of."""
    own = fields.clone()
    y, x = torch.meshgrid(*(torch.arange(side).float() for side in own.shape[-2:]), indexing="ij")
    own[:, :, 1] = own[:, :, 1].clamp(1e-4, 1 - 1e-4).logit()
    own[:, :, 2 : 2 + 2 * points] -= torch.stack([x, y] * points)
    sizes = own[:, :, 2 + 2 * points :]
    sizes.copy_(sizes.clamp_min(1e-4).expm1().log())
    return own


def network(images: Tensor) -> CompositeFields:
    cif, caf = draw(TWO, torch.ones(2, 17), torch.tensor([1.5, 1.5]), CELLS, LIMBS)
    return CompositeFields([as_given(cif, 1)], [as_given(caf, 2)])


def test_fields_as_given_are_the_fields():
    for fields, points in zip(crowd(3, seed=0)[1], (1, 2), strict=True):
        torch.testing.assert_close(
            composite_fields(as_given(fields, points), points), fields, atol=2e-4, rtol=1e-4
        )


@pytest.mark.parametrize("zoom", [1.0, 2.0, 0.5])
def test_drawn_people_come_back_in_pixels_of_images_of_any_size(zoom: float):
    find = BottomUpEstimator(network, CARD, device=torch.device("cpu"))
    (found,) = find([torch.zeros(round(zoom * SIZE[0]), round(zoom * SIZE[1]), 3, dtype=torch.uint8)])
    assert found.keypoints.shape == (2, 17, 2)
    order = found.keypoints[:, 0, 0].argsort()
    wanted = (TWO * STRIDE + 0.5) * zoom - 0.5
    assert (found.keypoints[order] - wanted).norm(dim=-1).max() < 1.0 * zoom + 0.5
    assert (found.scores > 0.5).all() and (found.person_scores > 0.5).all()


def test_limbs_options_and_several_looks_are_told():
    fields = network(torch.zeros(1, 3, *SIZE))
    with pytest.raises(
        UserError, match=f"expected fields of its skeleton's {len(CROWDPOSE_SKELETON.limbs)} limbs"
    ):
        decode_maps(fields, ModelCard("pifpaf_resnet50", SIZE, CROWDPOSE_SKELETON), SIZE)
    with pytest.raises(UserError, match=r"pifpaf_decode: .*tag_threshold"):
        decode_maps(fields, CARD, SIZE, tag_threshold=1.0)
    image = torch.zeros(*SIZE, 3, dtype=torch.uint8)
    for options in ({"flip_test": True}, {"scales": (1.0, 0.5)}):
        find = BottomUpEstimator(network, CARD, device=torch.device("cpu"), **options)
        with pytest.raises(UserError, match=r"model pifpaf_resnet50: .*: not for maps of this kind"):
            find([image])
