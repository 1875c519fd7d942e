"""Weights from elsewhere: public checkpoints, ImageNet trunks and our own, by path or URL.

Files are read with torch's weights-only unpickler: tensors, numbers, strings and NumPy arrays; a file that asks for
anything else is refused, so no code from a checkpoint ever runs.
"""

import fnmatch
import hashlib
import logging
import pickle
import urllib.error
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import numpy as np
import torch
from torch import Tensor, nn

from python_models.conversions import convert_names, imagenet_trunk
from python_models.errors import UserError

log = logging.getLogger(__name__)

# Metadata of public checkpoints holds NumPy arrays; rebuilding one runs no code of the file's choosing. NumPy 2.0
# renamed its module, and a file may come from either side.
_NUMPY_REBUILDERS = [
    (rebuild, f"numpy.{core}.multiarray.{rebuild.__name__}")
    for rebuild in (np.empty(0).__reduce__()[0], np.float64(0).__reduce__()[0])
    for core in ("core", "_core")
]
_NUMPY_TYPES = [np.ndarray, np.dtype, *{type(np.dtype(code)) for code in np.typecodes["All"]}]
_SAFE_GLOBALS: list[Any] = [*_NUMPY_REBUILDERS, *_NUMPY_TYPES]

_CONTAINERS = ("state_dict", "model", "network")
_IGNORED_PREFIXES = ("data_preprocessor.",)
_WITH_WEIGHTS = (nn.Conv2d, nn.Conv3d, nn.ConvTranspose2d, nn.Linear)


def read_checkpoint(source: str | Path) -> dict[str, Any]:
    """Everything a checkpoint file holds, read on the CPU; `source` is a path or an http(s)/file URL."""
    path = (
        _download(str(source)) if urlparse(str(source)).scheme in ("http", "https", "file") else Path(source)
    )
    if not path.is_file():
        raise UserError(f"checkpoint {path}: no such file")
    try:
        with torch.serialization.safe_globals(_SAFE_GLOBALS):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        reason = str(error).splitlines()[0]
        if "Unsupported" not in str(error):
            raise UserError(f"checkpoint {path}: not a readable PyTorch file ({reason})") from error
        raise UserError(f"checkpoint {path}: holds more than weights and is not opened ({reason})") from error
    except (RuntimeError, EOFError, OSError, KeyError, ValueError) as error:
        raise UserError(f"checkpoint {path}: not a readable PyTorch file ({error})") from error
    if not isinstance(content, dict):
        raise UserError(f"checkpoint {path}: expected a dictionary of weights, got {type(content).__name__}")
    return content


def _download(url: str) -> Path:
    """Fetch a URL into torch's checkpoint folder once; an interrupted download leaves nothing behind."""
    digest = hashlib.sha256(url.encode()).hexdigest()[:8]
    path = Path(torch.hub.get_dir()) / "checkpoints" / f"{digest}-{Path(urlparse(url).path).name}"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            torch.hub.download_url_to_file(url, str(path), progress=False)
        except (urllib.error.URLError, OSError) as error:
            raise UserError(f"checkpoint {url}: could not be downloaded ({error})") from error
    return path


