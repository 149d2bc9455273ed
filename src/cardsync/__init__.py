"""The operator's application in the SIM card decides; the device synchronizes."""
