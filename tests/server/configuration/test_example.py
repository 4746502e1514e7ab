"""``example-config.toml`` has every key, and every key at its default."""

from __future__ import annotations

import tomllib
from pathlib import Path

from server.configuration import example_text, read_settings
from server.configuration.keys import KEYS, NOT_BUILT, QUEUE_KEYS
from server.configuration.named_tables import NAMED_TABLES
from server.configuration.reading import setting_paths
from server.settings import Settings

EXAMPLE = Path(__file__).parents[3] / "example-config.toml"


def test_the_shipped_example_is_the_generated_one() -> None:
    assert EXAMPLE.read_text(encoding="utf-8") == example_text(), (
        "write it anew: python -c 'from server.configuration import example_text; "
        'print(example_text(), end="")\' > example-config.toml'
    )


def test_the_example_is_the_defaults() -> None:
    assert read_settings(EXAMPLE.read_text(encoding="utf-8")) == Settings()


def test_every_key_stands_in_the_example() -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    document = tomllib.loads(text)
    for key in KEYS:
        table = document
        *tables, name = key.path.split(".")
        for part in tables:
            table = table[part]
        commented = (f"# [[{key.path}]]", f"# [{key.path}]")
        assert name in table or any(header in text for header in commented), key.path
    assert set(document["queues"]["default"]) == {key.path for key in QUEUE_KEYS}
    assert all(f"# {entry.path}\n" in text for entry in NOT_BUILT)


def test_every_setting_has_a_key() -> None:
    settings = set(setting_paths(Settings()))
    assert settings - set(NAMED_TABLES) == {key.setting for key in KEYS}
    for named in NAMED_TABLES.values():
        assert set(setting_paths(named.default)) == {key.setting for key in named.keys}
