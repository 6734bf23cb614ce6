"""Finding texts that say nearly the same, without comparing each with each."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping
from math import ceil
from typing import Final, TypeVar

from abathur.domain.search import STOP_WORDS, WORD

K = TypeVar("K", bound=Hashable)

NEAR: Final = 0.8
"""The least share of words in common of what is called nearly the same."""


def near_duplicates(texts: Mapping[K, str], least: float = NEAR) -> Iterator[tuple[K, K, float]]:
    """Pairs with the share of their words that both have (Jaccard), each pair once.

    Two texts that share so much have one of the rarest words of each in common, so only these are
    looked up: R. Bayardo, Y. Ma, R. Srikant, *Scaling up all pairs similarity search*, WWW 2007.
    """
    sets = {key: _words(text) for key, text in texts.items()}
    frequency = Counter(word for words in sets.values() for word in words)
    holders: dict[str, list[K]] = defaultdict(list)
    for key, words in sets.items():
        rarest = sorted(words, key=lambda word: (frequency[word], word))
        telling = rarest[: len(words) - ceil(least * len(words)) + 1] if words else []
        for other in dict.fromkeys(one for word in telling for one in holders[word]):
            share = len(words & sets[other]) / len(words | sets[other])
            if share >= least:
                yield other, key, share
        for word in telling:
            holders[word].append(key)


def _words(text: str) -> frozenset[str]:
    found = frozenset(word.casefold() for word in WORD.findall(text))
    return found - STOP_WORDS or found


def ordered(pairs: Iterable[tuple[K, K, float]]) -> list[tuple[K, K, float]]:
    """Those that have most in common first."""
    return sorted(pairs, key=lambda pair: -pair[2])
