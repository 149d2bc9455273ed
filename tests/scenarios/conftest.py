"""What carriers need in whole journeys: the WAP gateway."""

from transport.conftest import kannel

__all__ = ["kannel"]
