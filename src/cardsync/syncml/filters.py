"""Filters: what a client asks the server to send, by a query over properties, and by fields.

OMA DS Protocol 1.2, "Filtering"; Representation Protocol 1.2, Filter, Record, Field, FilterType.
The grammar of a Record is `syncml:filtertype-cgi`: comparisons such as `SUMMARY&iCON;fun` or
`&LUID;&EQ;10`, joined by `&AND;` and `&OR;`, of which AND binds closer. A value may be escaped
as in a URL ("%26"); `&NULL;` is that of a property that is not there. An `i` before the operator
makes it blind to case.

What a filter does here. Others read it so, too: libsynthesis takes EXCLUSIVE for what is not said,
and for all that is synchronized at all; Funambol's clients put Property into the data of a Field.

- It says what the client is given that it does not have yet. What the client has, it hears of
  as before (INCLUSIVE). What the client sends is not filtered.
- EXCLUSIVE, which is also meant where no FilterType stands, asks that the client has nothing
  else. What it has and does not meet the query, its own new items too, is taken here first and
  then leaves the client by a soft deletion; to a peer of which nothing is known it is a plain
  Delete, which all understand. In a one-way synchronization from the server, which becomes a
  refresh, nothing else is there in any case; in one from the client it is refused (406).
- A Field names properties, as CTCap of device information does. The client is given these alone,
  with FieldLevel, so that what it has besides stays; of an item that is here, what it sends
  counts for these alone. Types without fields go as a whole (`fields`).
- Our anchor carries a mark of the filter. With another one, or with none, nothing counts as
  agreed, and everything is compared again (508): what was kept back then is sent now.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import sha256
from operator import ge, gt, le, lt
from typing import Final
from urllib.parse import unquote

from cardsync.errors import PeerError
from cardsync.syncml import fields, properties
from cardsync.syncml.datastore import ANY_TYPE, Change, ChangeKind
from cardsync.syncml.devinf import ContentType, CtCap, Property
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
"""Comparisons of a query, and fields of a filter."""

LUID: Final = "&LUID;"
"""Stands for a property: the client's name of the item."""

_NULL: Final = "&NULL;"
_RECORDS: Final = ";filter"
_FIELDS: Final = ";fields"
_MARK: Final = re.compile(f"({_RECORDS}|{_FIELDS})=[0-9a-f]{{16}}$")
_DEVINF: Final = "application/vnd.syncml-devinf"
_NAME: Final = re.compile(r"[A-Z0-9_.-]{1,64}")
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
    """What the filter of an Alert asks: a query, "" for none, and fields, () for whole items.

    The names of `fields` are in capitals.
    """

    query: str = ""
    exclusive: bool = False
    fields: tuple[str, ...] = ()

    def mark(self, anchor: str) -> str:
        """Give our anchor of a session with this filter; the anchor itself where there is none."""
        return anchor + self._suffix()

    def is_of(self, anchor: str) -> bool:
        """Say whether an anchor of ours was agreed with this filter, so that we can go on."""
        found = _MARK.search(anchor)
        return (found[0] if found else "") == self._suffix()

    def meets(self, change: Change, content_type: str) -> bool:
        """Say whether an item is one that is asked for."""
        return not self.query or _query_of(self.query).matches(_found(change, content_type))

    def _suffix(self) -> str:
        if not (self.query or self.fields):
            return ""
        told = "\n".join((self.query, *self.fields)) + "\n\n" * self.exclusive
        mark = _FIELDS if self.fields else _RECORDS
        return f"{mark}={sha256(told.encode()).hexdigest()[:16]}"


ALL: Final = Wanted()
"""What is asked without a filter."""


def is_partial(anchor: str) -> bool:
    """Say whether an anchor of ours was agreed with a filter of fields."""
    return f"{_FIELDS}=" in anchor


def wanted(item: Item, content_type: str) -> Wanted:
    """Read the filter in the Target of an Alert, of a database whose items have a type.

    Raises `PeerError`: 406 for a filter of the client's own database and for limits of fields,
    412 for one that says nothing, 415 for one of another type, 421 for another grammar, 422 for
    a query that is none or that this type of items cannot answer.
    """
    asked = item.target.filter if item.target else None
    if item.source and item.source.filter:
        raise PeerError("only what we send is filtered", answer=StatusCode.NOT_SUPPORTED)
    if asked is None:
        return ALL
    item_type = asked.meta.type if asked.meta else None
    if item_type and ANY_TYPE not in (content_type, item_type) and content_type != item_type:
        raise PeerError(f"no items of type {item_type}", answer=StatusCode.UNSUPPORTED_TYPE)
    names = _fields(asked.field, content_type) if asked.field else ()
    text = "" if names and asked.record is None else _query(asked.record)
    if text and Query.decode(text).needs_content() and not properties.are_known(content_type):
        raise PeerError(f"{content_type} has no properties", answer=StatusCode.BAD_QUERY)
    if asked.type not in (INCLUSIVE, EXCLUSIVE, None):
        raise PeerError(f"no FilterType {asked.type!r}", answer=StatusCode.BAD_QUERY)
    return Wanted(text, exclusive=bool(text) and asked.type != INCLUSIVE, fields=names)


