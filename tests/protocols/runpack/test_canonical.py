"""JavaScript's JSON: by vectors of the specification, and against node where there is one."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from server.errors import InvalidInput
from server.protocols.runpack.canonical import (
    canonical,
    format_number,
    is_plain,
    job_hash,
    parse,
    read,
    storable,
    stringify,
    utf16_length,
)

NODE = shutil.which("node")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (1.0, "1"),
        (-1.0, "-1"),
        (1.5, "1.5"),
        (0.1, "0.1"),
        (123456789012345680000.0, "123456789012345680000"),
        (9007199254740993.0, "9007199254740992"),
        (1e21, "1e+21"),
        (1.5e21, "1.5e+21"),
        (999999999999999900000.0, "999999999999999900000"),
        (1e-6, "0.000001"),
        (1.5e-6, "0.0000015"),
        (1e-7, "1e-7"),
        (-1.25e-9, "-1.25e-9"),
        (5e-324, "5e-324"),
        (1.7976931348623157e308, "1.7976931348623157e+308"),
        (100.25, "100.25"),
        (1e20, "100000000000000000000"),
        (math.inf, "null"),
        (-math.inf, "null"),
    ],
)
def test_numbers_are_written_as_javascript_does(value: float, text: str) -> None:
    assert format_number(value) == text


@pytest.mark.parametrize(
    ("source", "stored", "hashed"),
    [
        ('{"b":1,"a":2}', '{"b":1,"a":2}', '{"a":2,"b":1}'),
        ('{"b":{"d":1,"c":2}}', '{"b":{"d":1,"c":2}}', '{"b":{"c":2,"d":1}}'),
        ('[3, {"b":1,"a":2}, 1]', '[3,{"b":1,"a":2},1]', '[3,{"a":2,"b":1},1]'),
        ('{"x":1.0}', '{"x":1}', '{"x":1}'),
        ('{"x":-0}', '{"x":0}', '{"x":0}'),
        ('{"x":1e400}', '{"x":null}', '{"x":null}'),
        ('{"10":1,"9":2,"a":3}', '{"9":2,"10":1,"a":3}', '{"9":2,"10":1,"a":3}'),
        ('{"a":3,"10":1,"9":2}', '{"9":2,"10":1,"a":3}', '{"9":2,"10":1,"a":3}'),
        ('{"01":1,"1":2}', '{"1":2,"01":1}', '{"1":2,"01":1}'),
        (
            '{"4294967295":1,"4294967294":2,"b":3}',
            '{"4294967294":2,"4294967295":1,"b":3}',
            '{"4294967294":2,"4294967295":1,"b":3}',
        ),
        ('{"__proto__":1,"a":2}', '{"__proto__":1,"a":2}', '{"a":2}'),
        ('{"a":1,"b":2,"a":3}', '{"a":3,"b":2}', '{"a":3,"b":2}'),
        ('{"a":"/\\u007f\\u2028"}', '{"a":"/\x7f\u2028"}', '{"a":"/\x7f\u2028"}'),
        (
            '"\\b\\t\\n\\f\\r\\u001f\\"\\\\"',
            '"\\b\\t\\n\\f\\r\\u001f\\"\\\\"',
            '"\\b\\t\\n\\f\\r\\u001f\\"\\\\"',
        ),
        ('"\\ud83d\\ude00"', '"\U0001f600"', '"\U0001f600"'),
        ('"\\uD83D x \\ude00"', '"\\ud83d x \\ude00"', '"\\ud83d x \\ude00"'),
        (
            '{"\\uff61":1,"\\ud83d\\ude00":2}',
            '{"\uff61":1,"\U0001f600":2}',
            '{"\U0001f600":2,"\uff61":1}',
        ),
        ("[true,false,null]", "[true,false,null]", "[true,false,null]"),
        ("{}", "{}", "{}"),
        ('{"":1}', '{"":1}', '{"":1}'),
    ],
)
def test_texts_stored_and_hashed(source: str, stored: str, hashed: str) -> None:
    value = parse(source)
    assert stringify(value) == stored
    assert canonical(value) == hashed


def test_the_hash_is_of_type_then_params() -> None:
    text = '{"type":"hello_world","params":{"name":"A","processing_time":1}}'
    params = parse('{"processing_time": 1.0, "name": "A"}')
    assert job_hash("hello_world", params) == hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "nul",
        "NaN",
        "[1,]",
        "Infinity",
        "-Infinity",
        '"\x01"',
        "01",
        "1.",
        '{"a" 1}',
        "'a'",
    ],
)
def test_what_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse(text)


@pytest.mark.parametrize("depth", [300, 5_000, 200_000])
def test_deep_nesting_is_refused(depth: int) -> None:
    with pytest.raises(InvalidInput, match="deep"):
        stringify(parse("[" * depth + "]" * depth))


def test_numbers_of_any_length_are_read() -> None:
    assert stringify(parse("1" * 10_000)) == "null"
    assert stringify(parse("0." + "3" * 10_000)) == "0.3333333333333333"


def test_lengths_are_in_utf16_units() -> None:
    assert utf16_length("abc") == 3
    assert utf16_length("é") == 1
    assert utf16_length("\U0001f600") == 2
    assert utf16_length("\ud83d") == 1


def test_half_pairs_become_the_replacement_character() -> None:
    assert storable("plain") == b"plain"
    assert storable("a\ud83db") == "a\ufffdb".encode()


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_number_reads_back(value: float) -> None:
    assert float(format_number(value)) == value


NODE_SCRIPT = """
const lines = require('fs').readFileSync(0, 'utf8').split('\\n').filter(Boolean);
const sorted = (v) => {
  if (v === null || typeof v !== 'object') return v;
  if (Array.isArray(v)) return v.map(sorted);
  const copy = {};
  for (const key of Object.keys(v).sort()) copy[key] = sorted(v[key]);
  return copy;
};
for (const line of lines) {
  const value = JSON.parse(JSON.parse(line));
  console.log(JSON.stringify([JSON.stringify(value), JSON.stringify(sorted(value))]));
}
"""

_keys = st.one_of(
    st.text(st.characters(exclude_categories=())),
    st.integers(0, 2**33).map(str),
    st.sampled_from(["__proto__", "constructor", "01", "-1", "1.5", "4294967294", "4294967295"]),
)
_doubles = st.integers(0, 2**64 - 1).map(
    lambda bits: struct.unpack("<d", bits.to_bytes(8, "little"))[0]
)
_numbers = st.one_of(st.integers(), st.floats(), _doubles).filter(
    lambda number: not (isinstance(number, float) and (math.isnan(number) or math.isinf(number)))
)
_values = st.recursive(
    st.one_of(st.none(), st.booleans(), _numbers, st.text(st.characters(exclude_categories=()))),
    lambda below: st.one_of(st.lists(below, max_size=4), st.dictionaries(_keys, below, max_size=5)),
    max_leaves=12,
)


@pytest.mark.skipif(NODE is None, reason="node is not installed")
@settings(
    max_examples=10,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.large_base_example],
)
@given(st.lists(_values, min_size=10, max_size=30))
def test_random_json_comes_out_as_from_node(
    tmp_path_factory: pytest.TempPathFactory, values: list[object]
) -> None:
    assert NODE is not None
    script = Path(tmp_path_factory.getbasetemp()) / "canonical.js"
    script.write_text(NODE_SCRIPT)
    sources = [json.dumps(value) for value in values]
    ran = subprocess.run(
        [NODE, str(script)],
        input="\n".join(json.dumps(source) for source in sources),
        capture_output=True,
        text=True,
        check=True,
        timeout=50,
    )
    for source, line in zip(sources, ran.stdout.rstrip("\n").split("\n"), strict=True):
        stored, hashed = json.loads(line)
        value = parse(source)
        assert stringify(value) == stored
        assert canonical(value) == hashed


# plain documents, which are read and written by C ------------------------------------------

TEXTS = st.text(st.characters(min_codepoint=0, max_codepoint=0x2FF), max_size=6) | st.sampled_from(
    ["a", "b", "10", "9", "__proto__", "\ud800", "e", '"', "\\", "\x7f", "\n"]
)
NUMBERS = st.sampled_from(
    [0, -0.0, 1, -7, 10**15 - 1, 10**15, 10**16, 2**53, 1.5, 1e21, 1e-7, 12345678901234567890]
)


@given(
    st.recursive(
        st.none() | st.booleans() | NUMBERS | TEXTS | st.integers(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
        max_leaves=20,
    ),
    st.booleans(),
)
def test_plain_documents_are_read_and_written_as_all_others(value: object, ascii: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii).encode("utf-8", "surrogatepass")
    try:
        document = read(text)
    except InvalidInput:  # half a surrogate pair, unescaped
        return
    slow = parse(text.decode())
    assert document.value == slow
    assert stringify(document.value, plain=document.is_plain) == stringify(slow)
    assert canonical(document.value, plain=document.is_plain) == canonical(slow)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a": [1, -2, true, null, "x"], "b": {"c": {}}}', True),
        ('{"n": 999999999999999}', True),
        ('{"n": 9999999999999999}', False),
        ('{"n": 1.0}', False),
        ('{"n": 1e3}', False),
        ('{"n": -0}', False),
        ('{"1": 2, "0": 1}', False),
        ('{"__proto__": 1}', False),
        ('"\\ud800"', False),
        ('"ä"', False),
        ("[" * 255 + "]" * 255, True),
        ("[" * 256 + "]" * 256, False),
    ],
)
def test_what_is_plain(text: str, expected: bool) -> None:
    assert is_plain(text.encode()) is expected


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", "{", "[1 2]", "", "{'a': 1}", "[01]"])
def test_what_is_no_json_is_refused_however_plain(text: str) -> None:
    with pytest.raises(InvalidInput):
        read(text.encode())


def test_a_byte_order_mark_is_left_out() -> None:
    assert read(b'\xef\xbb\xbf{"a": 1}').value == {"a": 1}
