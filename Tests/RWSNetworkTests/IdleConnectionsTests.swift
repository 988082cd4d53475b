import RWSWebSocket
import Testing

@testable import RWSNetwork

extension NetworkTests {
  @Suite("Exchanges that go on with each other's connection") final class IdleConnectionsTests {
    let loop: EventLoop
    let server: RawServer
    var connections: IdleConnections

    init() throws {
      loop = try EventLoop()
      server = try RawServer(loop)
      connections = IdleConnections(restPatience: 20_000_000_000, on: loop)
    }

    deinit { connections.close() }

    private static let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    private static let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

    private typealias Run = (exchange: ClientExchange, recorder: ExchangeRecorder)

    /// One whose request is on its way.
    private func begin(
      _ url: WebSocketURL? = nil, body: [UInt8] = Array("{}".utf8), reporting recorder: ExchangeRecorder = ExchangeRecorder(),
      _ configure: (inout ConnectOptions) -> Void = { _ in }
    ) throws -> Run {
      var options = ConnectOptions(url: try url ?? server.url())
      configure(&options)
      let exchange = ClientExchange(
        connecting: options, or: connections, bodyBytesMax: 1 << 20, on: loop, delegate: recorder)
      #expect(exchange.send(try HTTPRequest("POST", options.url, body: body)))
      return (exchange, recorder)
    }

    /// One that has been answered so, on a new connection.
    private func leave(_ answer: String = ok) throws -> RawPeer {
      let run = try begin()
      let peer = try server.accept()
      _ = try peer.receiveHead()
      try peer.send(answer)
      try loop.drive { run.recorder.hasEnded }
      #expect(run.recorder.failure == nil)
      #expect(!run.exchange.isReused)
      return peer
    }

    /// The next request, which comes to `peer` and is answered.
    private func expectReuse(of peer: RawPeer, location: SourceLocation = #_sourceLocation) throws {
      let run = try begin()
      _ = try peer.receiveHead()
      try peer.send(Self.ok)
      try loop.drive { run.recorder.hasEnded }
      #expect(run.recorder.said == ["opened", "sent", "head", "whole"], sourceLocation: location)
      #expect(run.exchange.isReused, sourceLocation: location)
    }

    /// The next request is answered on a new connection, as if there had never been another.
    private func expectNewConnection(location: SourceLocation = #_sourceLocation) throws -> RawPeer {
      let run = try begin()
      let peer = try server.accept()
      _ = try peer.receiveHead()
      try peer.send(Self.ok)
      try loop.drive { run.recorder.hasEnded }
      #expect(run.recorder.said == ["opened", "sent", "head", "whole"], sourceLocation: location)
      #expect(!run.exchange.isReused, sourceLocation: location)
      return peer
    }

    @Test("one connection carries many, whatever ends their answers")
    func many() throws {
      let peer = try leave()
      for answer in [
        Self.chunked + "2\r\nok\r\n0\r\nTrailer: x\r\n\r\n", "HTTP/1.1 204 No\r\n\r\n",
        "HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 429 Busy\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n", Self.ok,
      ] {
        let run = try begin()
        _ = try peer.receiveHead()
        try peer.send(answer)
        try loop.drive { run.recorder.hasEnded }
        #expect(run.recorder.failure == nil)
        #expect(connections.count == 1)
      }
      try expectReuse(of: peer)
    }

    @Test("over TLS, through a proxy, and both", arguments: [false, true], [false, true])
    func ways(isSecure: Bool, isProxied: Bool) throws {
      let certificate = try SelfSignedCertificate(names: ["127.0.0.1"])
      let context = try TestCertificates.server(certificate)
      let trusting = try TestCertificates.client(trusting: certificate)
      let server = try EchoServer(loop) {
        $0.keepsConnections = true
        if isSecure { $0.tls = context }
      }
      defer { server.stop() }
      server.answer = { channel, request in
        if request.body.count % 2 == 0 { return channel.respond(HTTPAnswer(status: 200, json: "{}")) }
        _ = channel.beginAnswer(status: 200, fields: HTTPFields())
        channel.sendPart(request.body)
        channel.endAnswer()
      }
      let proxy = try RelayProxy(loop)
      defer { proxy.stop() }
      let hop = isProxied ? try proxy.hop() : nil
      for count in 1...5 {
        let run = try begin(server.url(), body: [UInt8](repeating: 65, count: count)) {
          $0.tls = trusting
          $0.proxy = hop
        }
        try loop.drive { run.recorder.hasEnded }
        #expect(run.recorder.said == ["opened", "sent", "head", "whole"])
        #expect(run.recorder.info?.tlsVersion == (isSecure ? "TLSv1.3" : nil))
      }
      #expect(server.accepted.count == 1)
      // TLS says its end in a record of its own; the proxy passes no end on.
      if isProxied { return }
      server.accepted[0].abort()
      try loop.drive { connections.count == 0 }
    }

