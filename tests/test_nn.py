"""The modules: the functions with their options kept."""

from __future__ import annotations

import inspect

import pytest
import torch

import pyposeops
from pyposeops import nn

ONES, MAPS = torch.ones(2, 3), (2, 3, 8, 6)

CASES = {
    nn.GaussianHeatmapLoss: (
        pyposeops.gaussian_heatmap_loss,
        {"sigma": 1.5, "encoding": "udp", "squared_weight": False},
        lambda g: (torch.rand(MAPS, generator=g), torch.rand(2, 3, 2, generator=g) * 6, ONES),
    ),
    nn.JointsMSELoss: (
        pyposeops.joints_mse_loss,
        {"squared_weight": False, "reduction": "sum"},
        lambda g: (torch.rand(MAPS, generator=g), torch.rand(MAPS, generator=g), ONES),
    ),
    nn.OHKMLoss: (
        pyposeops.ohkm_loss,
        {"top_k": 2},
        lambda g: (torch.rand(MAPS, generator=g), torch.rand(MAPS, generator=g), ONES),
    ),
    nn.AdaptiveWingLoss: (
        pyposeops.adaptive_wing_loss,
        {"omega": 10.0, "reduction": "none"},
        lambda g: (torch.rand(MAPS, generator=g), torch.rand(MAPS, generator=g), ONES),
    ),
    nn.DSNTLoss: (
        pyposeops.dsnt_loss,
        {"regularizer": "kl", "sigma": 2.0},
        lambda g: (torch.rand(MAPS, generator=g), torch.rand(2, 3, 2, generator=g) * 6, ONES),
    ),
    nn.SimCCLoss: (
        pyposeops.simcc_loss,
        {"inverse_temperature": 10.0, "target_inverse_temperature": 5.0, "compat": "mmpose"},
        lambda g: (*(torch.rand(2, 3, n, generator=g) for n in (12, 16, 12, 16)), ONES),
    ),
    nn.AssociativeEmbeddingLoss: (
        pyposeops.associative_embedding_loss,
        {"compat": "mmpose", "reduction": "sum"},
        lambda g: (
            torch.rand(MAPS, generator=g),
            torch.rand(2, 4, 3, 2, generator=g) * 5,
            torch.ones(2, 4, 3),
        ),
    ),
    nn.CropFeatures: (
        pyposeops.crop_features,
        {"window": (5, 4), "level_scale": (1.0, 0.5), "sampling": "bilinear", "alignment": "origin"},
        lambda g: (
            [torch.rand(MAPS, generator=g), torch.rand(2, 4, 4, 3, generator=g)],
            torch.rand(2, 3, 2, generator=g) * 6,
        ),
    ),
    nn.OKSLoss: (
        pyposeops.oks_loss,
        {"sigmas": (0.1, 0.2, 0.3), "form": "log"},
        lambda g: (torch.rand(2, 3, 2, generator=g), torch.rand(2, 3, 2, generator=g), ONES, torch.ones(2)),
    ),
    nn.HeatmapNMS: (
        pyposeops.heatmap_nms,
        {"window": 3, "plateau": "all", "threshold": 0.5},
        lambda g: (torch.rand(MAPS, generator=g),),
    ),
    nn.HeatmapPeaks: (
        pyposeops.heatmap_peaks,
        {"max_peaks": 4, "threshold": 0.5, "window": 3, "refine": "centroid", "centroid_window": 5},
        lambda g: (torch.rand(MAPS, generator=g),),
    ),
    nn.SoftArgmax1d: (
        pyposeops.soft_argmax_1d,
        {"normalization": "sigmoid", "inverse_temperature": 2.0, "covariance": True},
        lambda g: (torch.rand((2, 3, 12), generator=g),),
    ),
    nn.SoftArgmax2d: (
        pyposeops.soft_argmax_2d,
        {"inverse_temperature": 2.0, "coordinates": "symmetric", "debias": True, "covariance": True},
        lambda g: (torch.rand(MAPS, generator=g),),
    ),
    nn.SoftArgmax3d: (
        pyposeops.soft_argmax_3d,
        {"normalization": "sum", "coordinates": "centered", "covariance": True},
        lambda g: (torch.rand((2, 3, 4, 5, 6), generator=g),),
    ),
}


@pytest.mark.parametrize("module", CASES)
def test_module_is_its_function_with_the_options_kept(generator, module):
    function, options, make = CASES[module]
    tensors = make(generator)
    got, want = module(**options)(*tensors), function(*tensors, **options)
    pairs = zip(got, want, strict=True) if isinstance(want, tuple) else [(got, want)]
    assert all(torch.equal(one, other) for one, other in pairs)


@pytest.mark.parametrize("module", CASES)
def test_module_takes_the_options_of_its_function_with_their_defaults(module):
    function = CASES[module][0]
    of_function = inspect.signature(function).parameters
    for name, parameter in inspect.signature(module).parameters.items():
        if name in of_function and name != "sigmas":
            assert parameter.default == of_function[name].default, name


@pytest.mark.parametrize("module", CASES)
def test_module_shows_its_options_and_has_no_state(module):
    options = CASES[module][1]
    instance = module(**options)
    for name, value in options.items():
        assert f"{name}={value!r}" in repr(instance)
    assert not instance.state_dict() and not list(instance.parameters())


def test_gaussian_heatmap_loss_over_the_hardest_joints(generator):
    pred, keypoints, visibility = CASES[nn.GaussianHeatmapLoss][2](generator)
    got = nn.GaussianHeatmapLoss(sigma=1.0, top_k=2)(pred, keypoints, visibility)
    losses = pyposeops.gaussian_heatmap_loss(pred, keypoints, visibility, sigma=1.0, reduction="none")
    assert torch.equal(got, pyposeops.hardest_joints(losses, top_k=2))


def test_gaussian_heatmap_loss_with_interference(generator):
    pred, keypoints, visibility = CASES[nn.GaussianHeatmapLoss][2](generator)
    others = {"interference_keypoints": keypoints.flip(0), "interference_visibility": visibility}
    got = nn.GaussianHeatmapLoss(sigma=1.0, interference_weight=0.3)(
        pred, keypoints, visibility, *others.values()
    )
    want = pyposeops.gaussian_heatmap_loss(
        pred, keypoints, visibility, sigma=1.0, interference_weight=0.3, **others
    )
    assert torch.equal(got, want)


def test_tensors_among_the_options_move_with_the_module():
    loss = nn.OKSLoss(sigmas=torch.tensor([0.1, 0.2]))
    assert loss.double().sigmas.dtype == torch.float64
    assert loss.state_dict() == {}
