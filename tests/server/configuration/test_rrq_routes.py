"""``default_runner`` and ``routes`` of ``[protocols.rrq]``: what is read, and what is refused."""

from __future__ import annotations

import pytest

from server.configuration import ConfigurationError, read_settings
from server.configuration.example import settings_text

GROUPS = """
[protocols.rrq.runners.py]
cmd = ["run"]
tcp_socket = "127.0.0.1:9000"

[protocols.rrq.runners.img]
cmd = ["run"]
tcp_socket = "127.0.0.1:9100"
types = {types}
"""


def text(keys: str, *, types: str = "[]") -> str:
    return f"[protocols.rrq]\n{keys}\n" + GROUPS.format(types=types)


def problem(keys: str, *, types: str = "[]") -> str:
    with pytest.raises(ConfigurationError) as caught:
        read_settings(text(keys, types=types))
    return str(caught.value)


def test_both_are_read_and_written_so_that_they_read_the_same() -> None:
    settings = read_settings(
        text('default_runner = "py"\nroutes = {pictures = "img", "rrq:queue:boxes" = ""}')
    )
    rrq = settings.protocols.rrq
    assert rrq.default_runner == "py"
    assert rrq.routes == {"pictures": "img", "rrq:queue:boxes": ""}
    assert read_settings(settings_text(settings)) == settings


def test_there_is_neither_unless_it_is_said() -> None:
    rrq = read_settings(text("")).protocols.rrq
    assert (rrq.default_runner, rrq.routes) == ("", {})


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        (
            'default_runner = "pyt"',
            ":2:1: protocols.rrq.default_runner: there is no [protocols.rrq.runners.pyt]; "
            "did you mean py?",
        ),
        (
            'default_runner = "ruby"',
            "there is no [protocols.rrq.runners.ruby]; the groups are py, img",
        ),
        (
            'routes = {mail = "py", pictures = "imgs"}',
            ":2:24: protocols.rrq.routes.pictures: there is no [protocols.rrq.runners.imgs]",
        ),
        (
            'routes = {mail = "py", "rrq:queue:mail" = "img"}',
            ":2:24: protocols.rrq.routes.rrq:queue:mail: is the same queue as mail",
        ),
        ("routes = {mail = 3}", "routes: this has to be a table of short texts"),
        ('routes = {"" = "py"}', "names of queues have 1 to 200"),
        (r'routes = {mail = "p\u001by"}', "names of groups have printable characters only"),
        ("default_runner = 3", "default_runner: has to be"),
        ('default_runer = "py"', "did you mean protocols.rrq.default_runner?"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(keys: str, words: str) -> None:
    assert words in problem(keys)


def test_a_group_that_leaves_out_what_would_be_routed_to_it() -> None:
    words = problem('routes = {pictures = "img"}', types='["thumb.*", "img#a*"]')
    assert ":2:11: protocols.rrq.routes.pictures: what is routed to group img" in words
    assert 'add "img#*" to them' in words
    for enough in ('["thumb.*", "img#*"]', '["img*"]'):
        read_settings(text('routes = {pictures = "img"}', types=enough))


def test_a_group_that_does_everything_leaves_nothing_to_route() -> None:
    words = problem('default_runner = "py"', types='["*"]')
    assert ':2:1: protocols.rrq.default_runner: says nothing: group img has types = ["*"]' in words


def test_a_misspelt_group_is_told_once() -> None:
    assert "default_runner" not in problem('default_runner = "py"', types='["a*b"]')


def test_jobs_of_schedules_go_where_submitted_ones_would() -> None:
    schedule = '\n[schedules.nightly]\ncron = "0 3 * * *"\ntype = "report"\nqueue = "{}"\n'
    routes = 'default_runner = "py"\nroutes = {boxes = ""}'
    for queue, job_type in (("default", "py#report"), ("boxes", "report")):
        settings = read_settings(text(routes) + schedule.format(queue))
        assert settings.schedules["nightly"].type == job_type
        assert read_settings(settings_text(settings)) == settings
