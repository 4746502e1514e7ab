"""The one registry of what an operator can do at the console.

Keys, footer, help, palette, ``:`` commands, ``docs/keys.md`` and read-only mode are all made from
it, so that they cannot disagree. It knows nothing of Textual.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias, get_args

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

Scope: TypeAlias = Literal[
    "jobs",
    "groups",
    "job",
    "compare",
    "output",
    "runners",
    "queues",
    "schedules",
    "events",
    "late_writes",
    "welcome",
    "help",
]
SCOPES: tuple[Scope, ...] = get_args(Scope)
SCOPE_WORDS: dict[Scope, str] = {
    "jobs": "Jobs",
    "groups": "Jobs by cause",
    "job": "Job",
    "compare": "Tries",
    "output": "Output",
    "runners": "Runners",
    "queues": "Queues",
    "schedules": "Schedules",
    "events": "Events",
    "late_writes": "Late writes",
    "welcome": "First run",
    "help": "Help",
}
Danger: TypeAlias = Literal["none", "confirm", "typed"]
"""How an action is confirmed: not at all, by a key, or by a key and, for many jobs, their number
typed in (see :data:`TYPED_ABOVE`)."""

TYPED_ABOVE = 20
"""Above this many jobs at once their number has to be typed."""

EVERYWHERE: frozenset[Scope] = frozenset(SCOPES)
_LISTS: frozenset[Scope] = frozenset(
    {"jobs", "groups", "runners", "queues", "schedules", "events", "late_writes"}
)
_JOBS: frozenset[Scope] = frozenset({"jobs", "job", "output"})
_TAILS: frozenset[Scope] = frozenset({"job", "output"})
_OUTPUTS: frozenset[Scope] = _TAILS | {"compare"}


@dataclass(frozen=True, slots=True)
class Action:
    """One thing an operator can do."""

    id: str
    keys: tuple[str, ...]
    """As Textual names them; single characters stand for themselves. May be empty."""
    words: str
    """As in the footer: one to three words."""
    help: str
    """One sentence for help, palette and docs."""
    scope: frozenset[Scope]
    command: str = ""
    """The word that does it after ``:``; empty: none."""
    takes: str = ""
    """What may follow the word, as in ``:priority NUMBER``; empty: nothing does."""
    danger: Danger = "none"
    on_row: bool = False
    """Whether it is about the row under the cursor, or the job that is shown: without one there
    is nothing it could do."""
    is_mutation: bool = False
    """Whether it changes anything at the coordinator; read-only mode drops those."""
    undo: str = ""
    """How to take it back, in words; empty where it cannot be, or need not be."""
    footer: int = 0
    """Place in the footer, smallest first; 0: not there."""


def _on(*scopes: Scope) -> frozenset[Scope]:
    return frozenset(scopes)


ACTIONS: tuple[Action, ...] = (
    # moving about in a list or in output
    Action("down", ("j", "down"), "down", "One line down.", EVERYWHERE),
    Action("up", ("k", "up"), "up", "One line up.", EVERYWHERE),
    Action("top", ("g", "home"), "first", "To the first line.", EVERYWHERE),
    Action("bottom", ("G", "end"), "last", "To the last line; output follows again.", EVERYWHERE),
    Action("half_down", ("ctrl+d", "pagedown"), "page down", "Half a page down.", EVERYWHERE),
    Action("half_up", ("ctrl+u", "pageup"), "page up", "Half a page up.", EVERYWHERE),
    Action("left", ("left", "h"), "left", "Sideways to the left, in long lines.", _OUTPUTS),
    Action("right", ("right",), "right", "Sideways to the right, in long lines.", _OUTPUTS),
    # opening
    Action(
        "open",
        ("enter",),
        "open",
        "Open the job under the cursor.",
        _on("jobs"),
        footer=1,
        on_row=True,
    ),
    Action(
        "open",
        ("enter",),
        "these jobs",
        "List the group's jobs.",
        _on("groups"),
        footer=1,
        on_row=True,
    ),
    Action("open", ("enter",), "choose", "Do what the cursor is on.", _on("welcome"), footer=1),
    Action(
        "open",
        ("enter",),
        "its jobs",
        "List the runner's jobs.",
        _on("runners"),
        footer=1,
        on_row=True,
    ),
    Action(
        "open",
        ("enter",),
        "its jobs",
        "List the queue's jobs.",
        _on("queues"),
        footer=1,
        on_row=True,
    ),
    Action(
        "open",
        ("enter",),
        "its jobs",
        "List the schedule's jobs.",
        _on("schedules"),
        footer=1,
        on_row=True,
    ),
    Action(
        "open",
        ("enter",),
        "open job",
        "Open the job the line is about.",
        _on("events", "late_writes"),
        footer=1,
        on_row=True,
    ),
    Action(
        "output",
        ("l",),
        "output",
        "Its output, full screen.",
        _on("jobs"),
        "output",
        footer=2,
        on_row=True,
    ),
    Action("output", ("l",), "full", "Its output, full screen.", _on("job"), "output", footer=7),
    Action(
        "compare",
        ("c",),
        "compare tries",
        "The tries side by side, and where their outputs begin to differ.",
        _on("job"),
        "compare",
        footer=12,
    ),
    Action(
        "output", ("l",), "output", "Output of the newer try.", _on("compare"), "output", footer=2
    ),
    Action(
        "output",
        ("l",),
        "newest output",
        "Output of the group's newest job, full screen.",
        _on("groups"),
        "output",
        footer=5,
        on_row=True,
    ),
    # acting on jobs
    Action(
        "stop",
        ("s",),
        "stop",
        "Stop the job, or all marked ones: ask, kill, or give up on it.",
        _JOBS,
        "stop",
        danger="typed",
        is_mutation=True,
        undo="resubmit it",
        footer=3,
        on_row=True,
    ),
    Action(
        "reassign",
        ("a",),
        "reassign",
        "Move the job, or all marked ones, to a runner or queue.",
        _JOBS,
        "reassign",
        danger="typed",
        is_mutation=True,
        undo="reassign it back",
        footer=4,
        on_row=True,
    ),
    Action(
        "resubmit",
        ("r",),
        "resubmit",
        "Run the job, or all marked ones, again as a new job.",
        _JOBS,
        "resubmit",
        danger="typed",
        is_mutation=True,
        undo="stop the new job",
        footer=5,
        on_row=True,
    ),
    Action(
        "resubmit",
        ("r",),
        "resubmit group",
        "Run all jobs of the group again, each as a new job.",
        _on("groups"),
        "resubmit",
        danger="typed",
        is_mutation=True,
        undo="stop the new jobs",
        footer=2,
        on_row=True,
    ),
    Action(
        "edit",
        ("R",),
        "edit",
        "Change the job's parameters, then run it as a new job.",
        _on("jobs"),
        "edit",
        danger="confirm",
        is_mutation=True,
        undo="stop the new job",
        footer=8,
        on_row=True,
    ),
    Action(
        "edit",
        ("R",),
        "edit+resubmit",
        "Change the job's parameters, then run it as a new job.",
        _TAILS,
        "edit",
        danger="confirm",
        is_mutation=True,
        undo="stop the new job",
        footer=8,
        on_row=True,
    ),
    Action(
        "priority",
        (),
        "priority",
        "Give the job, or all marked ones, a priority. Higher goes first.",
        _JOBS,
        "priority",
        takes="NUMBER",
        danger="typed",
        is_mutation=True,
        undo="set the old priority",
        on_row=True,
    ),
    Action(
        "explain",
        ("e",),
        "why",
        "Why the job is where it is: what it waits for, where it runs, how it ended.",
        _JOBS,
        "why",
        footer=6,
        on_row=True,
    ),
    Action(
        "explain_group",
        ("e",),
        "why",
        "All that is known of the group: the newest error whole, types, queues and runners.",
        _on("groups"),
        "why",
        footer=6,
        on_row=True,
    ),
    Action(
        "start_job",
        ("+",),
        "start a job",
        "Start a job of a type you name.",
        _on("jobs", "welcome"),
        "start",
        danger="confirm",
        is_mutation=True,
        undo="stop it",
        footer=12,
    ),
    Action("events", ("E",), "events", "What happened to this job.", _JOBS, "history"),
    Action(
        "pieces",
        ("p",),
        "pieces",
        "List the pieces in which a range is done; of a piece, go to its range.",
        _on("jobs", "job"),
        "pieces",
        on_row=True,
    ),
    # acting on runners
    Action(
        "drain",
        ("d",),
        "drain",
        "Let the runner take nothing new, or end its drain.",
        _on("runners"),
        "drain",
        danger="confirm",
        is_mutation=True,
        undo="the same key ends a drain",
        footer=2,
        on_row=True,
    ),
    Action(
        "move_jobs",
        ("a",),
        "move its jobs",
        "Reassign all jobs the runner holds.",
        _on("runners"),
        danger="typed",
        is_mutation=True,
        undo="reassign them back",
        footer=3,
        on_row=True,
    ),
    Action(
        "stop_jobs",
        ("s",),
        "stop them",
        "Stop all jobs the runner holds.",
        _on("runners"),
        danger="typed",
        is_mutation=True,
        undo="resubmit them",
        footer=4,
        on_row=True,
    ),
    Action(
        "explain_runner",
        ("e",),
        "why",
        "What is known about the runner.",
        _on("runners"),
        "why",
        footer=5,
        on_row=True,
    ),
    Action(
        "forget",
        ("delete",),
        "forget",
        "Drop a runner that is gone for good from the list.",
        _on("runners"),
        "forget",
        danger="confirm",
        is_mutation=True,
        undo="it comes back by itself when it says hello",
        on_row=True,
    ),
    # acting on queues
    Action(
        "pause",
        ("p",),
        "pause",
        "Pause the queue, or open it again.",
        _on("queues"),
        "pause",
        is_mutation=True,
        undo="the same key opens it",
        footer=2,
        on_row=True,
    ),
    Action(
        "limit",
        ("L",),
        "limit",
        "Set how many of the queue's jobs may be active at once.",
        _on("queues"),
        "limit",
        takes="[NUMBER or none]",
        danger="confirm",
        is_mutation=True,
        undo="set the old limit",
        footer=3,
        on_row=True,
    ),
    # acting on schedules
    Action(
        "pause",
        ("p",),
        "pause",
        "Let the schedule make no more jobs, or make them again.",
        _on("schedules"),
        "pause",
        is_mutation=True,
        undo="the same key turns it back",
        footer=2,
        on_row=True,
    ),
    Action(
        "explain_schedule",
        ("e",),
        "when",
        "When the schedule is due next, and what else is known of it.",
        _on("schedules"),
        "when",
        footer=3,
        on_row=True,
    ),
    # finding, choosing, ordering
    Action("filter", ("/",), "filter", "Filter the list.", _LISTS, "filter", footer=7),
    Action(
        "place",
        (),
        "go to place",
        "In output: a share or a time, as in `:50%` and `:14:05`, or a byte.",
        _TAILS,
        "offset",
        takes="NUMBER",
    ),
    Action("search", ("/",), "search", "Search the output.", _on("job"), "search", footer=20),
    Action("search", ("/",), "search", "Search the output.", _on("output"), "search", footer=1),
    Action("next_match", ("n",), "next", "To the next match.", _TAILS),
    Action("previous_match", ("N",), "previous", "To the match before.", _TAILS),
    Action(
        "mark",
        ("space",),
        "mark",
        "Mark the job, or take the mark off.",
        _on("jobs"),
        footer=10,
        on_row=True,
    ),
    Action(
        "mark_range",
        ("v",),
        "mark range",
        "Begin a range of marks; pressed again it ends at the cursor.",
        _on("jobs"),
        on_row=True,
    ),
    Action(
        "mark_all",
        ("*",),
        "mark all",
        "Mark every job that is listed.",
        _on("jobs"),
        "mark-all",
        footer=11,
        on_row=True,
    ),
    Action(
        "clear_marks", ("\\",), "clear marks", "Take all marks off.", _on("jobs"), "clear-marks"
    ),
    Action(
        "groups",
        ("b",),
        "group",
        "Count the listed jobs by what went wrong, then by type, queue or runner.",
        _on("jobs"),
        "group",
        footer=9,
    ),
    Action(
        "regroup",
        ("b",),
        "group by",
        "Count by type, by queue, by runner, by what went wrong again.",
        _on("groups"),
        "group",
        footer=4,
    ),
    Action("sort_left", ("<",), "sort left", "Order by the column to the left.", _LISTS),
    Action("sort_right", (">",), "sort right", "Order by the column to the right.", _LISTS),
    Action("sort", (), "sort by", "Order by a column.", _LISTS, "sort", takes="COLUMN"),
    Action("reverse", ("o",), "reverse", "Turn the order round.", _LISTS, "reverse"),
    Action(
        "problems",
        ("z",),
        "only problems",
        "Only what needs somebody.",
        _on("jobs", "runners", "queues", "schedules"),
        "problems",
    ),
    Action("count_1", ("1",), "all", "All jobs, pieces of ranges among them.", _on("jobs")),
    Action("count_2", ("2",), "waiting", "Jobs that wait.", _on("jobs")),
    Action("count_3", ("3",), "running", "Jobs that run.", _on("jobs")),
    Action("count_4", ("4",), "failed", "Jobs that failed, tries used up.", _on("jobs")),
    Action(
        "count_5",
        ("5",),
        "problems",
        "Jobs that failed or expired; z in :runners lists runners in trouble.",
        _on("jobs"),
    ),
    Action(
        "preview",
        ("P",),
        "preview",
        "Show or hide what is below the list: output, or a runner's jobs.",
        _on("jobs", "runners"),
        "preview",
    ),
    # output
    Action(
        "previous_attempt", ("[",), "try before", "The try before this one.", _OUTPUTS, footer=9
    ),
    Action("next_attempt", ("]",), "next try", "The try after this one.", _OUTPUTS, footer=9),
    Action("stream", ("tab",), "stream", "Switch between stdout and stderr.", _OUTPUTS, footer=11),
    Action(
        "follow",
        ("f", "F"),
        "follow",
        "Follow the end, or hold still.",
        _on("job"),
        "follow",
        footer=10,
    ),
    Action(
        "follow",
        ("f", "F"),
        "follow",
        "Follow the end, or hold still.",
        _on("output"),
        "follow",
        footer=2,
    ),
    Action("wrap", ("w",), "wrap", "Wrap long lines, or cut them.", _TAILS, "wrap"),
    Action("times", ("t",), "times", "Show when each line came, or hide it.", _TAILS, "times"),
    Action(
        "mark_line", ("m",), "mark line", "Mark the line, or take the mark off; y copies.", _TAILS
    ),
    Action("colours", ("C",), "colours", "Show the job's own colours, or not.", _TAILS, "colours"),
    Action(
        "only", ("&",), "only", "Only lines that hold a text; nothing: all again.", _TAILS, "only"
    ),
    Action(
        "pipe",
        ("|",),
        "pipe",
        "Give all of the output to a command of this machine, such as `less`.",
        _TAILS,
        "pipe",
        takes="[COMMAND]",
    ),
    Action("save", ("S",), "save", "Save the output on this machine.", _TAILS, "save", footer=13),
    Action(
        "copy",
        ("y",),
        "copy filter",
        "Copy the filter that gives the group's jobs.",
        _on("groups"),
        "copy",
        footer=3,
        on_row=True,
    ),
    Action(
        "copy",
        ("y",),
        "copy",
        "Copy what the cursor is on.",
        EVERYWHERE - {"groups", "welcome", "help"},
        "copy",
        on_row=True,
    ),
    # going elsewhere
    Action(
        "go_jobs",
        (),
        "Jobs",
        "The list of jobs, or those a filter matches; `@NAME` is a saved one.",
        EVERYWHERE,
        "jobs",
        takes="[FILTER]",
    ),
    Action(
        "go_job", (), "Job", "One job; its number alone will do.", EVERYWHERE, "job", takes="NUMBER"
    ),
    Action("go_runners", (), "Runners", "The list of runners.", EVERYWHERE, "runners"),
    Action("go_queues", (), "Queues", "The list of queues.", EVERYWHERE, "queues"),
    Action(
        "go_schedules", (), "Schedules", "What is made again and again.", EVERYWHERE, "schedules"
    ),
    Action("go_events", (), "Events", "What happened, newest first.", EVERYWHERE, "events"),
    Action(
        "go_late_writes",
        (),
        "Late writes",
        "What was refused because it came too late.",
        EVERYWHERE,
        "late",
    ),
    Action("go_welcome", (), "First run", "The ways to begin.", EVERYWHERE, "welcome"),
    Action("last_view", ("-",), "last view", "Back to the view before this one.", EVERYWHERE),
    # the console itself
    Action("command", (":",), "go to", "Type a command or a job's number.", EVERYWHERE, footer=21),
    Action(
        "palette", ("ctrl+p",), "palette", "Find a command by its words.", EVERYWHERE, "palette"
    ),
    Action("zone", ("T",), "zone", "Swap local time and UTC.", EVERYWHERE, "zone"),
    Action("theme", (), "theme", "Change the colours.", EVERYWHERE, "theme", takes="NAME"),
    Action("repaint", ("ctrl+l",), "repaint", "Paint the screen anew.", EVERYWHERE, "repaint"),
    Action(
        "help", ("?",), "help", "The keys of this screen.", EVERYWHERE - {"help"}, "help", footer=22
    ),
    Action("back", ("escape",), "back", "Clear the filter, else one screen back.", EVERYWHERE),
    Action(
        "leave",
        ("q",),
        "quit",
        "One screen back; on the first one, leave the console.",
        EVERYWHERE,
        footer=23,
    ),
    Action("quit", ("ctrl+q",), "quit", "Leave the console.", EVERYWHERE, "quit"),
)


def available(scope: Scope, *, read_only: bool = False) -> list[Action]:
    """The actions of a screen. The one place where read-only mode drops what changes things."""
    return [
        action
        for action in ACTIONS
        if scope in action.scope and not (read_only and action.is_mutation)
    ]


def find(action_id: str, scope: Scope) -> Action | None:
    """The action of that id on a screen, if the screen has it."""
    for action in ACTIONS:
        if action.id == action_id and scope in action.scope:
            return action
    return None


def action_ids() -> tuple[str, ...]:
    """Every id once, in the registry's order: what a keymap may name."""
    return tuple(dict.fromkeys(action.id for action in ACTIONS))


