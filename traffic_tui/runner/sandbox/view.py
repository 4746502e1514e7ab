"""What a job sees of the host: the system's programs and libraries, and nothing of anybody."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from traffic_tui.runner.sandbox.plan import Step

SYSTEM = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
SYSTEM_FOLDERS = tuple(f"/{name}" for name in SYSTEM)
PROGRAMS = ("/usr", "/opt", "/nix/store", "/gnu/store")
SETTINGS = (
    "alternatives",
    "ca-certificates",
    "crypto-policies",
    "fonts",
    "inputrc",
    "java",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "locale.conf",
    "localtime",
    "login.defs",
    "magic",
    "mime.types",
    "nsswitch.conf",
    "os-release",
    "perl",
    "pki",
    "protocols",
    "python3",
    "python3.11",
    "python3.12",
    "python3.13",
    "services",
    "shells",
    "ssl/certs",
    "ssl/openssl.cnf",
    "terminfo",
    "timezone",
    "xdg",
)
"""Of /etc: how programs behave. Nothing of who uses this box, or of its secrets."""
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
USERS = "root:x:0:0:root:{home}:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"
GROUPS = "root:x:0:\nnogroup:x:65534:\n"
HOSTS = "127.0.0.1 localhost {name}\n::1 localhost\n"
TEMPORARY = "/tmp"  # noqa: S108  (the room's own)
PRIVATE = ("/boot", "/dev", "/etc", "/home", "/proc", "/root", "/run", "/sys", "/var")
"""Folders that a job cannot have only because it names them, nor anything in them."""


def furniture(
    *,
    home: str,
    host_name: str,
    shown: Sequence[str] = (),
    shared: Sequence[str] = (),
    asked: Sequence[Step] = (),
    covered: Sequence[str] = (),
    temporary_bytes: int | None = None,
) -> tuple[Step, ...]:
    """The steps that make a room out of nothing, in their order.

    ``asked`` is what the job itself names: not looked up again, as the job may have changed where
    it leads since it was judged. ``covered`` are folders that stay hidden where something around
    them is given.
    """
    size = "" if temporary_bytes is None else f",size={temporary_bytes}"
    steps: list[Step] = [*_system(), ("tmpfs", f"mode=1777{size}", TEMPORARY)]
    steps += _home(os.path.normpath(home) if home else "", size)
    given = _given((*_interpreter(), *shown), shared, asked)
    steps += given
    steps += [("tmpfs", "mode=700,size=4k", path) for path in _seen(covered, given)]
    return (*steps, *_settings(home, host_name), ("proc", "", "/proc"), *_devices(size))


def visible(path: str, given: Sequence[str]) -> bool:
    """Whether a path of the host is seen at the same place in a room that also has ``given``."""
    roots = [*PROGRAMS, *SYSTEM_FOLDERS, *_interpreter(), *given]
    return _is_in_any(path, roots)


def is_private(path: str, folders: Sequence[str] = ()) -> bool:
    """Whether a path lies in ``folders``, or is or holds homes, settings or the kernel's own."""
    return _is_in_any(path, (*PRIVATE, *folders)) or any(_lies_in(e, path) for e in PRIVATE)


def _given(shown: Sequence[str], shared: Sequence[str], asked: Sequence[Step]) -> list[Step]:
    """What of the host is given, outer folders first: what is said of an inner one holds there,
    so that nobody who is given a folder can change what in it is only shown."""
    kinds: dict[str, Step] = {path: _show(path) for path in shown}
    kinds |= {path: ("share", str(Path(path).resolve()), path) for path in shared}
    kinds |= {step[2]: step for step in asked}
    return [kinds[path] for path in sorted(kinds, key=lambda path: path.count("/"))]


def _show(path: str) -> Step:
    return ("show", str(Path(path).resolve()), path)


def _seen(hidden: Sequence[str], given: Sequence[Step]) -> Iterator[str]:
    """Where hidden folders would be seen in what is given, also by a link to what is around."""
    for _, real, folder in given:
        for path in hidden:
            if _lies_in(path, real):
                yield folder + path[len(real.rstrip("/")) :]


def _is_in_any(path: str, folders: Sequence[str]) -> bool:
    return any(_lies_in(path, folder) for folder in folders)


def _lies_in(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder.rstrip('/')}/")


def _system() -> Iterator[Step]:
    """Where programs are; systems that keep them all in /usr have links to there."""
    for path in PROGRAMS:
        if Path(path).is_dir():
            yield _show(path)
    for path in SYSTEM_FOLDERS:
        if Path(path).is_symlink():
            yield ("link", str(Path(path).readlink()), path)
        elif Path(path).is_dir():
            yield _show(path)


def _interpreter() -> list[str]:
    """Where our own Python is, if not in /usr: commands are often written in it."""
    folders = [str(Path(folder).resolve()) for folder in {sys.prefix, sys.base_prefix}]
    return sorted(folder for folder in folders if _is_missing(folder, PROGRAMS))


def _home(home: str, size: str) -> list[Step]:
    """An empty folder of its own, so that programs can keep something there."""
    if _lies_in(home, TEMPORARY):
        return [("folder", "", home)]
    if _is_missing(home, [*PROGRAMS, *SYSTEM_FOLDERS]):
        return [("tmpfs", f"mode=700{size}", home)]
    return []


def _is_missing(path: str, roots: Sequence[str]) -> bool:
    """Whether there has to be a place for it beside ``roots``."""
    return path.startswith("/") and path != "/" and not _is_in_any(path, roots)


def _settings(home: str, host_name: str) -> Iterator[Step]:
    for name in SETTINGS:
        path = f"/etc/{name}"
        if Path(path).exists():
            yield _show(path)
    yield ("file", USERS.format(home=home), "/etc/passwd")
    yield ("file", GROUPS, "/etc/group")
    yield ("file", HOSTS.format(name=host_name), "/etc/hosts")
    yield ("file", f"{host_name}\n", "/etc/hostname")


def _devices(size: str) -> Iterator[Step]:
    yield ("tmpfs", "mode=755,size=64k", "/dev")
    for name in DEVICES:
        path = f"/dev/{name}"
        if Path(path).exists():
            yield ("device", str(Path(path).resolve()), path)
    yield ("tmpfs", f"mode=1777{size}", "/dev/shm")  # noqa: S108
    yield ("devpts", "newinstance,ptmxmode=0666,mode=620", "/dev/pts")
    yield ("link", "pts/ptmx", "/dev/ptmx")
    yield ("link", "/proc/self/fd", "/dev/fd")
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        yield ("link", f"/proc/self/fd/{number}", f"/dev/{name}")
