from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from textual.widgets import Button, Footer, Input, OptionList

from server.model import JOB_STATES
from tests.console.views import job_view
from tests.console.widgets.stage import Stage, settle
from tests.console.widgets.test_line_table import Jobs
from traffic_tui.state.contrast import contrast
from traffic_tui.themes import (
    FALLBACK_VARIABLES,
    ThemeError,
    ThemeShelf,
    choose_theme,
    line_of,
    native_colours,
    parse_theme,
    shipped_themes,
)
from traffic_tui.widgets.line_table import LineTable
from traffic_tui.widgets.output_view import OutputView

if TYPE_CHECKING:
    from textual.app import ComposeResult

SHIPPED = ["ansi", "dark", "deuteranopia", "high-contrast", "light", "mono", "tritanopia"]
GOOD = """\
name = "mine"
is_dark = true

[colours]
background = "#000000"
surface = "#000000"
panel = "#111111"
foreground = "#ffffff"
primary = "#ffffff"
secondary = "#ffffff"
accent = "#ffffff"
success = "#ffffff"
warning = "#ffffff"
error = "#ffffff"

[states]
active = "#56c2e6"
waiting = "#d9dde3"
good = "#6cc070"
warn = "#e2b84c"
bad = { colour = "#ff7b72", style = "bold" }
muted = "#98a0ab"
place = "#98a0ab"

[places]
none = "#98a0ab"
test = "#6cc070"
production = "#ff7b72"
"""


def test_all_themes_come_with_the_package() -> None:
    assert [theme.name for theme in shipped_themes()] == SHIPPED


class EveryWidget(Stage):
    """Ours, and those of Textual that read variables of their own."""

    def compose(self) -> ComposeResult:
        yield LineTable(_Rows())
        yield OutputView()
        yield Input("text")
        yield OptionList("a")
        yield Button("b")
        yield Footer()


@pytest.mark.parametrize("name", SHIPPED)
async def test_every_theme_paints_every_widget(name: str) -> None:
    stage = EveryWidget(theme=name)
    async with stage.run_test(size=(80, 50)) as pilot:
        table = stage.query_one(LineTable)
        table.set_order(list(range(1000, 1009)))
        await settle(pilot)
        assert "failed" in stage.text()
        for other in SHIPPED:
            stage.theme = other
            await settle(pilot)
            assert "failed" in stage.text()


class _Rows:
    def __init__(self) -> None:
        jobs = (job_view(1000 + place, state) for place, state in enumerate(JOB_STATES))
        self._source = Jobs(*jobs)
        self.columns = self._source.columns
        self.cell = self._source.cell
        self.row_role = self._source.row_role


def test_colour_blind_themes_use_no_red_against_green() -> None:
    for theme in shipped_themes():
        if theme.name not in ("deuteranopia", "tritanopia"):
            continue
        good, bad = theme.states["good"].colour, theme.states["bad"].colour
        blue = int(good[5:7], 16)
        assert blue > int(good[1:3], 16)
        assert int(bad[1:3], 16) > int(bad[5:7], 16)


def test_colourless_roles_still_differ() -> None:
    mono = next(theme for theme in shipped_themes() if theme.name == "mono")
    styles = {role: look.style for role, look in mono.states.items()}
    assert styles["active"] == "bold"
    assert styles["warn"] == "underline"
    assert styles["bad"] == "bold underline"
    assert styles["muted"] == "dim"
    assert styles["place"] == "reverse"


def test_high_contrast_asks_for_seven() -> None:
    theme = next(theme for theme in shipped_themes() if theme.name == "high-contrast")
    assert theme.least_contrast == 7.0
    for look in theme.states.values():
        red, green, blue = (int(look.colour[at : at + 2], 16) for at in (1, 3, 5))
        assert contrast((red, green, blue), (0, 0, 0)) >= 7.0


@pytest.mark.parametrize(
    ("change", "line", "words"),
    [
        (("name =", "nmae ="), 1, "did you mean 'name'"),
        (('name = "mine"', 'name = "Mine!"'), 1, "small letters"),
        (("is_dark = true", 'is_dark = "yes"'), 2, "true or false"),
        (('good = "#6cc070"', 'god = "#6cc070"'), 19, "did you mean 'good'"),
        (('warn = "#e2b84c"', 'warn = "yelow"'), 20, "is no colour"),
        (('warn = "#e2b84c"', "warn = 3"), 20, "has to be a colour"),
        (('style = "bold"', 'style = "blinking"'), 21, "words of: none, bold"),
        (('style = "bold"', 'size = "big"'), 21, "only colour and style"),
        (('muted = "#98a0ab"', 'muted = "#222222"'), 22, "contrast of 1.3"),
        (('test = "#6cc070"\n', ""), 25, "lacks test"),
        (("[places]", "[place]"), 25, "did you mean 'places'"),
        (("is_dark = true", "is_dark = true\nleast_contrast = 2"), 3, "between 4.5 and 21"),
        (("[states]", "[states"), 16, "no valid TOML"),
    ],
)
def test_a_mistake_is_said_with_its_line(change: tuple[str, str], line: int, words: str) -> None:
    with pytest.raises(ThemeError) as caught:
        parse_theme(GOOD.replace(*change), "mine.toml")
    assert caught.value.line == line
    assert words in str(caught.value)
    assert str(caught.value).startswith(f"mine.toml, line {line}: ")


