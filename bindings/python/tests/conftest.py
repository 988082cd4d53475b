import os
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

HERE = Path(__file__).resolve().parent
PACKAGE_ROOT = HERE.parent
REPOSITORY = PACKAGE_ROOT.parent.parent

sys.path[:0] = [str(PACKAGE_ROOT), str(HERE)]

import responsesws  # noqa: E402
from faces import AsyncFace, SyncFace  # noqa: E402
from peer import SECONDS, Peer  # noqa: E402

API_KEY = "sk-secret-0123456789abcdef"


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    """Tests talk to their own peers only, whatever the shell is set up for."""
    for name in list(os.environ):
        if name.startswith("OPENAI_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture
def serve():
    """serve(script, …) -> Peer; all are closed after the test, which fails if a script did."""
    peers = []

    def start(script, **options):
        peers.append(Peer(script, **options))
        return peers[-1]

    yield start
    for peer in peers:
        peer.close()
    assert [failure for peer in peers for failure in peer.failures] == []


@pytest.fixture(params=[SyncFace, AsyncFace], ids=["sync", "async"])
def face(request):
    face = request.param()
    yield face
    face.close()


@pytest.fixture
def connect(face):
    """connect(peer or URL, …) -> a client, closed after the test. No wait in it is unbounded."""
    clients = []

    def make(peer, **options):
        url = peer if isinstance(peer, str) else peer.url
        options.setdefault("api_key", API_KEY)
        options.setdefault("turn_timeout", SECONDS)
        # What is sent again, and when, has tests of its own; here failures are told.
        options.setdefault("replay", responsesws.Replay.NEVER)
        options.setdefault("retry_backoff", 0)
        clients.append(face.Client(url, **options))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def talk(serve, connect):
    """talk(script, **settings) -> (session, peer)"""

    def make(script, **settings):
        peer = serve(script)
        return connect(peer).session(**{"model": "scripted", **settings}), peer

    return make


@pytest.fixture
def closed_port():
    """A port where nobody listens, kept from others while the test runs."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    """Self-signed certificates: `good` for localhost, `numeric` for its address, `elsewhere` for another
    host, `expired`."""
    folder = tmp_path_factory.mktemp("certificates")

    def make(name, host, days, kind="DNS"):
        certificate, key, request, extensions = (
            folder / f"{name}.{end}" for end in ("pem", "key", "csr", "ext")
        )
        extensions.write_text(f"subjectAltName={kind}:{host}")
        for command in (
            ["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
             "-keyout", key, "-out", request, "-subj", f"/CN={host}"],
            # "req -x509" refuses a certificate that is over already; "x509 -req" makes it.
            ["x509", "-req", "-in", request, "-signkey", key, "-days", str(days),
             "-extfile", extensions, "-out", certificate],
        ):  # fmt: skip
            subprocess.run(["openssl", *command], check=True, capture_output=True, timeout=SECONDS)
        return SimpleNamespace(certificate=str(certificate), key=str(key))

    return SimpleNamespace(
        good=make("good", "localhost", 2),
        numeric=make("numeric", "127.0.0.1", 2, "IP"),
        elsewhere=make("elsewhere", "elsewhere.test", 2),
        expired=make("expired", "localhost", -1),
    )
