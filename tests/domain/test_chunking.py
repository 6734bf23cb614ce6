"""Documents are taken apart where their structure does, and no line gets lost."""

from hypothesis import given
from hypothesis import strategies as st

from abathur.domain.chunking import LONGEST, chunks_of, kind_of, title_of

GUIDE = """\
Before all.

# Guide

## Install

Run it.

```sh
# no heading
```

## Remove
Delete it.
# Other
"""
PROGRAM = '''\
"""Doc."""

import os

# The parser.
@cached
def parse(text):
    return text.split()


class Compiler:
    def build(self):
        return 1
'''


def test_a_markdown_text_is_taken_apart_at_its_headings() -> None:
    found = [(one.heading, one.first_line, one.last_line) for one in chunks_of(GUIDE, "markdown")]
    assert found == [
        ("", 1, 1),
        ("Guide", 3, 3),
        ("Guide > Install", 5, 11),
        ("Guide > Remove", 13, 14),
        ("Other", 15, 15),
    ]
    assert title_of(GUIDE, "a.md", "markdown") == "Guide"


def test_source_is_taken_apart_at_its_definitions_with_what_belongs_to_them() -> None:
    found = [(one.heading, one.first_line, one.last_line) for one in chunks_of(PROGRAM, "source")]
    assert found == [("", 1, 3), ("def parse(text)", 5, 8), ("class Compiler", 11, 13)]
    assert title_of(PROGRAM, "src/app.py", "source") == "app.py"


def test_a_long_part_is_cut_at_a_blank_line() -> None:
    paragraph = "word " * 300
    text = "\n\n".join([paragraph] * 5)
    parts = chunks_of(text, "text")
    assert [(one.first_line, one.last_line) for one in parts] == [(1, 3), (5, 7), (9, 9)]


def test_the_kind_is_told_by_the_ending() -> None:
    assert [kind_of(path) for path in ("a.MD", "b.txt", "c.rs", "Makefile")] == [
        "markdown",
        "text",
        "source",
        "text",
    ]


LINES = st.lists(
    st.one_of(
        st.sampled_from(["", "# A", "## B", "```", "def f():", "class X:", "  x", "# c"]),
        st.text(st.characters(blacklist_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=30),
    ),
    max_size=30,
)


@given(lines=LINES, kind=st.sampled_from(["markdown", "source", "text"]))
def test_every_line_that_is_not_blank_is_in_one_part_in_its_place(
    lines: list[str], kind: str
) -> None:
    text = "\n".join(lines)
    there = text.splitlines()
    seen: list[int] = []
    for part in chunks_of(text, kind):
        assert part.text == "\n".join(there[part.first_line - 1 : part.last_line])
        seen += range(part.first_line, part.last_line + 1)
    assert len(seen) == len(set(seen))
    assert {n for n, line in enumerate(there, 1) if line.strip()} <= set(seen)


@given(st.lists(st.integers(0, 2 * LONGEST), max_size=6))
def test_no_part_is_longer_than_it_may_be(lengths: list[int]) -> None:
    text = "\n".join("x" * length for length in lengths)
    parts = chunks_of(text, "text")
    assert all(len(part.text) <= LONGEST for part in parts)
    assert sum(part.text.count("x") for part in parts) == sum(lengths)
