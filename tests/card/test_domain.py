"""The security domain: load, install, personalise, delete, list; pieces, interruptions.

GlobalPlatform Card Specification 2.3 clause 11, TS 102 226 clauses 5 and 8.
"""

from collections.abc import Sequence

import pytest

from cardsync.card.memory import Memory
from cardsync.card.registry import Instance
from cardsync.card.uicc import Uicc
from cardsync.octets.apdu import SW, CommandApdu
from cardsync.ota import globalplatform
from cardsync.ota.application import (
    APPLICATION_TAR,
    INSTANCE_AID,
    ISSUER_DOMAIN_TAR,
    MODULE_AID,
    PACKAGE_AID,
    ApplicationImage,
    DataGroup,
    GroupTag,
)
from cardsync.ota.globalplatform import (
    Delete,
    GetStatus,
    Load,
    RegistryEntry,
    RegistryPart,
    StoreData,
)
from cardsync.ota.install import (
    InstallForInstall,
    InstallForLoad,
    InstallForPersonalization,
    InstallParameters,
    ToolkitParameters,
)
from cardsync.ota.key_commands import KeyBlock, PutKey
from cardsync.ota.packet import CounterRule, Integrity, ResponseStatus, SecurityLevel, Spi
from cardsync.ota.script import BadFormat, CompactResponse, ExpandedResponse, ExpandedScript, Tag
from cardsync.ota.security import KeySet
from mobiles import (
    KEYS,
    LOADING,
    POLICY,
    Sender,
    bare_card,
    card_with,
    compact,
    personalising,
    policy_group,
    program,
    receive,
)

IMAGE = ApplicationImage((1, 0), 1, "dm").encode()


def run(card: Uicc, *commands: CommandApdu) -> list[int]:
    """Do commands; give their status words."""
    return [card._domain.transact(command).sw for command in commands]


def listed(card: Uicc, part: RegistryPart) -> list[bytes]:
    """Give the AIDs that GET STATUS lists."""
    response = card._domain.transact(GetStatus(part).encode())
    return [entry.aid for entry in RegistryEntry.decode_all(response.data)]


def remote(card: Uicc, sender: Sender, script: bytes) -> CompactResponse:
    """Run a compact script over the air; give its response, which a key proves."""
    proof = sender.proof(receive(card, sender.messages(script)).data)

    assert (ResponseStatus.OK, True) == (proof.status, proof.authenticated)
    return CompactResponse.decode(proof.data)


def test_load_and_install_over_the_air() -> None:
    """The application comes over the air, with proof, and stands in the registry. R-20."""
    card, sender = bare_card(), Sender()
    response = remote(card, sender, compact(*LOADING))

    assert (3, SW.OK) == (response.executed, response.sw)
    assert [PACKAGE_AID] == listed(card, RegistryPart.LOAD_FILES)
    assert [INSTANCE_AID] == listed(card, RegistryPart.APPLICATIONS)


def test_load_in_pieces() -> None:
    """Blocks in packets of their own, with a reset and a repetition between any two. R-21."""
    card, sender = bare_card(), Sender()
    install, *blocks = LOADING[0], *[b.encode() for b in globalplatform.load_blocks(IMAGE, 3)]
    for command in (install, *[one for block in blocks[:-1] for one in (block, block)], blocks[-1]):
        card = Uicc(Memory.decode(card.memory.encode()))

        assert SW.OK == remote(card, sender, compact(command)).sw
        assert [] == listed(card, RegistryPart.APPLICATIONS)
    assert [PACKAGE_AID] == listed(card, RegistryPart.LOAD_FILES)


def test_update_in_pieces() -> None:
    """A new load file in the place of the old: at each interruption the old one or the new. R-21.

    The application, its policy and its variables stay as they are.
    """
    card, sender = card_with(), Sender(start=10)
    card.memory.write("app:kept", b"\0\7")
    before = {name: card.memory.read(name) for name in card.memory.names("app:")}
    newer = ApplicationImage((2, 0), 1, "dm").encode()
    install, *blocks = LOADING[0], *[b.encode() for b in globalplatform.load_blocks(newer, 3)]
    for command in (install, *blocks):
        assert IMAGE == card.memory.read(f"load file:{PACKAGE_AID.hex()}")
        card = Uicc(Memory.decode(card.memory.encode()))
        assert SW.OK == remote(card, sender, compact(command)).sw

    assert newer == card.memory.read(f"load file:{PACKAGE_AID.hex()}")
    assert before == {name: card.memory.read(name) for name in card.memory.names("app:")}
    assert [INSTANCE_AID] == listed(card, RegistryPart.APPLICATIONS)
    assert APPLICATION_TAR in card._domain.handlers()


