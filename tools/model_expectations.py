"""Writes tests/models/expectations.json: some outputs of each architecture's small version, and all models' sizes.

Run it after a wanted change of a network; tests/models/test_zoo_models.py says which values changed.
"""

import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from python_models import list_models  # noqa: E402
from tests.models.small import SMALL, expected_values, number_of_parameters  # noqa: E402

TARGET = ROOT / "tests" / "models" / "expectations.json"


def main() -> None:
    content = {
        "parameters": {name: number_of_parameters(name) for name in list_models()},
        "outputs": {name: expected_values(name) for name in sorted(SMALL)},
    }
    TARGET.write_text(one_model_per_line(content))


def one_model_per_line(content: dict[str, dict[str, Any]]) -> str:
    tables = []
    for title, table in content.items():
        rows = ",\n".join(f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in table.items())
        tables.append(f" {json.dumps(title)}: {{\n{rows}\n }}")
    return "{\n" + ",\n".join(tables) + "\n}\n"


if __name__ == "__main__":
    main()
