"""`cardsync card`: cards are made, shown and served; secrets go to files of their owner."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from cardsync.card.slot import CardSlot
from cardsync.operator import cardfile

ICCID, IMSI = "8988211000000000017", "001010000000017"


def run(*arguments: object) -> "subprocess.CompletedProcess[str]":
    """Run `cardsync card`."""
    return subprocess.run(
        [sys.executable, "-m", "cardsync", "card", *map(str, arguments)],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_one_card(tmp_path: Path) -> None:
    """A card whose list the operator reads, and whose files a terminal reads."""
    listed = tmp_path / "cards.json"
    ran = run(
        "personalise", "--iccid", ICCID, "--imsi", IMSI, "--msisdn", "+882123",
        "--folder", tmp_path, "--list", listed,
    )  # fmt: skip
    image = tmp_path / f"{ICCID}.image"
    (card,) = cardfile.read(listed.read_text())

    assert (0, "") == (ran.returncode, ran.stdout), ran.stderr
    assert (ICCID, IMSI, "+882123") == (card.iccid, card.imsi, card.msisdn)
    assert {0o600} == {path.stat().st_mode & 0o777 for path in (image, listed)}
    slot = CardSlot(image)
    assert b"\x90\0" == slot.transact(bytes.fromhex("00A4000C022FE2"))
    assert "988812010000000010f79000" == slot.transact(bytes.fromhex("00B0000000")).hex()


def test_a_batch(tmp_path: Path) -> None:
    """Many cards from CSV, with the keys that are given; the list on the screen."""
    orders = tmp_path / "orders.csv"
    orders.write_text(f"iccid,imsi,kic\n{ICCID},{IMSI},{'0A' * 16}\n8988211000000000025,{IMSI},\n")
    ran = run("personalise", "--batch", orders, "--folder", tmp_path)
    first, second = json.loads(ran.stdout)

    assert "0a" * 16 == first["keys"][0]["kic"] != second["keys"][0]["kic"]
    assert [f"{ICCID}.image", "8988211000000000025.image"] == [
        path.name for path in sorted(tmp_path.glob("*.image"))
    ]


def test_another_profile(tmp_path: Path) -> None:
    """The files are those of the profile."""
    profile = tmp_path / "profile.toml"
    profile.write_text(
        '[[directory]]\npath = "3F00"\nname = "MF"\nfiles = [{ id = "2FE2", name = "EF.ICCID", '
        'size = 10, access = "ALW NEV", made = "iccid" }]\n'
    )
    run(
        "personalise", "--iccid", ICCID, "--imsi", IMSI, "--folder", tmp_path,
        "--profile", profile, "--list", tmp_path / "list.json",
    )  # fmt: skip
    shown = run("show", tmp_path / f"{ICCID}.image", "--files")

    assert f"ICCID {ICCID}" in shown.stdout
    assert ["3F00", "3F00/2FE2"] == [
        line.split()[0] for line in shown.stdout.splitlines() if line.startswith("3F00")
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("personalise",), "19 or 20 digits"),
        (("personalise", "--iccid", "12", "--imsi", IMSI), "19 or 20 digits"),
        (("personalise", "--batch", "/no/orders"), "/no/orders: cannot be read"),
        (("personalise", "--batch", "x", "--iccid", ICCID), "either --batch"),
        (
            ("personalise", "--iccid", ICCID, "--imsi", IMSI, "--profile", "/no/profile"),
            "/no/profile: cannot be read",
        ),
        (
            ("personalise", "--iccid", ICCID, "--imsi", IMSI, "--folder", "/proc/nowhere"),
            "cannot be written",
        ),
        (("show", "/no/card"), "personalise a card first"),
        (("serve", "/no/card"), "personalise a card first"),
    ],
)
def test_mistakes(arguments: tuple[str, ...], said: str) -> None:
    """One message on standard error, and status 2."""
    ran = run(*arguments)

    assert 2 == ran.returncode, ran.stderr
    assert said in ran.stderr
    assert "Traceback" not in ran.stderr


def test_nothing_is_written_over(tmp_path: Path) -> None:
    """A card that is in use is not lost by a mistake."""
    image = tmp_path / f"{ICCID}.image"
    image.write_bytes(b"a card")
    ran = run("personalise", "--iccid", ICCID, "--imsi", IMSI, "--folder", tmp_path)

    assert (2, b"a card") == (ran.returncode, image.read_bytes())
    assert "not written over" in ran.stderr


def test_no_reader(tmp_path: Path) -> None:
    """Without a reader it is said what to start."""
    run(
        "personalise", "--iccid", ICCID, "--imsi", IMSI, "--folder", tmp_path,
        "--list", tmp_path / "list.json",
    )  # fmt: skip
    ran = run("serve", tmp_path / f"{ICCID}.image", "--port", 1)

    assert 2 == ran.returncode
    assert "start pcscd" in ran.stderr
