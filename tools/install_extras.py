"""Installs the requirements of this project's extras, without the project itself, into the running Python.

An OpenCV that is already there, in whatever distribution, is kept: two of them in one environment break each other.
"""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    from pip._vendor import tomli as tomllib

PROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"


def requirements(extras: list[str]) -> list[str]:
    project = tomllib.loads(PROJECT.read_text())["project"]
    wanted = list(project["dependencies"])
    for extra in extras:
        wanted += project["optional-dependencies"][extra]
    if importlib.util.find_spec("cv2") is not None:
        wanted = [line for line in wanted if not line.startswith("opencv-python")]
    return sorted(set(wanted))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--constraints", required=True)
    parser.add_argument("--extras", required=True, help="names separated by commas")
    options = parser.parse_args()
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    return subprocess.call([*command, "-c", options.constraints, *requirements(options.extras.split(","))])


if __name__ == "__main__":
    sys.exit(main())
