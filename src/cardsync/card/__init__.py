"""The security token that the operator controls."""
