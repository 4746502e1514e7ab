"""What a Treadmill supervisor has to tell of its jobs, in order, until it was received. No sockets.

That wire acknowledges nothing. But a pong says that everything before its ping was received, so
what was written is kept until then, and written again on the next connection. Console bytes lie in
the journal: in memory while few, on disk while the switchboard is away, and never more than fit.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from server.wire.treadmill import (
    DeclareExitStatus,
    JobEvent,
    JobState,
    StateTransition,
    SupervisorEvent,
    console_log,
)

if TYPE_CHECKING:
    from server.model import Stream
    from server.wire.treadmill import JobHappening
    from traffic_tui.runner.journal import Journal

CONSOLE: Stream = "console"
"""That wire knows one stream; stdout and stderr are in it as they came."""
PIECE_BYTES = 16 * 1024
"""Of console output in one message; it is about four times as long there."""
WINDOW_BYTES = 256 * 1024
"""Console bytes that may be on their way before a pong says that they came."""
AGAIN_SECONDS = 10.0
"""What was received so shortly before a connection was lost is told once more: whoever received it
may have died before it was kept."""
RECENT_BYTES = 512 * 1024
"""Console bytes that are kept for that, at most."""


class Saying(NamedTuple):
    """One event of a job."""

    event: JobHappening
    is_progress: bool = False
    """Only the newest one counts."""


class Output(NamedTuple):
    """Console bytes, as offsets in the journal."""

    start: int
    end: int


Item: TypeAlias = Saying | Output


class Written(NamedTuple):
    """On its way, or received; nobody knows before the next pong."""

    job_id: str
    item: Item
    event: JobHappening


class Recent(NamedTuple):
    """Console output that was received a moment ago."""

    job_id: str
    event: JobHappening
    size: int
    received_at: float


class End(NamedTuple):
    """How a job ended, kept a little longer than until it was received."""

    job_id: str
    events: list[JobHappening]
    received_at: float


@dataclass(slots=True)
class Story:
    """Everything about one job that was not received yet."""

    number: int
    state: JobState | None = None
    """None: the job was never begun here, there is only something to say of it."""
    waiting: deque[Item] = field(default_factory=deque)
    unreceived: int = 0
    """How many items were written and not received."""
    ending: list[JobHappening] = field(default_factory=list)

    @property
    def is_live(self) -> bool:
        return self.state is not None and self.state.state != "terminated"

    @property
    def is_told(self) -> bool:
        return not self.is_live and not self.waiting and not self.unreceived


class Outbox:
    """All stories of one supervisor. Times are handed in."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._stories: OrderedDict[str, Story] = OrderedDict()
        """In the order in which they may speak: whoever spoke goes to the end."""
        self._written: deque[Written] = deque()
        self._unreceived_bytes = 0
        self._number = 0
        self._first_written = 0
        """How many items were received, in all."""
        self._last_end: End | None = None
        self._doubtful_end: End | None = None
        """One that was received shortly before a connection was lost."""
        self._recent: deque[Recent] = deque()
        self._recent_bytes = 0
        self._doubtful: list[Recent] = []
        """Output that was received shortly before a connection was lost."""

    # what happens here -----------------------------------------------------------------------

    def begin(self, job_id: str) -> None:
        """A job is taken on. That another one comes says that the last one's end was kept."""
        self._last_end = self._doubtful_end = None
        self._story(job_id).state = JobState("initializing", "starting")

    def give_up(self, job_id: str) -> None:
        """It was not taken on after all."""
        story = self._stories.get(job_id)
        if story is not None:
            story.state = None
            self._forget_if_told(job_id)

    def move(self, job_id: str, state: JobState, words: str | None = None) -> None:
        """The job is in this state; ``words`` are progress."""
        story = self._stories.get(job_id)
        if story is None or not story.is_live:
            return
        story.state = state
        item = Saying(StateTransition(state, words), is_progress=words is not None)
        if item.is_progress and story.waiting:
            last = story.waiting[-1]
            if isinstance(last, Saying) and last.is_progress:
                story.waiting.pop()
        story.waiting.append(item)
        if state.state == "terminated":
            story.ending.append(item.event)

    def say(self, job_id: str, event: JobHappening) -> None:
        """A declaration or an error."""
        story = self._story(job_id)
        story.waiting.append(Saying(event))
        if story.is_live and isinstance(event, DeclareExitStatus):
            story.ending = [event]

    def print(self, job_id: str, data: bytes) -> int:
        """Keep console bytes; the answer is how many there was room for."""
        story = self._stories.get(job_id)
        if story is None or not story.is_live:
            return len(data)
        taken = self._journal.append(job_id, CONSOLE, data)
        if taken:
            end = self._journal.streams(job_id)[CONSOLE].end
            start = end - taken
            last = story.waiting[-1] if story.waiting else None
            if isinstance(last, Output) and last.end == start:
                story.waiting[-1] = Output(last.start, end)
            else:
                story.waiting.append(Output(start, end))
        return taken

    # what there is to say --------------------------------------------------------------------

    @property
    def is_empty(self) -> bool:
        """Nothing runs, and everything was received."""
        return not self._stories

    @property
    def is_unreceived(self) -> bool:
        return bool(self._written)

    def has_begun(self, job_id: str) -> bool:
        story = self._stories.get(job_id)
        return story is not None and story.state is not None

    def is_ready(self, job_id: str) -> bool:
        """The job is beyond its beginning."""
        story = self._stories.get(job_id)
        return story is not None and story.state is not None and story.state.state != "initializing"

    def has_ended(self, job_id: str) -> bool:
        """The job is over, and its end is not received yet."""
        story = self._stories.get(job_id)
        return story is not None and story.state is not None and not story.is_live

    def status(self) -> tuple[str, JobState] | None:
        """The job that this supervisor is at. One whose end is still to be told is terminating:
        whoever heard that there is none would take its end for lost."""
        begun = [
            (story.is_live, story.number, job_id)
            for job_id, story in self._stories.items()
            if story.is_live or (story.state is not None and story.waiting)
        ]
        if not begun:
            return None
        is_live, _, job_id = max(begun)
        state = self._stories[job_id].state
        assert state is not None
        return job_id, state if is_live else JobState("terminating")

    def next(self) -> SupervisorEvent | None:
        """The next message, which counts as written now; None: nothing may be written."""
        for job_id, story in self._stories.items():
            taken = self._take(job_id, story)
            if taken is not None:
                item, event = taken
                self._stories.move_to_end(job_id)
                self._written.append(Written(job_id, item, event))
                story.unreceived += 1
                return SupervisorEvent(JobEvent(job_id, event))
        return None

    # what became of it -------------------------------------------------------------------------

    def mark(self) -> int:
        """Names the moment: everything that was written so far."""
        return self._first_written + len(self._written)

    def received(self, mark: int, now: float) -> None:
        """Everything that was written before that mark has come."""
        while self._written and self._first_written < mark:
            job_id, item, event = self._written.popleft()
            self._first_written += 1
            story = self._stories[job_id]
            story.unreceived -= 1
            if isinstance(item, Output):
                self._unreceived_bytes -= item.end - item.start
                self._remember(Recent(job_id, event, item.end - item.start, now))
                self._journal.acknowledge(job_id, CONSOLE, item.end)
            if story.is_told and story.ending:
                self._last_end = End(job_id, story.ending, now)
            self._forget_if_told(job_id)

    def lost(self, now: float) -> None:
        """The connection is gone: what was not received is said again, before all else."""
        while self._written:
            job_id, item, _ = self._written.pop()
            story = self._stories[job_id]
            story.unreceived -= 1
            story.waiting.appendleft(item)
        self._unreceived_bytes = 0
        if self._last_end is not None and now - self._last_end.received_at <= AGAIN_SECONDS:
            self._doubtful_end = self._last_end
        self._last_end = None
        fresh = [said for said in self._recent if now - said.received_at <= AGAIN_SECONDS]
        self._doubtful = fresh or self._doubtful
        self._recent.clear()
        self._recent_bytes = 0

    @property
    def is_doubtful(self) -> bool:
        """Something was received by somebody who may have died with it."""
        return bool(self._doubtful) or self._doubtful_end is not None

    def again(self, now: float) -> list[SupervisorEvent]:
        """What is to be told once more, output and then the end, before anything that waits."""
        said, self._doubtful = self._doubtful, []
        for one in said:
            self._remember(one._replace(received_at=now))
        events = [SupervisorEvent(JobEvent(one.job_id, one.event)) for one in said]
        end, self._doubtful_end = self._doubtful_end, None
        if end is not None:
            self._last_end = end._replace(received_at=now)
            events += [SupervisorEvent(JobEvent(end.job_id, event)) for event in end.events]
        return events

    # inside ------------------------------------------------------------------------------------

    def _story(self, job_id: str) -> Story:
        if job_id not in self._stories:
            self._number += 1
            self._stories[job_id] = Story(self._number)
        return self._stories[job_id]

    def _take(self, job_id: str, story: Story) -> tuple[Item, JobHappening] | None:
        if not story.waiting:
            return None
        item = story.waiting[0]
        if isinstance(item, Saying):
            return story.waiting.popleft(), item.event
        if self._unreceived_bytes >= WINDOW_BYTES:
            return None
        stream = self._journal.streams(job_id)[CONSOLE]
        data = stream.read(item.start, min(PIECE_BYTES, item.end - item.start))
        if not data:
            story.waiting.popleft()
            return self._take(job_id, story)
        piece = Output(item.start, item.start + len(data))
        if piece.end < item.end:
            story.waiting[0] = Output(piece.end, item.end)
        else:
            story.waiting.popleft()
        self._unreceived_bytes += len(data)
        return piece, console_log(data, item.start)

    def _remember(self, said: Recent) -> None:
        self._recent.append(said)
        self._recent_bytes += said.size
        while self._recent_bytes > RECENT_BYTES:
            self._recent_bytes -= self._recent.popleft().size

    def _forget_if_told(self, job_id: str) -> None:
        if self._stories[job_id].is_told:
            del self._stories[job_id]
            self._journal.discard(job_id)
