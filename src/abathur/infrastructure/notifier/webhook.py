"""Notices as JSON, posted to a URL. The URL may hold a secret, so it is told to nobody.

By the standard library: one request now and then needs no pool, and a thread is there anyway.
"""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from datetime import UTC
from typing import Any, Final
from urllib.parse import urlsplit

from abathur import __version__
from abathur.domain.errors import ConfigError
from abathur.domain.needs import Notice
from abathur.infrastructure.notifier.channels import NotSentError

TIMEOUT_SECONDS: Final = 10.0
_PASSING: Final = frozenset({408, 425, 429})


class Webhook:
    name = "webhook"

    def __init__(self, url: str) -> None:
        self._url = url
        self._opener = urllib.request.build_opener(_NoRedirects)

    def send(self, notice: Notice) -> None:
        headers = {"Content-Type": "application/json", "User-Agent": f"abathur/{__version__}"}
        body = json.dumps(_plain(notice)).encode()
        try:
            request = urllib.request.Request(self._url, body, headers, method="POST")
            with self._opener.open(request, timeout=TIMEOUT_SECONDS) as answer:
                answer.read(1)
        except urllib.error.HTTPError as error:
            error.close()
            passing = error.code in _PASSING or error.code >= 500
            raise NotSentError(f"it answered {error.code}", passing=passing) from None
        except urllib.error.URLError as error:
            why = getattr(error.reason, "strerror", None) or type(error.reason).__name__
            raise NotSentError(str(why), passing=True) from None
        except (OSError, http.client.HTTPException) as error:
            raise NotSentError(type(error).__name__, passing=True) from None


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Another place isn't where the person wanted it to go."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _plain(notice: Notice) -> dict[str, Any]:
    about = f" ({notice.summary})" if notice.summary else ""
    return {
        "kind": notice.need.value,
        "project": notice.project,
        "text": f"{notice.project}: {notice.text}{about}",
        "task_id": notice.task_id,
        "summary": notice.summary,
        "at": notice.at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
    }


def find_url(setting: str, env: Mapping[str, str]) -> str:
    """The URL that `notices.webhook` means: itself, or the value of a variable.

    Raises `ConfigError`, which never shows the URL.
    """
    url = setting if "://" in setting else env.get(setting, "").strip()
    if not url:
        raise ConfigError(
            f"notices.webhook: environment variable `{setting}` isn't set; set it to a URL, or "
            "remove the key"
        )
    try:
        parts = urlsplit(url)
        is_usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        is_usable = False
    if not is_usable or not url.isprintable() or " " in url:
        raise ConfigError("notices.webhook: a URL like https://example.org/hook is expected")
    return url
