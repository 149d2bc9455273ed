"""Reports of cards as they arrive, by short message or by a channel: verified, kept, shown.

A report is taken once: its counter has to be above that of the last one under the same key set,
checked and moved under a lock on the card's row and committed with what the report says. Whatever
carrier brought it only says where to look for the keys; a key says whether it is true. What it
says of the terminal goes to the device with that IMEI, which is registered if nothing was known
of it.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from cardsync.errors import LocalError, PeerError
from cardsync.operator.journal import note
from cardsync.operator.store import devices
from cardsync.operator.store.cards import Cards
from cardsync.operator.store.database import Connection, Database
from cardsync.ota.report import GenuineReport, Report, ReportReason, read_report
from cardsync.ota.security import KeySet

_SHOWN = 160
"""Octets of a packet that was refused, in the log: ciphered, as it came."""
_LOG = logging.getLogger(__name__)
_RUNGS = ("native", "host", "bip", "sms", "ussd", "browser", "network")
"""By their numbers. docs/request-synchronization.md clause 14."""
_REASONS = {
    ReportReason.OTHER_TERMINAL: "other phone in this card",
    ReportReason.FALLBACK: "the terminal cannot synchronize",
    ReportReason.RULE: "a rule of the policy",
}


@dataclass(frozen=True, slots=True)
class Known:
    """All that a card has reported of its terminal, and when it did last."""

    imei: str | None
    language: str | None
    profile: bytes | None
    technology: int | None
    reported: datetime


@dataclass(frozen=True, slots=True)
class Received:
    """A report that was taken: by which carrier, under which counter, what it said."""

    counter: int
    received: datetime
    carrier: str
    reason: int
    imei: str | None
    language: str | None
    profile: bytes | None
    technology: int | None
    steps: int
    request: str
    policy: bytes
    octets: bytes
    """The report as the card wrote it."""


class Reports:
    """Takes the reports of cards."""

    def __init__(self, database: Database, cards: Cards) -> None:
        self._database = database
        self._cards = cards

    def take(self, iccid: str, packet: bytes, carrier: str, now: datetime) -> Report:
        """Take a report of a card; it is committed when we return.

        Raises `PeerError` for one of no card of ours, forged, replayed or unreadable: then
        nothing has changed, and the log says why, with the octets as they came.
        """
        try:
            return self._take(iccid, packet, carrier, now)
        except PeerError as error:
            octets = packet[:_SHOWN].hex().upper()
            _LOG.warning("a report by %s is passed over: %s; octets %s", carrier, error, octets)
            raise

    def _take(self, iccid: str, packet: bytes, carrier: str, now: datetime) -> Report:
        key_sets = self._key_sets(iccid)
        with self._database.transaction() as connection:
            # A synchronization locks its device before its card, and so do we; which device it
            # is the packet says, whose counter is checked once more under both locks.
            seen = read_report(packet, key_sets, _counters(connection, iccid))
            if seen.report.imei is not None:
                devices.lock(connection, _name(seen.report.imei))
            locked = connection.execute(
                "SELECT 1 FROM card WHERE iccid = %s FOR UPDATE", [iccid]
            ).fetchone()
            if locked is None:
                raise PeerError("the report is of no card of ours")
            found = read_report(packet, key_sets, _counters(connection, iccid))
            report = found.report
            _move(connection, iccid, found)
            _keep(connection, iccid, found, carrier, now)
            if report.imei is not None:
                _pair(connection, iccid, report.imei, now)
            note(connection, iccid, f"report by {carrier}: {describe(report)}", now, len(packet))
        return report

    def _key_sets(self, iccid: str) -> dict[int, KeySet]:
        card = self._cards.card_by_iccid(iccid)
        if card is None:
            raise PeerError("the report is of no card of ours")
        try:
            return {number: self._cards.key_set(iccid, number) for number in card.key_sets}
        except LocalError as exc:  # its keys went while we looked
            raise PeerError("the keys of the card are gone") from exc


def describe(report: Report) -> str:
    """Say for people what a report says; the identity of the terminal by its type alone."""
    parts = [_REASONS[report.reason]]
    parts += [f"request {report.request}"] if report.request else []
    parts += [f"TAC {report.imei[:8]}"] if report.imei else []
    parts += [f"language {report.language}"] if report.language else []
    steps = failed(report.steps)
    parts += [f"failed: {', '.join(steps)}"] if steps else []
    return "; ".join(parts)


def failed(steps: int) -> tuple[str, ...]:
    """Name the rungs that a report says have failed: bit n is rung n."""
    return tuple([name for number, name in enumerate(_RUNGS) if steps >> number & 1])


def reason(code: int) -> str:
    """Say why a card reported."""
    return _REASONS[ReportReason(code)]


def known(connection: Connection, iccid: str) -> Known | None:
    """Give what a card has reported, None if it never did."""
    with connection.cursor(row_factory=class_row(Known)) as cursor:
        return cursor.execute(
            "SELECT imei, language, profile, technology, reported FROM card_known WHERE iccid = %s",
            [iccid],
        ).fetchone()


def recent(connection: Connection, iccid: str, limit: int = 50) -> list[Received]:
    """Give the last reports of a card, the newest first."""
    with connection.cursor(row_factory=class_row(Received)) as cursor:
        return cursor.execute(
            "SELECT counter, received, carrier, reason, imei, language, profile, technology, "
            "steps, request, policy, octets FROM card_report WHERE iccid = %s "
            "ORDER BY counter DESC LIMIT %s",
            [iccid, limit],
        ).fetchall()


def forget(connection: Connection, before: datetime, cards: Sequence[object]) -> int:
    """Delete the reports of these cards older than `before`; give how many. What is known stays."""
    return connection.execute(
        "DELETE FROM card_report WHERE iccid = ANY(%s) AND received < %s", [list(cards), before]
    ).rowcount


def _counters(connection: Connection, iccid: str) -> dict[int, int]:
    rows = connection.execute(
        "SELECT version, report_counter FROM key_set WHERE iccid = %s", [iccid]
    ).fetchall()
    return {int(version): int(counter) for version, counter in rows}


def _move(connection: Connection, iccid: str, found: GenuineReport) -> None:
    connection.execute(
        "UPDATE key_set SET report_counter = %s WHERE iccid = %s AND version = %s",
        [found.counter, iccid, found.key_set_number],
    )


def _keep(
    connection: Connection, iccid: str, found: GenuineReport, carrier: str, now: datetime
) -> None:
    """Write the report, and what is known now.

    A counter comes a second time only after the card got other keys.
    """
    report = found.report
    said = {
        "iccid": iccid,
        "counter": found.counter,
        "now": now,
        "carrier": carrier,
        "reason": int(report.reason),
        "imei": report.imei,
        "language": report.language,
        "profile": report.profile,
        "technology": report.technology,
        "steps": report.steps,
        "request": report.request,
        "policy": report.policy,
        "octets": report.encode(),
    }
    connection.execute(_REPORT, said)
    connection.execute(_KNOWN, said)


_REPORT = """
INSERT INTO card_report VALUES (%(iccid)s, %(counter)s, %(now)s, %(carrier)s, %(reason)s,
    %(imei)s, %(language)s, %(profile)s, %(technology)s, %(steps)s, %(request)s, %(policy)s,
    %(octets)s)
