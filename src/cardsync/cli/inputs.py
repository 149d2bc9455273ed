"""What a person names to be read: a file, or `-` for standard input."""

import sys
from pathlib import Path

from cardsync.errors import ConfigError


def octets(path: Path) -> bytes:
    """Read a file whole. Raises `ConfigError`."""
    try:
        return sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    except OSError as exc:
        raise ConfigError(f"{path}: cannot be read: {exc.strerror}") from exc


def text(path: Path) -> str:
    """Read a file of UTF-8 whole. Raises `ConfigError`."""
    try:
        return octets(path).decode()
    except UnicodeDecodeError as exc:
        raise ConfigError(f"{path}: UTF-8 is expected; octet {exc.start} is none") from exc
