"""Making a prompt of its facts. Templates are read once; a running swarm is given others whole."""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Final

from jinja2 import BaseLoader, Environment, TemplateError, TemplateNotFound, TemplateSyntaxError

from abathur.domain.errors import ConfigError
from abathur.domain.prompts import PromptFacts, variables
from abathur.infrastructure.prompts.sandbox import PromptSandbox

SUFFIX: Final = ".md.j2"
MAIN: Final = f"prompt{SUFFIX}"
NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]*\.md\.j2")
MAX_BYTES: Final = 256 * 1024
MAX_PROMPT: Final = 4 * 1024 * 1024
_BLANK: Final = re.compile(r"\n{3,}")


@dataclass(frozen=True, slots=True)
class TemplateText:
    name: str
    text: str
    source: str
    """The file as it is named in errors."""
    is_own: bool
    """Of the project, in place of a built-in one or beside them."""


def template_texts(folder: Path, root: Path) -> Mapping[str, TemplateText]:
    """By name; the project's own over the built-in ones. Raises `ConfigError`."""
    found = {one.name: one for one in _built_in()}
    return found | {one.name: one for one in _own(folder, root)}


def _built_in() -> Iterator[TemplateText]:
    place = resources.files("abathur.infrastructure.prompts") / "templates"
    for file in sorted(place.iterdir(), key=lambda one: one.name):
        if NAME.fullmatch(file.name):
            text = file.read_text(encoding="utf-8")
            yield TemplateText(file.name, text, f"built-in {file.name}", is_own=False)


def _own(folder: Path, root: Path) -> Iterator[TemplateText]:
    """A link that leads out of the folder isn't followed; other files are left alone."""
    inside = folder.resolve()
    for file in sorted(folder.glob(f"*{SUFFIX}")) if folder.is_dir() else ():
        shown = str(file.relative_to(root))
        if not NAME.fullmatch(file.name):
            raise ConfigError(
                f"{shown}: a template's name has small letters, digits, `-` and `_` only; rename it"
            )
        if file.is_file() and file.resolve().is_relative_to(inside):
            yield TemplateText(file.name, _read(file, shown), shown, is_own=True)


def _read(file: Path, shown: str) -> str:
    try:
        data = file.read_bytes()
    except OSError as error:
        raise ConfigError(f"{shown}: can't be read: {error.strerror}; check its rights") from error
    if len(data) > MAX_BYTES:
        raise ConfigError(f"{shown}: is over {MAX_BYTES} bytes long; shorten it")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{shown}: isn't UTF-8 text; save it as UTF-8") from error


class _Loader(BaseLoader):
    """Gives each template its name as file name, by which the place of an error is found."""

    def __init__(self, templates: Mapping[str, TemplateText]) -> None:
        self._templates = templates

    def get_source(self, environment: Environment, template: str) -> tuple[str, str, None]:
        if template not in self._templates:
            known = ", ".join(self._templates)
            raise TemplateNotFound(
                template, f"there is no template `{template}`; the known ones are: {known}"
            )
        return self._templates[template].text, template, None


class JinjaPrompts:
    """Meets `ports.prompts.PromptWriter`."""

    def __init__(self, templates: Mapping[str, TemplateText]) -> None:
        """Raises `ConfigError` when one of them isn't a template."""
        self._templates = templates
        self._sandbox = PromptSandbox(_Loader(templates))
        for name in templates:
            try:
                self._sandbox.get_template(name)
            except TemplateSyntaxError as error:
                raise self._problem(error, error.name or name, error.lineno) from error

    def __eq__(self, other: object) -> bool:
        """Whether it makes the same prompts."""
        return isinstance(other, JinjaPrompts) and self._templates == other._templates

    __hash__ = None  # type: ignore[assignment]

    def write(self, facts: PromptFacts) -> str:
        try:
            parts, size = [], 0
            for part in self._sandbox.get_template(MAIN).generate(**variables(facts)):
                size += len(part)
                if size > MAX_PROMPT:
                    raise ConfigError(
                        f"{self._templates[MAIN].source}:1: the prompt has over {MAX_PROMPT} "
                        "characters; shorten what goes into it"
                    )
                parts.append(part)
        except ConfigError:
            raise
        except Exception as error:
            # Whatever an expression of a template raises: it isn't ours to foresee.
            raise self._problem(error, *self._place(error)) from error
        return _BLANK.sub("\n\n", "".join(parts)).strip() + "\n"

    def _place(self, error: Exception) -> tuple[str, int]:
        """The innermost template and line that the error came from."""
        if isinstance(error, TemplateSyntaxError):
            return error.name or MAIN, error.lineno
        frames = traceback.extract_tb(error.__traceback__)
        inside = [frame for frame in frames if frame.filename in self._templates]
        return (inside[-1].filename, inside[-1].lineno or 1) if inside else (MAIN, 1)

    def _problem(self, error: Exception, name: str, line: int) -> ConfigError:
        one = self._templates.get(name)
        source = one.source if one else name
        said = error.message if isinstance(error, TemplateError) else None
        told = " ".join((said or f"{type(error).__name__}: {error}").split())[:300]
        return ConfigError(f"{source}:{line}: {told}; correct the template, or remove it")
