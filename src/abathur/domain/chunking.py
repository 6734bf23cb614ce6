"""Taking documents apart where their structure does, so that a part makes sense by itself."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import Final

from abathur.domain.documents import Chunk

LONGEST: Final = 4000
"""Characters of a chunk; what is longer is cut at blank lines, or else at lines."""
HEADING: Final = re.compile(r"(#{1,6})\s+(.*?)\s*#*\s*")
FENCE: Final = re.compile(r"\s{0,3}(`{3,}|~{3,})")
DEFINITION: Final = re.compile(
    r"(?:export\s+|default\s+|pub(?:\([^)]*\))?\s+|public\s+|private\s+|static\s+|abstract\s+"
    r"|async\s+|final\s+)*"
    r"(?:def|class|func|fn|function|struct|interface|impl|trait|enum|module|namespace|type"
    r"|sub|object|CREATE\s+TABLE|create\s+table)\b[^\S\n]*\S.*"
)
MARKDOWN: Final = frozenset({".md", ".markdown", ".mdx"})
TEXT: Final = frozenset({".txt", ".rst", ".adoc", ".text", ".log", ""})
LONGEST_HEADING: Final = 200


def kind_of(path: str) -> str:
    """`markdown`, `text` or `source`, by the ending of the name."""
    suffix = PurePosixPath(path).suffix.lower()
    if suffix in MARKDOWN:
        return "markdown"
    return "text" if suffix in TEXT else "source"


def chunks_of(text: str, kind: str) -> Sequence[Chunk]:
    """All lines that aren't blank are in exactly one chunk."""
    lines = [line.replace("\0", " ") for line in text.splitlines()]
    sections = {"markdown": _markdown, "source": _source}.get(kind, _whole)(lines)
    return [chunk for heading, first, part in sections for chunk in _cut(heading, first, part)]


def title_of(text: str, path: str, kind: str) -> str:
    """The first heading of a Markdown text; else the name of the file."""
    if kind == "markdown":
        for heading, _, _ in _markdown(text.splitlines()):
            if heading:
                return heading
    return PurePosixPath(path).name


Section = tuple[str, int, Sequence[str]]
"""A heading, the number of the first line, and the lines."""


def _whole(lines: Sequence[str]) -> Iterator[Section]:
    yield "", 1, lines


def _markdown(lines: Sequence[str]) -> Iterator[Section]:
    above: list[tuple[int, str]] = []
    start, fence = 0, ""
    for place, line in enumerate(lines):
        if mark := FENCE.match(line):
            if not fence:
                fence = mark[1]
            elif mark[1].startswith(fence):
                fence = ""
        elif not fence and (found := HEADING.fullmatch(line)):
            yield _path(above), start + 1, lines[start:place]
            start, level = place, len(found[1])
            above = [*(one for one in above if one[0] < level), (level, found[2])]
    yield _path(above), start + 1, lines[start:]


def _path(above: Sequence[tuple[int, str]]) -> str:
    return " > ".join(title for _, title in above)[:LONGEST_HEADING]


def _source(lines: Sequence[str]) -> Iterator[Section]:
    heading, start = "", 0
    for place, line in enumerate(lines):
        if DEFINITION.match(line):
            begin = _with_what_is_above(lines, place, start)
            yield heading, start + 1, lines[start:begin]
            heading, start = line.strip().rstrip("{:")[:LONGEST_HEADING].rstrip(), begin
    yield heading, start + 1, lines[start:]


def _with_what_is_above(lines: Sequence[str], place: int, start: int) -> int:
    """Comments and decorators belong to the definition below them."""
    while place > start and re.match(r"[@#/*]|\s\*|--", lines[place - 1]):
        place -= 1
    return place


def _cut(heading: str, first: int, lines: Sequence[str]) -> Iterator[Chunk]:
    """Pieces that are short enough, as few as possible."""
    part: list[str] = []
    size, begin = 0, first
    for number, line in enumerate(lines, first):
        for piece in [line[at : at + LONGEST] for at in range(0, len(line), LONGEST)] or [""]:
            while part and size + len(piece) > LONGEST:
                kept = _last_blank(part)
                yield from _chunk(heading, begin, part[:kept])
                part, begin = part[kept:], begin + kept
                size = sum(len(one) + 1 for one in part)
            if not part:
                begin = number
            part.append(piece)
            size += len(piece) + 1
    yield from _chunk(heading, begin, part)


def _last_blank(part: Sequence[str]) -> int:
    """How many lines to take: up to the last blank one of the second half, or all."""
    blanks = [place for place, line in enumerate(part) if not line.strip()]
    return blanks[-1] + 1 if blanks and blanks[-1] > len(part) // 2 else len(part)


def _chunk(heading: str, first: int, lines: Sequence[str]) -> Iterator[Chunk]:
    start = next((place for place, line in enumerate(lines) if line.strip()), None)
    if start is None:
        return
    end = max(place for place, line in enumerate(lines) if line.strip())
    yield Chunk(heading, "\n".join(lines[start : end + 1]), first + start, first + end)
