"""What is told of a file: the FCP template and the header of a SIM."""

from typing import Any

import pytest

from cardsync.card.access import rule
from cardsync.card.pin import ADM1, PIN1, PIN2, Code, Pin
from cardsync.card.templates import control_parameters, sim_file_header, sim_header
from cardsync.card.tree import File, Structure, Tree
from cardsync.octets import tlv
from vectors import load

PINS = {
    PIN1: Pin(Code(bytes(8), 3, 3), Code(bytes(8), 10, 10), enabled=False),
    PIN2: Pin(Code(bytes(8), 3, 2), Code(bytes(8), 10, 10)),
    ADM1: Pin(Code(bytes(8), 3, 3)),
}
IMSI = File("3F00/7FFF/6F07", Structure.TRANSPARENT, 9, short=7, rule=10)
ECC = File("3F00/7FFF/6FB7", Structure.LINEAR, 28, 14, short=1, rule=8)


@pytest.mark.parametrize(
    ("file", "octets"),
    [
        (IMSI, "62178202412183026f078a01058b036f060a80020009880138"),
        (ECC, "621a82054221000e0283026fb78a01058b036f06088002001c880108"),
    ],
)
def test_elementary_files(file: File, octets: str) -> None:
    """Files as a real card tells them. TS 102 221 clause 11.1.1.3."""
    assert octets == control_parameters(file, "6F06", 5, PINS).hex()


def test_without_short_identifier() -> None:
    """An empty object says that there is none, else it were the identifier's five bits."""
    file = File("3F00/6F43", Structure.TRANSPARENT, 2)

    assert control_parameters(file, "2F06", 4, {}).endswith(b"\x80\x02\x00\x02\x88\x00")
    assert b"\x8a\x01\x04" in control_parameters(file, "2F06", 4, {})


def test_directories() -> None:
    """Objects in the order in which real cards write them. TS 102 221 clause 11.1.1.3."""
    for one in load("uicc_select.json")["select_responses"]:
        if one["profile"] != "CardProfileUICC" or "df_name" not in one["decoded"]:
            continue
        (real,) = tlv.decode_all(bytes.fromhex(one["hex"]))
        aid = bytes.fromhex(one["decoded"]["df_name"]["hex"])
        file = File("3F00/7FFF", Structure.DIRECTORY, aid=aid)
        (ours,) = tlv.decode_all(control_parameters(file, "2F06", 5, PINS))

        assert [item.tag for item in tlv.decode_all(real.value)] == [
            item.tag for item in tlv.decode_all(ours.value)
        ]


def test_pin_status() -> None:
    """A bit for each PIN that is on, in the order of the references. TS 102 221 clause 9.5.2."""
    file = File("3F00", Structure.DIRECTORY)

    assert control_parameters(file, "2F06", 5, PINS).endswith(
        bytes.fromhex("C60C90016083010183018183010A")
    )


def sim_vectors() -> list[dict[str, Any]]:
    """Give the answers of real SIMs."""
    found = load("uicc_select.json")["select_responses"]
    return [one for one in found if one["profile"] == "CardProfileSIM"]


def test_directories_of_a_sim() -> None:
    """The header of MF, octet by octet. TS 51.011 clause 9.2.1."""
    files = [File("3F00", Structure.DIRECTORY)]
    files += [File(f"3F00/7F{n}0", Structure.DIRECTORY) for n in (1, 2)]
    files += [File(f"3F00/6F{n:02X}", Structure.TRANSPARENT, 1) for n in range(12)]
    pins = PINS | {PIN2: Pin(Code(bytes(8), 3, 3), Code(bytes(8), 10, 10))}
    made = sim_header(files[0], Tree(files), pins)
    real = bytes.fromhex(sim_vectors()[0]["hex"])

    # Characteristics (clock, voltages) and the number of codes are the card's own.
    assert len(real) == len(made)
    assert real[:13] + b"\xb1" + real[14:16] + b"\x06" + real[17:] == made


def test_files_of_a_sim() -> None:
    """The headers of EFs, octet by octet. TS 51.011 clause 9.2.1."""
    linear, transparent = (bytes.fromhex(one["hex"]) for one in sim_vectors()[2:4])
    number = File("3F00/7F10/6F40", Structure.LINEAR, 52, 26)
    iccid = File("3F00/2FE2", Structure.TRANSPARENT, 10)
    never = {key: value for key, value in rule("PIN1 PIN1").items() if key.value in {1, 2}}

    assert linear == sim_file_header(number, 5, never)
    assert transparent[:8] == sim_file_header(iccid, 5, rule("ALW NEV"))[:8]
    assert transparent[11:] == sim_file_header(iccid, 5, rule("ALW NEV"))[11:]


def test_levels_of_a_sim() -> None:
    """Who may is a digit to each, F for nobody. TS 51.011 clause 11.3."""
    cyclic = File("3F00/7F20/6F39", Structure.CYCLIC, 15, 3)
    octets = sim_file_header(cyclic, 4, rule("PIN1 PIN2 PIN1"))

    assert "0000000f6f390440121f4400020303" == octets.hex()
    assert 0x00 == sim_file_header(cyclic, 5, rule("ALW NEV"))[7]
    assert 0x0F == sim_file_header(cyclic, 5, rule("ALW NEV"))[8]
