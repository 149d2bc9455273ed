"""Record filters: what a client asks the server to send, by a query over the items' properties.

OMA DS Protocol 1.2, "Filtering"; Representation Protocol 1.2, Filter, Record, FilterType. The
grammar is `syncml:filtertype-cgi`: comparisons such as `SUMMARY&iCON;fun` or `&LUID;&EQ;10`,
joined by `&AND;` and `&OR;`, of which AND binds closer. A value may be escaped as in a URL
("%26"); `&NULL;` is that of a property that is not there. An `i` before the operator makes it
blind to case.

What a filter does here, the least that the standard allows:

- It says what the client is given that it does not have yet. What the client has, it hears of
  as before (INCLUSIVE). What the client sends is not filtered.
- EXCLUSIVE, which is also meant where no FilterType stands, asks that the client has nothing
  else. That is served where the client begins anew with what we send: a one-way synchronization
  from the server becomes a refresh. In other kinds it is refused (406).
- Our anchor carries a mark of the filter. With another one, or with none, nothing counts as
  agreed, and everything is compared again (508): what was kept back then is sent now.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from operator import ge, gt, le, lt
from typing import Final
from urllib.parse import unquote

from cardsync.errors import PeerError
from cardsync.syncml import properties
from cardsync.syncml.datastore import ANY_TYPE, Change, ChangeKind
from cardsync.syncml.devinf import ContentType
from cardsync.syncml.elements import Filter, Item, Meta
from cardsync.syncml.status import StatusCode

GRAMMAR: Final = "syncml:filtertype-cgi"
CGI: Final = ContentType(GRAMMAR, "1.0")
"""What a database of a server says in device information: Filter-Rx."""

INCLUSIVE: Final = "INCLUSIVE"
EXCLUSIVE: Final = "EXCLUSIVE"

MAX_QUERY: Final = 4096
"""Characters of a query."""
MAX_COMPARISONS: Final = 64
"""Comparisons of a query."""

LUID: Final = "&LUID;"
"""Stands for a property: the client's name of the item."""

_NULL: Final = "&NULL;"
_MARK: Final = ";filter="
_COMPARISON: Final = re.compile(
    r"\s*(&LUID;|[A-Za-z0-9_.-]+)&(i?)(EQ|NE|GT|GE|LT|LE|CON|NCON);(&NULL;|[^&]*)"
)

Properties = dict[str, tuple[str, ...]]
"""The values of an item's properties, by name in capitals."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One condition: `name` is in capitals, or `LUID`; a `value` of None is "&NULL;".

    `operator` is EQ, NE, GT, GE, LT, LE, CON (contains) or NCON. Of a property that occurs more
    than once, one value is enough; NE and NCON hold where EQ and CON do not.
    """

    name: str
    operator: str
    value: str | None
    ignore_case: bool = False

    def matches(self, found: Properties) -> bool:
        """Say whether an item with these properties meets the condition."""
        values = found.get(self.name, ())
        if self.value is None:
            return any(values) is (self.operator == "NE")
        wanted = self.value.casefold() if self.ignore_case else self.value
        given = [value.casefold() for value in values] if self.ignore_case else values
        holds, is_denied = _OPERATORS[self.operator]
        return any(holds(value, wanted) for value in given) is not is_denied


