"""Device information of a stand-alone SyncML peer: what its databases take and give."""

from collections.abc import Iterable

from cardsync.syncml.datastore import ANY_TYPE
from cardsync.syncml.devinf import ContentType, DataStore, DevInf, FilterCap, SyncType
from cardsync.syncml.filters import CGI
from cardsync.syncml.properties import usual
from cardsync.terminal.databases.sources import Source

MANUFACTURER = "cardsync"
"""By which the two halves know each other."""

_ANY = (
    ContentType("text/x-vcard", "2.1"),
    ContentType("text/vcard", "3.0"),
    ContentType("text/x-vcalendar", "1.0"),
    ContentType("text/calendar", "2.0"),
    ContentType("text/plain", "1.0"),
)
"""What a database of any type says; the most usual type of each kind comes first."""

_VERSIONS = {kind.type: kind.version for kind in _ANY}


def describe(version: str, device_id: str, device_type: str, sources: Iterable[Source]) -> DevInf:
    """Describe a device and its databases in the manner of a version: "1.0", "1.1", "1.2"."""
    return DevInf(
        version=version,
        device_id=device_id,
        device_type=device_type,
        datastores=tuple([_datastore(source, device_type) for source in sources]),
        manufacturer=MANUFACTURER,
        model="syncml",
        utc=True,
        large_objects=version > "1.0",
        number_of_changes=version > "1.0",
    )


def _datastore(source: Source, device_type: str) -> DataStore:
    collection = source.index.collection
    if collection.content_type == ANY_TYPE:
        first, *others = _ANY
    else:
        version = collection.content_version or _VERSIONS.get(collection.content_type, "1.0")
        first, others = ContentType(collection.content_type, version), []
    return DataStore(
        source_ref=f"./{source.name}",
        rx_pref=first,
        tx_pref=first,
        sync_types=tuple(SyncType)[:6],
        rx=tuple(others),
        tx=tuple(others),
        max_guid_size=255,
        filters=(CGI,) if device_type == "server" else (),
        filter_caps=_filter_caps((first, *others)) if device_type == "server" else (),
    )


def _filter_caps(kinds: Iterable[ContentType]) -> tuple[FilterCap, ...]:
    """Name the usual properties of each type.

    There is no CTCap: of one that does not name every property peers conclude that we lose the
    others. So FieldLevel, which stands there, is told of records alone.
    """
    named = [FilterCap(kind, properties=usual(kind.type)) for kind in kinds]
    return tuple([each for each in named if each.properties])
