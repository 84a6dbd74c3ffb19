"""The front door of the function URL.

ministack serves function URLs, but leaves `requestContext.authorizer.iam` out of the event (1.5.33, `_build_function_url_event`), so the
function is not told who called. This does it as Lambda does: takes only signatures that were made for `lambda`, says whose key it was, and
invokes the function with the request in payload format 2.0.
"""

import base64
import http.server
import json
import re
import threading
import time
import uuid

TEXT = ("application/json", "application/xml", "application/javascript", "text/")


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    # Set by `serve`: how to invoke, and whose key is whose.
    invoke = None
    callers = None

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        signed = re.search(r"Credential=([^/,]+)/\d{8}/[^/,]+/lambda/aws4_request", self.headers.get("authorization", ""))
        caller = self.callers.get(signed.group(1)) if signed else None
        if caller is None:
            return self.answer(403, {"content-type": "application/json"}, b'{"Message":"Forbidden"}')
        answer = self.invoke(self.event(body, signed.group(1), caller))
        if answer is None:
            return self.answer(502, {"content-type": "application/json"}, b'{"Message":"Internal Server Error"}')
        content = answer.get("body", "").encode()
        if answer.get("isBase64Encoded"):
            content = base64.b64decode(content)
        return self.answer(answer["statusCode"], answer.get("headers", {}), content)

    def event(self, body, key, caller):
        """Lambda passes text types on as text and everything else, `application/x-amz-json-1.1` too, in base64."""
        is_text = self.headers.get("content-type", "").startswith(TEXT)
        account = caller.split(":")[4]
        iam = {
            "accessKey": key, "accountId": account, "callerId": "AIDACKCEVSQ6C2EXAMPLE", "cognitoIdentity": None,
            "principalOrgId": None, "userArn": caller, "userId": "AIDACKCEVSQ6C2EXAMPLE",
        }
        http_context = {"method": "POST", "path": self.path, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1"}
        hidden = ("authorization", "x-amz-security-token")
        return {
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": self.path,
            "rawQueryString": "",
            "headers": {name.lower(): value for name, value in self.headers.items() if name.lower() not in hidden},
            "requestContext": {
                "accountId": account, "apiId": "strata", "authorizer": {"iam": iam}, "domainName": "strata.lambda-url",
                "domainPrefix": "strata", "http": http_context, "requestId": str(uuid.uuid4()), "routeKey": "$default",
                "stage": "$default", "time": "", "timeEpoch": int(time.time() * 1000),
            },
            "body": body.decode() if is_text else base64.b64encode(body).decode(),
            "isBase64Encoded": not is_text,
        }

    def answer(self, status, headers, content):
        self.send_response_only(status)
        for name, value in headers.items():
            if name.lower() != "content-length":
                self.send_header(name, value)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        """Nothing: what goes wrong is told by the client that sees it."""


def serve(callers, client, function):
    """A front door to `function` on a free port; answers its URL."""

    def invoke(event):
        answer = client.invoke(FunctionName=function, Payload=json.dumps(event).encode())
        payload = json.loads(answer["Payload"].read())
        return None if "FunctionError" in answer else payload

    handler = type("Bound", (Handler,), {"callers": callers, "invoke": staticmethod(invoke)})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_address[1]}"
