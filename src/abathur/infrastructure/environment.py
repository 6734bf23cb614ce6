"""The clean environment of everything that is started for a task.

A child gets what is named here and what its runtime asks for, never the rest: the secrets of the
shell that the swarm was started in are none of an agent's business.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from functools import lru_cache

ALLOWED = (
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "LANG",
    "LC_*",
    "TERM",
    "TZ",
    "TMPDIR",
    "SHELL",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "XDG_*",
    "SYSTEMROOT",
)

# `GIT_DIR`, `GIT_INDEX_FILE` and their like are set in hooks and aliases, and would send an
# agent's git into another repository.
IDENTITY = ("GIT_AUTHOR_*", "GIT_COMMITTER_*")
CONFIGURATION = ("GIT_CONFIG_*",)


def clean_environment(pass_env: Iterable[str] = (), *added: Mapping[str, str]) -> dict[str, str]:
    """Our own environment cut down to the allowed names, and `added` over it, the last one first.

    `GIT_*` never passes, but for a git identity in `added` and for what `pass_env` names of
    `GIT_CONFIG_*`.
    """
    env = {"PATH": os.defpath, **_inherited((*ALLOWED, *pass_env))}
    for variables in added:
        env |= {name: value for name, value in variables.items() if _may_pass(name, IDENTITY)}
    return env


def _inherited(patterns: tuple[str, ...]) -> Mapping[str, str]:
    return _chosen(patterns, tuple(os.environb.items()))


@lru_cache(maxsize=16)
def _chosen(patterns: tuple[str, ...], ours: tuple[tuple[bytes, bytes], ...]) -> Mapping[str, str]:
    """Of our variables those that fit. They hardly ever change, and every program asks."""
    named = ((os.fsdecode(name), os.fsdecode(value)) for name, value in ours)
    return {
        name: value
        for name, value in named
        if _fits(name, patterns) and _may_pass(name, CONFIGURATION)
    }


def _may_pass(name: str, git_exceptions: tuple[str, ...]) -> bool:
    return not name.startswith("GIT_") or _fits(name, git_exceptions)


def _fits(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