def write(asked: Wanted, content_type: str, message_type: str) -> Filter | None:
    """Give the filter that asks for this, of items of a type, in messages of another one."""
    if asked == ALL:
        return None
    record = Item(meta=Meta(type=GRAMMAR), data=asked.query.encode()) if asked.query else None
    cap = CtCap(ContentType("", ""), tuple([Property(name) for name in asked.fields]))
    of_device = Meta(type=message_type.replace("syncml", "syncml-devinf"))
    field = Item(meta=of_device, data=cap) if asked.fields else None
    kind = EXCLUSIVE if asked.exclusive else INCLUSIVE
    return Filter(Meta(type=content_type), field=field, record=record, type=kind)


def read_fields(names: Iterable[str]) -> tuple[str, ...]:
    """Give the names of fields in capitals, each once; raise `PeerError` for what is no name."""
    found = tuple(dict.fromkeys(name.strip().upper() for name in names))
    if len(found) > MAX_COMPARISONS:
        raise PeerError("too many fields", answer=StatusCode.BAD_QUERY)
    for name in found:
        if not _NAME.fullmatch(name):
            raise PeerError(f"no name of a field: {name!r}", answer=StatusCode.BAD_QUERY)
    return found


def select(
    changes: Iterable[Change],
    asked: Wanted,
    content_type: str,
    leaving: ChangeKind = ChangeKind.SOFT_DELETE,
) -> Iterable[Change]:
    """Keep back what the peer does not have and does not ask for, and fields likewise.

    Where it asks for nothing else (EXCLUSIVE), what it has and does not ask for is `leaving` it.
    """
    if asked.query:
        changes = _selected(changes, asked, content_type, leaving)
    return _cut(changes, asked.fields, content_type) if asked.fields else changes


def known(changes: Iterator[Change], asked: Wanted, content_type: str) -> Iterator[Change]:
    """Cut the changes of a client whose items may lack fields.

    It says of none that it is empty, but of those that it asks for, where the server has the item.
    """
    for change in changes:
        some = asked.fields if change.kind is ChangeKind.REPLACE else ()
        yield _known(change, some, content_type)


def _known(change: Change, names: Sequence[str], content_type: str) -> Change:
    kind = change.type or content_type
    if change.data is None or not fields.are_known(kind):
        return change
    try:
        if names:
            return _cut_one(change, names, content_type)
        return replace(change, data=fields.overlaid(change.data, kind, None))
    except PeerError:  # let the server say what it is
        return change


def _selected(
    changes: Iterable[Change], asked: Wanted, content_type: str, leaving: ChangeKind
) -> Iterator[Change]:
    for change in changes:
        if change.data is None or asked.meets(change, content_type):
            yield change
        elif change.kind is not ChangeKind.ADD:
            yield replace(change, kind=leaving, data=None) if asked.exclusive else change


@lru_cache(16)
def _query_of(text: str) -> Query:
    return Query.decode(text)


def _cut_one(change: Change, names: Sequence[str], content_type: str) -> Change:
    """Leave of a change what a peer is sent by fields; raises `PeerError` if it cannot be read.

    With what it has already it also hears of fields that are gone.
    """
    kind = change.type or content_type
    if change.data is None or not fields.are_known(kind):
        return change
    complete = change.kind is ChangeKind.REPLACE
    return replace(change, data=fields.only(change.data, kind, names, complete=complete))


def _cut(changes: Iterable[Change], names: Sequence[str], content_type: str) -> Iterator[Change]:
    for change in changes:
        with suppress(PeerError):  # what cannot be read has none of the fields
            yield _cut_one(change, names, content_type)


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


def _fields(field: Item, content_type: str) -> tuple[str, ...]:
    """Read the fields that are asked for.

    Limits of their size would have to cut them, and what was cut could come back cut.
    """
    if not field.meta or not (field.meta.type or "").startswith(_DEVINF):
        raise PeerError("no grammar of ours", answer=StatusCode.UNKNOWN_GRAMMAR)
    if not isinstance(field.data, CtCap) or not field.data.properties:
        raise PeerError("a filter without fields", answer=StatusCode.INCOMPLETE)
    if not (fields.are_known(content_type) or content_type == ANY_TYPE):
        raise PeerError(f"{content_type} has no fields", answer=StatusCode.BAD_QUERY)
    for each in field.data.properties:
        if each != Property(each.name, display_name=each.display_name):
            raise PeerError(f"limits of {each.name}", answer=StatusCode.NOT_SUPPORTED)
    return read_fields(each.name for each in field.data.properties)


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
