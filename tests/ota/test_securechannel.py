"""The secure channel: octets of real sessions, and both ends back to back."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardsync.errors import LocalError, PeerError
from cardsync.octets.apdu import SW, CommandApdu, ResponseApdu
from cardsync.ota import scp02, scp03
from cardsync.ota.channel_keys import ChannelKeys, KeyCipher, KeyKind, check_value, pad, unpad
from cardsync.ota.channel_level import Level
from cardsync.ota.key_commands import KeyBlock
from cardsync.ota.securechannel import CardChannel, HostChannel
from vectors import load

AID = bytes.fromhex("A000000151000000")
ISD_R = bytes.fromhex("A0000005591010FFFFFFFF8900000100")  # the domain of the recorded sessions
HOST = bytes.fromhex("0102030405060708")
DES = ChannelKeys(0x20, KeyKind.DES, b"E" * 16, b"M" * 16, b"D" * 16)
AES = ChannelKeys(0x30, KeyKind.AES, b"E" * 16, b"M" * 16, b"D" * 16)
AES_256 = ChannelKeys(0x31, KeyKind.AES, b"E" * 32, b"M" * 32, b"D" * 32)
STATUS = CommandApdu(0x80, 0xF2, 0x80, 0x02, b"\x4f\x00", 256)
SESSIONS = [(DES, 0x01), (DES, 0x03)] + [
    (keys, level) for keys in (AES, AES_256) for level in (0x01, 0x03, 0x11, 0x13, 0x33)
]


class Store:
    """Keys and counters of a domain."""

    def __init__(self, *keys: ChannelKeys) -> None:
        self.known = {one.version: one for one in keys}
        self.counters: dict[int, int] = {}

    def keys(self) -> dict[int, ChannelKeys]:
        """Give the keys."""
        return self.known

    def sequence(self, version: int) -> int:
        """Give a counter."""
        return self.counters.get(version, 0)

    def advance(self, version: int) -> None:
        """Count one more."""
        self.counters[version] = self.sequence(version) + 1


def card(*keys: ChannelKeys) -> CardChannel:
    """Give the card's end."""
    return CardChannel(Store(*keys), AID, bytes(10))


def opened(keys: ChannelKeys, level: int) -> tuple[HostChannel, CardChannel]:
    """Give both ends of an open channel."""
    host, ours = HostChannel(keys, HOST, Level(level)), card(keys)
    answer = ours.initialize_update(host.initialize_update())
    ours.external_authenticate(host.external_authenticate(answer))
    return host, ours


def keys_of(session: dict[str, Any], kind: KeyKind) -> ChannelKeys:
    """Give the keys of a recorded session."""
    enc, mac, dek = (bytes.fromhex(session[name]) for name in ("enc", "mac", "dek"))
    return ChannelKeys(session["kvn"], kind, enc, mac, dek)


def challenge_of(session: dict[str, Any]) -> bytes:
    """Give the host's challenge of a recorded session."""
    return CommandApdu.decode(bytes.fromhex(session["init_upd_cmd"])).data


def recorded(session: dict[str, Any], kind: KeyKind) -> HostChannel:
    """Replay a recorded session up to its opening; check the octets on the way."""
    level = Level(bytes.fromhex(session["ext_auth_cmd"])[2])
    host = HostChannel(keys_of(session, kind), challenge_of(session), level)
    first = host.initialize_update()
    second = host.external_authenticate(bytes.fromhex(session["init_upd_rsp"]))

    assert session["init_upd_cmd"] == first.encode().hex()
    assert session["ext_auth_cmd"] == second.encode().hex()
    return host


def test_recorded_scp02() -> None:
    """A session of SCP02 with a real card. GlobalPlatform 2.3 annex E."""
    for session in load("globalplatform.json")["scp02"]:
        host = recorded(session, KeyKind.DES)
        for plain, protected in session["wrapped"]:
            apdu = CommandApdu.decode(bytes.fromhex(plain))

            assert protected == host.protect(apdu).encode().hex()


def test_recorded_scp03() -> None:
    """Sessions of SCP03 with AES-128, 192 and 256 at levels 03, 11 and 33. Amendment D."""
    for session in load("globalplatform.json")["scp03"]:
        host = recorded(session, KeyKind.AES)
        apdu = CommandApdu.decode(bytes.fromhex(session["get_eid_cmd_plain"]))

        assert session["get_eid_cmd"] == host.protect(apdu).encode().hex()

        answer = host.open_response(ResponseApdu(SW.OK, bytes.fromhex(session["get_eid_rsp"])))

        assert session["get_eid_rsp_plain"] == answer.data.hex()
        for case in (1, 2, 3, 4):
            plain = CommandApdu.decode(bytes.fromhex(session[f"case_{case}_plain"]))

            assert session[f"case_{case}_wrapped"] == host.protect(plain).encode().hex()


