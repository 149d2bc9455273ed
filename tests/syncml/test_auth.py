"""Credentials, challenges and HMAC."""

import base64
from dataclasses import replace

import pytest

from cardsync.errors import LocalError, PeerError
from cardsync.syncml.auth import (
    Account,
    AsksForLess,
    Challenge,
    Proof,
    Scheme,
    credential,
    digest,
    mac_proof,
    proof,
    read_challenge,
    write_challenge,
    write_hmac,
)
from cardsync.syncml.elements import Chal, Cred, Location, Meta, SyncHdr, Version


def header(cred: Cred | None, name: str | None = None) -> SyncHdr:
    """Give the header of a first message."""
    return SyncHdr("1", 1, Location("http://x"), Location("IMEI:1", name), cred=cred)


def test_basic_is_user_and_password_in_base64() -> None:
    """Representation Protocol 1.1, "Security": the example of "Bruce2" and "OhBehave"."""
    cred = credential(Account(Scheme.BASIC, "Bruce2", b"OhBehave"), Version.V1_2)

    assert Cred(b"QnJ1Y2UyOk9oQmVoYXZl", Meta(format="b64", type="syncml:auth-basic")) == cred
    assert Proof(Scheme.BASIC, "Bruce2", b"OhBehave") == proof(header(cred))


def test_basic_may_be_terse_in_wbxml() -> None:
    """Type and base64 may be left out: base64 has no colon, so the two cannot be taken for another.

    "The default type is syncml:auth-basic"; b64 "MUST" be in XML. Representation Protocol, Cred.
    """
    account = Account(Scheme.BASIC, "Bruce2", b"OhBehave")
    terse = credential(account, Version.V1_2, terse=True)
    usual = Cred(b"QnJ1Y2UyOk9oQmVoYXZl")

    assert Cred(b"Bruce2:OhBehave") == terse
    assert Proof(Scheme.BASIC, "Bruce2", b"OhBehave") == proof(header(terse))
    assert proof(header(usual)) == proof(header(terse))


def test_md5_digest_of_the_specification() -> None:
    """Representation Protocol 1.1, "Security": Bruce2, OhBehave and the nonce "Nonce"."""
    shown = digest("Bruce2", b"OhBehave", b"Nonce", Version.V1_1)

    assert b"Zz6EivR3yeaaENcRN6lpAQ==" == base64.b64encode(shown)


def test_md5_of_1_0_is_plain() -> None:
    """SyncML 1.0 hashes user, password and nonce in one go."""
    assert "4425c74bccd5bac603529144ec40b297" == digest("u", b"p", b"n", Version.V1_0).hex()


@pytest.mark.parametrize("version", Version)
def test_a_proof_matches_its_password_alone(version: Version) -> None:
    """Both schemes, each version; the nonce belongs to the digest."""
    for scheme in (Scheme.BASIC, Scheme.MD5):
        account = Account(scheme, "u", b"secret", b"nonce")
        shown = proof(header(credential(account, version), "u"))
        assert shown is not None
        shown = Proof(shown.scheme, shown.user, shown.secret, version)

        assert shown.matches(b"secret", b"nonce")
        assert not shown.matches(b"Secret", b"nonce")
        assert (scheme is Scheme.BASIC) == shown.matches(b"secret", b"other")


def test_raw_digest_of_1_0_in_wbxml() -> None:
    """Some devices send the 16 octets without base64."""
    raw = digest("u", b"p", b"", Version.V1_2)

    shown = proof(header(Cred(raw, Meta(type="syncml:auth-md5")), "u"))

    assert Proof(Scheme.MD5, "u", raw) == shown


def test_no_credentials_is_no_proof() -> None:
    """A header without Cred shows nothing."""
    assert proof(header(None)) is None


@pytest.mark.parametrize(
    ("cred", "answer"),
    [
        (Cred(b"QQ==", Meta(type="syncml:auth-x509")), 406),
        (Cred(b"QQ=", Meta(type="syncml:auth-basic")), 401),
        (Cred(b"QQ==", None), 401),
        (Cred(base64.b64encode(b"\xff:x"), None), 401),
    ],
)
def test_malformed_credentials_are_refused(cred: Cred, answer: int) -> None:
    """Unknown scheme, broken base64, no colon, no UTF-8."""
    with pytest.raises(PeerError) as caught:
        proof(header(cred))

    assert answer == caught.value.answer


