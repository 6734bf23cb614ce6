"""The environment that templates are rendered in: no code, no files, no endless texts.

Templates may come with a clone. The sandbox keeps them from reaching Python; the bounds keep a slip
from filling the memory. Whoever is determined can still let one run long, and what it says is an
order to an agent: that is why `abathur trust` asks about them.
"""

from __future__ import annotations

from typing import Any, Final

from jinja2 import BaseLoader, StrictUndefined
from jinja2.exceptions import SecurityError
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

MAX_REPEATED: Final = 1_000_000
"""Characters or items that a multiplication may make."""
MAX_RANGE: Final = 10_000


class PromptSandbox(ImmutableSandboxedEnvironment):
    intercepted_binops = frozenset({"*", "**", "%"})

    def __init__(self, loader: BaseLoader) -> None:
        super().__init__(
            loader=loader,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
            auto_reload=False,
        )
        self.globals = {"range": _range}
        for name in ("center", "indent", "format", "wordwrap", "random", "attr", "xmlattr"):
            self.filters.pop(name, None)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        if operator == "**" or (operator == "%" and isinstance(left, str)):
            raise SecurityError(f"`{operator}` isn't possible here")
        if operator == "*":
            for one, other in ((left, right), (right, left)):
                if isinstance(one, str | list | tuple) and isinstance(other, int):
                    _check_size(len(one) * other)
        return super().call_binop(context, operator, left, right)

    def is_safe_callable(self, obj: Any) -> bool:
        # Padding methods make texts of any length out of nothing.
        name = getattr(obj, "__name__", "")
        return name not in {"center", "ljust", "rjust", "zfill"} and super().is_safe_callable(obj)


def _check_size(size: int) -> None:
    if size > MAX_REPEATED:
        raise SecurityError(f"a text of {size} characters is too long")


def _range(*bounds: int) -> range:
    made = range(*bounds)
    if len(made) > MAX_RANGE:
        raise SecurityError(f"range: {len(made)} numbers are too many; at most {MAX_RANGE}")
    return made
