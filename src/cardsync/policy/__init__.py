"""Operator and card: the rules by which the card decides."""
