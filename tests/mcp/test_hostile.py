"""Whatever a model sends, it gets an answer that it can read, and nothing else happens."""

import json
import string
from collections.abc import Mapping
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from abathur.mcp.calling import call
from abathur.mcp.catalogue import tools_of
from abathur.mcp.tool import Tool
from tests.mcp.conftest import PERSON, Site

TOOLS = tools_of(None)
KNOWN_ERRORS = {
    "CircularDependencyError",
    "ConflictError",
    "NotFoundError",
    "PermissionError",
    "RetryError",
    "TaskQueueError",
    "ValidationError",
}
NASTY = st.sampled_from(
    [
        "'; DROP TABLE tasks; --",
        '" OR 1=1 --',
        "../../../etc/passwd",
        "--upload-pack=touch /tmp/x",
        "-x",
        "HEAD",
        "refs/heads/main",
        "NEAR(a b) AND * OR ^x:y",
        "\x00",
        "\ud800",
        "\u202e\x1b[31m",
        "%_%",
        "a:" * 200,
        "x" * 20_000,
        "task:*",
        "$(id)",
        "",
        " ",
    ]
)
ANY = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=30)
    | NASTY,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=8) | NASTY, inner, max_size=3)
    ),
    max_leaves=8,
)


def fitting(schema: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    """Values of the schema's kind, also at and beyond its limits, and nasty ones."""
    if "enum" in schema:
        return st.sampled_from([*schema["enum"], "other"])
    kind = schema.get("type")
    if kind == "integer":
        low, high = schema["minimum"], schema["maximum"]
        return st.sampled_from([low, high, low - 1, high + 1]) | st.integers(low, min(high, 10))
    if kind == "string":
        return NASTY | st.text(string.printable, max_size=40) | st.just("a:b")
    if kind == "array":
        return st.lists(fitting(schema["items"]), max_size=3)
    if kind == "object" and schema.get("properties"):
        return arguments(schema["properties"])
    if kind == "object":
        return st.dictionaries(st.text(max_size=8), ANY, max_size=3)
    return ANY


def arguments(fields: Mapping[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    each = {name: fitting(schema) | ANY for name, schema in fields.items()}
    likely = st.fixed_dictionaries({}, optional=each)
    whole = st.fixed_dictionaries({name: fitting(schema) for name, schema in fields.items()})
    return likely | whole | st.dictionaries(st.text(max_size=8), ANY, max_size=3)


def calls_of(name: str) -> st.SearchStrategy[tuple[str, dict[str, Any]]]:
    fields = TOOLS[name].input_schema["properties"]
    return st.tuples(st.just(name), arguments(fields))


@settings(
    max_examples=300,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(one=st.sampled_from(sorted(TOOLS)).flatmap(calls_of))
async def test_no_call_breaks_a_tool(site: Site, one: tuple[str, dict[str, Any]]) -> None:
    name, args = one
    tool: Tool = TOOLS[name]
    if name == "task_wait":
        args["timeout_seconds"] = 0
    caller = PERSON
    if tool.for_runs:
        caller, _ = await site.run()

    async def no_progress(done: float, total: float | None, message: str) -> None:
        return None

    reply = await call(
        tool, args, host=site.host, caller=caller, progress=no_progress, log=lambda _: None
    )
    assert len(reply.text) < 2_000_000
    if reply.is_error:
        assert reply.structured["error"] in KNOWN_ERRORS, (args, reply.structured)
        assert "\n" not in reply.structured["message"]
        assert len(reply.structured["message"]) < 2_500
    else:
        json.loads(reply.text)
        Draft202012Validator(tool.output_schema).validate(reply.structured)
