"""Keeping secrets out of the configuration: it names where they are, never what they are."""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass
from typing import Any

from server.settings import SecretSource

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
_KNOWN_PREFIX = re.compile(r"(?i)(sk|pk|rk|tk|ghp|gho|glpat|xox[a-z]|AKIA|eyJ)[-_A-Za-z0-9]{12,}")
_TOKEN = re.compile(r"[A-Za-z0-9+/=_.~-]{20,}")
_URL_PASSWORD = re.compile(r"://[^/\s:@]*:[^/\s@]+@")
_MIN_ENTROPY_BITS = 3.5
"""Per character: words and paths stay below, random tokens of 20 characters and more do not."""


def looks_like_a_secret(text: str) -> bool:
    """Whether a value had better not be printed. Rather once too often than once too little."""
    if _URL_PASSWORD.search(text) or _KNOWN_PREFIX.fullmatch(text):
        return True
    if not _TOKEN.fullmatch(text) or text.startswith((".", "/", "~")):
        return False
    has_digit = any(character.isdigit() for character in text)
    has_both_cases = text != text.lower() and text != text.upper()
    return (has_digit or has_both_cases) and _entropy_bits(text) >= _MIN_ENTROPY_BITS


def _entropy_bits(text: str) -> float:
    counts = Counter(text).values()
    return -sum(count / len(text) * math.log2(count / len(text)) for count in counts)


def _is_variable_name(text: str) -> bool:
    """Names are words joined by underscores; a run of mixed letters and digits is none."""
    if not _VARIABLE.fullmatch(text):
        return False
    return not (looks_like_a_secret(text) and not _is_wordy(text))


def _is_wordy(text: str) -> bool:
    words = [word for word in text.split("_") if word]
    return text == text.upper() and len(words) > 1 and all(len(word) <= 16 for word in words)


@dataclass(frozen=True, slots=True)
class Secret:
    """The name of an environment variable, ``{env = "..."}`` or ``{file = "..."}``."""

    def read(self, value: object) -> SecretSource:
        match value:
            case "":
                return SecretSource()
            case str():
                return SecretSource(env=_variable(value))
            case {"env": str(name), **rest} if not rest:
                return SecretSource(env=_variable(name))
            case {"file": str(name), **rest} if not rest:
                return SecretSource(file=_file(name))
        raise ValueError(
            "has to be the name of an environment variable, "
            'or {env = "NAME"}, or {file = "/path/of/a/file"}'
        )

    def write(self, setting: SecretSource) -> Any:
        return {"file": setting.file} if setting.file else setting.env


def _variable(name: str) -> str:
    if not _is_variable_name(name):
        raise ValueError(
            "has to be the name of an environment variable, such as TRAFFIC_SUBMIT_KEY; what "
            "stands here is none, and may be the secret itself (not shown). Put the secret into "
            "the environment or a file, and if it was shared with this file, replace it"
        )
    return name


def _file(name: str) -> str:
    if not name or looks_like_a_secret(name):
        raise ValueError(
            'has to name a file, such as {file = "/run/secrets/submit"}; what stands here looks '
            "like the secret itself (not shown)"
        )
    return name
