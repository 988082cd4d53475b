"""permessage-deflate (RFC 7692) with a server whose protocol code is not ours."""

import os

import pytest
from peer import echo
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory

AGREEMENTS = [
    {},
    {"server_max_window_bits": 12, "client_max_window_bits": 12},
    {"server_max_window_bits": 9, "client_max_window_bits": 15},
    {"server_max_window_bits": 15, "client_max_window_bits": 9},
    {"server_max_window_bits": 9, "client_max_window_bits": 8},
    {"server_no_context_takeover": True},
    {"client_no_context_takeover": True},
    {"server_no_context_takeover": True, "client_no_context_takeover": True,
     "server_max_window_bits": 10, "client_max_window_bits": 11},
]


def texts():
    """Of many sizes, small and repetitive, long and noisy, some beyond ASCII."""
    yield "x"
    yield "na " * 2000 + "batman"
    yield os.urandom(30_000).hex()
    yield "grüße – 😀 " * 700
    yield "na " * 2000 + "batman"


@pytest.mark.parametrize("agreement", AGREEMENTS, ids=str)
def test_turns_under_every_agreement(serve, connect, agreement):
    peer = serve(echo, extensions=[ServerPerMessageDeflateFactory(**agreement)])
    # Every request begins with them, as the one before it did.
    instructions = os.urandom(3_000).hex()
    session = connect(peer).session(model="m", instructions=instructions)
    for text in texts():
        assert session.run(text).text == "echo: " + text
        assert peer.sent()["instructions"] == instructions
    answer = peer.connections[0].connection.response.headers["Sec-WebSocket-Extensions"]
    for name, value in agreement.items():
        assert (name if value is True else f"{name}={value}") in answer


def test_a_server_without_the_extension_is_served_plain(serve, connect):
    peer = serve(echo)
    assert connect(peer).session(model="m").run("plain").text == "echo: plain"
    assert "Sec-WebSocket-Extensions" not in peer.connections[0].connection.response.headers


def test_compression_can_be_turned_off_and_its_threshold_set(serve, connect):
    peer = serve(echo, extensions=[ServerPerMessageDeflateFactory()])
    off = connect(peer, compression=False, compression_threshold=1)
    assert off.session(model="m").run("plain").text == "echo: plain"
    request = peer.connections[0].connection.request
    assert "Sec-WebSocket-Extensions" not in request.headers
    low = connect(peer, compression_threshold=1)
    assert low.session(model="m").run("small").text == "echo: small"
    offer = peer.connections[1].connection.request.headers["Sec-WebSocket-Extensions"]
    assert offer == "permessage-deflate; client_max_window_bits"
