"""What is scored: crowds of several densities, boxes of several qualities, and ways from them to people."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.crowds.boxes import BoxNoise

CROWDINGS = (0.0, 0.3, 0.6, 0.9)
EXACT, ROUGH, BAD = BoxNoise(), BoxNoise(0.1, 3), BoxNoise(0.2, 3)
CLOSE = BoxNoise(0.05, 3)


@dataclass(frozen=True)
class Column:
    """Where people are looked for.

    Args:
        label: in the table. crowding: of the images. boxes: of methods that need some.
    """

    label: str
    crowding: float
    boxes: BoxNoise


@dataclass(frozen=True)
class Row:
    """A way to people.

    Args:
        label: in the table. run: whose network. method: of `evaluate`.
    """

    label: str
    run: str
    method: str


@dataclass(frozen=True)
class Comparison:
    """What is said of two rows.

    Args:
        claim: the sentence.
        better, other: numbers of the rows.
        column: the claim is about the gain of `better` over `other` in this column;
        beside: and where given, about how much larger that gain is than in this other one.
    """

    claim: str
    better: int
    other: int
    column: int
    beside: int | None = None


@dataclass(frozen=True)
class Table:
    """Rows and columns of average precision, and what is claimed of them.

    Args:
        title: what it is about. source: who claims it.
    """

    title: str
    source: str
    rows: tuple[Row, ...]
    columns: tuple[Column, ...]
    comparisons: tuple[Comparison, ...]


_QUALITIES = (
    Column("true boxes", 0.3, EXACT),
    Column("sides off by 0.1", 0.3, ROUGH),
    Column("sides off by 0.2", 0.3, BAD),
)
_DENSITIES = tuple(Column(f"crowding {crowding:g}", crowding, CLOSE) for crowding in CROWDINGS)
_BOTTOM_UP = Row("fields of whole images, no boxes", "image", "openpose")
_PLAIN = Row("one person in each box, OKS NMS", "person", "topdown")
_POSE_NMS = Row("one person in each box, pose NMS", "person", "alphapose")

TABLES = (
    Table(
        "Boxes that are off",
        "Fang et al., RMPE, ICCV 2017",
        (
            _PLAIN,
            _POSE_NMS,
            Row("trained on boxes that are off, OKS NMS", "person-noisy", "topdown"),
            Row("trained on boxes that are off, pose NMS", "person-noisy", "alphapose"),
            Row("with STN and SDTN, OKS NMS", "person-stn", "topdown"),
            Row("with STN and SDTN, pose NMS", "person-stn", "alphapose"),
            _BOTTOM_UP,
        ),
        _QUALITIES,
        (
            Comparison("RMPE as a whole helps where boxes are bad.", 5, 0, 2),
            Comparison("The pose NMS helps there, with the same network.", 1, 0, 2),
            Comparison("Training on such boxes (proposals) helps there, with the pose NMS.", 3, 1, 2),
            Comparison("The symmetric transformer helps there beyond training on such boxes.", 5, 3, 2),
        ),
    ),
    Table(
        "Crowds",
        "Li et al., CrowdPose, CVPR 2019",
        (
            _PLAIN,
            _POSE_NMS,
            Row("matching of joints alone", "person", "crowdpose"),
            Row("joint-candidate loss, pose NMS", "person-candidates", "alphapose"),
            Row("joint-candidate loss, matching", "person-candidates", "crowdpose"),
            _BOTTOM_UP,
        ),
        _DENSITIES,
        (
            Comparison("CrowdPose as a whole loses less from crowding 0 to 0.9 than pose NMS.", 4, 1, 3, 0),
            Comparison(
                "Matching loses less than pose NMS, with the same network (joint-candidate loss).", 4, 3, 3, 0
            ),
            Comparison("Matching beats pose NMS in the densest crowds, with the same network.", 4, 3, 3),
            Comparison("The joint-candidate loss helps in the densest crowds, with matching.", 4, 2, 3),
            Comparison("The joint-candidate loss helps where people stand apart, with matching.", 4, 2, 0),
        ),
    ),
)
