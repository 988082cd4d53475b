import ResponsesWS

let client = try Client()  // OPENAI_API_KEY, OPENAI_BASE_URL
let session = try client.session(settings: #"{"model": "gpt-5.2", "store": false}"#)
for try await event in try session.start("Say hello.") {
  print(event.delta, terminator: "")
}
let turn = try session.start("Now say goodbye.")
try turn.wait()
print("\n\(turn.text)")
