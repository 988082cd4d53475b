import RWSWebSocket

/// What a reader said, in order.
private enum Heard: Equatable {
  case text([UInt8])
  case binary([UInt8])
  case ping([UInt8])
  case pong([UInt8])
  case close(CloseCode?, [UInt8])
  case failure(ProtocolFailure)
}

private let messageBytesMax = 4096

/// RFC 6455 §5, both roles, with permessage-deflate (RFC 7692) and without.
func frames(_ input: FuzzInput) {
  let role: Role = input.choice(0) ? .server : .client
  // On the fuzzer's own memory: a read beyond the end is seen at the first byte.
  blackHole(UTF8Validator.isValid(input.body))
  let deflate = agreed(input)
  expectSameWhole(input, unless: deflate?.hasSmallWindows == true) { read(role, deflate, $0) }
}

extension DeflateParameters {
  /// zlib finds a reference beyond a window that is smaller than DEFLATE's own only where what it refers to
  /// was not written by the same call: how the input was cut decides whether such a message is refused.
  fileprivate var hasSmallWindows: Bool { clientMaxWindowBits < 15 || serverMaxWindowBits < 15 }
}

/// Context taken over or not, small windows and large ones; nil: no compression.
private func agreed(_ input: FuzzInput) -> DeflateParameters? {
  guard input.choice(4) else { return nil }
  var parameters = DeflateParameters()
  parameters.clientNoContextTakeover = input.choice(5)
  parameters.serverNoContextTakeover = input.choice(5)
  parameters.clientMaxWindowBits = input.choice(6) ? 9 : 15
  parameters.serverMaxWindowBits = input.choice(6) ? 9 : 15
  return parameters
}

private func read(
  _ role: Role, _ deflate: DeflateParameters?, _ parts: [UnsafeRawBufferPointer]
) -> [Heard] {
  var reader = MessageReader(role: role, messageBytesMax: messageBytesMax)
  if let deflate { reader.allowCompression(deflate) }
  var input = ByteBuffer(bytesMax: 1 << 24)
  var heard: [Heard] = []
  for part in parts {
    try? input.append(part)
    reading: while true {
      switch reader.next(&input) {
      case .needMore(let bytes):
        check(bytes > 0, "needMore(\(bytes))")
        break reading
      case .text(let bytes):
        check(UTF8Validator.isValid(bytes), "text that is not UTF-8")
        heard.append(.text(Array(bytes)))
      case .binary(let bytes): heard.append(.binary(Array(bytes)))
      case .ping(let bytes): heard.append(.ping(Array(bytes)))
      case .pong(let bytes): heard.append(.pong(Array(bytes)))
      case .close(let code, let reason): heard.append(.close(code, Array(reason)))
      case .failure(let failure): return heard + [.failure(failure)]
      }
    }
    // The inflater's window and state take 40 KiB at most.
    check(reader.allocatedBytes <= 4 * messageBytesMax + 40 << 10, "\(reader.allocatedBytes) bytes are held")
  }
  return heard
}

/// The body as a compressed message, fragmented where it is cut: what comes out must not depend on that.
func inflate(_ input: FuzzInput) {
  var parameters = DeflateParameters()
  parameters.serverNoContextTakeover = input.choice(0)
  parameters.serverMaxWindowBits = input.choice(1) ? 9 : 15
  let opcode: UInt8 = input.choice(2) ? 1 : 2
  // Twice: the second message may refer to the first.
  expectSameWhole(input, unless: parameters.hasSmallWindows) { parts in
    let message = frames(of: parts, opcode)
    return (message + message).withUnsafeBytes { read(.client, parameters, [$0]) }
  }
}

private func frames(of parts: [UnsafeRawBufferPointer], _ opcode: UInt8) -> [UInt8] {
  var bytes: [UInt8] = []
  for (index, part) in parts.enumerated() {
    let isFirst = index == 0
    let isLast = index == parts.count - 1
    bytes.append((isLast ? 0x80 : 0) | (isFirst ? 0x40 | opcode : 0))
    if part.count < 126 {
      bytes.append(UInt8(part.count))
    } else {
      bytes += [126, UInt8(part.count >> 8), UInt8(part.count & 0xFF)]
    }
    bytes += part
  }
  return bytes
}

/// A whole endpoint, which is read from, written to and flushed in pieces. What it writes must be valid for a
/// peer in the other role; its end must have a reason; what it queues by itself must stay bounded.
func endpoint(_ input: FuzzInput) {
  let role: Role = input.choice(0) ? .server : .client
  var random = input.random
  let deflate = agreed(input)
  var subject = makeEndpoint(role, deflate)
  var wire: [UInt8] = []
  var sent = 0
  for part in input.parts {
    try? subject.input.append(part)
    listen(&subject)
    if input.choice(1), random.below(4) == 0 {
      let message = Array(repeating: UInt8(ascii: "m"), count: random.below(300))
      message.withUnsafeBytes { bytes in
        if (try? subject.sendText(bytes)) != nil { sent += bytes.count + 14 }
      }
    }
    if input.choice(2), random.below(16) == 0 {
      if (try? subject.close(.normal, reason: "done")) != nil { sent += 20 }
    }
    if random.below(2) == 0 {
      let count = random.below(subject.output.count + 1)
      wire += subject.output.bytes.prefix(count)
      subject.sent(count)
      sent = min(sent, subject.output.count)
    }
    if input.choice(3), random.below(8) == 0 { subject.shrink() }
    // Pongs up to their bound and one Close, besides what was sent.
    check(subject.output.count <= sent + 2048 + 3 * 140, "\(subject.output.count) bytes are queued")
  }
  subject.receiveEOF()
  guard case .closed = subject.state else { fatalError("not closed: \(subject.state)") }
  wire += subject.output.bytes
  var peer = makeEndpoint(role == .client ? .server : .client, deflate)
  try? peer.input.append(wire)
  listen(&peer)
  if case .closed(.failed(let failure)) = peer.state { fatalError("it wrote what is invalid: \(failure)") }
}

private func makeEndpoint(_ role: Role, _ deflate: DeflateParameters?) -> WebSocketEndpoint {
  var endpoint = WebSocketEndpoint(
    role: role,
    limits: .init(
      messageBytesMax: messageBytesMax, outputBytesMax: 1 << 20, compressedBytesMin: 1),
    masks: MaskSource { bytes in
      for index in bytes.indices {
        bytes[index] = UInt8(truncatingIfNeeded: index &* 37 &+ 11)
      }
      return true
    })
  if let deflate { endpoint.useDeflate(deflate) }
  return endpoint
}

private func listen(_ endpoint: inout WebSocketEndpoint) {
  while true {
    switch endpoint.next() {
    case .needMore, .closed: return
    case .text, .binary, .pong: break
    }
  }
}
