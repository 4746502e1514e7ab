"""The console's own file."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from traffic_tui.config import (
    DEFAULT_CONFIG,
    ConfigError,
    ConsoleConfig,
    ServerEntry,
    load_config,
    parse_config,
)

PAGE = Path(__file__).parents[3] / "docs" / "console.md"
WHOLE = """
theme = "light"
glyphs = "ascii"
zone = "utc"
preview = false

[keys]
stop = "x"
mark = ["space", "m"]

[columns]
jobs = ["state", "number", "type"]

[filters]
bad = "state:failed"

[late_after]
gpu = "1h30m"
"*" = "10m"

[servers.prod]
url = "https://control:8700"
place = "production"
read_only = true
"""


def test_a_missing_file_gives_the_defaults(tmp_path: Path) -> None:
    assert load_config(tmp_path / "console.toml") == DEFAULT_CONFIG


def test_every_setting_is_read(tmp_path: Path) -> None:
    path = tmp_path / "console.toml"
    path.write_text(WHOLE, encoding="utf-8")
    config = load_config(path)
    assert (config.theme, config.glyphs, config.zone, config.preview) == (
        "light",
        "ascii",
        "utc",
        False,
    )
    assert config.keys == {"stop": ("x",), "mark": ("space", "m")}
    assert config.columns == {"jobs": ("state", "number", "type")}
    assert config.filters == {"bad": "state:failed"}
    assert [config.late_limit(name) for name in ("gpu", "cpu")] == [5_400_000, 600_000]
    assert DEFAULT_CONFIG.late_limit("gpu") is None
    assert config.servers == {
        "prod": ServerEntry("https://control:8700", place="production", read_only=True)
    }


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("them = 'dark'", "them: there is no such setting; did you mean theme?"),
        ("[columns]\njob = ['a']", "columns.job: there is no such setting; did you mean columns."),
        ("[servers.a]\nulr = 'x'", "servers.a.ulr: there is no such setting; did you mean servers"),
        ("[servers.a]\nplace = 'test'", "servers.a.url: is missing"),
        ("zone = 'mars'", "zone: one of local, utc is wanted, not 'mars'"),
        ("theme = 3", "theme: text is wanted, not 3"),
        ("preview = 'yes'", "preview: true or false is wanted"),
        ("keys = 3", "keys: a table is wanted"),
        ("[keys]\nstop = 4", "keys.stop: text or a list of texts is wanted"),
        ("theme = ", "not TOML"),
    ],
)
def test_what_is_wrong_is_named(text: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(text)
    assert words in str(caught.value)


def test_errors_name_the_file(tmp_path: Path) -> None:
    path = tmp_path / "console.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=str(path)):
        load_config(path)


def test_the_page_for_people_shows_every_setting() -> None:
    [example] = re.findall(r"```toml\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    shown = parse_config(example)
    empty = [name for name in ConsoleConfig.__slots__ if not getattr(shown, name)]
    assert empty == []


@pytest.mark.parametrize("value", ['"soon"', "600", '"0"', "true"])
def test_how_late_is_late_is_a_duration(value: str) -> None:
    with pytest.raises(ConfigError, match=r"late_after\.gpu: a duration"):
        parse_config(f"[late_after]\ngpu = {value}")
