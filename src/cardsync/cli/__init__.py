"""The command line.

What a person did wrong ends with status 2 and one message on standard error; what an operation
found (databases that differ, a session that failed) ends with status 1.
"""

import os
import sys
from importlib import import_module

from cardsync.cli import points
from cardsync.errors import CardsyncError

_EXTRAS = {
    "terminal": {"httpx", "httpcore"},
    "card": {"cryptography"},
    "operator": {"fastapi", "httptools", "jinja2", "psycopg", "starlette", "uvicorn", "uvloop"},
}
"""What a small device does without, by the extra of the package that brings it."""


def main() -> None:
    """Run the command line, with the code points that the environment names."""
    try:
        points.choose(os.environ)
        import_module("cardsync.cli.commands").app()
    except CardsyncError as exc:
        sys.stderr.write(f"cardsync: {exc}\n")
        sys.exit(2)
    except ModuleNotFoundError as exc:
        module = (exc.name or "").partition(".")[0]
        extra = next((extra for extra, names in _EXTRAS.items() if module in names), None)
        if extra is None:
            raise
        sys.stderr.write(
            f"cardsync: this needs {module}, which is not installed: "
            f"pip install 'cardsync[{extra}]'\n"
        )
        sys.exit(2)
