"""How many octets the commands of a policy take, object by object, and whether they fit.

A proactive command is fetched in one response of at most 256 octets, `D0 81 xx` included
(TS 102 221 clause 7.3.2: the length octet of FETCH). The sizes of REQUEST SYNCHRONIZATION follow
the table of its objects (docs/request-synchronization.md, clause 8), of those that the card sends:
it asks the user itself by GET INKEY, so there is no alpha identifier, and it tries again itself,
with a new token each time, so there is no retry. Texts are coded in the GSM default alphabet
where they can be, else in UCS2 (TS 102 223 clauses 8.2 and 8.15).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields

from cardsync.octets.text import encode_alpha, encode_septets, encode_ucs2, is_gsm
from cardsync.octets.tlv import encode_length
from cardsync.policy.templates import fill, fill_address
from cardsync.policy.values import (
    Database,
    DeviceType,
    DoBrowse,
    DoReport,
    DoSynchronize,
    DoTell,
    EventKind,
    Request,
    ResolvedRequest,
    Rule,
    Rung,
    Text,
)

LONGEST_COMMAND = 256

Values = Mapping[str, int | str]
"""The values of a program's parameters, by name."""

_DEVICE_OCTETS = {
    DeviceType.TERMINAL: 0,
    DeviceType.IMEI: 8,
    DeviceType.IMEISV: 9,
    DeviceType.ICCID: 10,
    DeviceType.EID: 16,
}
_COMMAND_DETAILS = 5  # 81 03 number type qualifier
_DEVICE_IDENTITIES = 4  # 82 02 source destination
_SESSION_REFERENCE = 4
_TOKEN = 31  # the scheme and a one-time token of 30 octets

Sizes = tuple[tuple[str, int], ...]
"""The name of each object of a command and the octets it takes, tag and length included."""

_HEAD: Sizes = (("command details", _COMMAND_DETAILS), ("device identities", _DEVICE_IDENTITIES))
_BY_RUNG: Mapping[Rung, Sizes] = {
    Rung.SMS: (*_HEAD, ("SMS TPDU", 3 + 176)),  # TS 23.040 clause 9.2.2
    Rung.BIP: (*_HEAD, ("channel data", 3 + 176)),  # the same packet, and its frame
    Rung.BROWSER: (*_HEAD, ("URL", 3 + 241)),  # as much as one FETCH brings
}
"""The longest commands of what stands in for the native one: SEND SHORT MESSAGE, SEND DATA,
LAUNCH BROWSER."""


@dataclass(frozen=True, slots=True)
class Misfit:
    """A command that is too long: the request or rule whose it is, and its objects."""

    owner: str
    is_request: bool
    command: str
    total: int
    sizes: Sizes

    def __str__(self) -> str:
        parts = ", ".join(f"{name} {octets}" for name, octets in self.sizes)
        return f"{self.command} takes {self.total} octets ({parts})"


def request_synchronization(request: ResolvedRequest) -> Sizes:
    """Give the objects of REQUEST SYNCHRONIZATION as the card will send it."""
    sizes = [
        ("command details", _COMMAND_DETAILS),
        ("device identities", _DEVICE_IDENTITIES),
        ("synchronization protocol", _object(3, tag=3)),
        ("transport list", _object(len(request.transports), tag=3)),
        ("synchronization type", _object(1, tag=3)),
        ("source database", _object(_database(request.source), tag=3)),
        ("target database", _object(_database(request.target), tag=3)),
        ("notification", _object(2 if request.progress else 1, tag=3)),
        ("session reference", _object(_SESSION_REFERENCE, tag=3)),
        ("authentication reference", _object(_TOKEN, tag=3)),
        ("category mask", _object(2, tag=3)),
        ("duration", _object(2) if request.duration else 0),
    ]
    return tuple((name, octets) for name, octets in sizes if octets)


def display_text(text: str) -> Sizes:
    """Give the objects of DISPLAY TEXT, and of GET INKEY. TS 102 223 clauses 6.6.1 and 6.6.2."""
    return (
        ("command details", _COMMAND_DETAILS),
        ("device identities", _DEVICE_IDENTITIES),
        ("text string", _object(1 + text_octets(text))),
    )


def launch_browser(url: str) -> Sizes:
    """Give the objects of LAUNCH BROWSER; `url` is ASCII. TS 102 223 clause 6.6.26."""
    return (
        ("command details", _COMMAND_DETAILS),
        ("device identities", _DEVICE_IDENTITIES),
        ("URL", _object(len(url))),
    )


