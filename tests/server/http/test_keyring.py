from __future__ import annotations

import pytest

from server.clock import ManualClock
from server.errors import Forbidden, Unauthenticated
from server.ids import secret_digest
from server.keyring import MAX_SHOWN, GivenKey, KeyHolder, Keyring, ShownKeys
from server.model import ROLES
from server.roles import POWERS, allows, require, sees_only_own
from server.store.base import StoredKey

NOW = ManualClock().now_ms()


def stored(name: str, secret: str, *, expires_at: int = 0, revoked_at: int = 0) -> StoredKey:
    return StoredKey(name, "operator", secret_digest(secret), NOW, expires_at, revoked_at)


def test_keys_of_all_sources_are_found() -> None:
    ring = Keyring(
        ManualClock(),
        configured=[GivenKey("ci", "submit", "aaaa")],
        filed=[GivenKey("admin", "admin", "bbbb")],
        stored=lambda: (stored("sam", "cccc"),),
    )
    assert ring.lookup("aaaa") == KeyHolder("ci", "submit", "configuration")
    assert ring.lookup("bbbb") == KeyHolder("admin", "admin", "file")
    assert ring.lookup("cccc") == KeyHolder("sam", "operator", "store")
    assert [entry.holder.name for entry in ring.entries()] == ["ci", "admin", "sam"]


@pytest.mark.parametrize("secret", ["", "a", "AAAA", "aaaa ", "x" * 5_000, "ä\ud800"])
def test_other_secrets_are_nobodys(secret: str) -> None:
    assert (
        Keyring(ManualClock(), configured=[GivenKey("ci", "submit", "aaaa")]).lookup(secret) is None
    )


def test_expiry_and_revocation_hold_at_once() -> None:
    clock = ManualClock()
    keys = (stored("sam", "cccc", expires_at=clock.now_ms() + 1_000),)
    ring = Keyring(clock, stored=lambda: keys)
    assert ring.lookup("cccc") is not None
    clock.advance(1)
    assert ring.lookup("cccc") is None
    keys = (stored("sam", "cccc"),)
    assert ring.lookup("cccc") is not None
    keys = (stored("sam", "cccc", revoked_at=clock.now_ms()),)
    assert ring.lookup("cccc") is None


def test_one_secret_given_twice_has_the_stronger_role() -> None:
    ring = Keyring(
        ManualClock(),
        configured=[GivenKey("a", "admin", "same"), GivenKey("b", "submit", "same")],
    )
    found = ring.lookup("same")
    assert found is not None
    assert found.role == "admin"


def test_a_revoked_key_does_not_shadow_a_good_one() -> None:
    ring = Keyring(
        ManualClock(),
        configured=[GivenKey("b", "submit", "same")],
        stored=lambda: (stored("a", "same", revoked_at=NOW),),
    )
    assert ring.lookup("same") == KeyHolder("b", "submit", "configuration")


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (None, "a key is needed"),
        ("", "not of the form"),
        ("Bearer", "not of the form"),
        ("Bearer  ", "not of the form"),
        ("Basic aaaa", "not of the form"),
        ("aaaa", "not of the form"),
        ("Bearer wrong-wrong", "not known"),
    ],
)
def test_bad_headers_are_refused_without_repeating_them(header: str | None, words: str) -> None:
    ring = Keyring(ManualClock(), configured=[GivenKey("ci", "submit", "aaaa")])
    with pytest.raises(Unauthenticated, match=words) as raised:
        ring.from_header(header)
    assert "wrong-wrong" not in raised.value.message
    assert ring.from_header("bearer aaaa").name == "ci"


def test_reloading_replaces_given_keys() -> None:
    ring = Keyring(ManualClock(), configured=[GivenKey("ci", "submit", "aaaa")])
    ring.set_given(configured=[GivenKey("ci", "submit", "bbbb")])
    assert ring.lookup("aaaa") is None
    assert ring.lookup("bbbb") is not None


def test_the_table_of_roles() -> None:
    assert set(POWERS) == set(ROLES)
    assert POWERS["read-only"] < POWERS["operator"] < POWERS["admin"]
    assert POWERS["submit"] < POWERS["operator"]
    assert [role for role in ROLES if allows(role, "keys")] == ["admin"]
    assert [role for role in ROLES if sees_only_own(role)] == ["submit", "runner"]
    with pytest.raises(Forbidden, match="one of: runner, admin"):
        require("submit", "run")


# what a connection showed before ---------------------------------------------------------------


def test_a_key_shown_again_is_known_until_it_is_not_good_any_more() -> None:
    clock, shown = ManualClock(), ShownKeys()
    keys = (stored("sam", "cccc", expires_at=clock.now_ms() + 1_000),)
    ring = Keyring(clock, configured=[GivenKey("ci", "submit", "aaaa")], stored=lambda: keys)
    for _ in range(2):
        found = ring.lookup("cccc", shown)
        assert found is not None
        assert found.name == "sam"
    assert ring.lookup("dddd", shown) is None
    assert ring.lookup("dddd", shown) is None
    again = ring.lookup("aaaa", shown)
    assert again is not None
    assert again.name == "ci"
    assert ring.lookup("cccc", shown) is not None
    clock.advance(1)
    assert ring.lookup("cccc", shown) is None
    keys = (stored("sam", "cccc"),)
    assert ring.lookup("cccc", shown) is not None
    keys = (stored("sam", "cccc", revoked_at=clock.now_ms()),)
    assert ring.lookup("cccc", shown) is None
    assert ring.lookup("aaaa", shown) is not None
    ring.set_given(configured=[GivenKey("ci", "operator", "aaaa")])
    again = ring.lookup("aaaa", shown)
    assert again is not None
    assert again.role == "operator"
    ring.set_given()
    assert ring.lookup("aaaa", shown) is None


def test_a_connection_that_shows_very_many_keys_is_remembered_only_some() -> None:
    names = [f"caller-{number}" for number in range(3 * MAX_SHOWN)]
    ring = Keyring(ManualClock(), configured=[GivenKey(name, "submit", name) for name in names])
    shown = ShownKeys()
    for name in [*names, *names[::-1]]:
        holder = ring.lookup(name, shown)
        assert holder is not None
        assert holder.name == name
        assert ring.lookup(f"no-{name}", shown) is None
        assert shown.count <= MAX_SHOWN
