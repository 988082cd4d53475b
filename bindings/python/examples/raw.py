"""A raw connection: the API's events as they come, without sessions and turns.

Uses OPENAI_API_KEY, and OPENAI_BASE_URL unless a URL is given.
"""

import json
import sys

import responsesws

REQUEST = {
    "type": "response.create", "model": "gpt-5.2", "store": False,
    "input": "Say hello to a raw connection.",
}  # fmt: skip

with responsesws.Client(*sys.argv[1:]) as client, client.socket() as socket:
    socket.send(json.dumps(REQUEST))
    for message in socket:
        event = json.loads(message)
        print(event.get("delta", ""), end="", flush=True)
        if event["type"] in ("response.completed", "response.failed", "response.incomplete", "error"):
            break
print()
