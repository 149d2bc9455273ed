"""`python -m cardsync` is `cardsync`."""

from cardsync.cli import main

if __name__ == "__main__":
    main()
