"""The collectors: what is true of this machine, as records of the device-management database.

Each source is read for itself; one that is missing costs nothing but its records, and says why.
Nothing that names a person or a place on a network is read: no serial number, no address; the
host's name only where it is asked for.
"""

import os
import re
import shlex
from collections.abc import Mapping
from pathlib import Path

from cardsync.errors import LocalError
from cardsync.syncml.record import MAX_VALUE, Parameter, Record
from cardsync.terminal.databases.collectors_machine import Machine, Reading
from cardsync.terminal.databases.collectors_packages import packages

_LOCALE_FILES = ("/etc/locale.conf", "/etc/default/locale")
_LOCALE = re.compile(r"([a-z]{2,3})(?:_([A-Z]{2}|[0-9]{3}))?(?:[.@].*)?")
_DMI = "/sys/class/dmi/id"
_DEVICE_TREE = "/proc/device-tree"
_SOUND_CARD = re.compile(r"^ *([0-9]+) \[.*?\]: .*? - (.+)$", re.MULTILINE)
_IMEI = re.compile("[0-9]{14,16}")  # TS 23.003 clause 6.2: with or without check digit, or IMEISV
_UNWRITABLE = re.compile("[\x00-\x1f\x7f\ufffe\uffff]+")

# What makers of boards write where they have nothing to say.
_PLACEHOLDERS = frozenset(
    (
        "default string",
        "none",
        "not applicable",
        "not specified",
        "o.e.m.",
        "system manufacturer",
        "system product name",
        "system version",
        "to be filled by o.e.m.",
        "unknown",
    )
)


def collect(
    imei: str | None,
    root: str | os.PathLike[str] = "/",
    *,
    environ: Mapping[str, str] | None = None,
    uname: os.uname_result | None = None,
    hostname: bool = False,
) -> tuple[Record, ...]:
    """Read everything; give the records, no two with the same key.

    `imei` is known to the equipment alone: 14 to 16 digits, or None. Without an environment that
    of this process counts for the root "/", and none for any other. Raises `LocalError` for what
    is no IMEI.
    """
    readings = survey(imei, root, environ=environ, uname=uname, hostname=hostname)
    return tuple(record for reading in readings for record in reading.records)


def survey(
    imei: str | None,
    root: str | os.PathLike[str] = "/",
    *,
    environ: Mapping[str, str] | None = None,
    uname: os.uname_result | None = None,
    hostname: bool = False,
) -> tuple[Reading, ...]:
    """Read as `collect` does; give what each source said, and the reason where it had nothing."""
    if environ is None:
        environ = os.environ if Path(root) == Path("/") else {}
    machine = Machine(Path(root), environ, uname or os.uname())
    sources = (language, system, kernel, hardware, processor, memory, time_zone, sounds)
    asked = (host,) if hostname else ()
    return (
        equipment(imei),
        *(source(machine) for source in (*sources, *asked)),
        *packages(machine),
    )


def equipment(imei: str | None) -> Reading:
    """Tell the identity of the mobile equipment, written as OMA DM's DevInfo has it."""
    if imei is None:
        return Reading("equipment", reason="no IMEI was given")
    if not _IMEI.fullmatch(imei):
        raise LocalError("an IMEI has 14 to 16 digits")
    return Reading("equipment", (Parameter("./DevInfo/DevId", f"IMEI:{imei}"),))


def language(machine: Machine) -> Reading:
    """Read the locale: from the environment, else from the settings of the system."""
    locale = next(filter(None, map(machine.environ.get, ("LC_ALL", "LC_MESSAGES", "LANG"))), "")
    for path in _LOCALE_FILES:
        locale = locale or _assignments(machine.read(path)).get("LANG", "")
    if not locale:
        files = " nor ".join(_LOCALE_FILES)
        return Reading("language", reason=f"neither LC_ALL, LC_MESSAGES, LANG nor {files} tell it")
    return _reading("language", {"./DevInfo/Lang": _tag(locale), "./Ext/Language/Locale": locale})


def system(machine: Machine) -> Reading:
    """Read os-release(5)."""
    told = _assignments(machine.read("/etc/os-release") or machine.read("/usr/lib/os-release"))
    values = {
        "./DevDetail/SwV": told.get("PRETTY_NAME") or told.get("NAME", ""),
        "./Ext/Device/System": told.get("ID", ""),
        "./Ext/Device/SystemVersion": told.get("VERSION_ID", ""),
    }
    return _reading("system", values, "there is no os-release")


def kernel(machine: Machine) -> Reading:
    """Tell the kernel and the architecture, as uname(2) does."""
    uname = machine.uname
    values = {
        "./Ext/Device/Kernel": f"{uname.sysname} {uname.release}",
        "./Ext/Device/Architecture": uname.machine,
    }
    return _reading("kernel", values)


