"""What all Python clients of the benchmark share; as client.h for those in C.

    CLIENT.py URL MODEL TURNS [CA_FILE]

The first turn warms up (connects, too) and is not measured."""
import json
import sys
import time
import zlib


class Bench:
    def __init__(self, arguments=None):
        self.url, self.model, turns, *rest = arguments or sys.argv[1:]
        self.ca_file = rest[0] if rest else None
        self.turns = int(turns) + 1
        self.events = 0
        self._latencies, self._texts = [], []

    def each_turn(self):
        """Yields once for each turn, which must call end() with its text."""
        for turn in range(self.turns):
            if turn == 1:
                self._events = self.events
                self._cpu, self._wall = time.process_time_ns(), time.perf_counter_ns()
            self._started = time.perf_counter_ns()
            yield turn
        self._cpu = time.process_time_ns() - self._cpu
        self._wall = time.perf_counter_ns() - self._wall
        self._events = self.events - self._events

    def end(self, text):
        self._latencies.append(time.perf_counter_ns() - self._started)
        self._texts.append(text)

    def report(self):
        crcs = {zlib.crc32(text.encode()) for text in self._texts}
        if len(crcs) != 1:
            sys.exit("error: the texts of two turns differ")
        latencies = sorted(self._latencies[1:])
        count = len(latencies)
        print(json.dumps({
            "crc": f"{crcs.pop():08x}", "turns": count, "events": self._events, "cpu_ns": self._cpu,
            "wall_ns": self._wall, "p50_ns": latencies[count // 2],
            "p99_ns": latencies[count * 99 // 100]}))

    def request(self, previous):
        """The request of the clients that keep the chain themselves."""
        body = {
            "type": "response.create", "model": self.model, "store": False,
            "input": [{"type": "message", "role": "user",
                       "content": [{"type": "input_text", "text": "Go on."}]}]}
        if previous:
            body["previous_response_id"] = previous
        return body

    def tls(self):
        if not self.ca_file:
            return None
        import ssl
        return ssl.create_default_context(cafile=self.ca_file)
