"""The documentation is what the program does: generated pages, links, and every command named."""

import importlib
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from abathur.cli.main import cli

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
REFERENCE = ROOT / "docs" / "reference"

BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`(abathur [^`]+)`")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
CALL = re.compile(r"(?:^|\$ |\$\(|&& |\| )(abathur .*)")
END_OF_CALL = {"|", "||", "&&", ";", ">", ">>", "<", "&", "2>&1", "2>", "#", ")"}


def test_generated_pages_are_up_to_date(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    made: dict[str, str] = importlib.import_module("generating").pages()
    old = [
        name
        for name, text in made.items()
        if not (REFERENCE / name).is_file()
        or (REFERENCE / name).read_text(encoding="utf-8") != text
    ]
    assert not old, f"Run `python3 dev docs`: {', '.join(old)} would change"


def test_every_command_and_option_is_in_the_reference() -> None:
    text = (REFERENCE / "cli.md").read_text(encoding="utf-8")
    _, *parts = re.split(r"^## (.+)$", text, flags=re.MULTILINE)
    sections = dict(zip(parts[::2], parts[1::2], strict=True))
    missing = []
    for path, command in walk(cli, "abathur"):
        section = sections.get(path, "")
        if "The same as" in section:
            continue
        options = [param for param in command.params if isinstance(param, click.Option)]
        wanted = ["Usage: ", *(name for option in options for name in option.opts)]
        missing += [f"{path} {name}" for name in wanted if name not in section]
    assert missing == []


def walk(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from walk(below, f"{path} {name}")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = BLOCK.sub("", page.read_text(encoding="utf-8"))
    dead = [link for link in LINK.findall(text) if not leads_somewhere(page, link)]
    assert dead == []


def leads_somewhere(page: Path, link: str) -> bool:
    if link.startswith(("https://", "http://", "mailto:")):
        return True
    name, _, anchor = link.partition("#")
    target = page.parent / name if name else page
    if not target.exists():
        return False
    return not anchor or anchor in anchors(target)


def anchors(page: Path) -> set[str]:
    """As they are made of headings where the pages are shown."""
    text = BLOCK.sub("", page.read_text(encoding="utf-8"))
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in HEADING.findall(text))
    return {heading.strip().replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("index", ["docs/README.md", "docs/decisions/README.md"])
def test_every_page_is_listed(index: str) -> None:
    folder = (ROOT / index).parent
    linked = {
        (folder / link.partition("#")[0]).resolve()
        for link in LINK.findall((ROOT / index).read_text(encoding="utf-8"))
    }
    own = [page for page in PAGES if page.is_relative_to(folder) and page != ROOT / index]
    if folder.name == "docs":
        own = [page for page in own if page.parent.name != "decisions" or page.name == "README.md"]
    assert own
    missing = [str(page.relative_to(folder)) for page in own if page not in linked]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_that_is_named_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    wrong = [f"{call}: {problem}" for call in calls(text) if (problem := problem_of(call))]
    assert wrong == []


def calls(text: str) -> Iterator[str]:
    for language, block in BLOCK.findall(text):
        if language in {"console", "sh"}:
            for line in block.replace("\\\n", " ").splitlines():
                if language == "sh" or line.startswith(("$ ", "> ")):
                    yield from CALL.findall(line)
    yield from INLINE.findall(BLOCK.sub("", text))


def problem_of(call: str) -> str | None:
    words = [word for word in first_command(call) if "…" not in word and "..." not in word]
    command: click.Command = cli
    while words and isinstance(command, click.Group):
        word = words.pop(0)
        context = click.Context(command)
        if word.startswith("-"):
            option = next((p for p in command.params if word.partition("=")[0] in p.opts), None)
            if option is None and word not in {"-h", "--help", "--version"}:
                return f"no option {word}"
            if isinstance(option, click.Option) and not option.is_flag and "=" not in word:
                words = words[1:]
        elif word.isupper():  # a stand-in, like COMMAND
            return None
        else:
            found = command.get_command(context, word)
            if found is None:
                return f"no command {word}"
            command = found
    return None if isinstance(command, click.Group) else problem_of_options(command, words)


def problem_of_options(command: click.Command, words: list[str]) -> str | None:
    try:
        command.make_parser(click.Context(command)).parse_args(list(words))
    except click.UsageError as error:
        return error.format_message()
    return None


def first_command(call: str) -> list[str]:
    """The words after `abathur`, up to where the shell would end the command."""
    lexer = shlex.shlex(call, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words = []
    for word in lexer:
        if word in END_OF_CALL:
            break
        words.append(word)
    return words[1:]


def test_this_very_check_finds_what_is_wrong() -> None:
    assert problem_of("abathur task submit 'x' --priority 3 | cat") is None
    assert problem_of("abathur --project DIR db check --full") is None
    assert problem_of("abathur task sumbit x") == "no command sumbit"
    assert "--prio" in (problem_of("abathur task submit x --prio 3") or "")
