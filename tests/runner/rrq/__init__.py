"""Tests of the RRQ runner that run on each loop it may run on."""
