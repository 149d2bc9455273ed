"""The package managers' lists, on trees of files made for the purpose."""

import os
from pathlib import Path

import pytest

from cardsync.syncml.record import Application, Kind
from cardsync.terminal.databases.collectors_machine import Machine
from cardsync.terminal.databases.collectors_packages import packages


class Tree:
    """A folder that is taken for the root of a machine."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._machine = Machine(root, {}, os.uname())

    def write(self, path: str, text: str, modified: int = 0) -> None:
        """Write a file below the root."""
        place = self.root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
        os.utime(place, (modified, modified))

    def applications(self) -> dict[str, Application]:
        """Read the applications."""
        found = [one for reading in packages(self._machine) for one in reading.records]
        return {one.identifier: one for one in found if isinstance(one, Application)}

    def reason(self, manager: str) -> str:
        """Give the reason why a package manager gave nothing, or too little."""
        return {reading.source: reading.reason for reading in packages(self._machine)}[manager]


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """Make a machine on which there is nothing at all."""
    return Tree(tmp_path)


STATUS = """\
Package: editor
Status: install ok installed
Section: editors
Installed-Size: 2048
Architecture: arm64
Version: 2:9.0-1
Description: an editor
 Version: of the description
Conffiles:
 /etc/editor 0123

Package: dpkg
Status: hold ok installed
Architecture: arm64
Version: 1.21

Package: tetris
Status: install ok installed
Section: contrib/games
Installed-Size: many
Architecture: all
Version: 1

Package: libfoo
Status: install ok installed
Section: libs
Architecture: arm64
Multi-Arch: same
Version: 3

Package: libfoo
Status: install ok installed
Section: libs
Architecture: i386
Multi-Arch: same
Version: 3

Package: removed
Status: deinstall ok config-files
Architecture: all
Version: 1

Package: half
Status: install ok half-configured
Architecture: all
Version: 1
"""


def test_dpkg(tree: Tree) -> None:
    """R-11: name, version, size, kind and time of each package that is installed."""
    tree.write("/var/lib/dpkg/status", STATUS)
    tree.write("/var/lib/dpkg/info/editor.list", "/.\n", 1700000000)
    tree.write("/var/lib/dpkg/info/libfoo:arm64.list", "/.\n", 1700000001)
    tree.write("/var/lib/dpkg/info/libfoo:i386.list", "/.\n", 1700000002)
    library = Kind.LIBRARY
    expected = [
        Application("editor", "editor", "2:9.0-1", 2048 * 1024, installed=1700000000),
        Application("dpkg", "dpkg", "1.21"),
        Application("tetris", "tetris", "1", kind=Kind.GAME),
        Application("libfoo", "libfoo", "3", kind=library, installed=1700000001),
        Application("libfoo:i386", "libfoo", "3", kind=library, installed=1700000002),
    ]

    assert expected == list(tree.applications().values())


def test_packages_that_do_not_fit_are_counted(tree: Tree) -> None:
    """A package that no record can carry is left out, and said to be."""
    tree.write("/var/lib/dpkg/status", STATUS.replace("Package: tetris", "Package: " + "x" * 300))

    assert len(tree.applications()) == 4
    assert tree.reason("dpkg") == "1 packages do not fit a record"


def test_apk(tree: Tree) -> None:
    """The list of apk gives version and size; it does not note the time."""
    tree.write(
        "/lib/apk/db/installed",
        "C:Q1abc=\nP:musl\nV:1.2.4-r2\nA:aarch64\nS:388\nI:634880\nT:the C library\n\n"
        "P:busybox\nV:1.36\nA:aarch64\n",
    )
    expected = [Application("musl", "musl", "1.2.4-r2", 634880)]

    assert [*expected, Application("busybox", "busybox", "1.36")] == list(
        tree.applications().values()
    )


def test_two_package_managers(tree: Tree) -> None:
    """Of the same package in two managers the second gets a longer identifier."""
    tree.write("/var/lib/dpkg/status", STATUS)
    tree.write("/lib/apk/db/installed", "P:editor\nV:9\nI:1\n\nP:editor\nV:9\nI:2\n")
    found = tree.applications()

    assert ("2:9.0-1", "9", "9") == (
        found["editor"].version,
        found["editor:9"].version,
        found["apk:editor:9"].version,
    )


RPM = """#!/bin/sh
printf 'kernel\\t6.2-1\\tx86_64\\t200\\t1700000200\\tUnspecified\\n'
printf 'kernel\\t6.1-1\\tx86_64\\t100\\t1700000100\\tUnspecified\\n'
printf 'rpm\\t4.18-1\\tx86_64\\t300\\t1700000000\\tSystem Environment/Base\\n'
printf 'zlib\\t1:1.2-1\\ti686\\t400\\t1700000000\\tSystem Environment/Libraries\\n'
printf 'gpg-pubkey\\t1-1\\t(none)\\t0\\t1700000000\\tPublic Keys\\n'
printf 'warning: something\\n'
echo "$@" > "$0.arguments"
"""


def test_rpm(tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The packages of rpm; the older of two versions keeps the plain identifier."""
    (tree.root / "var/lib/rpm").mkdir(parents=True)
    program = tmp_path / "bin" / "rpm"
    tree.write("/bin/rpm", RPM)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    expected = {
        "rpm": Application("rpm", "rpm", "4.18-1", 300, installed=1700000000),
        "zlib:i686": Application(
            "zlib:i686", "zlib", "1:1.2-1", 400, Kind.LIBRARY, installed=1700000000
        ),
        "kernel": Application("kernel", "kernel", "6.1-1", 100, installed=1700000100),
        "kernel:6.2-1": Application("kernel:6.2-1", "kernel", "6.2-1", 200, installed=1700000200),
    }

    assert expected == tree.applications()
    assert f"--root {tree.root} -qa" in (tmp_path / "bin" / "rpm.arguments").read_text()


def test_rpm_that_does_not_answer(
    tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database that no program reads, or one that fails, is no records and a reason."""
    (tree.root / "var/lib/rpm").mkdir(parents=True)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))

    assert tree.reason("rpm") == "there is a database but no program rpm to read it"

    tree.write("/bin/rpm", "#!/bin/sh\nexit 3\n")
    (tmp_path / "bin" / "rpm").chmod(0o755)

    assert tree.reason("rpm").startswith("rpm did not answer: ")

    tree.write("/bin/rpm", "#!/bin/sh\n")

    assert tree.reason("rpm") == "rpm lists no package"