@pytest.mark.parametrize("image", [b"CSYN", b"no image", ApplicationImage((2, 0), 2, "").encode()])
def test_update_that_is_none(image: bytes) -> None:
    """What cannot run here leaves the old load file in its place. R-21."""
    card = card_with()
    blocks = [b.encode() for b in globalplatform.load_blocks(image)]

    assert [SW.OK, SW.INCORRECT_DATA] == run(card, LOADING[0], *blocks)
    assert IMAGE == card.memory.read(f"load file:{PACKAGE_AID.hex()}")


def test_parameters_of_a_sim() -> None:
    """An INSTALL whose toolkit parameters are those of a SIM (CA) is as good.

    TS 102 226 clause 8.2.1.3.2.2.
    """
    card = bare_card()
    older = b"\1\0" + ToolkitParameters(timers=1, tars=(b"abc",)).encode()[:-1]
    parameters = InstallParameters(sim_toolkit=older)
    command = InstallForInstall(PACKAGE_AID, MODULE_AID, INSTANCE_AID, parameters).encode()

    assert [SW.OK] * 3 == run(card, *LOADING[:2], command)
    assert b"abc" in card._domain.handlers()


def test_access_domain_that_ends_too_early() -> None:
    """A malformed CA is refused as any parameters are."""
    card = bare_card()
    parameters = InstallParameters(sim_toolkit=b"\5\0")
    command = InstallForInstall(PACKAGE_AID, MODULE_AID, INSTANCE_AID, parameters).encode()

    assert [SW.OK, SW.OK, SW.INCORRECT_DATA] == run(card, *LOADING[:2], command)


@pytest.mark.parametrize("script", ["80F24000024F0000C0000000", "80F24002024F0000C0000010"])
def test_get_response_in_a_script(script: str) -> None:
    """A list without Le waits for GET RESPONSE, in either form. TS 102 226 clause 5.1.1."""
    card, sender = card_with(), Sender(start=10)
    octets = bytes.fromhex(script)
    response = remote(card, sender, octets)
    tagged = octets[3] == 2

    assert (2, SW.OK) == (response.executed, response.sw)
    assert (b"\xe3" if tagged else bytes([len(INSTANCE_AID)])) == response.data[:1]
    assert INSTANCE_AID in response.data


def test_half_a_load_is_nothing() -> None:
    """An interrupted load leaves no load file; it begins anew with INSTALL [for load]. R-21."""
    card = bare_card()
    blocks = [b.encode() for b in globalplatform.load_blocks(IMAGE, 3)]
    run(card, LOADING[0], *blocks[:-1])

    assert [] == listed(card, RegistryPart.LOAD_FILES)
    assert [SW.OK] * (len(blocks) + 1) == run(card, LOADING[0], *blocks)


@pytest.mark.parametrize(
    ("commands", "sw"),
    [
        ([Load(0, b"x").encode()], SW.CONDITIONS_NOT_SATISFIED),
        ([LOADING[0], Load(1, b"x").encode()], SW.INCORRECT_P1_P2),
        ([LOADING[0], Load(0, b"x", last=True).encode()], SW.INCORRECT_DATA),
        ([LOADING[0], Load(0, b"\xc4\x03abc", last=True).encode()], SW.INCORRECT_DATA),
        ([LOADING[2]], SW.REFERENCED_DATA_NOT_FOUND),
        ([*LOADING, LOADING[2]], SW.CONDITIONS_NOT_SATISFIED),
        ([InstallForPersonalization(INSTANCE_AID).encode()], SW.REFERENCED_DATA_NOT_FOUND),
        ([StoreData(0, b"x", last=True).encode()], SW.CONDITIONS_NOT_SATISFIED),
        ([Delete(PACKAGE_AID).encode()], SW.REFERENCED_DATA_NOT_FOUND),
        ([*LOADING, Delete(PACKAGE_AID).encode()], SW.CONDITIONS_NOT_SATISFIED),
        ([GetStatus(RegistryPart.APPLICATIONS).encode()], SW.REFERENCED_DATA_NOT_FOUND),
        ([PutKey(1, 1, 2, (KeyBlock(0x88, bytes(17)),)).encode()], SW.CONDITIONS_NOT_SATISFIED),
        ([CommandApdu(0x80, 0x70)], SW.INS_NOT_SUPPORTED),
        ([CommandApdu(0x00, 0xE6, 2, 0, b"\0")], SW.CLA_NOT_SUPPORTED),
    ],
)
def test_refused(commands: Sequence[CommandApdu], sw: SW) -> None:
    """What cannot be done is refused with its status word and changes nothing."""
    card = bare_card()
    run(card, *commands[:-1])
    before = card.memory.encode()

    assert [sw] == run(card, commands[-1])
    assert before == card.memory.encode()


