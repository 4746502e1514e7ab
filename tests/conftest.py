"""What every test may rely on, however the suite was started."""

from __future__ import annotations

import signal

import pytest
from hypothesis import settings

# Properties are checked without a clock: a busy machine is no counterexample. Each run tries
# others, save where a change is judged: what fails there is to fail for whoever looks into it.
settings.register_profile("unhurried", deadline=None)
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.load_profile("unhurried")


@pytest.fixture(scope="session", autouse=True)
def _signals_are_heard() -> None:
    """Scripts start what runs in their background with SIGINT ignored, nohup with SIGHUP, and that
    is inherited: the programs that tests start and signal would not hear it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, lambda number, frame: None)  # for us it stays ignored