def test_where_a_key_stands() -> None:
    text = "a = 1\n[t]\n'a' = 2\nb.c = 3\n"
    assert [line_of(text, "a"), line_of(text, "a", "t"), line_of(text, "b", "t")] == [1, 3, 4]
    assert line_of(text, "zz") == 0


def test_a_broken_file_leaves_the_theme_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(GOOD)
    shelf = ThemeShelf(tmp_path)
    shelf.load()
    assert shelf.themes["mine"].states["good"].colour == "#6cc070"
    _write_later(path, GOOD.replace("#6cc070", "#nonsense"))
    assert shelf.reload() == []
    assert "line 19" in str(shelf.problems[0])
    assert shelf.themes["mine"].states["good"].colour == "#6cc070"
    _write_later(path, GOOD.replace("#6cc070", "#7cd080"))
    assert shelf.reload() == ["mine"]
    assert shelf.problems == []
    assert shelf.themes["mine"].states["good"].colour == "#7cd080"
    assert shelf.reload() == []


def _write_later(path: Path, text: str) -> None:
    path.write_text(text)
    stamp = path.stat().st_mtime + 10 * (1 + len(text) % 7)
    os.utime(path, (stamp, stamp))


@pytest.mark.parametrize("content", [b"\xff\xfe", b"x" * 70_000])
def test_what_is_no_theme_file_is_said(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "odd.toml").write_bytes(content)
    shelf = ThemeShelf(tmp_path)
    shelf.load()
    assert len(shelf.problems) == 1
    assert sorted(shelf.themes) == SHIPPED


def test_a_theme_of_the_user_may_replace_ours(tmp_path: Path) -> None:
    (tmp_path / "dark.toml").write_text(GOOD.replace('"mine"', '"dark"'))
    shelf = ThemeShelf(tmp_path)
    shelf.load()
    assert shelf.themes["dark"].colours["background"] == "#000000"


def test_no_folder_is_no_problem(tmp_path: Path) -> None:
    shelf = ThemeShelf(tmp_path / "none")
    shelf.load()
    assert sorted(shelf.themes) == SHIPPED


def test_no_colour_chooses_a_theme_without() -> None:
    assert choose_theme("light", {}, SHIPPED) == "light"
    assert choose_theme("lihgt", {}, SHIPPED) == "dark"
    assert choose_theme("light", {"NO_COLOR": "1"}, SHIPPED) == "mono"
    assert native_colours({"NO_COLOR": "1"}) is True
    assert native_colours({}) is None


def test_the_fallback_knows_every_variable_of_ours() -> None:
    theme = next(theme for theme in shipped_themes() if theme.name == "dark").to_textual()
    ours = {name for name in theme.variables if name.startswith(("state-", "place-"))}
    assert ours == set(FALLBACK_VARIABLES)


def test_the_theme_in_the_documentation_is_a_good_one() -> None:
    page = (Path(__file__).parents[3] / "docs" / "themes.md").read_text("utf-8")
    theme = parse_theme(page.partition("```toml\n")[2].partition("```")[0], "themes.md")
    assert theme.name == "midnight"
    assert all(f"`{name}`" in page for name in SHIPPED)


async def test_a_theme_changes_while_the_console_runs(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(GOOD)
    shelf = ThemeShelf(tmp_path)
    shelf.load()
    table = LineTable(_Rows())
    stage = Stage(table)
    shelf.register(stage)
    stage.theme = "mine"
    async with stage.run_test(size=(80, 20)) as pilot:
        table.set_order([1000, 1006])
        await settle(pilot)
        _write_later(path, GOOD.replace("#ff7b72", "#ffbbbb"))
        assert shelf.take_up_changes(stage) == ["mine"]
        await settle(pilot)
        style = next(iter(stage.strips()[2])).style
        assert style is not None and style.color is not None
        assert style.color.name == "#ffbbbb"
        assert shelf.take_up_changes(stage) == []
