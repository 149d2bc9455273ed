"""One process at a time: who holds a database, until it ends, however it ends.

The lock is the system's (flock), so a crash leaves nothing to be cleaned; what stands in the file
only tells others whom to ask. As card/slot.py does for a card, in a room of its own: actors share
no code that touches the world.
"""

import fcntl
import os
from pathlib import Path
from typing import TextIO

from cardsync.errors import ConfigError


def hold(home: Path, what: str, doing: str) -> TextIO:
    """Take hold of the memory in `home` until the file is closed, or the process ends.

    `what` is the database as a person wrote it, `doing` what this process does with it, such as
    "is synchronized". Raises `ConfigError` if another one holds it, and says which.
    """
    try:
        home.mkdir(parents=True, exist_ok=True)
        file = (home / "holder").open("a+")
    except OSError as exc:
        raise ConfigError(f"the memory in {home} cannot be used: {exc}") from exc
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as exc:
        file.seek(0)
        holder = file.readline().strip() or "is in use by another process"
        file.close()
        if holder.endswith(f" by process {os.getpid()}"):
            raise ConfigError(f"{what}: this is another of the databases named, too") from exc
        raise ConfigError(
            f"{what} {holder}; one process at a time may: wait until it has ended, or end it"
        ) from exc
    file.truncate(0)
    file.write(f"{doing} by process {os.getpid()}\n")
    file.flush()
    return file
