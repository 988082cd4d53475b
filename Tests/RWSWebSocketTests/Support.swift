import Testing

@testable import RWSWebSocket

/// SplitMix64: the same seed, the same bytes, on every machine.
struct SeededRandom: RandomNumberGenerator {
  var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}

/// Masking keys that are not random, and no two bytes of which are equal: a key applied at the wrong offset
/// shows.
func testMasks() -> MaskSource {
  MaskSource { bytes in
    for index in bytes.indices { bytes[index] = UInt8(truncatingIfNeeded: index &* 37 &+ 11) }
    return true
  }
}

func makeEndpoint(
  _ role: Role, messageBytesMax: Int = 1 << 20, outputBytesMax: Int = 1 << 20
) -> WebSocketEndpoint {
  WebSocketEndpoint(
    role: role,
    limits: .init(messageBytesMax: messageBytesMax, outputBytesMax: outputBytesMax),
    masks: testMasks())
}

/// What a reader said, with its bytes copied: comparable, and alive after the input has moved.
enum Heard: Equatable {
  case text(String)
  case binary([UInt8])
  case ping([UInt8])
  case pong([UInt8])
  case close(CloseCode?, String)
  case failure(ProtocolFailure)
}

/// Feeds a `MessageReader` the parts one after the other and collects what it says.
func listen(
  role: Role, messageBytesMax: Int = 1 << 20, deflate: DeflateParameters? = nil,
  parts: [ArraySlice<UInt8>]
) -> [Heard] {
  var reader = MessageReader(role: role, messageBytesMax: messageBytesMax)
  if let deflate { reader.allowCompression(deflate) }
  var input = ByteBuffer(bytesMax: messageBytesMax + 65536)
  var heard: [Heard] = []
  for part in parts {
    do { try input.append(Array(part)) } catch {
      Issue.record("the input overflowed: \(error)")
      return heard
    }
    reading: while true {
      switch reader.next(&input) {
      case .needMore(let bytes):
        if bytes <= 0 { Issue.record("needMore(\(bytes))") }
        break reading
      case .text(let bytes): heard.append(.text(String(decoding: bytes, as: UTF8.self)))
      case .binary(let bytes): heard.append(.binary(Array(bytes)))
      case .ping(let bytes): heard.append(.ping(Array(bytes)))
      case .pong(let bytes): heard.append(.pong(Array(bytes)))
      case .close(let code, let reason):
        heard.append(.close(code, String(decoding: reason, as: UTF8.self)))
      case .failure(let failure):
        heard.append(.failure(failure))
        return heard
      }
    }
  }
  return heard
}

/// Every way of cutting `bytes` that the decoder tests use: whole, in two at each byte, byte by byte, and at
/// random places.
func cuts(of bytes: [UInt8]) -> [[ArraySlice<UInt8>]] {
  var all: [[ArraySlice<UInt8>]] = [[bytes[...]]]
  // Long traffic is cut at its beginning and end only: the middle of a long payload is all the same.
  for cut in bytes.indices.dropFirst() where cut < 200 || cut > bytes.count - 50 {
    all.append([bytes[..<cut], bytes[cut...]])
  }
  all.append(bytes.indices.map { bytes[$0...$0] })
  for longest in [3, 10, 100] where bytes.count > 1 {
    var random = SeededRandom(seed: UInt64(bytes.count * longest))
    // Long traffic in pieces that are longer, not in more of them.
    all.append(randomCut(of: bytes, longest: max(longest, bytes.count / 100), &random))
  }
  return all
}

func randomCut(
  of bytes: [UInt8], longest: Int, _ random: inout SeededRandom
) -> [ArraySlice<UInt8>] {
  var parts: [ArraySlice<UInt8>] = []
  var rest = bytes[...]
  while !rest.isEmpty {
    parts.append(rest.prefix(Int.random(in: 1...longest, using: &random)))
    rest = rest.dropFirst(parts.last?.count ?? 0)
  }
  return parts
}

