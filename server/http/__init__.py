"""HTTP: one port for every protocol that speaks it."""
