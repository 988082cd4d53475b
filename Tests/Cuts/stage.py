"""The real library and the real local server with the fault proxy between them."""
import os
import random
import socket
import ssl
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path[:0] = [str(ROOT / "bindings" / "python"), str(ROOT / "Tests" / "ABI")]

import judge  # noqa: E402
from agent import play  # noqa: E402
from fault_proxy import BLACKHOLE, DOWN, DRIP, UP, Fault, FaultProxy  # noqa: E402
from judge import ALWAYS, NEVER, SAFE  # noqa: E402
from servers import LocalServer  # noqa: E402

POLICIES = (NEVER, SAFE, ALWAYS)
PLAIN, TLS, PLAIN_LONG, TLS_LONG = "plain", "tls", "plain-long", "tls-long"
# So long that messages take several frames of TLS, reads and writes; and nothing to compress.
LONG_TEXT = " " + random.Random(1).randbytes(15_000).hex()
STALL_SECONDS = 0.05
SIZE_SLACK = 100
"""Compression makes the sizes of runs differ by less."""


@dataclass(frozen=True)
class Case:
    stage: str
    policy: str
    faults: tuple = ()
    """Of the first connection, of the second, …"""

    def __str__(self):
        return ",".join([self.stage, self.policy, *(f"{f.direction}:{f.at}:{f.kind}" for f in self.faults)])

    @classmethod
    def parse(cls, text):
        stage, policy, *faults = text.split(",")
        parts = (fault.split(":") for fault in faults)
        return cls(stage, policy, tuple(
            Fault(kind, direction, int(at), STALL_SECONDS) for direction, at, kind in parts))

    def must_be_met(self, sizes):
        """Whether a run without this fault would be longer; of a second connection nobody knows that."""
        return any(fault.kind != DRIP and fault.at < sizes[fault.direction] - SIZE_SLACK
                   for fault in self.faults[:1])

    @property
    def is_silent(self):
        return any(fault.kind == BLACKHOLE for fault in self.faults)


class Stage:
    """A server, its log, the proxy before it."""

    def __init__(self, name, directory):
        self.name = name
        self._log = directory / f"{name}.log"
        self._is_tls = name in (TLS, TLS_LONG)
        self._padding = LONG_TEXT if name in (PLAIN_LONG, TLS_LONG) else ""
        authority = directory / f"{name}.pem"
        tls = ["--tls", "--write-ca", str(authority)] if self._is_tls else []
        self._server = LocalServer(ROOT, "--log", str(self._log), *tls)
        self._port = int(self._server.url.rsplit(":", 1)[1].split("/")[0])
        self._scheme = self._server.url.split(":")[0]
        self._options = {"ca_file": str(authority)} if self._is_tls else {"compression": False}
        if self._is_tls:
            # No system's certificates: reading those takes most of the time of a short run.
            os.environ.update(SSL_CERT_FILE=os.devnull, SSL_CERT_DIR=str(directory / "none"))
        self._proxy = FaultProxy(self._port)
        self._number = 0
        self.expected = None
        self.sizes = {UP: 0, DOWN: 0}

    def play(self, case):
        """(what the caller saw, what was passed on, how many faults happened)"""
        self._number += 1
        options = dict(self._options)
        if case.is_silent:
            # Only silence tells of it.
            options.update(connect_timeout=0.5, ping_interval=0.1, missed_pongs_max=1)
        with self._proxy.passage(case.faults) as passage:
            # The certificate is for localhost and its addresses.
            url = f"{self._scheme}://127.0.0.1:{passage.port}/v1"
            run = play(url, f"run{self._number:07}", self._padding, case.policy, **options)
            return run, passage.passed, passage.struck

    def record(self):
        """The undisturbed run: its text and how many bytes it takes, which compression varies a little."""
        for policy in POLICIES:
            run, passed, _ = self.play(Case(self.name, policy))
            if run.error or len(passed) != 1:
                raise SystemExit(f"error: the undisturbed run: {run} {passed}\n0 passed, 1 failed")
            self.expected = run.text
            for direction in (UP, DOWN):
                self.sizes[direction] = max(self.sizes[direction], passed[0][direction])
        executed, refused = self.take_log()
        assert len(executed) == len(POLICIES) and not refused

    def take_log(self):
        """What was executed since the last time. All that the proxy passed on has been read by then."""
        is_done = threading.Event()
        self._proxy.call(is_done.set)
        is_done.wait(10)
        # The server is one thread and reads connections in turn; two requests are answered after what came before.
        for _ in range(2):
            self._ask()
        lines = self._log.read_bytes().splitlines()
        os.truncate(self._log, 0)
        return judge.executions(lines)

    def _ask(self):
        with socket.create_connection(("127.0.0.1", self._port), 10) as connection:
            if self._is_tls:
                context = ssl.create_default_context(cafile=self._options["ca_file"])
                connection = context.wrap_socket(connection, server_hostname="127.0.0.1")
            connection.sendall(b"GET /v1/models HTTP/1.1\r\nHost: l\r\nAuthorization: Bearer any\r\n"
                               b"Connection: close\r\n\r\n")
            if not connection.recv(4096).startswith(b"HTTP/1.1 200"):
                raise SystemExit("error: the server did not answer\n0 passed, 1 failed")

    def close(self):
        self._proxy.close()
        if not self._server.is_running():
            raise SystemExit("error: the server ended\n0 passed, 1 failed")
        self._server.close()
