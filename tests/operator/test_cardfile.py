"""What the maker of cards tells the operator."""

import json

import pytest

from cardsync.errors import ConfigError
from cardsync.operator import cardfile

CARD = {
    "iccid": "8988211000000000017",
    "imsi": "001010000000017",
    "msisdn": "882130000000017",
    "algorithm": "AES",
    "keys": [{"number": 1, "kic": "00" * 16, "kid": "11" * 16}],
}


def test_a_card() -> None:
    """A card with its key sets; the algorithm is AES where none is named."""
    with_algorithm, without = cardfile.read(json.dumps([CARD, {**CARD, "algorithm": "AES"}]))

    assert with_algorithm == without
    assert bytes.fromhex("11" * 16) == with_algorithm.key_sets[0].kid.octets


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "line 1: JSON is expected"),
        ("{}", "a JSON list is expected"),
        (json.dumps([CARD, {"iccid": "1"}]), "card 2: KeyError"),
        (json.dumps([{**CARD, "algorithm": "ROT13"}]), "card 1: KeyError"),
        (
            json.dumps([{**CARD, "keys": [{"number": 1, "kic": "AB", "kid": "CD"}]}]),
            "card 1: 1 octets",
        ),
        (json.dumps([7]), "card 1: AttributeError"),
    ],
)
def test_what_is_wrong(text: str, message: str) -> None:
    """The message says which card and what was expected, and repeats no key."""
    with pytest.raises(ConfigError, match="cards: ") as caught:
        cardfile.read(text)

    assert message in str(caught.value)
    assert "AB" not in str(caught.value)
