"""What the maker of cards tells the operator of them: a JSON list, one object a card.

    [{"iccid": "8988...", "imsi": "00101...", "msisdn": "882...", "algorithm": "AES",
      "keys": [{"number": 1, "kic": "00..", "kid": "00.."}]}]

Keys are hexadecimal. Such a file is a secret: take it in through a pipe, keep no copy.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cardsync.errors import ConfigError, LocalError
from cardsync.ota.security import Algorithm, Key, KeySet


@dataclass(frozen=True, slots=True)
class MadeCard:
    """A card as its maker describes it."""

    iccid: str
    imsi: str
    msisdn: str | None
    key_sets: tuple[KeySet, ...]


def read(text: str) -> tuple[MadeCard, ...]:
    """Read the list; raise `ConfigError`, which repeats no key."""
    try:
        found = json.loads(text)
    except ValueError as exc:
        raise ConfigError(f"cards: line {getattr(exc, 'lineno', 1)}: JSON is expected") from exc
    if not isinstance(found, list):
        raise ConfigError("cards: a JSON list is expected, one object a card")
    return tuple([_card(number, one) for number, one in enumerate(found, 1)])


def _card(number: int, one: Any) -> MadeCard:
    try:
        algorithm = Algorithm[str(one.get("algorithm", "AES"))]
        key_sets = tuple([_key_set(algorithm, keys) for keys in one["keys"]])
        return MadeCard(str(one["iccid"]), str(one["imsi"]), one.get("msisdn"), key_sets)
    except (KeyError, TypeError, ValueError, AttributeError, LocalError) as exc:
        what = f"{exc}" if isinstance(exc, LocalError) else f"{type(exc).__name__}"
        raise ConfigError(
            f"cards: card {number}: {what}; iccid, imsi, msisdn, algorithm and keys (number, kic "
            "and kid in hexadecimal) are expected"
        ) from exc


def _key_set(algorithm: Algorithm, keys: Mapping[str, Any]) -> KeySet:
    kic, kid = (Key(algorithm, bytes.fromhex(keys[name])) for name in ("kic", "kid"))
    return KeySet(int(keys["number"]), kic, kid)