def hardware(machine: Machine) -> Reading:
    """Read who made the machine: from DMI, else the device tree, else the processor's name."""
    values = {
        "./DevInfo/Man": _dmi(machine, "sys_vendor"),
        "./DevInfo/Mod": _dmi(machine, "product_name"),
        "./DevDetail/HwV": _dmi(machine, "product_version"),
        "./DevDetail/FwV": _dmi(machine, "bios_version"),
        "./DevDetail/OEM": _dmi(machine, "board_vendor"),
    }
    maker, _, _ = machine.first_line(f"{_DEVICE_TREE}/compatible").partition(",")
    cpu = _cpu(machine)
    values["./DevInfo/Man"] = values["./DevInfo/Man"] or maker or cpu.get("vendor_id", "")
    values["./DevInfo/Mod"] = (
        values["./DevInfo/Mod"] or machine.first_line(f"{_DEVICE_TREE}/model") or _model(cpu)
    )
    return _reading("hardware", values, f"neither {_DMI}, {_DEVICE_TREE} nor /proc/cpuinfo tell it")


def processor(machine: Machine) -> Reading:
    """Read the processor's name and how many there are."""
    count = len(re.findall(r"^processor\s*:", machine.read("/proc/cpuinfo"), re.MULTILINE))
    values = {
        "./Ext/Device/Processor": _model(_cpu(machine)),
        "./Ext/Device/Processors": str(count or ""),
    }
    return _reading("processor", values, "/proc/cpuinfo does not tell it")


def memory(machine: Machine) -> Reading:
    """Read the size of the main memory, in octets."""
    found = re.search(r"^MemTotal: +([0-9]{1,15}) kB$", machine.read("/proc/meminfo"), re.MULTILINE)
    if not found:
        return Reading("memory", reason="/proc/meminfo does not tell it")
    return _reading("memory", {"./Ext/Device/Memory": str(int(found[1]) * 1024)})


def time_zone(machine: Machine) -> Reading:
    """Read the name of the time zone, such as Europe/Vienna."""
    try:
        place = machine.path("/etc/localtime").readlink().as_posix()
        _, _, zone = place.rpartition("/zoneinfo/")
    except OSError:
        zone = machine.first_line("/etc/timezone")
    reason = "neither /etc/localtime nor /etc/timezone name it"
    return _reading("time zone", {"./Ext/TimeZone": zone}, reason)


def sounds(machine: Machine) -> Reading:
    """Read the sound cards that ALSA knows; a machine without one is silent."""
    cards = _SOUND_CARD.findall(machine.read("/proc/asound/cards"))
    values = {"./Ext/Sounds/Profile": "general" if cards else "silent"}
    for number, name in cards:
        values[f"./Ext/Sounds/Card{number}"] = name
    return _reading("sounds", values)


def host(machine: Machine) -> Reading:
    """Tell the host's name, which may be a person's: only where it is asked for."""
    return _reading("host", {"./Ext/Device/Host": machine.uname.nodename})


def _reading(source: str, values: Mapping[str, str], reason: str = "") -> Reading:
    """Make parameters of the values that there are; the reason holds if there is none."""
    clean = {path: _UNWRITABLE.sub(" ", value).strip() for path, value in values.items()}
    records = tuple(Parameter(path, _clip(value)) for path, value in clean.items() if value)
    return Reading(source, records, "" if records else reason)


def _clip(value: str) -> str:
    return value.encode(errors="replace")[:MAX_VALUE].decode(errors="ignore")


def _tag(locale: str) -> str:
    """Give the language tag of a locale, RFC 5646; messages of the locale C are English."""
    found = _LOCALE.fullmatch(locale)
    if not found:
        return "en" if locale.partition(".")[0] in {"C", "POSIX"} else ""
    return "-".join(filter(None, found.groups()))


def _assignments(text: str) -> dict[str, str]:
    """Read lines such as NAME="value", quoted as for a shell; pass over those that are not."""
    found = {}
    for line in text.splitlines():
        name, equals, value = line.strip().partition("=")
        try:
            words = shlex.split(value) if equals and not name.startswith("#") else []
        except ValueError:
            words = []
        if len(words) == 1:
            found[name] = words[0]
    return found


def _dmi(machine: Machine, name: str) -> str:
    told = machine.first_line(f"{_DMI}/{name}")
    return "" if told.lower() in _PLACEHOLDERS else told


def _cpu(machine: Machine) -> dict[str, str]:
    """Read what /proc/cpuinfo says of the first processor, and of the board after the last."""
    lines = (line.partition(":") for line in machine.read("/proc/cpuinfo").splitlines())
    found: dict[str, str] = {}
    for name, _, value in lines:
        found.setdefault(name.strip(), value.strip())
    return found


def _model(cpu: Mapping[str, str]) -> str:
    return cpu.get("model name") or cpu.get("Model") or cpu.get("Hardware", "")
