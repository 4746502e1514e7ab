"""The room itself: its users, its root and what is put there, its network and its name."""

from __future__ import annotations

import fcntl
import os
import struct

from traffic_tui.runner.sandbox.launcher import syscalls

TYPE_CHECKING = False
if TYPE_CHECKING:  # a program waits for us, and typing takes long to import
    from collections.abc import Mapping, Sequence
    from typing import Any

SPACES = (
    syscalls.NEW_MOUNTS
    | syscalls.NEW_PIDS
    | syscalls.NEW_NETWORK
    | syscalls.NEW_HOST_NAME
    | syscalls.NEW_IPC
)
STAGE = "/tmp"  # noqa: S108  (hidden, in our own mount namespace, by what becomes the root)
_SET_INTERFACE_FLAGS = 0x8914
_UP_AND_RUNNING = 0x1 | 0x40
COPIED = ("show", "share", "device")
"""Kinds of steps that put something of the host's in place."""


def enter(plan: Mapping[str, Any]) -> dict[str, int]:
    """Leave the host for namespaces of our own. The answer: path -> a copy of what is to be there.

    A privileged agent copies what only it may see before it gives its rights up; any other one
    can copy only once it is the root of its own namespaces.
    """
    if os.geteuid() != 0:
        _unshare_as_user(os.geteuid(), os.getegid())
        return _copies(plan["steps"], None)
    users = _user_namespace(plan["uid"], plan["gid"])
    copies = _copies(plan["steps"], users)
    if plan["uid"] != 0:  # else we are the only one there is, and have no groups to give up
        os.setgroups([])
    syscalls.enter_user_namespace(users)
    os.close(users)
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)
    syscalls.unshare(SPACES)
    return copies


def furnish(plan: Mapping[str, Any], copies: Mapping[str, int]) -> None:
    """Build the root, by the first process of the new namespaces, and move in."""
    syscalls.set_host_name(plan["host_name"])
    _raise_loopback()
    syscalls.keep_mounts_private()
    syscalls.mount("tmpfs", STAGE, syscalls.NO_SETUID | syscalls.NO_DEVICES, "mode=755,size=4m")
    for step in plan["steps"]:
        _take(step, copies)
    syscalls.turn_root(STAGE)
    syscalls.make_read_only("/")


def _unshare_as_user(uid: int, gid: int) -> None:
    syscalls.unshare(SPACES | syscalls.NEW_USERS)
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"0 {uid} 1")
    _write("/proc/self/gid_map", f"0 {gid} 1")


def _user_namespace(uid: int, gid: int) -> int:
    """One whose root is that unprivileged user; made by a child, since its maker is in it."""
    ready, is_ready = os.pipe()
    done, is_done = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(is_done)
        try:
            syscalls.unshare(syscalls.NEW_USERS)
            os.write(is_ready, b"+")
            os.read(done, 1)
        finally:
            os._exit(0)
    os.close(is_ready)
    os.close(done)
    try:
        if os.read(ready, 1) != b"+":
            raise OSError("new user namespace: not permitted")
        _write(f"/proc/{child}/uid_map", f"0 {uid} 1")
        _write(f"/proc/{child}/gid_map", f"0 {gid} 1")
        return os.open(f"/proc/{child}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(ready)
        os.close(is_done)
        os.waitpid(child, 0)


def _copies(steps: Sequence[Sequence[Any]], users: int | None) -> dict[str, int]:
    copies: dict[str, int] = {}
    for step in steps:
        if step[0] in COPIED:
            copies[step[2]] = _copy(step[0], step[1], users)
    return copies


def _copy(kind: str, source: str, users: int | None) -> int:
    fd = syscalls.copy_of_tree(source)
    if kind == "device":
        return fd
    attributes = syscalls.NO_SETUID | syscalls.NO_DEVICES
    syscalls.restrict_tree(fd, attributes | (syscalls.READ_ONLY if kind == "show" else 0), source)
    if kind == "share" and users is not None:
        try:
            syscalls.map_tree_ids(fd, users, source)
        except OSError:
            # A file system that cannot do it; the job then has what everybody may do there.
            return fd
    return fd


def _take(step: Sequence[Any], copies: Mapping[str, int]) -> None:
    """One step of furnishing."""
    kind, what, path = step
    target = STAGE + path
    if not (os.path.realpath(os.path.dirname(target)) + "/").startswith(STAGE + "/"):  # noqa: PTH120
        raise OSError(f"{path} leads out of the room")
    if kind == "folder":
        os.makedirs(target, exist_ok=True)  # noqa: PTH103  (pathlib takes long to import)
        return
    os.makedirs(os.path.dirname(target), exist_ok=True)  # noqa: PTH103, PTH120
    if kind == "link":
        os.symlink(what, target)  # noqa: PTH211
    elif kind == "file":
        _write(target, what)
    elif kind in COPIED:
        _prepare(copies[path], target)
        syscalls.attach_tree(copies[path], target)
    else:
        os.makedirs(target, exist_ok=True)  # noqa: PTH103
        flags = syscalls.NO_SETUID | syscalls.NO_DEVICES
        syscalls.mount(kind, target, flags if kind == "tmpfs" else flags | syscalls.NO_EXEC, what)


def _prepare(fd: int, target: str) -> None:
    """Something to mount on: a folder for a folder, a file for anything else."""
    if os.path.isdir(f"/proc/self/fd/{fd}"):  # noqa: PTH112
        os.makedirs(target, exist_ok=True)  # noqa: PTH103
    elif not os.path.exists(target):  # noqa: PTH110
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o644))


def _raise_loopback() -> None:
    fd = syscalls.datagram_socket()
    try:
        fcntl.ioctl(fd, _SET_INTERFACE_FLAGS, struct.pack("16sh22x", b"lo", _UP_AND_RUNNING))
    finally:
        os.close(fd)


def _write(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)
