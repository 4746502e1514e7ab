"""What is wrong with a message, in the words of whoever wrote it: the field, and what goes there.

msgspec says where it stopped and which of its types it wanted. What the bounds are, which words
are possible and which fields there are is in the type that it was to fit.
"""

from __future__ import annotations

import difflib
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from msgspec import inspect

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import msgspec

_WORDS: Final[Mapping[str, str]] = {
    "int": "a whole number",
    "float": "a number",
    "str": "text",
    "bool": "true or false",
    "bytes": "text in base64",
    "array": "a list",
    "object": "an object",
    "null": "null",
}
_PLACE: Final = re.compile(r"(`key` in )?`(\$[^`]*)`")
_STEP: Final = re.compile(r"\.(\w+)|\[(?:\d+|\.\.\.)\]")
_UNFIT: Final = re.compile(r"Expected `([^`]*)`, got `([^`]*)`")
_OUT_OF_BOUNDS: Final = re.compile(r"Expected `([^`]*)` (?:of length )?(?:[<>]=? )?(\S+)")
_FIELD: Final = re.compile(r"Object (contains unknown|missing required) field `(.*)`", re.DOTALL)
_BYTE: Final = re.compile(r"JSON is malformed: .*\(byte (\d+)\)")


class _Bounds(NamedTuple):
    """The least and the most of something; None: there is no bound. ``gt`` counts as the least."""

    least: float | None
    most: float | None
    is_above: bool = False

    def words(self) -> str:
        if self.least is not None and self.least == self.most:
            return f"{self.least}"
        if self.least is None:
            return f"at most {self.most}"
        lowest = f"more than {self.least}" if self.is_above else f"at least {self.least}"
        if self.most is None:
            return lowest
        between = f"from {self.least} to {self.most}"
        return f"{lowest} and at most {self.most}" if self.is_above else between


def misfit(
    error: msgspec.MsgspecError, wanted: Any, *, whole: str = "the body", part: str = "field"
) -> str:
    """Why a message is none of the type that was wanted: ``jobs[0].priority is to be a whole
    number, not text``. ``whole`` and ``part`` are what it and its fields are called."""
    said, is_key, path = _parts(str(error))
    place = path.removeprefix("$").removeprefix(".")
    whose = place or whole
    if byte := _BYTE.fullmatch(said):
        return f"it is no JSON: byte {byte[1]} is wrong"
    if said == "Input data was truncated":
        return "it is no JSON: it ends too early"
    if found := _FIELD.fullmatch(said):
        return _field_words(whose, part, found, wanted, path)
    if found := _UNFIT.fullmatch(said):
        return f"{whose} is to be {_type_words(found[1])}, not {_type_words(found[2])}"
    subject = f"each name in {whose}" if is_key else whose
    kinds = [kind for node in _at(wanted, path) for kind in _key_or_self(node, is_key=is_key)]
    if said.startswith("Invalid enum value "):
        values = [str(value) for kind in kinds for value in getattr(kind, "values", ())]
        return f"{subject} is to be one of {', '.join(values)}" if values else f"{whose}: {said}"
    if said.startswith("Invalid base64"):
        return f"{subject} is to be {_WORDS['bytes']}"
    if _OUT_OF_BOUNDS.fullmatch(said):
        return next((f"{subject} {words}" for kind in kinds if (words := _bound_words(kind))), said)
    return f"{whose}: {said}"


def _parts(text: str) -> tuple[str, bool, str]:
    """What was said, whether of a name in an object, and the path to it.

    A name that a client made up may be megabytes long and look like a path, so it is only searched
    from the end.
    """
    said, _, place = text.rpartition(" - at ")
    found = _PLACE.fullmatch(place)
    if found is None or (said.startswith("Object ") and not _FIELD.fullmatch(said)):
        return text, False, "$"
    return said, bool(found[1]), found[2]


def _type_words(kinds: str) -> str:
    words = [_WORDS.get(kind, kind) for kind in kinds.split(" | ")]
    return " or ".join(words)


def _field_words(whose: str, part: str, found: re.Match[str], wanted: Any, path: str) -> str:
    problem, name = found[1], found[2]
    if problem == "missing required":
        return f"{whose} lacks {name}"
    structs = [node for node in _at(wanted, path) if isinstance(node, inspect.StructType)]
    known = [field.encode_name for node in structs for field in node.fields]
    near = difflib.get_close_matches(name[:100], known, n=1, cutoff=0.6)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
    return f"{whose} has no {part} {name[:100]!r}; {hint}" if known else f"{whose}: {found[0]}"


@lru_cache(maxsize=64)
def _known(wanted: Any) -> inspect.Type:
    return inspect.type_info(wanted)


def _at(wanted: Any, path: str) -> list[inspect.Type]:
    """All that may stand at the end of a path, as a union may be on the way."""
    nodes = list(_choices(_known(wanted)))
    for step in _STEP.finditer(path):
        inner = [below for node in nodes for below in _below(node, step[1])]
        nodes = [choice for node in inner for choice in _choices(node)]
    return nodes


def _choices(node: inspect.Type) -> Iterator[inspect.Type]:
    if isinstance(node, inspect.UnionType):
        for choice in node.types:
            yield from _choices(choice)
    elif isinstance(node, inspect.Metadata):
        yield from _choices(node.type)
    else:
        yield node


def _below(node: inspect.Type, name: str | None) -> Iterator[inspect.Type]:
    """One step down: by a field's name, or into what a list or an object holds."""
    if isinstance(node, inspect.StructType) and name is not None:
        yield from (field.type for field in node.fields if field.encode_name == name)
    elif isinstance(node, inspect.ListType) and name is None:
        yield node.item_type
    elif isinstance(node, inspect.TupleType) and name is None:
        yield from node.item_types
    elif isinstance(node, inspect.DictType) and name is None:
        yield node.value_type


def _key_or_self(node: inspect.Type, *, is_key: bool) -> Iterator[inspect.Type]:
    if not is_key:
        yield node
    elif isinstance(node, inspect.DictType):
        yield node.key_type


def _bound_words(kind: inspect.Type) -> str:
    """What it is bounded to; empty: it is not."""
    if isinstance(kind, inspect.IntType | inspect.FloatType):
        least = kind.ge if kind.gt is None else kind.gt
        bounds = _Bounds(least, kind.le, is_above=kind.gt is not None)
        return "" if least is kind.le is None else f"is to be {bounds.words()}"
    if isinstance(kind, inspect.TupleType):
        return f"is to have {len(kind.item_types)} entries"
    if isinstance(kind, inspect.StrType | inspect.ListType | inspect.DictType | inspect.BytesType):
        bounds = _Bounds(kind.min_length, kind.max_length)
        what = "characters" if isinstance(kind, inspect.StrType) else "entries"
        return "" if bounds == (None, None, False) else f"is to have {bounds.words()} {what}"
    return ""
