"""SyncML sessions between two messages, and the log of what became of them.

A session is found by a key of ours that only its peer has heard, in RespURI. Its last reply is
kept with the digest of the message that it answers: that message again gets that reply again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cardsync.operator.store.database import Connection
from cardsync.syncml.state import DatabaseState

RETENTION = timedelta(days=1)
"""How long a session may rest before its row is removed."""


@dataclass(frozen=True, slots=True)
class Session:
    """A session as it was after its last message. `allowed` is the only database, if one is."""

    device_id: int
    key: str
    peer: str
    peer_session: str
    state: bytes
    message: int
    digest: str
    reply: bytes
    content_type: str
    iccid: str | None
    allowed: str | None
    started: datetime


_FIELDS = (
    "device_id, session_key, peer, peer_session, state, message, digest, reply, content_type, "
    "iccid, allowed, started"
)


def load(connection: Connection, device_id: int, key: str, peer: str) -> Session | None:
    """Find the session of a peer by its key."""
    row = connection.execute(
        f"SELECT {_FIELDS} FROM sync_session "  # noqa: S608 - constants of this file
        "WHERE device_id = %s AND session_key = %s AND peer = %s".encode(),
        [device_id, key, peer],
    ).fetchone()
    return Session(*row) if row else None


def repeated(
    connection: Connection, device_id: int, peer_session: str, message: int, digest: str
) -> Session | None:
    """Find the session whose last message was this very one."""
    row = connection.execute(
        f"SELECT {_FIELDS} FROM sync_session "  # noqa: S608 - constants of this file
        "WHERE device_id = %s AND peer_session = %s AND message = %s AND digest = %s "
        "ORDER BY updated DESC LIMIT 1".encode(),
        [device_id, peer_session, message, digest],
    ).fetchone()
    return Session(*row) if row else None


def last(connection: Connection, device_id: int) -> bytes | None:
    """Read the state of a device's last session."""
    row = connection.execute(
        "SELECT state FROM sync_session WHERE device_id = %s ORDER BY updated DESC LIMIT 1",
        [device_id],
    ).fetchone()
    return bytes(row[0]) if row else None


def save(connection: Connection, session: Session, now: datetime) -> None:
    """Keep a session; with its first message, remove those of the device that rest too long."""
    if session.started == now:
        connection.execute(
            "DELETE FROM sync_session WHERE device_id = %s AND updated < %s",
            [session.device_id, now - RETENTION],
        )
    connection.execute(
        f"INSERT INTO sync_session ({_FIELDS}, updated) "  # noqa: S608 - constants of this file
        "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) "
        "ON CONFLICT (device_id, session_key) DO UPDATE SET state = excluded.state, "
        "message = excluded.message, digest = excluded.digest, reply = excluded.reply, "
        "content_type = excluded.content_type, iccid = excluded.iccid, "
        "allowed = excluded.allowed, updated = excluded.updated".encode(),
        [
            *(session.device_id, session.key, session.peer, session.peer_session),
            *(session.state, session.message, session.digest, session.reply, session.content_type),
            *(session.iccid, session.allowed, session.started, now),
        ],
    )


def forget(connection: Connection, before: datetime, devices: Sequence[object]) -> int:
    """Delete the sessions of these devices that rest since before a time; give their number."""
    return connection.execute(
        "DELETE FROM sync_session WHERE device_id = ANY(%s) AND updated < %s",
        [list(devices), before],
    ).rowcount


def forget_log(connection: Connection, before: datetime, devices: Sequence[object]) -> int:
    """Delete what the log has of sessions that began before a time; give how many entries."""
    return connection.execute(
        "DELETE FROM sync_log WHERE device_id = ANY(%s) AND started < %s", [list(devices), before]
    ).rowcount


@dataclass(frozen=True, slots=True)
class LogEntry:
    """What became of one database in one session; `result` is None while it is under way."""

    database: str
    iccid: str | None
    asked: int
    performed: int
    result: int | None
    started: datetime
    finished: datetime | None
    messages: int
    octets_in: int
    octets_out: int
    added: int
    replaced: int
    deleted: int
    sent: int
    failed: int
    written: int


def log_message(
    connection: Connection,
    session: Session,
    databases: Sequence[tuple[DatabaseState, int]],
    octets_in: int,
    now: datetime,
    *,
    finished: bool,
) -> None:
    """Bring the log up to date after one message; with each database, what was written of it."""
    for state, written in databases:
        connection.execute(
            "INSERT INTO sync_log AS l (device_id, session_key, database, iccid, asked, "
            "performed, result, started, finished, messages, octets_in, octets_out, added, "
            "replaced, deleted, sent, failed, written) VALUES (%(device)s, %(key)s, "
            "%(database)s, %(iccid)s, %(asked)s, %(performed)s, %(result)s, %(started)s, "
            "%(finished)s, 1, %(in)s, %(out)s, %(added)s, %(replaced)s, %(deleted)s, %(sent)s, "
            "%(failed)s, %(written)s) ON CONFLICT (device_id, session_key, database) "
            "DO UPDATE SET result = excluded.result, finished = excluded.finished, "
            "performed = excluded.performed, messages = l.messages + 1, "
            "octets_in = l.octets_in + excluded.octets_in, "
            "octets_out = l.octets_out + excluded.octets_out, added = excluded.added, "
            "replaced = excluded.replaced, deleted = excluded.deleted, sent = excluded.sent, "
            "failed = excluded.failed, written = l.written + excluded.written",
            {
                "device": session.device_id,
                "key": session.key,
                "iccid": session.iccid,
                "started": session.started,
                "finished": now if finished else None,
                "result": int(state.status) if finished else None,
                "in": octets_in,
                "out": len(session.reply),
                "written": written,
            }
            | _told(state),
        )


def _told(state: DatabaseState) -> dict[str, object]:
    """Give what the session itself counts."""
    return {
        "database": state.name.removeprefix("./"),
        "asked": int(state.asked),
        "performed": int(state.kind),
        "added": state.received.added,
        "replaced": state.received.replaced,
        "deleted": state.received.deleted,
        "sent": state.sent.total,
        "failed": state.missing,
    }


def log(connection: Connection, device_id: int, limit: int) -> list[LogEntry]:
    """Read the log of a device, the newest first."""
    rows = connection.execute(
        "SELECT database, iccid, asked, performed, result, started, finished, messages, "
        "octets_in, octets_out, added, replaced, deleted, sent, failed, written FROM sync_log "
        "WHERE device_id = %s ORDER BY started DESC, database LIMIT %s",
        [device_id, limit],
    )
    return [LogEntry(*row) for row in rows]
