import io
import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abathur.cli import output
from abathur.cli.output import Column, table
from abathur.cli.task.listing import COLUMNS
from abathur.cli.text import columns

SHAPE = (
    Column(title="NAME", most=10),
    Column(title="COUNT", right=True),
    Column(title="TEXT", flexible=True),
)


def test_a_table_is_aligned_and_has_no_trailing_blanks() -> None:
    rows = [["a", "1", "short"], ["a very long name", "100", ""]]
    assert table(SHAPE, rows, 80) == [
        "NAME        COUNT  TEXT",
        "a               1  short",
        "a very lo…    100",
    ]


def test_wide_characters_are_aligned_too() -> None:
    assert table(SHAPE, [["世界", "1", "x"], ["ab", "2", "y"]], 80)[1:] == [
        "世界      1  x",
        "ab        2  y",
    ]


@settings(max_examples=50)
@given(st.lists(st.lists(st.text(), min_size=6, max_size=6), max_size=5))
def test_a_table_never_exceeds_its_room(rows: list[list[str]]) -> None:
    for line in table(COLUMNS, rows, 80):
        assert columns(line) <= 80
        assert all(
            character.isprintable() or character == "\u3000" or ord(character) > 127
            for character in line
        )


def test_json_is_compact_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    at = datetime(2030, 1, 1, tzinfo=UTC)
    output.write_json({"b": "ü", "a": at, "path": Path("x"), "set": {"z", "y"}})
    expected = '{"b":"ü","a":"2030-01-01T00:00:00.000000Z","path":"x","set":["y","z"]}\n'
    assert capsys.readouterr().out == expected


def test_json_is_ascii_where_the_encoding_knows_no_better(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    output.write_json(["世"])
    assert raw.getvalue() == b'["\\u4e16"]\n'
    assert json.loads(raw.getvalue()) == ["世"]


def test_text_that_the_encoding_can_not_say_is_a_question_mark(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="latin-1"))
    output.write("ü 世")
    assert raw.getvalue().decode("latin-1") == "ü ?\n"
    assert output.ellipsis() == "..."


def test_an_unknown_value_has_no_json_form() -> None:
    with pytest.raises(TypeError, match="object has no JSON form"):
        output.write_json(object())


class Terminal(io.TextIOWrapper):
    def isatty(self) -> bool:
        return True


def as_terminal(monkeypatch: pytest.MonkeyPatch) -> io.BytesIO:
    """Not a fixture: pytest changes stdout again between fixtures and the test."""
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", Terminal(raw, encoding="utf-8"))
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    return raw


def test_a_terminal_gets_colour_and_indented_json(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = as_terminal(monkeypatch)
    output.write(output.paint("ready", "cyan"))
    output.write_json({"a": 1})
    assert raw.getvalue().decode() == '\x1b[36mready\x1b[0m\n{\n  "a": 1\n}\n'


def test_no_color_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    as_terminal(monkeypatch)
    monkeypatch.setenv("NO_COLOR", "1")
    assert output.paint("ready", "cyan") == "ready"


def test_a_terminal_decides_the_width(monkeypatch: pytest.MonkeyPatch) -> None:
    as_terminal(monkeypatch)
    monkeypatch.setenv("COLUMNS", "132")
    assert output.width() == 132
    monkeypatch.setenv("COLUMNS", "20")
    assert output.width() == output.LEAST_WIDTH
