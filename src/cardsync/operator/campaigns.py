"""Campaigns: what is wanted of each card becomes rows of the outbox, and proofs become knowledge.

A card's row says what is wanted of it and what it is known to have, the latter by proofs of
receipt alone. What is missing is planned against what the card will have when all that is owed
to it is done: the same wish, said twice, is enqueued once. Functions work in the transaction of
their caller.

When the answer to a packet is lost for good, what the card has is not guessed: it is UNKNOWN, and
what leads from there to the wish is sent again, at most `MOST_FAILURES` times in a row.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum

from psycopg.types.json import Jsonb

from cardsync.errors import ConfigError, PeerError
from cardsync.octets.apdu import SW, Ins
from cardsync.operator import outbox
from cardsync.operator.content import UNKNOWN, Artifact, Content, plan
from cardsync.operator.outbox import Order, Row
from cardsync.operator.store.database import Connection
from cardsync.ota.application import (
    APPLICATION_TAR,
    INSTANCE_AID,
    ISSUER_DOMAIN_TAR,
    ApplicationImage,
    Trigger,
)
from cardsync.ota.packet import ResponseStatus
from cardsync.ota.script import CompactResponse, decode_compact
from cardsync.ota.session import ProofOfReceipt
from cardsync.policy.bound import CardLimits
from cardsync.policy.compiler import compile_policy
from cardsync.policy.faults import ProgramRefused
from cardsync.policy.machine import Machine
from cardsync.policy.program import Program
from cardsync.policy.source import read

LIFETIME = timedelta(days=7)
TRIGGER_LIFETIME = timedelta(hours=1)
MOST_FAILURES = 3

_REFUSALS: Mapping[int, str] = {
    SW.INCORRECT_DATA: "what it was sent is not valid or more than it can do",
    SW.NOT_ENOUGH_MEMORY: "it has no room",
    SW.REFERENCED_DATA_NOT_FOUND: "what is meant is not in it",
    SW.CONDITIONS_NOT_SATISFIED: "not in the state that it is in",
    SW.SECURITY_NOT_SATISFIED: "we have no right to it",
    SW.INCORRECT_P1_P2: "a piece is missing or out of turn",
    SW.INS_NOT_SUPPORTED: "it does not know the command",
}
"""Why a card refuses. GlobalPlatform 2.3 clause 11.1.3."""
_EXECUTED = {0x90, 0x91, 0x61}  # 91: executed, and a proactive command waits


@dataclass(frozen=True, slots=True)
class CardContent:
    """What a card shall have and what it is known to have; failures since it was complete."""

    wanted: Content
    known: Content
    failures: int

    @property
    def is_complete(self) -> bool:
        """Whether the card has all that is wanted."""
        known = self.known
        return (known.application, known.policy) == (
            self.wanted.application,
            self.wanted.policy,
        ) and self.wanted.parameters.items() <= known.parameters.items()


def publish_image(connection: Connection, image: ApplicationImage, now: datetime) -> str:
    """Keep an image of the application; give its digest."""
    version = ".".join(str(part) for part in image.version)
    return _publish(connection, Artifact(image.name, version, image.encode()), now)


def publish_policy(
    connection: Connection,
    text: str,
    filename: str,
    now: datetime,
    limits: CardLimits | None = None,
) -> str:
    """Compile a policy and keep its program; give its digest. Raises `PolicyError`.

    `limits` are those of the cards, where they are not the usual ones.
    """
    program = compile_policy(read(text, filename), limits)
    return _publish(connection, Artifact(program.name, str(program.version), program.encode()), now)


def _publish(connection: Connection, artifact: Artifact, now: datetime) -> str:
    connection.execute(
        "INSERT INTO artifact (digest, name, version, data, created) "
        "VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
        [artifact.digest, artifact.name, artifact.version, artifact.data, now],
    )
    return artifact.digest


def artifact(connection: Connection, digest: str) -> Artifact:
    """Give an image or a program by its digest; raise `ConfigError` if it was never published."""
    row = connection.execute(
        "SELECT name, version, data FROM artifact WHERE digest = %s", [digest]
    ).fetchone()
    if row is None:
        raise ConfigError(f"nothing with the digest {digest} was published; publish it first")
    return Artifact(*row)


def parameter_names(connection: Connection, policy: str) -> frozenset[str]:
    """Give the names of a policy's parameters, by its digest."""
    program = Program.decode(artifact(connection, policy).data)
    return frozenset(one.name for one in program.parameters)


def content(connection: Connection, iccid: str) -> CardContent:
    """Give what a card shall have and has."""
    row = connection.execute(
        "SELECT wanted, known, failures FROM card_content WHERE iccid = %s", [iccid]
    ).fetchone()
    if row is None:
        return CardContent(Content(), Content(), 0)
    return CardContent(Content.read(row[0]), Content.read(row[1]), row[2])


