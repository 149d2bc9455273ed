"""The mobile equipment."""
