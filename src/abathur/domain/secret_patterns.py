"""What secrets look like: a table of patterns, each with the words that it can't be without.

Searching for a word is some hundred times as fast as a pattern, so a pattern runs only where one
of its words was found. All of it works on bytes, and none matches a quote or a backslash: what
stands in a line of JSON stays JSON.

Prefixes are those that the providers publish for secret scanning, gathered from GitHub's
"Supported secret scanning patterns", GitLab's "Token overview", the rules of gitleaks
(config/gitleaks.toml) and the plugins of detect-secrets. Formats without a prefix of their own
are recognised by what stands before them, or not at all: see `environment` in `redaction`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from functools import cache
from typing import Final


class Where(Enum):
    """What the words are looked for in; the less it is, the faster."""

    HEAD = auto()
    """At the beginnings of long words."""
    ASSIGNED = auto()
    """In long runs with an `=` in them."""
    ANYWHERE = auto()


@dataclass(frozen=True, slots=True)
class Pattern:
    words: tuple[bytes, ...]
    """One of these is in everything that the pattern matches."""
    expression: bytes
    """A group named `secret` is what is taken out; without one all of the match is."""
    where: Where = Where.ANYWHERE


TOKEN_BYTES: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")
RUN_BYTES: Final = TOKEN_BYTES | frozenset(b"+/=.~%:?&,@")
_TOKENS: Final = bytes(byte if byte in TOKEN_BYTES else 32 for byte in range(256))
LEAST_RUN: Final = 16
HEAD: Final = 3

# A word begins after anything else, or after an escape of JSON, whose letter isn't part of it.
_BREAK: Final = rb"(?:(?<![A-Za-z0-9_-])|(?<=\\[nrtbf]))"

# Prefix -> what follows. A prefix is the word to look for, too.
_PREFIXED: Final[tuple[tuple[tuple[bytes, ...], bytes], ...]] = (
    # Anthropic, OpenAI, OpenRouter, DeepSeek and others who took up the form
    ((b"sk-",), rb"[A-Za-z0-9_-]{20,}"),
    ((b"gsk_", b"xai-", b"pplx-", b"fw_"), rb"[A-Za-z0-9]{20,}"),
    ((b"hf_", b"r8_", b"nvapi-", b"tgp_v1_"), rb"[A-Za-z0-9_-]{30,}"),
    ((b"AIza",), rb"[A-Za-z0-9_-]{35}"),
    ((b"ya29.", b"GOCSPX-"), rb"[A-Za-z0-9_-]{20,}"),
    ((b"ghp_", b"gho_", b"ghu_", b"ghs_", b"ghr_"), rb"[A-Za-z0-9_.-]{36,}"),
    ((b"github_pat_",), rb"[A-Za-z0-9_]{22,}"),
    (
        (b"glpat-", b"gldt-", b"glrt-", b"glrtr-", b"glptt-", b"glft-", b"glimt-", b"glagent-"),
        rb"[A-Za-z0-9_.-]{20,}",
    ),
    ((b"gloas-", b"glsoat-", b"glcbt-", b"GR1348941"), rb"[A-Za-z0-9_.-]{20,}"),
    ((b"xoxa-", b"xoxb-", b"xoxe-", b"xoxe.", b"xoxo-", b"xoxp-"), rb"[A-Za-z0-9.-]{10,}"),
    ((b"xoxr-", b"xoxs-", b"xoxc-", b"xoxd-", b"xapp-"), rb"[A-Za-z0-9%.-]{10,}"),
    ((b"AKIA", b"ASIA", b"ABIA", b"ACCA"), rb"[A-Z2-7]{16}(?![A-Z0-9])"),
    ((b"sk_live_", b"sk_test_", b"rk_live_", b"rk_test_", b"whsec_"), rb"[A-Za-z0-9+/=]{16,}"),
    ((b"npm_", b"pypi-AgE", b"dckr_pat_", b"dckr_oat_"), rb"[A-Za-z0-9_-]{24,}"),
    ((b"dop_v1_", b"doo_v1_", b"dor_v1_"), rb"[a-f0-9]{40,}"),
    ((b"shpat_", b"shpca_", b"shppa_", b"shpss_"), rb"[a-fA-F0-9]{32}"),
    ((b"SG.",), rb"[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}"),
    ((b"dapi",), rb"[a-f0-9]{32}"),
    ((b"lin_api_", b"lin_oauth_", b"ntn_", b"secret_"), rb"[A-Za-z0-9]{32,}"),
    ((b"hvs.", b"hvb.", b"hvr."), rb"[A-Za-z0-9_-]{24,}"),
    ((b"glsa_", b"glc_", b"NRAK-", b"dp.pt.", b"dp.st.", b"ATATT3"), rb"[A-Za-z0-9_=+/.-]{24,}"),
    ((b"PMAK-", b"rdme_", b"pscale_tkn_", b"pscale_pw_", b"sntrys_"), rb"[A-Za-z0-9_=.-]{20,}"),
    ((b"sbp_", b"sb_secret_", b"vercel_blob_rw_", b"nfp_", b"fm2_"), rb"[A-Za-z0-9_,=+/-]{20,}"),
    ((b"AGE-SECRET-KEY-1",), rb"[A-Z0-9]{58}"),
    # Our own, of a run or a person: `domain.tokens`
    ((b"abathur_mcp.",), rb"[A-Za-z0-9.-]{20,}"),
)

_HEADER_WORDS: Final = (b"uthorization", b"UTHORIZATION", b"earer ", b"BEARER ")
_KEY_HEADER_WORDS: Final = (
    *(b"pi-key", b"pi-Key", b"PI-KEY", b"ookie:", b'ookie":'),
    *(b"rivate-token", b"RIVATE-TOKEN", b"rivate-Token"),
)
_NAME_WORDS: Final = (
    *(b"SECRET", b"TOKEN", b"PASSWORD", b"PASSWD", b"PASSPHRASE", b"API_KEY", b"APIKEY"),
    *(b"ACCESS_KEY", b"PRIVATE_KEY", b"CREDENTIAL"),
)


def _where(words: tuple[bytes, ...]) -> Where:
    is_one_word = all(TOKEN_BYTES.issuperset(word) and len(word) >= HEAD for word in words)
    return Where.HEAD if is_one_word else Where.ANYWHERE


TABLE: Final[tuple[Pattern, ...]] = (
    *(
        Pattern(
            words,
            _BREAK + rb"(?:" + b"|".join(map(re.escape, words)) + rb")" + rest,
            _where(words),
        )
        for words, rest in _PREFIXED
    ),
    # JWT: three parts, the first two JSON
    Pattern(
        (b"eyJ",),
        _BREAK + rb"eyJ[A-Za-z0-9_-]{6,}\.eyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]{10,}",
        Where.HEAD,
    ),
    # Telegram bots: their number, then the key
    Pattern((b":AA",), rb"(?<!\d)\d{8,10}:AA[A-Za-z0-9_-]{33}"),
    # Slack's and Discord's incoming webhooks: who has the address may write
    Pattern((b"hooks.slack.com/",), rb"hooks\.slack\.com/(?P<secret>[a-z]+/[A-Za-z0-9/_-]{20,})"),
    Pattern((b"/api/webhooks/",), rb"/api/webhooks/(?P<secret>\d{15,}/[A-Za-z0-9_-]{40,})"),
    # A password in a URL, as `scheme://user:password@host`
    Pattern(
        (b"://",),
        rb"://[^\s:/?#@\"'\\<>`]{0,200}:(?P<secret>[^\s/@\"'\\<>`]{3,200})@[A-Za-z0-9\[]",
    ),
    Pattern((b"://",), rb"://(?P<secret>[A-Za-z0-9_.~%-]{20,})@[A-Za-z0-9\[]"),
    Pattern(
        (b"password=", b"access_token=", b"X-Amz-Signature=", b"sig="),
        rb"[?&](?:password|access_token|X-Amz-Signature|sig)=(?P<secret>[^\s&\"'\\<>`]{8,})",
        Where.ASSIGNED,
    ),
    # HTTP headers, also as members of JSON
    Pattern(
        _HEADER_WORDS,
        rb"(?i:\b(?:authorization[\"'\\]{0,4}\s?[:=]\s?[\"'\\]{0,4}(?:[a-z]{3,10} )?|bearer ))"
        rb"(?P<secret>[A-Za-z0-9_.~+/=-]{16,})",
    ),
    Pattern(
        _KEY_HEADER_WORDS,
        rb"(?i:(?:api-key|private-token|auth-token|cookie)[\"'\\]{0,4}\s?[:=]\s?[\"'\\]{0,4})"
        rb"(?P<secret>[^\s\"'\\<>`]{12,})",
    ),
    # Azure's connection strings
    Pattern(
        (b"AccountKey=", b"AccessKey=", b"SharedAccessSignature="),
        rb"(?:AccountKey|AccessKey|SharedAccessSignature)=(?P<secret>[A-Za-z0-9+/=&%.-]{20,})",
        Where.ASSIGNED,
    ),
    # `NAME=value` as `env` prints it. Code assigns what it computes to such names, which has
    # other characters, so this asks for a digit and a letter.
    Pattern(
        _NAME_WORDS,
        rb"(?<![A-Za-z0-9])[A-Z0-9_]*(?:SECRET|TOKEN|PASSWORD|PASSWD|PASSPHRASE|API_?KEY"
        rb"|ACCESS_KEY|PRIVATE_KEY|CREDENTIAL)[A-Z0-9_]*="
        rb"(?=[A-Za-z0-9+/=_.~-]*\d)(?=[A-Za-z0-9+/=_.~-]*[A-Za-z])"
        rb"(?P<secret>[A-Za-z0-9+/=_.~-]{12,})",
        Where.ASSIGNED,
    ),
    # AWS's credentials file
    Pattern(
        (b"secret_access_key", b"session_token"),
        rb"aws_(?:secret_access_key|session_token)\s?=\s?(?P<secret>[A-Za-z0-9+/=]{20,})",
    ),
    # Blocks of private keys, also with the line breaks of JSON; to their end, or what is there.
    # Up to the second dashes all of it may stand in prose, so the key itself has to follow.
    Pattern(
        (b"PRIVATE KEY",),
        rb"-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----"
        rb"(?P<secret>(?:[A-Za-z0-9+/=:,. \t-]|\\[nr]|\r?\n){16,}?)"
        rb"(?:-----END [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----"
        rb"|(?=[^A-Za-z0-9+/=:,. \t\r\n\\-])|\Z)",
    ),
)


def _words(where: Where) -> tuple[tuple[bytes, int], ...]:
    """Each word with the number of its pattern."""
    return tuple(
        (word, number)
        for number, one in enumerate(TABLE)
        if one.where is where
        for word in one.words
    )


_AT_HEAD: Final = _words(Where.HEAD)
_ASSIGNED: Final = _words(Where.ASSIGNED)
_ANYWHERE: Final = _words(Where.ANYWHERE)
_HEADS: Final = frozenset(word[:HEAD] for word, _ in _AT_HEAD)


def suspects(data: bytes, runs: bytes) -> Sequence[re.Pattern[bytes]]:
    """The patterns of which a word is in the data, in the order of the table.

    `runs` are its long runs, with blanks between them.
    """
    found = {number for word, number in _ANYWHERE if word in data}
    if runs:
        heads = {token[:HEAD] for token in runs.translate(_TOKENS).split()}
        if not heads.isdisjoint(_HEADS):
            found.update(n for word, n in _AT_HEAD if word[:HEAD] in heads and word in runs)
        if b"=" in runs:
            assigned = b"\n".join(run for run in runs.split() if b"=" in run)
            found.update(number for word, number in _ASSIGNED if word in assigned)
    return [_compiled(number) for number in sorted(found)]


@cache
def _compiled(number: int) -> re.Pattern[bytes]:
    return re.compile(TABLE[number].expression)
