"""Carriers: octets and a content type, no meaning."""