def may_have_policy(connection: Connection, iccid: str) -> bool:
    """Say whether a policy may run in a card: one that it has, or that has left for it."""
    if content(connection, iccid).known.policy is not None:
        return True
    under_way = [row for row in outbox.unfinished(connection, iccid) if row.may_have_arrived]
    return any(row.content and Content.read(row.content).policy for row in under_way)


def _locked(connection: Connection, iccid: str) -> CardContent:
    """Give the same; nobody else changes it before the transaction ends."""
    connection.execute("SELECT 1 FROM card_content WHERE iccid = %s FOR UPDATE", [iccid])
    return content(connection, iccid)


def want(
    connection: Connection,
    iccid: str,
    now: datetime,
    *,
    application: str | None = None,
    policy: str | None = None,
    parameters: Mapping[str, str] | None = None,
) -> list[int]:
    """Want a card to have these, by digest, beside what was wanted; give the new rows' numbers.

    Parameters are added to those wanted before; those that a new policy has not are dropped.
    Raises `ConfigError` for what was not published and for parameters that the policy refuses.
    """
    connection.execute(
        "INSERT INTO card_content (iccid) VALUES (%s) ON CONFLICT DO NOTHING", [iccid]
    )
    card = _locked(connection, iccid)
    wanted = replace(
        card.wanted,
        application=application or card.wanted.application,
        policy=policy or card.wanted.policy,
    )
    wanted = replace(wanted, parameters=_parameters(connection, wanted, parameters or {}))
    if wanted.application is None:
        raise ConfigError(f"card {iccid} has no application for a policy; want one too")
    _save(connection, iccid, replace(card, wanted=wanted, failures=0))
    return enqueue(connection, iccid, now)


def _parameters(
    connection: Connection, wanted: Content, more: Mapping[str, str]
) -> Mapping[str, str]:
    """Give the parameters wanted under the policy wanted."""
    if wanted.policy is None:
        if more:
            raise ConfigError("parameters are those of a policy; want one too")
        return {}
    machine = Machine(Program.decode(artifact(connection, wanted.policy).data))
    names = dict(machine.state.layout.parameters)
    for name, text in more.items():
        try:
            machine = machine.at(machine.with_parameter(name, text))
        except ProgramRefused as error:
            raise ConfigError(str(error)) from error
    kept = {name: text for name, text in wanted.parameters.items() if name in names}
    return {**kept, **more}


def enqueue(connection: Connection, iccid: str, now: datetime) -> list[int]:
    """Owe a card what it lacks; give the numbers of the new rows, none if nothing is missing.

    What never left and is wanted no more is withdrawn.
    """
    card = _locked(connection, iccid)
    needed = [digest for digest in (card.wanted.application, card.wanted.policy) if digest]
    artifacts = {digest: artifact(connection, digest) for digest in needed}
    if not plan(_expected(connection, iccid, card), card.wanted, artifacts):
        return []
    outbox.withdraw(connection, iccid, now, "superseded")
    steps = plan(_expected(connection, iccid, card), card.wanted, artifacts)
    orders = [
        Order(
            iccid,
            step.purpose,
            step.tar,
            step.data,
            now + LIFETIME,
            repeatable=step.repeatable,
            content=step.after.write(),
        )
        for step in steps
    ]
    return outbox.enqueue(connection, orders, now)


def _expected(connection: Connection, iccid: str, card: CardContent) -> Content:
    """Give what the card has when all that is owed to it is done."""
    owed = [row.content for row in outbox.unfinished(connection, iccid) if row.content is not None]
    return Content.read(owed[-1]) if owed else card.known


def trigger(
    connection: Connection,
    iccid: str,
    name: str,
    now: datetime,
    lifetime: timedelta = TRIGGER_LIFETIME,
) -> list[int]:
    """Owe a card a message by name, such as `sync-now`, unless the same is owed already."""
    order = Order(
        iccid,
        name,
        APPLICATION_TAR,
        Trigger(name).encode(),
        now + lifetime,
        once=f"trigger:{name}",
    )
    return outbox.enqueue(connection, [order], now)


class Verdict(Enum):
    """What follows from the answer to a packet, or from its lack."""

    DONE = "done"
    AGAIN = "again under another counter"
    REFUSED = "not executed: the card has what it had"
    UNCERTAIN = "executed, in part or not at all"
    MISSING = "the application is not in the card"


def judge(row: Row, proof: ProofOfReceipt | None) -> tuple[Verdict, str]:
    """Say what follows, and the reason for people; `proof` is None where none came in time."""
    if proof is None:
        if row.may_have_arrived:
            return Verdict.UNCERTAIN, "no proof of receipt"
        return Verdict.REFUSED, "expired before it was sent"
    if proof.authenticated and proof.status is ResponseStatus.OK:
        is_script = row.tar == ISSUER_DOMAIN_TAR
        return _judge_script(row, proof.data) if is_script else (Verdict.DONE, "")
    reason = f"response status {proof.status:02X} {proof.status.name}"
    if not proof.authenticated:
        return Verdict.UNCERTAIN, f"{reason}, not proved"
    return _judge_refusal(row, proof.status), reason


