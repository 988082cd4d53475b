import Glibc
import RWSWebSocket
import Testing

@testable import RWSNetwork

extension NetworkTests {
  /// Each body runs in a process of its own.
  @Suite struct ExitTests {
    @Test("a host that exits while TLS traffic streams keeps its exit status")
    func exitWhileStreaming() async {
      for _ in 0..<10 {
        await #expect(processExitsWith: .exitCode(7)) {
          try Streaming.start()
          exit(7)
        }
      }
    }

    @Test("when the exit handlers of the host run, the I/O threads have ended")
    func threadsEndFirst() async {
      await #expect(processExitsWith: .exitCode(7)) {
        // Registered before the library's handler, hence run after it.
        atexit { _exit(Streaming.hasEnded ? 7 : 1) }
        try Streaming.start()
        exit(0)
      }
    }

    @Test("exit called from a callback on the I/O thread does not wait for itself")
    func exitFromCallback() async {
      await #expect(processExitsWith: .exitCode(8)) {
        try Streaming.start { exit(8) }
        while true { pause() }
      }
    }

    @Test("SIGPIPE is never raised: writing to a closed connection keeps the process")
    func noSIGPIPE() async {
      await #expect(processExitsWith: .exitCode(9)) {
        signal(SIGPIPE, SIG_DFL)
        let loop = try EventLoop()
        let client = Recorder()
        let (channel, peer) = try client.openToRawPeer(loop)
        peer.reset()
        for tag in 0..<100 { channel.send(text: [65], tag: UInt64(tag)) }
        try loop.drive { client.failure != nil }
        exit(client.failure?.kind == .lost ? 9 : 1)
      }
    }
  }
}

/// A server and a client that stream over TLS on two I/O threads, left alive on purpose.
private enum Streaming {
  nonisolated(unsafe) static var kept: [AnyObject] = []

  static var hasEnded: Bool {
    let threads = kept.compactMap { $0 as? IOThread }
    return threads.count == 2 && threads.allSatisfy { $0.waitUntilReturned(deadline: 0) }
  }

  static func start(onMessage: @escaping @Sendable () -> Void = {}) throws {
    let certificate = try SelfSignedCertificate(names: ["127.0.0.1"])
    let context = try TestCertificates.server(certificate)
    let trust = try TestCertificates.client(trusting: certificate)
    let serverLoop = try EventLoop()
    let server = try EchoServer(serverLoop) { $0.tls = context }
    let url = try server.url()
    kept.append(server)
    kept.append(try IOThread(loop: serverLoop, name: "server"))
    let loop = try EventLoop()
    kept.append(try IOThread(loop: loop, name: "client"))
    let streams = Answer<Bool>()
    loop.post {
      let client = Recorder()
      client.keepsTexts = false
      client.onOpen = {
        for _ in 0..<16 { $0.send(text: [UInt8](repeating: 65, count: 200), tag: 0) }
      }
      var count = 0
      client.onText = { channel, text in
        channel.send(text: text, tag: 0)
        count += 1
        if count == 100 {
          streams.set(true)
          onMessage()
        }
      }
      kept.append(client)
      kept.append(
        WebSocketChannel(
          connecting: ConnectOptions(url: url, tls: trust), on: loop, delegate: client))
    }
    _ = streams.wait()
  }
}
