"""Writing a data set to disk in COCO form."""

from __future__ import annotations

import json
import os
from pathlib import Path

import cv2
from tqdm import tqdm

from python_models.data.annotation_file import ANNOTATION_FILE
from python_models.data.records import PoseDataset

_JPEG_QUALITY = 95


def export_coco(dataset: PoseDataset, folder: str | Path, *, progress: bool = False) -> Path:
    """Write `images/*.jpg` and `annotations.json` into a folder, which is made if it is not there.

    Every file is written under a temporary name and then renamed, the annotations last: a folder that has
    them is complete. `progress` shows a bar. Returns the path of the annotations.
    """
    folder = Path(folder)
    (folder / "images").mkdir(parents=True, exist_ok=True)
    content = PoseDataset.to_coco(dataset)  # the records, where a file has more
    names = {image["id"]: f"images/{image['id']:012d}.jpg" for image in content["images"]}
    sizes: dict[int, tuple[int, int]] = {}
    for record in tqdm(dataset.records, disable=not progress, unit="person"):
        if record.image_id in sizes:
            continue
        image = dataset.load_image(record)
        sizes[record.image_id] = image.shape[:2]
        encoded = cv2.imencode(
            ".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
        )[1]
        _write(folder / names[record.image_id], encoded.tobytes())
    content["images"] = [
        {"id": identity, "file_name": names[identity], "width": width, "height": height}
        for identity, (height, width) in sizes.items()
    ]
    _write(folder / ANNOTATION_FILE, json.dumps(content).encode())
    return folder / ANNOTATION_FILE


def _write(path: Path, content: bytes) -> None:
    temporary = path.with_name(path.name + ".part")
    temporary.write_bytes(content)
    os.replace(temporary, path)
