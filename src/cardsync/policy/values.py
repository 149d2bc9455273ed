"""The values of which a policy and its program are made: requests, texts, rules, actions.

Code points are those of our command (docs/request-synchronization.md) where a value goes into
it, and the policy's own (docs/policy.md) elsewhere. Durations are whole minutes of 16 bits.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

LONGEST_DURATION = 45 * 24 * 60  # minutes; the largest sum of days that 16 bits hold
SHORTEST_PERIOD = 15  # minutes; each turn of a timer is written to non-volatile memory
MINUTES_A_DAY = 24 * 60
LARGEST_NUMBER = 0xFFFF


class ValueType(IntEnum):
    """What a fact, a parameter, a variable or a part of an expression is."""

    TRUTH = 1
    NUMBER = 2
    DURATION = 3
    TEXT = 4
    TECHNOLOGY = 5
    SERVICE = 6
    OCTETS = 7


class EventKind(IntEnum):
    """What the card can hear of."""

    PROFILE_DOWNLOAD = 1
    POLL = 2
    TIMER = 3
    MENU = 4
    MESSAGE = 5
    APPLICATION = 6
    LOCATION_STATUS = 7
    ACCESS_TECHNOLOGY_CHANGE = 8
    NETWORK_REJECTION = 9
    LANGUAGE_SELECTION = 10
    USER_ACTIVITY = 11
    IDLE_SCREEN = 12
    BROWSER_TERMINATION = 13
    DATA_AVAILABLE = 14
    CHANNEL_STATUS = 15
    DATA_CONNECTION_STATUS = 16
    IMS_REGISTRATION = 17
    SYNCHRONIZED = 18
    REFUSED = 19


class Rung(IntEnum):
    """The means that stand in where the terminal has no native command. Draft clause 7."""

    HOST = 1
    BIP = 2
    SMS = 3
    USSD = 4
    BROWSER = 5
    NETWORK = 6


class DeviceType(IntEnum):
    """Device identifiers of the source and target database objects. Draft clause 2."""

    TERMINAL = 0
    IMEI = 1
    IMEISV = 2
    ICCID = 3
    URI = 4
    EID = 6


DEVICE_WORDS = {
    "terminal": DeviceType.TERMINAL,
    "imei": DeviceType.IMEI,
    "imeisv": DeviceType.IMEISV,
    "iccid": DeviceType.ICCID,
    "eid": DeviceType.EID,
}


class DatabaseType(IntEnum):
    """Database identifiers of the source and target database objects. Draft clause 2."""

    URI = 1
    UICC_FILE = 2
    AID = 3


_SHAPES = {
    DatabaseType.UICC_FILE: re.compile("file:(3[fF]00|7[fF]{3})([0-9a-fA-F]{4}){1,5}"),
    DatabaseType.AID: re.compile("aid:([0-9a-fA-F]{2}){5,16}"),
}
"""How those are written that are no URI."""


@dataclass(frozen=True, slots=True)
class Database:
    """A device and a database of it.

    The device is a word of `DEVICE_WORDS` or a URI. The database is a URI, `file:` and a path from
    the MF (`3F00`) or the application (`7FFF`), or `aid:` and an AID, both in hexadecimal digits.
    """

    device: str
    database: str

    @property
    def device_type(self) -> DeviceType:
        """How `device` is to be written in the command."""
        return DEVICE_WORDS.get(self.device, DeviceType.URI)

    @property
    def identifier(self) -> tuple[DatabaseType, bytes]:
        """How `database` is to be written in the command: its type and its octets."""
        for kind, shape in _SHAPES.items():
            if shape.fullmatch(self.database):
                return kind, bytes.fromhex(self.database.partition(":")[2])
        return DatabaseType.URI, self.database.encode()


@dataclass(frozen=True, slots=True)
class Retry:
    """How often, and how long between; the n-th delay is `first` times `backoff` to the n - 1.

    `attempts` 1 to 15 in all, `first` 1 to 255 minutes, `backoff` 1, 2, 4 or 8,
    `jitter` 0 to 100 percent of the delay.
    """

    attempts: int
    first: int
    backoff: int
    jitter: int

    def __post_init__(self) -> None:
        if not (1 <= self.attempts <= 15 and 1 <= self.first <= 255):
            raise ValueError(f"retry of {self.attempts} attempts after {self.first} minutes")
        if self.backoff not in (1, 2, 4, 8) or not 0 <= self.jitter <= 100:
            raise ValueError(f"retry with backoff {self.backoff} and jitter {self.jitter} %")

    @property
    def shift(self) -> int:
        """The back-off as the command carries it: each delay is shifted so far to the left."""
        return self.backoff.bit_length() - 1


@dataclass(frozen=True, slots=True)
class Request:
    """A synchronization that can be ordered; `${parameter}` may stand in its databases.

    `version` is two BCD digits in one octet, `transports` are in the order of preference,
    `type` is a SyncML alert code or 0, bit 0 of `categories` is b1 of the category mask,
    `notify` is 0, 1 or 2, `progress` counts tens of seconds (0 without notify 2),
    `duration` is 0 (the terminal's own limit) to 255 minutes.
    """

    name: str
    protocol: int
    version: int
    representation: int
    transports: tuple[int, ...]
    type: int
    source: Database
    target: Database
    categories: int
    notify: int = 0
    progress: int = 0
    fallback: tuple[Rung, ...] = ()
    retry: Retry | None = None
    duration: int = 0


@dataclass(frozen=True, slots=True)
class ResolvedRequest(Request):
    """A request in which every `${parameter}` has been replaced by its current value."""


@dataclass(frozen=True, slots=True)
class Text:
    """A text for the user, and its translations by language (two letters of ISO 639)."""

    default: str
    translations: tuple[tuple[str, str], ...] = ()

    @property
    def all(self) -> tuple[str, ...]:
        """Every form of the text."""
        return (self.default, *(text for _, text in self.translations))

    def in_language(self, language: str) -> str:
        """Give the form for `language`, the default where there is none."""
        for code, text in self.translations:
            if code == language:
                return text
        return self.default


NOWHERE = "-"
"""The value of a parameter `report_*` that says that there is nowhere to report to yet."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """What the operator may change over the air; TEXT has a `str`, other types an `int`."""

    name: str
    type: ValueType
    default: int | str


@dataclass(frozen=True, slots=True)
class Variable:
    """What the card remembers between events: TRUTH, NUMBER or DURATION, 16 bits."""

    name: str
    type: ValueType
    default: int


@dataclass(frozen=True, slots=True)
class Limits:
    """What the card will not exceed in a day of counted minutes; each 0 to 255."""

    synchronizations_per_day: int = 6
    sms_per_day: int = 2


@dataclass(frozen=True, slots=True)
class DoSynchronize:
    """Order the request of this name, after the user agreed to `ask` if there is one."""

    request: str
    ask: Text | None = None


@dataclass(frozen=True, slots=True)
class DoTell:
    """Show the user a text."""

    text: Text


@dataclass(frozen=True, slots=True)
class DoReport:
    """Let the card speak for itself, by one of `REPORT_MEANS`."""

    means: Rung


@dataclass(frozen=True, slots=True)
class DoBrowse:
    """Open this address in the terminal's browser."""

    url: str


@dataclass(frozen=True, slots=True)
class DoSet:
    """Give a variable the value that `code` leaves on the stack."""

    variable: str
    code: bytes


@dataclass(frozen=True, slots=True)
class DoTimer:
    """Start a named timer: `after` is minutes, 0 to stop it, or the name of a parameter."""

    timer: str
    after: int | str


@dataclass(frozen=True, slots=True)
class DoMenu:
    """Show or hide the menu entry with this default text."""

    item: str
    shown: bool


Action = DoSynchronize | DoTell | DoReport | DoBrowse | DoSet | DoTimer | DoMenu

REPORT_MEANS = (Rung.BIP, Rung.SMS, Rung.USSD)


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a program: it is tried at `event` and fires if `condition` leaves true.

    `argument` is the menu's default text, the message's name, the octets of an AID, the timer's
    name or the request's name, None where the event has none. `every` is a period in minutes or
    the name of a parameter, for a timer without a name. No condition is an empty one.
    """

    name: str
    event: EventKind
    argument: str | bytes | None
    every: int | str | None
    condition: bytes
    actions: tuple[Action, ...]


def minutes_of(period: int | str, values: Mapping[str, int | str]) -> int:
    """Give a duration that stands there, or that a parameter has."""
    return int(values[period]) if isinstance(period, str) else period
