import RWSJSON
import RWSProtocol
import Testing

@Suite struct EventScannerTests {
  @Test("every member that the library reads is found, wherever it stands")
  func members() throws {
    let text = #"""
      {"sequence_number":7,"delta":"a\nb","output_index":2,"item_id":"msg_1","stream_id":"lane",
       "item":{"type":"message"},"response":{"id":"r"},"headers":{"x":1},"type":"response.output_text.delta"}
      """#
    try scan(text) { event, bytes in
      #expect(event.kind == .outputTextDelta)
      #expect(event.type.string(in: bytes) == "response.output_text.delta")
      #expect(event.sequenceNumber == 7)
      #expect(event.outputIndex == 2)
      #expect(event.delta.hasEscapes)
      #expect(event.delta.decoded(in: bytes) == Array("a\nb".utf8))
      #expect(event.itemID.string(in: bytes) == "msg_1")
      #expect(!event.itemID.hasEscapes)
      #expect(event.streamID.string(in: bytes) == "lane")
      #expect(string(event.item.bytes(in: bytes)) == #"{"type":"message"}"#)
      #expect(string(event.response.bytes(in: bytes)) == #"{"id":"r"}"#)
      #expect(string(event.headers.bytes(in: bytes)) == #"{"x":1}"#)
      #expect(!event.error.isPresent)
    }
  }

  @Test("a type inside a nested value means nothing")
  func nestedType() throws {
    let text = #"{"part":{"type":"response.completed"},"item":{"type":"error"},"list":[{"type":"error"}]}"#
    try scan(text) { event, _ in
      #expect(event.kind == .other)
      #expect(!event.type.isPresent)
    }
  }

  @Test("of duplicate keys the last counts, keys being compared unescaped, also when it is null")
  func duplicates() throws {
    try scan(#"{"type":"error","delta":"1","d\u0065lta":"2","t\u0079pe":"response.failed"}"#) {
      event, bytes in
      #expect(event.kind == .responseFailed)
      #expect(event.delta.string(in: bytes) == "2")
    }
    try scan(#"{"delta":"1","delta":null,"sequence_number":1,"sequence_number":"2"}"#) { event, _ in
      #expect(!event.delta.isPresent)
      #expect(event.sequenceNumber == -1)
    }
  }

  @Test("a null or wrongly typed member counts as absent")
  func wrongTypes() throws {
    let text = #"""
      {"type":1,"delta":{},"stream_id":[],"item_id":true,"item":"x","response":[1],"error":null,
       "headers":"h","sequence_number":1.0,"output_index":-3,"status":"400","code":null,"message":0,"param":{}}
      """#
    try scan(text) { event, _ in
      for field in [
        event.type, event.delta, event.streamID, event.itemID, event.code, event.message, event.param,
      ] { #expect(!field.isPresent) }
      for span in [event.item, event.response, event.error, event.headers] {
        #expect(!span.isPresent)
      }
      #expect(event.kind == .other)
      #expect(event.sequenceNumber == -1)
      #expect(event.outputIndex == -1)
      #expect(event.status == 0)
    }
  }

  @Test("an empty string is present")
  func emptyStrings() throws {
    try scan(#"{"delta":"","type":""}"#) { event, bytes in
      #expect(event.delta.isPresent)
      #expect(event.delta.decoded(in: bytes).isEmpty)
      #expect(event.type.isPresent)
      #expect(event.kind == .other)
    }
    try scan("{}") { event, _ in #expect(event.kind == .other) }
  }

  @Test("an error frame without a type is an error event, whether its error is an object or a text")
  func untypedErrors() throws {
    try scan(#"{"error":{"code":"x"}}"#) { event, _ in #expect(event.kind == .error) }
    try scan(#"{"error":"no"}"#) { event, _ in #expect(event.kind == .error) }
    try scan(#"{"error":null}"#) { event, _ in #expect(event.kind == .other) }
    try scan(#"{"type":"keepalive","error":{}}"#) { event, _ in #expect(event.kind == .other) }
  }

  @Test(
    "response.done is the terminal event that its response's status names",
    arguments: [
      (#"{"status":"completed"}"#, .responseCompleted), ("{}", .responseCompleted),
      (#"{"status":"failed"}"#, .responseFailed), (#"{"status":"cancelled"}"#, .responseFailed),
      (#"{"status":"incomplete"}"#, .responseIncomplete), ("null", .responseCompleted),
    ] as [(String, EventKind)])
  func responseDone(_ response: String, _ kind: EventKind) throws {
    try scan(#"{"type":"response.done","response":\#(response)}"#) { event, _ in
      #expect(event.kind == kind)
      #expect(event.kind.isTerminal)
    }
  }

  @Test("status is the HTTP status, spelt either way; the plain spelling counts first")
  func status() throws {
    try scan(#"{"status_code":429}"#) { event, _ in #expect(event.status == 429) }
    try scan(#"{"status":400,"status_code":429}"#) { event, _ in #expect(event.status == 400) }
    try scan(#"{"status_code":429,"status":400}"#) { event, _ in #expect(event.status == 400) }
    try scan(#"{"status":99999999999}"#) { event, _ in #expect(event.status == 0) }
  }

  @Test("what is no JSON object is a typed error")
  func refused() {
    #expect(throws: EventError.notAnObject) { try scan("[]") }
    #expect(throws: EventError.notAnObject) { try scan("\"x\"") }
    #expect(throws: EventError.malformed(JSONError(.unexpectedEnd, at: 0))) { try scan("") }
    #expect(throws: EventError.malformed(JSONError(.trailingBytes, at: 3))) { try scan("{} x") }
    #expect(throws: EventError.malformed(JSONError(.invalidNumber, at: 12))) {
      try scan(#"{"a":[{"b":01}]}"#)
    }
    #expect(throws: EventError.malformed(JSONError(.unexpectedByte, at: 0))) { try scan("oops") }
  }

  @Test("the event itself counts towards the depth limit")
  func depth() throws {
    func nested(_ depth: Int) -> String {
      "{\"x\":" + String(repeating: "[", count: depth) + String(repeating: "]", count: depth) + "}"
    }
    try scan(nested(511)) { _, _ in }
    #expect(throws: EventError.malformed(JSONError(.tooDeep, at: 516))) { try scan(nested(512)) }
  }

  @Test("an event cut at any byte is a typed error", arguments: samples)
  func cut(_ text: String) throws {
    try scan(text) { _, _ in }
    let bytes = Array(text.utf8)
    for end in bytes.indices {
      // A copy of just that size, so that a sanitizer sees a read beyond it.
      let cut = Array(bytes[..<end])
      #expect(throws: EventError.self) { try scan(cut) }
    }
  }

  @Test("the readers bear any bytes: cut, shifted and broken events", arguments: samples)
  func readersBearAnything(_ text: String) {
    let bytes = Array(text.utf8)
    for start in bytes.indices {
      for end in [bytes.count, (start + bytes.count) / 2, start] {
        var part = Array(bytes[start..<end])
        if !part.isEmpty { part[part.count / 2] ^= 0x80 }
        part.withUnsafeBytes { part in
          _ = ResponseFields(part)
          _ = ItemFields(part)
          _ = Usage(part)
          if let event = try? EventScanner.scan(part) { _ = APIErrorFields(event, in: part) }
        }
      }
    }
  }

  @Test("spans of another text are empty, not read")
  func foreignText() throws {
    try scan(#"{"type":"error","delta":"abc","item":{}}"#) { event, _ in
      Array("{}".utf8).withUnsafeBytes { other in
        #expect(event.delta.decoded(in: other).isEmpty)
        #expect(event.delta.string(in: other) == "")
        #expect(event.item.bytes(in: other).isEmpty)
      }
    }
  }
}

let samples = [
  #"{"type":"response.output_text.delta","delta":"a\u00e9\ud83d\ude00 ü€😀\n","sequence_number":12}"#,
  #"{"type":"response.output_item.done","output_index":0,"item":{"id":"fc_1","type":"function_call","call_id":"c","name":"f","arguments":"{\"a\":1.0}","status":"completed"}}"#,
  #"{"type":"response.completed","response":{"id":"resp_1","status":"completed","usage":{"input_tokens":1,"input_tokens_details":{"cached_tokens":2}}}}"#,
  #" {"type":"error","status":429,"error":{"code":"rate_limit_exceeded","headers":{"retry-after":"1.5"}},"headers":{"x-request-id":"q"}}"#,
  #"{"error":"no","x":[true,false,null,-1.5e+7,[],{}]}"#,
]

func scan(
  _ text: String, _ check: (ScannedEvent, UnsafeRawBufferPointer) -> Void = { _, _ in }
) throws(EventError) {
  try scan(Array(text.utf8), check)
}

func scan(
  _ bytes: [UInt8], _ check: (ScannedEvent, UnsafeRawBufferPointer) -> Void = { _, _ in }
) throws(EventError) {
  try bytes.withUnsafeBufferPointer { buffer throws(EventError) in
    let bytes = UnsafeRawBufferPointer(buffer)
    check(try EventScanner.scan(bytes), bytes)
  }
}

func string(_ bytes: UnsafeRawBufferPointer) -> String { String(decoding: bytes, as: UTF8.self) }
