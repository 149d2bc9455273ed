"""What the collectors read from: the files, environment and kernel of a Linux machine."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cardsync.syncml.record import Record

_MAX_FILE = 64 * 1024 * 1024  # octets; the list of 50,000 packages is about as long


@dataclass(frozen=True, slots=True)
class Reading:
    """What one source gave; `reason` says in a sentence what is missing and why, if anything."""

    source: str
    records: tuple[Record, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine below the folder `root`; `environ` and `uname` are those of the process in it."""

    root: Path
    environ: Mapping[str, str]
    uname: os.uname_result

    def path(self, path: str) -> Path:
        """Give the place of an absolute path of the machine."""
        return self.root / path.lstrip("/")

    def read(self, path: str) -> str:
        """Read a text file of at most 64 MiB; empty if it is not there or not to be read."""
        try:
            with self.path(path).open("rb") as file:
                return file.read(_MAX_FILE).decode(errors="replace")
        except OSError:
            return ""

    def first_line(self, path: str) -> str:
        """Read the first line of a text file without what surrounds it."""
        return self.read(path).partition("\n")[0].strip(" \t\0")