def by_command(word: str, scope: Scope, *, read_only: bool = False) -> Action | None:
    """The action a ``:`` command names on a screen."""
    for action in available(scope, read_only=read_only):
        if word and action.command == word:
            return action
    return None


def commands(scope: Scope, *, read_only: bool = False) -> list[str]:
    """The ``:`` words of a screen, for completion."""
    return [a.command for a in available(scope, read_only=read_only) if a.command]


KEY_WORDS: dict[str, str] = {
    "escape": "esc",
    "pagedown": "pgdn",
    "pageup": "pgup",
    "delete": "del",
}


def key_words(key: str) -> str:
    """A key as people read it."""
    return KEY_WORDS.get(key, key)


def keys_markdown() -> str:
    """``docs/keys.md``: a table per screen, what is the same everywhere first."""
    common = [a for a in ACTIONS if a.scope == EVERYWHERE and (a.keys or a.command)]
    parts = [
        "# Keys and commands\n\nMade from `traffic_tui/actions.py`; a test fails when they differ."
        " `[keys]` in `console.toml` gives an action other keys, by its id.\n",
        _section("Everywhere", common),
    ]
    for scope in SCOPES:
        own = [a for a in ACTIONS if scope in a.scope and a.scope != EVERYWHERE]
        parts.append(_section(SCOPE_WORDS[scope], own))
    return "\n".join(parts)


