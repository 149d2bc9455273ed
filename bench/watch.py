"""What processes cost, with all that they start: processor time and memory, from /proc."""

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

_EVERY = 0.1
_TICKS = os.sysconf("SC_CLK_TCK")
_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of processor time; the most memory that one of the processes had, in megabytes."""

    processor: float
    memory: float


def tree(pid: int) -> Iterator[int]:
    """Yield a process and all that it has started."""
    yield pid
    with suppress(OSError):
        for thread in (_PROC / str(pid) / "task").iterdir():
            for child in (thread / "children").read_text().split():
                yield from tree(int(child))


def processor(pid: int) -> float:
    """Read the seconds that a process has worked."""
    fields = (_PROC / str(pid) / "stat").read_text().rpartition(") ")[2].split()
    return sum(map(int, fields[11:13])) / _TICKS


def memory(pid: int) -> float:
    """Read the most memory that a process had at any time, in megabytes."""
    lines = (_PROC / str(pid) / "status").read_text().splitlines()
    line = next((each for each in lines if each.startswith("VmHWM")), "VmHWM: 0 kB")
    return int(line.split()[1]) / 1024


class Watch:
    """Looks at processes as long as it is entered; `cost` tells afterwards.

    `find` gives them again and again, as some may be started meanwhile.
    """

    def __init__(self, find: Callable[[], Iterable[int]]) -> None:
        self._find = find
        self._before: dict[int, float] = {}
        self._last: dict[int, float] = {}
        self._memory = 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        """Begin."""
        self._look()
        self._before = dict(self._last)
        self._thread.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        """End."""
        self._ended.set()
        self._thread.join()
        self._look()

    @property
    def cost(self) -> Cost:
        """What they cost since the beginning."""
        worked = sum(last - self._before.get(pid, 0.0) for pid, last in self._last.items())
        return Cost(worked, self._memory)

    def _run(self) -> None:
        while not self._ended.wait(_EVERY):
            self._look()

    def _look(self) -> None:
        for pid in self._find():
            with suppress(OSError, IndexError):  # it ended meanwhile
                self._last[pid] = processor(pid)
                self._memory = max(self._memory, memory(pid))
