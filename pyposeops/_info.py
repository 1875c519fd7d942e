"""What this build is and what it runs on."""

from __future__ import annotations

from typing import Any

import torch

from pyposeops import _core


def build_info() -> dict[str, Any]:
    """Describe the build and the machine.

    Returns:
        ``version``; ``cpu_isa`` (baseline, avx2 or avx512: the instruction set in use; the environment variable
        PYPOSEOPS_CPU lowers it); ``threads`` (follows ``torch.set_num_threads``); ``cuda_compiled``,
        ``cuda_architectures`` and ``cuda_runtime`` of the build; ``cuda_devices`` the CUDA runtime sees;
        ``cuda_usable`` (compiled, a device is there, and torch can use it); ``torch`` version.

    Example:
        >>> build_info()["cpu_isa"] in ("baseline", "avx2", "avx512")
        True
    """
    info: dict[str, Any] = dict(_core.build_information())
    info["cuda_usable"] = bool(
        info["cuda_compiled"] and info["cuda_devices"] > 0 and torch.cuda.is_available()
    )
    info["torch"] = torch.__version__
    return info
