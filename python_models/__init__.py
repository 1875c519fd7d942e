"""Pose systems of the literature, thin, on top of pyposeops."""

from python_models import centernet as centernet
from python_models import centernet_hourglass as centernet_hourglass
from python_models import cpm as cpm  # an architecture registers itself when it is imported
from python_models import cpm_mmpose as cpm_mmpose
from python_models import cpn as cpn
from python_models import cunet as cunet
from python_models import deepcut as deepcut
from python_models import deepercut as deepercut
from python_models import deeppose as deeppose
from python_models import fastpose as fastpose
from python_models import higherhrnet as higherhrnet
from python_models import hourglass as hourglass
from python_models import hourglass52 as hourglass52
from python_models import hourglass_princeton as hourglass_princeton
from python_models import hrnet as hrnet
from python_models import integral as integral
from python_models import lightweight_openpose as lightweight_openpose
from python_models import mspn as mspn
from python_models import openpose as openpose
from python_models import openpose_body_25 as openpose_body_25
from python_models import openpose_parts as openpose_parts
from python_models import personlab as personlab
from python_models import pifpaf as pifpaf
from python_models import pose_ae as pose_ae
from python_models import pose_resnet as pose_resnet
from python_models import prn as prn
from python_models import pyranet as pyranet
from python_models import rle as rle
from python_models import tompson as tompson
from python_models import tompson_cascade as tompson_cascade
from python_models.zoo import convert_state_dict, create_model, list_models, model_info

__all__ = ["convert_state_dict", "create_model", "list_models", "model_info"]