def test_recorded_challenges() -> None:
    """Real cards derive their challenges as ours does. Amendment D clause 6.2.2.1."""
    for session in load("globalplatform.json")["scp03"]:
        answer, keys = bytes.fromhex(session["init_upd_rsp"]), keys_of(session, KeyKind.AES)

        assert answer[13:21] == scp03.card_challenge(keys, answer[29:], ISD_R)


def test_recorded_card() -> None:
    """Our card's end gives the octets of a real card of SCP03."""
    for session in load("globalplatform.json")["scp03"]:
        keys, answer = keys_of(session, KeyKind.AES), bytes.fromhex(session["init_upd_rsp"])
        store = Store(keys)
        store.counters[keys.version] = int.from_bytes(answer[29:], "big") - 1
        ours = CardChannel(store, ISD_R, bytes(10))
        command = CommandApdu.decode(bytes.fromhex(session["init_upd_cmd"]))

        assert answer == ours.initialize_update(command)

        ours.external_authenticate(CommandApdu.decode(bytes.fromhex(session["ext_auth_cmd"])))
        plain = ours.open(CommandApdu.decode(bytes.fromhex(session["get_eid_cmd"])))
        response = ResponseApdu(SW.OK, bytes.fromhex(session["get_eid_rsp_plain"]))

        assert session["get_eid_cmd_plain"] == plain.encode().hex()
        assert session["get_eid_rsp"] == ours.protect_response(response).data.hex()


def test_session_of_scp03() -> None:
    """The first session of a real card, octet by octet. Amendment D clauses 7.1.1 and 7.1.2."""
    static = bytes(range(16)), bytes(range(16, 32)), bytes(range(32, 48))
    host = HostChannel(
        ChannelKeys(0x30, KeyKind.AES, *static), bytes.fromhex("8e1552d0513c60f3"), Level(0x03)
    )
    host.initialize_update()
    second = host.external_authenticate(
        bytes.fromhex("0000000000000000000030037030760cd2c47c1dd395065fe5ead8a9d7000001")
    )

    assert "8482030010fd4721a14d9b07003c451d2f8ae6bb21" == second.encode().hex()


def test_session_of_scp02() -> None:
    """A session of a real card, octet by octet. GlobalPlatform 2.3 clauses E.5.1 and E.5.2."""
    static = [bytes.fromhex(f"10{n}102030405060708090a0b0c0d0e0f") for n in (0, 1, 2)]
    host = HostChannel(
        ChannelKeys(0x20, KeyKind.DES, *static), bytes.fromhex("40a62c37fa6304f8"), Level(0x01)
    )
    host.initialize_update()
    second = host.external_authenticate(
        bytes.fromhex("00000000000000000000700200016b4524abee7cf32ea3838bc148f3")
    )

    assert "8482010010ba6961667737c5bcebece14c7d6a4376" == second.encode().hex()


def test_check_values() -> None:
    """Key check values. GlobalPlatform 2.3 clause B.5."""
    for kind, key, expected in load("globalplatform.json")["kcv"]:
        assert expected == check_value(KeyKind[kind.upper()], bytes.fromhex(key)).hex()


@pytest.mark.parametrize(("keys", "level"), SESSIONS)
@given(
    commands=st.lists(st.binary(max_size=200), min_size=1, max_size=4),
    answers=st.lists(st.binary(max_size=200), min_size=4, max_size=4),
)
@settings(max_examples=10, deadline=None)
def test_back_to_back(
    keys: ChannelKeys, level: int, commands: list[bytes], answers: list[bytes]
) -> None:
    """What one end protects the other opens, in either direction."""
    host, ours = opened(keys, level)
    for data, answer in zip(commands, answers, strict=False):
        apdu, response = CommandApdu(0x80, 0xE2, 1, 2, data, 256), ResponseApdu(SW.OK, answer)

        assert apdu == ours.open(host.protect(apdu))
        assert response == host.open_response(ours.protect_response(response))


@pytest.mark.parametrize(("keys", "level"), SESSIONS)
def test_a_changed_command_ends_the_session(keys: ChannelKeys, level: int) -> None:
    """A wrong checksum is answered by 69 82, and nothing more is taken. Clause 10.2.3."""
    host, ours = opened(keys, level)
    protected = host.protect(STATUS)
    changed = protected.data[:-1] + bytes([protected.data[-1] ^ 1])
    for apdu in (CommandApdu(0x84, 0xF2, 0x80, 2, changed, 256), protected):
        with pytest.raises(PeerError) as refused:
            ours.open(apdu)

        assert SW.SECURITY_NOT_SATISFIED == refused.value.answer
    assert not ours.is_open


