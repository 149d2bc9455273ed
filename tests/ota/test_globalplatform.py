"""Card content management. GlobalPlatform Card Specification 2.3 clause 11."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardsync.errors import LocalError, PeerError
from cardsync.octets.apdu import SW, CommandApdu
from cardsync.ota import globalplatform
from cardsync.ota.globalplatform import (
    Delete,
    GetData,
    GetStatus,
    Load,
    RegistryEntry,
    RegistryPart,
    SetStatus,
    StoreData,
    load_blocks,
    load_file_of,
    store_data_blocks,
)
from cardsync.ota.install import (
    InstallForInstall,
    InstallForLoad,
    InstallForMakeSelectable,
    InstallForPersonalization,
    InstallParameters,
)
from cardsync.ota.key_commands import DeleteKey, KeyBlock, PutKey
from cardsync.ota.script import decode_compact, encode_compact

AID = bytes.fromhex("F063617264730102")
KEY_BLOCK = KeyBlock(0x88, bytes.fromhex("10") + bytes(16), bytes.fromhex("C35280"))


@pytest.mark.parametrize(
    ("command", "octets"),
    [
        (Load(1, b"abc"), "80E8000103616263"),
        (Load(2, b"d", last=True), "80E880020164"),
        (StoreData(0, b"abc", last=True), "80E2800003616263"),
        (StoreData(1, b"x", form=0x10), "80E210010178"),
        (Delete(AID, related=True), "80E400800A4F08F063617264730102"),
        (GetStatus(RegistryPart.APPLICATIONS), "80F24002024F0000"),
        (
            GetStatus(RegistryPart.LOAD_FILES, AID, following=True),
            "80F220030A4F08F06361726473010200",
        ),
        (GetStatus(RegistryPart.LOAD_FILES, tagged=False), "80F22000024F0000"),
        (DeleteKey(0x30), "80E4000003D20130"),
        (DeleteKey(0x30, 2), "80E4000006D00102D20130"),
        (InstallForMakeSelectable(AID), "80E608000F000008F06361726473010201000000"),
        (SetStatus(RegistryPart.ISSUER_SECURITY_DOMAIN, b"", 0x7F), "80F0807F"),
        (
            PutKey(0, 1, 0x30, (KEY_BLOCK,)),
            "80D8000118308811" + "10" + "00" * 16 + "03C35280",
        ),
        (SetStatus(RegistryPart.APPLICATIONS, AID, 0x83), "80F0408308F063617264730102"),
        (GetData(0x66), "80CA006600"),
        (GetData(0xFF21), "80CAFF2100"),
    ],
)
def test_octets(command: globalplatform.Command, octets: str) -> None:
    """Each command, both ways. Clauses 11.2 to 11.11."""
    assert bytes.fromhex(octets) == command.encode().encode()
    assert command == globalplatform.decode(CommandApdu.decode(bytes.fromhex(octets)))


def test_whole_installation_as_one_script() -> None:
    """What installs an application goes through a compact script and comes out the same. R-20."""
    commands: tuple[globalplatform.Command, ...] = (
        InstallForLoad(AID),
        *load_blocks(bytes(700)),
        InstallForInstall(AID, AID + b"\x01", AID + b"\x02", InstallParameters()),
        InstallForPersonalization(AID + b"\x02"),
        *store_data_blocks(bytes(range(256)) * 2),
    )
    script = encode_compact([command.encode() for command in commands])

    assert commands == tuple(globalplatform.decode(apdu) for apdu in decode_compact(script))


def test_load_blocks() -> None:
    """The load file data block goes in C4, cut into numbered blocks. Clause 11.6.2.3."""
    blocks = load_blocks(bytes(500), 200)

    assert [(0, False), (1, False), (2, True)] == [(block.number, block.last) for block in blocks]
    assert bytes.fromhex("C48201F4") == blocks[0].data[:4]
    assert bytes(500) == load_file_of(b"".join(block.data for block in blocks))


@pytest.mark.parametrize("octets", ["", "C402", "E20100"])
def test_malformed_load_file(octets: str) -> None:
    """No whole C4: 6A80."""
    with pytest.raises(PeerError) as caught:
        load_file_of(bytes.fromhex(octets))

    assert SW.INCORRECT_DATA == caught.value.answer


def test_too_many_blocks() -> None:
    """A block number has one octet; nothing at all makes no block."""
    for data, size in ((bytes(257), 1), (b"", 10), (b"x", 0), (b"x", 256)):
        with pytest.raises(LocalError):
            store_data_blocks(data, size)


def test_registry_entries() -> None:
    """The answer to GET STATUS: E3 with AID, state, privileges, load file. Clause 11.4.3.1."""
    entries = (RegistryEntry(AID, 0x07, b"\x00\x00\x00", AID), RegistryEntry(AID, 0x01))
    octets = b"".join(entry.encode() for entry in entries)
    with_modules = RegistryEntry(AID, 0x01, modules=(AID, AID[:5]))

    assert (with_modules,) == RegistryEntry.decode_all(with_modules.encode())
    assert bytes.fromhex("E30E 4F08F063617264730102 9F700101") == entries[1].encode()
    assert entries == RegistryEntry.decode_all(octets)


@pytest.mark.parametrize("octets", ["E3", "E300", "E4064F019F700101", "E3084F01009F70020101"])
def test_malformed_registry_entries(octets: str) -> None:
    """An entry has an AID and a state of one octet."""
    with pytest.raises(PeerError):
        RegistryEntry.decode_all(bytes.fromhex(octets))


def test_untagged_registry_entries() -> None:
    """The older form: AID, state, first privileges, modules. GlobalPlatform 2.1.1 table 9-22."""
    entry = RegistryEntry(AID, 0x0F, b"\x9e\xfe\x80")
    load_file = RegistryEntry(AID, 1, modules=(b"abcde", b"fghij"))

    assert b"\x08" + AID + b"\x0f\x9e" == entry.encode_untagged()
    assert b"\x08" + AID + b"\1\0\2\5abcde\5fghij" == load_file.encode_untagged()


def test_key_blocks_are_not_shown() -> None:
    """Not even a ciphered key stands in a representation."""
    shown = repr(PutKey(0, 1, 1, (KeyBlock(0x88, b"secret"),)))

    assert "secret" not in shown
    assert "6 octets" in shown


@pytest.mark.parametrize(
    ("octets", "expected"),
    [
        ("00E60200", SW.CLA_NOT_SUPPORTED),
        ("80E7020000", SW.INS_NOT_SUPPORTED),
        ("80F0438305F063617264", SW.INCORRECT_P1_P2),
        ("80F0408304F0636172", SW.INCORRECT_DATA),
        ("80E6400000", SW.INCORRECT_P1_P2),
        ("80E6020100", SW.INCORRECT_P1_P2),
        ("80E6020003010000", SW.INCORRECT_DATA),
        ("80E60200050100000000", SW.INCORRECT_DATA),
        ("80E801000100", SW.INCORRECT_P1_P2),
        ("80E8000000", SW.WRONG_LENGTH),
        ("80E2000000", SW.WRONG_LENGTH),
        ("80E40000024F00", SW.INCORRECT_DATA),
        ("80E40000015F", SW.INCORRECT_DATA),
        ("80E40100024F00", SW.INCORRECT_P1_P2),
        ("80F24102024F00", SW.INCORRECT_P1_P2),
        ("80F24004024F00", SW.INCORRECT_P1_P2),
        ("80E40000 05 D00101 D200", SW.INCORRECT_DATA),
        ("80E40000 03 D00101", SW.INCORRECT_DATA),
        ("80F24002025000", SW.INCORRECT_DATA),
        ("80D8000100", SW.INCORRECT_DATA),
        ("80D800010430880200", SW.INCORRECT_DATA),
        ("80D800810430880000", SW.INCORRECT_P1_P2),
    ],
)
def test_malformed_command(octets: str, expected: SW) -> None:
    """A malformed command owes a status word. Clause 11.1.3."""
    with pytest.raises(PeerError) as caught:
        globalplatform.decode(CommandApdu.decode(bytes.fromhex(octets)))

    assert expected == caught.value.answer


@settings(max_examples=300)
@given(
    st.builds(
        CommandApdu,
        st.just(0x80),
        st.sampled_from([0xD8, 0xE2, 0xE4, 0xE6, 0xE8, 0xF2]),
        st.sampled_from([0, 0x02, 0x0C, 0x20, 0x40, 0x80]),
        st.sampled_from([0, 2, 0x80]),
        st.binary(max_size=60),
    )
)
def test_any_command(apdu: CommandApdu) -> None:
    """Any APDU is read or raises `PeerError` with a status word."""
    answer: int | None = SW.OK
    try:
        command = globalplatform.decode(apdu)
    except PeerError as exc:
        answer = exc.answer
    else:
        assert command == globalplatform.decode(command.encode())

    assert answer is not None
