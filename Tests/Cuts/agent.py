"""One run of a session over three turns, as its caller sees it."""
import responsesws
from judge import ALWAYS, NEVER, SAFE, SeenRun, SeenTurn

SECONDS = 20

POLICIES = {
    NEVER: responsesws.Replay.NEVER, SAFE: responsesws.Replay.SAFE, ALWAYS: responsesws.Replay.ALWAYS,
}
TOOLS = [{
    "type": "function", "name": "step", "strict": False,
    "parameters": {"type": "object", "properties": {"seen": {"type": "integer"}}},
}]

# Metadata, and beginnings of which nothing is there yet.
EMPTY = {
    "response.created", "response.in_progress", "response.output_item.added", "response.content_part.added",
}


def play(url, tag, padding, policy, **options):
    """Every wait is bounded: by the client's limits, and those by the caller's watchdog."""
    options = {"connect_timeout": SECONDS, "turn_timeout": SECONDS, "retry_backoff": 0, **options}
    run = SeenRun(tag, policy)
    with responsesws.Client(
            url, api_key="any", proxy="", transport="websocket", replay=POLICIES[policy], **options) as client:
        session = client.session(model="rules", store=False, tools=TOOLS)
        try:
            calls = take(run, session, f"{tag} TOOL LOOP{padding}").calls
            calls = take(run, session, [call.output({"remaining": 1}) for call in calls]).calls
            # RECALL: the text depends on all that the server holds of the chain.
            question = {"type": "message", "role": "user", "content": "RECALL"}
            last = take(run, session, [*(call.output({"remaining": 1}) for call in calls), question])
            run.text = last.text.replace(tag, "TAG")
        except responsesws.ResponsesWSError as error:
            run.error = type(error).__name__
            run.execution = error.execution.name.lower()
    return run


def take(run, session, input):
    seen = SeenTurn()
    run.turns.append(seen)
    with session.start(input) as turn:
        for event in turn:
            type = event.type
            if type == "rws.replayed":
                seen.replays.append(event.data["execution"])
                seen.output = False
            elif type == "rws.resent":
                seen.resends.append(event.data["execution"])
                seen.output = False
            elif type not in EMPTY:
                seen.output = True
    return turn
