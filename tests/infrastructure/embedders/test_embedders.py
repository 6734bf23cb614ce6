"""Those who say what texts mean: servers of both kinds, and a model in a folder."""

import socket
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from abathur.domain.errors import EmbeddingError
from abathur.infrastructure.embedders.server import AT_ONCE, EmbeddingServer
from abathur.infrastructure.embedders.static_model import StaticModel
from tests.embeddings import served


@pytest.mark.parametrize(("kind", "path"), [("ollama", "/api/embed"), ("openai", "/v1/embeddings")])
def test_a_server_is_asked_in_its_own_way(
    kind: str, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_KEY", "sesame")
    with served() as (url, heard):
        maker = EmbeddingServer(kind, "small", url, "SOME_KEY")
        assert maker.embed(["a", "b"]) == [[1.0, 1.0], [1.0, 1.0]]
    assert maker.model == f"{kind}:small"
    (asked,) = heard
    assert (asked["path"], asked["body"]) == (path, {"model": "small", "input": ["a", "b"]})
    assert asked["headers"]["Authorization"] == "Bearer sesame"


@pytest.mark.parametrize(
    "answer",
    [{"embeddings": [[1.0]]}, {"embeddings": [[1.0], [1.0, 2.0]]}, {"embeddings": "x"}, [], 500],
)
def test_nonsense_is_refused_with_what_to_do(answer: Any) -> None:
    with served(lambda *_: answer) as (url, _):
        maker = EmbeddingServer("ollama", "small", url, None)
        with pytest.raises(EmbeddingError, match=r"check"):
            maker.embed(["a", "b"])


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n{",
        b"HTTP/1.1 200 OK\r\n\r\n" + b"[" * 100_000,
        b'HTTP/1.1 200 OK\r\n\r\n{"data": ["x"]}',
    ],
)
def test_what_speaks_another_language_is_refused_too(answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def speak() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer)

        thread = Thread(target=speak)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(EmbeddingError, match=r"check"):
            EmbeddingServer("openai", "small", url, None).embed(["a"])
        thread.join()


def test_many_texts_are_asked_for_a_few_at_a_time_and_keep_their_order() -> None:
    def lengths(_: str, asked: dict[str, Any]) -> Any:
        return {"embeddings": [[float(len(text)), 1.0] for text in asked["input"]]}

    with served(lengths) as (url, heard):
        maker = EmbeddingServer("ollama", "small", url, None)
        found = maker.embed(["x" * n for n in range(2 * AT_ONCE + 1)])
    assert [int(one[0]) for one in found] == [*range(2 * AT_ONCE + 1)]
    assert [len(one["body"]["input"]) for one in heard] == [AT_ONCE, AT_ONCE, 1]


def test_a_key_is_not_carried_to_where_a_server_points() -> None:
    with served(lambda *_: 302) as (url, _):
        maker = EmbeddingServer("ollama", "small", url, None)
        with pytest.raises(EmbeddingError, match="HTTP 302"):
            maker.embed(["a"])


def test_a_key_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOME_KEY", raising=False)
    maker = EmbeddingServer("openai", "small", "http://127.0.0.1:9", "SOME_KEY")
    with pytest.raises(EmbeddingError, match="SOME_KEY"):
        maker.embed(["a"])


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://x", "http://", "http://a:b@c"])
def test_a_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(EmbeddingError, match=r"memory\.url") as refused:
        EmbeddingServer("ollama", "small", url, None)
    assert "a:b" not in str(refused.value)


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EmbeddingError, match=r"memory\.model"):
        StaticModel(tmp_path)


@pytest.mark.filterwarnings("ignore")
def test_a_model_in_a_folder_says_what_texts_mean(tmp_path: Path) -> None:
    model2vec = pytest.importorskip("model2vec")
    np = pytest.importorskip("numpy")
    tokenizers = pytest.importorskip("tokenizers")
    words = {"[UNK]": 0, "cat": 1, "dog": 2, "ship": 3}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, "[UNK]"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    vectors = np.array([[0, 0], [1, 0], [0.9, 0.1], [0, 1]], np.float32)
    folder = tmp_path / "small"
    model2vec.StaticModel(vectors, tokenizer).save_pretrained(str(folder))
    maker = StaticModel(folder)
    cat, dog, ship = maker.embed(["cat", "dog", "ship"])
    near, far = (sum(map(float.__mul__, cat, other)) for other in (dog, ship))
    assert near > far
    assert maker.model.startswith("model2vec:small:")
