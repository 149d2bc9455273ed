"""The databases of the terminal."""
