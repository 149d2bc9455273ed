"""The names of files that the card's own applications look into."""

from cardsync.card.tree import CURRENT_ADF as ADF_USIM
from cardsync.card.tree import MF

__all__ = ["ADF_USIM", "MF", "cell"]


def cell(path: str) -> str:
    """Name the cell of memory that holds the content of a file that is no link."""
    return f"file:{path}"
