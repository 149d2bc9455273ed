"""What the operator knows, in PostgreSQL."""
