"""Pose systems of the literature, thin, on top of pyposeops."""

from python_models import hrnet as hrnet  # an architecture registers itself when it is imported
from python_models import pose_resnet as pose_resnet
from python_models.zoo import convert_state_dict, create_model, list_models, model_info

__all__ = ["convert_state_dict", "create_model", "list_models", "model_info"]