@dataclass(frozen=True, slots=True)
class Query:
    """A query: all comparisons of one of the `alternatives` are met."""

    alternatives: tuple[tuple[Comparison, ...], ...]

    @classmethod
    def decode(cls, text: str) -> "Query":
        """Read a query. Raises `PeerError` with 422 for what is none, or is too long."""
        terms = [part.split("&AND;") for part in text.split("&OR;")]
        if len(text) > MAX_QUERY or sum(map(len, terms)) > MAX_COMPARISONS:
            raise PeerError("the filter is too long", answer=StatusCode.BAD_QUERY)
        return cls(tuple(tuple(map(_comparison, part)) for part in terms))

    def matches(self, found: Properties) -> bool:
        """Say whether an item with these properties is asked for."""
        return any(all(each.matches(found) for each in part) for part in self.alternatives)

    def needs_content(self) -> bool:
        """Say whether it asks for more than the client's name of an item."""
        return any(each.name != LUID for part in self.alternatives for each in part)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the filter of an Alert asks: a query, "" for none."""

    query: str = ""
    exclusive: bool = False

    def mark(self, anchor: str) -> str:
        """Give our anchor of a session with this filter; the anchor itself where there is none."""
        return f"{anchor}{_MARK}{self._digest()}" if self.query else anchor

    def is_of(self, anchor: str) -> bool:
        """Say whether an anchor of ours was agreed with this filter, so that we can go on."""
        return not self.exclusive and anchor.partition(_MARK)[2] == self._digest()

    def _digest(self) -> str:
        return sha256(self.query.encode()).hexdigest()[:16] if self.query else ""


def wanted(item: Item, content_type: str) -> Wanted:
    """Read the filter in the Target of an Alert, of a database whose items have a type.

    Raises `PeerError`: 406 for a filter of fields, or of the client's own database, 412 for one
    that says nothing, 415 for one of another type, 421 for another grammar, 422 for a query that
    is none or that this type of items cannot answer.
    """
    asked = item.target.filter if item.target else None
    if (item.source and item.source.filter) or (asked and asked.field):
        raise PeerError("only records of ours are filtered", answer=StatusCode.NOT_SUPPORTED)
    if asked is None:
        return Wanted()
    item_type = asked.meta.type if asked.meta else None
    if item_type and ANY_TYPE not in (content_type, item_type) and content_type != item_type:
        raise PeerError(f"no items of type {item_type}", answer=StatusCode.UNSUPPORTED_TYPE)
    text = _query(asked.record)
    if Query.decode(text).needs_content() and not properties.are_known(content_type):
        raise PeerError(f"{content_type} has no properties", answer=StatusCode.BAD_QUERY)
    if asked.type not in (INCLUSIVE, EXCLUSIVE, None):
        raise PeerError(f"no FilterType {asked.type!r}", answer=StatusCode.BAD_QUERY)
    return Wanted(text, exclusive=asked.type != INCLUSIVE)


def write(query: str, content_type: str) -> Filter:
    """Give the INCLUSIVE filter that asks for items of a type which meet a query."""
    record = Item(meta=Meta(type=GRAMMAR), data=query.encode())
    return Filter(Meta(type=content_type), record=record, type=INCLUSIVE)


def select(changes: Iterable[Change], query: str, content_type: str) -> Iterable[Change]:
    """Keep back what the peer does not have and does not ask for; a query "" keeps back nothing."""
    return _selected(changes, Query.decode(query), content_type) if query else changes


def _selected(changes: Iterable[Change], query: Query, content_type: str) -> Iterator[Change]:
    for change in changes:
        if change.kind is not ChangeKind.ADD or query.matches(_found(change, content_type)):
            yield change


def _found(change: Change, content_type: str) -> Properties:
    found = properties.read(change.data or b"", change.type or content_type)
    return found | {LUID: (change.peer,)} if change.peer else found


def _query(record: Item | None) -> str:
    if record is None or not isinstance(record.data, bytes) or not record.data:
        raise PeerError("a filter without a query", answer=StatusCode.INCOMPLETE)
    if not record.meta or record.meta.type != GRAMMAR:
        raise PeerError("no grammar of ours", answer=StatusCode.UNKNOWN_GRAMMAR)
    try:
        return record.data.decode()
    except UnicodeDecodeError:
        raise PeerError("the filter is no text", answer=StatusCode.BAD_QUERY) from None


def _comparison(text: str) -> Comparison:
    found = _COMPARISON.fullmatch(text)
    if not found or (found[4] == _NULL and found[3] not in ("EQ", "NE")):
        raise PeerError(f"no comparison: {text!r}", answer=StatusCode.BAD_QUERY)
    name = found[1] if found[1] == LUID else found[1].upper()
    value = None if found[4] == _NULL else unquote(found[4], errors="replace")
    return Comparison(name, found[3], value, ignore_case=bool(found[2]))


def _ordered(compare: Callable[[str | int, str | int], bool]) -> Callable[[str, str], bool]:
    """Compare as numbers where both are; else as text, the way of dates that are written alike."""

    def holds(value: str, wanted: str) -> bool:
        if all(re.fullmatch("[0-9]{1,18}", each) for each in (value, wanted)):
            return compare(int(value), int(wanted))
        return compare(value, wanted)

    return holds


def _equal(value: str, wanted: str) -> bool:
    return value == wanted


def _contains(value: str, wanted: str) -> bool:
    return wanted in value


# What one of the values must do, and whether the comparison holds where none does it.
_OPERATORS: Final[dict[str, tuple[Callable[[str, str], bool], bool]]] = {
    "EQ": (_equal, False),
    "NE": (_equal, True),
    "CON": (_contains, False),
    "NCON": (_contains, True),
    "GT": (_ordered(gt), False),
    "GE": (_ordered(ge), False),
    "LT": (_ordered(lt), False),
    "LE": (_ordered(le), False),
}
