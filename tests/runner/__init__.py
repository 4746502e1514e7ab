"""Tests of the runner library and the agent: real processes, real sockets."""

from __future__ import annotations
