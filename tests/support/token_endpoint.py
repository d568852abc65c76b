"""A provider of tokens for tests: a token endpoint (RFC 6749, client credentials) over TLS, and the
JWKS of the key by which it signs (RS256).

    with TokenEndpoint(folder, certificates.server("provider", ssl.CERT_NONE)) as provider:
        provider.url, provider.jwks     # for who asks for tokens, and who verifies them
        provider.clients["mirror"] = "its secret"
        provider.life_s = 5             # of tokens from now on
        provider.answer = refuse        # or provider.hang, from now on
        provider.issued                 # whose tokens it has made, in order
        provider.asked                  # how many requests have come, whatever became of them
"""

import base64
import json
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from ssl import SSLContext
from typing import Callable

ISSUER, AUDIENCE = "https://issuer.example", "isthmus"


def encoded(data: bytes | dict) -> str:
    octets = json.dumps(data).encode() if isinstance(data, dict) else data
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


class TokenEndpoint:
    def __init__(self, folder: Path, context: SSLContext):
        from cryptography.hazmat.primitives.asymmetric import rsa
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        numbers = self.key.public_key().public_numbers()
        self.jwks = Path(folder) / "jwks.json"
        self.jwks.write_text(json.dumps({"keys": [
            {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "one", "n": number(numbers.n),
             "e": number(numbers.e)}]}))
        self.clients: dict[str, str] = {}
        self.life_s: float = 300
        self.issued: list[str] = []
        self.asked = 0
        self.scopes: set[str] = set()
        self.answer: Callable[[dict], tuple[int, dict] | None] = self.issue
        self.ended = threading.Event()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.server.daemon_threads = True
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True,
                                                 do_handshake_on_connect=False)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"https://localhost:{self.server.server_port}/token"

    def issue(self, asked: dict) -> tuple[int, dict]:
        """What is asked by a client of ours is given."""
        name, secret = asked["client"]
        if self.clients.get(name) != secret:
            return 401, {"error": "invalid_client"}
        if asked.get("grant_type") != "client_credentials":
            return 400, {"error": "unsupported_grant_type"}
        self.scopes.add(asked.get("scope", ""))
        self.issued.append(name)
        return 200, {"access_token": self.token(name), "token_type": "Bearer",
                     "expires_in": self.life_s}

    def token(self, subject: str) -> str:
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import padding
        now = time.time()
        said = ".".join(map(encoded, (
            {"alg": "RS256", "typ": "JWT", "kid": "one"},
            {"iss": ISSUER, "aud": AUDIENCE, "sub": subject, "iat": now,
             "exp": now + self.life_s})))
        signed = self.key.sign(said.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{said}.{encoded(signed)}"

    def hang(self, _: dict) -> None:
        """Answers nothing until the test is over."""
        self.ended.wait()

    def _handler(self):
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                provider.asked += 1
                size = int(self.headers.get("Content-Length", 0))
                asked = dict(urllib.parse.parse_qsl(self.rfile.read(size).decode()))
                pair = self.headers.get("Authorization", "").removeprefix("Basic ")
                asked["client"] = tuple(base64.b64decode(pair).decode().split(":", 1))
                answer = provider.answer(asked)
                if answer is None:
                    return
                status, said = answer
                body = json.dumps(said).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass
        return Handler

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.server.shutdown()
        self.server.server_close()


def refuse(_: dict) -> tuple[int, dict]:
    return 401, {"error": "invalid_client", "error_description": "the client is blocked"}


def number(value: int) -> str:
    return encoded(value.to_bytes((value.bit_length() + 7) // 8, "big"))
