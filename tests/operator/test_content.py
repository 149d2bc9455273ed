"""From what a card has to what it shall have: the packets of a plan. Pure."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from cardsync.operator.content import TOOLKIT, UNKNOWN, Artifact, Content, plan
from cardsync.ota import globalplatform
from cardsync.ota.application import (
    APPLICATION_TAR,
    INSTANCE_AID,
    ISSUER_DOMAIN_TAR,
    PACKAGE_AID,
    ApplicationImage,
    GroupTag,
    ParameterUpdate,
    data_groups,
    decode_messages,
    read_parameter,
)
from cardsync.ota.globalplatform import Load, StoreData, load_file_of
from cardsync.ota.install import InstallForInstall, InstallForLoad, InstallForPersonalization
from cardsync.ota.packet import SecurityLevel
from cardsync.ota.script import decode_compact

IMAGE = ApplicationImage((1, 0), 1, "device management")
IMAGE_2 = ApplicationImage((2, 0), 1, "device management")
OLD, NEW = (
    Artifact("app", f"{number}.0", image.encode()) for number, image in ((1, IMAGE), (2, IMAGE_2))
)
FIRST, SECOND = (Artifact("policy", str(number), bytes([number]) * 600) for number in (7, 8))
ARTIFACTS = {one.digest: one for one in (OLD, NEW, FIRST, SECOND)}
INSTALLED = Content(OLD.digest)
COMPLETE = Content(OLD.digest, FIRST.digest, {"interval": "12 h"})


def commands(data: bytes) -> list[globalplatform.Command]:
    """Read a compact script as objects."""
    return [globalplatform.decode(apdu) for apdu in decode_compact(data)]


def purposes(known: Content, wanted: Content) -> list[str]:
    """Give the purposes of a plan."""
    return [step.purpose for step in plan(known, wanted, ARTIFACTS)]


def test_plan_of_a_new_card() -> None:
    """Load and install in one script, then policy and parameters in another."""
    first, second = plan(Content(), COMPLETE, ARTIFACTS)

    assert (INSTALLED, COMPLETE) == (first.after, second.after)
    assert (False, True) == (first.repeatable, second.repeatable)
    assert ISSUER_DOMAIN_TAR == first.tar == second.tar


def test_installation_script() -> None:
    """INSTALL [for load], LOAD, INSTALL with toolkit parameters. TS 102 226 clause 8.2.1."""
    first, _ = plan(Content(), COMPLETE, ARTIFACTS)
    load_file, *blocks, install = commands(first.data)

    assert isinstance(load_file, InstallForLoad)
    assert PACKAGE_AID == load_file.load_file
    octets = b"".join(block.data for block in blocks if isinstance(block, Load))
    assert IMAGE == ApplicationImage.decode(load_file_of(octets))
    assert isinstance(install, InstallForInstall)
    assert INSTANCE_AID == install.application
    assert TOOLKIT == install.parameters.toolkit
    assert (APPLICATION_TAR,) == TOOLKIT.tars
    assert SecurityLevel() == TOOLKIT.minimum


def test_personalisation_script() -> None:
    """INSTALL [for personalization] and STORE DATA in DGI form. GlobalPlatform clause 11.11."""
    _, second = plan(Content(), COMPLETE, ARTIFACTS)
    personalise, *blocks = commands(second.data)
    stored = [block for block in blocks if isinstance(block, StoreData)]
    policy, parameter = data_groups(b"".join(block.data for block in stored))

    assert InstallForPersonalization(INSTANCE_AID) == personalise
    assert [0x08, 0x08, 0x08] == [block.form for block in stored]
    assert [False, False, True] == [block.last for block in stored]
    assert (GroupTag.POLICY, FIRST.data) == (policy.tag, policy.data)
    assert ("interval", "12 h") == read_parameter(parameter)


def test_only_what_changed_is_sent() -> None:
    """A policy alone, a parameter alone, nothing at all."""
    other = Content(OLD.digest, SECOND.digest, {"interval": "12 h"})
    slower = Content(OLD.digest, FIRST.digest, {"interval": "48 h"})

    assert ["policy policy 8"] == purposes(COMPLETE, other)
    assert ["parameters interval"] == purposes(COMPLETE, slower)
    assert [] == purposes(COMPLETE, COMPLETE)
    assert [] == purposes(COMPLETE, INSTALLED)


def test_parameters_go_to_the_application() -> None:
    """Each changed parameter is a message to the TAR of the application."""
    wanted = Content(OLD.digest, FIRST.digest, {"interval": "48 h", "server": "x"})
    (step,) = plan(COMPLETE, wanted, ARTIFACTS)

    assert APPLICATION_TAR == step.tar
    assert wanted == step.after
    expected = (ParameterUpdate("interval", "48 h"), ParameterUpdate("server", "x"))
    assert expected == decode_messages(step.data)


def test_another_version_replaces_the_old_one() -> None:
    """It is loaded in the place of the old one: what the card remembers stays. R-21."""
    wanted = Content(NEW.digest, FIRST.digest, {"interval": "12 h"})
    load, *_ = plan(COMPLETE, wanted, ARTIFACTS)

    assert "load app 2.0" == load.purpose == purposes(COMPLETE, wanted)[0]
    first, *blocks = commands(load.data)
    assert InstallForLoad(PACKAGE_AID) == first
    joined = b"".join([one.data for one in blocks if isinstance(one, Load)])
    assert NEW.data == load_file_of(joined)
    assert replace(COMPLETE, application=NEW.digest) == load.after


def test_an_application_can_be_taken_away() -> None:
    """Wanting nothing deletes what is there."""
    assert ["delete application"] == purposes(COMPLETE, Content())
    assert [] == purposes(Content(), Content())


def test_what_is_not_known_is_made_anew() -> None:
    """After a lost answer the application is deleted first; a policy is simply sent again."""
    wanted = Content(OLD.digest, FIRST.digest)

    assert [
        "delete application",
        "load and install app 1.0",
        "policy policy 7",
    ] == purposes(Content(UNKNOWN), wanted)
    assert ["policy policy 7"] == purposes(Content(OLD.digest, UNKNOWN), wanted)


CONTENTS = st.builds(
    Content,
    st.sampled_from([None, OLD.digest, NEW.digest, UNKNOWN]),
    st.sampled_from([None, FIRST.digest, SECOND.digest, UNKNOWN]),
    st.dictionaries(st.sampled_from("abc"), st.sampled_from(["1", "2"])),
)
WANTED = CONTENTS.filter(
    lambda one: (
        UNKNOWN not in (one.application, one.policy)
        and (one.application is not None or (one.policy, one.parameters) == (None, {}))
        and (one.policy is not None or one.parameters == {})
    )
)


@given(CONTENTS, WANTED)
def test_a_plan_leads_there(known: Content, wanted: Content) -> None:
    """From anything known, all steps done, nothing is left to do."""
    steps = plan(known, wanted, ARTIFACTS)
    after = steps[-1].after if steps else known

    assert () == plan(after, wanted, ARTIFACTS)
    assert wanted.application == after.application


@given(CONTENTS, CONTENTS)
def test_blurred_holds_only_what_is_sure(known: Content, after: Content) -> None:
    """What is known of both is kept, all else is unknown."""
    blurred = known.blurred(after)

    assert blurred.application in (UNKNOWN, after.application)
    assert blurred.policy in (UNKNOWN, after.policy)
    assert blurred.parameters.items() <= known.parameters.items() & after.parameters.items()


@given(CONTENTS)
def test_content_is_read_as_it_was_written(content: Content) -> None:
    """In and out of JSON."""
    assert content == Content.read(content.write())
