"""How the terminal reaches its card."""
