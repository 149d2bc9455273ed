"""Operator and card: secured packets and what they carry. TS 102 225, TS 102 226, TS 31.115."""
