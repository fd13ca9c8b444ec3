"""The address on this machine to which the person's browser brings the answer (RFC 8252 section 7.3)."""

import hmac
import secrets
import time
import webbrowser
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qsl, urlsplit

SECONDS = 300.0
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>
<body style="font: 1.1rem system-ui; display: grid; place-items: center; min-height: 90vh">
<p>{title} You can close this window and go back to the program.</p>"""


def random_text() -> str:
    """256 random bits as 43 characters: long enough for a PKCE verifier too (RFC 7636 4.1)."""
    return secrets.token_urlsafe(32)


class Listener(HTTPServer):
    """Listens on 127.0.0.1 alone, on a port that was free, for as long as one sign-in takes."""

    timeout = 1.0  # seconds handle_request waits before the loop below looks at the clock

    def __init__(self, issuer: str) -> None:
        # The address, not the name localhost: that may mean ::1, or whatever a hosts file says (RFC 8252 8.3).
        super().__init__(("127.0.0.1", 0), _Callback)
        self.redirect_uri = f"http://127.0.0.1:{self.server_port}/callback"
        self.issuer, self.state = issuer, random_text()
        self.answer: dict[str, str] | None = None

    def answer_to(self, url: str) -> str:
        """Open the person's browser there and wait; the code that comes back."""
        print(f"Your browser opens. If it does not, open this yourself:\n{url}", flush=True)
        webbrowser.open(url)
        until = time.monotonic() + SECONDS
        while self.answer is None:
            if time.monotonic() > until:
                raise SystemExit("Nobody signed in; giving up.")
            self.handle_request()
        if "code" not in self.answer:
            raise SystemExit(f"Not signed in: {self.answer.get('error_description') or self.answer.get('error')}")
        return self.answer["code"]

    def refusal(self, answer: dict[str, str]) -> str | None:
        """Why this is not the answer we wait for: any page in any browser can call this address."""
        if not hmac.compare_digest(answer.get("state", "").encode(), self.state.encode()):
            return "This is not the answer to what the program asked (state)."
        if answer.get("iss") != self.issuer:  # RFC 9207: a code of one provider is never taken to another
            return "Another provider answered than the program asked (iss)."
        return None


class _Callback(BaseHTTPRequestHandler):
    server: Listener
    timeout = 5  # seconds one caller has to send its request: no other can be heard meanwhile

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        if address.path != "/callback":
            self.send_error(404)
            return
        answer = dict(parse_qsl(address.query))
        refusal = self.server.refusal(answer)
        if refusal is not None:
            self.say(400, refusal)
            return
        self.server.answer = answer
        self.say(200, "You are signed in." if "code" in answer else "You are not signed in.")

    def say(self, status: int, title: str) -> None:
        body = PAGE.format(title=title).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Referrer-Policy", "no-referrer")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: the line would hold the code."""