def install(
    module: bytes = MODULE_AID,
    aid: bytes = INSTANCE_AID,
    tars: tuple[bytes, ...] = (APPLICATION_TAR,),
    minimum: SecurityLevel | None = None,
) -> CommandApdu:
    """Give an INSTALL [for install]."""
    toolkit = ToolkitParameters(tars=tars, minimum=minimum)
    return InstallForInstall(PACKAGE_AID, module, aid, InstallParameters(toolkit=toolkit)).encode()


@pytest.mark.parametrize(
    ("command", "sw"),
    [
        (install(module=b"\xf0other"), SW.CONDITIONS_NOT_SATISFIED),
        (install(tars=(ISSUER_DOMAIN_TAR,)), SW.INCORRECT_DATA),
    ],
)
def test_not_installable(command: CommandApdu, sw: SW) -> None:
    """Only our module, and no TAR that is taken."""
    card = bare_card()
    run(card, *LOADING[:2])

    assert [sw] == run(card, command)


def test_one_instance() -> None:
    """The application exists once: a second instance would share its cells."""
    card = bare_card()

    assert SW.CONDITIONS_NOT_SATISFIED == run(card, *LOADING, install(aid=b"\xf0second"))[-1]


@pytest.mark.parametrize(
    "minimum",
    [None, SecurityLevel(Integrity.NONE, ciphered=False, counter=CounterRule.NONE)],
)
def test_no_application_takes_less(minimum: SecurityLevel | None) -> None:
    """Whatever the parameters say, no packet below the domain's level starts anything.

    This is what the Simjacker attacks used. R-23, TS 102 226 clause 8.2.1.3.2.4.
    """
    card = bare_card()
    run(card, *LOADING[:2], install(minimum=minimum))

    assert SecurityLevel() == card._domain.handlers()[APPLICATION_TAR][0]


def test_stricter_level() -> None:
    """An application may want more than the domain."""
    card = bare_card()
    strict = SecurityLevel(counter=CounterRule.ONE_HIGHER)
    run(card, *LOADING[:2], install(minimum=strict))

    assert strict == card._domain.handlers()[APPLICATION_TAR][0]


def test_delete() -> None:
    """DELETE with related objects takes load file, application and all that it kept."""
    card = card_with()

    assert [SW.OK] == run(card, Delete(PACKAGE_AID, related=True).encode())
    assert () == card.memory.names("app:")
    assert ([], []) == (
        listed(card, RegistryPart.LOAD_FILES),
        listed(card, RegistryPart.APPLICATIONS),
    )


def test_delete_the_application() -> None:
    """The load file may stay for another installation."""
    card = card_with()

    assert [SW.OK, SW.OK] == run(card, Delete(INSTANCE_AID).encode(), LOADING[2])


def test_personalisation_does_not_outlive_its_application() -> None:
    """Data that was begun for an application does not reach the memory after its deletion."""
    card = card_with()
    announce, *blocks = personalising(policy_group(), size=100)
    run(card, announce, *blocks[:-1], Delete(INSTANCE_AID).encode())

    assert [SW.REFERENCED_DATA_NOT_FOUND] == run(card, blocks[-1])
    assert () == card.memory.names("app:")


def test_data_in_pieces() -> None:
    """STORE DATA survives resets between its blocks, and repeated blocks. R-21, R-22."""
    card, sender = card_with(), Sender(start=10)
    changed = POLICY.replace("version = 1", "version = 2")
    announce, *blocks = personalising(policy_group(changed), size=100)
    remote(card, sender, compact(announce))
    for block in blocks[:-1]:
        for _ in range(2):
            card = Uicc(Memory.decode(card.memory.encode()))

            assert SW.OK == remote(card, sender, compact(block)).sw
            assert program(POLICY) == card.memory.read("app:program")
    remote(card, sender, compact(blocks[-1]))

    assert program(changed) == card.memory.read("app:program")


@pytest.mark.parametrize(
    "groups",
    [
        (DataGroup(GroupTag.POLICY, b"no program"),),
        (DataGroup(GroupTag.POLICY, program(POLICY)[:-1]),),
        (
            policy_group(POLICY.replace("version = 1", "version = 3")),
            DataGroup(GroupTag.PARAMETER, b"nothing=1"),
        ),
        (policy_group(), DataGroup(0x7777, b"")),
        (DataGroup(GroupTag.PARAMETER, b"\xff"),),
    ],
    ids=["none", "cut", "bad parameter", "unknown group", "not UTF-8"],
)
def test_bad_program(groups: tuple[DataGroup, ...]) -> None:
    """A bad program, or anything bad beside a good one, leaves the old one running. R-22."""
    card, sender = card_with(), Sender(start=10)
    response = remote(card, sender, compact(*personalising(*groups)))

    assert SW.INCORRECT_DATA == response.sw
    assert program(POLICY) == card.memory.read("app:program")


