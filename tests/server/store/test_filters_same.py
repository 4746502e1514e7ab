"""One filter text chooses the same jobs in Python and in SQL, by whichever way the store looks."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.clock import ManualClock
from server.filters import FilterRow, parse_filter
from server.filters import quoted as literally
from server.model import ACTIVE_STATES, JOB_STATES, Outcome, Progress
from server.ranges import Range
from server.store import sqlite_queries
from server.store.base import Change, JobQuery, KeptRange, StreamState
from server.store.sqlite import SqliteStore
from tests.server.store.world import World, a_schedule, claim, details, insert

if TYPE_CHECKING:
    from collections.abc import Iterator

    from server.model import JobState
    from server.store.base import JobRow, Tx

NAMES = ("gpu", "GPU-2", "cpu", "Straße", "strasse", "a[1]?", "x", "lab", "5", "10%", "a b")
ERRORS = (
    ("", ""),
    ("ImportError", "no module named 'tiles'"),
    ("", "timeout after 600s"),
    ("Boom", ""),
    ("Ünï", "ÇODE [x] 52?"),
    ("", "timeout after\n 30s"),
    ("", "no file fits *.tif of 12"),
    ("", "no file fits band.tif of 12"),
)
PARAMS = (
    b"{}",
    b'{"user": 7, "size": 2.5}',
    b'{"user": "Ana", "tags": ["x", 5], "deep": {"user": 7}}',
    b'{"user": null, "size": true}',
    b"[1]",
    b"",
    b"{broken",
)
WORDS = (
    *NAMES,
    "gp",
    "*u*",
    "import*",
    "*tiles*",
    "tiles",
    "strasse",
    "7",
    "1",
    "10",
    "1*",
    "*1",
    "0",
    "[x]",
    "[1]?",
    "timeout after 5s",
    "*after #*",
    "no file fits *.tif of #",
    "*.tif",
    "not covered: 7 to 8",
    "ünï: çode [x] #?",
    "no such thing",
    "*",
    "a",
)

JOBS = 120


def some_jobs(seed: int) -> list[dict[str, Any]]:
    """Jobs of all kinds, always the same for a seed."""
    random = Random(seed)

    def maybe(value: object) -> object:
        return value if random.random() < 0.6 else None

    return [
        {
            "state": random.choice(JOB_STATES),
            "queue": random.choice(NAMES),
            "type": random.choice(NAMES),
            "owner": random.choice(NAMES),
            "origin": random.choice(("runpack", "native-v2")),
            "requires": {
                name: random.choice(NAMES) for name in ("os", "Arch") if random.random() < 0.3
            },
            "runner": random.randint(0, 3),
            "rank": random.randint(-3, 3),
            "created": random.randint(0, 20),
            "since": random.randint(0, 10),
            "heard": maybe(random.randint(0, 9)),
            "spoke": maybe(random.randint(0, 9)),
            "progress": maybe((maybe(random.randint(0, 9)), maybe(random.randint(0, 9)))),
            "error": random.choice(ERRORS),
            "params": random.choice(PARAMS),
            "is_second": random.random() < 0.3,
            "schedule": random.choice((0, 0, 1, 2)),
            "parent": random.choice((0, 0, 0, 1, 2, 7)),
            "problem": random.choice(("", "not covered: 1 to 52", "given up after 10 tiles")),
            "range": random.choice((None, None, None, (0, 9, 0, 3), (5, 5, 0, 0), (0, 3, 4, 0))),
        }
        for _ in range(JOBS)
    ]


def quoted(word: str) -> str:
    return f'"{word}"' if any(letter in word for letter in ' ,"') else word


words = st.sampled_from(WORDS).map(quoted) | st.sampled_from(WORDS).map(literally)
lists = st.lists(words, min_size=1, max_size=3).map(",".join)
names = st.sampled_from(
    (
        *("queue", "type", "runner", "owner", "by", "origin", "schedule", "error", "id"),
        "cause",
        *("label.os", "label.arch", "args.user", "args.size", "args.tags", "args.deep.user"),
    )
)
signs = st.sampled_from(("<", "<=", ">", ">="))
states = st.lists(
    st.sampled_from((*JOB_STATES, "running", "waiting", "active", "finished", "*ed")),
    min_size=1,
    max_size=3,
).map(",".join)
terms = st.one_of(
    st.builds("{}:{}".format, names, lists),
    st.builds("state:{}".format, states),
    st.builds("id:{}".format, st.sampled_from(("00000001", "0000", "*0002", "0*"))),
    st.builds("{}{}{}".format, st.sampled_from(("age", "for", "quiet")), signs, st.integers(0, 20)),
    st.builds(
        "{}{}{}".format,
        st.sampled_from(("priority", "try", "number", "progress", "parent")),
        signs,
        st.integers(-3, 12),
    ),
    st.builds("progress{}{}%".format, signs, st.sampled_from((0, 20, 33.4, 50, 99.5, 100))),
    st.builds("{}:{}".format, st.sampled_from(("priority", "number", "parent")), st.just("1,2,-1")),
    st.builds("parent:{}".format, st.sampled_from((0, 1, 2, 5, 7))),
    words,
)
filters = st.lists(
    st.builds("{}{}".format, st.sampled_from(("", "", "!")), terms), min_size=1, max_size=3
).map(" ".join)


def put(tx: Tx, number: int, facts: dict[str, Any], now: int) -> None:
    """One job in the state that is asked for, with attempts where it had some."""
    state: JobState = facts["state"]
    (job,) = insert(
        tx,
        now,
        1,
        queue=facts["queue"],
        type=facts["type"],
        requires=facts["requires"],
        detail=details(
            facts["params"],
            facts["owner"],
            facts["origin"],
            schedule=facts["schedule"],
            parent=facts["parent"],
        ),
        uuid=f"{number:08d}-0000-7000-8000-000000000000",
        rank=facts["rank"],
        created_at=now - facts["created"] * 1000,
    )
    since = now - facts["since"] * 1000
    if facts["range"] is not None:
        tx.save([Change(job, job._replace(state=state, since=since))])
        low, high, left_out, covered = facts["range"]
        is_open = state in ACTIVE_STATES
        whole = Range(low, high)
        problem = "" if is_open else facts["problem"]
        tx.put_range(KeptRange(job.id, whole, low - 1, covered, left_out, 0, "", is_open, problem))
        return
    if facts["runner"] == 0 and state not in ACTIVE_STATES:
        tx.save([Change(job, job._replace(state=state, since=since))])
        return
    for _ in range(2 if facts["is_second"] else 1):
        current = tx.job(job.id)
        assert current is not None
        (attempt,) = claim(tx, [current], since, runner=facts["runner"] or 1)
    current = tx.job(job.id)
    assert current is not None
    if facts["progress"] is not None:
        tx.set_progress(attempt.id, Progress(*facts["progress"]), at=since)
    if facts["heard"] is not None:
        tx.set_progress(attempt.id, None, at=now - facts["heard"] * 1000)
    if facts["spoke"] is not None:
        at = now - facts["spoke"] * 1000
        tx.put_output(StreamState(attempt.id, "stdout", 0, 0, 0, 0, at), [])
    ended, outcome = attempt, None
    if state not in ACTIVE_STATES:
        kind, message = facts["error"]
        outcome = Outcome("error" if kind or message else "success", message, kind)
        ended = attempt._replace(state="ended", ended_at=since, outcome=outcome.kind)
    tx.save([Change(current, current._replace(state=state), attempt, ended, outcome)])


def filter_row(row: JobRow, labels: dict[str, str], facts: dict[str, Any]) -> FilterRow:
    """A line of a list as the filter sees it."""
    progress, outcome = row.progress, row.outcome
    percent = None
    if progress is not None and progress.total and progress.current is not None:
        percent = 100.0 * progress.current / progress.total
    error = "" if outcome is None else ": ".join(filter(None, (outcome.type, outcome.message)))
    return FilterRow(
        row.job.uuid,
        row.job.id,
        row.type,
        row.queue,
        row.job.state,
        row.job.priority,
        row.job.attempts,
        row.owner,
        row.origin,
        row.requires,
        row.runner_name,
        row.runner_uuid,
        labels,
        error,
        row.job.created_at,
        row.job.since,
        row.heard_at,
        percent,
        facts["params"],
        SCHEDULES[facts["schedule"]],
        facts["parent"],
    )


SCHEDULES = ("", "GPU", "Straße 5")
LABELS: tuple[dict[str, str], ...] = ({"os": "GPU"}, {"arch": "x", "OS": "linux"}, {})


@dataclass
class Chosen:
    """A filled store, and its jobs as filters see them."""

    world: World
    rows: list[FilterRow]


async def fill(world: World, made: list[dict[str, Any]]) -> Chosen:
    await world.store.open()
    for name, labels in zip(("lab-1", "GPU", "Straße 5"), LABELS, strict=True):
        await world.runner(name, labels=labels)
    for name in SCHEDULES[1:]:
        await world.run(lambda tx, n=name: tx.put_schedule(a_schedule(n)))  # type: ignore[misc]
    for number, facts in enumerate(made, 1):
        await world.run(lambda tx, n=number, f=facts: put(tx, n, f, world.now))  # type: ignore[misc]
    whole = await world.store.reads.job_page(JobQuery(limit=1000))
    rows = [
        filter_row(
            row,
            LABELS[row.runner - 1] if row.runner else {},
            made[row.job.id - 1],
        )
        for row in whole.rows
    ]
    return Chosen(world, rows)


@pytest.fixture(scope="module", params=[1, 2])
def chosen(request: pytest.FixtureRequest) -> Iterator[Chosen]:
    clock = ManualClock()
    store = SqliteStore(None, clock=clock)
    with asyncio.Runner() as runner:
        yield runner.run(fill(World(store, clock), some_jobs(request.param)))
        runner.run(store.close())


async def compare(chosen: Chosen, text: str) -> None:
    wanted = parse_filter(text)
    world = chosen.world
    expected = [row.number for row in chosen.rows if wanted.matches(row, world.now)]
    page = await world.store.reads.job_page(JobQuery(wanted, limit=1000))
    assert [row.job.id for row in page.rows] == expected
    assert (page.count, page.count_is_exact) == (len(expected), True)
    first = await world.store.reads.job_page(JobQuery(wanted, limit=1))
    if "args." in text:  # only what is on the page was looked at
        assert first.count <= len(expected)
    else:
        assert (first.count, first.count_is_exact) == (len(expected), True)


@pytest.mark.parametrize("sparse", [30_000, -1])
@given(text=filters)
@settings(
    max_examples=250,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_predicate_and_query_choose_the_same_jobs(
    monkeypatch: pytest.MonkeyPatch, chosen: Chosen, sparse: int, text: str
) -> None:
    """With sources used whenever there is one, and with none used at all."""
    monkeypatch.setattr(sqlite_queries, "SPARSE", sparse)
    asyncio.run(compare(chosen, text))
