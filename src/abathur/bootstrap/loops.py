"""Loops as a person, a file or the configuration writes them, made whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from abathur.domain.errors import ConfigError, InvalidInputError
from abathur.domain.loops.criteria import walk
from abathur.domain.loops.specs import expanded, loop_spec

if TYPE_CHECKING:
    from abathur.bootstrap import Project
    from abathur.domain.loops.specs import LoopSpec
    from abathur.domain.tasks import JsonObject

MAX_BYTES: Final = 200_000
ANYTHING: Final = {"stable": "tree"}


def typed_loop(project: Project, text: str) -> dict[str, Any]:
    """What was typed: the name of a configured loop, `@FILE`, or YAML or JSON.

    Raises `InvalidInputError`.
    """
    loops = project.settings.loops
    if text in loops:
        return whole_loop(project, loops[text])
    if text.startswith("@"):
        return whole_loop(project, _parsed(_content(Path(text[1:])), text[1:]))
    found = _parsed(text, "loop")
    if isinstance(found, str):
        there = ", ".join(sorted(loops)) or "none"
        raise InvalidInputError(
            f"loop: `{found:.60}` is no configured loop (there are: {there}); write its name, "
            "@FILE, or like '{passes: make test, max_iterations: 5}'"
        )
    return whole_loop(project, found)


def named_loop(project: Project, given: Any, where: str) -> dict[str, Any]:
    """What a backlog file says: a name, or a section that runs only what the configuration names.

    Raises `InvalidInputError`.
    """
    settings = project.settings
    if isinstance(given, str):
        if given not in settings.loops:
            there = ", ".join(sorted(settings.loops)) or "none"
            raise InvalidInputError(f"{where}: no loop `{given:.60}` is configured ({there})")
        return whole_loop(project, settings.loops[given])
    if loop_spec(given, dict.fromkeys(settings.criteria, ANYTHING), where).runs_programs:
        raise InvalidInputError(
            f"{where}: a backlog or a client can't bring programs along; put the criterion under "
            "`criteria:` in .abathur/config.yaml and write `use: NAME` here"
        )
    return whole_loop(project, given)


def asked_loop(project: Project, loop: Any, candidates: Any) -> dict[str, Any] | None:
    """What a client of the servers says, in whose words nothing may be run either.

    Raises `InvalidInputError`.
    """
    if loop is not None and candidates is not None:
        raise InvalidInputError("candidates: a task has a loop or candidates; leave one out")
    if candidates is not None:
        return named_loop(project, {"candidates": candidates}, "candidates")
    return None if loop is None else named_loop(project, loop, "loop")


def whole_loop(project: Project, data: Any) -> dict[str, Any]:
    """With the configured criteria in the place of their names.

    Raises `InvalidInputError`, also for what could never be run: that would be found out only
    after agents have been paid for.
    """
    criteria = project.settings.criteria
    spec = loop_spec(data, criteria)
    _check_runtimes(spec)
    _check_functions(project, spec)
    made = expanded(data, criteria)
    return {key: value for key, value in made.items() if key != "use"}


def _check_runtimes(spec: LoopSpec) -> None:
    wanted = {one.runtime for one in spec.candidates if one.runtime is not None}
    if not wanted:
        return
    from abathur.infrastructure.runtimes import runtime_names

    known = runtime_names()
    if unknown := sorted(wanted.difference(known)):
        raise InvalidInputError(
            f"candidates: runtime `{unknown[0]}` doesn't exist; the known ones are: "
            f"{', '.join(known)}"
        )


def _check_functions(project: Project, spec: LoopSpec) -> None:
    for _, criterion in walk(spec.until) if spec.until else ():
        file = (criterion.function or "").partition(":")[0]
        if file and not (project.folder / file).is_file():
            shown = (project.folder / file).relative_to(project.root)
            raise InvalidInputError(
                f"loop: function `{criterion.function}`: there is no file {shown}; write it, or "
                "correct the name"
            )


def judges_of(data: JsonObject) -> Sequence[str]:
    """The agent types that judge in a loop, as it is kept with a task."""
    spec = loop_spec(data)
    parts = [one for _, one in walk(spec.until)] if spec.until else []
    asked = [*parts, *([spec.judge] if spec.judge else [])]
    return [one.agent for one in asked if one.agent is not None]


def typed_choice(text: str) -> dict[str, str]:
    """`runtime=claude,model=opus`. Raises `InvalidInputError`."""
    choice: dict[str, str] = {}
    for part in text.split(","):
        key, is_pair, value = (piece.strip() for piece in part.partition("="))
        if key not in {"runtime", "model"} or not is_pair or not value:
            raise InvalidInputError(
                f"candidate: `{text:.60}` isn't like runtime=NAME,model=NAME; one of them is enough"
            )
        choice[key] = value
    return choice


def _content(file: Path) -> str:
    try:
        data = file.read_bytes()
    except OSError as error:
        reason = (error.strerror or "").lower()
        raise InvalidInputError(f"loop: {file} can't be read ({reason}); check its name") from error
    if len(data) > MAX_BYTES:
        raise InvalidInputError(f"loop: {file} is larger than {MAX_BYTES // 1000} kB")
    return data.decode("utf-8-sig", "replace")


def _parsed(text: str, name: str) -> Any:
    from abathur.infrastructure.yaml_text import parse_yaml

    try:
        found = parse_yaml(text, name)
    except ConfigError as error:
        raise InvalidInputError(str(error)) from error
    if not isinstance(found, Mapping | str):
        raise InvalidInputError(f"{name}: a name or a section is expected")
    return found
