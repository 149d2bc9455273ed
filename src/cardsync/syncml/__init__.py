"""Terminal and operator: OMA SyncML representation and DS protocol."""
