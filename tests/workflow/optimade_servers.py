"""Databases on loopback for tests: a tiny one, the reference server, and a proxy that fails."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

SERVE_REFERENCE = Path(__file__).parents[1] / "sources" / "serve_reference.py"
JSON_API = "application/vnd.api+json"
PROPERTIES = (
    "species",
    "lattice_vectors",
    "cartesian_site_positions",
    "species_at_sites",
    "structure_features",
    "_alexandria_hull_distance",
)

Answer = tuple[int, dict[str, str], bytes]


def crystal(own_id: str = "x-1", **changes: Any) -> dict[str, Any]:
    """An OPTIMADE resource: lithium chloride, changed; None takes an attribute away."""
    attributes = {
        "lattice_vectors": [[4.0, 0, 0], [0, 4.0, 0], [0, 0, 4.0]],
        "cartesian_site_positions": [[0, 0, 0], [2.0, 2.0, 2.0]],
        "species_at_sites": ["Li", "Cl"],
        "species": [species("Li"), species("Cl")],
        "nperiodic_dimensions": 3,
        "dimension_types": [1, 1, 1],
        "structure_features": [],
    }
    return {"id": own_id, "type": "structures", "attributes": attributes | changes}


def species(name: str, **parts: float) -> dict[str, Any]:
    """An OPTIMADE species: an element, or its parts by symbol."""
    parts = parts or {name: 1.0}
    return {
        "name": name,
        "chemical_symbols": list(parts),
        "concentration": list(parts.values()),
    }


class LoopbackServer:
    """An HTTP server in a thread, whose log tells what was asked and how it ended."""

    def __init__(self) -> None:
        self._log: list[tuple[str, str]] = []
        self._n_under_way = 0
        self._idle = threading.Condition()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                with outer.under_way():
                    outer._log.append((self.path, outer.handle(self)))

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                """The client was killed, or gave up."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}"

    def handle(self, request: BaseHTTPRequestHandler) -> str:
        raise NotImplementedError

    @contextlib.contextmanager
    def under_way(self):
        with self._idle:
            self._n_under_way += 1
        try:
            yield
        finally:
            with self._idle:
                self._n_under_way -= 1
                self._idle.notify_all()

    @property
    def log(self) -> list[tuple[str, str]]:
        """What was asked: an answered client may be faster than the entry of its request."""
        with self._idle:
            self._idle.wait_for(lambda: self._n_under_way == 0, timeout=5)
        return self._log

    def pages(self) -> list[tuple[str, str]]:
        """What was asked for structures, with the outcomes."""
        return [entry for entry in list(self.log) if urlsplit(entry[0]).path == "/v1/structures"]

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def send(request: BaseHTTPRequestHandler, answer: Answer) -> None:
    status, headers, body = answer
    request.send_response(status)
    for key, value in headers.items():
        request.send_header(key, value)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)


def json_answer(content: Any, status: int = 200, **headers: str) -> Answer:
    return status, {"Content-Type": JSON_API, **headers}, json.dumps(content).encode()


class FakeProvider(LoopbackServer):
    """A database of a few structures, paging by offset, or by ids that cannot be foreseen.

    `answers` replaces what is said at a path.
    """

    def __init__(
        self,
        structures: list[dict[str, Any]],
        *,
        answers: dict[str, Answer] | None = None,
        cursor: bool = False,
        api_version: str = "1.1.0",
    ) -> None:
        super().__init__()
        self.structures, self.answers, self.cursor = structures, answers or {}, cursor
        self.meta = {"api_version": api_version, "data_returned": len(structures)}

    def handle(self, request: BaseHTTPRequestHandler) -> str:
        parts = urlsplit(request.path)
        answer = self.answers.get(parts.path) or self.answer(parts.path, parts.query)
        send(request, answer)
        return str(answer[0])

    def answer(self, path: str, query: str) -> Answer:
        if path == "/v1/info":
            return json_answer({"data": {}, "meta": self.meta})
        if path == "/v1/info/structures":
            properties = {name: {} for name in PROPERTIES}
            return json_answer({"data": {"properties": properties}, "meta": self.meta})
        if path == "/v1/structures":
            return json_answer(self.page(dict(parse_qsl(query))))
        return json_answer({"errors": [{"detail": "nothing here"}]}, 404)

    def page(self, asked: dict[str, str]) -> dict[str, Any]:
        key = "page_above" if self.cursor else "page_offset"
        start = int(asked.get(key, "0").removeprefix("c"))
        end = start + int(asked["page_limit"])
        following = asked | {key: f"c{end}" if self.cursor else str(end)}
        more = end < len(self.structures)
        link = f"{self.address}/v1/structures?{urlencode(following)}" if more else None
        return {"data": self.structures[start:end], "meta": self.meta, "links": {"next": link}}