ON CONFLICT (iccid, counter) DO UPDATE SET received = excluded.received,
    carrier = excluded.carrier, reason = excluded.reason, imei = excluded.imei,
    language = excluded.language, profile = excluded.profile, technology = excluded.technology,
    steps = excluded.steps, request = excluded.request, policy = excluded.policy,
    octets = excluded.octets"""

_KNOWN = """
INSERT INTO card_known VALUES (%(iccid)s, %(imei)s, %(language)s, %(profile)s, %(technology)s,
    %(now)s)
ON CONFLICT (iccid) DO UPDATE SET imei = coalesce(excluded.imei, card_known.imei),
    language = coalesce(excluded.language, card_known.language),
    profile = coalesce(excluded.profile, card_known.profile),
    technology = coalesce(excluded.technology, card_known.technology),
    reported = excluded.reported"""


def _name(imei: str) -> str:
    """Give the name under which a device synchronizes."""
    return f"IMEI:{imei}"


def _pair(connection: Connection, iccid: str, imei: str, now: datetime) -> None:
    """Note that the card is in the device with this IMEI, which may be new to us.

    The caller holds the lock of the device.
    """
    name = _name(imei)
    device_id = devices.find(connection, name)
    if device_id is None:
        device_id = devices.new_number(connection)
        devices.register(connection, device_id, name, now)
    devices.pair(connection, device_id, iccid, now)
