"""The collectors, on trees of files made for the purpose and on this machine."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from cardsync.errors import LocalError
from cardsync.syncml.record import Application, Parameter
from cardsync.terminal.databases import collectors

UNAME = os.uname_result(("Linux", "alices-phone", "6.1.0-42-arm64", "#1 SMP", "aarch64"))
IMEI = "490154203237518"


class Tree:
    """A folder that a collector takes for the root of a machine."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, path: str, text: str, modified: int = 0) -> None:
        """Write a file below the root."""
        place = self.root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
        os.utime(place, (modified, modified))

    def collect(self, environ: dict[str, str] | None = None) -> dict[str, str]:
        """Collect the parameters."""
        found = collectors.collect(None, self.root, uname=UNAME, environ=environ)
        return {one.path: one.value for one in found if isinstance(one, Parameter)}

    def reason(self, source: str) -> str:
        """Give the reason why a source gave nothing."""
        readings = collectors.survey(None, self.root, uname=UNAME)
        return {reading.source: reading.reason for reading in readings}[source]


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """Make a machine on which there is nothing at all."""
    return Tree(tmp_path)


def test_nothing_there(tree: Tree) -> None:
    """A machine without a single file still tells kernel and silence; each gap has its reason."""
    expected = {
        "./Ext/Device/Kernel": "Linux 6.1.0-42-arm64",
        "./Ext/Device/Architecture": "aarch64",
        "./Ext/Sounds/Profile": "silent",
    }
    readings = collectors.survey(None, tree.root, uname=UNAME)

    assert expected == tree.collect()
    assert all(reading.records or reading.reason for reading in readings)


def test_equipment(tree: Tree) -> None:
    """R-10: the IMEI is the device identifier of DevInfo; what is none is refused."""
    found = collectors.collect(IMEI, tree.root)

    assert Parameter("./DevInfo/DevId", "IMEI:490154203237518") in found
    for wrong in ("", "490154-20-323751", "4" * 17, "IMEI:490154203237518"):
        with pytest.raises(LocalError):
            collectors.collect(wrong, tree.root)


@pytest.mark.parametrize(
    ("locale", "tag"),
    [
        ("de_AT.UTF-8", "de-AT"),
        ("sr_RS@latin", "sr-RS"),
        ("es_419", "es-419"),
        ("eo", "eo"),
        ("C.UTF-8", "en"),
        ("POSIX", "en"),
        ("tlh-Latn", None),
    ],
)
def test_language(tree: Tree, locale: str, tag: str | None) -> None:
    """R-10: the language is the tag of the locale, RFC 5646; the locale stands beside it."""
    found = tree.collect({"LANG": locale})

    assert tag == found.get("./DevInfo/Lang")
    assert locale == found["./Ext/Language/Locale"]


def test_language_sources(tree: Tree) -> None:
    """LC_ALL goes before LANG, the environment before the settings of the system."""
    tree.write("/etc/default/locale", '# written by hand\nLANG="fr_FR.UTF-8"\nLC_ALL=\n')

    assert tree.collect()["./DevInfo/Lang"] == "fr-FR"

    tree.write("/etc/locale.conf", "LANG=it_IT.UTF-8\nLC_TIME='broken\n")

    assert tree.collect()["./DevInfo/Lang"] == "it-IT"

    found = tree.collect({"LANG": "en_GB.UTF-8", "LC_ALL": "es_ES.UTF-8"})

    assert found["./DevInfo/Lang"] == "es-ES"
    assert "LC_ALL" in Tree(tree.root / "nowhere").reason("language")


def test_system(tree: Tree) -> None:
    """os-release(5) gives the version of the software; the one of /etc goes first."""
    tree.write("/usr/lib/os-release", 'NAME="Vendor Linux"\nID=vendor\n')

    assert tree.collect()["./DevDetail/SwV"] == "Vendor Linux"

    tree.write("/etc/os-release", "PRETTY_NAME='Device OS 3'\nID=device\nVERSION_ID=\"3\"\n")
    found = tree.collect()

    assert found["./DevDetail/SwV"] == "Device OS 3"
    assert ("device", "3") == (
        found["./Ext/Device/System"],
        found["./Ext/Device/SystemVersion"],
    )


def test_hardware_of_dmi(tree: Tree) -> None:
    """DMI names maker, model and versions; placeholders and serial numbers are not taken."""
    for name, value in {
        "sys_vendor": "ACME Corp.",
        "product_name": "Gateway 7",
        "product_version": "To Be Filled By O.E.M.",
        "product_serial": "SN-4711",
        "product_uuid": "0b0e4b5c",
        "board_vendor": "ACME Boards",
        "bios_version": "1.20",
    }.items():
        tree.write(f"/sys/class/dmi/id/{name}", f"{value}\n")
    found = tree.collect()

    assert {
        "./DevInfo/Man": "ACME Corp.",
        "./DevInfo/Mod": "Gateway 7",
        "./DevDetail/FwV": "1.20",
        "./DevDetail/OEM": "ACME Boards",
    }.items() <= found.items()
    assert "./DevDetail/HwV" not in found
    assert not {"SN-4711", "0b0e4b5c"} & set(found.values())


