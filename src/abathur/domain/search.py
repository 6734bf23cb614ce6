"""Finding passages: the words of a question, and several rankings made one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypeVar

K = TypeVar("K")

RRF_CONSTANT: Final = 60
CANDIDATES: Final = 200
"""How many of the best of each ranking are fused."""
MAX_WORDS: Final = 32
WORD: Final = re.compile(r"[^\W_]+")
EXCERPT: Final = 200
UNSPACED: Final = re.compile(
    "[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff]{2,}"
)
"""Chinese, Japanese and Korean, whose words no index tells apart by spaces."""

STOP_WORDS: Final = frozenset(
    """
    a an and are as at be but by can do does for from had has have how i if in into is it its me my
    no not of on or our should so such that the their then there these they this to was we what
    when where which who why will with would you your
    """.split()  # noqa: SIM905
)
"""English words that stand in nearly every text, and so tell none apart."""


def words_of(text: str) -> list[str]:
    """The words that a question asks for, each once; stop words only if there are no others."""
    found = dict.fromkeys(word.casefold() for word in WORD.findall(text))
    telling = [word for word in found if word not in STOP_WORDS]
    return (telling or list(found))[:MAX_WORDS]


def pairs_of(words: Iterable[str]) -> list[str]:
    """Of what is written without spaces, each two characters that follow each other, once.

    Texts that have many of them in common are likely to be about the same.
    """
    runs = [run for word in words for run in UNSPACED.findall(word)]
    pairs = (run[start : start + 2] for run in runs for start in range(len(run) - 1))
    return list(dict.fromkeys(pairs))[:MAX_WORDS]


def any_of(words: Iterable[str]) -> str:
    """What FTS5 and `websearch_to_tsquery` both take for: one of these words.

    Each is quoted and holds nothing but letters and digits, so that nothing of a question can be
    taken for syntax.
    """
    return " OR ".join(f'"{word}"' for word in words)


def fused(rankings: Iterable[Sequence[K]]) -> Mapping[K, float]:
    """Reciprocal rank fusion: each ranking gives `1 / (60 + rank)`; the best first.

    The constant is that of G. Cormack, C. Clarke, S. Büttcher, *Reciprocal rank fusion outperforms
    Condorcet and individual rank learning methods*, SIGIR 2009: it keeps a single first place from
    outweighing agreement.
    """
    scores: dict[K, float] = {}
    for ranking in rankings:
        for place, key in enumerate(ranking, 1):
            scores[key] = scores.get(key, 0.0) + 1 / (RRF_CONSTANT + place)
    return dict(sorted(scores.items(), key=lambda item: -item[1]))


def matched(words: Iterable[str], text: str) -> list[str]:
    """Those of the words that stand in the text, or begin like a word of it.

    The index compares stems, so this only explains what it found.
    """
    there = {word.casefold() for word in WORD.findall(text)}
    return [
        word
        for word in words
        if word in there
        or any(_same_stem(word, one) for one in there)
        or any(pair in text for pair in pairs_of([word]))
    ]


def _same_stem(word: str, other: str) -> bool:
    shorter, longer = sorted((word, other), key=len)
    return (
        len(shorter) >= 4
        and longer.startswith(shorter[: max(4, len(shorter) - 2)])
        and (len(longer) - len(shorter) <= 4)
    )


def excerpt(text: str, words: Sequence[str], length: int = EXCERPT) -> str:
    """One line of the text, around the first of the words that stands in it."""
    flat = " ".join(text.split())
    if len(flat) <= length:
        return flat
    lower = flat.casefold()
    wanted = [*words, *pairs_of(words)]
    places = [place for word in wanted if (place := lower.find(word)) >= 0]
    start = max(0, min(places, default=0) - length // 4)
    start = flat.find(" ", start) + 1 if start else 0
    cut = flat[start : start + length]
    return f"{'...' if start else ''}{cut}{'...' if start + length < len(flat) else ''}"
