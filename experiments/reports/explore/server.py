"""``erasurehead explore``: the sliders, the config that they make, and the server of the page."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from math import exp, gamma
from typing import Any, final
from urllib.parse import parse_qsl, urlsplit

from markupsafe import Markup
from typing_extensions import override

from ....sim.base.errors import ConfigError, at, one_of
from ...page.html import environment, script_hash, text
from ...text import line, of_the_user
from .drawing import ClosedForms, drawn_page


def document(chosen: Mapping[str, Any]) -> dict[str, Any]:
    """The config that the sliders choose; ``erasurehead run`` takes it, too."""
    d, r = int(chosen["d"]), int(chosen["r"])
    law: dict[str, Any] = {"kind": chosen["load_law"]}
    if law["kind"] == "additive":
        law["seconds_per_partition"] = chosen["tau"]
    losses: dict[str, dict[str, Any]] = {
        "linear": {"loss": "least_squares"},
        "network": {"loss": "mlp", "hidden": [4], "rows": 120, "test_rows": 0},
    }
    return {
        "name": "explored",
        "workers": int(chosen["n"]),
        # few enough to follow the hand, and enough for a band
        "iterations": 40,
        "replications": 8,
        "seed": 0,
        "policy": chosen["policy"],
        "delay": delay(chosen),
        "load_law": law,
        "schemes": [
            {"name": "uncoded", "label": "uncoded"},
            {"name": "ignore_stragglers", "wait_for": r, "label": "ignore stragglers"},
            {"name": "fractional_repetition", "load": d, "label": "fractional repetition"},
            {"name": "cyclic_mds", "load": d, "decoder": "lagrange", "label": "cyclic MDS"},
            {"name": "erasurehead", "load": d, "wait_for": r, "label": "ErasureHead"},
        ],
        "problem": {"dataset": "synthetic", "rows": 240, "features": 8} | losses[chosen["loss"]],
        "optimizer": {"rule": "gd", "learning_rate": chosen["rate"]},
    }


def delay(chosen: Mapping[str, Any]) -> dict[str, Any]:
    """The delay model: a law, and perhaps workers that are slow for a while. The share of slow
    workers is the same whatever the persistence p: a slow worker stays slow with probability s + p
    (1 - s), a fast one becomes slow with s (1 - p), whose stationary share is s."""
    base = _law(chosen["law"], chosen["shift"], chosen["mean"])
    times, s, p = chosen["slow"], chosen["share"], chosen["persistence"]
    if times == 1:
        return base
    slow = {"model": "scaled", "by": times, "base": base}
    if p == 0:
        return {"model": "mixture", "weights": [1 - s, s], "components": [base, slow]}
    stays, becomes = s + p * (1 - s), s * (1 - p)
    chain = {"slow_to_slow": round(stays, 6), "fast_to_slow": round(becomes, 6)}
    return {"model": "markov", **chain, "fast": base, "slow": slow}


def _law(law: str, shift: float, mean: float) -> dict[str, Any]:
    match law:
        case "weibull":
            scale = mean / gamma(1 + 1 / 0.6)
            return {"model": "weibull", "shape": 0.6, "scale": scale, "shift": shift}
        case "lognormal":
            median = mean / exp(0.5)
            return {"model": "lognormal", "median": median, "sigma": 1.0, "shift": shift}
        case "pareto":
            base = {"model": "pareto", "alpha": 2.5, "scale": mean * 1.5 / 2.5}
            return {"model": "shifted", "by": shift, "base": base}
        case "gamma":
            return {"model": "gamma", "shape": 4.0, "scale": mean / 4.0, "shift": shift}
        case _:
            return {"model": "shifted_exponential", "shift": shift, "rate": 1 / mean}


@dataclass(frozen=True)
class Slider:
    """A number that is chosen: ``name`` in the address; ``title`` for people, with the unit. It has
    a lowest, a highest and a first value, and a hint what it means."""

    name: str
    title: str
    low: float
    high: float
    step: float
    start: float
    hint: str = ""

    def read(self, text: str) -> float:
        """What was chosen. Raises ConfigError: it is no number between the ends."""
        try:
            value = float(text) if len(text) <= MAX_WORD_CHARACTERS else float("nan")
        except ValueError:
            value = float("nan")
        if not self.low <= value <= self.high:
            raise at(self.name, text, f"must be a number from {self.low:g} to {self.high:g}")
        if self.step == 1 and value != int(value):
            raise at(self.name, text, "must be a whole number")
        return value


@dataclass(frozen=True)
class Choice:
    """One of some names."""

    name: str
    title: str
    names: Mapping[str, str]
    start: str

    def read(self, text: str) -> str:
        """What was chosen. Raises ConfigError: it is none of the names."""
        if text not in self.names:
            raise at(self.name, text, one_of(self.names, text))
        return text


MAX_WORD_CHARACTERS = 32  # characters of a number
DELAY_LAWS = {
    "exponential": "exponential",
    "weibull": "Weibull, shape 0.6",
    "lognormal": "lognormal, sigma 1",
    "pareto": "Pareto, alpha 2.5",
    "gamma": "gamma, shape 4",
}
CONTROLS: tuple[Slider | Choice, ...] = (
    Slider("n", "workers n", 4, 60, 1, 30),
    Slider("d", "load d", 1, 10, 1, 3, "partitions of a worker of a code; must divide n"),
    Slider(
        *("r", "arrivals r", 1, 60, 1, 15),
        "that end a round of ErasureHead (at the latest) and of ignore stragglers",
    ),
    Choice("law", "law of the random delay", DELAY_LAWS, "exponential"),
    Slider("shift", "least delay (s)", 0, 3, 0.05, 0.5),
    Slider("mean", "mean of the random delay (s)", 0.05, 3, 0.05, 1.0),
    Choice(
        "load_law",
        "load law",
        {
            "additive": "additive: computing is predictable",
            "proportional": "proportional: slow at every partition",
            "per_partition": "per partition: a draw for each",
        },
        "additive",
    ),
    Slider("tau", "seconds a partition (additive)", 0, 1, 0.02, 0.1),
    Slider("slow", "slow workers take ... times as long", 1, 8, 0.5, 1),
    Slider("share", "share of slow workers", 0.02, 0.5, 0.02, 0.1),
    Slider("persistence", "persistence of being slow", 0, 0.98, 0.02, 0, "0: anew each round"),
    Choice(
        "policy",
        "straggler policy",
        {
            "cancel": "cancel: stragglers stop at once",
            "finish": "finish, then the newest model",
            "queue": "queue: finish every model",
            "drain": "drain: the master waits for all",
        },
        "cancel",
    ),
    Choice(
        "loss",
        "what is trained",
        {"linear": "least squares", "network": "a small network of ReLU units"},
        "linear",
    ),
    Slider("rate", "learning rate", 0.01, 0.5, 0.01, 0.05),
    Choice(
        "view",
        "loss against time",
        {"first": "the first part, logarithmic loss", "whole": "the whole run, plain axes"},
        "first",
    ),
)


def chosen(query: Mapping[str, str]) -> dict[str, float | str]:
    """What all sliders say, or where they begin. Raises ConfigError: a bad value or name."""
    known = {control.name for control in CONTROLS}
    for name in query:
        if name not in known:
            raise ConfigError(f"{name[:MAX_WORD_CHARACTERS]}: {one_of(known, name)}")
    return {
        control.name: control.read(query.get(control.name, str(control.start)))
        for control in CONTROLS
    }


LOCALHOST = "127.0.0.1"


def start_page() -> str:
    """The page before anything is drawn."""
    script = text("pictures.js") + text("explore.js")
    return environment().get_template("explore.html.j2").render(
        controls=[(control, isinstance(control, Slider)) for control in CONTROLS],
        style=Markup(text("page.css") + text("explore.css")),
        script=Markup(script),
        script_hash=script_hash(f"\n{script}\n"),
    )  # fmt: skip


def respond(query: str, theory: ClosedForms) -> dict[str, object]:
    """What is drawn for the query of an address, a value for each slider, or ``error``: one line;
    with ``patient=1`` closed forms are worked out, too, besides those of ``theory``."""
    try:
        given = dict(parse_qsl(query, keep_blank_values=True))
        given.pop("page", None)
        patient = given.pop("patient", "") == "1"
        values = chosen(given)
        return drawn_page(document(values), theory, patient, values["view"] == "whole")
    except Exception as error:
        mistake = of_the_user(error)
        fault = f"internal error: {type(error).__name__}: {error}; please report"
        return {"error": line(fault if mistake is None else mistake)}


class Turns:
    """Who may draw: one request at a time, and of each page the newest. At most ``most`` pages
    wait; others are told to come back."""

    def __init__(self, most: int = 64) -> None:
        self._changed = threading.Condition()
        self._drawing = False
        self._most = most
        self.newest: dict[str, object] = {}  # of each page, a token of its newest request

    @contextmanager
    def turn(self, page: str) -> Iterator[bool]:
        """Wait for it; False if a newer request of the page came, or too many pages wait."""
        mine = object()
        with self._changed:
            if page not in self.newest and len(self.newest) >= self._most:
                yield False
                return
            self.newest[page] = mine
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._drawing or self.newest[page] is not mine)
            newest = self.newest[page] is mine
            self._drawing = self._drawing or newest
        if not newest:
            yield False
            return
        try:
            yield True
        finally:
            with self._changed:
                self._drawing = False
                if self.newest[page] is mine:
                    del self.newest[page]
                self._changed.notify_all()


class Server(ThreadingHTTPServer):
    """Threads, since a browser opens connections that it does not use; one drawing at a time. For
    this machine alone."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, port: int) -> None:
        try:
            super().__init__((LOCALHOST, port), Handler)
        except OSError as error:
            valid = f"cannot be used ({error.strerror}); give another, or 0 for any"
            raise at("--port", port, valid) from None
        self.turns = Turns()
        self.theory = ClosedForms()
        self.front = start_page().encode()

    @override
    def handle_error(self, request: object, client_address: object) -> None:
        """A browser that went away is nobody's fault, and what else can happen is answered."""

    @property
    def address(self) -> str:
        """Where the page is."""
        return f"http://{LOCALHOST}:{self.server_address[1]}/"