@pytest.mark.parametrize(("keys", "level"), SESSIONS)
def test_commands_come_once_and_in_order(keys: ChannelKeys, level: int) -> None:
    """A repeated command does not pass: checksums are chained."""
    host, ours = opened(keys, level)
    protected = host.protect(STATUS)
    ours.open(protected)
    with pytest.raises(PeerError):
        ours.open(protected)


@pytest.mark.parametrize("keys", [DES, AES])
def test_unprotected_within_a_session(keys: ChannelKeys) -> None:
    """A command without checksum is refused and ends the session. Clause 10.2.3."""
    _, ours = opened(keys, 0x01)
    with pytest.raises(PeerError) as refused:
        ours.open(STATUS)

    assert (SW.SECURITY_NOT_SATISFIED, False) == (refused.value.answer, ours.is_open)


def test_a_changed_answer() -> None:
    """The host refuses an answer whose R-MAC is wrong. Amendment D clause 6.2.5."""
    host, ours = opened(AES, 0x11)
    ours.open(host.protect(STATUS))
    answer = ours.protect_response(ResponseApdu(SW.OK, b"abc"))
    with pytest.raises(PeerError):
        host.open_response(ResponseApdu(0x6310, answer.data))


def test_errors_go_plain() -> None:
    """An error has no R-MAC. Amendment D clause 6.2.5."""
    host, ours = opened(AES, 0x33)
    ours.open(host.protect(STATUS))
    error = ResponseApdu(SW.REFERENCED_DATA_NOT_FOUND)

    assert error == ours.protect_response(error) == host.open_response(error)


@pytest.mark.parametrize("keys", [DES, AES])
def test_another_host(keys: ChannelKeys) -> None:
    """Other keys do not open the channel, and the session is over. Clause E.5.2."""
    other = ChannelKeys(keys.version, keys.kind, b"X" * 16, b"M" * 16, b"D" * 16)
    ours, host = card(keys), HostChannel(keys, HOST, Level.C_MAC)
    ours.initialize_update(host.initialize_update())
    stranger = HostChannel(other, HOST, Level.C_MAC)
    answer = card(other).initialize_update(stranger.initialize_update())
    proof = stranger.external_authenticate(answer)
    for expected in ((SW.SECURITY_NOT_SATISFIED, 0x6300), (SW.CONDITIONS_NOT_SATISFIED,)):
        with pytest.raises(PeerError) as refused:
            ours.external_authenticate(proof)

        assert refused.value.answer in expected
    assert not ours.is_open


def test_another_card() -> None:
    """A host does not talk to a card that has other keys."""
    other = ChannelKeys(0x30, KeyKind.AES, b"X" * 16, b"X" * 16, b"X" * 16)
    host = HostChannel(AES, HOST, Level.C_MAC)
    answer = card(other).initialize_update(host.initialize_update())
    with pytest.raises(PeerError):
        host.external_authenticate(answer)


@pytest.mark.parametrize("level", [0x00, 0x02, 0x10, 0x31])
@pytest.mark.parametrize("keys", [DES, AES])
def test_levels_not_offered(keys: ChannelKeys, level: int) -> None:
    """No session without checksums; the card refuses it with 6A86, the host does not ask."""
    ours = card(keys)
    ours.initialize_update(CommandApdu(0x80, 0x50, 0, 0, HOST, 256))
    with pytest.raises(PeerError) as refused:
        ours.external_authenticate(CommandApdu(0x84, 0x82, level, 0, bytes(16)))
    with pytest.raises(LocalError):
        HostChannel(keys, HOST, Level(level))

    assert SW.INCORRECT_P1_P2 == refused.value.answer


@pytest.mark.parametrize(
    ("apdu", "expected"),
    [
        (CommandApdu(0x80, 0x50, 0x31, 0, HOST), SW.REFERENCED_DATA_NOT_FOUND),
        (CommandApdu(0x80, 0x50, 0x30, 1, HOST), SW.INCORRECT_P1_P2),
        (CommandApdu(0x80, 0x50, 0x30, 0, HOST[1:]), SW.WRONG_LENGTH),
    ],
)
def test_initialize_update_refused(apdu: CommandApdu, expected: SW) -> None:
    """Keys that are not there, and what is malformed. Clause 7.1.1 of Amendment D."""
    with pytest.raises(PeerError) as refused:
        card(AES).initialize_update(apdu)

    assert expected == refused.value.answer


@pytest.mark.parametrize(("keys", "expected"), [((DES, AES_256, AES), 0x30), ((DES,), 0x20)])
def test_the_card_chooses(keys: tuple[ChannelKeys, ...], expected: int) -> None:
    """Where the host names no version the card takes AES, the lowest version."""
    answer = card(*keys).initialize_update(CommandApdu(0x80, 0x50, 0, 0, HOST))

    assert expected == answer[10]


