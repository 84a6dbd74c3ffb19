"""A proxy before a server that speaks AWS's protocols: holds every request against the service's own model, and passes on what is sound.

    recorder.py FOLDER [--behind URL]

Without `--behind` it brings its own moto. What is malformed is answered with 400 `StrataWireMalformed` and never reaches the server.
FOLDER gets `requests.txt` (a line `service Operation` for each request) and `complaints.txt` (a line for each fault). It prints where it
listens, and ends when its standard input does, so that it never outlives whoever started it.
"""

import argparse
import html
import http.client
import http.server
import json
import logging
import pathlib
import sys
import threading
from urllib.parse import urlsplit

from judging import judge
from reading import Request, Unreadable, read

CODE = "StrataWireMalformed"
# Said between two neighbours, not end to end.
BETWEEN_NEIGHBOURS = {"connection", "content-length", "expect", "keep-alive", "transfer-encoding"}
# Longer than any server at our back takes.
PATIENCE_SECONDS = 60


class Ledger:
    """What was asked, and what was wrong with it."""

    def __init__(self, folder):
        folder.mkdir(parents=True, exist_ok=True)
        self.lock = threading.Lock()
        self.requests = (folder / "requests.txt").open("w", encoding="utf-8", buffering=1)
        self.complaints = (folder / "complaints.txt").open("w", encoding="utf-8", buffering=1)

    def request(self, line):
        with self.lock:
            self.requests.write(line + "\n")

    def complain(self, lines):
        with self.lock:
            self.complaints.writelines(line + "\n" for line in lines)

    def close(self):
        self.requests.close()
        self.complaints.close()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Answers go out in two writes, which would else wait for each other.
    disable_nagle_algorithm = True
    ledger = None
    behind = None

    def handle_any(self):
        body = self.read_body()
        if self.is_aws():
            complaints = self.complaints(Request(self.command, self.path, self.headers.items(), body))
            if complaints:
                return self.refuse(complaints)
        return self.pass_on(body)

    def is_aws(self):
        """Whether it is one of AWS's services that is asked: not the server's own controls, nor an API of ours that is looked for here."""
        signed = self.headers.get("authorization", "")
        return not (self.path.startswith(("/moto-api/", "/_strata/")) or "/opsworks/aws4_request" in signed)

    do_DELETE = do_GET = do_HEAD = do_PATCH = do_POST = do_PUT = handle_any

    def complaints(self, request):
        """What is wrong, a line each; none: nothing is. Keeps the books."""
        try:
            found = read(request)
            name = f"{found.service} {found.operation.name}"
            wrong = judge(found)
        except Unreadable as error:
            name, wrong = f"{self.command} {self.path.partition('?')[0]}", [str(error)]
        self.ledger.request(name)
        lines = [f"{name}: {fault}" for fault in wrong]
        self.ledger.complain(lines)
        return lines

    def read_body(self):
        if "chunked" not in self.headers.get("transfer-encoding", ""):
            return self.rfile.read(int(self.headers.get("content-length") or 0))
        parts = []
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return b"".join(parts)

    def refuse(self, complaints):
        """In a form that every protocol's client makes an error of."""
        text = "; ".join(complaints)
        if "x-amz-target" in self.headers:
            body, kind = json.dumps({"__type": CODE, "message": text}), "application/x-amz-json-1.1"
        else:
            error = f"<Error><Code>{CODE}</Code><Message>{html.escape(text)}</Message></Error>"
            body, kind = error, "text/xml"
            if self.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
                ec2 = "/ec2/aws4_request" in self.headers.get("authorization", "")
                body = f"<Response><Errors>{error}</Errors></Response>" if ec2 else f"<ErrorResponse>{error}</ErrorResponse>"
        self.answer(400, [("content-type", kind), ("x-amzn-errortype", CODE)], body.encode())

    def pass_on(self, body):
        headers = {name: value for name, value in self.headers.items() if name.lower() not in BETWEEN_NEIGHBOURS}
        connection = http.client.HTTPConnection(*self.behind, timeout=PATIENCE_SECONDS)
        try:
            connection.request(self.command, self.path, body, {**headers, "content-length": str(len(body))})
            answer = connection.getresponse()
            content = answer.read()
            kept = [(n, v) for n, v in answer.getheaders() if n.lower() not in BETWEEN_NEIGHBOURS]
            length = answer.getheader("content-length")
        except OSError as error:
            self.ledger.complain([f"{self.command} {self.path}: the server behind could not be asked: {error}"])
            kept, content, length = [], b"", None
            return self.answer(502, kept, content)
        finally:
            connection.close()
        return self.answer(answer.status, kept, content, length if self.command == "HEAD" else None)

    def answer(self, status, headers, body, length=None):
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("content-length", length or str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_):
        """Nothing: the ledger has it."""


def moto():
    """A moto of our own on a free port."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    return server.get_host_and_port()


def serve(folder, behind):
    """A recorder on a free port, in a thread of its own."""
    handler = type("Bound", (Handler,), {"ledger": Ledger(folder), "behind": behind})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--behind", help="the server; without it moto is brought along")
    arguments = parser.parse_args()
    parts = urlsplit(arguments.behind) if arguments.behind else None
    server = serve(arguments.folder, (parts.hostname, parts.port) if parts else moto())
    print(f"listening on http://127.0.0.1:{server.server_address[1]}", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
