"""The kind of value that says what Treadmill images are on the agent's box."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from server.configuration.kinds import shown
from server.configuration.limit_kinds import Folders
from server.model import MAX_NAME
from server.settings import ImageSettings

MAX_IMAGES = 10_000
MAX_WORDS = 1_000
_ID = re.compile(r"[0-9a-fA-F]{64}")


@dataclass(frozen=True, slots=True)
class Images:
    """A table of image ids, each with a job type or with a command, a folder or both."""

    def read(self, value: object) -> dict[str, ImageSettings]:
        if not isinstance(value, dict) or len(value) > MAX_IMAGES:
            raise ValueError("has to be a table, written as [agent.images], of ids and job types")
        images = {_image_id(name): _image(name, entry) for name, entry in value.items()}
        if len(images) != len(value):
            raise ValueError("names one image twice, in different letters")
        return images

    def write(self, setting: dict[str, ImageSettings]) -> dict[str, Any]:
        return {image_id: _written(image) for image_id, image in setting.items()}


def _image_id(name: str) -> str:
    if not _ID.fullmatch(name):
        raise ValueError(f"{shown(name)} is no image's id: 64 hexadecimal digits in quotes are")
    return name.lower()


def _image(name: str, entry: object) -> ImageSettings:
    if isinstance(entry, str):
        return ImageSettings(type=_job_type(name, entry))
    if not isinstance(entry, dict) or not entry or entry.keys() - {"command", "folder"}:
        raise ValueError(
            f"{name[:12]}...: a job type is wanted, or "
            '{command = ["/srv/images/x/run"], folder = "/srv/images/x"} with one of them or both'
        )
    return ImageSettings(command=_command(name, entry), folder=_folder(name, entry))


def _job_type(name: str, text: str) -> str:
    if not 0 < len(text) <= MAX_NAME or not text.isprintable() or "*" in text:
        raise ValueError(f"{name[:12]}...: {shown(text)} is no job type")
    return text


def _command(name: str, entry: dict[str, Any]) -> tuple[str, ...]:
    words = entry.get("command", [])
    is_list = isinstance(words, list) and len(words) <= MAX_WORDS
    if not is_list or not all(isinstance(word, str) and "\0" not in word for word in words):
        raise ValueError(f"{name[:12]}...: command has to be a list of words")
    if "command" in entry and not (words and words[0]):
        raise ValueError(f"{name[:12]}...: command has to begin with a program")
    return tuple(words)


def _folder(name: str, entry: dict[str, object]) -> str:
    if "folder" not in entry:
        return ""
    try:
        return Folders().read([entry["folder"]])[0]
    except ValueError as error:
        raise ValueError(f"{name[:12]}...: folder {error}") from None


def _written(image: ImageSettings) -> Any:
    if image.type:
        return image.type
    told: dict[str, Any] = {"command": list(image.command), "folder": image.folder}
    return {name: value for name, value in told.items() if value}
