"""What the terminal measures of itself, and what an order demands of it.

docs/request-synchronization.md clauses 4.2 and 8.9.
"""

from dataclasses import dataclass

from cardsync.toolkit.synchronization_objects import Bearers, Constraints

UNLIMITED = 0xFFFF
"""Kilobytes of a constraint that sets no limit."""
KILOBYTE = 1000

_NETWORKS = Bearers.CELLULAR | Bearers.WLAN


@dataclass(frozen=True, slots=True)
class Conditions:
    """How things are at this moment.

    `bearers` are the networks that can be used, ROAMING among them where the cellular one is a
    visited network, none in airplane mode. `battery` is in percent, None where there is none.
    """

    bearers: Bearers = Bearers.CELLULAR
    battery: int | None = None
    charging: bool = True

    def carries(self, wanted: Constraints) -> bool:
        """Say whether there is a network that may be used."""
        allowed = Bearers(wanted.bearers) & (_NETWORKS | Bearers.ROAMING)
        usable = self.bearers & _NETWORKS
        if not allowed:  # the terminal's choice
            return bool(usable)
        if Bearers.ROAMING in self.bearers and Bearers.ROAMING not in allowed:
            usable &= ~Bearers.CELLULAR
        return bool(usable & allowed)

    def powers(self, wanted: Constraints) -> bool:
        """Say whether battery and charger are as they have to be."""
        if Bearers.CHARGING_ONLY in Bearers(wanted.bearers) and not self.charging:
            return False
        return self.battery is None or self.battery >= wanted.battery


def can_be_met(wanted: Constraints) -> bool:
    """Say whether there is any terminal that could: octets to send, a network to send them by."""
    allowed = Bearers(wanted.bearers) & (_NETWORKS | Bearers.ROAMING)
    return wanted.kilobytes > 0 and (not allowed or bool(allowed & _NETWORKS))
