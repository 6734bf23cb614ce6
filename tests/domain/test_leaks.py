"""What looks like a secret in added text: where it is told to be, and what is told of it."""

from abathur.domain.leaks import MAX_LEAKS, AddedText, leaks, told
from abathur.domain.redaction import Redactor

TOKEN = b"ghp_" + b"a1B2" * 9
KEY = (
    b"-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA75gR9X\n"
    b"MIIEpAIBAAKCAQEA75gR9Y\n-----END RSA PRIVATE KEY-----"
)


def test_a_secret_is_told_by_its_line_and_without_itself() -> None:
    added = [
        AddedText("a.txt", 3, b"plain\ntext"),
        AddedText("b.txt", 10, b"one\n  token = " + TOKEN + b"\n" + TOKEN),
    ]
    found = leaks(added, Redactor())
    assert [(leak.path, leak.line) for leak in found] == [("b.txt", 11), ("b.txt", 12)]
    assert found[0].text == "token = [REDACTED]"
    assert told(found) == "b.txt:11, b.txt:12"


def test_a_key_of_many_lines_is_found_where_it_begins() -> None:
    (leak,) = leaks([AddedText("id_rsa", 1, b"x\n" + KEY)], Redactor())
    assert leak.line == 2
    assert "MIIEp" not in leak.text


def test_values_that_are_known_are_secrets_too() -> None:
    (leak,) = leaks([AddedText("a", 1, b"login: hunter2hunter2")], Redactor(["hunter2hunter2"]))
    assert leak.text == "login: [REDACTED]"


def test_halves_in_two_places_are_no_secret() -> None:
    halves = [AddedText("a", 1, TOKEN[:20]), AddedText("a", 9, TOKEN[20:])]
    assert leaks(halves, Redactor()) == ()


def test_as_many_as_a_person_reads_are_told() -> None:
    many = [AddedText(f"{number}\x1b[2J", 1, TOKEN) for number in range(100)]
    found = leaks(many, Redactor())
    assert len(found) == MAX_LEAKS
    assert told(found) == "0 [2J:1, 1 [2J:1, 2 [2J:1 and 17 more places"