    @Test("what may not carry another is closed", arguments: [
      "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
      ok + "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nKeep-Alive: timeout=1\r\n\r\nok",
    ])
    func closed(answer: String) throws {
      let peer = try leave(answer)
      #expect(connections.count == 0)
      try peer.receive { _ in peer.sawEnd }
      _ = try expectNewConnection()
    }

    @Test("a server that answers before it has the request is not asked again there")
    func early() throws {
      let run = try begin(body: [UInt8](repeating: 65, count: 32 << 20))
      let peer = try server.accept()
      try peer.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n")
      try loop.drive { run.recorder.hasEnded }
      #expect(run.recorder.failure == nil)
      #expect(connections.count == 0)
    }

    enum Ending: CaseIterable { case end, reset, words }

    private func end(_ peer: RawPeer, _ ending: Ending) throws {
      switch ending {
      case .end: peer.close()
      case .reset: peer.reset()
      case .words: try peer.send("HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")
      }
    }

    @Test("one that its server ends, or on which something comes unasked, is closed while it waits", arguments: Ending.allCases)
    func endedIdle(ending: Ending) throws {
      let peer = try leave()
      try end(peer, ending)
      try loop.drive { connections.count == 0 }
      _ = try expectNewConnection()
    }

    @Test("seen at the last moment, it is replaced without a word; the request goes out once", arguments: Ending.allCases)
    func endedBeforeRequest(ending: Ending) throws {
      let first = try leave()
      let recorder = ExchangeRecorder()
      recorder.onOpen = {
        try? self.end(first, ending)
        first.poll()
      }
      let run = try begin(reporting: recorder)
      let second = try server.accept()
      _ = try second.receiveHead()
      try second.send(Self.ok)
      try loop.drive { recorder.hasEnded }
      #expect(recorder.said == ["opened", "sent", "head", "whole"])
      #expect(!run.exchange.isReused)
      #expect(first.received.isEmpty)
    }

    @Test("one that ends while its exchange has no request yet is replaced", arguments: Ending.allCases)
    func endedWithoutRequest(ending: Ending) throws {
      let first = try leave()
      let recorder = ExchangeRecorder()
      let exchange = ClientExchange(
        connecting: ConnectOptions(url: try server.url()), or: connections, bodyBytesMax: 100, on: loop, delegate: recorder)
      try loop.drive { recorder.info != nil }
      try end(first, ending)
      loop.settle()
      #expect(exchange.send(try HTTPRequest("POST", server.url())))
      let second = try server.accept()
      _ = try second.receiveHead()
      try second.send(Self.ok)
      try loop.drive { recorder.hasEnded }
      #expect(recorder.said == ["opened", "sent", "head", "whole"])
      #expect(recorder.text == "ok")
    }

