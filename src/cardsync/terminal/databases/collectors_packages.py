"""The installed applications of this machine, as its package managers know them.

The lists of dpkg and apk are read directly, that of rpm is asked for. A package is an
application record: its identifier is its name; with ":" and the architecture where that is
foreign to the machine, and with ":" and the version where a version stands beside another.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from cardsync.errors import LocalError
from cardsync.syncml.record import Application, Kind
from cardsync.terminal.databases.collectors_machine import Machine, Reading

_RPM_SECONDS = 30.0
_RPM_FORMAT = (
    "%{NAME}\t%|EPOCH?{%{EPOCH}:}:{}|%{VERSION}-%{RELEASE}\t%{ARCH}\t"
    "%{LONGSIZE}\t%{INSTALLTIME}\t%{GROUP}\n"
)
_RPM_FOLDERS = ("/usr/lib/sysimage/rpm", "/var/lib/rpm")
_APK_LISTS = ("/lib/apk/db/installed", "/usr/lib/apk/db/installed")
_DPKG_FIELD = re.compile(
    r"^(Package|Status|Section|Installed-Size|Architecture|Version): (.*)$", re.MULTILINE
)
_APK_FIELD = re.compile(r"^([PVAI]):(.*)$", re.MULTILINE)
_EVERYWHERE = ("all", "noarch", "")  # architectures that are none

# The last word of a Debian section or an RPM group, in small letters.
_KINDS = {
    "games": Kind.GAME,
    "libs": Kind.LIBRARY,
    "libdevel": Kind.LIBRARY,
    "oldlibs": Kind.LIBRARY,
    "libraries": Kind.LIBRARY,
    "fonts": Kind.FONT,
    "doc": Kind.DOCUMENTATION,
    "documentation": Kind.DOCUMENTATION,
    "localization": Kind.TRANSLATION,
    "translations": Kind.TRANSLATION,
}


@dataclass(frozen=True, slots=True)
class _Package:
    """A package as its manager tells of it; `size` in octets, `installed` in seconds of UTC."""

    name: str
    version: str
    architecture: str
    size: int | None
    installed: int | None
    section: str = ""


def packages(machine: Machine) -> tuple[Reading, ...]:
    """Read what each package manager has installed; no identifier stands twice."""
    taken: set[str] = set()
    return tuple(
        _reading(manager, found, reason, taken)
        for manager, found, reason in (_dpkg(machine), _rpm(machine), _apk(machine))
    )


def _dpkg(machine: Machine) -> tuple[str, list[_Package], str]:
    """Read /var/lib/dpkg/status, deb822 stanzas as in deb-control(5)."""
    stanzas = machine.read("/var/lib/dpkg/status").split("\n\n")
    info = os.fspath(machine.path("/var/lib/dpkg/info"))
    found = []
    for stanza in stanzas:
        fields = dict(_DPKG_FIELD.findall(stanza))
        if fields.get("Status", "").endswith(" installed"):
            name, architecture = fields.get("Package", ""), fields.get("Architecture", "")
            size = fields.get("Installed-Size", "")  # KiB, deb-substvars(5)
            found.append(
                _Package(
                    name,
                    fields.get("Version", ""),
                    architecture,
                    int(size) * 1024 if _is_number(size) else None,
                    _modified(f"{info}/{name}.list", f"{info}/{name}:{architecture}.list"),
                    fields.get("Section", ""),
                )
            )
    return "dpkg", found, "" if found else "/var/lib/dpkg/status lists no package"


def _rpm(machine: Machine) -> tuple[str, list[_Package], str]:
    """Ask `rpm -qa`; the oldest of several versions of a package comes first."""
    program = shutil.which("rpm")
    if not any(machine.path(folder).is_dir() for folder in _RPM_FOLDERS):
        return "rpm", [], f"there is no database in {' or '.join(_RPM_FOLDERS)}"
    if program is None:
        return "rpm", [], "there is a database but no program rpm to read it"
    command = [program, "--root", os.fspath(machine.root.absolute()), "-qa"]
    try:
        answer = subprocess.run(
            [*command, "--queryformat", _RPM_FORMAT],
            capture_output=True,
            check=True,
            timeout=_RPM_SECONDS,
            env={"LC_ALL": "C", "PATH": os.defpath},
        )
    except (OSError, subprocess.SubprocessError) as exc:
        return "rpm", [], f"rpm did not answer: {exc}"
    found = list(_rpm_lines(answer.stdout.decode(errors="replace")))
    found.sort(key=lambda package: (package.installed or 0, package.version))
    return "rpm", found, "" if found else "rpm lists no package"


def _rpm_lines(answer: str) -> Iterator[_Package]:
    for line in answer.splitlines():
        with suppress(ValueError):  # not a line of our format: a warning
            name, version, architecture, size, installed, group = line.split("\t")
            if name != "gpg-pubkey":  # a key, no package
                architecture = architecture.replace("(none)", "")
                yield _Package(name, version, architecture, int(size), int(installed), group)


def _apk(machine: Machine) -> tuple[str, list[_Package], str]:
    """Read the list of apk, stanzas of one-letter fields: apk does not note when."""
    found = []
    for path in _APK_LISTS:
        for stanza in machine.read(path).split("\n\n"):
            fields = dict(_APK_FIELD.findall(stanza))
            if "P" in fields:
                size = fields.get("I", "")
                octets = int(size) if _is_number(size) else None
                found.append(
                    _Package(fields["P"], fields.get("V", ""), fields.get("A", ""), octets, None)
                )
    return "apk", found, "" if found else f"{' and '.join(_APK_LISTS)} list no package"


def _reading(manager: str, found: list[_Package], reason: str, taken: set[str]) -> Reading:
    applications = []
    native = {package.architecture for package in found if package.name == manager}
    for package in found:
        with suppress(LocalError):
            applications.append(_application(manager, package, native, taken))
    lost = len(found) - len(applications)
    if lost:
        reason = f"{lost} packages do not fit a record"
    return Reading(manager, tuple(applications), reason)


def _application(
    manager: str, package: _Package, native: Iterable[str], taken: set[str]
) -> Application:
    local = not native or package.architecture in {*native, *_EVERYWHERE}
    short = package.name if local else f"{package.name}:{package.architecture}"
    long = f"{short}:{package.version}"
    free = (name for name in (short, long, f"{manager}:{long}") if name not in taken)
    application = Application(
        next(free, ""),
        package.name,
        package.version or None,
        package.size,
        _KINDS.get(package.section.lower().rpartition("/")[2], Kind.APPLICATION),
        package.installed,
    )
    taken.add(application.identifier)
    return application


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 15


def _modified(*paths: str) -> int | None:
    """Give when the first of these files that is there was written, in seconds of UTC."""
    for path in paths:
        with suppress(OSError):
            return int(os.stat(path).st_mtime)  # noqa: PTH116 - a Path for each of 1,000 costs half
    return None
