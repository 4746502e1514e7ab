"""Arithmetic as people write it, ``2x * 3y``, turned into what an expression library evaluates.

Only numbers, names, brackets and operators get through, names are replaced by our own, and every
number is a float: so there is nothing to call, nothing to reach into, and no number that grows.
"""

from __future__ import annotations

import ast
import math
import operator
import re
from typing import TYPE_CHECKING, NamedTuple

from simpleeval import InvalidExpression, SimpleEval

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_CHARACTERS = 4_000
MAX_DEPTH = 50
"""How deep brackets may be nested."""
MAX_TOKENS = 400
INCOMPLETE = "it is no complete expression; look at its operators"
TOO_DEEP = "it is too long or nested too deeply"

_TOKEN = re.compile(
    r"""\s*(?:
    (?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
    |(?P<name>[^\W\d]\w*)
    |(?P<operator>\*\*|//|[-+*/%^])
    |(?P<open>\()
    |(?P<close>\))
    )""",
    re.VERBOSE,
)
_OPERATORS = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}


class Token(NamedTuple):
    kind: str
    text: str
    at: int
    """Position in the expression, counted from 1."""


def evaluate(expression: str, values: Mapping[str, float]) -> float:
    """The value of ``expression``. Raises ValueError in words, whatever is wrong."""
    tokens, names = _read(expression, values)
    evaluator = SimpleEval(
        operators=_OPERATORS,
        functions={},
        names={ours: float(values[theirs]) for theirs, ours in names.items()},
    )
    try:
        value = evaluator.eval(_rewritten(tokens, names))
    except ZeroDivisionError:
        raise ValueError("it divides by zero") from None
    except OverflowError:
        raise ValueError("a number on the way is too large") from None
    except (SyntaxError, InvalidExpression):
        raise ValueError(INCOMPLETE) from None
    except (RecursionError, MemoryError):
        raise ValueError(TOO_DEEP) from None
    if not isinstance(value, float) or not math.isfinite(value):
        raise ValueError("its value is not a real, finite number")
    return value


def check(expression: str, values: Mapping[str, float]) -> None:
    """Raise ValueError in words where ``expression`` makes no sense, whatever its value may be."""
    tokens, names = _read(expression, values)
    try:
        SimpleEval.parse(_rewritten(tokens, names))
    except (SyntaxError, InvalidExpression):
        raise ValueError(INCOMPLETE) from None
    except (RecursionError, MemoryError):
        raise ValueError(TOO_DEEP) from None


def _read(expression: str, values: Mapping[str, float]) -> tuple[list[Token], dict[str, str]]:
    """The parts of an expression, and our names of its names, all of which have a value."""
    tokens = tokenize(expression)
    names = _names(tokens)
    missing = sorted(name for name in names if name not in values)
    if missing:
        raise ValueError(f"no value was given for {', '.join(missing)}")
    return tokens, names


def tokenize(expression: str) -> list[Token]:
    """The parts of an expression, products made explicit. Raises ValueError in words."""
    if len(expression) > MAX_CHARACTERS:
        raise ValueError(f"it has {len(expression)} characters, at most {MAX_CHARACTERS} are taken")
    tokens: list[Token] = []
    at, depth = 0, 0
    end = len(expression.rstrip())
    while at < end:
        token = _next(expression, at)
        at = token.at - 1 + len(token.text)
        depth += {"open": 1, "close": -1}.get(token.kind, 0)
        if depth < 0:
            raise ValueError(f"the bracket at {token.at} closes nothing")
        if depth > MAX_DEPTH:
            raise ValueError(f"brackets are nested deeper than {MAX_DEPTH}")
        if tokens and _is_product(tokens[-1], token):
            tokens.append(Token("operator", "*", token.at))
        tokens.append(token)
    if depth:
        raise ValueError("a bracket is not closed")
    if len(tokens) > MAX_TOKENS:
        raise ValueError(f"it has more than {MAX_TOKENS} parts")
    if not tokens:
        raise ValueError("it is empty")
    return tokens


def _next(expression: str, at: int) -> Token:
    found = _TOKEN.match(expression, at)
    if found is None or found.lastgroup is None:
        rest = expression[at:].lstrip()
        position = len(expression) - len(rest) + 1
        raise ValueError(f"{rest[0]!r} at {position} makes no sense here")
    kind = found.lastgroup
    return Token(kind, found[kind], found.start(kind) + 1)


def _is_product(left: Token, right: Token) -> bool:
    """Whether two neighbours without an operator mean a product."""
    if left.kind not in ("number", "name", "close") or right.kind not in ("number", "name", "open"):
        return False
    if right.kind == "number" and left.kind == "number":
        raise ValueError(f"two numbers stand side by side at {right.at}")
    return True


def _names(tokens: list[Token]) -> dict[str, str]:
    """Every name in the expression -> the plain name it gets, so that no word is special."""
    theirs = dict.fromkeys(token.text for token in tokens if token.kind == "name")
    return {name: f"v{index}" for index, name in enumerate(theirs)}


def _rewritten(tokens: list[Token], names: Mapping[str, str]) -> str:
    return " ".join(_word(token, names) for token in tokens)


def _word(token: Token, names: Mapping[str, str]) -> str:
    if token.kind == "name":
        return names[token.text]
    if token.kind == "number":
        value = float(token.text)
        if math.isinf(value):
            raise ValueError(f"the number at {token.at} is too large")
        return repr(value)
    return "**" if token.text == "^" else token.text
