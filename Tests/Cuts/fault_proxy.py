"""A TCP proxy that fails where it is told to: cuts a connection after n bytes of a direction, stalls it, drips it
byte by byte, lets it fall silent, delays it. What it passes on it passes on once, in order and unchanged.

One thread serves all passages. A passage is a port of its own with a fault of its own, so that a connection that
comes late from an earlier use meets nobody else's fault."""
import itertools
import selectors
import socket
import struct
import threading
import time
from collections import deque
from dataclasses import dataclass

UP, DOWN = "up", "down"
FIN, RESET, STALL, BLACKHOLE, DRIP = "fin", "reset", "stall", "blackhole", "drip"

CHUNK = 65536
# Abortive: the peer gets a reset, whatever was not sent yet is dropped.
LINGER_NONE = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Fault:
    """Meets a connection once `at` bytes of `direction` were passed on."""

    kind: str
    direction: str = DOWN
    at: int = 0
    seconds: float = 0.0
    """Of a stall."""


class FaultProxy:
    def __init__(self, target_port):
        self.target = ("127.0.0.1", target_port)
        # Ports rest for a minute after their use: with one address they would run out in a fast row of connections.
        self.sources = itertools.cycle(f"127.0.0.{last}" for last in range(2, 250))
        self.selector = selectors.DefaultSelector()
        self._requests = deque()
        self._alarm, self._bell = socket.socketpair()
        for end in (self._alarm, self._bell):
            end.setblocking(False)
        self.selector.register(self._alarm, selectors.EVENT_READ, self._answer_bell)
        self.links = set()
        self._is_closed = False
        self.failure = None
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def passage(self, faults=(), delay=0.0):
        """A new port; its first connection meets the first fault, and so on. `delay` is what each direction takes,
        in seconds."""
        passage = Passage(self, faults, delay)
        self.call(passage.begin)
        return passage

    def call(self, work):
        """Runs `work` on the proxy's thread, soon."""
        self._requests.append(work)
        try:
            self._bell.send(b"!")
        except BlockingIOError:
            pass

    def close(self):
        self.call(self._end)
        self._thread.join(10)
        for end in (self._alarm, self._bell):
            end.close()
        self.selector.close()
        if self.failure is not None:
            raise self.failure

    def _end(self):
        self._is_closed = True
        for link in list(self.links):
            link.drop()

    def _answer_bell(self, _):
        try:
            self._alarm.recv(CHUNK)
        except BlockingIOError:
            pass
        while self._requests:
            self._requests.popleft()()

    def _serve(self):
        try:
            while not self._is_closed:
                for key, mask in self.selector.select(self._patience()):
                    key.data(mask)
                for link in list(self.links):
                    link.turn(time.monotonic())
        except BaseException as error:
            self.failure = error

    def _patience(self):
        due = min((link.next_due() for link in self.links), default=None)
        if due is None or due == float("inf"):
            return None
        return max(0.0, due - time.monotonic())


class Passage:
    def __init__(self, proxy, faults, delay):
        self.proxy, self.faults, self.delay = proxy, deque(faults), delay
        self.links = []
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.listener.setblocking(False)
        self.port = self.listener.getsockname()[1]

    @property
    def struck(self):
        """How many faults happened."""
        return sum(link.is_struck for link in self.links)

    @property
    def passed(self):
        """The bytes of each connection so far."""
        return [{UP: link.up.passed, DOWN: link.down.passed} for link in self.links]

    def begin(self):
        self.proxy.selector.register(self.listener, selectors.EVENT_READ, self._accept)

    def close(self):
        self.proxy.call(self._end)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _accept(self, _):
        try:
            client, _ = self.listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        # On loopback this is done at once, or refused.
        try:
            server = socket.create_connection(
                self.proxy.target, 10, source_address=(next(self.proxy.sources), 0))
        except OSError:
            client.close()
            return
        link = Link(self, client, server, self.faults.popleft() if self.faults else None)
        self.links.append(link)
        self.proxy.links.add(link)
        link.start()

    def _end(self):
        self.proxy.selector.unregister(self.listener)
        self.listener.close()
        for link in self.links:
            link.drop()


class Lane:
    """One direction of a link: what was read and is not passed on yet."""

    def __init__(self, name, source, sink):
        self.name, self.source, self.sink = name, source, sink
        self.pieces = deque()
        self.passed = 0
        self.has_ended = False
        self.has_told_end = False

    def head_due(self):
        if self.pieces:
            return self.pieces[0][0]
        return float("inf")


