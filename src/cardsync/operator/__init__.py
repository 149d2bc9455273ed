"""The network operator."""
