"""Signs that the surroundings failed, as the programs of others write them."""

import pytest

from abathur.domain.failures import FailureClass
from abathur.domain.outages import LAST_LINES, outage_in

F = FailureClass

# As curl, git, git LFS, npm, pip, uv, cargo, go, apt, Maven and the kernel say it.
SAID = [
    ("curl: (6) Could not resolve host: example.org", F.NETWORK),
    ("fatal: unable to access 'https://e.org/': Failed to connect to e.org port 443", F.NETWORK),
    ("ssh: connect to host github.com port 22: Network is unreachable", F.NETWORK),
    ("fetch-pack: unexpected disconnect; fatal: early EOF", F.NETWORK),
    ("Smudge error: batch request: dial tcp: lookup lfs.e.org: no such host", F.NETWORK),
    ("npm error code ENOTFOUND", F.NETWORK),
    ("npm error network request to https://registry.npmjs.org/x failed: ETIMEDOUT", F.NETWORK),
    ("NewConnectionError: Failed to establish a new connection: [Errno -3]", F.NETWORK),
    ("pip._vendor.urllib3.exceptions.ReadTimeoutError: HTTPSConnectionPool", F.NETWORK),
    ("  dns error: failed to lookup: Temporary failure in name resolution", F.NETWORK),
    ("net/http: TLS handshake timeout", F.NETWORK),
    ("E: Could not connect to deb.debian.org:80", F.NETWORK),
    ("Caused by: java.net.UnknownHostException: repo.maven.apache.org", F.NETWORK),
    ("npm error 503 Service Unavailable - GET https://registry.npmjs.org/x", F.CAPACITY),
    ("ERROR: HTTP error 429 while getting https://pypi.org/simple/x", F.CAPACITY),
    ("fatal: the requested URL returned error: 502", F.SERVER),
    ("curl: (22) The requested URL returned error: 500", F.SERVER),
    ("cp: error writing 'x': No space left on device", F.DISK),
]
OWN_FAULTS = [
    "npm error code ERESOLVE",
    "ERROR: No matching distribution found for nosuch==1.0",
    "make: *** [Makefile:429: all] Error 2",
    "503 passed, 1 failed",
    "error: 500 warnings emitted",
    "Error: 429 of 503 tests failed",
    "fatal: the requested URL returned error: 403",
    "main.py:502: error: 503.5",
    "no network",
    "",
]


@pytest.mark.parametrize(("text", "kind"), SAID)
def test_an_outage_is_recognised_by_what_programs_say(text: str, kind: FailureClass) -> None:
    found = outage_in(f"fetching\n{text}\nsee the log")
    assert found is not None
    assert (found.failure, found.line) == (kind, text.strip())


@pytest.mark.parametrize("text", OWN_FAULTS)
def test_a_fault_of_its_own_is_no_outage(text: str) -> None:
    assert outage_in(text) is None


def test_what_a_program_met_long_before_its_end_does_not_count() -> None:
    assert outage_in("Connection refused\n" + "working\n" * LAST_LINES + "wrong") is None
