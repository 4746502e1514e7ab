"""The kernel's calls that Python 3.11 has no function for. Each raises OSError in words.

Numbers of the newer calls are the same on every architecture.
"""

from __future__ import annotations

import ctypes
import os

NEW_MOUNTS = 0x0002_0000
NEW_CGROUPS = 0x0200_0000
NEW_HOST_NAME = 0x0400_0000
NEW_IPC = 0x0800_0000
NEW_USERS = 0x1000_0000
NEW_PIDS = 0x2000_0000
NEW_NETWORK = 0x4000_0000

READ_ONLY, NO_SETUID, NO_DEVICES, NO_EXEC = 0x1, 0x2, 0x4, 0x8
"""As mount attributes and as flags of ``mount`` alike."""
MOUNT_BIND, MOUNT_REMOUNT, MOUNT_RECURSIVE, MOUNT_PRIVATE = 0x1000, 0x20, 0x4000, 0x4_0000
DETACH = 2

_OPEN_TREE, _MOVE_MOUNT, _MOUNT_SETATTR = 428, 429, 442
_AT_HERE = -100
_AT_EMPTY_PATH, _AT_RECURSIVE = 0x1000, 0x8000
_CLONE_TREE, _CLOSE_ON_EXEC = 0x1, 0o2000000
_MOVE_FROM_FD = 0x4
_ATTRIBUTE_IDS = 0x10_0000
_SET_DEATH_SIGNAL, _DROP_FROM_BOUNDING_SET, _SET_NO_NEW_PRIVILEGES = 1, 24, 38
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41, "riscv64": 41, "armv7l": 218, "ppc64le": 203}

_libc = ctypes.CDLL(None, use_errno=True)
_TEXT = ctypes.c_char_p
_libc.mount.argtypes = [_TEXT, _TEXT, _TEXT, ctypes.c_ulong, _TEXT]
_libc.prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4
_libc.syscall.restype = ctypes.c_long


class _Attributes(ctypes.Structure):
    """``struct mount_attr``."""

    _fields_ = [
        ("set", ctypes.c_uint64),
        ("clear", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("user_namespace", ctypes.c_uint64),
    ]


def unshare(flags: int) -> None:
    _checked(_libc.unshare(flags), "new namespaces")


def enter_user_namespace(fd: int) -> None:
    _checked(_libc.setns(fd, NEW_USERS), "entering the user namespace")


def mount(kind: str, target: str, flags: int, data: str = "") -> None:
    """Mount a file system that has no source, such as ``tmpfs``."""
    words = kind.encode()
    result = _libc.mount(words, os.fsencode(target), words, flags, data.encode() or None)
    _checked(result, f"mounting {kind} on {target}")


def keep_mounts_private() -> None:
    """What is mounted from now on is seen here alone."""
    flags = MOUNT_RECURSIVE | MOUNT_PRIVATE
    _checked(_libc.mount(None, b"/", None, flags, None), "private mounts")


def make_read_only(target: str) -> None:
    flags = MOUNT_REMOUNT | MOUNT_BIND | READ_ONLY | NO_SETUID | NO_DEVICES
    _checked(_libc.mount(None, os.fsencode(target), None, flags, None), f"{target} read-only")


def copy_of_tree(path: str) -> int:
    """A detached copy of what is seen at a path, with everything mounted below it.

    The path is taken by its word: whoever looked at it went by where it led then, and a link that
    was put in its way since would lead elsewhere.
    """
    flags = _CLONE_TREE | _CLOSE_ON_EXEC | _AT_RECURSIVE | _AT_EMPTY_PATH
    place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if os.readlink(f"/proc/self/fd/{place}") != path:  # noqa: PTH115
            raise OSError(f"{path} is not what it was when it was looked at")
        fd = _syscall(_OPEN_TREE, place, ctypes.c_char_p(b""), flags)
        return _checked(fd, f"taking {path} in")
    finally:
        os.close(place)


def restrict_tree(fd: int, attributes: int, path: str) -> None:
    """Set attributes, such as read-only, on a detached tree and all below it."""
    _set_attributes(fd, _Attributes(attributes, 0, 0, 0), f"restricting {path}")


def map_tree_ids(fd: int, user_namespace: int, path: str) -> None:
    """Let owners in a detached tree be those of a user namespace: its root owns what root owns."""
    attributes = _Attributes(_ATTRIBUTE_IDS, 0, 0, user_namespace)
    _set_attributes(fd, attributes, f"owners of {path}")


def attach_tree(fd: int, target: str) -> None:
    where = ctypes.c_char_p(os.fsencode(target))
    result = _syscall(_MOVE_MOUNT, fd, ctypes.c_char_p(b""), _AT_HERE, where, _MOVE_FROM_FD)
    _checked(result, f"putting {target} in place")


def turn_root(new_root: str) -> None:
    """Make a mounted folder the root, and let the old root go."""
    number = _PIVOT_ROOT.get(os.uname().machine)
    if number is None:
        raise OSError(f"changing the root: not known how on {os.uname().machine}")
    os.chdir(new_root)
    here = ctypes.c_char_p(b".")
    _checked(_syscall(number, here, here), "changing the root")
    _checked(_libc.umount2(b".", DETACH), "letting the old root go")
    os.chdir("/")


def set_host_name(name: str) -> None:
    _checked(_libc.sethostname(name.encode(), len(name.encode())), "the host name")


def die_with_parent(number: int) -> None:
    _checked(_libc.prctl(_SET_DEATH_SIGNAL, number, 0, 0, 0), "dying with the parent")


def forbid_new_privileges() -> None:
    _checked(_libc.prctl(_SET_NO_NEW_PRIVILEGES, 1, 0, 0, 0), "no new privileges")


def drop_capability(number: int) -> bool:
    """Give one up for good; False: the kernel has none of that number."""
    return bool(_libc.prctl(_DROP_FROM_BOUNDING_SET, number, 0, 0, 0) == 0)


def datagram_socket() -> int:
    """A socket to ask the network's devices by."""
    return _checked(_libc.socket(2, 2 | _CLOSE_ON_EXEC, 0), "a socket")


def _set_attributes(fd: int, attributes: _Attributes, what: str) -> None:
    flags = _AT_EMPTY_PATH | _AT_RECURSIVE
    size = ctypes.sizeof(attributes)
    result = _syscall(
        _MOUNT_SETATTR, fd, ctypes.c_char_p(b""), flags, ctypes.byref(attributes), size
    )
    _checked(result, what)


def _syscall(number: int, *arguments: object) -> int:
    wide = [ctypes.c_long(word) if isinstance(word, int) else word for word in arguments]
    return int(_libc.syscall(ctypes.c_long(number), *wide))


def _checked(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result
