import Testing

@testable import RWSWebSocket

/// Our client and our server with each other, over every agreement.
@Suite struct DeflateEndpointTests {
  static let agreements: [DeflateParameters] = {
    var all: [DeflateParameters] = []
    for flags in 0..<4 {
      for (server, client) in [(15, 15), (12, 12), (9, 15), (15, 9), (10, 8), (9, 9)] {
        var parameters = DeflateParameters()
        parameters.serverNoContextTakeover = flags & 1 != 0
        parameters.clientNoContextTakeover = flags & 2 != 0
        parameters.serverMaxWindowBits = server
        parameters.clientMaxWindowBits = client
        all.append(parameters)
      }
    }
    return all
  }()

  private func makeEndpoint(
    _ role: Role, _ parameters: DeflateParameters, outputBytesMax: Int = 4 << 20
  ) -> WebSocketEndpoint {
    var endpoint = WebSocketEndpoint(
      role: role,
      limits: .init(
        messageBytesMax: 4 << 20, outputBytesMax: outputBytesMax, compressedBytesMin: 0),
      masks: testMasks())
    endpoint.useDeflate(parameters)
    return endpoint
  }

  /// JSON-like text, random bytes, repetition, and all sizes around zlib's blocks.
  private static let messages: [[UInt8]] = {
    var random = SeededRandom(seed: 7)
    var all: [[UInt8]] = [[], [0x41]]
    for size in [10, 125, 126, 1000, 5000, 16_383, 40_000, 70_000] {
      all.append((0..<size).map { _ in UInt8(truncatingIfNeeded: random.next()) })
      all.append([UInt8](repeating: UInt8(truncatingIfNeeded: size), count: size))
      let item = #"{"type":"message","role":"user","content":"number "#
      var text: [UInt8] = []
      while text.count < size { text += Array((item + "\(random.next() % 1000)\"},").utf8) }
      all.append(Array(text[..<size]))
    }
    return all + all
  }()

  @Test("every message comes through every agreement, idle memory given back or not", arguments: agreements)
  func roundTrip(_ parameters: DeflateParameters) throws {
    for shrinks in [false, true] {
      var client = makeEndpoint(.client, parameters)
      var server = makeEndpoint(.server, parameters)
      for message in Self.messages {
        try client.sendBinary(message)
        try client.deliver(to: &server)
        #expect(server.receiveAll() == [.binary(message)])
        try server.sendBinary(message)
        try server.deliver(to: &client)
        #expect(client.receiveAll() == [.binary(message)])
        if shrinks {
          client.shrink()
          server.shrink()
        }
      }
      expectSame(client.state, .open)
      expectSame(server.state, .open)
    }
  }

  @Test("the same traffic cut at random places is heard the same", arguments: [1, 2, 3, 4] as [UInt64])
  func randomCuts(_ seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    let parameters = Self.agreements[Int(seed) * 5]
    var client = makeEndpoint(.client, parameters, outputBytesMax: 16 << 20)
    for message in Self.messages { try client.sendBinary(message) }
    let bytes = Array(client.output.bytes)
    var parts: [ArraySlice<UInt8>] = []
    var rest = bytes[...]
    while !rest.isEmpty {
      let count = Int.random(in: 1...(Bool.random(using: &random) ? 3 : 9000), using: &random)
      parts.append(rest.prefix(count))
      rest = rest.dropFirst(count)
    }
    let heard = listen(
      role: .server, messageBytesMax: 1 << 20, deflate: parameters, parts: parts)
    #expect(heard == Self.messages.map { .binary($0) })
  }

  @Test("small traffic cut at each byte is heard the same", arguments: agreements)
  func everyCut(_ parameters: DeflateParameters) throws {
    var client = makeEndpoint(.client, parameters)
    let texts = ["Hello", "Hello, Hello, Hello", "ünï – 😀 Hello"]
    for text in texts { try client.sendText(text) }
    expect(
      Array(client.output.bytes), to: .server, deflate: parameters,
      isHeardAs: texts.map { .text($0) })
  }

  @Test("bytes changed at random never trap, and never yield text that is not UTF-8")
  func mutations() throws {
    var random = SeededRandom(seed: 99)
    var server = makeEndpoint(.server, DeflateParameters())
    for text in ["Hello", "Hello, Hello", String(repeating: "{\"a\":1},", count: 200)] {
      try server.sendText(text)
    }
    let bytes = Array(server.output.bytes)
    for _ in 0..<3000 {
      var mutated = bytes
      for _ in 0..<Int.random(in: 1...4, using: &random) {
        mutated[Int.random(in: mutated.indices, using: &random)] = UInt8(truncatingIfNeeded: random.next())
      }
      let cut = Int.random(in: mutated.indices, using: &random)
      _ = listen(
        role: .client, deflate: DeflateParameters(), parts: [mutated[..<cut], mutated[cut...]])
    }
  }

