"""A member of a JSON file is set, and nothing else is touched."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abathur.infrastructure.json_edit import parsed, plain, with_value

ENTRY = {"command": "abathur", "args": ["mcp"]}
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)


@given(
    content=st.dictionaries(st.text(max_size=4), VALUES, max_size=3),
    servers=st.none() | st.dictionaries(st.sampled_from(["abathur", "x", "//"]), VALUES),
    indent=st.sampled_from([None, 2, 4, "\t"]),
)
def test_what_is_there_stays_as_it_is(
    content: dict[str, Any], servers: dict[str, Any] | None, indent: Any
) -> None:
    if servers is not None:
        content["servers"] = servers
    elif "servers" in content:
        del content["servers"]
    text = json.dumps(content, indent=indent, ensure_ascii=False)
    now = json.loads(with_value(text, ("servers", "abathur"), ENTRY))
    assert now == {**content, "servers": {**(servers or {}), "abathur": ENTRY}}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "// nothing yet\n",
        "{ /* c */ }",
        '{ /* c */ "servers": {} }',
        '{"servers": {"x": 1 /* one */}}',
        '{"servers": {"x": 1, /* one */}, }',
        '{\n  "servers": {\n    "x": "},{" // a } brace\n  } // end\n}',
        '{"a": "\\" // no comment", "b": [1, 2,],}',
    ],
)
def test_comments_and_trailing_commas_are_kept(text: str) -> None:
    before = parsed(text)
    now = with_value(text, ("servers", "abathur"), ENTRY)
    expected = {**before, "servers": {**before.get("servers", {}), "abathur": ENTRY}}
    assert parsed(now) == expected, now
    for comment in ("/* c */", "/* one */", "// a } brace", "// end", "// no comment"):
        assert (comment in now) is (comment in text)
    assert with_value(now, ("servers", "abathur"), ENTRY) == now


def test_what_is_blanked_keeps_its_place() -> None:
    text = '{"a": 1, // x\n}'
    assert len(plain(text)) == len(text)


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ('{"z":[1,2]}\n', '{"z":[1,2],"a":{"b":{"c":1}}}\n'),
        ('{"z": 1e2, "a": {"x": 1}}', '{"z": 1e2, "a": {"x": 1, "b": {"c": 1}}}'),
        ('{"a": {}, "z": 0}', '{"a": {"b": {"c": 1}}, "z": 0}'),
        ('{"a":{"b":{"c":0,"d":1}}}', '{"a":{"b":{"c":1,"d":1}}}'),
    ],
)
def test_a_file_of_one_line_stays_one(text: str, after: str) -> None:
    there = parsed(text).get("a", {}).get("b", {})
    path, value = (("a", "b", "c"), 1) if there else (("a", "b"), {"c": 1})
    assert with_value(text, path, value) == after


def test_an_address_in_a_file_of_one_line_is_no_comment() -> None:
    text = '{"servers": {"a": {"url": "http://x/y"}}}'
    edited = with_value(text, ("servers", "b"), {"c": 1})
    assert edited == '{"servers": {"a": {"url": "http://x/y"}, "b": {"c": 1}}}'