def test_challenge_both_ways() -> None:
    """A nonce is base64 on the wire. Representation Protocol 1.2, Chal and NextNonce."""
    challenge = Challenge(Scheme.MD5, b"\x00nonce")
    chal = Chal(Meta(format="b64", type="syncml:auth-md5", next_nonce="AG5vbmNl"))

    assert chal == write_challenge(challenge)
    assert challenge == read_challenge(chal)


def test_hmac_both_ways_and_refused() -> None:
    """OMA DM Security 1.2 clause 5.4: it covers the body, the nonce and the password."""
    account = Account(Scheme.MAC, "u", b"p", b"n")
    value = write_hmac(account, b"body")
    shown, changed = mac_proof(value, b"body"), mac_proof(value, b"bodY")
    other = mac_proof(value.replace("MD5", "SHA"), b"body")

    assert value.startswith('algorithm=MD5, username="u", mac=')
    assert shown
    assert changed
    assert other
    assert "u" == shown.user
    assert shown.matches(b"p", b"n")
    assert not shown.matches(b"q", b"n")
    assert not shown.matches(b"p", b"m")
    assert not changed.matches(b"p", b"n")
    assert not other.matches(b"p", b"n")


@pytest.mark.parametrize("user", ['a"b', "a\r\nX-Y: z"])
def test_user_that_cannot_stand_in_quotes(user: str) -> None:
    """What would end the field, or the line, is not written."""
    with pytest.raises(LocalError):
        write_hmac(Account(Scheme.MAC, user, b"p"), b"")


def test_secrets_do_not_show() -> None:
    """No repr has the password or the digest."""
    shown = repr((Account(Scheme.MD5, "u", b"secret", b"nonce"), Proof(Scheme.MD5, "u", b"secret")))

    assert "secret" not in shown
    assert "nonce" not in shown.replace("'nonce'", "")


def test_what_is_not_in_the_message() -> None:
    """A MAC stands beside it; an account without a scheme waits until it is asked for one."""
    waiting = Account(None, "u", b"p")

    assert credential(None, Version.V1_2) is None
    assert credential(waiting, Version.V1_2) is None
    assert credential(replace(waiting, scheme=Scheme.MAC), Version.V1_2) is None


@pytest.mark.parametrize("ours", [None, *Scheme])
@pytest.mark.parametrize("asked", Scheme)
def test_never_less_than_our_scheme(ours: Scheme | None, asked: Scheme) -> None:
    """Basic shows more than a digest, a digest more than a MAC: a challenge leads up alone."""
    account, challenge = Account(ours, "u", b"secret", b"old"), Challenge(asked, b"new")
    order = [Scheme.BASIC, Scheme.MD5, Scheme.MAC]
    if ours is None or order.index(asked) >= order.index(ours):
        assert Account(asked, "u", b"secret", b"new") == account.meet(challenge)
        return

    with pytest.raises(AsksForLess, match=f"{asked.value} is asked for") as caught:
        account.meet(challenge)
    assert "secret" not in str(caught.value)
    assert 401 == caught.value.answer


def test_mac_is_never_in_the_message() -> None:
    """OMA DM Security 1.2 clause 5.4: the name of the scheme, beside the message, never in it."""
    challenge = Challenge(Scheme.MAC, b"n")
    chal = write_challenge(challenge)

    assert Chal(Meta(format="b64", type="syncml:auth-MAC", next_nonce="bg==")) == chal
    assert challenge == read_challenge(chal)
    with pytest.raises(PeerError) as caught:
        proof(header(Cred(b"", chal.meta)))
    assert 406 == caught.value.answer


def test_user_of_a_mac() -> None:
    """The name is read before anything is checked, with or without quotes; none is empty."""
    named = ['algorithm=MD5, username="u", mac=x', "username=u", "nothing"]
    proofs = [mac_proof(each, b"") for each in named]

    assert ["u", "u", ""] == [each.user for each in proofs if each]
    assert mac_proof(None, b"") is None
