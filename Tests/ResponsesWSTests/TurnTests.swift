import Glibc
import RWSNetwork
import RWSProtocol
import Testing

@testable import RWSClient
import ResponsesWS

@Suite struct TurnTests {
  private let patience = Duration.seconds(20)

  private func session(_ peer: ScriptedPeer) throws -> Session {
    try Client(baseURL: peer.url, apiKey: "").session(settings: #"{"model":"m","store":false}"#)
  }

  @Test("A turn from start to end: its events in order, then the end, again and again")
  func read() throws {
    let peer = try ScriptedPeer { ServerEvent.answer($0) }
    let turn = try session(peer).start("hi")
    var types: [String] = []
    while let event = try turn.next() { types.append(event.type) }
    #expect(types == ["response.created", "response.output_text.delta", "response.completed"])
    #expect(try turn.next() == nil)
    #expect(turn.text == "hello" && turn.outcome == .completed)
  }

  @Test("After a cancel no event is delivered, also of those received together with the one before")
  func cancelInCallback() throws {
    let peer = try ScriptedPeer { request in
      [ServerEvent.created("r\(request)")] + (0..<50).map { ServerEvent.textDelta("\($0)") }
    }
    let session = try session(peer)
    let seen = Holder<[String]>([])
    let handle = Handle()
    let prepared = try session.prepare(
      content: .new(TurnInput(json: Array(#""hi""#.utf8))), overrides: Settings(), isWarmUp: false,
      limits: session.limits(Session.TurnOptions())
    ) { event in
      if event != nil { handle.turn?.cancel() }
      seen.note(event?.type ?? "end")
    }
    handle.turn = prepared.turn
    try prepared.launch()
    #expect(seen.wait(for: 2))
    #expect(throws: ResponsesError.self) { try prepared.turn.wait(timeout: patience) }
    #expect(seen.value == ["response.created", "end"])
    handle.turn = nil
  }

  @Test("A cancelled turn gives its error at once, not the events that were not read before")
  func cancelUnread() throws {
    let peer = try ScriptedPeer { [ServerEvent.created("r\($0)"), ServerEvent.textDelta("x")] }
    let turn = try session(peer).start("hi")
    _ = try turn.next()
    let deadline = MonotonicClock.deadline(after: patience.nanoseconds)
    while turn.text != "x", MonotonicClock.now() < deadline { sched_yield() }
    turn.cancel()
    #expect(throws: ResponsesError.self) { try turn.next() }
    #expect(turn.error?.status == .cancelled && turn.text == "x")
  }

  @Test("What the caller leaves unread of one turn does not hold up the next")
  func unreadTurn() throws {
    let big = String(repeating: "x", count: 1 << 20)
    let peer = try ScriptedPeer { request in
      request > 1
        ? ServerEvent.answer(request)
        : [ServerEvent.created("r1")] + Array(repeating: ServerEvent.textDelta(big), count: 30)
    }
    let session = try session(peer)
    let first = try session.start("hi")
    while first.text.utf8.count < EventQueue.bytesMax { _ = try session.responseID }
    first.cancel()
    #expect(try session.start("next").wait(timeout: patience))
  }

  @Test("Two tasks that iterate one turn both come to its end")
  func twoIterators() async throws {
    let peer = try ScriptedPeer { ServerEvent.answer($0) }
    let turn = try session(peer).start("hi")
    let counts = try await withThrowingTaskGroup(of: Int.self) { group in
      for _ in 0..<2 {
        group.addTask {
          var count = 0
          for try await _ in turn { count += 1 }
          return count
        }
      }
      return try await group.reduce(0, +)
    }
    #expect(counts == 3)
  }

  private final class Handle: @unchecked Sendable {
    var turn: Turn?
  }
}
