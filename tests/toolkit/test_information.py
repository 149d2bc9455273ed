"""What the terminal tells of itself. TS 102 223 clauses 8.19, 8.20, 8.27, 8.38, 8.39, 8.61."""

from datetime import date, time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardsync.errors import PeerError
from cardsync.toolkit.codes import AccessTechnologyCode, Battery, TimeUnit
from cardsync.toolkit.data_object import DataObject
from cardsync.toolkit.information import (
    AccessTechnology,
    BatteryState,
    DateTime,
    Esn,
    Imei,
    Imeisv,
    Language,
    LocationInformation,
    LocationStatus,
    SupportedRadioAccessTechnologies,
    TimingAdvance,
    zone_of,
)
from cardsync.toolkit.network import PlmnList, TrackingAreaIdentification
from cardsync.toolkit.objects import Duration, TimerIdentifier, TimerValue

OBJECTS: list[tuple[str, DataObject]] = [
    ("930700F11000010001", LocationInformation("001", "01", bytes.fromhex("00010001"))),
    ("93070011100001 0001", LocationInformation("001", "011", bytes.fromhex("00010001"))),
    ("930913 006200010000001F", LocationInformation("310", "260", bytes.fromhex("00010000001F"))),
    ("9303FFFFFF", LocationInformation("FFF", "FF")),
    ("94081A32547698103254", Imei("123456789012345")),
    ("E209 13325476981032 54F6", Imeisv("1234567890123456")),
    ("A607205070418071FF", DateTime(2002, 5, 7, 14, 8, 17)),
    ("A607 52112232548008", DateTime(2025, 11, 22, 23, 45, 8, 0x08)),
    ("9B0101", LocationStatus(1)),
    ("AD027365", Language("se")),
    ("AE020000", TimingAdvance(0, 0)),
    ("BF0108", AccessTechnology((AccessTechnologyCode.E_UTRAN,))),
    ("BF02080A", AccessTechnology((8, 10))),
    ("B40408000A01", SupportedRadioAccessTechnologies(((8, 0), (10, 1)))),
    ("C60401020304", Esn(b"\1\2\3\4")),
    ("E30104", BatteryState(Battery.FULL)),
    ("FD0500F1100001", TrackingAreaIdentification("001", "01", b"\0\1")),
    ("F90600F110130062", PlmnList((("001", "01"), ("310", "260")))),
    ("84020114", Duration(TimeUnit.SECONDS, 20)),
    ("A40108", TimerIdentifier(8)),
    ("A503329595", TimerValue(86_399)),
    ("A503420000", TimerValue(86_400)),
]


@pytest.mark.parametrize(("text", "built"), OBJECTS, ids=lambda one: str(one)[:30])
def test_an_object_both_ways(text: str, built: DataObject) -> None:
    """TS 31.124 clauses 27.22.4.15 and 27.22.4.21 where it has them."""
    octets = bytes.fromhex(text.replace(" ", ""))

    assert built == type(built).read(octets[2:])
    assert octets == built.encode()


REFUSED: list[tuple[type[DataObject], str]] = [
    (LocationInformation, "00F1"),
    (Imei, "1332547698103254"),
    (Imei, "0A3254769810F2"),
    (Imei, "1A32547698103A54"),
    (Imeisv, "1332547698103254F6"[:-2]),
    (Imeisv, "1432547698103254F6"),
    (DateTime, "2070504180 71"),
    (DateTime, "20 F0 50 41 80 71 FF"),
    (DateTime, "20 31 50 41 80 71 FF"),
    (DateTime, "20 70 00 41 80 71 FF"),
    (DateTime, "20 70 50 42 80 71 FF"),
    (DateTime, "20 70 50 41 06 71 FF"),
    (DateTime, "20 70 50 41 80 06 FF"),
    (DateTime, "20 50 70 41 80 71 AA"),
    (LocationStatus, "03"),
    (Language, "73"),
    (Language, "7380"),
    (AccessTechnology, ""),
    (SupportedRadioAccessTechnologies, "080008"),
    (PlmnList, "00F11000"),
    (Duration, "0400"),
    (TimerIdentifier, "09"),
    (TimerValue, "000600"),
    (TimerValue, "000006"),
    (TimerValue, "421000"),
    (TimerValue, "0000"),
]


@pytest.mark.parametrize(("kind", "octets"), REFUSED)
def test_an_object_that_is_none(kind: type[DataObject], octets: str) -> None:
    """What has no meaning is refused, and what would lose octets too."""
    with pytest.raises((ValueError, PeerError)):
        kind.read(bytes.fromhex(octets.replace(" ", "")))


def test_three_digits_of_a_network_code() -> None:
    """The third digit of MNC stands beside that of MCC. TS 24.008 clause 10.5.1.3."""
    assert bytes.fromhex("130062") == LocationInformation("310", "260").value()
    assert bytes.fromhex("62F220") == LocationInformation("262", "02").value()
    for mcc, mnc in (("26", "02"), ("262", "2"), ("262", "0022")):
        with pytest.raises(ValueError, match="number of digits"):
            LocationInformation(mcc, mnc)
        with pytest.raises(ValueError, match="number of digits"):
            TrackingAreaIdentification(mcc, mnc, b"")


@pytest.mark.parametrize(("zone", "minutes"), [(0x00, 0), (0x80, 120), (0x4A, -360), (0x22, 330)])
def test_time_zones(zone: int, minutes: int) -> None:
    """Quarters of an hour in semi-octets, bit 4 the west. TS 23.040 clause 9.2.3.11."""
    assert minutes == DateTime(2025, 1, 1, 0, 0, 0, zone).offset
    assert zone == zone_of(minutes)


def test_a_time_zone_that_is_not_known_or_none() -> None:
    """FF says nothing; beyond 79 quarters nothing can be said."""
    assert DateTime(2025, 1, 1, 0, 0, 0).offset is None
    with pytest.raises(ValueError, match="quarters"):
        zone_of(1200)


@given(st.integers(0, 86_400))
def test_any_time_of_a_timer(seconds: int) -> None:
    """Hours, minutes, seconds as semi-octets. Clause 8.38."""
    assert seconds == TimerValue.read(TimerValue(seconds).value()).seconds


@given(st.dates(date(2000, 1, 1), date(2099, 12, 31)), st.times())
def test_any_local_time(day: date, time: time) -> None:
    """Each second of the century. Clause 8.39."""
    told = DateTime(day.year, day.month, day.day, time.hour, time.minute, time.second)

    assert told == DateTime.read(told.value())


def test_lengths_of_time() -> None:
    """Minutes, seconds, tenths. Clause 8.8."""
    lengths = [Duration(unit, 5).seconds for unit in TimeUnit]

    assert [300.0, 5.0, 0.5] == lengths
    for interval in (0, 256):
        with pytest.raises(ValueError, match="interval"):
            Duration(TimeUnit.SECONDS, interval)
