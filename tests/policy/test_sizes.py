"""Octets of commands, object by object."""

from dataclasses import replace

import pytest

from cardsync.octets.reader import Reader
from cardsync.octets.tlv import decode_one, walk_comprehension
from cardsync.policy.sizes import (
    alpha_octets,
    display_text,
    launch_browser,
    misfits,
    request_synchronization,
    resolve,
    set_up_menu,
    text_octets,
    total,
)
from cardsync.policy.values import (
    Database,
    DoBrowse,
    DoTell,
    EventKind,
    ResolvedRequest,
    Retry,
    Rule,
    Text,
)
from policy_texts import example

VECTOR = bytes.fromhex(
    "d056810301f500820281827ffe01030111017ffe0201017ffe0301cb7ffe041001084a095124303257810104"
    "2e2f646d7ffe051f0417687474703a2f2f646d2e6d6e6f2e6578616d706c652f7301042e2f646d7f7e060100"
)
"""The source's own example, vector 1 of the draft, clause 5."""

REQUEST = ResolvedRequest(
    "example",
    1,
    0x11,
    1,
    (1,),
    0xCB,
    Database("imei", "./dm"),
    Database("http://dm.mno.example/s", "./dm"),
    3,
)


def test_against_the_vector() -> None:
    """Each object takes as many octets as in the vector; those it lacks have their own sizes."""
    body = decode_one(Reader(VECTOR)).value
    found = dict(request_synchronization(REQUEST))

    assert [len(one.encode()) for one in walk_comprehension(body)] == [
        found["command details"],
        found["device identities"],
        found["synchronization protocol"],
        found["transport list"],
        found["synchronization type"],
        found["source database"],
        found["target database"],
        found["notification"],
    ]
    assert len(VECTOR) + 8 + 35 + 6 + 1 == total(request_synchronization(REQUEST))


def test_optional_objects() -> None:
    """Progress and a time limit are counted where they are sent, a retry never is."""
    full = replace(REQUEST, progress=3, retry=Retry(1, 1, 1, 0), duration=5)
    more = dict(request_synchronization(full))

    assert more["notification"] == 6
    assert more["duration"] == 4
    assert "retry" not in more


@pytest.mark.parametrize(
    ("device", "octets"),
    [("terminal", 12), ("imei", 20), ("imeisv", 21), ("iccid", 22), ("eid", 28)],
)
def test_devices(device: str, octets: int) -> None:
    """A device that the card fills in has its own length. Draft clause 2."""
    request = replace(REQUEST, source=Database(device, "./dm"))

    assert octets == dict(request_synchronization(request))["source database"]


def test_texts() -> None:
    """A character is an octet in the GSM alphabet, else two; the identifier's UCS2 has one more.

    TS 23.038 clause 6.2.1, TS 102 221 annex A.
    """
    assert (text_octets("5 €"), alpha_octets("5 €")) == (4, 4)
    assert (text_octets("Päivitä"), alpha_octets("Päivitä")) == (7, 7)
    assert (text_octets("Обнови"), alpha_octets("Обнови")) == (12, 13)
    assert (text_octets("a😀"), alpha_octets("a😀")) == (6, 7)


def test_lengths_of_two_octets() -> None:
    """From 128 octets on a length takes two. TS 101 220 clause 7.1.2."""
    assert dict(launch_browser("x" * 127))["URL"] == 129
    assert dict(launch_browser("x" * 128))["URL"] == 131
    assert total(display_text("x" * 240)) == 256
    assert total(display_text("x" * 241)) == 257
    assert total(set_up_menu("title", ["one", "two"])) == 2 + 5 + 4 + 7 + 6 + 6


def test_resolve() -> None:
    """Every place in a request takes its parameter's value, the rest stays."""
    request = example().requests[0]
    found = resolve(request, {"server": "https://other.example", "interval": 60})

    assert found.target == Database("https://other.example", "devman")
    assert found == ResolvedRequest(
        **{
            name: getattr(request if name != "target" else found, name)
            for name in request.__dataclass_fields__
        }
    )


def test_misfits_tell_every_object() -> None:
    """What does not fit is told with its objects: request, text, page and menu. O-7."""
    long = replace(REQUEST, target=Database("https://" + "x" * 150, "./dm"))
    rules = (
        Rule("tells", EventKind.POLL, None, None, b"", (DoTell(Text("ok", (("fi", "x" * 241),))),)),
        Rule("opens", EventKind.POLL, None, None, b"", (DoBrowse("x" * 300),)),
        Rule("chosen", EventKind.MENU, "a", None, b"", (DoTell(Text("ok")),)),
    )
    menu = (Text("a", (("fi", "x" * 150),)), Text("b", (("fi", "x" * 100),)))
    found = [
        (one.owner, one.is_request, str(one)) for one in misfits("t", menu, (long,), rules, {})
    ]

    assert found == [
        (
            "example",
            True,
            (
                "REQUEST SYNCHRONIZATION takes 275 octets (command details 5, device identities 4, "
                "synchronization protocol 7, transport list 5, synchronization type 5, "
                "source database 20, target database 171, notification 5, session reference 8, "
                "authentication reference 35, category mask 6)"
            ),
        ),
        (
            "tells",
            False,
            (
                "DISPLAY TEXT takes 257 octets (command details 5, device identities 4, "
                "text string 245)"
            ),
        ),
        (
            "opens",
            False,
            "LAUNCH BROWSER takes 317 octets (command details 5, device identities 4, URL 304)",
        ),
        (
            "chosen",
            False,
            (
                "SET UP MENU takes 273 octets (command details 5, device identities 4, "
                f"alpha identifier 3, item '{'x' * 150}' 154, item '{'x' * 100}' 103)"
            ),
        ),
    ]
