"""An operator's own keys: granted, or refused in words."""

from __future__ import annotations

from traffic_tui.actions import SCOPES
from traffic_tui.keymap import DEFAULT_KEYMAP, build_keymap


def test_a_wish_replaces_the_keys_on_every_screen_that_has_the_action() -> None:
    keymap, problems = build_keymap({"stop": ["x", "ctrl+k"]})
    assert problems == []
    for scope in ("jobs", "job", "output"):
        assert keymap.keys("stop", scope) == ("x", "ctrl+k")


def test_an_unknown_action_is_refused_with_the_nearest() -> None:
    keymap, problems = build_keymap({"reasign": ["m"]})
    assert problems == ["keys.reasign: there is no such action; did you mean 'reassign'?"]
    assert keymap == DEFAULT_KEYMAP


def test_a_taken_key_is_refused_and_the_default_stays() -> None:
    keymap, problems = build_keymap({"resubmit": ["s"]})
    assert problems == ["keys.resubmit: s already means stop on Jobs; the default stays"]
    assert keymap.keys("resubmit", "jobs") == ("r",)


def test_a_swap_of_two_keys_is_no_clash() -> None:
    keymap, problems = build_keymap({"resubmit": ["s"], "stop": ["r"]})
    assert problems == []
    assert keymap.keys("stop", "jobs") == ("r",)


def test_two_wishes_for_one_key_lose_one_of_them_only() -> None:
    keymap, problems = build_keymap({"problems": ["x"], "preview": ["x"]})
    assert len(problems) == 1
    given = [keymap.keys("problems", "jobs"), keymap.keys("preview", "jobs")]
    assert sorted(given) in ([("P",), ("x",)], [("x",), ("z",)])


def test_an_action_may_lose_its_keys() -> None:
    keymap, problems = build_keymap({"reverse": []})
    assert problems == []
    assert keymap.keys("reverse", "jobs") == ()


def test_keys_of_screen_and_tmux_and_the_way_out_are_not_given() -> None:
    _, problems = build_keymap({"wrap": ["ctrl+a"], "back": ["x"]})
    assert len(problems) == 2
    assert "belongs to screen and tmux" in problems[0]
    assert "cannot be changed" in problems[1]


def test_the_defaults_clash_nowhere() -> None:
    for scope in SCOPES:
        assert build_keymap({})[1] == [], scope
