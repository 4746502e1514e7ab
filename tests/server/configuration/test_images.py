"""What Treadmill images are on the agent's box."""

from __future__ import annotations

import pytest

from server.configuration import ConfigurationError, read_settings
from server.configuration.example import settings_text
from server.settings import ImageSettings

ONE, TWO, THREE = "ab" * 32, "cd" * 32, "EF" * 32


def test_images_are_job_types_commands_and_folders() -> None:
    settings = read_settings(
        f'[agent.images]\n{ONE} = "greet"\n'
        f'{TWO} = {{command = ["run", "-v"], folder = "/srv/x"}}\n'
        f'{THREE} = {{folder = "/srv/images/blink"}}\n'
    )
    assert settings.agent.images == {
        ONE: ImageSettings("greet"),
        TWO: ImageSettings(command=("run", "-v"), folder="/srv/x"),
        THREE.lower(): ImageSettings(folder="/srv/images/blink"),
    }
    assert read_settings(settings_text(settings)) == settings


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('agent.images = ["x"]', "has to be a table, written as [agent.images]"),
        ('[agent.images]\nblink = "greet"', "is no image's id"),
        (f'[agent.images]\n"{ONE}0" = "greet"', "is no image's id"),
        (f'[agent.images]\n{ONE} = "a"\n{ONE.upper()} = "b"', "names one image twice"),
        (f"[agent.images]\n{ONE} = 3", "a job type is wanted"),
        (f'[agent.images]\n{ONE} = ""', "is no job type"),
        (f'[agent.images]\n{ONE} = "*"', "is no job type"),
        (f"[agent.images]\n{ONE} = {{}}", "a job type is wanted"),
        (f'[agent.images]\n{ONE} = {{comand = ["x"]}}', "a job type is wanted"),
        (f'[agent.images]\n{ONE} = {{command = "x"}}', "command has to be a list of words"),
        (f"[agent.images]\n{ONE} = {{command = [1]}}", "command has to be a list of words"),
        (f"[agent.images]\n{ONE} = {{command = []}}", "command has to begin with a program"),
        (f'[agent.images]\n{ONE} = {{command = [""]}}', "command has to begin with a program"),
        (f'[agent.images]\n{ONE} = {{folder = "images/x"}}', "folder has to name folders"),
        (f"[agent.images]\n{ONE} = {{folder = 3}}", "folder has to name folders"),
    ],
)
def test_what_is_no_image(text: str, words: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_settings(text)
    (problem,) = caught.value.problems
    assert words in str(problem)
