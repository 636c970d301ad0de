"""Who may ask for what: the page's files, and its questions to a session.

The page is for the user who started the command. Every question needs the token of this start,
which stands in the printed address behind #, where no browser sends it anywhere. A Host that is not
this machine (as of a foreign name that was pointed at it) and a foreign Origin are refused, and the
page's own policy forbids the browser to load anything from elsewhere.
"""

import hmac
import ipaddress
import json
import socket
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lvae.errors import UserError
from lvae.explorer.session import Session

STATIC = Path(__file__).parent / "static"
KINDS = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
}
LARGEST = 2**20  # bytes of a question
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}

Answer = Callable[[Mapping[str, Any]], Mapping[str, Any]]


def serve(session: Session, listening: socket.socket, token: str, names: frozenset[str]) -> None:
    """Answers until the process is stopped.

    Args:
      session: the run.
      listening: the socket.
      token: what every question must carry.
      names: of hosts, beside addresses, by which the page may be asked for.
    """
    app = application(session, token, names)
    config = uvicorn.Config(app, log_level="error", access_log=False, lifespan="off")
    uvicorn.Server(config).run(sockets=[listening])


def application(session: Session, token: str, names: frozenset[str]) -> Starlette:
    """The page and its questions."""
    answers: dict[str, Answer] = {
        "describe": lambda values: session.describe(),
        "show": session.show,
        "between": lambda values: session.between(str(values["first"]), str(values["second"])),
        "map": lambda values: session.maps.answer(),
        "save": session.save,
        "status": lambda values: session.status(),
        "reload": lambda values: session.reload(),
    }
    routes = [
        Route("/", _file),
        Route("/static/{name}", _file),
        *(
            Route(f"/api/{name}", _endpoint(answer, token), methods=["POST"])
            for name, answer in answers.items()
        ),
    ]
    return Starlette(routes=routes, middleware=[Middleware(Guarded, names=names)])


def _endpoint(answer: Answer, token: str) -> Callable[[Request], Any]:
    async def endpoint(request: Request) -> Response:
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        if not hmac.compare_digest(given.encode(), token.encode()):
            return _refused("this page belongs to an earlier start of lvae explore; open the address "
                            "that the command printed", 401)  # fmt: skip
        try:
            values = json.loads(await _body(request))
            if not isinstance(values, dict):
                raise UserError("expected a JSON object")
            return JSONResponse(await run_in_threadpool(answer, values))
        except UserError as error:
            return _refused(str(error), 422)
        except (ValueError, KeyError, RecursionError) as error:
            return _refused(f"not understood: {error}", 400)
        except OSError as error:
            return _refused(f"{error.filename or ''}: {error.strerror or error}", 422)

    return endpoint


async def _body(request: Request) -> bytes:
    """All of a question.

    Raises:
      UserError: it is larger than any question of the page.
    """
    content = b""
    async for part in request.stream():
        content += part
        if len(content) > LARGEST:
            raise UserError(f"a question of more than {LARGEST} bytes")
    return content


async def _file(request: Request) -> Response:
    """The page, its scripts and its style: known names only."""
    path = STATIC / request.path_params.get("name", "index.html")
    if path.name not in {known.name for known in STATIC.iterdir()} or path.suffix not in KINDS:
        return PlainTextResponse("no such file", 404)
    return FileResponse(path, media_type=KINDS[path.suffix])


def _refused(message: str, status: int) -> JSONResponse:
    return JSONResponse({"error": message}, status)


class Guarded:
    """Refuses foreign hosts and origins; adds the headers."""

    def __init__(self, app: ASGIApp, names: frozenset[str]):
        self._app, self._names = app, names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        headers = Headers(scope=scope)
        host, origin = headers.get("host", ""), headers.get("origin")
        if not is_known_host(host, self._names):
            await PlainTextResponse(f"host {host!r} is not this machine", 403)(scope, receive, send)
            return
        if origin is not None and origin != f"http://{host}":
            await PlainTextResponse(f"origin {origin!r} is another page", 403)(scope, receive, send)
            return

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                extra = [(name.encode(), text.encode()) for name, text in HEADERS.items()]
                message["headers"] = [*message["headers"], *extra]
            await send(message)

        await self._app(scope, receive, sending)


def is_known_host(host: str, names: frozenset[str]) -> bool:
    """Whether a Host header (name or address, with or without a port) is this machine: one of the
    names, or an address. Addresses cannot be pointed elsewhere, as a foreign page's name can."""
    name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
    if name.lower() in names:
        return True
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def listen(host: str, port: int | None, first: int, tries: int) -> socket.socket:
    """A socket on `port`, or on the first free one from `first` on.

    Raises:
      UserError: the port is taken, or the address is not one of this machine's.
    """
    ports = [port] if port is not None else range(first, first + tries)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for number in ports:
        listening = socket.socket(family, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(sys.platform != "win32"))
        try:
            listening.bind((host, number))
        except (OSError, OverflowError) as error:
            listening.close()
            reason = error
        else:
            listening.listen()
            return listening
    where = f"--port={port}" if port is not None else f"--host={host}"
    raise UserError(f"{where}: {host} cannot be listened on ({reason}); choose another")
