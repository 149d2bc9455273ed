"""What is wanted of a card becomes packets, once; its answers become knowledge."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

import pytest

from cardsync.errors import ConfigError
from cardsync.operator import campaigns, outbox
from cardsync.operator.campaigns import MOST_FAILURES, CardContent, Verdict, judge
from cardsync.operator.content import UNKNOWN, Artifact, Content, plan
from cardsync.operator.outbox import Row, State
from cardsync.operator.store.cards import Cards
from cardsync.operator.store.database import Database
from cardsync.operator.store.seal import MasterKey
from cardsync.ota.application import (
    APPLICATION_TAR,
    INSTANCE_AID,
    ISSUER_DOMAIN_TAR,
    ApplicationImage,
    Trigger,
    decode_messages,
)
from cardsync.ota.packet import ResponseStatus
from cardsync.ota.script import CompactResponse, decode_compact
from cardsync.ota.session import ProofOfReceipt
from cardsync.policy.program import Program
from receiving_card import KEYS

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
ICCID = "8949000000000000017"
IMAGE = ApplicationImage((1, 0), 1, "device management")
POLICY = """
policy = "test"
version = {version}

[parameters]
interval = "24 h"
server = "https://dm.example/syncml"

[requests.all]
protocol = {{ name = "SyncML", version = "1.2", representation = "wbxml" }}
transport = ["http"]
type = "refresh-from-client"
source = {{ device = "imei", database = "devman" }}
target = {{ device = "${{server}}", database = "devman" }}
notify = "final"