  // MARK: Sending

  private static func isCompressed(_ endpoint: borrowing WebSocketEndpoint) -> Bool {
    (endpoint.output.bytes.first ?? 0) & 0x40 != 0
  }

  @Test("messages below the threshold, and control frames, are not compressed")
  func threshold() throws {
    var client = WebSocketEndpoint(
      role: .client,
      limits: .init(messageBytesMax: 1 << 20, outputBytesMax: 1 << 20, compressedBytesMin: 100),
      masks: testMasks())
    client.useDeflate(DeflateParameters())
    try client.sendText(String(repeating: "a", count: 99))
    expectSame(Self.isCompressed(client), false)
    client.sent(client.output.count)
    try client.sendPing([UInt8](repeating: 1, count: 120))
    expectSame(Self.isCompressed(client), false)
    client.sent(client.output.count)
    try client.sendText(String(repeating: "a", count: 100))
    expectSame(Self.isCompressed(client), true)
  }

  @Test("what does not shrink is sent plain, unless the context must take it in")
  func incompressible() throws {
    var random = SeededRandom(seed: 3)
    let noise = (0..<500).map { _ in UInt8(truncatingIfNeeded: random.next()) }
    for forgets in [true, false] {
      var parameters = DeflateParameters()
      parameters.clientNoContextTakeover = forgets
      var client = makeEndpoint(.client, parameters)
      try client.sendBinary(noise)
      expectSame(Self.isCompressed(client), !forgets)
    }
  }

  @Test("RFC 7692 §7.1.2: a window of 256 bytes, which zlib cannot produce, is sent uncompressed")
  func smallestWindow() throws {
    var parameters = DeflateParameters()
    parameters.clientMaxWindowBits = 8
    var client = makeEndpoint(.client, parameters)
    try client.sendText(String(repeating: "a", count: 5000))
    expectSame(Self.isCompressed(client), false)
  }

  @Test("the second of two equal requests costs next to nothing, also after the connection was idle")
  func takeover() throws {
    var client = makeEndpoint(.client, DeflateParameters())
    var random = SeededRandom(seed: 5)
    let request = String((0..<20_000).map { _ in "0123456789abcdef".randomElement(using: &random) ?? "x" })
    try client.sendText(request)
    let first = client.output.count
    for shrinks in [false, true, true] {
      client.sent(client.output.count)
      if shrinks { client.shrink() }
      try client.sendText(request)
      expectSame(client.output.count * 20 < first, true)
    }
  }

  @Test("a message that the output has no room for leaves the contexts in step")
  func refusedMessage() throws {
    var client = makeEndpoint(.client, DeflateParameters(), outputBytesMax: 1)
    var server = makeEndpoint(.server, DeflateParameters())
    var random = SeededRandom(seed: 11)
    let noise = (0..<60_000).map { _ in UInt8(truncatingIfNeeded: random.next()) }
    try client.sendBinary(noise)
    #expect(throws: SendError.self) { try client.sendBinary(Array(noise.reversed())) }
    try client.deliver(to: &server)
    #expect(server.receiveAll() == [.binary(noise)])
    try client.sendBinary(Array(noise.reversed()))
    try client.deliver(to: &server)
    #expect(server.receiveAll() == [.binary(Array(noise.reversed()))])
  }

  // MARK: Memory

  @Test("idle, a connection keeps only what a context that is taken over needs")
  func idleMemory() throws {
    for (forgets, bytesMax) in [(true, 0), (false, 80_000)] {
      var parameters = DeflateParameters()
      parameters.serverNoContextTakeover = forgets
      parameters.clientNoContextTakeover = forgets
      var client = makeEndpoint(.client, parameters)
      var server = makeEndpoint(.server, parameters)
      expectSame(client.allocatedBytes, 0)
      let message = [UInt8](repeating: 1, count: 100_000)
      try client.sendBinary(message)
      try client.deliver(to: &server)
      #expect(server.receiveAll().count == 1)
      try server.sendBinary(message)
      try server.deliver(to: &client)
      #expect(client.receiveAll().count == 1)
      expectSame(client.allocatedBytes > 250_000, true)
      client.shrink()
      server.shrink()
      expectSame(client.allocatedBytes <= bytesMax, true)
      expectSame(server.allocatedBytes <= bytesMax, true)
    }
  }
}
