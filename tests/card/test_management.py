"""Managing the card from its reader, as tools do: SELECT, secure channel, content, keys."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from cardsync.card.key_store import DomainKeys, write_channel_keys, write_key_cipher
from cardsync.card.memory import Memory
from cardsync.card.remote_files import USIM_TAR
from cardsync.card.secured import read_key_sets
from cardsync.card.uicc import Uicc
from cardsync.octets import tlv
from cardsync.octets.apdu import SW, CommandApdu, Ins, ResponseApdu
from cardsync.ota.application import (
    APPLICATION_TAR,
    INSTANCE_AID,
    MODULE_AID,
    PACKAGE_AID,
    REQUESTER_MODULE_AID,
)
from cardsync.ota.channel_keys import ChannelKeys, KeyCipher, KeyKind, check_value
from cardsync.ota.channel_level import Level
from cardsync.ota.globalplatform import (
    Delete,
    GetData,
    GetStatus,
    RegistryEntry,
    RegistryPart,
    SetStatus,
)
from cardsync.ota.install import InstallForInstall, InstallForLoad, InstallForMakeSelectable
from cardsync.ota.key_commands import DeleteKey, KeyBlock, PutKey
from cardsync.ota.packet import ResponseStatus
from cardsync.ota.script import CompactResponse
from cardsync.ota.securechannel import HostChannel
from cardsync.ota.security import Algorithm, Key, KeySet
from mobiles import KEYS, LOADING, POLICY, Sender, bare_card, card_with, compact, receive

AES = ChannelKeys(0x30, KeyKind.AES, b"E" * 16, b"M" * 16, b"D" * 16)
DES = ChannelKeys(0x20, KeyKind.DES, b"E" * 16, b"M" * 16, b"D" * 16)
OTHER = ChannelKeys(0x31, KeyKind.AES, b"1" * 32, b"2" * 32, b"3" * 32)
DOMAIN = "00A4040008A000000151000000"
RECOGNITION = (
    "663D733B06072A864886FC6B01600B06092A864886FC6B020203630906072A864886FC6B03"
    "640B06092A864886FC6B040255640B06092A864886FC6B040370"
)
SESSIONS = [(DES, 0x01), (DES, 0x03), (AES, 0x01), (AES, 0x03), (AES, 0x13), (AES, 0x33)]
KIK = KeyCipher(KeyKind.AES, b"K" * 16)


class Host:
    """A tool at the reader."""

    def __init__(self, card: Uicc, keys: ChannelKeys = AES, level: int = 0x33, at: int = 0) -> None:
        self.card, self.at = card, at
        for one in (AES, DES):
            write_channel_keys(card.memory, one)
        self.channel = HostChannel(keys, b"12345678", Level(level))

    def plain(self, apdu: CommandApdu) -> ResponseApdu:
        """Send a command as it is, on our channel."""
        cla = apdu.cla | self.at
        sent = CommandApdu(cla, apdu.ins, apdu.p1, apdu.p2, apdu.data, apdu.le)
        return ResponseApdu.decode(self.card.transact(sent.encode()))

    def open(self) -> "Host":
        """Select the domain and open the channel."""
        assert SW.OK == self.plain(CommandApdu.decode(bytes.fromhex(DOMAIN))).sw
        answer = self.plain(self.channel.initialize_update())
        assert SW.OK == answer.sw
        assert SW.OK == self.plain(self.channel.external_authenticate(answer.data)).sw
        return self

    def send(self, apdu: CommandApdu) -> ResponseApdu:
        """Send a command under protection."""
        return self.channel.open_response(self.plain(self.channel.protect(apdu)))

    def listed(self, part: RegistryPart) -> tuple[RegistryEntry, ...]:
        """Give what GET STATUS lists."""
        return RegistryEntry.decode_all(self.send(GetStatus(part).encode()).data)

    def put(
        self, kind: KeyKind, keys: Sequence[bytes], version: int, replaces: int = 0
    ) -> ResponseApdu:
        """Send keys under the key of the session."""
        return self.send(put(self.channel.key_cipher, kind, keys, version, replaces))


def answer(card: Uicc, apdu: str) -> str:
    """Exchange an APDU, both in hexadecimal."""
    return card.transact(bytes.fromhex(apdu)).hex().upper()


def put(
    cipher: KeyCipher, kind: KeyKind, keys: Sequence[bytes], version: int, replaces: int = 0
) -> CommandApdu:
    """Make a PUT KEY."""
    blocks = tuple([cipher.wrap(kind, key) for key in keys])
    return PutKey(replaces, 1, version, blocks).encode()


@pytest.mark.parametrize(
    "name", ["A000000151000000", "A000000151", "A000000003000000", "A0000001510000", ""]
)
def test_select(name: str) -> None:
    """By its AID, the beginning or no name; AID and recognition data are answered. Clause 11.9."""
    card = Host(bare_card()).card
    named = f"{len(name) // 2:02X}{name}" if name else ""
    response = card.transact(bytes.fromhex(f"00A40400{named}00"))
    (outer,) = tlv.decode_all(response[:-2])
    found = {one.tag: one.value for one in tlv.decode_all(outer.value)}

    assert (0x6F, bytes.fromhex("A000000151000000")) == (outer.tag, found[0x84])
    assert bytes.fromhex("06092A864886FC6B040370") in found[0xA5]
    assert bytes.fromhex("9F6501FF") in found[0xA5]


@pytest.mark.parametrize(
    ("apdus", "expected"),
    [
        (["00A4040005A0000000AA"], "6A82"),
        (["00A4040208A000000151000000"], "6A82"),
        (["80CA006600"], "6D00"),
        (["80E60C0000"], "6D00"),
        (["8050000008" + "00" * 8], "6D00"),
        (["8482010000"], "6882"),
        ([DOMAIN, "80E40000024F00"], "6982"),
        ([DOMAIN, "80F28002024F0000"], "6982"),
        ([DOMAIN, "84F28002024F0000"], "6982"),
        ([DOMAIN, "8050700008" + "00" * 8], "6A88"),
        ([DOMAIN, "8482010010" + "00" * 16], "6985"),
        ([DOMAIN, "80CA9F7F00"], "9F7F2A" + "00" * 12 + "000010F7" + "00" * 26 + "9000"),
        ([DOMAIN, "80CA9F6E00"], "6A88"),
        ([DOMAIN, "80CA004500"], "450A988812010000000010F79000"),
        ([DOMAIN, "80CA004200"], "4204988812019000"),
        ([DOMAIN, "80CA00C100"], "C1030000009000"),
        ([DOMAIN, "80CA00CF00"], "CF0A988812010000000010F79000"),
        ([DOMAIN, "80F2000C"], "9000"),
        ([DOMAIN, "00A4000C023F00", "80CA006600"], "6D00"),
        ([DOMAIN, "A0A40000023F00"], "000000003F0001000000000009B10205040083008300" + "9000"),
        (["01A4040008A000000151000000"], "6881"),
    ],
)
def test_exchange(apdus: list[str], expected: str) -> None:
    """What is asked, refused, or not of the domain. Clauses 11.1 to 11.11."""
    card = Host(bare_card()).card
    for apdu in apdus[:-1]:
        assert "9000" == answer(card, apdu)[-4:]

    assert expected == answer(card, apdus[-1])


def test_card_data() -> None:
    """The recognition data name GlobalPlatform 2.3 and both protocols. Clause H.2."""
    card = Host(bare_card()).card
    answer(card, DOMAIN)

    assert RECOGNITION + "9000" == answer(card, "80CA006600")
    assert "73" == answer(card, "80CA007300")[:2]
    resources = answer(card, "80CAFF2100")
    assert ("FF210F810100", "82040003") == (resources[:12], resources[12:20])


def test_key_information() -> None:
    """Identifier, version, type and length of each key. Clause 11.3.3.1."""
    card = Host(bare_card()).card
    write_key_cipher(card.memory, 1, KIK)
    answer(card, DOMAIN)
    rows = [
        f"C0040{n}{version}{kind}10"
        for version, kind in (("01", "88"), ("20", "80"), ("30", "88"))
        for n in (1, 2, 3)
    ]

    assert "E036" + "".join(rows) + "9000" == answer(card, "80CA00E000")


@pytest.mark.parametrize(
    ("keys", "level"),
    [(DES, 0x01), (DES, 0x03), (AES, 0x01), (AES, 0x03), (AES, 0x13), (AES, 0x33)],
)
def test_load_and_delete(keys: ChannelKeys, level: int) -> None:
    """A whole life of an application through the reader. Clauses 11.2 to 11.6."""
    host = Host(bare_card(), keys, level).open()

    assert [SW.OK] * len(LOADING) == [host.send(one).sw for one in LOADING]
    (entry,) = RegistryEntry.decode_all(
        host.send(GetStatus(RegistryPart.APPLICATIONS).encode()).data
    )
    assert (INSTANCE_AID, 0x07, PACKAGE_AID) == (entry.aid, entry.state, entry.load_file)
    assert SW.OK == host.send(Delete(PACKAGE_AID, related=True).encode()).sw
    assert SW.REFERENCED_DATA_NOT_FOUND == host.send(GetStatus(RegistryPart.LOAD_FILES).encode()).sw


def test_modules() -> None:
    """Load files with what can be made of them; the domain with its privileges. Clause 11.4."""
    host = Host(card_with(POLICY)).open()
    (load_file,) = host.listed(RegistryPart.LOAD_FILES_AND_MODULES)
    (domain,) = host.listed(RegistryPart.ISSUER_SECURITY_DOMAIN)

    assert ((MODULE_AID, REQUESTER_MODULE_AID), 0x01) == (load_file.modules, load_file.state)
    assert (0x0F, 3) == (domain.state, len(domain.privileges))


def test_long_lists() -> None:
    """What does not fit comes with the next command, after 63 10. Clause 11.4.3.2."""
    host, aids = Host(bare_card()).open(), [bytes([0xF0, 0, 0, 0, n]) * 3 for n in range(8)]
    from_tests = LOADING[1]
    for aid in aids:
        assert SW.OK == host.send(InstallForLoad(aid).encode()).sw
        assert SW.OK == host.send(from_tests).sw
    found, following = list[bytes](), False
    for _ in range(9):
        command = GetStatus(RegistryPart.LOAD_FILES_AND_MODULES, following=following)
        response = host.send(command.encode())
        found += [one.aid for one in RegistryEntry.decode_all(response.data)]
        following = True
        if response.sw != 0x6310:
            break

    assert aids == found
    again = host.send(GetStatus(RegistryPart.LOAD_FILES, following=True).encode())
    assert aids[0] == RegistryEntry.decode_all(again.data)[0].aid


def test_lock() -> None:
    """A locked application hears nothing, over the air either, until it is let go. Clause 11.10."""
    card, sender = card_with(POLICY), Sender(start=10)
    host = Host(card).open()

    def status(state: int, aid: bytes = INSTANCE_AID) -> int:
        return host.send(SetStatus(RegistryPart.APPLICATIONS, aid, state).encode()).sw

    assert SW.OK == status(0x87)
    (entry,) = RegistryEntry.decode_all(
        host.send(GetStatus(RegistryPart.APPLICATIONS).encode()).data
    )
    assert 0x87 == entry.state
    receive(card, sender.messages(b"x", APPLICATION_TAR))
    assert {ResponseStatus.TAR_UNKNOWN: 1} == card._secured.refusals
    told = CommandApdu(0x80, Ins.TERMINAL_PROFILE, data=b"\xff" * 20).encode()
    assert b"\x90\0" == card.transact(told)
    assert SW.REFERENCED_DATA_NOT_FOUND == status(0x87, MODULE_AID)
    assert SW.CONDITIONS_NOT_SATISFIED == status(0x0F)
    assert SW.OK == status(0x00)
    assert 0x91 == card.transact(told)[0]


def state_of(host: Host, state: int) -> int:
    """Give the card another state."""
    command = SetStatus(RegistryPart.ISSUER_SECURITY_DOMAIN, b"", state)
    return host.send(command.encode()).sw


def test_locked_card() -> None:
    """A locked card is managed and does nothing else, until it is unlocked. Clause 5.1.1.4."""
    card = card_with(POLICY)
    host = Host(card).open()
    assert SW.OK == state_of(host, 0x7F)
    again = Uicc(Memory.decode(card.memory.encode()))

    assert ["6985", "6F00"] == [answer(again, one) for one in ("00A4000C023F00", "A0A40000023F00")]
    assert "6985" == answer(again, "8010000001FF")
    assert "6283" == answer(again, DOMAIN)[-4:]
    host = Host(again)
    assert 0x6283 == host.plain(CommandApdu(0, Ins.SELECT, 4, 0)).sw
    proof = host.plain(host.channel.initialize_update())
    assert SW.OK == host.plain(host.channel.external_authenticate(proof.data)).sw
    assert SW.CONDITIONS_NOT_SATISFIED == host.send(LOADING[0]).sw
    assert 0x7F == host.listed(RegistryPart.ISSUER_SECURITY_DOMAIN)[0].state
    assert SW.OK == state_of(host, 0x0F)
    assert "9000" == answer(again, "00A4000C023F00")


def test_locked_card_over_the_air() -> None:
    """The operator unlocks it by a secured message; files and application hear none."""
    card, sender = card_with(POLICY), Sender(start=10)
    unlock, lock = (
        compact(SetStatus(RegistryPart.ISSUER_SECURITY_DOMAIN, b"", state).encode())
        for state in (0x0F, 0x7F)
    )
    receive(card, sender.messages(lock))
    for tar in (APPLICATION_TAR, USIM_TAR):
        receive(card, sender.messages(b"x", tar))
    assert {ResponseStatus.TAR_UNKNOWN: 2} == card._secured.refusals
    receive(card, sender.messages(unlock))

    assert "9000" == answer(card, "00A4000C023F00")


def test_terminated_card() -> None:
    """Nothing leads back; what the card was can still be asked. Clause 5.1.1.5."""
    host = Host(bare_card()).open()
    assert SW.OK == state_of(host, 0xFF)

    assert SW.CONDITIONS_NOT_SATISFIED == state_of(host, 0x0F)
    assert "6283" == answer(host.card, DOMAIN)[-4:]
    assert "6985" == answer(host.card, "8050000008" + "00" * 8)
    assert "9000" == answer(host.card, "80CA006600")[-4:]
    assert "6985" == answer(host.card, "80C2000003D10100")


def test_installed_then_made_selectable() -> None:
    """INSTALL in two steps: between them the application is there and still. Clause 11.5."""
    host = Host(bare_card()).open()
    alone = replace(InstallForInstall.decode(LOADING[2]), selectable=False).encode()
    assert [SW.OK] * 3 == [host.send(one).sw for one in (*LOADING[:2], alone)]
    assert 0x03 == host.listed(RegistryPart.APPLICATIONS)[0].state
    receive(host.card, Sender(start=10).messages(b"x", APPLICATION_TAR))
    assert {ResponseStatus.TAR_UNKNOWN: 1} == host.card._secured.refusals

    assert SW.OK == host.send(InstallForMakeSelectable(INSTANCE_AID).encode()).sw
    assert 0x07 == host.listed(RegistryPart.APPLICATIONS)[0].state


def test_keys_of_many_wrong_hosts() -> None:
    """After 32 hosts without proof, one after the other, a version is blocked; others work.

    GlobalPlatform clause 10.2.1: the number is limited.
    """
    card = Host(bare_card()).card
    answer(card, DOMAIN)
    for _ in range(31):
        answer(card, "8050300008" + "00" * 8)
        assert "6982" == answer(card, "8482010010" + "00" * 16)
    host = Host(card).open()  # the right one: it is counted anew
    assert SW.OK == host.send(GetData(0x66).encode()).sw
    answer(card, DOMAIN)
    for _ in range(32):
        answer(card, "8050300008" + "00" * 8)
        assert "6982" == answer(card, "8482010010" + "00" * 16)

    assert "6983" == answer(card, "8050300008" + "00" * 8)
    assert SW.OK == Host(card, DES, 0x01).open().send(GetData(0x66).encode()).sw


def test_delete_keys() -> None:
    """Keys of a version go together; the last ones stay. Clause 11.2."""
    host = Host(bare_card()).open()

    def delete(version: int, identifier: int | None = None) -> int:
        return host.send(DeleteKey(version, identifier).encode()).sw

    assert SW.OK == delete(0x20)
    assert SW.REFERENCED_DATA_NOT_FOUND == delete(0x20)
    assert SW.CONDITIONS_NOT_SATISFIED == delete(0x30, 1)
    assert SW.OK == delete(1)
    assert SW.CONDITIONS_NOT_SATISFIED == delete(0x30)
    assert [0x30] == [*DomainKeys(host.card.memory).keys()]
    assert {} == read_key_sets(host.card.memory)


def test_put_key() -> None:
    """New keys of the channel, beside the old and in their place; then they open it. 11.8."""
    host = Host(bare_card()).open()
    response = host.send(put(host.channel.key_cipher, OTHER.kind, [*OTHER], OTHER.version))
    checks = b"".join([check_value(KeyKind.AES, key) for key in OTHER])

    assert (SW.OK, b"\x31" + checks) == (response.sw, response.data)
    again = Host(Uicc(Memory.decode(host.card.memory.encode())), OTHER).open()
    replaced = put(again.channel.key_cipher, KeyKind.AES, [b"N" * 16] * 3, 0x30, replaces=0x30)
    assert SW.OK == again.send(replaced).sw
    assert {0x20, 0x30, 0x31} == set(DomainKeys(again.card.memory).keys())
    assert b"N" * 16 == DomainKeys(again.card.memory).keys()[0x30].enc


@pytest.mark.parametrize(("identifier", "count"), [(1, 1), (2, 1), (3, 1), (1, 2), (2, 2)])
def test_put_some_keys(identifier: int, count: int) -> None:
    """Some keys of a version come in the place of the old ones; the others stay. Clause 11.8.2."""
    host = Host(bare_card()).open()
    cipher, new = host.channel.key_cipher, [b"N" * 16] * count
    blocks = tuple([cipher.wrap(KeyKind.AES, key) for key in new])
    response = host.send(PutKey(0x30, identifier, 0x30, blocks).encode())
    expected = [*AES]
    expected[identifier - 1 : identifier - 1 + count] = new

    assert SW.OK == response.sw
    assert b"\x30" + check_value(KeyKind.AES, new[0]) * count == response.data
    assert expected == [*DomainKeys(host.card.memory).keys()[0x30]]


@pytest.mark.parametrize(
    ("identifier", "kind", "version", "count"),
    [
        (4, KeyKind.AES, 0x30, 1),
        (3, KeyKind.AES, 0x30, 2),
        (0, KeyKind.AES, 0x30, 1),
        (1, KeyKind.DES, 0x30, 1),  # of another kind than the others
        (3, KeyKind.DES, 1, 1),  # a key set of AES
        (1, KeyKind.AES, 1, 1),  # which has no third key yet
    ],
)
def test_put_some_keys_refused(identifier: int, kind: KeyKind, version: int, count: int) -> None:
    """What would leave no three keys of one kind is refused and changes nothing."""
    host = Host(bare_card()).open()
    before = host.card.memory.encode()
    blocks = tuple([host.channel.key_cipher.wrap(kind, b"0123456789abcdef")] * count)
    command = PutKey(version, identifier, version, blocks).encode()

    assert SW.INCORRECT_DATA == host.send(command).sw
    assert before == host.card.memory.encode()


@pytest.mark.parametrize("keys", [DES, AES])
def test_put_key_of_secured_packets(keys: ChannelKeys) -> None:
    """Versions 1 to 15 are key sets: their counter begins anew. TS 102 226 clause 8.2.1.5."""
    card = card_with(POLICY)
    host = Host(card, keys, 0x03).open()
    counters = card.memory.read("counter:1")
    response = host.send(put(host.channel.key_cipher, KeyKind.DES, [b"12345678abcdefgh"] * 3, 2))
    changed = host.send(put(host.channel.key_cipher, KeyKind.AES, [b"n" * 16] * 3, 1, replaces=1))
    key = Key(Algorithm.TRIPLE_DES_2, b"12345678abcdefgh")

    assert (SW.OK, SW.OK) == (response.sw, changed.sw)
    assert KeySet(2, key, key) == read_key_sets(card.memory)[2]
    assert b"" != counters
    assert b"" == card.memory.read("counter:1")


def test_put_key_over_the_air() -> None:
    """Keys come under the KIK of the key set that secures the packet. TS 102 226 clause 8.2.1.5."""
    card, sender = bare_card(), Sender()
    write_key_cipher(card.memory, 1, KIK)
    data = compact(put(KIK, KeyKind.AES, [b"a" * 16, b"b" * 16, b"c" * 16], 5))
    proof = sender.proof(receive(card, sender.messages(data)).data)
    response = CompactResponse.decode(proof.data)

    assert (1, SW.OK, 5) == (response.executed, response.sw, response.data[0])
    assert b"a" * 16 == read_key_sets(card.memory)[5].kic.octets
    assert KeyCipher(KeyKind.AES, b"c" * 16) == DomainKeys(card.memory).key_cipher(5)


def test_the_same_keys_again() -> None:
    """Their counters go on: else what was recorded could be played again."""
    host = Host(card_with(POLICY)).open()
    cipher, before = host.channel.key_cipher, host.card.memory.read("counter:1")
    same = [KEYS.kic.octets, KEYS.kid.octets, b"K" * 16]

    assert SW.OK == host.send(put(cipher, KeyKind.AES, same, 1, replaces=1)).sw
    assert SW.OK == host.send(put(cipher, KeyKind.AES, [*AES], 0x30, replaces=0x30)).sw
    assert before == host.card.memory.read("counter:1")
    assert 1 == DomainKeys(host.card.memory).sequence(0x30)


@pytest.mark.parametrize(
    ("version", "replaces", "keys", "expected"),
    [
        (0x30, 0, [b"n" * 16] * 3, SW.INCORRECT_DATA),  # it is there
        (0x40, 0x41, [b"n" * 16] * 3, SW.REFERENCED_DATA_NOT_FOUND),
        (0x40, 0x01, [b"n" * 16] * 3, SW.INCORRECT_DATA),  # a key set is no key of the channel
        (0x40, 0, [b"n" * 16] * 2, SW.INCORRECT_DATA),
        (0x40, 0, [b"n" * 16, b"n" * 32, b"n" * 16], SW.INCORRECT_DATA),
        (0x00, 0, [b"n" * 16] * 3, SW.INCORRECT_DATA),
        (0x80, 0, [b"n" * 16] * 3, SW.INCORRECT_DATA),
    ],
)
def test_put_key_refused(version: int, replaces: int, keys: list[bytes], expected: SW) -> None:
    """Versions and keys that cannot be; nothing has changed. Clause 11.8.3.2."""
    host = Host(bare_card()).open()
    before = host.card.memory.encode()

    assert (
        expected == host.send(put(host.channel.key_cipher, KeyKind.AES, keys, version, replaces)).sw
    )
    assert before == host.card.memory.encode()


def test_put_key_with_a_wrong_check_value() -> None:
    """A key that did not arrive as it was sent is refused with 94 85."""
    host = Host(bare_card()).open()
    wrapped = [host.channel.key_cipher.wrap(KeyKind.AES, key) for key in OTHER]
    blocks = tuple([KeyBlock(one.kind, one.component, b"\1\2\3") for one in wrapped])

    assert 0x9485 == host.send(PutKey(0, 1, 0x40, blocks).encode()).sw


def test_too_many_versions() -> None:
    """A card has room for sixteen."""
    host = Host(bare_card()).open()
    words = {
        host.send(put(host.channel.key_cipher, KeyKind.AES, [b"n" * 16] * 3, 0x40 + n)).sw
        for n in range(16)
    }

    assert {SW.OK, SW.NOT_ENOUGH_MEMORY} == words


def test_channels_have_sessions_of_their_own() -> None:
    """The domain on one channel, the files on another; each keeps its session. Clause 11.1.4."""
    card = bare_card()
    assert "019000" == answer(card, "0070000001")
    first, second = Host(card, AES, at=0).open(), Host(card, DES, 0x01, at=1).open()

    assert SW.OK == first.send(GetData(0x66).encode()).sw == second.send(GetData(0x66).encode()).sw
    assert "9000" == answer(card, "00A4000C022FE2")
    assert "6D00" == answer(card, "80E40000024F00")
    assert SW.OK == second.send(GetData(0xE0).encode()).sw


@pytest.mark.parametrize("end", ["selection", "another selection", "reset"])
def test_selection_ends_the_session(end: str) -> None:
    """Who selects the domain anew begins anew; a reset does as well. Clause 10.2.3."""
    host = Host(bare_card()).open()
    if end == "another selection":
        answer(host.card, "00A4000C023F00")
    if end == "reset":
        host.card.reset()
    answer(host.card, DOMAIN)
    response = host.plain(host.channel.protect(GetData(0x66).encode()))

    assert SW.SECURITY_NOT_SATISFIED == response.sw


def test_a_selection_that_fails_ends_nothing() -> None:
    """The domain keeps its channel and its session. Clause 10.2.3."""
    host = Host(bare_card()).open()

    assert "6A82" == answer(host.card, "00A4000C021234")
    assert SW.OK == host.send(GetData(0x66).encode()).sw


def test_wrong_keys_change_nothing() -> None:
    """Who has no key gets no channel; the card counts him and is as it was else. R-04."""
    card = Host(bare_card()).card
    before = cells(card)
    answer(card, DOMAIN)
    answer(card, "8050200008" + "00" * 8)

    assert "6982" == answer(card, "8482010010" + "00" * 16)
    assert "6985" == answer(card, "8482010010" + "00" * 16)
    assert before | {"failed:20": b"\1"} == cells(card)


def cells(card: Uicc) -> dict[str, bytes]:
    """Give the memory of a card by cells."""
    return {name: card.memory.read(name) for name in card.memory.names("")}
