"""INSTALL and its parameters. GlobalPlatform 2.3 clause 11.5, TS 102 226 clause 8.2.1.3.2."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardsync.errors import LocalError, PeerError
from cardsync.octets.apdu import SW
from cardsync.ota.install import (
    InstallForInstall,
    InstallForLoad,
    InstallForPersonalization,
    InstallParameters,
    MenuEntry,
    ToolkitParameters,
)
from cardsync.ota.packet import SecurityLevel
from vectors import load

LOAD_FILE, MODULE, APPLICATION = (bytes.fromhex(f"F0636172647301{at:02X}") for at in (0, 1, 2))


def test_install_parameters_vectors() -> None:
    """What pySim writes, both ways."""
    for case in load("globalplatform.json")["install_parameters"]:
        args, octets = case["args"], bytes.fromhex(case["out"])
        stk = args.get("stk")
        parameters = InstallParameters(
            volatile=args.get("volatile"),
            non_volatile=args.get("non_volatile"),
            sim_toolkit=None if stk is None else bytes.fromhex(stk),
        )

        assert octets == parameters.encode()
        assert parameters == InstallParameters.decode(octets)


def test_toolkit_parameters_of_a_sim() -> None:
    """Those of a recorded installation end behind the channels; they name five menu entries."""
    octets = bytes.fromhex(load("globalplatform.json")["install_parameters"][0]["out"])
    found = InstallParameters.decode(octets).any_toolkit()

    assert ToolkitParameters(1, 0, 0x15, (MenuEntry(),) * 5) == found


def test_toolkit_parameters_octets() -> None:
    """The example of the UICC API tests: 8 timers, one menu entry. Clause 8.2.1.3.2.2.1."""
    octets = bytes.fromhex("01080A01010100000000")
    parameters = ToolkitParameters(1, 8, 0x0A, (MenuEntry(1, 1),))

    assert octets == parameters.encode()
    assert parameters == ToolkitParameters.decode(octets)
    assert parameters == ToolkitParameters.decode(octets[:-1])  # without number of services


def test_toolkit_parameters_of_our_application() -> None:
    """TAR and minimum security level: MSL parameter 01 and the SPI octet. Clause 8.2.1.3.2.4."""
    parameters = ToolkitParameters(
        minimum=SecurityLevel(), tars=(bytes.fromhex("BFFF01"),), channels=1, services=1
    )
    octets = bytes.fromhex("FF000000 01 020116 03BFFF01 01")

    assert octets == parameters.encode()
    assert parameters == ToolkitParameters.decode(octets)


@pytest.mark.parametrize(
    "octets",
    [
        "",
        "01080A01",  # menu entry missing
        "FF00000000020116",  # TAR values missing
        "FF0000000001160000",  # security level of one octet
        "FF0000000002021600000",  # of an unknown kind
        "FF0000000000020102",  # TAR of two octets
        "FF00000000000000FF",  # octets left over
        "FF0900000000000 0",  # nine timers
        "000000000000 00 00",  # priority 0
    ],
)
def test_malformed_toolkit_parameters(octets: str) -> None:
    """They owe the status word 6A80."""
    digits = octets.replace(" ", "")
    with pytest.raises(PeerError) as caught:
        ToolkitParameters.decode(bytes.fromhex(digits[: len(digits) & ~1]))

    assert SW.INCORRECT_DATA == caught.value.answer


@pytest.mark.parametrize("octets", ["", "C9", "EF00", "C900EF03C70101", "C900EA0380 01FF"])
def test_malformed_install_parameters(octets: str) -> None:
    """C9 is mandatory, quotas have two octets."""
    with pytest.raises(PeerError) as caught:
        InstallParameters.decode(bytes.fromhex(octets))

    assert SW.INCORRECT_DATA == caught.value.answer


def test_unknown_parameters_are_ignored() -> None:
    """An object that we do not know is passed over."""
    assert InstallParameters(b"x") == InstallParameters.decode(bytes.fromhex("C90178 FE0100"))


@pytest.mark.parametrize(
    "make",
    [
        lambda: ToolkitParameters(timers=9),
        lambda: ToolkitParameters(priority=0),
        lambda: ToolkitParameters(tars=(b"\x00",)),
        lambda: InstallParameters(volatile=0x10000),
        lambda: InstallForLoad(b"abc"),
        lambda: InstallForPersonalization(bytes(17)),
        lambda: InstallForInstall(
            LOAD_FILE, MODULE, APPLICATION, InstallParameters(), privileges=b""
        ),
    ],
)
def test_impossible_values(make: object) -> None:
    """An object that exists is valid."""
    assert callable(make)
    with pytest.raises(LocalError):
        make()


def test_install_for_load() -> None:
    """Load file AID, security domain, hash, parameters, token. Clause 11.5.2.3.1."""
    install = InstallForLoad(LOAD_FILE)

    assert bytes.fromhex("80E602000D 08 F063617264730100 00 00 00 00") == (
        install.encode().encode()
    )
    assert install == InstallForLoad.decode(install.encode())


def test_install_for_install() -> None:
    """With privileges of one or three octets. Clause 11.5.2.3.2."""
    for privileges in (b"\x00", b"\x00\x00\x00"):
        parameters = InstallParameters(b"ab", ToolkitParameters(tars=(b"\xbf\xff\x01",)))
        install = InstallForInstall(LOAD_FILE, MODULE, APPLICATION, parameters, privileges)
        apdu = install.encode()

        assert (0x80, 0xE6, 0x0C, 0x00) == (apdu.cla, apdu.ins, apdu.p1, apdu.p2)
        assert install == InstallForInstall.decode(apdu)


def test_install_for_personalization() -> None:
    """Only the third field is used. Clause 11.5.2.3.6."""
    install = InstallForPersonalization(APPLICATION)

    assert bytes.fromhex("80E620000E 0000 08 F063617264730102 000000") == (
        install.encode().encode()
    )
    assert install == InstallForPersonalization.decode(install.encode())


@settings(max_examples=100)
@given(
    st.builds(
        InstallParameters,
        st.binary(max_size=60),
        st.none()
        | st.builds(
            ToolkitParameters,
            st.integers(1, 255),
            st.integers(0, 8),
            st.integers(0, 255),
            st.lists(
                st.builds(MenuEntry, st.integers(0, 255), st.integers(0, 255)), max_size=4
            ).map(tuple),
            st.integers(0, 7),
            st.none() | st.integers(0, 31).map(SecurityLevel.decode),
            st.lists(st.binary(min_size=3, max_size=3), max_size=4).map(tuple),
            st.integers(0, 8),
        ),
        st.none() | st.integers(0, 65535),
        st.none() | st.integers(0, 65535),
        st.none() | st.binary(max_size=20),
    )
)
def test_round_trip(parameters: InstallParameters) -> None:
    """decode(encode(x)) is x."""
    assert parameters == InstallParameters.decode(parameters.encode())
