"""What of a program's output is kept, and what of it is heard."""

from pathlib import Path

from abathur.domain.redaction import Redactor
from abathur.infrastructure.process_output import CUT_OFF, Transcript


def said(path: Path, *parts: bytes) -> bytes:
    with Transcript(path, Redactor(), most_kept=12) as transcript:
        return b"".join(transcript.write(part) for part in parts) + transcript.finish()


def test_of_more_than_is_kept_the_first_lines_are_kept_and_all_is_heard(tmp_path: Path) -> None:
    path = tmp_path / "transcript"
    assert said(path, b"one\n", b"two\nthree\nfour\n", b"five\n") == (
        b"one\ntwo\nthree\nfour\nfive\n"
    )
    assert path.read_bytes() == b"one\ntwo\n" + CUT_OFF
    assert said(path, b"six\n") == b"six\n"
    assert path.read_bytes() == b"one\ntwo\n" + CUT_OFF


def test_what_just_fits_is_kept_whole(tmp_path: Path) -> None:
    path = tmp_path / "transcript"
    said(path, b"one\n", b"two\n")
    said(path, b"six\n")
    assert path.read_bytes() == b"one\ntwo\nsix\n"
    said(path, b"seven\n")
    assert path.read_bytes() == b"one\ntwo\nsix\n" + CUT_OFF
