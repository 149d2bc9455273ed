"""The command line: one module to a command, loaded when it is called.

What a person did wrong ends with status 2 and one message on standard error; what an operation
found (databases that differ, a session that failed) ends with status 1.
"""

import sys

import typer

from cardsync.cli.card import app as card
from cardsync.cli.decode import decode
from cardsync.cli.demo import demo
from cardsync.cli.mobile import mobile
from cardsync.cli.operator import app as operator
from cardsync.cli.policy import app as policy
from cardsync.cli.syncml import app as syncml
from cardsync.errors import CardsyncError

app = typer.Typer(
    help="The operator's application in the SIM card decides; the device synchronizes.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("decode")(decode)
app.command("demo")(demo)
app.add_typer(card, name="card")
app.add_typer(operator, name="operator")
app.add_typer(policy, name="policy")
app.add_typer(syncml, name="syncml")
app.command("mobile", hidden=True)(mobile)


def main() -> None:
    """Run the command line."""
    try:
        app()
    except CardsyncError as exc:
        sys.stderr.write(f"cardsync: {exc}\n")
        sys.exit(2)
