"""Runs alone, as ``python -I -S``: builds the room of one job, then runs its program in it.

It imports nothing but the standard library and itself, so that it starts in milliseconds.
"""
