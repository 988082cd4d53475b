"""Proxies for the tests: HTTP CONNECT (over TLS or not) and SOCKS5, as real relays over sockets.

None of this is shared with the library. A proxy knows what it was asked, where it went and how many
bytes it passed on; a `fault` makes it fail the way that real ones do.
"""

import base64
import socket
import ssl
import struct
import threading
from urllib.parse import quote

from peer import SECONDS

USER, PASSWORD = "us er", "s3cret:p@ss/word"

FAULTS = ["refuses", "silent", "drops", "drops in its answer", "garbage", "unreachable"]


class Refused(Exception):
    """The proxy says no: an HTTP status, or a SOCKS5 code."""


class Proxy:
    """Listens on 127.0.0.1. `asked` are the targets as the client named them: (host, port), the host a
    str for a name, bytes for a SOCKS5 address. `dialled` are those that it connected to."""

    def __init__(self, kind, *, credentials=None, tls=None, fault=None, names=None):
        self.kind = kind
        self.credentials = credentials
        self.fault = fault
        self.names = {"127.0.0.1": "127.0.0.1", "localhost": "127.0.0.1", "::1": "127.0.0.1"}
        self.names.update(names or {})
        self.heads, self.asked, self.dialled, self.failures = [], [], [], []
        self.up = self.down = self.accepted = 0
        self._tls = None
        if tls is not None:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(tls.certificate, tls.key)
        self._open = []
        self._threads = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._start(self._serve)

    def url(self, credentials=None):
        host = "localhost" if self.kind == "https" else "127.0.0.1"
        at = ":".join(quote(word, safe="") for word in credentials) + "@" if credentials else ""
        return f"{self.kind}://{at}{host}:{self.port}"

    def close(self):
        for one in [self._listener, *self._open]:
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            one.close()
        for thread in self._threads:
            thread.join(SECONDS)
            assert not thread.is_alive()

    # ---------------------------------------------------------------- connections

    def _start(self, function, *arguments):
        thread = threading.Thread(target=function, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _serve(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            self._open.append(client)
            self._start(self._handle, client)

    def _handle(self, client):
        try:
            if self._tls is not None:
                client = self._tls.wrap_socket(client, server_side=True)
                self._open.append(client)
            self._tunnel(client)
        except (OSError, EOFError):
            pass
        except BaseException as error:
            self.failures.append(error)
            raise
        finally:
            client.close()

    def _tunnel(self, client):
        if self.fault == "garbage":
            client.sendall(b"220 mail.example ESMTP\r\n")
            return self._linger(client)
        talk = self._http if self.kind in ("http", "https") else self._socks
        talk(client)

    def _connect(self, host, port):
        """A socket to the target, or Refused."""
        address = self.names.get(host if isinstance(host, str) else _text(host))
        if self.fault == "unreachable" or address is None:
            raise Refused(502, 4)
        try:
            target = socket.create_connection((address, port), SECONDS)
        except OSError:
            raise Refused(502, 5) from None
        target.settimeout(None)
        self.dialled.append((address, port))
        self._open.append(target)
        return target

    def _relay(self, client, target):
        def up():
            try:
                while data := client.recv(65536):
                    self.up += len(data)
                    target.sendall(data)
                target.shutdown(socket.SHUT_WR)
            except OSError:
                pass

        self._start(up)
        while data := target.recv(65536):
            self.down += len(data)
            client.sendall(data)
        target.close()

    @staticmethod
    def _linger(client):
        """Until the client leaves: closing with unread bytes would take back what was written."""
        while client.recv(65536):
            pass

    # ----------------------------------------------------------------------- HTTP

    def _http(self, client):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += _exactly(client, 1)
        self.heads.append(head)
        line, *lines = head.decode("latin-1").split("\r\n")
        method, authority, version = line.split(" ")
        assert (method, version) == ("CONNECT", "HTTP/1.1")
        fields = {name.lower(): value for name, _, value in (l.partition(": ") for l in lines if l)}
        assert fields["host"] == authority
        host, _, port = authority.rpartition(":")
        self.asked.append((host.strip("[]"), int(port)))
        if self.fault == "silent":
            return self._linger(client)
        if self.fault == "drops":
            return
        if self.fault == "drops in its answer":
            return client.sendall(b"HTTP/1.1 200 Connec")
        given = fields.get("proxy-authorization", "")
        try:
            if self.credentials and given != "Basic " + _base64(":".join(self.credentials)):
                raise Refused(407, None)
            if self.fault == "refuses":
                raise Refused(403, None)
            target = self._connect(*self.asked[-1])
        except Refused as refused:
            status = refused.args[0]
            # As careless proxies do, the page repeats the request.
            password = base64.b64decode(given.partition(" ")[2])
            page = b"<pre>" + head + password + b"</pre>"
            challenge = b'Proxy-Authenticate: Basic realm="p"\r\n' if status == 407 else b""
            client.sendall(
                b"HTTP/1.1 %d No\r\n%sContent-Length: %d\r\n\r\n%s"
                % (status, challenge, len(page), page)
            )
            return self._linger(client)
        client.sendall(b"HTTP/1.1 200 Connection established\r\nX-Proxy: test\r\n\r\n")
        self._relay(client, target)

    # --------------------------------------------------------------------- SOCKS5

    def _socks(self, client):
        version, count = _exactly(client, 2)
        assert version == 5
        methods = _exactly(client, count)
        self.heads.append(bytes([version, count]) + methods)
        if self.fault == "silent":
            return self._linger(client)
        if self.fault == "drops":
            return
        wanted = 2 if self.credentials else 0
        if wanted not in methods:
            client.sendall(b"\x05\xff")
            return self._linger(client)
        client.sendall(bytes([5, wanted]))
        if self.credentials:
            assert _exactly(client, 1) == b"\x01"
            given = tuple(_exactly(client, _exactly(client, 1)[0]).decode() for _ in range(2))
            client.sendall(b"\x01" + (b"\x00" if given == self.credentials else b"\x01"))
            if given != self.credentials:
                return
        assert _exactly(client, 3) == b"\x05\x01\x00"
        (form,) = _exactly(client, 1)
        if form == 3:
            host = _exactly(client, _exactly(client, 1)[0]).decode()
        else:
            host = _exactly(client, {1: 4, 4: 16}[form])
        (port,) = struct.unpack(">H", _exactly(client, 2))
        self.asked.append((host, port))
        if self.fault == "drops in its answer":
            return client.sendall(b"\x05\x00\x00")
        try:
            if self.fault == "refuses":
                raise Refused(None, 2)
            target = self._connect(host, port)
        except Refused as refused:
            client.sendall(bytes([5, refused.args[1], 0, 1]) + bytes(6))
            return self._linger(client)
        client.sendall(b"\x05\x00\x00\x01" + bytes(6))
        self._relay(client, target)


def _exactly(connection, count):
    data = b""
    while len(data) < count:
        part = connection.recv(count - len(data))
        if not part:
            raise EOFError
        data += part
    return data


def _text(address):
    return socket.inet_ntop(socket.AF_INET if len(address) == 4 else socket.AF_INET6, address)


def _base64(text):
    return base64.b64encode(text.encode()).decode()
