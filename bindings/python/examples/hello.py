"""Streams one answer. Run `build/bin/responsesws-server` and pass its URL, or set OPENAI_API_KEY."""

import sys

from responsesws import Client

with Client(sys.argv[1] if len(sys.argv) > 1 else None) as client:
    session = client.session(model="gpt-5.2", instructions="Be brief.")
    for delta in session.start("Say hello to the world.").text_deltas():
        print(delta, end="", flush=True)
    print()
