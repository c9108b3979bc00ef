"""Serves the page to this machine alone."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import final
from urllib.parse import parse_qsl, urlsplit

from markupsafe import Markup
from typing_extensions import override

from ..config.errors import at, line, of_the_user
from ..page.html import environment, script_hash, text
from .drawing import ClosedForms, draw
from .sliders import CONTROLS, Slider, chosen, document

HOST = "127.0.0.1"

MOST_TEXT = 2000
"""Characters of an address."""


def page() -> str:
    """The page before anything is drawn."""
    script = text("pictures.js") + text("explore.js")
    return environment().get_template("explore.html.j2").render(
        controls=[(control, isinstance(control, Slider)) for control in CONTROLS],
        style=Markup(text("page.css") + text("explore.css")),
        script=Markup(script),
        script_hash=script_hash(f"\n{script}\n"),
    )  # fmt: skip


def answer(query: str, theory: ClosedForms) -> dict[str, object]:
    """What is drawn for the query of an address, or ``error``: one line.

    Args:
        query: a value for each slider; with ``patient=1`` closed forms are worked out, too.
        theory: those that were worked out before.
    """
    try:
        given = dict(parse_qsl(query, keep_blank_values=True))
        patient = given.pop("patient", "") == "1"
        return draw(document(chosen(given)), theory, patient)
    except Exception as error:
        mistake = of_the_user(error)
        fault = f"internal error: {type(error).__name__}: {error}; please report"
        return {"error": line(fault if mistake is None else mistake)}


class Server(ThreadingHTTPServer):
    """Threads, since a browser opens connections that it does not use; one drawing at a time."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, port: int) -> None:
        try:
            super().__init__((HOST, port), Handler)
        except OSError as error:
            valid = f"cannot be used ({error.strerror}); give another, or 0 for any"
            raise at("--port", port, valid) from None
        self.drawing = threading.Lock()
        self.theory = ClosedForms()
        self.front = page().encode()

    @override
    def handle_error(self, request: object, client_address: object) -> None:
        """A browser that went away is nobody's fault, and what else can happen is answered."""

    @property
    def address(self) -> str:
        """Where the page is."""
        return f"http://{HOST}:{self.server_address[1]}/"


@final
class Handler(BaseHTTPRequestHandler):
    """Answers ``/`` with the page, and ``/draw?n=30&...`` with pictures."""

    server_version = "erasurehead"
    sys_version = ""
    server: Server
    timeout = 60

    def do_GET(self) -> None:
        """Answer one request, or refuse it with a status and one line."""
        found = urlsplit(self.path[:MOST_TEXT])
        names = (
            f"{HOST}:{self.server.server_address[1]}",
            f"localhost:{self.server.server_address[1]}",
        )
        if self.headers.get("Host") not in names:  # a page elsewhere that points its name here
            self._send(HTTPStatus.FORBIDDEN, "text/plain", b"this machine alone")
        elif found.path == "/":
            self._send(HTTPStatus.OK, "text/html; charset=utf-8", self.server.front)
        elif found.path == "/draw":
            with self.server.drawing:
                said = answer(found.query, self.server.theory)
            self._send(HTTPStatus.OK, "application/json", json.dumps(said).encode())
        else:
            self._send(HTTPStatus.NOT_FOUND, "text/plain", b"no such page")

    def _send(self, status: HTTPStatus, kind: str, body: bytes) -> None:
        self.send_response(status)
        for name, value in (
            ("Content-Type", kind),
            ("Content-Length", str(len(body))),
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
        ):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the terminal is for people."""


def serve(server: Server, ready: Callable[[], None]) -> None:
    """Serve until Ctrl-C, or a polite request to end.

    Args:
        server: listens already.
        ready: called once the page can be asked for.
    """
    ended = threading.Event()
    before = {
        each: signal.signal(each, lambda number, frame: ended.set())
        for each in (signal.SIGINT, signal.SIGTERM)
    }
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        ready()
        ended.wait()
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        for each, handler in before.items():
            signal.signal(each, handler)
