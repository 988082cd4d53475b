import RWSProtocol
import Testing

/// Whatever came before, an event is scanned as if it came alone.
@Suite struct EventStreamScannerTests {
  @Test("events of one shape are scanned as each alone", arguments: streams)
  func sameShape(stream: [String]) {
    expectAgreement(stream)
    expectAgreement(stream + stream.reversed())
  }

  @Test("one changed, lost or added byte anywhere in an event of a known shape changes nothing else")
  func mutations() {
    var random = Random(state: 0x2545_F491_4F6C_DD1D)
    let bytes: [UInt8] = Array("\"\\{}[],:0129.-eEu \n\u{1}é\u{7F}".utf8) + [0xC3, 0xED, 0xA0, 0xFF]
    for stream in streams {
      for event in stream {
        let event = Array(event.utf8)
        for place in event.indices {
          var changed = event
          changed[place] = bytes[random.next(bytes.count)]
          expectAgreement(after: stream, changed)
          var longer = event
          longer.insert(bytes[random.next(bytes.count)], at: place)
          expectAgreement(after: stream, longer)
          var shorter = event
          shorter.remove(at: place)
          expectAgreement(after: stream, shorter)
          expectAgreement(after: stream, Array(event[..<place]))
        }
      }
    }
  }

  @Test("any value in the place of any other is scanned as it is")
  func values() {
    let values = [
      #""""#, #""x""#, #""\n\u00e9\"""#, #""日本語 – é""#, #""\ud800""#, #""\q""#, "\"\u{1}\"", "0",
      "7", "007", "-1", "1.5", "1e3", "123456789012345678", "1234567890123456789",
      "99999999999999999999", "null", "true", "[]", "[1]", "{}", #"{"a":[]}"#, "", "x",
    ]
    let names = ["type", "delta", "item_id", "output_index", "sequence_number", "other", "status"]
    for name in names {
      for value in values {
        expectAgreement([
          delta, delta, delta.replacing(#""z":1"#, with: #""z":1,"\#(name)":\#(value)"#),
          delta.replacing(#""z":1"#, with: #""z":1,"\#(name)":\#(value)"#), delta,
        ])
        expectAgreement([
          delta, #"{"type":"response.output_text.delta","\#(name)":\#(value),"delta":"a"}"#,
          #"{"type":"response.output_text.delta","\#(name)":\#(value),"delta":"bc"}"#,
        ])
      }
    }
  }

  @Test("streams that alternate are each scanned as they are, however often")
  func alternating() {
    let other = delta.replacing("output_text", with: "refusal")
    expectAgreement((0..<300).map { $0 % 2 == 0 ? delta : other })
    expectAgreement((0..<300).map { $0 % 100 < 50 ? delta : other })
  }

  private let delta =
    #"{"type":"response.output_text.delta","delta":"a","item_id":"m","sequence_number":1,"z":1}"#
}

private let streams: [[String]] = [
  (0..<12).map { number in
    #"{"type":"response.output_text.delta","content_index":0,"delta":"\#(words[number % words.count])","#
      + #""item_id":"msg_0a1b2c3d4e5f","logprobs":[],"obfuscation":"\#(String(repeating: "x", count: number))","#
      + #""output_index":0,"sequence_number":\#(number * 97)}"#
  },
  (0..<6).map { number in
    #" { "sequence_number" : \#(number) , "delta" : "\#(words[number])" , "stream_id" : "lane\#(number / 3)" , "#
      + #""type" : "response.function_call_arguments.delta" } "#
  },
  [#"{"type":"response.reasoning_text.delta","delta":""}"#, #"{"delta":"x","type":"response.refusal.delta"}"#],
]

private let words = ["", " the", "\\n", "caf\u{E9}", "\\\"a\\\"", "\u{65E5}\u{672C}", " \\ud83d\\ude00", "0"]

private func expectAgreement(_ stream: [String]) {
  var scanner = EventStreamScanner()
  for event in stream { expectAgreement(&scanner, Array(event.utf8)) }
}

private func expectAgreement(after stream: [String], _ event: [UInt8]) {
  var scanner = EventStreamScanner()
  for earlier in stream.prefix(2) { expectAgreement(&scanner, Array(earlier.utf8)) }
  expectAgreement(&scanner, event)
}

private func expectAgreement(_ scanner: inout EventStreamScanner, _ event: [UInt8]) {
  event.withUnsafeBytes { bytes in
    let alone = Result { () throws(EventError) in try EventScanner.scan(bytes) }
    let inStream = Result { () throws(EventError) in try scanner.scan(bytes) }
    switch (alone, inStream) {
    case (.success(let expected), .success(let found)):
      if expected != found { Issue.record("another scan of \(string(bytes))") }
    case (.failure, .failure): break
    default: Issue.record("only one of the scans refuses \(string(bytes))")
    }
  }
}

private struct Random {
  var state: UInt64

  mutating func next(_ bound: Int) -> Int {
    state ^= state << 13
    state ^= state >> 7
    state ^= state << 17
    return Int(state % UInt64(bound))
  }
}
