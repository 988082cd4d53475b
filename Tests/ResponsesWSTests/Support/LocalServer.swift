import ResponsesServer

@testable import RWSNetwork

/// The project's own server, on a thread of this process.
final class LocalServer: @unchecked Sendable {
  let url: String
  private let loop: EventLoop
  private let thread: IOThread
  /// Touched on the loop only.
  private let server: Server

  init(_ configure: (inout ServerOptions) -> Void = { _ in }) throws {
    var options = ServerOptions()
    configure(&options)
    loop = try EventLoop()
    server = try Server(options, on: loop)
    url = server.url
    thread = try IOThread(loop: loop, name: "local-server")
  }

  deinit {
    thread.loop.post { [server = Unchecked(server)] in server.value.stop() }
    // Until it has: what is on a loop when that ends keeps itself alive. The server waits a second at most.
    _ = thread.waitUntilReturned(deadline: .max)
    thread.stopAndJoin()
  }

  private struct Unchecked<Value>: @unchecked Sendable {
    let value: Value
    init(_ value: Value) { self.value = value }
  }
}
