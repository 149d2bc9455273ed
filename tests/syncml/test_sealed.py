"""Messages with a MAC beside each, both ways. OMA DM Security 1.2 clause 5.4."""

from dataclasses import dataclass, field, replace

import pytest

from cardsync.errors import LocalError
from cardsync.syncml.auth import Account, AuthResult, Challenge, Proof, Scheme
from cardsync.syncml.client import ClientSession
from cardsync.syncml.elements import AlertCode
from syncml.pair import Pair

MINE = Account(Scheme.MAC, "cli", b"one")
THEIRS = Account(Scheme.MAC, "srv", b"two")


@dataclass
class Judge:
    """Takes a MAC with the nonce given last, and gives another one; counts what was shown."""

    password: bytes
    taken: int = 0
    shown: list[Scheme | None] = field(default_factory=list)

    @property
    def nonce(self) -> bytes:
        """Give what the next MAC is made with."""
        return b"nonce %d" % self.taken

    def __call__(self, proof: Proof | None, _device: str) -> AuthResult:
        """Judge it."""
        self.shown.append(proof.scheme if proof else None)
        is_mac = proof is not None and proof.scheme is Scheme.MAC
        ok = proof is not None and is_mac and proof.matches(self.password, self.nonce)
        self.taken += ok
        return AuthResult(ok, "cli", Challenge(Scheme.MAC, self.nonce))


class Sealed:
    """A pair whose messages carry MACs; what is on the way may be changed."""

    def __init__(self, account: Account = MINE, *, beside: bool = True) -> None:
        self.pair = Pair()
        self.pair.client.put("1", b"ours")
        self.pair.store.put("2", b"theirs")
        self.client, self.server = Judge(b"one"), Judge(b"two")
        self.pair.server.authenticate = self.client
        self.pair.client_config = lambda config: replace(
            config, account=account, beside=beside, authenticate=None
        )

    def both(self) -> None:
        """Let the server show what it is, too."""
        before, server = self.pair.client_config, self.pair.server
        server.config = replace(server.config, account=THEIRS)
        self.pair.client_config = lambda config: replace(before(config), authenticate=self.server)

    def run(self, session: ClientSession, *, spoil: bool = False, strip: int = 0) -> int:
        """Let both talk to the end; change or bare the reply of a number; give the status."""
        number = 0
        while (octets := session.data_to_send()) is not None:
            number += 1
            reply = self.pair.server.post(octets, session.mac)
            mac = None if number == strip else self.pair.server.mac
            session.receive_data(reply.replace(b"theirs", b"forged") if spoil else reply, mac)
        assert session.result is not None
        return session.result.status


def test_each_message_has_its_mac() -> None:
    """The first challenge gives the nonce, each answer the next one: 200, and never 212."""
    sealed = Sealed()

    assert 200 == sealed.run(sealed.pair.begin(AlertCode.TWO_WAY))
    assert sealed.pair.equal()
    assert {Scheme.MAC} == set(sealed.client.shown)
    assert len(sealed.client.shown) - 1 == sealed.client.taken


@pytest.mark.parametrize("scheme", [Scheme.BASIC, Scheme.MD5])
def test_mac_that_is_asked_for(scheme: Scheme) -> None:
    """A client that shows something else first goes over to what the server wants."""
    sealed = Sealed(replace(MINE, scheme=scheme))

    assert 200 == sealed.run(sealed.pair.begin(AlertCode.TWO_WAY))
    assert [scheme, Scheme.MAC] == sealed.client.shown[:2]


def test_carrier_without_fields() -> None:
    """Where nothing goes beside a message no MAC is shown; a server that insists is told.

    Who was told to show a MAC and no less does not begin.
    """
    sealed = Sealed(replace(MINE, scheme=Scheme.BASIC), beside=False)

    assert 406 == sealed.run(sealed.pair.begin(AlertCode.TWO_WAY))
    assert Scheme.MAC not in sealed.client.shown
    with pytest.raises(LocalError, match="beside a message"):
        Sealed(MINE, beside=False).pair.begin(AlertCode.TWO_WAY)


def test_wrong_password() -> None:
    """401, after the one challenge."""
    sealed = Sealed(replace(MINE, password=b"guess"))

    assert 401 == sealed.run(sealed.pair.begin(AlertCode.TWO_WAY))
    assert (2, 0) == (len(sealed.client.shown), sealed.client.taken)


def test_both_show_a_mac_with_each_message() -> None:
    """Challenges in both directions, and both sides equal."""
    sealed = Sealed()
    sealed.both()

    assert 200 == sealed.run(sealed.pair.begin(AlertCode.TWO_WAY))
    assert sealed.pair.equal()
    assert sealed.server.taken > 1
    assert sealed.client.taken > 1


def test_reply_that_was_changed() -> None:
    """A server that has shown a MAC owes one that fits: nothing of another message is taken."""
    sealed = Sealed()
    sealed.both()

    assert 401 == sealed.run(sealed.pair.begin(AlertCode.TWO_WAY), spoil=True)
    assert b"forged" not in sealed.pair.client.items().values()


def test_reply_that_was_bared() -> None:
    """Nor is a reply taken whose MAC is left out, once there were some."""
    sealed = Sealed()
    sealed.both()

    assert 407 == sealed.run(sealed.pair.begin(AlertCode.TWO_WAY), strip=4)
    assert b"theirs" not in sealed.pair.client.items().values()


def test_message_that_was_changed_or_repeated() -> None:
    """In the middle of a session another body, no MAC, the MAC of before: refused, no harm done."""
    sealed = Sealed()
    session = sealed.pair.begin(AlertCode.TWO_WAY)
    macs: list[str | None] = []
    while (octets := session.data_to_send()) is not None:
        if b"ours" in octets:
            for forged, mac, code in (
                (octets.replace(b"ours", b"evil"), session.mac, 401),
                (octets, None, 407),
                (octets, macs[-1], 401),
            ):
                sealed.pair.server.post(forged, mac)
                assert code == getattr(sealed.pair.server.replies[-1].commands[0], "code", 0)
        macs.append(session.mac)
        session.receive_data(sealed.pair.server.post(octets, session.mac))

    assert session.result
    assert 200 == session.result.status
    assert sealed.pair.equal()
    assert b"evil" not in sealed.pair.store.items().values()
