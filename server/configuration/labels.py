"""Labels given by the configuration to runners that cannot state any."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from server.configuration.kinds import text_map
from server.settings import LabelRule

_MAX_RULES = 10_000


@dataclass(frozen=True, slots=True)
class LabelRules:
    """A list of ``{match, labels}``."""

    def read(self, value: object) -> tuple[LabelRule, ...]:
        if not isinstance(value, list) or len(value) > _MAX_RULES:
            raise ValueError("has to be written as [[runners.labels]], once for each rule")
        return tuple(_rule(entry, number) for number, entry in enumerate(value, start=1))

    def write(self, setting: tuple[LabelRule, ...]) -> list[Any]:
        return [{"match": rule.match, "labels": dict(rule.labels)} for rule in setting]


def _rule(entry: object, number: int) -> LabelRule:
    match entry:
        case {"match": str(pattern), "labels": labels, **rest} if pattern and not rest:
            return LabelRule(match=pattern, labels=text_map(labels, f"labels of rule {number}"))
    raise ValueError(
        f'rule {number} needs exactly match (text, such as "10.3.12.*") and labels (a table)'
    )
