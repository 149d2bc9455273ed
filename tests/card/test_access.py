"""Access rules: the records of EF.ARR as cards write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardsync.card.access import ALWAYS, NEVER, Condition, Operation, decode, encode, rule
from cardsync.errors import ConfigError

PIN1, ADM1 = Condition(keys=frozenset({0x01})), Condition(keys=frozenset({0x0A}))


@pytest.mark.parametrize(
    ("text", "octets"),
    [
        ("ALW NEV", "80010190008001029700800118A40683010A950108"),
        ("ALW ADM1", "800101900080011AA40683010A950108"),
        ("PIN1 PIN1", "800103A40683010195010880 0118A40683010A950108"),
        (
            "PIN1 PIN2 PIN1",
            (
                "800101A406830101950108800102A406830181950108"
                "800118A40683010A950108840132A406830101950108"
            ),
        ),
    ],
)
def test_records(text: str, octets: str) -> None:
    """Conditions as they stand in EF.ARR. TS 102 221 clause 9.2.4, TS 31.102 annex."""
    made = rule(text)

    assert bytes.fromhex(octets) == encode(made)
    assert made == decode(bytes.fromhex(octets).ljust(60, b"\xff"))


def test_a_record_of_another_card() -> None:
    """Either of two keys is enough where an OR template says so. Clause 9.2.4."""
    octets = "800101A010A406830101950108A40683010A950108800102A40683010A9501088001189700"

    assert {
        Operation.READ: Condition(keys=frozenset({0x01, 0x0A})),
        Operation.UPDATE: ADM1,
        Operation.ACTIVATE: NEVER,
        Operation.DEACTIVATE: NEVER,
    } == decode(bytes.fromhex(octets))
    assert bytes.fromhex("800101A010A406830101950108A40683010A950108") == encode(
        {Operation.READ: Condition(keys=frozenset({0x01, 0x0A}))}
    )


@pytest.mark.parametrize("octets", ["", "FF" * 10, "8001", "80010190", "900080", "8001019E0101"])
def test_what_is_not_said_is_not_allowed(octets: str) -> None:
    """Neither an empty record nor a malformed one lets anybody do anything."""
    found = decode(bytes.fromhex(octets))

    assert NEVER == found.get(Operation.READ, NEVER)
    assert NEVER == found.get(Operation.UPDATE, NEVER)


@given(st.binary(max_size=40))
def test_any_record_is_read(octets: bytes) -> None:
    """A record never makes the reader raise."""
    assert all(isinstance(one, Condition) for one in decode(octets).values())


def test_the_first_condition_counts() -> None:
    """A later pair does not open what an earlier one closed."""
    found = decode(bytes.fromhex("800101A406830101950108") + bytes.fromhex("8001019000"))

    assert PIN1 == found[Operation.READ]
    assert ALWAYS != found[Operation.READ]


@pytest.mark.parametrize("text", ["", "ALW", "ALW ALW ALW ALW", "ALW EVERYBODY", "alw alw"])
def test_malformed(text: str) -> None:
    """What a person wrote wrong is told."""
    with pytest.raises(ConfigError):
        rule(text)
