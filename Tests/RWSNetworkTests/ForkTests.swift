import Glibc
import RWSWebSocket
import Testing

@testable import RWSNetwork

/// Swift hides `fork`; hosts of the library do call it.
@_silgen_name("fork") private func forkProcess() -> pid_t

extension NetworkTests {
  @Suite struct ForkTests {
    @Test(
      "a forked child's handles do nothing, and its exit does not disturb the parent's connection",
      arguments: [false, true])
    func fork(secure: Bool) throws {
      let loop = try EventLoop()
      let certificate = try SelfSignedCertificate(names: ["127.0.0.1"])
      let context = try TestCertificates.server(certificate)
      let server = try EchoServer(loop) { if secure { $0.tls = context } }
      defer { server.stop() }
      let client = Recorder()
      let tls = secure ? try TestCertificates.client(trusting: certificate) : nil
      let channel = WebSocketChannel(
        connecting: ConnectOptions(url: try server.url(), tls: tls), on: loop, delegate: client)
      try loop.drive { client.info != nil }
      let thread = try IOThread(loop: EventLoop(), name: "rws-test")
      // Under ThreadSanitizer the Swift runtime takes a lock for each look at what was made once: a child in
      // which that thread, about to enter the gate, held one would wait for ever.
      nonisolated(unsafe) var isRunning = false
      thread.loop.post { loop.post { isRunning = true } }
      try loop.drive { isRunning }
      let guardBefore = ForkGuard()

      let child = forkProcess()
      if child == 0 {
        var mistakes: Int32 = 0
        if !guardBefore.isForkedChild || !loop.isForkedChild { mistakes |= 1 }
        if ForkGuard().isForkedChild { mistakes |= 2 }
        if channel.send(text: [65], tag: 1) { mistakes |= 4 }
        if loop.runOnce(maxWait: .max) { mistakes |= 8 }
        loop.post {}
        thread.stopAndJoin()
        channel.close(timeoutNanoseconds: 1)
        channel.abort()
        channel.abort()
        server.connections[0].channel.abort()
        server.listener.close()
        // A child may begin anew.
        if (try? EventLoop())?.runOnce(maxWait: 0) != true { mistakes |= 16 }
        _exit(mistakes)
      }
      try #require(child > 0)
      var status: Int32 = -1
      try loop.drive { waitpid(child, &status, WNOHANG) == child }
      #expect(status == 0)

      channel.send(text: Array("after the fork".utf8), tag: 2)
      try loop.drive { !client.texts.isEmpty || client.failure != nil }
      #expect(client.strings == ["after the fork"])
      let late = Recorder()
      let second = WebSocketChannel(
        connecting: ConnectOptions(url: try server.url(), tls: tls), on: loop, delegate: late)
      try loop.drive { late.info != nil }
      second.abort()
      channel.abort()
      thread.stopAndJoin()
    }

    @Test("the peer sees the end of a connection although a forked child still holds a copy")
    func endDespiteChild() throws {
      let loop = try EventLoop()
      let client = Recorder()
      let (channel, peer) = try client.openToRawPeer(loop)
      let child = forkProcess()
      if child == 0 {
        pause()
        _exit(0)
      }
      channel.abort()
      try peer.receive { _ in peer.sawEnd }
      kill(child, SIGKILL)
      var status: Int32 = 0
      waitpid(child, &status, 0)
    }
  }
}
