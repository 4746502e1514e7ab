"""One connector per kind of coordinator."""
