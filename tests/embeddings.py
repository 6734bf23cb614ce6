"""A server that says what texts mean, as Ollama and OpenAI do."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

Answer = Callable[[str, dict[str, Any]], Any]
"""From a path and what was sent to an answer: JSON, or the number of a refusal."""


def all_the_same(path: str, asked: dict[str, Any]) -> Any:
    """Every text means the same."""
    vectors = [[1.0, 1.0]] * len(asked["input"])
    if path == "/api/embed":
        return {"embeddings": vectors}
    return {"data": [{"index": n, "embedding": one} for n, one in enumerate(vectors)]}


@contextmanager
def served(answer: Answer = all_the_same) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Its URL, and what it is asked: path, headers and body."""
    heard: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            heard.append({"path": self.path, "headers": dict(self.headers), "body": body})
            said = answer(self.path, body)
            data = b"" if isinstance(said, int) else json.dumps(said).encode()
            self.send_response(said if isinstance(said, int) else 200)
            if said == 302:
                self.send_header("Location", "http://127.0.0.1:1/elsewhere")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Nothing: it would go to stderr."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", heard
        finally:
            server.shutdown()
            thread.join()
