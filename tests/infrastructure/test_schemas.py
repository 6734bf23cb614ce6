"""Schemas of results come from repositories, and what they are held against from models."""

import pytest

from abathur.infrastructure import schemas
from abathur.infrastructure.schemas import compiled


def test_a_pattern_that_takes_for_ever_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schemas, "MAX_SECONDS", 0.05)
    check = compiled({"properties": {"a": {"type": "string", "pattern": "^(a|aa)+$"}}})
    assert check({"a": "aaa"}) is None
    assert check({"a": "b"}) == "a: it must match pattern ^(a|aa)+$"
    told = check({"a": "a" * 60 + "!"})
    assert told == "a pattern of its schema takes more than 0.05 s to look for"


def test_a_reference_inside_of_the_schema_is_followed() -> None:
    check = compiled({"$ref": "#/$defs/made", "$defs": {"made": {"required": ["files"]}}})
    assert check({"files": []}) is None
    assert check({}) == "result: it must contain ['files'] properties"
