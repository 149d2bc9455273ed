"""The command line.

What a person did wrong ends with status 2 and one message on standard error; what an operation
found (databases that differ, a session that failed) ends with status 1.
"""

import os
import sys
from importlib import import_module

from cardsync.cli import points
from cardsync.errors import CardsyncError


def main() -> None:
    """Run the command line, with the code points that the environment names."""
    try:
        points.choose(os.environ)
        import_module("cardsync.cli.commands").app()
    except CardsyncError as exc:
        sys.stderr.write(f"cardsync: {exc}\n")
        sys.exit(2)
