"""What a card has or shall have, and the scripts that lead from the one to the other. Pure.

Scripts go to the issuer security domain in the compact format (TS 102 226 clause 5.1): an
application is loaded and installed, replaced in its place, deleted; a policy and its parameters
are personalised (GlobalPlatform 2.3 clauses 11.2, 11.5, 11.6, 11.11). Single parameters are
messages to the application itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Self

from cardsync.octets.apdu import CommandApdu
from cardsync.ota import globalplatform
from cardsync.ota.application import (
    APPLICATION_TAR,
    INSTANCE_AID,
    ISSUER_DOMAIN_TAR,
    MODULE_AID,
    PACKAGE_AID,
    DataGroup,
    GroupTag,
    ParameterUpdate,
    parameter_group,
)
from cardsync.ota.install import (
    InstallForInstall,
    InstallForLoad,
    InstallForPersonalization,
    InstallParameters,
    MenuEntry,
    ToolkitParameters,
)
from cardsync.ota.packet import SecurityLevel
from cardsync.ota.script import encode_compact
from cardsync.policy.program import MOST_MENU_ITEMS, MOST_TIMERS

UNKNOWN = "?"
"""In place of a digest: the card was told something and its answer is lost."""

_LONGEST_MENU_TEXT = 255
_DGI_FORMAT = 0x08  # of STORE DATA. GlobalPlatform 2.3 table 11-89
# The menu's entries and the timers belong to the policy, which changes without an installation:
# as many are reserved as any policy may have. The least security is that of all our packets.
TOOLKIT = ToolkitParameters(
    timers=MOST_TIMERS,
    menu_text=_LONGEST_MENU_TEXT,
    menu_entries=(MenuEntry(),) * MOST_MENU_ITEMS,
    channels=1,
    minimum=SecurityLevel(),
    tars=(APPLICATION_TAR,),
)


@dataclass(frozen=True, slots=True)
class Content:
    """What a card has: digests of the application's image and of the policy, and parameters.

    None is "not there". A parameter that is not named has the policy's own value.
    """

    application: str | None = None
    policy: str | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, row: Mapping[str, object]) -> Self:
        """Read the JSON object that `write` made."""
        application, policy, parameters = (
            row.get(name) for name in ("application", "policy", "parameters")
        )
        given = parameters.items() if isinstance(parameters, Mapping) else ()
        return cls(
            None if application is None else str(application),
            None if policy is None else str(policy),
            {str(name): str(text) for name, text in given},
        )

    def write(self) -> dict[str, object]:
        """Give a JSON object."""
        return {
            "application": self.application,
            "policy": self.policy,
            "parameters": dict(self.parameters),
        }

    def blurred(self, other: Self) -> Self:
        """Say what is known when the card may have become `other`, or anything on the way."""
        return replace(
            self,
            application=self.application if self.application == other.application else UNKNOWN,
            policy=self.policy if self.policy == other.policy else UNKNOWN,
            parameters={
                name: text
                for name, text in self.parameters.items()
                if other.parameters.get(name) == text
            },
        )


@dataclass(frozen=True, slots=True)
class Artifact:
    """An image or a program: its octets, and its name and version for people."""

    name: str
    version: str
    data: bytes = field(repr=False)

    @property
    def digest(self) -> str:
        """SHA-256 of the octets, hexadecimal."""
        return sha256(self.data).hexdigest()

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


@dataclass(frozen=True, slots=True)
class Step:
    """One packet of a plan; `after` is what the card has when it is done."""

    purpose: str
    tar: bytes
    data: bytes = field(repr=False)
    after: Content
    repeatable: bool = True


def plan(known: Content, wanted: Content, artifacts: Mapping[str, Artifact]) -> tuple[Step, ...]:
    """Give the packets that bring a card from `known` to `wanted`, in order; none if it is there.

    `artifacts` has what `wanted` names. A policy cannot be taken away but with its application.
    """
    steps = _application(known, wanted.application, artifacts)
    known = steps[-1].after if steps else known
    if wanted.application is None:
        return tuple(steps)
    if wanted.policy not in (None, known.policy):
        steps.append(_personalisation(artifacts[wanted.policy or ""], wanted))
    elif changed := dict(wanted.parameters.items() - known.parameters.items()):
        after = replace(known, parameters={**known.parameters, **changed})
        steps.append(_update(changed, after))
    return tuple(steps)


def _application(
    known: Content, wanted: str | None, artifacts: Mapping[str, Artifact]
) -> list[Step]:
    """Give the packets that bring the application: in its place where one is known to be there."""
    if wanted == known.application:
        return []
    if wanted is not None and known.application not in (None, UNKNOWN):
        return [_replacement(artifacts[wanted], replace(known, application=wanted))]
    steps = [] if known.application is None else [_deletion()]
    if wanted is not None:
        steps.append(_installation(artifacts[wanted], Content(wanted)))
    return steps


def _deletion() -> Step:
    """Delete the application with its load file; a card that has neither says 6A88."""
    commands = [globalplatform.Delete(PACKAGE_AID, related=True).encode()]
    return Step("delete application", ISSUER_DOMAIN_TAR, encode_compact(commands), Content())


def _loading(image: Artifact) -> list[CommandApdu]:
    blocks = [block.encode() for block in globalplatform.load_blocks(image.data)]
    return [InstallForLoad(PACKAGE_AID).encode(), *blocks]


def _replacement(image: Artifact, after: Content) -> Step:
    """Load in the place of the old load file: policy, parameters and variables stay."""
    return Step(f"load {image}", ISSUER_DOMAIN_TAR, encode_compact(_loading(image)), after)


def _installation(image: Artifact, after: Content) -> Step:
    """Load and install in one script. Executed twice it fails: the application is there."""
    commands = [
        *_loading(image),
        InstallForInstall(
            PACKAGE_AID, MODULE_AID, INSTANCE_AID, InstallParameters(toolkit=TOOLKIT)
        ).encode(),
    ]
    return Step(
        f"load and install {image}",
        ISSUER_DOMAIN_TAR,
        encode_compact(commands),
        after,
        repeatable=False,
    )


def _personalisation(program: Artifact, after: Content) -> Step:
    """Bring a policy and all parameters that are not its own."""
    groups = [DataGroup(GroupTag.POLICY, program.data)]
    groups += [parameter_group(name, text) for name, text in sorted(after.parameters.items())]
    data = b"".join(group.encode() for group in groups)
    commands = [
        InstallForPersonalization(INSTANCE_AID).encode(),
        *[block.encode() for block in globalplatform.store_data_blocks(data, form=_DGI_FORMAT)],
    ]
    return Step(f"policy {program}", ISSUER_DOMAIN_TAR, encode_compact(commands), after)


def _update(changed: Mapping[str, str], after: Content) -> Step:
    names = sorted(changed)
    data = b"".join(ParameterUpdate(name, changed[name]).encode() for name in names)
    return Step(f"parameters {', '.join(names)}", APPLICATION_TAR, data, after)