[[rules]]
name = "the operator asks"
on = {{ message = "sync-now" }}
do = {{ synchronize = "all" }}
"""

IMAGE_DATA = Artifact("app", "1.0", IMAGE.encode())
PROGRAM = Artifact("policy", "7", bytes(600))
ARTIFACTS = {one.digest: one for one in (IMAGE_DATA, PROGRAM)}
COMPLETE = Content(IMAGE_DATA.digest, PROGRAM.digest, {"interval": "12 h"})


# The verdict.


def row(**changes: object) -> Row:
    """Give a row that was sent once and installs the application."""
    (step, _) = plan(Content(), COMPLETE, ARTIFACTS)
    row = Row(
        id=1,
        iccid=ICCID,
        purpose="install",
        tar=step.tar,
        data=step.data,
        key_set=1,
        counter=7,
        repeatable=False,
        content=step.after.write(),
        state=State.SENT,
        due=NOW,
        expires=NOW,
        tries=1,
        message_ids=[],
        status=None,
        response=None,
        reason=None,
        created=NOW,
        sent=NOW,
        done=None,
    )
    return replace(row, **changes)  # type: ignore[arg-type]  # fields of several types


def proof(status: ResponseStatus, data: bytes = b"", *, proved: bool = True) -> ProofOfReceipt:
    """Give a proof of receipt."""
    return ProofOfReceipt(status, data, proved)


Changes: TypeAlias = dict[str, object]

LOW, OK = ResponseStatus.COUNTER_LOW, ResponseStatus.OK
REPEATABLE: Changes = {"repeatable": True}
MESSAGE: Changes = {"content": None, "tar": APPLICATION_TAR, "data": Trigger("sync-now").encode()}
PERSONALISATION: Changes = {**REPEATABLE, "data": plan(Content(), COMPLETE, ARTIFACTS)[1].data}
DELETION: Changes = {**REPEATABLE, "data": plan(COMPLETE, Content(), ARTIFACTS)[0].data}
GOOD = CompactResponse(3, 0x9000).encode()

VERDICTS: list[tuple[str, Changes, ProofOfReceipt | None, Verdict]] = [
    ("all executed", {}, proof(OK, GOOD), Verdict.DONE),
    ("a proactive command waits", {}, proof(OK, CompactResponse(3, 0x9110).encode()), Verdict.DONE),
    ("stopped half way", {}, proof(OK, CompactResponse(2, 0x9000).encode()), Verdict.UNCERTAIN),
    ("there already", {}, proof(OK, CompactResponse(1, 0x6985).encode()), Verdict.UNCERTAIN),
    ("no response", {}, proof(OK), Verdict.UNCERTAIN),
    ("executed nothing", {}, proof(OK, CompactResponse(0, 0x6A80).encode()), Verdict.UNCERTAIN),
    ("nothing to delete", DELETION, proof(OK, CompactResponse(1, 0x6A88).encode()), Verdict.DONE),
    ("nobody", PERSONALISATION, proof(OK, CompactResponse(1, 0x6A88).encode()), Verdict.MISSING),
    (
        "bad policy",
        PERSONALISATION,
        proof(OK, CompactResponse(4, 0x6A80).encode()),
        Verdict.REFUSED,
    ),
    ("message taken", MESSAGE, proof(OK), Verdict.DONE),
    ("no application", MESSAGE, proof(ResponseStatus.TAR_UNKNOWN), Verdict.MISSING),
    ("no domain", {}, proof(ResponseStatus.TAR_UNKNOWN), Verdict.REFUSED),
    ("memory", {}, proof(ResponseStatus.INSUFFICIENT_MEMORY), Verdict.REFUSED),
    ("blocked", {}, proof(ResponseStatus.COUNTER_BLOCKED), Verdict.REFUSED),
    ("a hint", {}, proof(ResponseStatus.CHECKSUM_FAILED, proved=False), Verdict.UNCERTAIN),
    ("a hint of OK", {}, proof(OK, GOOD, proved=False), Verdict.UNCERTAIN),
    ("silence", {}, None, Verdict.UNCERTAIN),
    ("never sent", {"counter": None}, None, Verdict.REFUSED),
    ("low, repeatable", REPEATABLE, proof(LOW), Verdict.AGAIN),
    ("low, too often", {**REPEATABLE, "tries": 8}, proof(LOW), Verdict.UNCERTAIN),
    ("low, installation", {"tries": 2}, proof(LOW), Verdict.UNCERTAIN),
    ("low, trigger sent twice", {**MESSAGE, "tries": 2}, proof(LOW), Verdict.DONE),
    ("low, trigger sent once", MESSAGE, proof(LOW), Verdict.UNCERTAIN),
]


@pytest.mark.parametrize(("name", "changes", "answer", "expected"), VERDICTS)
def test_verdict(
    name: str, changes: Changes, answer: ProofOfReceipt | None, expected: Verdict
) -> None:
    """Every answer of TS 102 225 clause 5.2 and TS 102 226 clause 5.1.2 has its consequence."""
    verdict, reason = judge(row(**changes), answer)

    assert expected is verdict, name
    assert bool(reason) == (verdict is not Verdict.DONE or "low" in name)


@pytest.mark.parametrize(
    ("sw", "words"),
    [
        (0x6A80, "what it was sent is not valid or more than it can do"),
        (0x6A84, "it has no room"),
        (0x6F00, "it gives no other reason"),
    ],
)
def test_a_refusal_is_told_in_words(sw: int, words: str) -> None:
    """Why the card refused, where, and that the old policy runs on."""
    _, reason = judge(row(**PERSONALISATION), proof(OK, CompactResponse(2, sw).encode()))

    assert (
        f"the card refuses: {words} (status word {sw:04X} for command 2 of 4);"
        " what it had before goes on" == reason
    )


# In the database.


@pytest.fixture
def card(database: Database) -> Database:
    """Give a database with one card and nothing owed."""
    with database.transaction() as connection:
        connection.execute("TRUNCATE outbox, journal, artifact, card_content")
    cards = Cards(database, MasterKey(bytes(32)))
    cards.import_card(ICCID, "262010000000001", "491700000001", (KEYS,), NOW)
    return database


def want(
    database: Database,
    version: int = 1,
    parameters: Mapping[str, str] | None = None,
) -> list[int]:
    """Publish and want."""
    with database.transaction() as connection:
        application = campaigns.publish_image(connection, IMAGE, NOW)
        text = POLICY.format(version=version)
        policy = campaigns.publish_policy(connection, text, "policy.toml", NOW)
        return campaigns.want(
            connection, ICCID, NOW, application=application, policy=policy, parameters=parameters
        )


def owed(database: Database) -> list[str]:
    """Give the purposes of what is owed."""
    with database.transaction() as connection:
        return [row.purpose for row in outbox.unfinished(connection, ICCID)]


def state(database: Database) -> CardContent:
    """Give what the card has and shall have."""
    with database.transaction() as connection:
        return campaigns.content(connection, ICCID)


def answer(
    database: Database, status: ResponseStatus = OK, sw: int = 0x9000, tries: int = 1
) -> Verdict:
    """Let the card answer the packet that is next."""
    with database.transaction() as connection:
        (row,) = outbox.claim(connection, NOW)
        for _ in range(tries - 1):
            (row,) = outbox.claim(connection, row.due)
        row = outbox.assign(connection, row, row.id) or row
        count = len(decode_compact(row.data)) if row.tar == ISSUER_DOMAIN_TAR else 0
        data = CompactResponse(count, sw).encode()
        verdict, _ = campaigns.settle(connection, row, proof(status, data), NOW)
    return verdict


INSTALL, POLICY_1, POLICY_2 = (
    "load and install device management 1.0",
    "policy test 1",
    "policy test 2",
)


def test_wanted_twice_is_enqueued_once(card: Database) -> None:
    """The same wish said again, also when half is done, adds nothing."""
    assert 2 == len(want(card))
    assert [] == want(card)
    answer(card)
    assert [] == want(card)
    answer(card)
    assert [] == want(card)
    assert state(card).is_complete


def test_known_by_proof_alone(card: Database) -> None:
    """Nothing is known until a proof of receipt says so. R-20."""
    want(card, parameters={"interval": "12 h"})
    before = state(card)
    answer(card)
    half = state(card)
    answer(card)
    after = state(card)

    assert Content() == before.known
    assert (before.wanted.application, None) == (half.known.application, half.known.policy)
    assert after.known == after.wanted
    assert (False, False, True) == (before.is_complete, half.is_complete, after.is_complete)


def test_the_list_of_cards_hears_of_the_application(card: Database) -> None:
    """AID and version stand in the card's row once the installation is proved."""
    want(card)
    answer(card)
    with card.transaction() as connection:
        row = connection.execute("SELECT application, application_version FROM card").fetchone()

    assert (INSTANCE_AID.hex().upper(), "1.0") == row