    @Test("one that ends after the request is a loss: it may have been carried out", arguments: [Ending.end, .reset])
    func endedAfterRequest(ending: Ending) throws {
      let (first, second) = try (begin(), begin())
      let peers = try [server.accept(), server.accept()]
      for peer in peers {
        _ = try peer.receiveHead()
        try peer.send(Self.ok)
      }
      try loop.drive { first.recorder.hasEnded && second.recorder.hasEnded }
      #expect(connections.count == 2)
      let run = try begin()
      var asked: RawPeer?
      try loop.drive {
        asked = peers.first {
          $0.poll()
          return !$0.received.isEmpty
        }
        return asked != nil
      }
      try end(#require(asked), ending)
      try loop.drive { run.recorder.hasEnded }
      #expect(run.recorder.said == ["opened", "sent", "lost"])
      #expect(run.exchange.endedUnheard)
      // The other one may have ended likewise.
      #expect(connections.count == 0)
    }

    @Test("one that ends within its answer is a loss like any other")
    func endedWithinAnswer() throws {
      let peer = try leave()
      let run = try begin()
      _ = try peer.receiveHead()
      try peer.send("HTTP/1.1 200")
      loop.settle()
      peer.close()
      try loop.drive { run.recorder.hasEnded }
      #expect(run.recorder.failure?.kind == .lost)
      #expect(!run.exchange.endedUnheard)
    }

    @Test("two at once have two; different identities never share")
    func apart() throws {
      let first = try leave()
      let (sharing, concurrent, foreign) = try (begin(), begin(), begin { $0.identity = 1 })
      let peers = try [first, server.accept(), server.accept()]
      for peer in peers {
        _ = try peer.receiveHead()
        try peer.send(Self.ok)
      }
      try loop.drive { [sharing, concurrent, foreign].allSatisfy { $0.recorder.hasEnded } }
      #expect([sharing, concurrent, foreign].map(\.exchange.isReused) == [true, false, false])
      #expect(connections.count == 3)
    }

    @Test("who lets go of an answer at its end leaves the connection for the next; who aborts it does not")
    func released() throws {
      let peer = try leave()
      let recorder = ExchangeRecorder()
      recorder.onPart = { $0.release() }
      _ = try begin(reporting: recorder)
      _ = try peer.receiveHead()
      try peer.send(Self.chunked + "4\r\nlast\r\n")
      try loop.drive { recorder.parts == 1 }
      // The next one need not dial for what is on its way.
      let next = try begin()
      loop.settle()
      #expect(next.recorder.said.isEmpty)
      try peer.send("2\r\n: \r\n0\r\n\r\n")
      _ = try peer.receiveHead()
      try peer.send(Self.chunked + "4\r\nlast\r\n")
      try loop.drive { next.recorder.parts == 1 }
      #expect(next.exchange.isReused)
      #expect(recorder.said == ["opened", "sent", "head"])
      next.exchange.abort()
      try peer.receive { _ in peer.sawEnd }
      #expect(connections.count == 0)
    }

    @Test("an answer let go of that does not end is cut; who waits for it then dials, and the next one does not wait")
    func releasedInVain() throws {
      connections = IdleConnections(restPatience: 50_000_000, on: loop)
      for isFirst in [true, false] {
        let recorder = ExchangeRecorder()
        recorder.onPart = { $0.release() }
        _ = try begin(reporting: recorder)
        let peer = try server.accept()
        _ = try peer.receiveHead()
        try peer.send(Self.chunked + "4\r\nlast\r\n")
        try loop.drive { recorder.parts == 1 }
        let next = try begin()
        if isFirst {
          try peer.receive { _ in peer.sawEnd }
        }
        let other = try server.accept()
        #expect(peer.sawEnd == isFirst)
        _ = try other.receiveHead()
        next.exchange.abort()
        try peer.receive { _ in peer.sawEnd }
      }
    }

    @Test("an answer let go of that has much to say yet is cut, and so is one that its owner paused")
    func releasedTooEarly() throws {
      let recorder = ExchangeRecorder()
      recorder.onPart = {
        $0.pauseReading()
        $0.release()
      }
      _ = try begin(reporting: recorder)
      let peer = try server.accept()
      _ = try peer.receiveHead()
      try peer.send(Self.chunked + "40000\r\n" + String(repeating: "x", count: 0x40000) + "\r\n0\r\n\r\n")
      try peer.receive { _ in peer.sawEnd }
      #expect(connections.count == 0)
      #expect(recorder.ends == 0)
    }

    @Test("they wait so long and no longer; a standstill of the machine ends them")
    func limits() throws {
      var liveness = LivenessLimits()
      liveness.idle = 20_000_000
      connections = IdleConnections(liveness, on: loop)
      _ = try leave()
      try loop.drive { connections.count == 0 }
      connections = IdleConnections(on: loop)
      let peer = try leave()
      try expectReuse(of: peer)
      var reading = loop.clocks
      reading.boot += 60_000_000_000
      let late = reading
      loop.readClocks = { _ in late }
      _ = try expectNewConnection()
      try peer.receive { _ in peer.sawEnd }
    }

    @Test("closing ends those that wait and those that are about to, and takes no more; nothing stays")
    func close() throws {
      let before = ProcessCounts.descriptors
      do {
        let idle = try leave()
        let recorder = ExchangeRecorder()
        recorder.onPart = { $0.release() }
        _ = try begin(reporting: recorder) { $0.identity = 1 }
        let releasing = try server.accept()
        _ = try releasing.receiveHead()
        try releasing.send(Self.chunked + "4\r\nlast\r\n")
        try loop.drive { recorder.parts == 1 }
        let late = try begin { $0.identity = 2 }
        let answering = try server.accept()
        connections.close()
        for peer in [idle, releasing] { try peer.receive { _ in peer.sawEnd } }
        try answering.send(Self.ok)
        try loop.drive { late.recorder.hasEnded }
        try answering.receive { _ in answering.sawEnd }
      }
      #expect(connections.count == 0)
      #expect(ProcessCounts.descriptors == before)
    }
  }
}