def test_every_bit_of_a_program_counts() -> None:
    """A program with a changed octet is refused, or it is another whole program; never a crash."""
    card = card_with()
    octets = program(POLICY)
    for place in range(len(octets)):
        changed = octets[:place] + bytes([octets[place] ^ 0x10]) + octets[place + 1 :]
        before = card.memory.encode()
        last = run(card, *personalising(DataGroup(GroupTag.POLICY, changed)))[-1]
        if last == SW.OK:
            assert changed == card.memory.read("app:program")
            card = Uicc(Memory.decode(before))
        else:
            assert octets == card.memory.read("app:program")


def test_script_stops_at_the_first_failure() -> None:
    """The response says how far a script went. TS 102 226 clause 5.1.2."""
    card, sender = bare_card(), Sender()
    response = remote(card, sender, compact(LOADING[0], LOADING[2], LOADING[1]))

    assert (2, SW.REFERENCED_DATA_NOT_FOUND) == (response.executed, response.sw)


@pytest.mark.parametrize("data", [b"\x80\xe6", b"\x80\xe6\x02\x00\x7f\x00", b""])
def test_script_that_is_none(data: bytes) -> None:
    """A script that ends inside a command is not begun: nothing executed, 6700."""
    response = remote(bare_card(), Sender(), data)

    assert (0, SW.WRONG_LENGTH) == (response.executed, response.sw)


def test_expanded_script() -> None:
    """The expanded format answers for each command. TS 102 226 clause 5.2."""
    card, sender = bare_card(), Sender()
    proof = sender.proof(receive(card, sender.messages(ExpandedScript(LOADING).encode())).data)
    response = ExpandedResponse.decode(proof.data)

    assert (3, [SW.OK] * 3) == (response.executed, [one.sw for one in response.responses])


def test_expanded_script_stops() -> None:
    """It stops at the first failure too."""
    card, sender = bare_card(), Sender()
    data = ExpandedScript((LOADING[2], LOADING[0])).encode()
    proof = sender.proof(receive(card, sender.messages(data)).data)

    assert 1 == ExpandedResponse.decode(proof.data).executed


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (bytes([Tag.COMMAND_SCRIPT, 5, 0]), BadFormat.WRONG_LENGTH),
        (bytes([Tag.COMMAND_SCRIPT, 2, 0x33, 0]), BadFormat.UNKNOWN_TAG),
        (bytes([Tag.COMMAND_SCRIPT_INDEFINITE, 0x80, 1]), BadFormat.LENGTH_NOT_FOUND),
    ],
)
def test_expanded_script_of_bad_format(data: bytes, expected: BadFormat) -> None:
    """What is wrong with it is the answer, and nothing was executed. TS 102 226 clause 5.2.2."""
    card, sender = bare_card(), Sender()
    proof = sender.proof(receive(card, sender.messages(data)).data)

    assert expected == ExpandedResponse.decode(proof.data).bad_format


def test_registry() -> None:
    """GET STATUS lists the domain, load files, and applications by the beginning of their AID."""
    card = card_with()

    assert [bytes.fromhex("A000000151000000")] == listed(card, RegistryPart.ISSUER_SECURITY_DOMAIN)
    assert SW.OK == run(card, GetStatus(RegistryPart.APPLICATIONS, INSTANCE_AID[:5]).encode())[0]
    assert (
        SW.REFERENCED_DATA_NOT_FOUND
        == run(card, GetStatus(RegistryPart.APPLICATIONS, b"\xa0\0").encode())[0]
    )


def test_bounded_number_of_load_files() -> None:
    """Eight load files are there at most."""
    card = bare_card()
    loads = [(InstallForLoad(b"\xf0file" + bytes([n])).encode(), *LOADING[1:2]) for n in range(9)]
    words = [sw for load in loads for sw in run(card, *load)]

    assert [SW.OK] * 16 == words[:16]
    assert SW.NOT_ENOUGH_MEMORY == words[16]


def test_instance_cell() -> None:
    """A row of the registry is read as it was written."""
    instance = Instance(INSTANCE_AID, PACKAGE_AID, SecurityLevel(), (APPLICATION_TAR, b"abc"))

    assert instance == Instance.decode(INSTANCE_AID, instance.encode())


def test_only_the_operator() -> None:
    """The same script with another key changes nothing. R-04."""
    card = bare_card()
    before = card.memory.encode()
    unsecured = SecurityLevel(Integrity.NONE, ciphered=False)
    for spi in (Spi(), Spi(unsecured, proof_integrity=Integrity.NONE)):
        other = Sender(KeySet(1, KEYS.kid, KEYS.kic), spi, 50)
        receive(card, other.messages(compact(*LOADING)))

    assert before == card.memory.encode()
