"""Byte vectors of the standards, read from the folder beside the project where it is present."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(
    os.environ.get("CARDSYNC_VECTORS") or Path(__file__).resolve().parents[2] / "shared" / "vectors"
)


def load(name: str) -> Any:
    """Give a file of vectors; skip the test if the folder is not there."""
    path = FOLDER / name
    if not path.is_file():
        pytest.skip(f"no vectors at {path.name}; set CARDSYNC_VECTORS to their folder")
    return json.loads(path.read_text())
