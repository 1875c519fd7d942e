"""Reading MATLAB files so that every fault is told in one sentence."""

from __future__ import annotations

from pathlib import Path
from typing import IO, Any

import numpy as np

from python_models.data.annotation_file import AnnotationError
from python_models.progress import progress_bar

# The pixel whose centre MATLAB calls (1, 1) has its centre at (0, 0) here.
MATLAB_FIRST_PIXEL = 1.0
_SECONDS_BEFORE_BAR = 2.0


class _CountedStream:
    """A binary file that reports how far it has been read."""

    def __init__(self, stream: IO[bytes], bar: Any) -> None:
        self._stream, self._bar = stream, bar

    def read(self, count: int = -1) -> bytes:
        data = self._stream.read(count)
        self._bar.update(len(data))
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()


class MatFile:
    """The variables of one MATLAB file, with reads that fail in words.

    Structs become objects with attributes. With `squeeze`, axes of length 1 go, so that a struct's field holds
    a plain number, string or struct where there is one, and an array where there are none or several.
    Reading shows a progress bar once it takes more than two seconds.

    Raises: AnnotationError for a file that is not MATLAB's, or of version 7.3 (HDF5).
    """

    def __init__(self, path: Path, *, squeeze: bool = False) -> None:
        self.path = path
        self._variables = self._read(squeeze)

    def _read(self, squeeze: bool) -> dict[str, Any]:
        from scipy.io import loadmat  # a fifth of a second, which only these files should cost

        size, title = self.path.stat().st_size, f"reading {self.path.name}"
        with (
            self.path.open("rb") as stream,
            progress_bar(size, title, unit="B", leave=False, delay=_SECONDS_BEFORE_BAR) as bar,
        ):
            try:
                counted = _CountedStream(stream, bar)
                return loadmat(counted, struct_as_record=False, squeeze_me=squeeze)
            except NotImplementedError:
                what = "a MATLAB file of version 7.3, which cannot be read; save it as version 7"
                raise AnnotationError(f"{self.path}: {what}") from None
            except Exception as error:  # SciPy stops at damage with whatever its code stumbles over
                raise AnnotationError(f"{self.path}: not a readable MATLAB file: {error}") from None

    def fault(self, where: str, what: str) -> AnnotationError:
        """Return the error that says what is wrong with an entry."""
        return AnnotationError(f"{self.path}: {where}: {what}")

    def variable(self, name: str) -> Any:
        """Return a variable that must be there."""
        if name not in self._variables:
            known = ", ".join(key for key in self._variables if not key.startswith("__"))
            raise AnnotationError(f"{self.path}: variable {name!r} is missing; it holds {known or 'none'}")
        return self._variables[name]

    def field(self, entry: Any, name: str, where: str) -> Any:
        """Return a field of a struct that must be there."""
        if name not in getattr(entry, "_fieldnames", ()):
            raise self.fault(where, f"field {name!r} is missing")
        return getattr(entry, name)

    def numbers(self, value: Any, shape: tuple[int, ...], where: str, name: str) -> np.ndarray:
        """Return a numeric value of the given shape as float64; NaN is left to the caller."""
        array = np.asarray(value)
        if array.dtype.kind not in "biuf":
            raise self.fault(where, f"field {name!r}: expected numbers, got {value!r}")
        if array.shape != shape:
            raise self.fault(where, f"field {name!r}: expected shape {shape}, got {array.shape}")
        return array.astype(np.float64)


def entries(value: Any) -> list[Any]:
    """Return the structs of a squeezed field: none, one, or an array of them."""
    return [value] if hasattr(value, "_fieldnames") else list(np.ravel(value))
