"""The options by which a server is given its certificate."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cardsync.errors import ConfigError

if TYPE_CHECKING:
    from cardsync.transport.certificate import Certificate

Chain = Annotated[
    Path | None,
    typer.Option(
        "--certificate", help="PEM with our certificate and its chain: HTTPS in place of HTTP."
    ),
]
Key = Annotated[Path | None, typer.Option("--key", help="PEM with the certificate's key.")]


def read(chain: Path | None, key: Path | None) -> "Certificate | None":
    """Put both together; raise `ConfigError` where one is missing."""
    from cardsync.transport.certificate import Certificate  # noqa: PLC0415  # fast --help

    if chain is None and key is None:
        return None
    if chain is None or key is None:
        raise ConfigError("--certificate and --key are needed together")
    return Certificate(chain, key)
