"""Cards: who they are, their keys, the counters given out, the tokens accepted.

Keys are sealed in the database and unsealed for one use. A counter is committed before it is
used: after any crash the next one is higher, so that a card never sees one twice.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from cardsync.errors import LocalError, PeerError
from cardsync.octets.semi import unswapped
from cardsync.operator.store.database import Connection, Database
from cardsync.operator.store.seal import MasterKey
from cardsync.ota.packet import HIGHEST_COUNTER
from cardsync.ota.security import Algorithm, Key, KeySet
from cardsync.ota.token import derive_token_key, parse_token, verify_token

TOKEN_WINDOW = timedelta(minutes=15)
"""How long the session that brought a token may show it again."""

_UNAUTHORIZED = 401  # SyncML status "Invalid credentials"
_SHAPES = {"iccid": r"\d{18,20}", "imsi": r"\d{6,15}", "msisdn": r"\+?\d{3,15}"}


@dataclass(frozen=True, slots=True)
class Card:
    """A card: ICCID and IMSI as digits, MSISDN as it is dialled; numbers of its key sets.

    `application` is the AID of the application that was loaded, in hexadecimal.
    """

    iccid: str
    imsi: str
    msisdn: str | None
    application: str | None
    application_version: str | None
    key_sets: tuple[int, ...]


class TokenUsed(PeerError):
    """A genuine token that came before, or that a later one has made void."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """Whose token was accepted, under which counter, and for which of the targets."""

    iccid: str
    target: str
    counter: int


class Cards:
    """The cards of an operator; each method is a transaction of its own."""

    def __init__(self, database: Database, master: MasterKey) -> None:
        self._database = database
        self.master = master

    def import_card(
        self,
        iccid: str,
        imsi: str,
        msisdn: str | None,
        key_sets: tuple[KeySet, ...],
        now: datetime,
    ) -> None:
        """Take a card in, or what is new about it; its counters go on.

        With other keys than before it counts as personalised anew: no token of it was accepted
        yet, nor a report under these keys. Raises `LocalError` for what is no ICCID, IMSI or
        MSISDN, and for an IMSI or an MSISDN that another card has.
        """
        for name, value in (("iccid", iccid), ("imsi", imsi), ("msisdn", msisdn)):
            if value is not None and not re.fullmatch(_SHAPES[name], value):
                raise LocalError(f"{value!r} is no {name.upper()}")
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT INTO card (iccid, imsi, msisdn, imported) VALUES (%s, %s, %s, %s) "
                "ON CONFLICT (iccid) DO UPDATE SET imsi = excluded.imsi, "
                "msisdn = excluded.msisdn",
                [iccid, imsi, msisdn, now],
            )
            for kind, ident in (("imsi", imsi), ("msisdn", msisdn)):
                if ident is not None:
                    _claim(connection, kind, ident, iccid)
            self._store_keys(connection, iccid, key_sets)

    def card_by_iccid(self, iccid: str) -> Card | None:
        """Find a card."""
        with self._database.transaction() as connection:
            return _card(connection, iccid)

    def card_by_msisdn(self, msisdn: str) -> Card | None:
        """Find the card that is called by a number."""
        with self._database.transaction() as connection:
            found = connection.execute(
                "SELECT iccid FROM card_ident WHERE kind = 'msisdn' AND ident = %s", [msisdn]
            ).fetchone()
            return _card(connection, found[0]) if found else None

    def iccids(self) -> list[str]:
        """Give the ICCID of every card, in ascending order."""
        with self._database.transaction() as connection:
            rows = connection.execute("SELECT iccid FROM card ORDER BY iccid").fetchall()
        return [row[0] for row in rows]

    def key_set(self, iccid: str, number: int) -> KeySet:
        """Unseal a key set for use. Raises `LocalError` if the card has none of that number."""
        with self._database.transaction() as connection:
            for key_set in self._key_sets(connection, iccid):
                if key_set.number == number:
                    return key_set
        raise LocalError(f"card {iccid} has no key set {number}")

    def next_counter(self, iccid: str, number: int) -> int:
        """Take the next counter of a key set, 1 to 2^40 - 1; it is committed when we return.

        Raises `LocalError` if there is no such key set or no counter left (TS 102 225 clause
        5.1.4: the card then needs new keys).
        """
        with self._database.transaction() as connection:
            row = connection.execute(
                "UPDATE key_set SET counter = counter + 1 "
                "WHERE iccid = %s AND version = %s AND counter < %s RETURNING counter",
                [iccid, number, HIGHEST_COUNTER],
            ).fetchone()
        if row is None:
            raise LocalError(f"card {iccid} has no key set {number} with a counter left")
        return int(row[0])

    def note_application(self, iccid: str, application: str | None, version: str | None) -> None:
        """Note which application, by its AID, is in a card, or that there is none."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE card SET application = %s, application_version = %s WHERE iccid = %s",
                [application, version, iccid],
            )

    def accept_token(
        self,
        connection: Connection,
        token: bytes,
        targets: Collection[str],
        session: str,
        now: datetime,
    ) -> Accepted:
        """Accept a card's one-time token for one of the target databases.

        It is accepted once; again only by the same `session` (a device's name and its SessionID)
        before `close_token`, within `TOKEN_WINDOW`: a device that lost its power begins the
        session anew, a message may be repeated with its credentials. It counts when the
        caller's transaction is committed. Raises `PeerError` (answer 401) for a token that is
        malformed, not genuine or of an unknown card, and `TokenUsed` for one that is used up.
        """
        iccid = unswapped(parse_token(token).iccid)
        known = connection.execute("SELECT 1 FROM card WHERE iccid = %s FOR UPDATE", [iccid])
        if known.fetchone() is None:
            raise PeerError("the token is of no card of ours", answer=_UNAUTHORIZED)
        counter, target = _verify(self._key_sets(connection, iccid), token, targets)
        last = connection.execute(
            "SELECT counter, session, accepted FROM card_token WHERE iccid = %s", [iccid]
        ).fetchone()
        if last and counter <= last[0]:
            same = (counter, session) == (last[0], last[1])
            if not same or now - last[2] > TOKEN_WINDOW:
                raise TokenUsed("the token was used already", answer=_UNAUTHORIZED)
            return Accepted(iccid, target, counter)
        connection.execute(
            "INSERT INTO card_token (iccid, counter, session, accepted) VALUES (%s, %s, %s, %s) "
            "ON CONFLICT (iccid) DO UPDATE SET counter = excluded.counter, "
            "session = excluded.session, accepted = excluded.accepted",
            [iccid, counter, session, now],
        )
        return Accepted(iccid, target, counter)

    def close_token(self, connection: Connection, iccid: str) -> None:
        """Note that the session of the last token is over: nobody may show it again."""
        connection.execute("UPDATE card_token SET session = NULL WHERE iccid = %s", [iccid])

    def _store_keys(self, connection: Connection, iccid: str, key_sets: tuple[KeySet, ...]) -> None:
        known = {key_set.number: key_set for key_set in self._key_sets(connection, iccid)}
        changed = [one for one in key_sets if known.get(one.number) != one]
        for key_set in changed:
            sealed = self.master.seal(_write(key_set), _owner(iccid, key_set.number))
            connection.execute(
                "INSERT INTO key_set (iccid, version, sealed) VALUES (%s, %s, %s) "
                "ON CONFLICT (iccid, version) DO UPDATE SET sealed = excluded.sealed, "
                "report_counter = 0",
                [iccid, key_set.number, sealed],
            )
        if changed:
            connection.execute("DELETE FROM card_token WHERE iccid = %s", [iccid])

    def _key_sets(self, connection: Connection, iccid: str) -> list[KeySet]:
        rows = connection.execute(
            "SELECT version, sealed FROM key_set WHERE iccid = %s ORDER BY version", [iccid]
        )
        return [
            _read(number, self.master.unseal(sealed, _owner(iccid, number)))
            for number, sealed in rows
        ]