class Link:
    def __init__(self, passage, client, server, fault):
        self.passage, self.fault = passage, fault
        self.client, self.server = client, server
        self.up = Lane(UP, client, server)
        self.down = Lane(DOWN, server, client)
        self.held_until = 0.0
        self.is_struck = False
        self.is_discarding = False
        self.is_blocked = False
        self.is_gone = False
        self.open = {client, server}

    def start(self):
        for lane in (self.up, self.down):
            lane.source.setblocking(False)
            lane.source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._selector.register(
                lane.source, selectors.EVENT_READ, lambda _, lane=lane: self._read(lane))
        self.turn(time.monotonic())

    @property
    def _selector(self):
        return self.passage.proxy.selector

    def next_due(self):
        due = min(self.up.head_due(), self.down.head_due())
        if self.is_blocked:
            # The sink is full: look again soon. Tests send little, so this is rare.
            return max(due, time.monotonic() + 0.001)
        return max(due, self.held_until) if due != float("inf") else due

    def turn(self, now):
        """Passes on what is due."""
        self.is_blocked = False
        for lane in (self.up, self.down):
            if not self.is_gone and not self.is_discarding:
                self._strike_if_due(lane, now)
            if not self.is_gone and not self.is_discarding and now >= self.held_until:
                self._pass_on(lane, now)

    def _read(self, lane):
        try:
            data = lane.source.recv(CHUNK)
        except BlockingIOError:
            return
        except OSError:
            return self.drop()
        if data:
            if not self.is_discarding:
                lane.pieces.append((time.monotonic() + self.passage.delay, memoryview(data)))
            return
        lane.has_ended = True
        self._selector.unregister(lane.source)
        if self.is_discarding:
            self.open.discard(lane.source)
            lane.source.close()
            if not self.open or self.fault.kind == BLACKHOLE:
                self.drop()
        elif not lane.pieces:
            self._tell_end(lane)

    def _pass_on(self, lane, now):
        while lane.pieces and lane.pieces[0][0] <= now:
            due, data = lane.pieces[0]
            count = len(data)
            if self._is_due_in(lane):
                count = min(count, self.fault.at - lane.passed)
            if self.fault and self.fault.kind == DRIP:
                count = 1
            try:
                sent = lane.sink.send(data[:count])
            except BlockingIOError:
                self.is_blocked = True
                return
            except OSError:
                return self.drop()
            lane.passed += sent
            if sent == len(data):
                lane.pieces.popleft()
            else:
                lane.pieces[0] = (due, data[sent:])
            self._strike_if_due(lane, now)
            if self.is_gone or self.is_discarding or now < self.held_until:
                return
            if self.fault and self.fault.kind == DRIP:
                break
        if lane.has_ended and not lane.pieces:
            self._tell_end(lane)

    def _tell_end(self, lane):
        if lane.has_told_end:
            return
        lane.has_told_end = True
        if self.up.has_told_end and self.down.has_told_end:
            return self.drop(gently=True)
        try:
            lane.sink.shutdown(socket.SHUT_WR)
        except OSError:
            self.drop()

    def _is_due_in(self, lane):
        fault = self.fault
        return (fault is not None and fault.kind != DRIP and not self.is_struck
                and fault.direction == lane.name)

    def _strike_if_due(self, lane, now):
        if not self._is_due_in(lane) or lane.passed < self.fault.at:
            return
        self.is_struck = True
        if self.fault.kind == RESET:
            self.drop()
        elif self.fault.kind == STALL:
            self.held_until = now + self.fault.seconds
        else:
            self._fall_silent()

    def _fall_silent(self):
        """What comes is read and thrown away: closing with unread bytes would be a reset."""
        self.is_discarding = True
        for lane in (self.up, self.down):
            lane.pieces.clear()
            if self.fault.kind == FIN:
                try:
                    lane.sink.shutdown(socket.SHUT_WR)
                except OSError:
                    return self.drop()

    def drop(self, gently=False):
        """Both sides at once; unless gently, by a reset."""
        if self.is_gone:
            return
        self.is_gone = True
        for lane in (self.up, self.down):
            try:
                self._selector.unregister(lane.source)
            except (KeyError, ValueError):
                pass
            if not gently:
                try:
                    lane.source.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NONE)
                except OSError:
                    pass
            lane.source.close()
        self.passage.proxy.links.discard(self)
