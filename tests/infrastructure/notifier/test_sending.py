"""Notices reach a real HTTP server and a program on the PATH; what fails is told and not fatal."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from abathur.domain.errors import ConfigError
from abathur.domain.needs import Need, Notice
from abathur.domain.settings import NoticeSettings
from abathur.infrastructure import notifier
from abathur.infrastructure.notifier.channels import NotSentError
from abathur.infrastructure.notifier.desktop import Desktop
from abathur.infrastructure.notifier.sender import MOST_WAITING, Sender
from abathur.infrastructure.notifier.webhook import Webhook, find_url

NOTICE = Notice(
    need=Need.REVIEW,
    text="May it land?",
    project="hello",
    at=datetime(2030, 1, 31, 12, tzinfo=UTC),
    task_id="t1",
    summary="Write <half> a page",
)


@dataclass
class Hook:
    url: str
    answers: list[int] = field(default_factory=list)
    """Codes of the answers to come; 200 when there are none left."""
    bodies: list[dict[str, Any]] = field(default_factory=list)


@pytest.fixture
def hook() -> Iterator[Hook]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            told.bodies.append(json.loads(body))
            self.send_response(told.answers.pop(0) if told.answers else 200)
            self.send_header("Location", "/elsewhere")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    told = Hook(f"http://127.0.0.1:{server.server_port}/hook?token=hunter2")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield told
    server.shutdown()
    thread.join()
    server.server_close()


def sent(channel: Any, *notices: Notice, tries: int = 3) -> list[str]:
    """Send them all; what was complained about."""
    complaints: list[str] = []
    sender = Sender(channel, complaints.append, (0.0,) * (tries - 1))
    for notice in notices:
        sender.put(notice)
    sender.begin_close()
    sender.wait_closed(30)
    return complaints


def test_a_notice_is_posted_as_json(hook: Hook) -> None:
    assert sent(Webhook(hook.url), NOTICE) == []
    assert hook.bodies == [
        {
            "kind": "review",
            "project": "hello",
            "text": "hello: May it land? (Write <half> a page)",
            "task_id": "t1",
            "summary": "Write <half> a page",
            "at": "2030-01-31T12:00:00Z",
        }
    ]


@pytest.mark.parametrize("code", [429, 500, 503])
def test_a_busy_server_is_asked_again(hook: Hook, code: int) -> None:
    hook.answers += [code, code]
    assert sent(Webhook(hook.url), NOTICE) == []
    assert len(hook.bodies) == 3


def test_after_the_last_try_it_is_said_so_without_the_address(hook: Hook) -> None:
    hook.answers += [500] * 3
    (complaint,) = sent(Webhook(hook.url), NOTICE)
    assert complaint == "a notice couldn't be sent by webhook: it answered 500"


@pytest.mark.parametrize("code", [302, 401, 404])
def test_a_refusal_is_final_and_redirects_are_not_followed(hook: Hook, code: int) -> None:
    hook.answers.append(code)
    (complaint,) = sent(Webhook(hook.url), NOTICE)
    assert complaint.endswith(f"it answered {code}")
    assert len(hook.bodies) == 1


def test_a_server_that_isnt_there_is_no_disaster(hook: Hook) -> None:
    (complaint,) = sent(Webhook("http://127.0.0.1:1/hunter2"), NOTICE)
    assert "refused" in complaint
    assert "hunter2" not in complaint


def test_one_failure_doesnt_keep_the_next_notice(hook: Hook) -> None:
    hook.answers += [500] * 3
    assert len(sent(Webhook(hook.url), NOTICE, NOTICE)) == 1
    assert len(hook.bodies) == 4


def test_nobody_waits_for_a_channel_that_hangs() -> None:
    free = threading.Event()
    calls: list[Notice] = []

    class Hanging:
        name = "hanging"

        def send(self, notice: Notice) -> None:
            calls.append(notice)
            free.wait()

    sender = Sender(Hanging(), lambda _: None)
    for _ in range(MOST_WAITING * 3):
        sender.put(NOTICE)
    sender.begin_close()
    sender.wait_closed(0.01)
    assert len(calls) <= 1
    free.set()
    sender.wait_closed(30)
    assert len(calls) <= MOST_WAITING + 1


def test_a_bug_in_a_channel_doesnt_end_its_thread() -> None:
    class Broken:
        name = "broken"

        def send(self, notice: Notice) -> None:
            raise LookupError("hunter2")

    assert (
        sent(Broken(), NOTICE, NOTICE) == ["a notice couldn't be sent by broken: LookupError"] * 2
    )


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def program(folder: Path, name: str, then: str = "exit 0") -> Path:
    """A stand-in that writes its arguments down, one a line."""
    file, told = folder / name, folder / "told"
    file.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >> "{told}"\n{then}\n')
    file.chmod(0o755)
    return told


def test_the_desktop_is_told_by_notify_send(path: Path) -> None:
    told = program(path, "notify-send")
    Desktop().send(NOTICE)
    assert told.read_text().splitlines() == [
        "--app-name=Abathur",
        "--",
        "A review waits for you: hello",
        "Write &lt;half&gt; a page: May it land?",
    ]


def test_on_macos_the_texts_are_no_part_of_the_script(path: Path) -> None:
    told = program(path, "osascript")
    Desktop().send(NOTICE)
    *script, title, body = told.read_text().splitlines()
    assert "item 1 of argv" in " ".join(script)
    assert (title, body) == ("A review waits for you: hello", "Write <half> a page: May it land?")


def test_without_a_program_or_a_desktop_it_is_said_so(path: Path) -> None:
    with pytest.raises(NotSentError, match="is installed"):
        Desktop().send(NOTICE)
    program(path, "notify-send", "exit 1")
    with pytest.raises(NotSentError, match="ended with 1; is there a desktop"):
        Desktop().send(NOTICE)


def test_the_url_may_stand_in_the_environment() -> None:
    url = "https://example.org/hook"
    assert find_url(url, {}) == url
    assert find_url("HOOK", {"HOOK": url}) == url
    with pytest.raises(ConfigError, match="variable `HOOK` isn't set"):
        find_url("HOOK", {})


@pytest.mark.parametrize("bad", ["ftp://x/hunter2", "http:///hunter2", "http://x:y/hunter2"])
def test_a_bad_url_is_refused_without_being_shown(bad: str) -> None:
    with pytest.raises(ConfigError) as refused:
        find_url(bad, {})
    assert "hunter2" not in str(refused.value)


def test_channels_are_those_that_are_switched_on(hook: Hook, path: Path) -> None:
    told = program(path, "notify-send")
    settings = NoticeSettings(desktop=True, webhook="HOOK")
    senders = notifier.senders(settings, {"HOOK": hook.url}, lambda _: None)
    for sender in senders:
        sender.put(NOTICE)
    notifier.close(senders)
    assert len(hook.bodies) == 1
    assert told.is_file()
