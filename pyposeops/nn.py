"""Modules over the functions of this package, with the functions' argument names. None has parameters or state."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar, overload

from torch import Tensor, nn

from pyposeops.ops._gaussian import Compat, Encoding
from pyposeops.ops._loss import Reduction
from pyposeops.ops.adaptive_wing_loss import adaptive_wing_loss
from pyposeops.ops.associative_embedding_loss import (
    AssociativeEmbedding,
    EmbeddingCompat,
    associative_embedding_loss,
)
from pyposeops.ops.crop_features import Alignment, Sampling, crop_features
from pyposeops.ops.dsnt_loss import Regularizer, dsnt_loss
from pyposeops.ops.gaussian_heatmap_loss import gaussian_heatmap_loss
from pyposeops.ops.heatmap_nms import Plateau, heatmap_nms
from pyposeops.ops.heatmap_peaks import PeakRefine, Peaks, heatmap_peaks
from pyposeops.ops.joints_mse_loss import joints_mse_loss
from pyposeops.ops.ohkm_loss import hardest_joints, ohkm_loss
from pyposeops.ops.oks_loss import OksForm, oks_loss
from pyposeops.ops.simcc_loss import SimccCompat, simcc_loss
from pyposeops.ops.soft_argmax import (
    Coordinates,
    Normalization,
    SoftArgmax,
    soft_argmax_1d,
    soft_argmax_2d,
    soft_argmax_3d,
)

__all__ = [
    "AdaptiveWingLoss",
    "AssociativeEmbeddingLoss",
    "CropFeatures",
    "DSNTLoss",
    "GaussianHeatmapLoss",
    "HeatmapNMS",
    "HeatmapPeaks",
    "JointsMSELoss",
    "OHKMLoss",
    "OKSLoss",
    "SimCCLoss",
    "SoftArgmax1d",
    "SoftArgmax2d",
    "SoftArgmax3d",
]


class _Function(nn.Module):
    """Holds the options of a function as attributes of the same names; tensors among them move with the module."""

    options: ClassVar[tuple[str, ...]]

    def _keep(self, values: dict[str, Any]) -> None:
        for name in self.options:
            if isinstance(values[name], Tensor):
                self.register_buffer(name, values[name], persistent=False)
            else:
                setattr(self, name, values[name])

    def _kept(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.options}

    def extra_repr(self) -> str:
        return ", ".join(f"{name}={value!r}" for name, value in self._kept().items())


class GaussianHeatmapLoss(_Function):
    """:func:`pyposeops.gaussian_heatmap_loss` as a module; with ``top_k`` over the hardest joints of each sample."""

    options = (
        "sigma",
        "encoding",
        "input_size",
        "compat",
        "kernel_size",
        "interference_weight",
        "squared_weight",
        "top_k",
        "reduction",
    )

    def __init__(
        self,
        *,
        sigma: float | Sequence[float] | Tensor | None = None,
        encoding: Encoding = "msra",
        input_size: Sequence[int] | None = None,
        compat: Compat = "fixed",
        kernel_size: int | None = None,
        interference_weight: float = 0.5,
        squared_weight: bool = True,
        top_k: int | None = None,
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__()
        self._keep(locals())

    def forward(
        self,
        pred: Tensor,
        keypoints: Tensor,
        visibility: Tensor,
        interference_keypoints: Tensor | None = None,
        interference_visibility: Tensor | None = None,
    ) -> Tensor:
        options = self._kept()
        top_k, reduction = options.pop("top_k"), options.pop("reduction")
        losses = gaussian_heatmap_loss(
            pred,
            keypoints,
            visibility,
            interference_keypoints=interference_keypoints,
            interference_visibility=interference_visibility,
            reduction=reduction if top_k is None else "none",
            **options,
        )
        return losses if top_k is None else hardest_joints(losses, top_k=top_k, reduction=reduction)


class JointsMSELoss(_Function):
    """:func:`pyposeops.joints_mse_loss` as a module."""

    options = ("squared_weight", "reduction")

    def __init__(self, *, squared_weight: bool = True, reduction: Reduction = "mean") -> None:
        super().__init__()
        self._keep(locals())

    def forward(self, pred: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
        return joints_mse_loss(pred, target, weights, **self._kept())


class OHKMLoss(_Function):
    """:func:`pyposeops.ohkm_loss` as a module."""

    options = ("top_k", "squared_weight", "reduction")

    def __init__(self, *, top_k: int = 8, squared_weight: bool = True, reduction: Reduction = "mean") -> None:
        super().__init__()
        self._keep(locals())

    def forward(self, pred: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
        return ohkm_loss(pred, target, weights, **self._kept())


class AdaptiveWingLoss(_Function):
    """:func:`pyposeops.adaptive_wing_loss` as a module."""

    options = ("alpha", "omega", "epsilon", "theta", "reduction")

    def __init__(
        self,
        *,
        alpha: float = 2.1,
        omega: float = 14.0,
        epsilon: float = 1.0,
        theta: float = 0.5,
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__()
        self._keep(locals())

    def forward(self, pred: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
        return adaptive_wing_loss(pred, target, weights, **self._kept())


class DSNTLoss(_Function):
    """:func:`pyposeops.dsnt_loss` as a module."""

    options = ("regularizer", "regularizer_weight", "sigma", "coordinate_weight", "reduction")

    def __init__(
        self,
        *,
        regularizer: Regularizer = "js",
        regularizer_weight: float = 1.0,
        sigma: float = 1.0,
        coordinate_weight: float = 1.0,
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__()
        self._keep(locals())

    def forward(self, probabilities: Tensor, keypoints: Tensor, weights: Tensor | None = None) -> Tensor:
        return dsnt_loss(probabilities, keypoints, weights, **self._kept())


class SimCCLoss(_Function):
    """:func:`pyposeops.simcc_loss` as a module."""

    options = ("inverse_temperature", "target_inverse_temperature", "compat", "reduction")

    def __init__(
        self,
        *,
        inverse_temperature: float = 1.0,
        target_inverse_temperature: float | None = None,
        compat: SimccCompat = "simcc",
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__()
        self._keep(locals())

    def forward(
        self,
        pred_x: Tensor,
        pred_y: Tensor,
        target_x: Tensor,
        target_y: Tensor,
        weights: Tensor | None = None,
    ) -> Tensor:
        return simcc_loss(pred_x, pred_y, target_x, target_y, weights, **self._kept())


class AssociativeEmbeddingLoss(_Function):
    """:func:`pyposeops.associative_embedding_loss` as a module."""

    options = ("compat", "reduction")

    def __init__(self, *, compat: EmbeddingCompat = "paper", reduction: Reduction = "mean") -> None:
        super().__init__()
        self._keep(locals())

    def forward(self, tags: Tensor, keypoints: Tensor, visibility: Tensor) -> AssociativeEmbedding:
        return associative_embedding_loss(tags, keypoints, visibility, **self._kept())


class OKSLoss(_Function):
    """:func:`pyposeops.oks_loss` as a module."""

    options = ("sigmas", "form", "reduction")

    def __init__(
        self, *, sigmas: Sequence[float] | Tensor, form: OksForm = "linear", reduction: Reduction = "mean"
    ) -> None:
        super().__init__()
        self._keep(locals())

    def forward(self, pred: Tensor, target: Tensor, visibility: Tensor, area: Tensor) -> Tensor:
        return oks_loss(pred, target, visibility, area, **self._kept())


class HeatmapNMS(_Function):
    """:func:`pyposeops.heatmap_nms` as a module."""

    options = ("window", "plateau", "threshold")

    def __init__(self, *, window: int = 5, plateau: Plateau = "first", threshold: float = -math.inf) -> None:
        super().__init__()
        self._keep(locals())

    def forward(self, heatmaps: Tensor) -> Tensor:
        return heatmap_nms(heatmaps, **self._kept())


class HeatmapPeaks(_Function):
    """:func:`pyposeops.heatmap_peaks` as a module."""

    options = (
        "max_peaks",
        "threshold",
        "window",
        "refine",
        "plateau",
        "blur_kernel",
        "centroid_window",
    )

    def __init__(
        self,
        *,
        max_peaks: int = 30,
        threshold: float = 0.0,
        window: int = 5,
        refine: PeakRefine = "quarter",
        plateau: Plateau = "first",
        blur_kernel: int = 11,
        centroid_window: int = 7,
    ) -> None:
        super().__init__()
        self._keep(locals())

    def forward(self, heatmaps: Tensor) -> Peaks:
        return heatmap_peaks(heatmaps, **self._kept())


class CropFeatures(_Function):
    """:func:`pyposeops.crop_features` as a module: Tompson's crop module."""

    options = ("window", "level_scale", "sampling", "alignment")

    def __init__(
        self,
        window: int | Sequence[int],
        *,
        level_scale: float | Sequence[float] | None = None,
        sampling: Sampling = "integer",
        alignment: Alignment = "half_pixel",
    ) -> None:
        super().__init__()
        self._keep(locals())

    @overload
    def forward(self, features: Tensor, centers: Tensor) -> Tensor: ...

    @overload
    def forward(self, features: Sequence[Tensor], centers: Tensor) -> tuple[Tensor, ...]: ...

    def forward(self, features: Tensor | Sequence[Tensor], centers: Tensor) -> Tensor | tuple[Tensor, ...]:
        return crop_features(features, centers, **self._kept())


class _SoftArgmax(_Function):
    options = ("normalization", "inverse_temperature", "coordinates", "debias", "covariance")

    def __init__(
        self,
        *,
        normalization: Normalization = "softmax",
        inverse_temperature: float = 1.0,
        coordinates: Coordinates = "pixel",
        debias: bool = False,
        covariance: bool = False,
    ) -> None:
        super().__init__()
        self._keep(locals())


class SoftArgmax1d(_SoftArgmax):
    """:func:`pyposeops.soft_argmax_1d` as a module."""

    def forward(self, heatmaps: Tensor) -> SoftArgmax:
        return soft_argmax_1d(heatmaps, **self._kept())


class SoftArgmax2d(_SoftArgmax):
    """:func:`pyposeops.soft_argmax_2d` as a module."""

    def forward(self, heatmaps: Tensor) -> SoftArgmax:
        return soft_argmax_2d(heatmaps, **self._kept())


class SoftArgmax3d(_SoftArgmax):
    """:func:`pyposeops.soft_argmax_3d` as a module."""

    def forward(self, heatmaps: Tensor) -> SoftArgmax:
        return soft_argmax_3d(heatmaps, **self._kept())
