"""An admin port that is made up: serves the page's own files as the real one does, and at /status
what a test says.

    port = Port(lambda now: told.router(now))
    port.tell(told.bad_night)                 # from the next answer on
    port.hang()                               # takes requests and does not answer them
    port.close()                              # nobody listens there any more
"""

import http.server
import json
import threading
import time
from pathlib import Path
from typing import Callable

from browser import testing

PAGE = testing.ROOT / "process" / "page"
CHART = Path("/usr/share/javascript/chart.js/chart.min.js")
POLICY = ("default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
          "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
TYPES = {".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8",
         ".js": "text/javascript; charset=utf-8"}


class Port:
    def __init__(self, status: Callable[[int], dict], has_charts: bool = True):
        testing.need(CHART, "apt-get install libjs-chart.js")
        self.status = status
        self.code = 200
        self.has_charts = has_charts
        self.asked = 0
        self.at_once = self.most_at_once = 0
        self.lock = threading.Lock()
        self.going_on = threading.Event()
        self.going_on.set()
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/"

    def tell(self, status: Callable[[int], dict], code: int = 200) -> None:
        self.status, self.code = status, code

    def hang(self) -> None:
        self.going_on.clear()

    def go_on(self) -> None:
        self.going_on.set()

    def close(self) -> None:
        self.going_on.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def answer(self, path: str) -> tuple[int, str, bytes]:
        if path == "/status":
            return self.code, "application/json", self._told()
        if path == "/page/chart.js":
            file = CHART if self.has_charts else None
        else:
            file = PAGE / ("index.html" if path == "/" else path.removeprefix("/page/"))
        if file is None or file.parent not in (PAGE, CHART.parent) or not file.exists():
            return 404, "text/plain", b"there is no such page\n"
        return 200, TYPES[file.suffix], file.read_bytes()

    def _told(self) -> bytes:
        with self.lock:
            self.asked += 1
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        self.going_on.wait()
        with self.lock:
            self.at_once -= 1
        return json.dumps(self.status(int(time.time() * 1000))).encode()

    def _handler(self):
        port = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                code, kind, body = port.answer(self.path)
                self.send_response(code)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Content-Security-Policy", POLICY)
                self.send_header("X-Content-Type-Options", "nosniff")
                self.end_headers()
                try:
                    self.wfile.write(body)
                except OSError:
                    pass  # who asked has given up

            def log_message(self, *_):
                pass

        return Handler
