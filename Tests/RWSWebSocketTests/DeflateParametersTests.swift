import Testing

@testable import RWSWebSocket

@Suite struct DeflateParametersTests {
  private static func members(_ value: String) -> [WebSocketExtension]? {
    WebSocketExtension.list(in: ["Sec-WebSocket-Extensions": value])
  }

  private static func parameters(
    server: Int = 15, client: Int = 15, serverForgets: Bool = false, clientForgets: Bool = false
  ) -> DeflateParameters {
    var parameters = DeflateParameters()
    parameters.serverMaxWindowBits = server
    parameters.clientMaxWindowBits = client
    parameters.serverNoContextTakeover = serverForgets
    parameters.clientNoContextTakeover = clientForgets
    return parameters
  }

  // MARK: The header

  @Test("RFC 6455 §9.1: extensions with parameters, bare, with a token or quoted")
  func grammar() throws {
    let list = try #require(Self.members(#"a, b ; c;d=1 ;e = "x\yz" ,, f"#))
    #expect(
      list == [
        WebSocketExtension(name: "a", parameters: []),
        WebSocketExtension(
          name: "b",
          parameters: [
            .init(name: "c", value: nil), .init(name: "d", value: "1"),
            .init(name: "e", value: "xyz"),
          ]),
        WebSocketExtension(name: "f", parameters: []),
      ])
  }

  @Test(
    "RFC 6455 §9.1: what breaks the grammar is refused whole",
    arguments: [
      "a b", "a;", "a;=1", "a;b=", #"a;b="""#, #"a;b="x"#, #"a;b="x y""#, #"a;b="\"#, "a;b=1 2",
      "a@b", ";", "a;;b",
    ])
  func brokenGrammar(_ value: String) {
    #expect(Self.members(value) == nil)
  }

  // MARK: The server's answer, judged by the client

  @Test(
    "RFC 7692 §7.1: answers to the default offer",
    arguments: [
      ("permessage-deflate", parameters()),
      ("permessage-deflate; server_no_context_takeover", parameters(serverForgets: true)),
      ("permessage-deflate; client_no_context_takeover", parameters(clientForgets: true)),
      ("permessage-deflate; server_max_window_bits=8", parameters(server: 8)),
      ("permessage-deflate;client_max_window_bits=15", parameters()),
      (
        "permessage-deflate; server_max_window_bits=12; client_max_window_bits=12",
        parameters(server: 12, client: 12)
      ),
      (#"permessage-deflate; client_max_window_bits="10""#, parameters(client: 10)),
      (
        "permessage-deflate; client_max_window_bits=9; server_max_window_bits=11;"
          + " client_no_context_takeover; server_no_context_takeover",
        parameters(server: 11, client: 9, serverForgets: true, clientForgets: true)
      ),
    ])
  func answers(_ value: String, _ agreed: DeflateParameters) throws {
    let answer = try #require(Self.members(value)?.first)
    #expect(DeflateOffer().accepting(answer) == agreed)
  }

  @Test(
    "RFC 7692 §7.1: unknown, double, valueless and out-of-range parameters are refused",
    arguments: [
      "x", "server_no_context_takeover=1", "client_no_context_takeover=true",
      "server_no_context_takeover; server_no_context_takeover",
      "client_max_window_bits=12; client_max_window_bits=12",
      "client_max_window_bits=7", "client_max_window_bits=16", "client_max_window_bits=08",
      "client_max_window_bits=+9", "client_max_window_bits=0x9", "client_max_window_bits=9.0",
      "client_max_window_bits=99999999999999999999",
      "server_max_window_bits=7", "server_max_window_bits=16", "server_max_window_bits=012",
      "server_max_window_bits", "Server_max_window_bits=12",
    ])
  func refusedParameters(_ value: String) throws {
    let answer = try #require(Self.members("permessage-deflate; " + value)?.first)
    #expect(DeflateOffer().accepting(answer) == nil)
    #expect(DeflateOffer(answer) == nil)
  }

  @Test("RFC 7692 §7.1.2.2: an answer names the client's window with a value, and only if it may")
  func clientWindowAnswers() throws {
    let bare = try #require(Self.members("permessage-deflate; client_max_window_bits")?.first)
    #expect(DeflateOffer().accepting(bare) == nil)
    let limited = try #require(
      Self.members("permessage-deflate; client_max_window_bits=10")?.first)
    var offer = DeflateOffer()
    offer.clientWindow = .fixed
    #expect(offer.accepting(limited) == nil)
    offer.clientWindow = .atMost(9)
    #expect(offer.accepting(limited)?.clientMaxWindowBits == 9)
  }

  @Test("RFC 7692 §7.1: what was asked of the server must be confirmed")
  func confirmations() throws {
    var offer = DeflateOffer()
    offer.serverNoContextTakeover = true
    offer.serverMaxWindowBits = 11
    let table: [(String, Bool)] = [
      ("", false), ("; server_no_context_takeover", false), ("; server_max_window_bits=11", false),
      ("; server_no_context_takeover; server_max_window_bits=12", false),
      ("; server_no_context_takeover; server_max_window_bits=11", true),
      ("; server_no_context_takeover; server_max_window_bits=9", true),
    ]
    for (value, isAllowed) in table {
      let answer = try #require(Self.members("permessage-deflate" + value)?.first)
      #expect((offer.accepting(answer) != nil) == isAllowed, "\(value)")
    }
  }

  // MARK: The offer, answered by the server

  private static func answer(
    _ value: String, preferring preferred: DeflateParameters = parameters()
  ) throws -> String? {
    let request =
      "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      + "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
      + "Sec-WebSocket-Extensions: \(value)\r\n\r\n"
    var handshake = ServerHandshake()
    var input = ByteBuffer(bytesMax: 10_000)
    try input.append(request)
    guard case .upgrade(let upgrade) = handshake.next(&input) else {
      Issue.record("not an upgrade")
      return nil
    }
    return upgrade.acceptDeflate(preferring: preferred)?.fieldValue
  }

  @Test(
    "RFC 7692 §5.1: offers that a server without wishes accepts",
    arguments: [
      ("permessage-deflate", "permessage-deflate"),
      ("permessage-deflate; client_max_window_bits", "permessage-deflate"),
      (
        "permessage-deflate; client_max_window_bits=10",
        "permessage-deflate; client_max_window_bits=10"
      ),
      (
        "permessage-deflate; server_max_window_bits=15",
        "permessage-deflate; server_max_window_bits=15"
      ),
      (
        "permessage-deflate; server_max_window_bits=9; server_no_context_takeover",
        "permessage-deflate; server_no_context_takeover; server_max_window_bits=9"
      ),
      (
        "permessage-deflate; client_no_context_takeover",
        "permessage-deflate; client_no_context_takeover"
      ),
      ("x-webkit-deflate-frame, permessage-deflate", "permessage-deflate"),
      // zlib has no window of 256 bytes: the second offer is taken.
      (
        "permessage-deflate; server_max_window_bits=8, permessage-deflate; client_max_window_bits=8",
        "permessage-deflate; client_max_window_bits=8"
      ),
      ("permessage-deflate; unknown, permessage-deflate", "permessage-deflate"),
    ])
  func acceptedOffers(_ offer: String, _ expected: String) throws {
    #expect(try Self.answer(offer) == expected)
  }

  @Test(
    "RFC 7692 §5.1: offers that are declined",
    arguments: [
      "permessage-deflate; server_max_window_bits=8", "permessage-deflate; x", "other",
      "permessage-deflate; server_max_window_bits", "permessage-deflate, a b",
    ])
  func declinedOffers(_ offer: String) throws {
    #expect(try Self.answer(offer) == nil)
  }

  @Test("a server limits the client's window only where the offer lets it")
  func preferences() throws {
    var preferred = DeflateParameters()
    preferred.serverMaxWindowBits = 14
    preferred.clientMaxWindowBits = 12
    #expect(
      try Self.answer("permessage-deflate; client_max_window_bits", preferring: preferred)
        == "permessage-deflate; server_max_window_bits=14; client_max_window_bits=12")
    #expect(
      try Self.answer("permessage-deflate", preferring: preferred)
        == "permessage-deflate; server_max_window_bits=14")
  }

  @Test("every offer that a client can make gets an answer that it accepts, with the same meaning")
  func agreement() throws {
    let windows: [DeflateOffer.ClientWindow] = [.fixed, .limitable, .atMost(8), .atMost(15)]
    for flags in 0..<16 {
      for window in windows {
        for bits in [nil, 9, 12, 15] {
          var offer = DeflateOffer()
          offer.serverNoContextTakeover = flags & 1 != 0
          offer.clientNoContextTakeover = flags & 2 != 0
          offer.clientWindow = window
          offer.serverMaxWindowBits = bits
          let preferred = Self.parameters(
            server: flags & 4 != 0 ? 11 : 15, client: flags & 4 != 0 ? 10 : 15,
            serverForgets: flags & 8 != 0)
          let written = try #require(Self.members(offer.description)?.first)
          let read = try #require(DeflateOffer(written))
          #expect(read == offer)
          let acceptance = try #require(read.accepted(preferring: preferred))
          let answer = try #require(Self.members(acceptance.fieldValue)?.first)
          #expect(
            offer.accepting(answer) == acceptance.parameters,
            "\(offer) answered by \(acceptance.fieldValue)")
        }
      }
    }
  }
}
