"""From images to people by the networks that see all of them at once: fit, run, average, decode, undo the fit.

The networks' maps say who decodes them: `paf_decode` (OpenPose), `tag_grouping` (associative embedding, HigherHRNet),
`centernet_decode`, `personlab_decode`, `pifpaf_decode`.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

import pyposeops
from python_models.errors import UserError
from python_models.map_decoders import decode_maps
from python_models.map_merging import merged_maps
from python_models.model_card import ModelCard
from python_models.people import People
from python_models.zoo import model_info

Resize = Literal["inside", "height", "short_side"]


class Canvas(NamedTuple):
    """How an image lies in what the network sees: enlarged by `zoom`, at the upper left of `size`."""

    size: tuple[int, int]  # height, width
    zoom: float

    def scaled(self, scale: float, multiple: int) -> tuple[tuple[int, int], tuple[float, float]]:
        """A canvas about `scale` times as large, and how much an image is enlarged in it, down and across.

        Both differ a little where sides are rounded, so that all of the canvas lies in all of the larger one.
        """
        sides = (
            _next_multiple(scale * self.size[0], multiple),
            _next_multiple(scale * self.size[1], multiple),
        )
        return sides, (self.zoom * sides[0] / self.size[0], self.zoom * sides[1] / self.size[1])


class BottomUpEstimator:
    """A network that sees whole images, with everything around it; a `python_models.people.Finder`.

    Args:
        network: Images (B, 3, h, w) -> maps, on `device`, in eval mode.
        card: Input size and skeleton.
        device: Where images are resized and maps are decoded.
        resize: "inside" enlarges or shrinks an image until it just fits into the card's input size, which is the
            canvas; "height" and "short_side" give its height, or shorter side, the card's input height, whatever the
            other becomes, as OpenPose and HigherHRNet were published.
        flip_test: Average with the maps of the mirrored image.
        scales: The network sees the image in each of these sizes; maps are averaged, tags are those of the first.
        options: Of the decoder, such as `paf_threshold` or `tag_threshold`; see `python_models.map_decoders`.

    Raises: UserError for scales that are not above 0.
    """

    def __init__(
        self,
        network: Callable[[Tensor], Any],
        card: ModelCard,
        *,
        device: torch.device,
        resize: Resize = "inside",
        flip_test: bool = False,
        scales: Sequence[float] = (1.0,),
        **options: Any,
    ) -> None:
        if not scales or any(not 0 < scale < 100 for scale in scales):
            raise UserError(f"scales: expected numbers above 0, got {tuple(scales)}")
        self.network, self.card, self.device = network, card, device
        self.resize, self.flip_test, self.scales, self.options = resize, flip_test, tuple(scales), options

    def __call__(self, images: Sequence[Tensor], boxes: Sequence[Tensor | None] = ()) -> list[People]:
        """The people of uint8 RGB images (H, W, 3); boxes are not needed and not looked at."""
        canvases = [self.canvas(image.shape[0], image.shape[1]) for image in images]
        by_size: dict[tuple[int, int], list[int]] = defaultdict(list)
        for index, canvas in enumerate(canvases):
            by_size[canvas.size].append(index)
        found: dict[int, People] = {}
        for members in by_size.values():
            batch = self._people([images[index] for index in members], [canvases[index] for index in members])
            found.update(zip(members, batch, strict=True))
        return [found[index] for index in range(len(images))]

    def canvas(self, height: int, width: int) -> Canvas:
        """Where an image of this size is put."""
        fit, multiple = self.card.input_size, model_info(self.card.model).size_multiple
        if self.resize == "inside":
            return Canvas(fit, min(fit[0] / height, fit[1] / width))
        zoom = fit[0] / (height if self.resize == "height" else min(height, width))
        sides = (_next_multiple(zoom * height, multiple), _next_multiple(zoom * width, multiple))
        return Canvas(sides, zoom)

    def _people(self, images: Sequence[Tensor], canvases: Sequence[Canvas]) -> list[People]:
        """Of images whose canvases have one size."""
        maps = merged_maps([self._look(images, canvases, scale) for scale in self.scales], self.card)
        first = self._scaled(canvases, self.scales[0])  # where the others' maps were brought to
        found = self.decode(maps, first[0][0])
        return [_unfit(people, zooms) for people, (_, zooms) in zip(found, first, strict=True)]

    def decode(self, maps: Any, size: tuple[int, int]) -> list[People]:
        """The people in maps of images of `size` (height, width), in pixels of these."""
        return decode_maps(maps, self.card, size, **self.options)

    def _scaled(
        self, canvases: Sequence[Canvas], scale: float
    ) -> list[tuple[tuple[int, int], tuple[float, float]]]:
        multiple = model_info(self.card.model).size_multiple
        return [canvas.scaled(scale, multiple) for canvas in canvases]

    def _look(self, images: Sequence[Tensor], canvases: Sequence[Canvas], scale: float) -> tuple[Any, Any]:
        """The network's maps in canvases `scale` times as large, and those of the mirrored ones or None."""
        scaled = self._scaled(canvases, scale)
        seen = self.inputs(images, fit_affines([zooms for _, zooms in scaled]), scaled[0][0])
        return self.network(seen), self.network(seen.flip(-1)) if self.flip_test else None

    def inputs(self, images: Sequence[Tensor], affines: Tensor, size: tuple[int, int]) -> Tensor:
        """Images (B, 3, height, width) as the network wants them; what they leave free is black."""
        info = model_info(self.card.model)
        on_device = [image.to(self.device) for image in images]
        return pyposeops.crop_images(
            on_device,
            affines.to(self.device),
            size,
            image_index=torch.arange(len(images), device=self.device),
            mean=info.mean,
            std=info.std,
            reverse_channels=info.channel_order == "bgr",
            antialias=True,
        )


def fit_affines(zooms: Sequence[tuple[float, float]]) -> Tensor:
    """From pixels of images to those of canvases in which they are so much taller and wider, (B, 2, 3).

    Corners stay corners, as where an image is resized.
    """
    affines = torch.zeros(len(zooms), 2, 3, dtype=torch.float64)
    zoom = torch.tensor(list(zooms), dtype=torch.float64).reshape(-1, 2)
    affines[:, 0, 0], affines[:, 1, 1] = zoom[:, 1], zoom[:, 0]
    affines[:, :, 2] = (zoom.flip(1) - 1) / 2
    return affines.float()


def _unfit(people: People, zooms: tuple[float, float]) -> People:
    """People in pixels of what the network saw, in those of the image; joints that a person lacks stay at 0.

    The image is enlarged there by `zooms`, down and across.
    """
    zoom = torch.tensor([zooms[1], zooms[0]])
    places = (people.keypoints - (zoom - 1) / 2) / zoom
    return people._replace(keypoints=torch.where(people.scores[..., None] > 0, places, 0.0))


def _next_multiple(side: float, multiple: int) -> int:
    """The smallest multiple that is no smaller, but for what rounding adds."""
    step = max(1, multiple)
    return max(step, -(-round(side) // step) * step)
