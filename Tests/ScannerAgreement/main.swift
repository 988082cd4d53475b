// scanner-dump: reads events from standard input, each after its length (32 bits, little-endian), and
// writes one line per event with every field that the scanner and its readers found. run.py compares
// the lines with what Python's json finds. `scanner-dump --bench` times the scanner instead.

import Glibc
import RWSProtocol

if CommandLine.arguments.contains("--bench") {
  timeScanner()
} else {
  dumpEvents()
}

func dumpEvents() {
  let input = readAll()
  var output = Dump()
  input.withUnsafeBytes { bytes in
    var offset = 0
    while offset + 4 <= bytes.count {
      let length = Int(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)))
      offset += 4
      guard offset + length <= bytes.count else { break }
      output.event(UnsafeRawBufferPointer(rebasing: bytes[offset..<(offset + length)]))
      offset += length
    }
  }
  output.bytes.withUnsafeBytes { bytes in
    var offset = 0
    while offset < bytes.count {
      let count = write(STDOUT_FILENO, bytes.baseAddress?.advanced(by: offset), bytes.count - offset)
      if count <= 0 { return }
      offset += count
    }
  }
}

func readAll() -> [UInt8] {
  var all: [UInt8] = []
  var buffer = [UInt8](repeating: 0, count: 1 << 20)
  while true {
    let count = read(STDIN_FILENO, &buffer, buffer.count)
    if count <= 0 { return all }
    all.append(contentsOf: buffer[..<count])
  }
}

/// A line: the fields, tabs between them; numbers in decimal, strings in hexadecimal, `-` for absent.
struct Dump {
  var bytes: [UInt8] = []
  /// As a session scans its events: what came before must not matter.
  private var scanner = EventStreamScanner()

  mutating func event(_ text: UnsafeRawBufferPointer) {
    defer { bytes.append(UInt8(ascii: "\n")) }
    guard let event = try? scanner.scan(text) else {
      bytes.append(UInt8(ascii: "!"))
      return
    }
    number(event.kind.rawValue)
    number(event.sequenceNumber)
    number(event.outputIndex)
    number(event.status)
    for field in [
      event.type, event.delta, event.streamID, event.itemID, event.code, event.message, event.param,
    ] {
      string(field.isPresent ? field.decoded(in: text) : nil)
    }
    item(ItemFields(event.item.bytes(in: text)))
    response(ResponseFields(event.response.bytes(in: text)))
    error(APIErrorFields(event, in: text))
    for span in [event.item, event.response, event.error, event.headers] {
      string(span.isPresent ? [UInt8](span.bytes(in: text)) : nil)
    }
  }

  private mutating func item(_ item: ItemFields) {
    for text in [item.type, item.status, item.phase] { string(text.map { Array($0.utf8) }) }
    for field in [item.id, item.callID, item.name, item.arguments, item.input] { string(field) }
  }

  private mutating func response(_ response: ResponseFields) {
    string(response.id)
    for text in [
      response.status, response.model, response.errorCode, response.errorMessage,
      response.incompleteReason,
    ] {
      string(text.map { Array($0.utf8) })
    }
    guard let usage = response.usage else {
      for _ in 0..<6 { string(nil) }
      return
    }
    for count in [
      usage.inputTokens, usage.cachedTokens, usage.cacheWriteTokens, usage.outputTokens, usage.reasoningTokens, usage.totalTokens,
    ] {
      number(count)
    }
  }

  private mutating func error(_ error: APIErrorFields) {
    number(error.status)
    number(error.retryAfterMilliseconds)
    for text in [error.type, error.code, error.message, error.param, error.requestID] {
      string(text.map { Array($0.utf8) })
    }
  }

  private mutating func number(_ value: some BinaryInteger) {
    bytes.append(contentsOf: String(value).utf8)
    bytes.append(UInt8(ascii: "\t"))
  }

  private mutating func string(_ value: [UInt8]?) {
    if let value {
      for byte in value {
        bytes.append(Self.digits[Int(byte >> 4)])
        bytes.append(Self.digits[Int(byte & 15)])
      }
    } else {
      bytes.append(UInt8(ascii: "-"))
    }
    bytes.append(UInt8(ascii: "\t"))
  }

  private static let digits = Array("0123456789abcdef".utf8)
}

func timeScanner() {
  let samples: [(String, String)] = [
    (
      "output_text.delta",
      #"{"type":"response.output_text.delta","content_index":0,"delta":" token","item_id":"#
        + #""msg_0a1b2c3d4e5f60718293a4b5c6d7e8f900112233445566","logprobs":[],"obfuscation":"#
        + #""Kq3vZ8xY1","output_index":1,"sequence_number":1234,"pad":"abcdefghi"}"#
    ),
    ("4 KiB delta", #"{"type":"x","delta":""# + String(repeating: "plain text ", count: 372) + "\"}"),
    ("4 KiB CJK delta", #"{"type":"x","delta":""# + String(repeating: "日本語", count: 455) + "\"}"),
  ]
  for (name, sample) in samples where CommandLine.arguments.dropFirst(2).allSatisfy({ name == $0 }) {
    let text = Array(sample.utf8)
    let rounds = 400_000_000 / text.count
    var best = Double.infinity
    var checksum: Int64 = 0
    text.withUnsafeBytes { bytes in
      for _ in 0..<5 {
        let start = nanoseconds()
        for _ in 0..<(rounds / 5) {
          if let event = try? EventScanner.scan(bytes) {
            checksum &+= event.sequenceNumber &+ Int64(event.delta.lengthAtMost)
          }
        }
        best = min(best, Double(nanoseconds() - start) / Double(rounds / 5))
      }
    }
    let tenths = Int(best * 10)
    print("\(name): \(text.count) bytes, \(tenths / 10).\(tenths % 10) ns (checksum \(checksum))")
  }
}

func nanoseconds() -> Int {
  var time = timespec()
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
  return time.tv_sec * 1_000_000_000 + time.tv_nsec
}
