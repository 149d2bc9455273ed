"""What more than one language is written in: bounded reading, TLV, APDU."""