def _section(title: str, actions: Iterable[Action]) -> str:
    rows = "".join(map(_row, actions))
    return f"## {title}\n\n| key | command | does | id |\n| --- | --- | --- | --- |\n{rows}"


def _row(action: Action) -> str:
    keys = " ".join(f"`{_escaped(key_words(key))}`" for key in action.keys)
    words = f":{action.command} {action.takes}".rstrip()
    command = f"`{words}`" if action.command else ""
    undo = f" To undo: {action.undo}." if action.undo else ""
    return f"| {keys} | {command} | {action.help}{undo} | `{action.id}` |\n"


def _escaped(key: str) -> str:
    return key.replace("|", "\\|")


class Hint(NamedTuple):
    """A key and its words in the footer."""

    action: Action
    key: str
    words: str


def footer(actions: Sequence[Action], keys_of: Callable[[Action], Sequence[str]]) -> list[Hint]:
    """The footer in its order; actions that share a place are told together."""
    told: dict[int, Hint] = {}
    for action in sorted((a for a in actions if a.footer), key=lambda a: a.footer):
        keys = keys_of(action)
        if not keys:
            continue
        key = key_words(keys[0])
        before = told.get(action.footer)
        told[action.footer] = (
            Hint(action, key, action.words)
            if before is None
            else Hint(action, f"{before.key} {key}", "try")
        )
    return list(told.values())


if __name__ == "__main__":
    import sys

    sys.stdout.write(keys_markdown())
