"""The floor under every client's own time: a blocking socket that moves bytes made ready before the clock begins.

No library could be less. It compresses and checks nothing, answers no ping, masks with zeros, reads no JSON, and knows
an event by the bytes it begins with: what is left is the kernel, the way over the loopback, and Python's `socket`."""
import json
import socket
import struct
from urllib.parse import urlsplit

LAST = b'"response.completed"'
# The type comes first in each of the local server's events.
TYPE_BYTES = 64


def converse(loop, frames):
    """The agent's loop; returns its last answer."""
    while True:
        loop.begin_turn()
        frames.send()
        event = frames.receive()
        loop.saw_event()
        while LAST not in event[:TYPE_BYTES]:
            event = frames.receive()
        loop.end_turn()
        call = value_of(b'"call_id":"', event)
        if not call:
            frames.connection.close()
            return "LOOP DONE" if b"LOOP DONE" in event else ""
        frames.make_ready(
            [{"type": "function_call_output", "call_id": call, "output": loop.output()}],
            previous_response_id=value_of(b'"id":"', event))


def value_of(name, event):
    begin = event.find(name)
    return event[begin + len(name):event.index(b'"', begin + len(name))].decode() if begin >= 0 else ""


class Frames:
    def __init__(self, spec):
        self.url = urlsplit(spec["url"])
        self.connection = None
        self.received = b""
        self.common = {"type": "response.create", "model": "rules", "store": False,
                       "instructions": spec["instructions"], "tools": [spec["tool"]]}
        self.make_ready([{"role": "user", "content": spec["prompt"]}])

    def make_ready(self, input, **continued):
        body = json.dumps({**self.common, "input": input, **continued}, separators=(",", ":")).encode()
        length = (bytes([0x80 | len(body)]) if len(body) < 126
                  else b"\xfe" + struct.pack(">H", len(body)) if len(body) < 65536
                  else b"\xff" + struct.pack(">Q", len(body)))
        self.ready = b"\x81" + length + bytes(4) + body

    def send(self):
        if self.connection is None:
            self.connect()
        self.connection.sendall(self.ready)

    def connect(self):
        self.connection = socket.create_connection((self.url.hostname, self.url.port))
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.connection.sendall(
            f"GET {self.url.path}/responses HTTP/1.1\r\nHost: {self.url.netloc}\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
            "Authorization: Bearer none\r\n\r\n".encode())
        head = b""
        while b"\r\n\r\n" not in head:
            head += self.more()
        if not head.startswith(b"HTTP/1.1 101"):
            raise RuntimeError(head.split(b"\r\n")[0].decode())
        self.received = head.split(b"\r\n\r\n", 1)[1]

    def more(self):
        read = self.connection.recv(1 << 18)
        if not read:
            raise RuntimeError("the server has closed the connection")
        return read

    def receive(self):
        """The next message; the local server sends each in one frame."""
        while True:
            size = self.size_of_next()
            if size is not None and len(self.received) >= size[0] + size[1]:
                begin, length = size
                opcode, event = self.received[0] & 15, self.received[begin:begin + length]
                self.received = self.received[begin + length:]
                if opcode == 1:
                    return event
                if opcode == 8:
                    raise RuntimeError(f"closed: {event!r}")
                continue
            self.received += self.more()

    def size_of_next(self):
        """(bytes of the header, bytes of the payload); None: not all of the header is here."""
        if len(self.received) < 10:
            # Every event is longer than this.
            return None
        length = self.received[1]
        if length < 126:
            return 2, length
        if length == 126:
            return 4, struct.unpack_from(">H", self.received, 2)[0]
        return 10, struct.unpack_from(">Q", self.received, 2)[0]