/// Reads `bytes` in every cut and expects the same answer each time.
func expect(
  _ bytes: [UInt8], to role: Role, messageBytesMax: Int = 1 << 20,
  deflate: DeflateParameters? = nil, isHeardAs expected: [Heard],
  sourceLocation: SourceLocation = #_sourceLocation
) {
  for parts in cuts(of: bytes) {
    let heard = listen(
      role: role, messageBytesMax: messageBytesMax, deflate: deflate, parts: parts)
    guard heard == expected else {
      #expect(
        heard == expected, "cut as \(parts.map(\.count).prefix(3))",
        sourceLocation: sourceLocation)
      return
    }
  }
}

/// Feeds a function the parts through one buffer until it answers something, and tells what it left unread.
func feed<Answer, Failure: Error>(
  _ parts: [ArraySlice<UInt8>],
  _ next: (inout ByteBuffer) throws(Failure) -> Answer?
) throws(Failure) -> (answer: Answer, rest: [UInt8])? {
  var input = ByteBuffer(bytesMax: 1 << 20)
  for (index, part) in parts.enumerated() {
    do { try input.append(Array(part)) } catch { Issue.record("the input overflowed") }
    if let answer = try next(&input) {
      return (answer, Array(input.bytes) + parts[(index + 1)...].flatMap { $0 })
    }
  }
  return nil
}

/// A frame written by hand, right or wrong.
func frame(
  _ opcode: UInt8, _ payload: [UInt8] = [], fin: Bool = true, rsv: UInt8 = 0,
  mask: [UInt8]? = nil, lengthBytes: Int? = nil
) -> [UInt8] {
  var bytes: [UInt8] = [(fin ? 0x80 : 0) | rsv << 4 | opcode]
  let maskBit: UInt8 = mask == nil ? 0 : 0x80
  let count = UInt64(payload.count)
  switch lengthBytes ?? (payload.count < 126 ? 0 : payload.count <= 0xFFFF ? 2 : 8) {
  case 0: bytes.append(maskBit | UInt8(payload.count))
  case 2: bytes += [maskBit | 126, UInt8(count >> 8), UInt8(count & 0xFF)]
  default:
    bytes.append(maskBit | 127)
    bytes += (0..<8).map { UInt8(truncatingIfNeeded: count >> (56 - 8 * UInt64($0))) }
  }
  guard let mask else { return bytes + payload }
  return bytes + mask + payload.enumerated().map { $1 ^ mask[$0 % 4] }
}

let maskKey: [UInt8] = [0x37, 0xFA, 0x21, 0x3D]

extension WebSocketEndpoint {
  /// Moves everything that waits in the output of one endpoint into the input of another.
  mutating func deliver(to other: inout WebSocketEndpoint) throws {
    try other.input.append(output.bytes)
    sent(output.count)
  }

  mutating func sendText(_ text: String) throws(SendError) {
    try Array(text.utf8).withRawBytes { bytes throws(SendError) in try sendText(bytes) }
  }

  mutating func sendBinary(_ payload: [UInt8]) throws(SendError) {
    try payload.withRawBytes { bytes throws(SendError) in try sendBinary(bytes) }
  }

  mutating func sendPing(_ payload: [UInt8]) throws(SendError) {
    try payload.withRawBytes { bytes throws(SendError) in try sendPing(bytes) }
  }

  /// All messages until more input is needed; `closed` is left to `state`.
  mutating func receiveAll() -> [Heard] {
    var heard: [Heard] = []
    while true {
      switch next() {
      case .needMore, .closed: return heard
      case .text(let bytes): heard.append(.text(String(decoding: bytes, as: UTF8.self)))
      case .binary(let bytes): heard.append(.binary(Array(bytes)))
      case .pong(let bytes): heard.append(.pong(Array(bytes)))
      }
    }
  }
}

/// `#expect(a == b)` cannot look into noncopyable values: this takes what was read from them.
func expectSame<Value: Equatable>(
  _ value: Value, _ expected: Value, sourceLocation: SourceLocation = #_sourceLocation
) {
  #expect(value == expected, sourceLocation: sourceLocation)
}

extension HTTPFields: ExpressibleByDictionaryLiteral {
  public init(dictionaryLiteral elements: (String, String)...) {
    self.init()
    for (name, value) in elements { append(name, value) }
  }
}
