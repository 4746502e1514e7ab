"""RRQ: its runners over their socket protocol, started by us or dialled where they listen."""
