"""What the application asks of the terminal so that the facts of its policy are true.

Asked is what every policy needs, and beyond that only what the rules look at: each question costs
an exchange at every power-on, each event of the list one whenever it happens.
"""

from cardsync.policy.machine import Machine
from cardsync.policy.values import EventKind, Rung
from cardsync.toolkit.codes import EventCode, LocalInformation
from cardsync.toolkit.profile import Feature, TerminalProfile
from cardsync.toolkit.synchronization_objects import CODE_POINTS

EVENTS = {
    EventCode.LOCATION_STATUS: EventKind.LOCATION_STATUS,
    EventCode.ACCESS_TECHNOLOGY_CHANGE: EventKind.ACCESS_TECHNOLOGY_CHANGE,
    EventCode.ACCESS_TECHNOLOGY_CHANGE_MULTIPLE: EventKind.ACCESS_TECHNOLOGY_CHANGE,
    EventCode.NETWORK_REJECTION: EventKind.NETWORK_REJECTION,
    EventCode.LANGUAGE_SELECTION: EventKind.LANGUAGE_SELECTION,
    EventCode.USER_ACTIVITY: EventKind.USER_ACTIVITY,
    EventCode.IDLE_SCREEN_AVAILABLE: EventKind.IDLE_SCREEN,
    EventCode.BROWSER_TERMINATION: EventKind.BROWSER_TERMINATION,
    EventCode.DATA_AVAILABLE: EventKind.DATA_AVAILABLE,
    EventCode.CHANNEL_STATUS: EventKind.CHANNEL_STATUS,
    EventCode.DATA_CONNECTION_STATUS_CHANGE: EventKind.DATA_CONNECTION_STATUS,
    EventCode.IMS_REGISTRATION: EventKind.IMS_REGISTRATION,
}
"""The events of the terminal, and what they are to the policy."""

BATTERY_SECONDS = 600.0
"""How old the state of the battery may be; no event tells of it. TS 102 223 clause 8.76."""

_ALWAYS = (
    (LocalInformation.IMEI, Feature.LOCAL_INFORMATION),
    (LocalInformation.LOCATION, Feature.LOCAL_INFORMATION),
    (LocalInformation.DATE_TIME, Feature.LOCAL_INFORMATION_DATE_TIME),
    (LocalInformation.LANGUAGE, Feature.LOCAL_INFORMATION_LANGUAGE),
    (LocalInformation.ACCESS_TECHNOLOGY, Feature.LOCAL_INFORMATION_ACCESS_TECHNOLOGY),
)
_FOR_FACTS = {
    "imeisv": (LocalInformation.IMEISV, Feature.LOCAL_INFORMATION_IMEISV),
    "battery": (LocalInformation.BATTERY, Feature.LOCAL_INFORMATION_BATTERY),
}


def questions(machine: Machine, profile: TerminalProfile) -> list[LocalInformation]:
    """Give what to ask at power-on of a terminal that can tell it. TS 102 223 clause 6.4.15."""
    facts = set(machine.program.facts)
    if any(request.fallback for request in machine.program.requests):
        facts.add("imeisv")  # what a terminal lacks its next software may have
    wanted = [*_ALWAYS, *(asked for name, asked in _FOR_FACTS.items() if name in facts)]
    return [what for what, feature in wanted if feature in profile]


def asks_battery(machine: Machine, profile: TerminalProfile) -> bool:
    """Say whether the state of the battery has to be asked again and again."""
    return LocalInformation.BATTERY in questions(machine, profile)


def event_list(machine: Machine) -> tuple[int, ...]:
    """Give the events that the rules need, those that keep the facts true, and our own."""
    wanted = {*machine.program.events, EventKind.LOCATION_STATUS, EventKind.LANGUAGE_SELECTION}
    if "network.technology" in machine.program.facts:
        wanted.add(EventKind.ACCESS_TECHNOLOGY_CHANGE)
    if any(Rung.BROWSER in request.fallback for request in machine.program.requests):
        wanted.add(EventKind.BROWSER_TERMINATION)
    codes = [code for code, kind in EVENTS.items() if kind in wanted]
    return (*sorted(codes), CODE_POINTS.event)