def test_challenges_differ() -> None:
    """The counter makes each challenge another: SCP03 at once, SCP02 after a session."""
    store = Store(DES, AES)
    ours = CardChannel(store, AID, bytes(10))
    first = [ours.initialize_update(CommandApdu(0x80, 0x50, 0x30, 0, HOST)) for _ in range(2)]

    assert first[0][13:21] != first[1][13:21]
    assert {0x30: 2} == store.counters

    host = HostChannel(DES, HOST, Level.C_MAC)
    answer = ours.initialize_update(host.initialize_update())
    ours.external_authenticate(host.external_authenticate(answer))

    assert {0x30: 2, 0x20: 1} == store.counters
    assert answer != ours.initialize_update(host.initialize_update())
    assert answer[14:20] == scp02.card_challenge(DES, b"\0\0", AID)


@pytest.mark.parametrize("keys", [DES, AES])
def test_keys_that_are_used_up(keys: ChannelKeys) -> None:
    """At the highest counter no session begins."""
    store = Store(keys)
    store.counters[keys.version] = 0xFFFFFF
    with pytest.raises(PeerError) as refused:
        CardChannel(store, AID, bytes(10)).initialize_update(CommandApdu(0x80, 0x50, data=HOST))

    assert SW.CONDITIONS_NOT_SATISFIED == refused.value.answer


def test_chance_in_place_of_a_counter() -> None:
    """A card may choose its challenge by chance and tell no counter: options 00 and 60."""
    keys, chance = AES, bytes.fromhex("1122334455667788")
    session = scp03.Scp03(keys, HOST, chance)
    for option in (0x00, 0x60):
        host = HostChannel(keys, HOST, Level.C_MAC)
        host.initialize_update()
        answer = bytes(10) + bytes([0x30, 3, option]) + chance + session.card_cryptogram

        assert session.host_cryptogram == host.external_authenticate(answer).data[:8]


@pytest.mark.parametrize(
    "cipher", [KeyCipher(KeyKind.DES, b"D" * 16), KeyCipher(KeyKind.AES, b"D" * 16)]
)
@pytest.mark.parametrize(
    ("kind", "key"),
    [
        (KeyKind.DES, bytes(range(16))),
        (KeyKind.DES, bytes(range(24))),
        (KeyKind.AES, bytes(range(16))),
        (KeyKind.AES, bytes(range(24))),
        (KeyKind.AES, bytes(range(32))),
    ],
)
def test_keys_travel(cipher: KeyCipher, kind: KeyKind, key: bytes) -> None:
    """A key under a key is the key again. Clause 11.8.2.3, Amendment D clause 7.2."""
    assert (kind, key) == cipher.unwrap(cipher.wrap(kind, key))


def test_a_key_without_its_length() -> None:
    """Tools leave the length of an AES key out where nothing is padded."""
    cipher, key = KeyCipher(KeyKind.AES, b"D" * 16), bytes(range(32))
    block = cipher.wrap(KeyKind.AES, key)

    assert (KeyKind.AES, key) == cipher.unwrap(KeyBlock(0x88, block.component[1:], block.check))


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        (KeyBlock(0x88, b"\x10" + bytes(16), b"\1\2\3"), 0x9485),
        (KeyBlock(0x88, b"\x10" + bytes(14)), SW.INCORRECT_DATA),
        (KeyBlock(0x88, b"\x11" + bytes(17)), SW.INCORRECT_DATA),
        (KeyBlock(0x88, b""), SW.INCORRECT_DATA),
        (KeyBlock(0x80, bytes(8)), SW.INCORRECT_DATA),
        (KeyBlock(0xA1, bytes(16)), SW.INCORRECT_DATA),
    ],
)
def test_keys_that_do_not_arrive(block: KeyBlock, expected: int) -> None:
    """A wrong check value is told from what is malformed. Clause 11.8.3.2."""
    with pytest.raises(PeerError) as refused:
        KeyCipher(KeyKind.AES, b"D" * 16).unwrap(block)

    assert expected == refused.value.answer


@given(st.binary(max_size=40))
def test_padding(octets: bytes) -> None:
    """There is always an 80, so nothing is lost. Clause B.2.3."""
    assert octets == unpad(pad(octets, 16))
    assert 0 == len(pad(octets, 8)) % 8


def test_keys_are_not_shown() -> None:
    """No key stands in a repr."""
    assert "EEEE" not in repr(AES)
    assert "DDDD" not in repr(KeyCipher(KeyKind.AES, b"D" * 16))


@pytest.mark.parametrize(("version", "length"), [(0, 16), (0x80, 16), (0x30, 15)])
def test_impossible_keys(version: int, length: int) -> None:
    """Versions are 1 to 127; lengths are those of the algorithm."""
    with pytest.raises(LocalError):
        ChannelKeys(version, KeyKind.AES, bytes(length), bytes(length), bytes(length))
