import base64
import json
import urllib.parse

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abathur.domain.redacted_stream import RedactedStream
from abathur.domain.redaction import MASK, Redactor, environment

VALUE = 'q"W\\e/r+t y7&ü-9x'
REDACTOR = Redactor([VALUE, "0123456789abcdefghij"])
KEY = "-----BEGIN RSA PRIVATE KEY-----\nMIIEabcdef0123456789\nabcd\n-----END RSA PRIVATE KEY-----\n"

secrets = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Zs", "Zl", "Zp"]),
    min_size=12,
    max_size=60,
).filter(lambda text: len(set(text)) > 7 and text == text.strip())


@pytest.mark.parametrize(
    "text",
    [
        VALUE,
        json.dumps(VALUE),
        json.dumps(json.dumps({"key": VALUE})),
        urllib.parse.quote(VALUE, safe=""),
        urllib.parse.quote(VALUE),
        urllib.parse.quote_plus(VALUE),
        base64.b64encode(VALUE.encode()).decode(),
        base64.b64encode(b"user:" + VALUE.encode()).decode(),
        base64.urlsafe_b64encode(b"a" + VALUE.encode() + b"zz").decode(),
        VALUE.encode().hex(),
        VALUE[:5] + "\n" + VALUE[5:],
        json.dumps(VALUE[:5] + "\n" + VALUE[5:]),
        "0123456789\nabcdefghij",
    ],
)
def test_a_known_value_is_found_in_every_form(text: str) -> None:
    assert MASK in REDACTOR.text(f"before {text} after")


@pytest.mark.parametrize(
    "secret",
    [
        "sk-ant-api03-abcdefghijklmnopqrstuvwx",
        "ghp_" + "a1" * 18,
        "glpat-" + "a1" * 10,
        "AKIAIOSFODNN7EXAMPLE",
        "xoxb-123456789012-abcdef",
        "AIza" + "a1B2c" * 7,
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N",
    ],
)
@pytest.mark.parametrize("frame", ["{}", "token={}", '"{}"', "see {}.", "\\n{}\\n"])
def test_what_looks_like_a_secret_is_taken_out(secret: str, frame: str) -> None:
    if frame.startswith("\\n"):
        secret_frame = json.dumps(f"\n{secret}\n")
        assert secret not in Redactor().text(secret_frame)
    else:
        assert secret not in Redactor().text(frame.format(secret))


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("Authorization: Bearer abcdefghijkl1234567", "abcdefghijkl1234567"),
        ('{"authorization": "Basic dXNlcjpwYXNzd29yZDEyMzQ="}', "dXNlcjpwYXNzd29yZDEyMzQ="),
        ("https://user:p4ssword@example.org/x", "p4ssword"),
        ("DB_PASSWORD=abc123def456", "abc123def456"),
        ("x-api-key: 0123456789abcdef", "0123456789abcdef"),
        (KEY, "MIIEabcdef0123456789"),
        (json.dumps(KEY), "MIIEabcdef0123456789"),
    ],
)
def test_what_stands_before_tells_that_it_is_secret(text: str, secret: str) -> None:
    assert secret not in Redactor().text(text)


@pytest.mark.parametrize(
    "text",
    [
        "def token_count(text): return len(text)",
        "token = get_token(request)",
        "https://example.org/a/very/long/path/to/something?x=1",
        "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b",
        "API_KEY=os.environ['OTHER']",
    ],
)
def test_code_is_left_as_it_is(text: str) -> None:
    assert REDACTOR.text(text) == text


def test_names_of_variables_tell_which_values_are_secret() -> None:
    found = environment(
        {
            "OPENAI_API_KEY": "value-one-1",
            "PGPASSWORD": "value-two-2",
            "GH_TOKEN": "value-three",
            "DATABASE_URL": "postgres://me:value-four@host/db",
            "PWD": "/home/someone",
            "SSH_AUTH_SOCK": "/tmp/agent.1234",
            "MAX_TOKENS": "100000000",
            "A_TOKEN": "short",
            "HOME": "/home/someone",
        }
    )
    assert found == {"value-one-1", "value-two-2", "value-three", "value-four"}


@given(secret=secrets, before=st.text(max_size=20), after=st.text(max_size=20), data=st.data())
def test_no_way_of_cutting_a_stream_lets_a_value_through(
    secret: str, before: str, after: str, data: st.DataObject
) -> None:
    line = json.dumps({"text": f"{before}{secret}{after}"})
    whole = f"{before}\n{secret} {after}\n{line}\n{secret[:6]}\n{secret[6:]}\n".encode(
        errors="replace"
    )
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=6)))
    stream = RedactedStream(Redactor([secret]))
    pieces = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    said = b"".join([*map(stream.feed, pieces), stream.finish()])
    assert secret.strip().encode() not in said
    assert secret.strip().encode() not in said.replace(b"\n", b"")


def test_where_one_value_is_kept_back_another_one_isn_t_cut() -> None:
    stream = RedactedStream(Redactor(["first-secret-value", "other-secret-value"]))
    said = stream.feed(b"a\nb\nc\nfirst-s\necret-value and other-s\n")
    said += stream.feed(b"ecret-value\n") + stream.finish()
    assert said == b"a\nb\nc\n[REDACTED] and [REDACTED]\n"


@given(st.recursive(st.text() | st.integers(), lambda item: st.dictionaries(st.text(), item)))
def test_a_line_of_json_stays_json(value: object) -> None:
    line = json.dumps({"value": value, "key": f"{KEY} {VALUE} Authorization: Bearer {'a1' * 12}"})
    json.loads(REDACTOR.text(line))


@given(st.binary(max_size=300))
def test_bytes_without_a_secret_come_out_as_they_went_in(data: bytes) -> None:
    stream = RedactedStream(Redactor())
    half = len(data) // 2
    assert stream.feed(data[:half]) + stream.feed(data[half:]) + stream.finish() == data


def test_a_private_key_that_comes_line_by_line_is_kept_back() -> None:
    stream = RedactedStream(Redactor())
    said = b"".join(stream.feed(line.encode()) for line in KEY.splitlines(keepends=True))
    assert b"MIIE" not in said + stream.finish()


def test_a_long_line_without_an_end_is_handed_on_in_parts() -> None:
    stream = RedactedStream(REDACTOR)
    said = stream.feed(b"x" * 60_000 + b" ") + stream.feed(b"0123456789abc")
    said += stream.feed(b"defghij " + b"y" * 60_000)
    assert said
    said += stream.finish()
    assert b"0123456789abcdefghij" not in said
    assert MASK.encode() in said