def weights_of(content: Mapping[str, Any], source: str | Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint, whether it is a bare state_dict or keeps one under a name of _CONTAINERS."""
    for key in _CONTAINERS:
        if isinstance(content.get(key), Mapping):
            content = content[key]
    weights = {name: value for name, value in content.items() if isinstance(value, Tensor)}
    if not weights:
        raise UserError(f"checkpoint {source}: holds no weights")
    return weights


def load_pretrained(model: nn.Module, source: str | Path, *, reset_final: bool = False) -> str:
    """Load weights into a model and say in one line what was loaded.

    Accepts a bare state_dict, or one under "state_dict", "model" or "network"; the names of every code base that
    `python_models.conversions` knows; ImageNet weights of the trunk (their classifier is dropped, the pose head keeps
    its random start); our own runs.

    Args:
        model: Its `final_layers` are patterns (`score.*`) of the tensors whose size depends on the joint count; the
            first one names a layer whose first axis grows with it. `beside_trunk`, where it has that, are patterns of
            tensors inside of its trunk that ImageNet weights lack; they start at random.
        source: Path or URL.
        reset_final: Where the joint count differs, keep the model's random final layers instead of raising.

    Raises:
        UserError: unreadable file, weights of another network, or another joint count.
    """
    return load_weights(model, weights_of(read_checkpoint(source), source), source, reset_final=reset_final)


def load_weights(
    model: nn.Module, weights: Mapping[str, Tensor], source: str | Path, *, reset_final: bool = False
) -> str:
    """`load_pretrained` for weights that were read already; `source` is named in messages only."""
    wanted = model.state_dict()
    weights = convert_names(weights, wanted)
    absent: set[str] = set()  # tensors of the model that the file need not have
    note = "all layers"
    if trunk := imagenet_trunk(weights, wanted):
        weights = trunk
        head = _parts(wanted) - _parts(weights)
        absent = {name for name in wanted if name.split(".")[0] in head}
        absent |= _matching(wanted, getattr(model, "beside_trunk", ()))
        verb = "starts" if len(head) == 1 else "start"
        note = f"ImageNet trunk; {' and '.join(sorted(head))} {verb} at random"
    elif difference := _differing_final_layer(model, weights, wanted):
        if not reset_final:
            raise UserError(
                f"checkpoint {source}: {difference}; training can let it start at random (reset_final)"
            )
        absent = _matching(wanted, model.final_layers)
        weights = {name: value for name, value in weights.items() if name not in absent}
        note = f"all but {' and '.join(sorted(_parts(absent)))}, random at the start"
    check_fit(weights, wanted, absent, source)
    model.load_state_dict({name: value for name, value in weights.items() if name in wanted}, strict=False)
    message = f"loaded {source}: {note}"
    log.info(message)
    return message


def start_final_layers(model: nn.Module, std: float) -> None:
    """Let the final layers give nearly nothing at first: weights drawn with a standard deviation, biases 0.

    Networks that start with torch's own weights give maps far from 0, which takes them many steps to forget.
    """
    final = _matching(model.state_dict(), model.final_layers)
    for name, module in model.named_modules():
        if isinstance(module, _WITH_WEIGHTS) and f"{name}.weight" in final:
            nn.init.normal_(module.weight, std=std)
            if module.bias is not None and f"{name}.bias" in final:
                nn.init.zeros_(module.bias)


def _parts(names: Iterable[str]) -> set[str]:
    """Top-level modules: "layer1.0.conv1.weight" -> "layer1"."""
    return {name.split(".")[0] for name in names}


def _matching(names: Iterable[str], patterns: Iterable[str]) -> set[str]:
    return {name for pattern in patterns for name in fnmatch.filter(names, pattern)}


def _differing_final_layer(
    model: nn.Module, weights: Mapping[str, Tensor], wanted: Mapping[str, Tensor]
) -> str | None:
    """Where the weights are those of this network with another joint count: the sentence that says so."""
    for name in sorted(_matching(wanted, model.final_layers[:1])):
        if name in weights and len(weights[name]) != len(wanted[name]):
            layer, ours, theirs = name.rpartition(".")[0], len(wanted[name]), len(weights[name])
            return f"made for another joint count; its {layer} gives {theirs} outputs, the model's {ours}"
    return None


def check_fit(
    weights: Mapping[str, Tensor], wanted: Mapping[str, Tensor], absent: set[str], source: str | Path
) -> None:
    """Raise UserError unless every tensor has a place of its shape, and every place outside `absent` a tensor."""
    fault = f"checkpoint {source}: not weights of this model"
    for name, value in weights.items():
        if name not in wanted and not name.startswith(_IGNORED_PREFIXES):
            raise UserError(f"{fault}; it has no {name}")
        if name in wanted and value.shape != wanted[name].shape:
            shapes = f"{tuple(value.shape)}, the model wants {tuple(wanted[name].shape)}"
            raise UserError(f"{fault}; {name} has shape {shapes}")
    for name in wanted:
        # Checkpoints older than the counter of batches lack it; nothing depends on it.
        if name not in weights and name not in absent and not name.endswith("num_batches_tracked"):
            raise UserError(f"{fault}; {name} is missing")
