"""What the application knows of the terminal and the network: the facts of its policy.

The card has no clock and no radio: it knows what the terminal answered (PROVIDE LOCAL
INFORMATION), what events told, what polls and timers counted, and what it kept of the last
success. Facts are named in docs/policy.md; a fact is a number of 16 bits or a few octets.
"""

from calendar import timegm
from hashlib import sha256

from cardsync.card.files import ADF_USIM, MF, cell
from cardsync.card.ladder import Terminal
from cardsync.card.memory import Memory
from cardsync.octets.reader import Reader
from cardsync.octets.semi import unswapped
from cardsync.toolkit import information
from cardsync.toolkit.commands import Part
from cardsync.toolkit.objects import DataObject
from cardsync.toolkit.profile import Feature, TerminalProfile

_LAST = "app:last"
_LAST_TIME = "app:last time"
_MARK = "app:mark"
_LARGEST = 0xFFFF
_DAY = 24 * 3600
_UNKNOWN_ZONE = 0xFF
_REMEMBERED = ("imei", "imeisv", "profile", "language", "network.mcc", "network.mnc",
               "network.technology", "network.roaming", "network.status")  # fmt: skip


class Knowledge:
    """The facts as they are now, and as they were at the last success."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._facts: dict[str, int | bytes] = {}
        self._now: float | None = None  # seconds since an age, if the terminal told the time
        self._connected = 0.0
        self._profile: TerminalProfile | None = None

    @property
    def imei(self) -> str | None:
        """The IMEI of the terminal, if it has told it."""
        digits = self._facts.get("imei")
        return digits.decode() if isinstance(digits, bytes) else None

    @property
    def language(self) -> str:
        """The language of the terminal, two letters; empty if it has not told it."""
        letters = self._facts.get("language")
        return letters.decode() if isinstance(letters, bytes) else ""

    @property
    def has_time(self) -> bool:
        """Say whether the terminal has told the time."""
        return self._now is not None

    @property
    def day(self) -> int:
        """The number of the day, 16 bits; 0 where the terminal has not told the time."""
        return int((self._now or 0) // _DAY) & _LARGEST

    @property
    def in_service(self) -> bool:
        """Say whether the network can be used, as far as is known. TS 102 223 clause 8.27."""
        return self._facts.get("network.status", 0) == 0

    @property
    def terminal(self) -> Terminal | None:
        """What kind of terminal this is, if it has told its IMEI.

        Its software is known by the profile, and by the last two digits of the IMEISV if it has
        told that.
        """
        imei, profile, imeisv = [self._facts.get(name) for name in ("imei", "profile", "imeisv")]
        if not isinstance(imei, bytes) or not isinstance(profile, bytes):
            return None
        version = imeisv[-2:] if isinstance(imeisv, bytes) else b""
        software = sha256(profile + version).digest()[:4]
        claims = self.claims(Feature.REQUEST_SYNCHRONIZATION)
        return Terminal(imei[:8].decode(), software, claims)

    def claims(self, feature: Feature) -> bool:
        """Say whether the terminal's profile has the bit."""
        return self._profile is not None and feature in self._profile

    def profile(self, profile: TerminalProfile) -> None:
        """Take the profile; as a fact it is eight octets of its hash."""
        self._profile = profile
        self._facts["profile"] = sha256(profile.octets).digest()[:8]

    def learn(self, parts: tuple[Part, ...]) -> None:
        """Take what a response or an event brought."""
        for part in parts:
            self._take(part.object)

    def _take(self, found: DataObject) -> None:
        match found:
            case information.Imei(digits):
                self._facts["imei"] = digits.encode()
            case information.Imeisv(digits):
                self._facts["imeisv"] = digits.encode()
            case information.BatteryState(code):
                self._facts["battery"] = code
            case information.Language(code):
                self._facts["language"] = code.encode()
            case information.LocationInformation(mcc, mnc):
                self._facts |= {"network.mcc": _number(mcc), "network.mnc": _number(mnc)}
                self._facts |= self._roaming(mcc, mnc)
            case information.LocationStatus(status):
                self._facts["network.status"] = status
                self._connected *= status == 0
            case information.AccessTechnology(technologies):
                self._facts["network.technology"] = technologies[0]
            case information.DateTime():
                self._now = _seconds(found)

    def _roaming(self, mcc: str, mnc: str) -> dict[str, int]:
        """Compare with the network in the IMSI, if the card has one. TS 31.102 clause 4.2.2."""
        imsi = unswapped(self._memory.read(cell(f"{MF}/{ADF_USIM}/6F07"))[1:])[1:]
        return {"network.roaming": int(not imsi.startswith(mcc + mnc))} if imsi else {}

    def passed(self, seconds: float) -> None:
        """Let time go by; while the terminal is in service it counts as connected."""
        if self._now is not None:
            self._now += seconds
        if self.in_service:
            self._connected += seconds

    def mark(self) -> None:
        """Remember the time at which the minutes were counted last."""
        if self._now is not None:
            self._memory.write(_MARK, int(self._now).to_bytes(5, "big"))

    def since_mark(self) -> int:
        """Give the minutes since `mark`, 0 if they cannot be known; a reset does not end them."""
        return self._since(_MARK) or 0

    def _since(self, name: str) -> int | None:
        then = self._memory.read(name)
        if not then or self._now is None:
            return None
        minutes = int(self._now - int.from_bytes(then, "big")) // 60
        return max(0, min(minutes, _LARGEST))

    def facts(self) -> dict[str, int | bytes]:
        """Give every fact that is known, with those of the last success as `last.*`."""
        known = dict(self._facts)
        known["connected_time"] = min(int(self._connected // 60), _LARGEST)
        if not self._memory.read(_LAST) and not self._memory.read(_LAST_TIME):
            known["since_last.synchronization"] = _LARGEST  # never: longer than any period
        elif (since := self._since(_LAST_TIME)) is not None:
            known["since_last.synchronization"] = since
        remembered = _decode(self._memory.read(_LAST))
        return known | {f"last.{name}": value for name, value in remembered.items()}

    def succeeded(self) -> None:
        """Remember what is true now as what was true at the last success."""
        kept = {name: self._facts[name] for name in _REMEMBERED if name in self._facts}
        self._memory.write(_LAST, _encode(kept))
        if self._now is not None:
            self._memory.write(_LAST_TIME, int(self._now).to_bytes(5, "big"))


def _number(digits: str) -> int:
    return int(digits) if digits.isdecimal() else 0


def _seconds(time: information.DateTime) -> int:
    """Give the time as seconds, of UTC where the zone is known.

    The zone is a number of quarters of an hour in swapped semi-octets, bit 4 its sign.
    TS 23.040 clause 9.2.3.11.
    """
    local = timegm((time.year, time.month, time.day, time.hour, time.minute, time.second))
    if time.zone == _UNKNOWN_ZONE:
        return local
    offset = 15 * 60 * ((time.zone & 0x07) * 10 + (time.zone >> 4))
    return local + offset if time.zone & 0x08 else local - offset


def _encode(facts: dict[str, int | bytes]) -> bytes:
    octets = b""
    for name, value in sorted(facts.items()):
        data = value.to_bytes(2, "big") if isinstance(value, int) else value
        label = name.encode()
        octets += bytes([len(label)]) + label + bytes([isinstance(value, int), len(data)]) + data
    return octets


def _decode(octets: bytes) -> dict[str, int | bytes]:
    reader, facts = Reader(octets), dict[str, int | bytes]()
    while len(reader):
        name = reader.octets(reader.uint8()).decode()
        is_number = reader.uint8()
        data = reader.octets(reader.uint8())
        facts[name] = int.from_bytes(data, "big") if is_number else data
    return facts
