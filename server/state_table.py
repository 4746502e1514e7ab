"""Writes ``docs/states.md`` from the table of transitions: ``python -m server.state_table``."""

from __future__ import annotations

import sys

from server.model import ATTEMPT_STATES, JOB_STATES
from server.transitions import TABLE

MEANINGS = {
    "claim": "a runner takes the job; a new attempt is made",
    "start": "the runner confirms that it works on it",
    "finish": "the runner says how its attempt ended",
    "lose": "the runner is gone, or no longer holds the attempt",
    "stop": "somebody wants it to stop, or its timeout struck",
    "move": "somebody wants it in another queue or on another runner",
    "abandon": "we give up on an attempt that may run on",
    "fall_due": "the time of a scheduled job has come",
    "expire": "its deadline passed before it started",
    "conclude": "the last piece of a job over a cursor range has ended; it has no attempts",
}


def markdown() -> str:
    """The page, whole."""
    lines = [
        "# The states of a job",
        "",
        "Made from `server/transitions.py` by `python -m server.state_table`; a test holds them",
        "together. A command that has no entry for a state is refused.",
        "",
        f"Job states: {_listed(JOB_STATES)}.",
        "",
        f"Attempt states: {_listed(ATTEMPT_STATES)}. All but `ended` hold a slot of their runner.",
        "",
    ]
    for command, rows in TABLE.items():
        lines += [f"## {command}", "", f"When {MEANINGS[command]}.", ""]
        lines += ["| job is | job becomes |", "| --- | --- |"]
        lines += [f"| `{before}` | {_listed(after)} |" for before, after in rows.items()]
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def _listed(words: tuple[str, ...]) -> str:
    return ", ".join(f"`{word}`" for word in words)


if __name__ == "__main__":
    sys.stdout.write(markdown())