@final
class Handler(BaseHTTPRequestHandler):
    """Answers the root with the page, and ``draw?n=30&...`` below it with pictures."""

    server_version = "erasurehead"
    sys_version = ""
    server: Server
    timeout = 60

    def do_GET(self) -> None:
        """Answer one request, or refuse it with a status and one line."""
        address = urlsplit(self.path[:2000])
        if not self._may_ask():
            self._send(HTTPStatus.FORBIDDEN, "text/plain", b"this machine and this page alone")
        elif address.path == "/":
            self._send(HTTPStatus.OK, "text/html; charset=utf-8", self.server.front)
        elif address.path == "/draw":
            page = dict(parse_qsl(address.query)).get("page", "")
            with self.server.turns.turn(page[:MAX_WORD_CHARACTERS]) as mine:
                answer = respond(address.query, self.server.theory) if mine else None
            if answer is None:
                self._send(HTTPStatus.CONFLICT, "text/plain", b"a newer request took its place")
            else:
                self._send(HTTPStatus.OK, "application/json", json.dumps(answer).encode())
        else:
            self._send(HTTPStatus.NOT_FOUND, "text/plain", b"no such page")

    def _may_ask(self) -> bool:
        """Not a page elsewhere: one that points its name here, or that sends its readers here."""
        host, port = self.headers.get("Host", ""), self.server.server_address[1]
        names = {f"{name}:{port}" for name in (LOCALHOST, "localhost")}
        names |= {LOCALHOST, "localhost"} if port == 80 else set()  # browsers leave 80 out
        if host not in names:
            return False
        site, here = self.headers.get("Sec-Fetch-Site", "none"), f"http://{host}"
        return site in ("same-origin", "none") and self.headers.get("Origin", here) == here

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


def serve_pages(server: Server, ready: Callable[[], None]) -> None:
    """Serve until Ctrl-C, or a polite request to end; ``ready`` is called once that has begun."""
    ended = threading.Event()
    asked = signal.SIGINT, signal.SIGTERM
    before = {sign: signal.signal(sign, lambda number, frame: ended.set()) for sign in asked}
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        ready()
        ended.wait()
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        for sign, handler in before.items():
            signal.signal(sign, handler)
