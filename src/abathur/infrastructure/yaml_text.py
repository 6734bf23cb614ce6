"""YAML read strictly, with the line of a mistake. Nodes are looked at only once one was made."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import yaml

from abathur.domain.errors import ConfigError

try:
    from yaml import CSafeLoader as _Base
except ImportError:  # a build without libyaml
    from yaml import SafeLoader as _Base  # type: ignore[assignment]


class _Loader(_Base):
    """Refuses a key that stands twice, where PyYAML would silently drop the first value."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        mapping = super().construct_mapping(node, deep=deep)
        if len(mapping) < len(node.value) and not any(_is_merge(key) for key, _ in node.value):
            seen: set[str] = set()
            for key, _ in node.value:
                if str(key.value) in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"`{key.value}` stands here twice", key.start_mark
                    )
                seen.add(str(key.value))
        return mapping


def _is_merge(key: yaml.Node) -> bool:
    return key.tag == "tag:yaml.org,2002:merge"


def parse_yaml(text: str, name: str, first_line: int = 1) -> Any:
    """The value of one document. Raises `ConfigError` as `NAME:LINE: ...`."""
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = first_line + (mark.line if mark else 0)
        raise ConfigError(f"{name}:{line}: not valid YAML: {_told(error)}") from error
    except yaml.YAMLError as error:
        plain = " ".join(str(error).split())
        raise ConfigError(f"{name}:{first_line}: not valid YAML: {plain}") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{name}:{first_line}: not readable as YAML: {error}") from error


def _told(error: yaml.MarkedYAMLError) -> str:
    parts = [part for part in (error.context, error.problem) if part]
    return " ".join(", ".join(parts).split()) or "it can't be read"


def line_of(text: str, path: Sequence[str]) -> int:
    """The line of the key at that path, or of the deepest key on the way that exists."""
    node: yaml.Node | None = yaml.compose(text, Loader=_Base)
    line = 1
    for name in path:
        pair = _pair(node, name)
        if pair is None:
            break
        line, node = pair[0].start_mark.line + 1, pair[1]
    return line


def _pair(node: yaml.Node | None, name: str) -> tuple[yaml.Node, yaml.Node] | None:
    if not isinstance(node, yaml.MappingNode):
        return None
    return next((pair for pair in node.value if str(pair[0].value) == name), None)
