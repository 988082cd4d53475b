import Dispatch
import RWSProtocol
import Testing

@testable import RWSClient
import ResponsesWS

@Suite struct ClientTests {
  private let settings = #"{"model":"m","store":false}"#

  @Test("Closed by several threads at once, with turns running: every turn ends, every close returns")
  func closeTogether() throws {
    let peer = try ScriptedPeer { [ServerEvent.created("r\($0)")] }
    for _ in 0..<20 {
      let client = try Client(baseURL: peer.url, apiKey: "")
      let turns = try (0..<4).map { _ in try client.session(settings: settings).start("hi") }
      DispatchQueue.concurrentPerform(iterations: 4) { index in
        if index % 2 == 0 { client.closeNow() } else { _ = try? client.close(timeout: .seconds(1)) }
      }
      for turn in turns {
        #expect(throws: ResponsesError.self) { try turn.wait(timeout: .seconds(20)) }
        #expect(turn.outcome == .cancelled || turn.error?.status == .closed)
      }
    }
  }

  @Test("A close that waits for a peer ends when another thread drops the client")
  func dropDuringClose() throws {
    let peer = try ScriptedPeer(hearsCloses: false) { [ServerEvent.created("r\($0)")] }
    let client = try Client(baseURL: peer.url, apiKey: "")
    let turn = try client.session(settings: settings).start("hi")
    _ = try turn.next()
    let closed = Holder<[Bool]>([])
    DispatchQueue.global().async { closed.note((try? client.close(timeout: .seconds(1_000_000))) == true) }
    // The turn ends when the close has begun.
    #expect(throws: ResponsesError.self) { try turn.next() }
    client.closeNow()
    #expect(closed.wait(for: 1))
  }

  @Test("A session made while another thread closes the client: its turn ends all the same")
  func sessionDuringClose() throws {
    let peer = try ScriptedPeer { [ServerEvent.created("r\($0)")] }
    for _ in 0..<50 {
      let client = try Client(baseURL: peer.url, apiKey: "")
      let started = Holder<[Turn?]>([])
      DispatchQueue.global().async { [settings] in
        started.note(try? client.session(settings: settings).start("hi"))
      }
      client.closeNow()
      #expect(started.wait(for: 1))
      guard let turn = started.value.first ?? nil else { continue }
      #expect(throws: ResponsesError.self) { try turn.wait(timeout: .seconds(20)) }
    }
  }

  @Test("Session.connect with a timeout of zero tells whether the session is connected")
  func connectAtOnce() throws {
    let peer = try ScriptedPeer { ServerEvent.answer($0) }
    let session = try Client(baseURL: peer.url, apiKey: "").session(settings: settings)
    #expect(try session.connect(timeout: .seconds(20)))
    for _ in 0..<100 { #expect(try session.connect(timeout: .zero)) }
  }
}