def _verify(
    key_sets: Collection[KeySet], token: bytes, targets: Collection[str]
) -> tuple[int, str]:
    """Verify a token with whichever key set, for whichever target; give counter and target."""
    for key_set in key_sets:
        try:
            key = derive_token_key(key_set.kid.octets)
        except LocalError:
            continue  # too weak to derive from
        for target in targets:
            try:
                return verify_token(key, token, target), target
            except PeerError:
                continue  # made with another key or for another target, or not genuine
    raise PeerError("the token is not genuine", answer=_UNAUTHORIZED)


def _card(connection: Connection, iccid: str) -> Card | None:
    row = connection.execute(
        "SELECT imsi, msisdn, application, application_version FROM card WHERE iccid = %s", [iccid]
    ).fetchone()
    if row is None:
        return None
    numbers = connection.execute(
        "SELECT version FROM key_set WHERE iccid = %s ORDER BY version", [iccid]
    )
    imsi, msisdn, application, version = row
    key_sets = tuple([number for (number,) in numbers])
    return Card(iccid, imsi, msisdn, application, version, key_sets)


def _claim(connection: Connection, kind: str, ident: str, iccid: str) -> None:
    """Make an identity this card's own; it must be unique in the whole fleet."""
    connection.execute("DELETE FROM card_ident WHERE iccid = %s AND kind = %s", [iccid, kind])
    claimed = connection.execute(
        "INSERT INTO card_ident (kind, ident, iccid) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
        [kind, ident, iccid],
    )
    if claimed.rowcount == 0:
        raise LocalError(f"{kind.upper()} {ident} belongs to another card already")


def _owner(iccid: str, number: int) -> str:
    return f"key set {number} of card {iccid}"


def _write(key_set: KeySet) -> bytes:
    """Write both keys: algorithm, length, octets."""
    keys = (key_set.kic, key_set.kid)
    return b"".join([bytes([key.algorithm, len(key.octets)]) + key.octets for key in keys])


def _read(number: int, text: bytes) -> KeySet:
    end = 2 + text[1]
    kic = Key(Algorithm(text[0]), text[2:end])
    return KeySet(number, kic, Key(Algorithm(text[end]), text[end + 2 :]))