def test_a_new_policy_supersedes_what_never_left(card: Database) -> None:
    """What is under way goes on; the policy that waits behind it is withdrawn."""
    want(card)
    with card.transaction() as connection:
        outbox.claim(connection, NOW)
    want(card, version=2)

    assert [INSTALL, POLICY_2] == owed(card)


def test_a_policy_that_is_under_way_is_followed_by_the_new_one(card: Database) -> None:
    """What may have arrived is not taken back."""
    want(card)
    answer(card)
    with card.transaction() as connection:
        (row,) = outbox.claim(connection, NOW)
        outbox.assign(connection, row, 9)
    want(card, version=2)

    assert [POLICY_1, POLICY_2] == owed(card)


def test_a_policy_whose_proof_was_lost_may_run(card: Database) -> None:
    """A card may have a policy from the moment that it leaves, whatever is known of it. R-45."""
    may = []

    def look() -> None:
        with card.transaction() as connection:
            may.append(campaigns.may_have_policy(connection, ICCID))

    want(card)
    look()
    answer(card)
    look()
    with card.transaction() as connection:
        (row,) = outbox.claim(connection, NOW)
        outbox.assign(connection, row, 9)
    look()
    with card.transaction() as connection:
        data = CompactResponse(len(decode_compact(row.data)), 0x9000).encode()
        campaigns.settle(connection, replace(row, counter=9), proof(OK, data), NOW)
    look()

    assert [False, False, True, True] == may
    assert state(card).is_complete


def test_a_parameter_is_a_message(card: Database) -> None:
    """R-22: one parameter changes without a new policy, and what was wanted before stays."""
    want(card, parameters={"interval": "12 h"})
    answer(card)
    answer(card)
    want(card, parameters={"server": "https://other.example/syncml"})

    assert ["parameters server"] == owed(card)
    expected = {"interval": "12 h", "server": "https://other.example/syncml"}
    assert expected == state(card).wanted.parameters


@pytest.mark.parametrize("parameters", [{"nonsense": "1"}, {"interval": "soon"}, {"server": ""}])
def test_a_parameter_that_the_policy_refuses(card: Database, parameters: dict[str, str]) -> None:
    """A wrong name, a wrong type and an empty text are refused before anything is sent."""
    with pytest.raises(ConfigError):
        want(card, parameters=parameters)

    assert [] == owed(card)


