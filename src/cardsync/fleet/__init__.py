"""Cards, terminals and a network in one process."""