def set_up_menu(title: str, items: Iterable[str]) -> Sizes:
    """Give the objects of SET UP MENU. TS 102 223 clause 6.6.7."""
    return (
        ("command details", _COMMAND_DETAILS),
        ("device identities", _DEVICE_IDENTITIES),
        ("alpha identifier", _object(alpha_octets(title))),
        *((f"item {item!r}", _object(1 + alpha_octets(item))) for item in items),
    )


def total(sizes: Sizes) -> int:
    """Give the octets of the whole command, `D0` and its length included."""
    body = sum(octets for _, octets in sizes)
    return 1 + len(encode_length(body)) + body


def text_octets(text: str) -> int:
    """Give the octets of a text string: 8-bit default alphabet or UCS2."""
    return len(encode_septets(text) if is_gsm(text) else encode_ucs2(text))


def alpha_octets(text: str) -> int:
    """Give the octets of an alpha identifier; UCS2 has an octet more, the `80`."""
    return len(encode_alpha(text))


def resolve(request: Request, values: Values) -> ResolvedRequest:
    """Replace every `${parameter}` of a request by its value."""
    own = {field.name: getattr(request, field.name) for field in fields(Request)}
    own["source"] = _filled(request.source, values)
    own["target"] = _filled(request.target, values)
    return ResolvedRequest(**own)


def misfits(
    title: str,
    menu: Iterable[Text],
    requests: Iterable[Request],
    rules: Iterable[Rule],
    values: Values,
) -> Iterator[Misfit]:
    """Find every command of a program that does not fit when its parameters have these values."""
    requests, rules = tuple(requests), tuple(rules)
    for request in requests:
        sizes = request_synchronization(resolve(request, values))
        yield from _misfit(request.name, "REQUEST SYNCHRONIZATION", sizes, is_request=True)
    for rule in rules:
        for command, sizes in _texts(rule, values):
            yield from _misfit(rule.name, command, sizes)
    owner = next((rule.name for rule in rules if rule.event is EventKind.MENU), "")
    for sizes in menus(title, menu, values):
        yield from _misfit(owner, "SET UP MENU", sizes)


def commands(rule: Rule, requests: Iterable[Request], values: Values) -> Iterator[int]:
    """Give the octets of every command that a rule may make the card build."""
    ordered = {action.request for action in rule.actions if isinstance(action, DoSynchronize)}
    for request in requests:
        if request.name in ordered:
            yield total(request_synchronization(resolve(request, values)))
            yield from (total(_BY_RUNG[rung]) for rung in request.fallback if rung in _BY_RUNG)
    yield from (total(sizes) for _, sizes in _texts(rule, values))
    reports = [action.means for action in rule.actions if isinstance(action, DoReport)]
    yield from (total(_BY_RUNG[means]) for means in reports if means in _BY_RUNG)


def _filled(database: Database, values: Values) -> Database:
    return Database(fill(database.device, values), fill(database.database, values))


def _texts(rule: Rule, values: Values) -> Iterator[tuple[str, Sizes]]:
    """Give what a rule asks, says or opens, as commands, in every language."""
    for action in rule.actions:
        if isinstance(action, DoSynchronize) and action.ask:
            for text in action.ask.all:
                yield "GET INKEY", display_text(fill(text, values))
        elif isinstance(action, DoTell):
            for text in action.text.all:
                yield "DISPLAY TEXT", display_text(fill(text, values))
        elif isinstance(action, DoBrowse):
            yield "LAUNCH BROWSER", launch_browser(fill_address(action.url, values))


def menus(title: str, menu: Iterable[Text], values: Values) -> Iterator[Sizes]:
    """Give SET UP MENU in each language that an entry has."""
    menu = tuple(menu)
    languages = {language for item in menu for language, _ in item.translations}
    for language in ("", *sorted(languages)):
        yield set_up_menu(title, [fill(item.in_language(language), values) for item in menu])


def _misfit(
    owner: str, command: str, sizes: Sizes, *, is_request: bool = False
) -> Iterator[Misfit]:
    if total(sizes) > LONGEST_COMMAND:
        yield Misfit(owner, is_request, command, total(sizes), sizes)


def _object(value: int, tag: int = 1) -> int:
    """Give the octets of a COMPREHENSION-TLV. TS 101 220 clause 7.1.1."""
    return tag + len(encode_length(value)) + value


def _database(database: Database) -> int:
    """Give the octets of a database object's value: two types, two LVs."""
    device = _DEVICE_OCTETS.get(database.device_type, len(database.device.encode()))
    return 4 + device + len(database.identifier[1])
