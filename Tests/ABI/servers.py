"""The servers that the C programs talk to: the project's own, and ones that fail on purpose."""
import base64
import hashlib
import socket
import ssl
import subprocess
import threading
from types import SimpleNamespace

SECONDS = 30


class LocalServer:
    """build/bin/responsesws-server on a free port; it ends with its standard input."""

    def __init__(self, root, *arguments):
        self._process = subprocess.Popen(
            [root / "build" / "bin" / "responsesws-server", "--port", "0", "--exit-with-stdin",
             *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        timer = threading.Timer(SECONDS, self._process.kill)
        timer.start()
        line = self._process.stdout.readline().decode().strip()
        timer.cancel()
        if not line.startswith("listening on "):
            self.close()
            raise SystemExit(f"error: the local server did not start: {line!r}\n0 passed, 1 failed")
        self.url = line.removeprefix("listening on ")

    @property
    def pid(self):
        return self._process.pid

    def is_running(self):
        return self._process.poll() is None

    def close(self):
        self._process.stdin.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()


class Certificates:
    """Self-signed ones: good for 127.0.0.1 and localhost, elsewhere for another host, expired."""

    def __init__(self, directory):
        here = "IP:127.0.0.1,DNS:localhost"
        self.good = self._make(directory, "good", here)
        self.elsewhere = self._make(directory, "elsewhere", "DNS:elsewhere.test")
        self.expired = self._make(directory, "expired", here)
        # `req` makes no certificate that is over; signing one again does.
        expired = self.expired
        self._openssl("x509", "-in", expired.certificate, "-signkey", expired.key, "-days", "-1",
                      "-out", expired.certificate)

    @classmethod
    def _make(cls, directory, name, names):
        certificate, key = str(directory / f"{name}.pem"), str(directory / f"{name}.key")
        cls._openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                     "-nodes", "-keyout", key, "-out", certificate, "-days", "2",
                     "-subj", "/CN=test", "-addext", f"subjectAltName={names}")
        return SimpleNamespace(certificate=certificate, key=key)

    @staticmethod
    def _openssl(*arguments):
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, timeout=SECONDS)


class RawServer:
    """Accepts connections on a free port and leaves each to `serve(socket)` on a thread."""

    def __init__(self, serve, certificate=None):
        self._serve = serve
        self._context = None
        if certificate:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(certificate.certificate, certificate.key)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._handle, args=(connection,), daemon=True).start()

    def _handle(self, connection):
        connection.settimeout(SECONDS)
        try:
            if self._context:
                connection = self._context.wrap_socket(connection, server_side=True)
            self._serve(connection)
        except OSError:
            pass
        finally:
            connection.close()

    def close(self):
        # Closing alone does not wake a blocked accept.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


# --- what the failing servers do with a connection -----------------------------------------------


def read_head(connection):
    head = b""
    while b"\r\n\r\n" not in head:
        received = connection.recv(4096)
        if not received:
            raise OSError("closed in the head")
        head += received
    return head


def upgrade(connection):
    key = next(line.split(b":", 1)[1].strip() for line in read_head(connection).split(b"\r\n")
               if line.lower().startswith(b"sec-websocket-key:"))
    accept = base64.b64encode(
        hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
    connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                       b"Connection: Upgrade\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n")


def frame(opcode, payload, first_bits=0x80):
    length = bytes([len(payload)]) if len(payload) < 126 else \
        b"\x7e" + len(payload).to_bytes(2, "big")
    return bytes([first_bits | opcode]) + length + payload


def answering(data, read_request=True):
    """After the upgrade and the request: sends data, then waits until the client goes."""
    def serve(connection):
        upgrade(connection)
        if read_request:
            connection.recv(65536)
        connection.sendall(data)
        while connection.recv(65536):
            pass
    return serve


def http(status_line, body, *headers):
    def serve(connection):
        read_head(connection)
        head = [status_line, f"Content-Length: {len(body)}", "Content-Type: application/json",
                "Connection: close", *headers]
        connection.sendall(("HTTP/1.1 " + "\r\n".join(head) + "\r\n\r\n" + body).encode())
    return serve


CREATED = b'{"type":"response.created","sequence_number":0,"response":{"id":"resp_1",' \
          b'"object":"response","status":"in_progress","output":[]}}'


def cut_in_mid_turn(connection):
    upgrade(connection)
    connection.recv(65536)
    # Half of a frame, then the end of the connection without a close frame.
    connection.sendall(frame(1, CREATED) + b"\x81\x7e\x01")


