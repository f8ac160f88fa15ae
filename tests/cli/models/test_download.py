"""Downloads from a server on loopback: whole and as published, or nothing."""

import hashlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from guard.cli.models.download import Limits, fetch
from guard.core.errors import EnvironmentProblem, GuardError, ModelError

pytestmark = pytest.mark.media

CONTENT = bytes(range(256)) * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
FILE = "net.pth"

Answer = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class Server:
    """Answers every request by ``answer``."""

    place: str
    answer: Answer = lambda _: None
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "*")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.asked.append(self.path)
            served.answer(self)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the base class's name
            """Say nothing."""

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served = Server(f"http://127.0.0.1:{http.server_port}/weights")
    thread = threading.Thread(target=http.serve_forever, args=(0.01,))
    thread.start()
    yield served
    http.shutdown()
    http.server_close()  # waits for the threads of its requests
    thread.join()


def sends(content: bytes, length: int | None = None, status: int = 200) -> Answer:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        if length is not None:
            request.send_header("Content-Length", str(length))
        request.end_headers()
        request.wfile.write(content)

    return answer


def got(server: Server, limits: Limits | None = None) -> bytes:
    return fetch(server.place, FILE, SHA256, lambda _came, _expected: None, limits)


def test_a_whole_file_comes_with_progress(server: Server):
    server.answer = sends(CONTENT, len(CONTENT))
    steps: list[tuple[int, int | None]] = []
    content = fetch(f"{server.place}/", FILE, SHA256, lambda came, of: steps.append((came, of)))
    assert content == CONTENT
    assert server.asked == ["/weights/net.pth"]
    assert steps[-1] == (len(CONTENT), len(CONTENT))
    assert [came for came, _ in steps] == sorted(came for came, _ in steps)


def test_a_length_need_not_be_told(server: Server):
    server.answer = sends(CONTENT)
    assert got(server) == CONTENT


def test_a_redirection_is_followed(server: Server):
    def answer(request: BaseHTTPRequestHandler) -> None:
        if request.path.startswith("/weights"):
            request.send_response(302)
            request.send_header("Location", "/elsewhere")
            request.end_headers()
        else:
            sends(CONTENT, len(CONTENT))(request)

    server.answer = answer
    assert got(server) == CONTENT


@pytest.mark.parametrize(
    ("answer", "kind", "told"),
    [
        (sends(CONTENT[:-1] + b"x", len(CONTENT)), ModelError, f"expected sha256 {SHA256}, got "),
        (sends(CONTENT[:1000], len(CONTENT)), EnvironmentProblem, "expected the whole file, got: .*--from"),
        (sends(CONTENT[:1000]), ModelError, "expected sha256"),
        (sends(b"gone", 4, 404), EnvironmentProblem, "expected 200, got 404 Not Found; .*--from"),
        (sends(b"", 0, 500), EnvironmentProblem, "expected 200, got 500"),
        (sends(CONTENT, len(CONTENT) * 1000), ModelError, "expected at most .* got 256000000"),
        (lambda _: None, EnvironmentProblem, "expected the whole file, got: "),
    ],
    ids=[
        "altered",
        "cut short",
        "cut short untold",
        "missing",
        "broken",
        "promises too much",
        "says nothing",
    ],
)
def test_anything_else_is_told_with_what_mends_it(
    server: Server, answer: Answer, kind: type[GuardError], told: str
):
    server.answer = answer
    with pytest.raises(kind, match=told):
        got(server)


def test_too_large_is_refused_before_it_has_all_come(server: Server):
    sent = []

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        try:
            for _ in range(1000):
                request.wfile.write(CONTENT)
                sent.append(len(CONTENT))
        except OSError:
            sent.append(0)

    server.answer = answer
    with pytest.raises(ModelError, match="expected at most 1000 bytes"):
        got(server, Limits(most_bytes=1000))
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("limits", "told"),
    [
        (Limits(silence=0.1), "expected the whole file, got: "),
        (Limits(altogether=0.0), "expected the file within 0 s, got"),
    ],
)
def test_a_slow_server_is_left(server: Server, limits: Limits, told: str):
    left = threading.Event()

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", str(len(CONTENT)))
        request.end_headers()
        request.wfile.write(CONTENT[:10])
        left.wait(10)

    server.answer = answer
    try:
        with pytest.raises(EnvironmentProblem, match=told):
            got(server, limits)
    finally:
        left.set()


def test_nobody_there_is_told():
    with pytest.raises(EnvironmentProblem, match="expected the whole file"):
        fetch("http://127.0.0.1:1", FILE, SHA256, lambda _came, _expected: None)


def test_a_folder_serves_as_well(tmp_path: Path):
    (tmp_path / FILE).write_bytes(CONTENT)
    assert fetch(str(tmp_path), FILE, SHA256, lambda _came, _expected: None) == CONTENT
    with pytest.raises(EnvironmentProblem, match=r"other\.pth: expected a file with weights"):
        fetch(str(tmp_path), "other.pth", SHA256, lambda _came, _expected: None)
    with pytest.raises(ModelError, match="expected at most 5 bytes"):
        fetch(str(tmp_path), FILE, SHA256, lambda _came, _expected: None, Limits(most_bytes=5))
