"""Uses the installed package from outside the source tree: operators, metrics, models, and a light import."""

import sys

import numpy as np

import pyposeops
import pyposeops.metrics

models_need = {"cv2", "scipy", "matplotlib", "lightning_fabric", "jsonargparse", "pycocotools"}
heavy = (models_need | {"torchmetrics", "orjson"}) & set(sys.modules)
assert not heavy, f"import pyposeops loads {heavy}"

keypoints = np.array([[[10.0, 20.0], [30.5, 40.25]]], np.float32)
target = pyposeops.gaussian_heatmap(keypoints, np.ones((1, 2)), (64, 48), sigma=2.0, encoding="unbiased")
decoded = pyposeops.heatmap_decode(target.heatmaps, refine="dark")
assert np.abs(decoded.coords - keypoints).max() < 1e-3, decoded
crops = pyposeops.crop_images(
    np.zeros((40, 30, 3), np.uint8), np.array([[2.0, 3.0, 10.0, 20.0]], np.float32), (64, 48)
)
assert crops.shape == (1, 3, 64, 48)

import python_models  # noqa: E402

assert "pose_resnet18" in python_models.list_models()
print("smoke test passed:", pyposeops.__file__)