def test_hardware_of_device_tree(tree: Tree) -> None:
    """Where there is no DMI the device tree names maker and model."""
    tree.write("/proc/device-tree/model", "Gateway 8 Rev 1.4\0")
    tree.write("/proc/device-tree/compatible", "acme,gateway-8\0acme,soc\0")
    found = tree.collect()

    assert ("acme", "Gateway 8 Rev 1.4") == (found["./DevInfo/Man"], found["./DevInfo/Mod"])


def test_hardware_of_processor(tree: Tree) -> None:
    """Where nothing names the machine its processor does."""
    cpu = "processor\t: {}\nvendor_id\t: GenuineACME\nmodel name\t: ACME 9000\n\n"
    tree.write("/proc/cpuinfo", cpu.format(0) + cpu.format(1))
    tree.write("/proc/meminfo", "MemTotal:        2048 kB\nMemFree:         1024 kB\n")
    found = tree.collect()

    assert ("GenuineACME", "ACME 9000") == (found["./DevInfo/Man"], found["./DevInfo/Mod"])
    assert ("ACME 9000", "2") == (
        found["./Ext/Device/Processor"],
        found["./Ext/Device/Processors"],
    )
    assert found["./Ext/Device/Memory"] == "2097152"


def test_time_zone(tree: Tree) -> None:
    """The link /etc/localtime names the zone, else the file /etc/timezone."""
    tree.write("/etc/timezone", "Europe/Vienna\n")

    assert tree.collect()["./Ext/TimeZone"] == "Europe/Vienna"

    (tree.root / "etc/localtime").symlink_to("../usr/share/zoneinfo/America/Lima")

    assert tree.collect()["./Ext/TimeZone"] == "America/Lima"


def test_sounds(tree: Tree) -> None:
    """R-10: the sound profile; the cards are those of ALSA."""
    tree.write(
        "/proc/asound/cards",
        " 0 [PCH            ]: HDA-Intel - HDA Intel PCH\n"
        "                      HDA Intel PCH at 0xf7f10000 irq 31\n"
        " 1 [Headset        ]: USB-Audio - ACME Headset\n",
    )
    found = tree.collect()

    assert found["./Ext/Sounds/Profile"] == "general"
    assert ("HDA Intel PCH", "ACME Headset") == (
        found["./Ext/Sounds/Card0"],
        found["./Ext/Sounds/Card1"],
    )

    tree.write("/proc/asound/cards", "--- no soundcards ---\n")

    assert tree.collect()["./Ext/Sounds/Profile"] == "silent"


def test_host_only_if_asked(tree: Tree) -> None:
    """The host's name may be a person's; it is read only where it is asked for."""
    asked = collectors.collect(None, tree.root, uname=UNAME, hostname=True)

    assert "alices-phone" not in tree.collect().values()
    assert Parameter("./Ext/Device/Host", "alices-phone") in asked


def test_values_are_made_to_fit(tree: Tree) -> None:
    """A value that a record cannot carry is cut at 1023 octets and loses control characters."""
    tree.write("/etc/os-release", "PRETTY_NAME='a\x1b[0m" + "é" * 600 + "'\n")
    value = tree.collect()["./DevDetail/SwV"]

    assert value.startswith("a [0mé")
    assert len(value.encode()) in {1022, 1023}


def test_this_machine() -> None:
    """R-11: on this machine the applications are those of dpkg, with its versions and sizes."""
    if shutil.which("dpkg-query") is None:
        pytest.skip("dpkg-query is missing: this machine has no packages of Debian")
    form = "${Package} ${Architecture} ${Version} ${db:Status-Status} ${Installed-Size}\n"
    answer = subprocess.run(["dpkg-query", "-W", "-f", form], capture_output=True, check=True)
    lines = [line.split(" ") for line in answer.stdout.decode().splitlines()]
    native = next(line[1] for line in lines if line[0] == "dpkg")
    expected = {
        (
            name if architecture in {native, "all"} else f"{name}:{architecture}",
            version,
            int(size) * 1024 if size else None,
        )
        for name, architecture, version, state, size in lines
        if state == "installed"
    }
    readings = {reading.source: reading for reading in collectors.survey(IMEI)}
    found = [one for one in readings["dpkg"].records if isinstance(one, Application)]

    assert expected == {(one.identifier, one.version, one.size) for one in found}
    assert all(one.installed for one in found)


def test_no_record_twice() -> None:
    """All sources of this machine are read, and no record is there twice."""
    records = collectors.collect(IMEI)

    assert records
    assert len({one.key for one in records}) == len(records)
