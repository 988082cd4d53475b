// The client of the Autobahn testsuite's fuzzing server, on the library's public raw connections: asks for
// the number of cases, echoes each case's messages until the server closes, and asks for the reports.
import ResponsesWS

struct Arguments {
  var url = ""
  var agent = "libresponsesws"
  var caFile: String?
  /// Cases at a time.
  var jobs = 1
  /// Says how the cases ended that did not end well; of most the suite wants just that.
  var isVerbose = false

  static let usage =
    "usage: autobahn-client [--agent NAME] [--ca FILE] [--jobs N] [--verbose] URL   (ws://HOST:PORT or wss://HOST:PORT)"

  /// nil: not understood.
  init?(_ words: [String]) {
    var words = words[...]
    while let word = words.popFirst() {
      switch word {
      case "--agent":
        guard let value = words.popFirst() else { return nil }
        agent = value
      case "--ca":
        guard let value = words.popFirst() else { return nil }
        caFile = value
      case "--jobs":
        guard let value = words.popFirst().flatMap({ Int($0) }), value > 0 else { return nil }
        jobs = value
      case "--verbose": isVerbose = true
      default:
        guard url.isEmpty, !word.hasPrefix("--") else { return nil }
        url = word
      }
    }
    if url.isEmpty { return nil }
    while url.hasSuffix("/") { url.removeLast() }
  }
}

struct Suite {
  let client: Client
  let arguments: Arguments

  init(_ arguments: Arguments) throws {
    self.arguments = arguments
    var options = ClientOptions(baseURL: arguments.url, apiKey: "")
    options.caFile = arguments.caFile
    // Small messages are compressed, too: many of the suite's are small.
    options.compressionThreshold = 0
    client = try Client(options)
  }

  func run() async throws {
    let count = try await caseCount()
    await withTaskGroup(of: Void.self) { group in
      for number in 1..<max(1, count + 1) {
        if number > arguments.jobs { await group.next() }
        group.addTask { await run(case: number) }
      }
    }
    let reports = try open("/updateReports?agent=\(arguments.agent)")
    while try await reports.receive() != nil {}
  }

  private func caseCount() async throws -> Int {
    let socket = try open("/getCaseCount")
    let answer = try await socket.receive()
    guard let count = answer.flatMap({ Int($0.text) }) else {
      throw ResponsesError(.protocolViolation, "The server did not say how many cases there are.")
    }
    return count
  }

  /// However a case ends, for well or ill, the next one follows: the server judges.
  private func run(case number: Int) async {
    var socket: WebSocket?
    await withCheckedContinuation { done in
      do {
        socket = try client.socket(
          .init(url: arguments.url + "/runCase?case=\(number)&agent=\(arguments.agent)")
        ) { socket, message in
          if let message { echo(message, to: socket) } else { done.resume() }
        }
      } catch {
        print("case \(number): \(error)")
        done.resume()
      }
    }
    if arguments.isVerbose, let error = socket?.error { print("case \(number): \(error)") }
  }

  private func open(_ target: String) throws -> WebSocket {
    try client.socket(.init(url: arguments.url + target))
  }
}

/// From the callback, so that an echo leaves before the next frame is looked at.
@Sendable func echo(_ message: WebSocket.Message, to socket: WebSocket) {
  do {
    switch message.kind {
    case .text: try socket.send(text: message.bytes)
    case .binary: try socket.send(binary: message.bytes)
    case .pong, .opened: break
    }
  } catch {
    print("no echo: \(error)")
  }
}

guard let arguments = Arguments(Array(CommandLine.arguments.dropFirst())) else {
  print(Arguments.usage)
  // A trap is no way to say so, and the standard library has no exit: an error does.
  throw ResponsesError(.invalidArgument, "The arguments were not understood.")
}
try await Suite(arguments).run()
