"""The commands of the command line: one module to each."""

import typer

from cardsync.cli.card import app as card
from cardsync.cli.decode import decode
from cardsync.cli.demo import demo
from cardsync.cli.mobile import mobile
from cardsync.cli.operator import app as operator
from cardsync.cli.policy import app as policy
from cardsync.cli.syncml import app as syncml
from cardsync.cli.syncml_notify import notify
from cardsync.cli.syncml_sync import sync

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
syncml.command("sync")(sync)
syncml.command("notify")(notify)
app.add_typer(syncml, name="syncml")
app.command("mobile", hidden=True)(mobile)
