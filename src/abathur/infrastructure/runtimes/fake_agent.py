"""The program behind the `fake` runtime. Standard library only; started by its path, not imported.

It reads one JSON document from stdin, does its `steps` in order and tells what it does, one JSON
event a line. A step is a mapping with one key:

    say: TEXT                         a text event
    write: {path, text}               also `append` (same fields)
    replace: {path, old, new}         fails the run when `old` isn't there
    delete: PATH                      also folders
    move: {from, to}
    commit: MESSAGE                   everything, with git
    run: [PROGRAM, ...]               or one text for a shell; fails the run unless it exits with 0
    spawn: {argv, setsid: BOOL}       leaves a process behind, with our stdout
    sleep: SECONDS
    wait_for: PATH                    until the file exists
    touch: PATH                       outside the worktree only as an absolute path
    hang: true                        for ever
    ignore_signals: [TERM, INT]
    tear: true                        half a line now, the rest later; `never`: no rest, no newline
    garbage: true                     bytes that aren't text, a line of a megabyte, unknown events
    flood: COUNT                      that many text events
    usage: {input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, cost_usd}
    need: RULE                        ends the run as denied, unless a person has allowed it
    limit: {retry_after_seconds}      ends the run as rate limited
    warn_limit: {type, utilization}   tells of a limit that comes near; `status: rejected` and
                                      `resets_in_seconds` of one that is reached
    fail: MESSAGE                     ends the run as failed; or {message, class} with a class of
                                      failure, or {message, status} with a status of HTTP
    die: CODE or SIGNAL               ends the process without a final event
    result: {...}                     handed back with the final event
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess  # noqa: TID251 - an agent of its own, not part of the program
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

result: dict[str, Any] = {}
allowed: list[str] = []


class StepError(Exception):
    """The run fails, with this text as the reason."""


def emit(event: str, text: str = "", **data: Any) -> None:
    line = json.dumps({"event": event, "text": text, **data})
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def emit_bytes(data: bytes) -> None:
    sys.stdout.flush()
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def inside(path: Any) -> Path:
    """The path in the worktree; refuses every way out of it, symbolic links too."""
    if not isinstance(path, str) or not path:
        raise StepError(f"a path is needed, not {path!r}")
    root = Path.cwd().resolve()
    target = (root / path).resolve()
    if target == root or not target.is_relative_to(root):
        raise StepError(f"path `{path}` isn't inside the worktree")
    return target


def signal_path(path: Any) -> Path:
    return Path(path) if str(path).startswith("/") else inside(path)


def field(step: Any, name: str) -> Any:
    if not isinstance(step, dict) or name not in step:
        raise StepError(f"the field `{name}` is missing")
    return step[name]


def signal_named(name: Any) -> signal.Signals:
    text = str(name).upper()
    try:
        return signal.Signals[text if text.startswith("SIG") else f"SIG{text}"]
    except KeyError:
        raise StepError(f"`{name}` isn't the name of a signal") from None


def say(text: Any) -> None:
    emit("text", str(text))


def write(step: Any, mode: str = "w") -> None:
    target = inside(field(step, "path"))
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open(mode, encoding="utf-8") as file:
        file.write(str(field(step, "text")))
    emit("tool", f"write {step['path']}")


def append(step: Any) -> None:
    write(step, "a")


def replace(step: Any) -> None:
    target = inside(field(step, "path"))
    old, text = str(field(step, "old")), target.read_text(encoding="utf-8")
    if old not in text:
        raise StepError(f"{step['path']}: the text to replace isn't there: {old!r}")
    target.write_text(text.replace(old, str(field(step, "new"))), encoding="utf-8")
    emit("tool", f"replace in {step['path']}")


def delete(path: Any) -> None:
    target = inside(path)
    if target.is_dir():
        shutil.rmtree(target)
    else:
        target.unlink()
    emit("tool", f"delete {path}")


def move(step: Any) -> None:
    target = inside(field(step, "to"))
    target.parent.mkdir(parents=True, exist_ok=True)
    inside(field(step, "from")).rename(target)
    emit("tool", f"move {step['from']} to {step['to']}")


def commit(message: Any) -> None:
    names = {"GIT_AUTHOR_NAME": "Fake Agent", "GIT_AUTHOR_EMAIL": "fake-agent@localhost"}
    names |= {name.replace("AUTHOR", "COMMITTER"): value for name, value in names.items()}
    env = {**names, **os.environ}
    run(["git", "add", "--all"], env)
    run(["git", "-c", "commit.gpgSign=false", "commit", "--quiet", "-m", str(message)], env)


def run(command: Any, env: dict[str, str] | None = None) -> None:
    argv = ["sh", "-c", command] if isinstance(command, str) else [str(item) for item in command]
    call = f"{time.monotonic_ns()}"
    emit("tool", "run " + " ".join(argv), call=call)
    with subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=env
    ) as done:
        lines = done.communicate()[0].decode(errors="replace").splitlines()
    for line in lines:
        say(line)
    emit("tool_result", f"ended with {done.returncode}", call=call)
    if done.returncode:
        last = next((line for line in reversed(lines) if line.strip()), "no output")
        raise StepError(f"`{' '.join(argv)}` ended with {done.returncode}: {last}")


def spawn(step: Any) -> None:
    argv = [str(item) for item in field(step, "argv")]
    process = subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, start_new_session=bool(step.get("setsid"))
    )
    emit("tool", f"spawn {' '.join(argv)}", pid=process.pid)


def sleep(seconds: Any) -> None:
    time.sleep(float(seconds))  # noqa: TID251 - the script says so


def wait_for(path: Any) -> None:
    target = signal_path(path)
    while not target.exists():
        sleep(0.01)


def touch(path: Any) -> None:
    target = signal_path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.touch()


def hang(_: Any) -> None:
    while True:
        signal.pause()


def ignore_signals(names: Any) -> None:
    for name in [names] if isinstance(names, str) else names:
        signal.signal(signal_named(name), signal.SIG_IGN)


def tear(how: Any) -> None:
    line = json.dumps({"event": "text", "text": "a torn line"}).encode() + b"\n"
    emit_bytes(line[:20])
    if how != "never":
        sleep(0.05)
        emit_bytes(line[20:])


def garbage(_: Any) -> None:
    emit_bytes(b"\xff\xfe\x00 no text \xc3\x28\n")
    emit_bytes(b'{"event": "text", "text": "' + b"x" * 1_500_000 + b'"}\n')
    emit_bytes(b'{"event": "never heard of", "text": 1}\n[1, 2]\n"event"\n{"event": \n')


def flood(count: Any) -> None:
    for number in range(int(count)):
        sys.stdout.write(json.dumps({"event": "text", "text": f"line {number}"}) + "\n")
    sys.stdout.flush()


def usage(counts: Any) -> None:
    if not isinstance(counts, dict):
        raise StepError("a mapping of counts is needed")
    emit("usage", **counts)


def need(rule: Any) -> None:
    if str(rule) not in allowed:
        emit("denied", f"{rule}: not allowed", tool=str(rule).partition("(")[0])
        finish(1, f"denied: {rule}", ok=False, denied=[str(rule)])
    emit("tool", f"use {rule}")


def limit(step: Any) -> NoReturn:
    wait = step.get("retry_after_seconds") if isinstance(step, dict) else None
    emit("limit", "the provider's limit is reached", retry_after_seconds=wait)
    finish(1, "rate limited", ok=False, limited=True, retry_after_seconds=wait)


def warn_limit(step: Any) -> None:
    told = {"status": "allowed_warning", "type": "five_hour", **step}
    if "resets_in_seconds" in told:
        told["resets_at"] = time.time() + float(told.pop("resets_in_seconds"))
    emit("limit", f"limit {told['type']}: {told['status']}", **told)


def fail(step: Any) -> NoReturn:
    if isinstance(step, dict):
        told = {name: step[name] for name in ("class", "status") if name in step}
        finish(1, str(field(step, "message")), ok=False, **told)
    raise StepError(str(step))


def die(how: Any) -> NoReturn:
    sys.stdout.flush()
    if isinstance(how, str) and not how.isdigit():
        os.kill(os.getpid(), signal_named(how))
    os._exit(int(how) if not isinstance(how, str) or how.isdigit() else 1)


def set_result(data: Any) -> None:
    if not isinstance(data, dict):
        raise StepError("a mapping is needed")
    result.update(data)


STEPS: dict[str, Callable[[Any], None]] = {
    "say": say,
    "write": write,
    "append": append,
    "replace": replace,
    "delete": delete,
    "move": move,
    "commit": commit,
    "run": run,
    "spawn": spawn,
    "sleep": sleep,
    "wait_for": wait_for,
    "touch": touch,
    "hang": hang,
    "ignore_signals": ignore_signals,
    "tear": tear,
    "garbage": garbage,
    "flood": flood,
    "usage": usage,
    "need": need,
    "limit": limit,
    "warn_limit": warn_limit,
    "fail": fail,
    "die": die,
    "result": set_result,
}


def finish(code: int, text: str, **data: Any) -> NoReturn:
    emit("end", text, result=result or None, **data)
    sys.exit(code)


def do(number: int, step: Any) -> None:
    if not isinstance(step, dict) or len(step) != 1:
        raise StepError(f"step {number}: a mapping with one key is needed, not {step!r:.80}")
    ((name, argument),) = step.items()
    if name not in STEPS:
        raise StepError(f"step {number}: `{name}` is unknown; known are {', '.join(STEPS)}")
    try:
        STEPS[name](argument)
    except StepError as error:
        raise error if name == "fail" else StepError(f"step {number}, {name}: {error}") from None
    except (OSError, TypeError, ValueError) as error:
        raise StepError(f"step {number}, {name}: {error}") from None


def main() -> None:
    plan = json.load(sys.stdin.buffer)
    prompt, steps = plan["prompt"], plan["steps"]
    os.chdir(plan["worktree"])
    allowed.extend(plan["allowed"])
    emit("started", prompt.split("\n", 1)[0][:200], attempt=plan["attempt"], prompt=len(prompt))
    try:
        if not isinstance(steps, list):
            raise StepError(f"the script has no list of steps for attempt {plan['attempt']}")
        for number, step in enumerate(steps, start=1):
            do(number, step)
    except StepError as error:
        finish(1, str(error), ok=False)
    finish(0, "", ok=True)


if __name__ == "__main__":
    main()
