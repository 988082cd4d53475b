import RWSJSON
import Testing

@testable import RWSProtocol

/// Valid events with random damage: the scanner and the reader of JSON values must agree on what is valid, and
/// on what it says. (A trap would end the whole test run.)
@Suite struct EventMutationTests {
  private static let events = [
    #"{"type":"response.created","sequence_number":0,"response":{"id":"resp_1","status":"in_progress"}}"#,
    #"{"type":"response.output_text.delta","item_id":"msg_1","output_index":0,"delta":"aé\n\"\\ \ud83d\ude00"}"#,
    #"{"type":"response.output_item.done","output_index":3,"item":{"type":"message","content":[{"a":[]}]}}"#,
    #"{"type":"response.completed","response":{"id":"r","usage":{"input_tokens":1},"output":[]}}"#,
    #"{"type":"error","status":429,"error":{"code":"c","message":"m"},"headers":{"retry-after":"3"}}"#,
    #"{"\u0074ype":"error","status_code":400,"error":"text","stream_id":"lane","param":null}"#,
  ]
  private static let interesting = Array(#""\{}[]:,u0dD8.eE-+tfn "#.utf8) + [0, 0x80, 0xC3, 0xED, 0xFF]

  @Test("10,000 mutations of valid events: scanned, or refused for a documented reason, as JSON is")
  func mutations() {
    var random = SeededNumbers(state: 7)
    for round in 0..<10_000 {
      var bytes = Array(Self.events[round % Self.events.count].utf8)
      for _ in 0..<(1 + random.below(3)) where !bytes.isEmpty {
        let at = random.below(bytes.count)
        switch random.below(6) {
        case 0: bytes[at] ^= 1 << UInt8(random.below(8))
        case 1: bytes[at] = Self.interesting[random.below(Self.interesting.count)]
        case 2: bytes.remove(at: at)
        case 3: bytes.insert(Self.interesting[random.below(Self.interesting.count)], at: at)
        case 4: bytes.removeSubrange(at...)
        default: bytes.insert(contentsOf: bytes[..<min(at, 12)], at: at)
        }
      }
      guard let problem = disagreement(on: bytes) else { continue }
      Issue.record("round \(round), \(String(decoding: bytes, as: UTF8.self)): \(problem)")
      return
    }
  }

  private func disagreement(on bytes: [UInt8]) -> String? {
    let value = try? JSONValue(parsing: bytes)
    return bytes.withUnsafeBytes { text in
      do throws(EventError) {
        let event = try EventScanner.scan(text)
        guard let value, value.kind == .object else { return "scanned, but no JSON object" }
        _ = APIErrorFields(event, in: text)
        let batch = EventBatch(capacity: 16)
        batch.append(text, event)
        let type = value["type"]?.utf8
        return type == nil || type == event.type.decoded(in: text) ? nil : "another type"
      } catch {
        guard value?.kind != .object else { return "refused: \(error)" }
        return "\(error)".isEmpty ? "no reason" : nil
      }
    }
  }
}

/// SplitMix64: the same on every run.
private struct SeededNumbers {
  var state: UInt64

  mutating func below(_ bound: Int) -> Int {
    state &+= 0x9E37_79B9_7F4A_7C15
    var word = (state ^ state >> 30) &* 0xBF58_476D_1CE4_E5B9
    word = (word ^ word >> 27) &* 0x94D0_49BB_1331_11EB
    return Int((word ^ word >> 31) % UInt64(bound))
  }
}
