"""Device information: what a device and its datastores can do. SyncML Device Information 1.2.

The same values serve 1.0 and 1.1, whose content types are written flat; the codecs know that.
"""

from dataclasses import dataclass, replace
from enum import IntEnum


class SyncType(IntEnum):
    """Kinds of synchronization that a datastore offers. Device Information 1.2, SyncType."""

    TWO_WAY = 1
    SLOW = 2
    ONE_WAY_FROM_CLIENT = 3
    REFRESH_FROM_CLIENT = 4
    ONE_WAY_FROM_SERVER = 5
    REFRESH_FROM_SERVER = 6
    SERVER_ALERTED = 7


@dataclass(frozen=True, slots=True)
class ContentType:
    """A content type and its version: CTType and VerCT."""

    type: str
    version: str


@dataclass(frozen=True, slots=True)
class PropParam:
    """A parameter of a property; `values` are its ValEnum."""

    name: str
    data_type: str | None = None
    values: tuple[str, ...] = ()
    display_name: str | None = None


@dataclass(frozen=True, slots=True)
class Property:
    """A property of a content type; `max_size` in octets."""

    name: str
    data_type: str | None = None
    max_occur: int | None = None
    max_size: int | None = None
    no_truncate: bool = False
    values: tuple[str, ...] = ()
    display_name: str | None = None
    params: tuple[PropParam, ...] = ()


@dataclass(frozen=True, slots=True)
class CtCap:
    """The properties of one content type."""

    content_type: ContentType
    properties: tuple[Property, ...] = ()
    field_level: bool = False


@dataclass(frozen=True, slots=True)
class DsMem:
    """Limits of a datastore: octets, number of items."""

    max_mem: int | None = None
    max_id: int | None = None
    shared: bool = False


@dataclass(frozen=True, slots=True)
class FilterCap:
    """What a filter may ask of one content type, 1.2: names that are no property, properties."""

    content_type: ContentType
    keywords: tuple[str, ...] = ()
    properties: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DataStore:
    """A datastore of the device; `source_ref` is its relative address.

    `filters` are the grammars of filters that it takes, Filter-Rx, and `filter_caps` what they
    may ask, 1.2.
    """

    source_ref: str
    rx_pref: ContentType
    tx_pref: ContentType
    sync_types: tuple[int, ...]
    rx: tuple[ContentType, ...] = ()
    tx: tuple[ContentType, ...] = ()
    display_name: str | None = None
    max_guid_size: int | None = None
    mem: DsMem | None = None
    hierarchical: bool = False
    ct_caps: tuple[CtCap, ...] = ()
    filters: tuple[ContentType, ...] = ()
    filter_caps: tuple[FilterCap, ...] = ()


@dataclass(frozen=True, slots=True)
class Ext:
    """A vendor's own element: XNam and its XVal."""

    name: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DevInf:
    """The whole: `version` is VerDTD ("1.0", "1.1", "1.2"), `device_id` is DevID."""

    version: str
    device_id: str
    device_type: str
    datastores: tuple[DataStore, ...]
    manufacturer: str | None = None
    model: str | None = None
    oem: str | None = None
    firmware: str | None = None
    software: str | None = None
    hardware: str | None = None
    utc: bool = False
    large_objects: bool = False
    number_of_changes: bool = False
    ct_caps: tuple[CtCap, ...] = ()
    ext: tuple[Ext, ...] = ()

    def shorter(self) -> "DevInf":
        """Leave out the properties of content types, for a message that has no room for them."""
        stores = tuple([replace(each, ct_caps=()) for each in self.datastores])
        return replace(self, datastores=stores, ct_caps=())
