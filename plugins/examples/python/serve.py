"""Serves a made-up CRM in CSV files, to try the connector on.

Speaks the protocol of trial CRMs: once it is ready it prints one line of JSON that says how to reach it, and it ends
with its standard input. The files are on one port; on another one, which no connector is granted, people are added,
changed and deleted.
"""

from __future__ import annotations

import argparse
import json
import secrets
import sys
import threading
from collections.abc import Callable
from hmac import compare_digest
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from trial_world import World

FOLDER = "/crm/"

LONGEST_BODY = 65_536
"""Nothing that is asked for here takes a body; a longer one ends the connection."""


class Server(ThreadingHTTPServer):
    """One port of the CRM."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, handler: type[Handler], world: World, key: str | None) -> None:
        super().__init__(("127.0.0.1", port), handler)
        self.world = world
        self.key = key

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    """One connection: what is common to both ports."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    # Heading and body leave together.
    wbufsize = -1
    server: Server

    def reply(self, status: HTTPStatus, body: bytes = b"", kind: str = "application/json") -> None:
        self.send_response(status)
        if status is not HTTPStatus.NO_CONTENT:
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD" and status is not HTTPStatus.NO_CONTENT:
            self.wfile.write(body)

    def reply_json(self, status: HTTPStatus, value: object) -> None:
        self.reply(status, json.dumps(value).encode())

    def skip_body(self) -> None:
        """Reads what came with the request, so that the next one begins where it should."""
        length = self.headers.get("content-length", "0")
        if "transfer-encoding" in self.headers or not length.isdecimal() or int(length) > LONGEST_BODY:
            self.close_connection = True
        else:
            self.rfile.read(int(length))

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing: standard output has one line, and standard error is for what goes wrong."""


class Files(Handler):
    """The files, for whoever has the key."""

    def do_GET(self) -> None:
        self.skip_body()
        told = self.headers.get("authorization", "").encode()
        if self.server.key is not None and not compare_digest(told, f"Bearer {self.server.key}".encode()):
            return self.reply(HTTPStatus.UNAUTHORIZED)
        name = self.path.removeprefix(FOLDER)
        body = self.server.world.file(name) if name != self.path else None
        if body is None:
            return self.reply(HTTPStatus.NOT_FOUND)
        return self.reply(HTTPStatus.OK, body, "text/csv; charset=utf-8")

    do_HEAD = do_GET


class Control(Handler):
    """Who is there, and what happens to them."""

    def do_GET(self) -> None:
        self.skip_body()
        if self.path != "/people":
            return self.reply(HTTPStatus.NOT_FOUND)
        return self.reply_json(HTTPStatus.OK, self.server.world.ids())

    def do_POST(self) -> None:
        self.skip_body()
        if self.path == "/people":
            return self.reply_json(HTTPStatus.CREATED, {"id": self.server.world.add()})
        return self._done(self.server.world.change)

    def do_DELETE(self) -> None:
        self.skip_body()
        return self._done(self.server.world.delete)

    def _done(self, act: Callable[[str], bool]) -> None:
        id = self.path.removeprefix("/people/")
        there = id != self.path and act(id)
        return self.reply(HTTPStatus.NO_CONTENT if there else HTTPStatus.NOT_FOUND)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Serves a made-up CRM in CSV files until its standard input ends.")
    parser.add_argument("--people", type=int, default=250, help="so many people (default: 250)")
    parser.add_argument("--seed", type=int, default=1, help="another seed, other people (default: 1)")
    parser.add_argument("--port", type=int, default=0, help="port of the files (default: any)")
    parser.add_argument("--control-port", type=int, default=0, help="port of the control (default: any)")
    parser.add_argument("--open", action="store_true", help="hand out the files without a key")
    return parser.parse_args()


def main() -> None:
    """Serves until the standard input ends."""
    arguments = _arguments()
    world = World(arguments.people, arguments.seed)
    key = None if arguments.open else secrets.token_urlsafe(24)
    files = Server(arguments.port, Files, world, key)
    control = Server(arguments.control_port, Control, world, None)
    for server in (files, control):
        threading.Thread(target=server.serve_forever, daemon=True).start()
    ready = {
        "settings": {"url": files.origin + FOLDER.rstrip("/"), "access": "open" if key is None else "api-key"},
        "secrets": {} if key is None else {"api-key": key},
        "origins": [files.origin],
        "control": control.origin,
    }
    print(json.dumps(ready), flush=True)
    try:
        while sys.stdin.buffer.read(4096):
            pass
    except KeyboardInterrupt:
        # As good an end as any.
        pass


if __name__ == "__main__":
    main()
