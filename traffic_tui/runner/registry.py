"""Which handler does which type of job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar

from server.model import MAX_NAME

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from traffic_tui.runner.request import ExecutionRequest

    Handler: TypeAlias = Callable[[ExecutionRequest], Awaitable[Any]]
    Check: TypeAlias = Callable[[Any], None]
    H = TypeVar("H", bound=Handler)


class Entry(NamedTuple):
    """A type of job and how it is done."""

    name: str
    handler: Handler
    check: Check | None
    """Looks at the parameters before anything starts; raises ValueError in words."""


class Registry:
    """Job type -> handler. Names are exact; giving one twice is refused."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}

    def handler(self, name: str, *, check: Check | None = None) -> Callable[[H], H]:
        """Register the function below as the handler of jobs of type ``name``."""

        def registered(function: H) -> H:
            self.register(name, function, check=check)
            return function

        return registered

    def register(self, name: str, handler: Handler, *, check: Check | None = None) -> None:
        """Let ``handler`` do the jobs of type ``name``.

        Raises:
            ValueError: the name is empty, too long, a wildcard, or taken.
            TypeError: the handler cannot be called.
        """
        if not isinstance(name, str) or not name or len(name) > MAX_NAME or "*" in name:
            raise ValueError(
                f"{name!r} is no job type: 1 to {MAX_NAME} characters without '*' are needed"
            )
        if name in self._entries:
            raise ValueError(f"the job type {name!r} has a handler already")
        if not callable(handler):
            raise TypeError(f"the handler of {name!r} cannot be called: {handler!r}")
        self._entries[name] = Entry(name, handler, check)

    def get(self, name: str) -> Entry | None:
        return self._entries.get(name)

    @property
    def names(self) -> list[str]:
        return sorted(self._entries)

    @property
    def entries(self) -> Mapping[str, Entry]:
        return self._entries

    def add(self, entry: Entry) -> None:
        """Take over what is registered elsewhere; it replaces an entry of the same name."""
        self._entries[entry.name] = entry

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __len__(self) -> int:
        return len(self._entries)
