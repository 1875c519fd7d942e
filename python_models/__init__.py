"""Pose systems of the literature, thin, on top of pyposeops."""

from python_models import pose_resnet as pose_resnet  # an architecture registers itself when it is imported
from python_models.zoo import create_model, list_models, model_info

__all__ = ["create_model", "list_models", "model_info"]
