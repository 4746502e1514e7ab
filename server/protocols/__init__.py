"""One package per protocol: it decodes strictly, calls the coordinator, encodes."""
