"""Made events of a fleet, for trying policies: plausible, and the same for the same seed.

Nobody's habits were recorded for it. A card is switched on once or twice a day, moves between
cells and technologies, is abroad now and then, and is put into another phone about once in two
years; a few users open the menu, and the operator sends a message now and then.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from random import Random

_DAY = 1440
_COUNTRIES = (("FI", 244, (5, 12, 91)), ("SE", 240, (1, 7)), ("DE", 262, (1, 2)), ("EE", 248, (1,)))
_LANGUAGES = ("fi", "fi", "fi", "sv", "en")
_TECHNOLOGIES = ("LTE", "LTE", "LTE", "NR", "UMTS", "GSM")
_MENU = 1


@dataclass(slots=True)
class _Card:
    name: str
    random: Random
    home: int
    language: str
    imei: str = ""
    profile: str = ""
    technology: str = "LTE"
    away: int = 0  # days that it is still abroad
    told: dict[str, object] = field(default_factory=dict)

    def phone(self) -> None:
        """Put it into another phone."""
        body = f"35{self.random.randrange(10**12):012}"
        self.imei = body + str(_luhn(body))
        self.profile = sha256(self.imei[:8].encode()).hexdigest()[:16].upper()


def made_events(cards: int, days: int, seed: int) -> Iterator[str]:
    """Yield lines, many at once, in the order of their minutes."""
    fleet = [_card(number, seed) for number in range(cards)]
    for day in range(days):
        events = [event for card in fleet for event in _day(card, day)]
        events.sort(key=lambda event: event[0])
        yield "".join([line for _, line in events])


def _card(number: int, seed: int) -> _Card:
    random = Random(f"{seed} {number}")  # noqa: S311  # for trying, not for secrets
    card = _Card(
        f"89358000000{number:08}",
        random,
        random.choice(_COUNTRIES[0][2]),
        random.choice(_LANGUAGES),
    )
    card.phone()
    return card


def _day(card: _Card, day: int) -> Iterator[tuple[int, str]]:
    """Give the minutes and lines of one card's day."""
    random = card.random
    if random.random() < 1 / 700:
        card.phone()
    card.away = card.away - 1 if card.away else (random.random() < 1 / 60) * random.randrange(1, 8)
    minute = day * _DAY + int(random.triangular(0, 600, 420))
    yield _event(card, minute, "profile_download", _identity(card) | _place(card))
    end = (day + 1) * _DAY - 1
    while True:
        minute += 1 + int(random.expovariate(1 / 70))
        if minute > end:
            return
        yield _something(card, minute)


def _something(card: _Card, minute: int) -> tuple[int, str]:
    """Give what happens next: mostly that the card moves."""
    dice = card.random.random()
    if dice < 0.55:
        return _event(card, minute, "location_status", _place(card))
    if dice < 0.9:
        card.technology = card.random.choice(_TECHNOLOGIES)
        return _event(card, minute, "access_technology_change", _technology(card))
    if dice < 0.97:
        return _event(card, minute, "profile_download", _identity(card) | _place(card))
    if dice < 0.985:
        return _event(card, minute, "menu", {}, _MENU)
    return _event(card, minute, "message", {}, "sync-now")


def _identity(card: _Card) -> dict[str, object]:
    return {"imei": card.imei, "profile": card.profile, "language": card.language}


def _place(card: _Card) -> dict[str, object]:
    """Give where a card is; one time in twenty it has no service."""
    _, mcc, networks = _COUNTRIES[1 + card.away % 3 if card.away else 0]
    network = card.random.choice(networks) if card.away else card.home
    status = "NORMAL" if card.random.random() < 0.95 else "NO_SERVICE"
    return {
        "network.mcc": mcc,
        "network.mnc": network,
        "network.roaming": bool(card.away),
        "network.status": status,
    } | _technology(card)


def _technology(card: _Card) -> dict[str, object]:
    return {"network.technology": card.technology}


def _event(
    card: _Card, minute: int, event: str, facts: dict[str, object], argument: object = None
) -> tuple[int, str]:
    """Write a line, with those facts alone that are not as they were."""
    changed = {name: value for name, value in facts.items() if card.told.get(name) != value}
    card.told |= changed
    line: dict[str, object] = {"card": card.name, "minute": minute, "event": event}
    if argument is not None:
        line["argument"] = argument
    if changed:
        line["facts"] = changed
    return minute, json.dumps(line, separators=(",", ":")) + "\n"


def _luhn(body: str) -> int:
    """Give the check digit of an IMEI. TS 23.003 annex B."""
    doubled = [int(digit) * (1 + place % 2) for place, digit in enumerate(body)]
    return -sum(sum(divmod(number, 10)) for number in doubled) % 10