def _judge_refusal(row: Row, status: ResponseStatus) -> Verdict:
    if status is ResponseStatus.TAR_UNKNOWN and row.tar == APPLICATION_TAR:
        return Verdict.MISSING
    return _judge_repetition(row) if status is ResponseStatus.COUNTER_LOW else Verdict.REFUSED


def _judge_repetition(row: Row) -> Verdict:
    """Judge "counter low": received before, as a rule, and the answer is lost."""
    if row.tries >= outbox.MOST_TRIES:
        return Verdict.UNCERTAIN
    if row.repeatable:
        return Verdict.AGAIN
    # A message that was sent twice was taken once. One that was sent once was taken, and doubled
    # by the network, or was not: the card's counter may be ahead of ours.
    return Verdict.DONE if row.content is None and row.tries > 1 else Verdict.UNCERTAIN


def _judge_script(row: Row, data: bytes) -> tuple[Verdict, str]:
    """Judge a compact script by its response. TS 102 226 clause 5.1.2."""
    commands = decode_compact(row.data)
    try:
        response = CompactResponse.decode(data)
    except PeerError:
        return Verdict.UNCERTAIN, "an answer that is no response to a script"
    last = commands[min(response.executed, len(commands)) - 1]
    if response.executed == len(commands) and response.sw >> 8 in _EXECUTED:
        return Verdict.DONE, ""
    place = f"command {response.executed} of {len(commands)}"
    reason = f"{_refusal(response.sw)} (status word {response.sw:04X} for {place})"
    if response.sw == SW.REFERENCED_DATA_NOT_FOUND and last.ins == Ins.DELETE:
        return Verdict.DONE, ""
    if response.sw == SW.REFERENCED_DATA_NOT_FOUND and response.executed == 1:
        return Verdict.MISSING, reason  # INSTALL [for personalization] finds nobody
    if not row.repeatable:
        return Verdict.UNCERTAIN, reason
    # Each command is whole or not at all, and a policy comes with the last: the old one runs.
    return Verdict.REFUSED, f"{reason}; what it had before goes on"


def _refusal(sw: int) -> str:
    """Say in words why a card does not do a command."""
    return f"the card refuses: {_REFUSALS.get(sw, 'it gives no other reason')}"


def settle(
    connection: Connection, row: Row, proof: ProofOfReceipt | None, now: datetime
) -> tuple[Verdict, str]:
    """End a row that is locked, or let it begin anew, and learn from it what the card has."""
    verdict, reason = judge(row, proof)
    if verdict is Verdict.AGAIN:
        outbox.again(connection, row, now)
        return verdict, reason
    conclude(connection, row, verdict, reason, now, proof)
    return verdict, reason


def conclude(
    connection: Connection,
    row: Row,
    verdict: Verdict,
    reason: str,
    now: datetime,
    proof: ProofOfReceipt | None = None,
) -> None:
    """End a row as `verdict` says."""
    outbox.finish(
        connection,
        row,
        now,
        reason=None if verdict is Verdict.DONE else reason,
        status=None if proof is None else proof.status,
        response=None if proof is None else proof.data,
    )
    if row.content is not None or verdict is Verdict.MISSING:
        _learn(connection, row, verdict, now)


def _learn(connection: Connection, row: Row, verdict: Verdict, now: datetime) -> None:
    card = _locked(connection, row.iccid)
    known = _known(card.known, row, verdict)
    failures = card.failures + (verdict is not Verdict.DONE)
    after = CardContent(card.wanted, known, failures)
    # Half the way, such as a deletion, is no reason to begin counting anew.
    _save(connection, row.iccid, replace(after, failures=0) if after.is_complete else after)
    if known.application != card.known.application:
        _note_application(connection, row.iccid, known)
    if verdict is not Verdict.DONE:
        outbox.withdraw(connection, row.iccid, now, f"{row.purpose} failed")
        if verdict is not Verdict.REFUSED and failures < MOST_FAILURES:
            enqueue(connection, row.iccid, now)


def _known(known: Content, row: Row, verdict: Verdict) -> Content:
    if verdict is Verdict.MISSING:
        return Content()
    if row.content is None or verdict is Verdict.REFUSED:
        return known
    after = Content.read(row.content)
    return after if verdict is Verdict.DONE else known.blurred(after)


def _note_application(connection: Connection, iccid: str, known: Content) -> None:
    """Tell the list of cards which application is in this one."""
    version = None
    if known.application not in (None, UNKNOWN):
        version = artifact(connection, known.application or "").version
    connection.execute(
        "UPDATE card SET application = %s, application_version = %s WHERE iccid = %s",
        [INSTANCE_AID.hex().upper() if version else None, version, iccid],
    )


def _save(connection: Connection, iccid: str, card: CardContent) -> None:
    connection.execute(
        "UPDATE card_content SET wanted = %s, known = %s, failures = %s WHERE iccid = %s",
        [Jsonb(card.wanted.write()), Jsonb(card.known.write()), card.failures, iccid],
    )
