import RWSJSON
import RWSProtocol
import RWSTokens

/// One session of a machine whose server answers at once with what it is told: nothing but the machine's own work takes
/// time, and the caller's of writing histories, which is not measured.
final class Conversation {
  let machine: ClientMachine
  let session = SessionID(1)
  private let settings: Settings
  private let tokens: ItemCounter
  private var connection: Connection?
  private var turnCount: UInt64 = 0
  private(set) var sentBytes = 0
  private(set) var lastStats = TurnStats()

  init(isStored: Bool = false) throws {
    machine = ClientMachine(seed: 0)
    tokens = ItemCounter(nil)
    settings = try Settings(
      json: Array(#"{"model":"m","store":\#(isStored),"instructions":"Be brief."}"#.utf8))
    machine.open(
      session, settings: settings, route: RouteID(1), dialect: Dialect(host: "localhost", path: "/"),
      now: Instant(nanoseconds: 0))
  }

  /// What a caller's call does: checks the input, measures it, has it planned. Returns when the request is made.
  func start(append input: [UInt8]) throws {
    try start(.new(TurnInput(json: input)))
  }

  func start(history: UnsafeRawBufferPointer) throws {
    try start(.whole(WholeHistory(history, against: machine.history(session))))
  }

  private func start(_ content: TurnRequest.Content) throws {
    turnCount += 1
    let measure = content.input.lasting.joined.withUnsafeBytes { tokens.measure(items: $0) }
    machine.start(
      TurnRequest(id: TurnID(turnCount), content: content, settings: settings, measure: measure),
      in: session, now: Instant(nanoseconds: Int64(turnCount)))
    perform()
  }

  /// The response, with these events.
  func receive(_ events: [[UInt8]]) {
    guard let connection else { return }
    for event in events {
      event.withUnsafeBytes {
        machine.receive(connection, text: $0, now: Instant(nanoseconds: Int64(turnCount)))
      }
    }
    machine.finishedRead(connection, now: Instant(nanoseconds: Int64(turnCount)))
    perform()
  }

  /// What the server sends for a response of these items.
  func response(_ items: [[UInt8]]) -> [[UInt8]] {
    let id = "resp_\(turnCount)"
    let done = items.enumerated().map { index, item in
      Array(#"{"type":"response.output_item.done","output_index":\#(index),"item":"#.utf8) + item
        + [UInt8(ascii: "}")]
    }
    let usage = #"{"input_tokens":\#(turnCount * 600),"output_tokens":60}"#
    let created = Array(#"{"type":"response.created","response":{"id":"\#(id)"}}"#.utf8)
    let completed = Array(
      #"{"type":"response.completed","response":{"id":"\#(id)","status":"completed","usage":\#(usage)}}"#
        .utf8)
    return [created] + done + [completed]
  }

  private func perform() {
    while true {
      let actions = machine.takeActions()
      if actions.isEmpty { return }
      for action in actions {
        switch action {
        case .connect(let new):
          connection = new
          machine.opened(new, now: Instant(nanoseconds: Int64(turnCount)))
        case .send(_, let body, let turn):
          sentBytes = body.count
          machine.flushed(turn, now: Instant(nanoseconds: Int64(turnCount)))
        case .end(_, let end): lastStats = end.stats
        default: break
        }
      }
    }
  }
}

/// Items of an agent's loop, as JSON.
enum Item {
  static func user(_ text: String) -> [UInt8] {
    Array(#"{"type":"message","role":"user","content":"\#(text)"}"#.utf8)
  }

  static func output(_ number: Int, bytes: Int) -> [UInt8] {
    let line = "line of \(number): let value = compute(x, y) else { return }; "
    let text = String(repeating: line, count: bytes / line.utf8.count + 1).prefix(bytes)
    return Array(
      #"{"type":"function_call_output","call_id":"call_\#(number)","output":"\#(text)"}"#.utf8)
  }

  static func call(_ number: Int) -> [UInt8] {
    Array(
      #"{"type":"function_call","id":"fc_\#(number)","call_id":"call_\#(number)","name":"read","arguments":"{\"path\":\"Sources/file\#(number).swift\"}","status":"completed"}"#
        .utf8)
  }

  static func reasoning(_ number: Int) -> [UInt8] {
    Array(#"{"id":"rs_0123456789abcdef0123456789abcdef\#(number)","type":"reasoning","summary":[]}"#.utf8)
  }

  static func message(_ number: Int, bytes: Int) -> [UInt8] {
    let text = String(repeating: "Yes, that is so. ", count: bytes / 17)
    return Array(
      #"{"id":"msg_0123456789abcdef0123456789abcdef\#(number)","type":"message","status":"completed","content":[{"type":"output_text","annotations":[],"logprobs":[],"text":"\#(text)"}],"role":"assistant"}"#
        .utf8)
  }

  /// As another program's JSON library might write it back.
  static func rewrittenCall(_ number: Int) -> [UInt8] {
    Array(
      #"{"arguments": "{\"path\":\"Sources/file\#(number).swift\"}", "call_id": "call_\#(number)", "name": "read", "type": "function_call", "id": "fc_\#(number)"}"#
        .utf8)
  }
}
