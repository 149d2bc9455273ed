"""The server's processes as /proc shows them: who serves a data directory, who is left over.

A process of PostgreSQL has its data directory as its working directory, from its first moment
(we start it there) to its last. That tells it from a stranger with a re-used number.
"""

import contextlib
import os
import signal
import time
from pathlib import Path

ORPHANS_SECONDS = 10.0
"""How long processes of a dead server may take to notice and end by themselves."""


def of(data: Path) -> list[int]:
    """Give the process numbers that live in `data`, zombies left out."""
    place = data.resolve()
    return [
        int(entry.name)
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit() and _place(entry.name) == place and not _is_zombie(entry.name)
    ]


def postmaster(data: Path) -> int | None:
    """Give the number of the server's first process; None if it does not run."""
    pid = _noted(data / "postmaster.pid")
    if pid is None or _place(str(pid)) != data.resolve() or _is_zombie(str(pid)):
        return None
    return pid


def clear_stale(data: Path, socket_lock: Path) -> None:
    """Make room after a server that was killed.

    Its children may still write: they are waited for, then killed. PostgreSQL removes stale lock
    files by itself unless their process number is taken, by a zombie or a stranger; only those
    are removed here, when nobody lives in `data` any more.
    """
    deadline = time.monotonic() + ORPHANS_SECONDS
    while orphans := of(data):
        if time.monotonic() > deadline:
            for pid in orphans:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            deadline += ORPHANS_SECONDS
        time.sleep(0.02)
    for lock in (data / "postmaster.pid", socket_lock):
        noted = _noted(lock)
        if noted is not None and Path(f"/proc/{noted}").exists():
            lock.unlink(missing_ok=True)


def _noted(lock: Path) -> int | None:
    """Read the number in the first line of a lock file."""
    try:
        number = int(lock.read_text().split("\n", 1)[0])
    except (OSError, ValueError):
        return None
    return number if number > 0 else None


def _place(pid: str) -> Path | None:
    try:
        return Path(f"/proc/{pid}/cwd").readlink()
    except OSError:
        return None


def _is_zombie(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] in "ZX"
    except (OSError, IndexError):
        return True