def test_what_cannot_be_wanted(card: Database) -> None:
    """A digest that nobody published, a policy without application, parameters without policy."""
    with card.transaction() as connection:
        image = campaigns.publish_image(connection, IMAGE, NOW)
        policy = campaigns.publish_policy(connection, POLICY.format(version=1), "p", NOW)
    for wish in (
        {"application": "00"},
        {"policy": policy},
        {"application": image, "parameters": {"a": "1"}},
    ):
        with pytest.raises(ConfigError), card.transaction() as connection:
            campaigns.want(connection, ICCID, NOW, **wish)

    assert CardContent(Content(), Content(), 0) == state(card)


def test_a_refusal_stops_what_is_behind_it(card: Database) -> None:
    """Without the application no policy is sent; the card has what it had."""
    want(card)
    verdict = answer(card, ResponseStatus.INSUFFICIENT_MEMORY)

    assert Verdict.REFUSED is verdict
    assert [] == owed(card)
    assert Content() == state(card).known
    with card.transaction() as connection:
        reasons = [row.reason for row in outbox.recent(connection, ICCID)]
    assert [f"{INSTALL} failed", "response status 07 INSUFFICIENT_MEMORY"] == reasons


def test_a_lost_installation_is_undone_and_made_anew(card: Database) -> None:
    """Received before, answer lost: the application is unknown, deleted and installed again."""
    want(card)
    answer(card, LOW, tries=2)

    assert UNKNOWN == state(card).known.application
    assert ["delete application", INSTALL, POLICY_1] == owed(card)
    for _ in range(3):
        answer(card)
    assert state(card).is_complete
    assert 0 == state(card).failures


def test_a_lost_personalisation_goes_again(card: Database) -> None:
    """A script that may be executed twice keeps its place and takes another counter."""
    want(card)
    answer(card)
    verdict = answer(card, LOW, tries=2)

    assert Verdict.AGAIN is verdict
    with card.transaction() as connection:
        (row,) = outbox.unfinished(connection, ICCID)
    assert (POLICY_1, None, State.QUEUED) == (row.purpose, row.counter, row.state)


def test_a_card_without_its_application_gets_it_again(card: Database) -> None:
    """A card that says that the application is not there has lost it: it is installed again."""
    want(card)
    answer(card)
    answer(card)
    want(card, version=2)
    verdict = answer(card, ResponseStatus.OK, 0x6A88)

    assert Verdict.REFUSED is verdict, "only the first command says that nobody is there"
    with card.transaction() as connection:
        campaigns.trigger(connection, ICCID, "sync-now", NOW)
    assert Verdict.MISSING is answer(card, ResponseStatus.TAR_UNKNOWN)
    assert [INSTALL, POLICY_2] == owed(card)


def test_failures_end(card: Database) -> None:
    """A card that never answers well is not told the same for ever."""
    want(card)
    sent = []
    while owed(card):
        sent.append(owed(card)[0])
        answer(card, OK if sent[-1] == "delete application" else LOW)

    assert MOST_FAILURES == sent.count(INSTALL) == len(sent) - sent.count("delete application")
    want(card)
    assert "delete application" == owed(card)[0]


def test_trigger(card: Database) -> None:
    """R-45: "sync-now" to the application, once while the first is unfinished."""
    with card.transaction() as connection:
        first = campaigns.trigger(connection, ICCID, "sync-now", NOW)
        second = campaigns.trigger(connection, ICCID, "sync-now", NOW)
        (row,) = outbox.unfinished(connection, ICCID)

    assert (1, 0) == (len(first), len(second))
    assert APPLICATION_TAR == row.tar
    assert (Trigger("sync-now"),) == decode_messages(row.data)
    assert NOW + timedelta(hours=1) == row.expires


def test_what_was_published_is_what_is_sent(card: Database) -> None:
    """The program in the table is what the compiler made."""
    with card.transaction() as connection:
        digest = campaigns.publish_policy(connection, POLICY.format(version=3), "p", NOW)
        again = campaigns.publish_policy(connection, POLICY.format(version=3), "p", NOW)
        kept = campaigns.artifact(connection, digest)

    assert digest == again == Program.decode(kept.data).digest().hex()
    assert "test 3" == str(kept)