def close_in_mid_turn(connection):
    upgrade(connection)
    connection.recv(65536)
    connection.sendall(frame(1, CREATED) + frame(8, (1011).to_bytes(2, "big") + b"later"))
    connection.recv(65536)


def silent(connection):
    upgrade(connection)
    while connection.recv(65536):
        pass


def error_event(code, message, status):
    return frame(1, f'{{"type":"error","status":{status},"error":{{"type":"invalid_request_error",'
                    f'"code":"{code}","message":"{message}","param":null}}}}'.encode())


class Nobody:
    """A port that refuses connections, held by a socket that does not listen."""

    def __init__(self):
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]

    def close(self):
        self._socket.close()


def failing_servers(certificates):
    """Yields (name, statuses that are right, environment of the program, server)."""
    plain = [
        ("wrong key", ["-402"],
         http("401 Unauthorized", '{"error":{"message":"Incorrect API key provided: '
              'sk-secret-0123456789","code":"invalid_api_key"}}')),
        ("an HTTP answer instead of an upgrade", ["-401"], http("404 Not Found", "{}")),
        ("rate limited at the upgrade", ["-504", "-401"],
         http("429 Too Many Requests", "{}", "Retry-After: 3600")),
        ("no HTTP at all", ["-403"], lambda c: c.sendall(b"220 mail.test ESMTP\r\n\r\n")),
        ("a wrong accept key", ["-403"],
         lambda c: (read_head(c), c.sendall(
             b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
             b"Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n"))),
        ("invalid JSON", ["-406"], answering(frame(1, b"{not json"))),
        ("JSON that is no event", ["-406"], answering(frame(1, b"[1,2]"))),
        ("invalid UTF-8 (RFC 6455 section 8.1)", ["-404"], answering(frame(1, b"\xff\xfe"))),
        ("a reserved bit (RFC 6455 section 5.2)", ["-404"], answering(frame(1, b"{}", 0xC0))),
        ("a reserved opcode (RFC 6455 section 5.2)", ["-404"], answering(frame(3, b"{}"))),
        ("a masked frame from the server (RFC 6455 section 5.1)", ["-404"],
         answering(b"\x81\x82\0\0\0\0{}")),
        ("a fragmented ping (RFC 6455 section 5.5)", ["-404"], answering(frame(9, b"", 0))),
        ("a message over the limit", ["-601"],
         answering(b"\x81\x7f" + (1 << 40).to_bytes(8, "big"))),
        ("a length with its highest bit set (RFC 6455 section 5.2)", ["-404"],
         answering(b"\x81\x7f" + b"\xff" * 8)),
        ("a cut in mid-turn", ["-205"], cut_in_mid_turn),
        ("a close in mid-turn", ["-405"], close_in_mid_turn),
        ("no answer to the request", ["-206"], silent),
        ("an error event", ["-501"],
         answering(error_event("invalid_value", "The value is not supported here", 400))),
        ("a context window that is full", ["-505"],
         answering(error_event("context_length_exceeded", "Your input is too long", 400))),
    ]
    for name, statuses, serve in plain:
        server = RawServer(serve)
        yield name, statuses, {"RWS_TEST_URL": f"ws://127.0.0.1:{server.port}/v1"}, server

    nobody = Nobody()
    yield ("connection refused", ["-202"],
           {"RWS_TEST_URL": f"ws://127.0.0.1:{nobody.port}/v1"}, nobody)
    # RFC 2606: a name that no resolver knows.
    nobody = Nobody()
    yield "an unknown host", ["-201"], {"RWS_TEST_URL": "ws://no-such-host.invalid/v1"}, nobody
    server = RawServer(lambda c: c.recv(1))
    yield ("a server that hangs up during the TLS handshake", ["-203", "-205", "-301"],
           {"RWS_TEST_URL": f"wss://127.0.0.1:{server.port}/v1"}, server)

    for name, status, certificate, trusted in (
        ("an untrusted certificate", "-302", certificates.good, None),
        ("a certificate of another host", "-303", certificates.elsewhere, certificates.elsewhere),
        ("an expired certificate", "-304", certificates.expired, certificates.expired),
    ):
        server = RawServer(silent, certificate)
        env = {"RWS_TEST_URL": f"wss://127.0.0.1:{server.port}/v1"}
        if trusted:
            env["RWS_TEST_CA"] = trusted.certificate
        yield name, [status], env, server
