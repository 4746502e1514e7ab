"""How a command ends other than well: a line for people and a code for scripts."""

from __future__ import annotations

EXIT_DONE = 0
EXIT_FAILED = 1
"""Refused, or it went wrong."""
EXIT_USAGE = 2
EXIT_UNREACHABLE = 3
"""No coordinator answered."""
EXIT_INTERRUPTED = 130
"""128 + SIGINT, as shells expect it."""
EXIT_BROKEN_PIPE = 141
"""128 + SIGPIPE: whoever read the output went away."""


class CommandFailed(Exception):
    """Ends the command with one line on stderr.

    An empty message means that everything was said already and only the code is left.
    """

    def __init__(self, message: str, *, exit_code: int = EXIT_FAILED) -> None:
        super().__init__(message)
        self.message = message
        self.exit_code = exit_code


class WrongUsage(CommandFailed):
    """What was typed makes no sense, in a way only the command itself could see."""

    def __init__(self, message: str) -> None:
        super().__init__(message, exit_code=EXIT_USAGE)


def one_line(text: str) -> str:
    """Text from anywhere as one printable line: an error must not paint over the terminal."""
    words = "".join(char if char.isprintable() else " " for char in text).split()
    return " ".join(words) or "no further words"
