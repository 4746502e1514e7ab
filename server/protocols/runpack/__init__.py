"""Runpack: a pull-style queue with a result cache, as its own runners and clients know it."""
