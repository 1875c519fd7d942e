"""From bodies to hands and faces: crops placed by the body's joints, seen by networks of their own."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

import pyposeops
from python_models.data import OPENPOSE_FACE_SKELETON, OPENPOSE_HAND_SKELETON, Skeleton
from python_models.data.crop_source import CropSource
from python_models.errors import UserError
from python_models.estimator import PoseEstimator
from python_models.part_boxes import FACE_THRESHOLD, HAND_THRESHOLD, face_boxes, hand_boxes
from python_models.people import Finder, People
from python_models.zoo import model_info

# A part that is smaller in the image has nothing to show; as in the published code.
SMALLEST_HAND_PX, SMALLEST_FACE_PX = 10**0.5, 40.0
BATCH_SIZE = 32


class _Crops(NamedTuple):
    """Squares to look into, of all images together."""

    boxes: Tensor  # (M, 4)
    image: Tensor  # (M,)
    mirrored: Tensor  # (M,) bool


class WholeBody:
    """A finder of bodies, and networks that look at their hands and faces; itself a `python_models.people.Finder`.

    People have the body's joints, then the left hand's and the right one's, then the face's. A left hand's crop is
    mirrored, so that the network of hands sees right hands alone, as the published one does. Joints of hands and
    faces that have no place, or too small a one, are 0 with the score 0; the rest of a person stays as it is.

    Args:
        body: Finds people.
        skeleton: The body's joints; their names say where hands and faces are (`python_models.part_boxes`).
        hand: Looks at one right hand in a crop; None: no hands.
        face: Looks at one face in a crop; None: no faces.
        hand_threshold: Joints of the arm count whose score is above it.
        face_threshold: Joints of the head count whose score is above it.
        smallest_hand_px: Sides that are not longer are left out.
        smallest_face_px: The same for faces.
        padding: How much larger the crops are than the squares: 1 for the published networks; those that `train`
            makes with such squares as boxes have seen `python_models.estimator.CROP_PADDING`.

    Raises: UserError without a network of hands or faces.
    """

    def __init__(
        self,
        body: Finder,
        skeleton: Skeleton,
        *,
        hand: PoseEstimator | None = None,
        face: PoseEstimator | None = None,
        hand_threshold: float = HAND_THRESHOLD,
        face_threshold: float = FACE_THRESHOLD,
        smallest_hand_px: float = SMALLEST_HAND_PX,
        smallest_face_px: float = SMALLEST_FACE_PX,
        padding: float = 1.0,
    ) -> None:
        if hand is None and face is None:
            raise UserError("whole body: expected a network of hands or of faces, got neither")
        self.body, self.body_skeleton, self.hand, self.face = body, skeleton, hand, face
        self.hand_threshold, self.face_threshold = hand_threshold, face_threshold
        self.smallest_hand_px, self.smallest_face_px = smallest_hand_px, smallest_face_px
        self.padding = padding
        self.skeleton = whole_body_skeleton(
            skeleton, hand.card.skeleton if hand else None, face.card.skeleton if face else None
        )

    def __call__(self, images: Sequence[Tensor], boxes: Sequence[Tensor | None]) -> list[People]:
        """The people of uint8 RGB images (H, W, 3), with hands and faces."""
        found = self.body(images, boxes)
        if not found:
            return []
        counts = [len(people.keypoints) for people in found]
        joints, names = [], self.body_skeleton.joint_names
        if self.hand is not None:
            placed = [
                hand_boxes(people.keypoints, people.scores, names, threshold=self.hand_threshold)
                for people in found
            ]
            hands = self._seen(self.hand, images, torch.cat(placed), counts, self.smallest_hand_px)
            joints += [hands[:, 0], hands[:, 1]]
        if self.face is not None:
            placed = [
                face_boxes(people.keypoints, people.scores, names, threshold=self.face_threshold)
                for people in found
            ]
            faces = self._seen(self.face, images, torch.cat(placed)[:, None], counts, self.smallest_face_px)
            joints.append(faces[:, 0])
        parts = torch.cat(joints, dim=1).split(counts)
        return [
            people._replace(
                keypoints=torch.cat([people.keypoints, own[..., :2]], dim=1),
                scores=torch.cat([people.scores, own[..., 2]], dim=1),
            )
            for people, own in zip(found, parts, strict=True)
        ]

    def _seen(
        self,
        estimator: PoseEstimator,
        images: Sequence[Tensor],
        boxes: Tensor,
        counts: Sequence[int],
        smallest_px: float,
    ) -> Tensor:
        """(N, S, K, 3), places and scores in S squares (N, S, 4) of each of all N people; 0 in those left out.

        Of two squares the first is a left hand's.
        """
        people, sides = boxes.shape[:2]
        result = torch.zeros(people, sides, estimator.card.skeleton.num_joints, 3)
        chosen = boxes[..., 2] > smallest_px
        image = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
        mirrored = torch.zeros(people, sides, dtype=torch.bool)
        mirrored[:, 0] = sides == 2
        crops = _Crops(boxes[chosen], image[:, None].expand(people, sides)[chosen], mirrored[chosen])
        result[chosen] = look(estimator, images, *crops, padding=self.padding)
        return result


def look(
    estimator: PoseEstimator,
    images: Sequence[Tensor],
    boxes: Tensor,
    image: Tensor,
    mirrored: Tensor,
    *,
    padding: float = 1.0,
) -> Tensor:
    """Joints in squares of images, (M, K, 3): x and y in pixels of the images, and the score.

    Args:
        estimator: Its network sees one part in each crop.
        images: uint8 RGB (H, W, 3).
        boxes: (M, 4) xywh.
        image: (M,), which image.
        mirrored: (M,) bool, whose crops are mirrored; their joints are given as they are in the image.
        padding: How much larger a crop is than its square.
    """
    info, card, device = model_info(estimator.card.model), estimator.card, estimator.device
    options = {"mean": info.mean, "std": info.std, "reverse_channels": info.channel_order == "bgr"}
    on_device = [own.to(device) for own in images]
    found = [torch.zeros(0, card.skeleton.num_joints, 3)]
    for part in torch.arange(len(boxes)).split(BATCH_SIZE):
        if not len(part):
            continue
        affines = pyposeops.affine_from_box(
            boxes[part], card.input_size, convention=card.convention, padding=padding, flip=mirrored[part]
        ).to(device)
        source = CropSource(on_device, image[part].to(device), affines, card.input_size, options=options)
        poses = estimator.from_crops(source.crops(), affines, source)
        found.append(torch.cat([poses.keypoints, poses.scores[..., None]], dim=-1).float().cpu())
    return torch.cat(found)


def whole_body_skeleton(
    body: Skeleton,
    hand: Skeleton | None = OPENPOSE_HAND_SKELETON,
    face: Skeleton | None = OPENPOSE_FACE_SKELETON,
) -> Skeleton:
    """The joints of a body, of its left and right hand, and of its face, in this order.

    Hands' joints are called `left_hand_...` and `right_hand_...`, and are each other's partners; the face's are
    called `face_...` or, where they have a side, `left_face_...` and `right_face_...`.
    """
    parts = [body]
    if hand is not None:
        parts += [_named(hand, "left_hand_"), _named(hand, "right_hand_")]
    if face is not None:
        parts.append(_named_face(face))
    names = [name for part in parts for name in part.joint_names]
    links, first = [], 1
    for part in parts:
        links += [(a + first, b + first) for a, b in part.limbs]
        first += part.num_joints
    sigmas = [sigma for part in parts for sigma in part.sigmas]
    return Skeleton.from_names("person", names, links, sigmas)


def _named(part: Skeleton, prefix: str) -> Skeleton:
    names = [prefix + name for name in part.joint_names]
    return Skeleton(part.name, tuple(names), (), part.limbs, part.sigmas)


def _named_face(face: Skeleton) -> Skeleton:
    names = []
    for name in face.joint_names:
        side = next((side for side in ("left_", "right_") if name.startswith(side)), "")
        names.append(f"{side}face_{name.removeprefix(side)}")
    return Skeleton(face.name, tuple(names), (), face.limbs, face.sigmas)
