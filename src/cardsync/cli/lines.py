"""One JSON object a line: how the processes of the demo tell each other what happens."""

import json
import sys
from collections.abc import Mapping
from typing import Any

from cardsync.errors import ConfigError


def write(kind: str, fields: Mapping[str, Any]) -> None:
    """Print a line with its kind at once; a reader that is gone is no error."""
    try:
        sys.stdout.write(json.dumps({"kind": kind, **fields}) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        pass


def read(line: str) -> dict[str, Any]:
    """Read a line; raise `ConfigError` if it is no JSON object."""
    try:
        found = json.loads(line)
    except ValueError as exc:
        raise ConfigError(f"standard input: a JSON object in one line is expected: {exc}") from exc
    if not isinstance(found, dict):
        raise ConfigError("standard input: a JSON object in one line is expected")
    return found