class FaultProxy(LoopbackServer):
    """Passes requests on to a database, or fails in the way that `fault` names.

    Its log ends in `ok` for what came through whole.
    """

    def __init__(self, fault: Callable[[str], str | None], *, stall_s: float = 1.0) -> None:
        super().__init__()
        self.upstream = ""
        self.fault, self.stall_s = fault, stall_s

    def handle(self, request: BaseHTTPRequestHandler) -> str:
        fault = self.fault(request.path)
        if fault == "stall":
            time.sleep(self.stall_s)
            request.close_connection = True
        elif fault == "429":
            send(request, json_answer({}, 429, **{"Retry-After": "1"}))
        elif fault == "500":
            send(request, (500, {"Content-Type": "text/html"}, b"<h1>Internal error</h1>"))
        else:
            self.pass_on(request, fault)
        return fault or "ok"

    def pass_on(self, request: BaseHTTPRequestHandler, fault: str | None) -> None:
        status, headers, body = self.ask(request.path)
        if fault == "type":
            headers = {"Content-Type": "text/html"}
        if fault == "truncated":
            body = body[: len(body) // 2]
        if fault != "cut":
            send(request, (status, headers, body))
            return
        request.send_response(status)
        request.send_header("Content-Type", headers["Content-Type"])
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body[: len(body) // 2])
        request.wfile.flush()
        request.connection.shutdown(socket.SHUT_RDWR)

    def ask(self, path: str) -> Answer:
        try:
            answer = urllib.request.urlopen(self.upstream + path)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            return answer.status, {"Content-Type": answer.headers["Content-Type"]}, answer.read()


class FaultPlan:
    """Every second page fails in turn in one of the ways, some of them twice."""

    KINDS = ("429", "500", "stall", "truncated", "type", "cut")

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.given: Counter[str] = Counter()
        self._pages: list[str] = []
        self._lock = threading.Lock()

    def __call__(self, path: str) -> str | None:
        with self._lock:
            self.asked[path] += 1
            if self.asked[path] == 1:
                self._pages.append(path)
            number = self._pages.index(path)
            if number % 2 or self.asked[path] > 1 + (number % 8 == 0):
                return None
            kind = self.KINDS[self.given.total() % len(self.KINDS)]
            self.given[kind] += 1
            return kind


@contextmanager
def reference_server(structures: Path, address: str) -> Iterator[str]:
    """Run the reference server in a process; `address` is what its links begin with."""
    with FakeProvider([]) as probe:
        port = urlsplit(probe.address).port
    process = subprocess.Popen(
        [sys.executable, str(SERVE_REFERENCE), str(structures), str(port), address]
    )
    upstream = f"http://127.0.0.1:{port}"
    try:
        _wait_for(f"{upstream}/v1/info", process)
        yield upstream
    finally:
        process.kill()
        process.wait()


def _wait_for(address: str, process: subprocess.Popen) -> None:
    for _ in range(600):
        try:
            urllib.request.urlopen(address, timeout=5).close()
            return
        except OSError:
            if process.poll() is not None:
                raise RuntimeError("the reference server stopped") from None
            time.sleep(0.1)
    raise RuntimeError("the reference server does not answer")
