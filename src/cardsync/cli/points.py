"""Code points other than the default ones: a TOML file that the environment names."""

import tomllib
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

from cardsync.errors import ConfigError
from cardsync.toolkit import code_points
from cardsync.toolkit.code_points import CodePoints

VARIABLE = "CARDSYNC_CODE_POINTS"


def choose(environ: Mapping[str, str]) -> None:
    """Take the code points of the file in CARDSYNC_CODE_POINTS, if it names one.

    Raise `ConfigError` for a file that cannot be read or says what cannot be.
    """
    if path := environ.get(VARIABLE):
        code_points.choose(read(Path(path)))


def read(path: Path) -> CodePoints:
    """Read a file such as `command = 0xF6`; what it leaves out keeps its default."""
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except OSError as exc:
        raise ConfigError(f"{VARIABLE}: {path}: {exc.strerror}; give a TOML file") from exc
    except ValueError as exc:
        raise ConfigError(f"{VARIABLE}: {path}: no TOML: {exc}") from exc
    names = [field.name for field in fields(CodePoints)]
    for name, number in table.items():
        if name not in names or type(number) is not int:
            raise ConfigError(
                f"{VARIABLE}: {path}: {name}: one of {', '.join(names)} and a number is expected, "
                f"such as command = 0xF6"
            )
    try:
        return CodePoints(**table)
    except ValueError as exc:
        raise ConfigError(
            f"{VARIABLE}: {path}: {exc}; see annex A of docs/request-synchronization.md"
        ) from exc
