"""Card and terminal: the Card Application Toolkit. TS 102 223, TS 31.111."""
