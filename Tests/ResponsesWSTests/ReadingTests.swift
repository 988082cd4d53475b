import RWSProtocol
import ResponsesWS
import Testing

extension SwiftFace {
  @Suite("Reading a turn without async") struct ReadingTests {
    static let kinds: [EventKind] = [
      .responseCreated, .outputItemAdded, .outputTextDelta, .outputItemDone, .responseCompleted,
    ]

    @Test("next() gives every event in order, then nil, and nil again")
    func next() throws {
      let peer = try ScriptedPeer()
      defer { peer.stop() }
      let turn = try Client.session(peer.url).start("hello")
      var kinds: [EventKind] = []
      while let event = try turn.next() { kinds.append(event.kind) }
      #expect(kinds == Self.kinds)
      #expect(try turn.next() == nil)
      guard case .ended = try turn.next(within: .zero) else {
        Issue.record("the end is gone")
        return
      }
      #expect(turn.outcome == .completed)
      #expect(turn.error == nil)
    }

    @Test("an event shows its type, place, text and JSON; unknown ones pass through unharmed")
    func event() throws {
      let other = #"{"a":1.0,"type":"vendor:thing","stream_id":"lane","n":9007199254740993}"#
      let delta =
        #"{"type":"response.output_text.delta","sequence_number":7,"output_index":2,"item_id":"msg_9","delta":"a\u00e4\n\ud83d\ude00"}"#
      let peer = try ScriptedPeer { connection, _ in
        connection.send(other, delta, ServerEvent.completed("resp_1"))
      }
      defer { peer.stop() }
      let turn = try Client.session(peer.url).start("hello")
      let first = try #require(try turn.next())
      #expect(first.kind == .other)
      #expect(first.type == "vendor:thing")
      #expect(first.streamID == "lane")
      #expect(first.json == other)
      #expect(first.sequenceNumber == nil && first.outputIndex == nil && first.delta.isEmpty)
      let second = try #require(try turn.next())
      #expect(second.kind == .outputTextDelta)
      #expect(second.sequenceNumber == 7)
      #expect(second.outputIndex == 2)
      #expect(second.itemID == "msg_9")
      #expect(second.delta == "aä\n😀")
      #expect(second.withJSON { $0.elementsEqual(delta.utf8) })
      #expect(second.withDelta { $0.elementsEqual("aä\n😀".utf8) })
      let last = try #require(try turn.next())
      #expect(last.response == #"{"id":"resp_1","status":"completed"}"#)
      #expect(turn.response == last.response)
    }

    @Test("an event outlives its turn, its session and its client")
    func eventOutlives() throws {
      let peer = try ScriptedPeer()
      defer { peer.stop() }
      var event: Event?
      do {
        let turn = try Client.session(peer.url).start("hello")
        while let next = try turn.next() { if next.kind == .outputTextDelta { event = next } }
      }
      #expect(event?.delta == "reply 1")
    }

    @Test("wait() drops what was not read; the results hold what it said")
    func wait() throws {
      let peer = try ScriptedPeer()
      defer { peer.stop() }
      let turn = try Client.session(peer.url).start("hello")
      #expect(try turn.next()?.kind == .responseCreated)
      #expect(try turn.wait())
      #expect(try turn.wait(timeout: .zero))
      #expect(try turn.next() == nil)
      #expect(turn.text == "reply 1")
      #expect(turn.items == [ServerEvent.message("reply 1")])
      #expect(turn.responseID == "resp_1")
      #expect(turn.stats.eventCount == Self.kinds.count)
    }

    @Test("the error that ended a turn is thrown as often as one asks")
    func errorAgain() throws {
      let peer = try ScriptedPeer { connection, _ in connection.cut() }
      defer { peer.stop() }
      let turn = try Client.session(peer.url).start("hello")
      let error = try failure { try turn.wait() }
      #expect(try failure { _ = try turn.next() } == error)
      #expect(try failure { _ = try turn.next(within: .zero) } == error)
      #expect(turn.error == error)
    }

    @Test("a callback gets every event and then nil; reading it otherwise is busy")
    func callback() throws {
      let peer = try ScriptedPeer()
      defer { peer.stop() }
      let session = try Client.session(peer.url)
      let heard = Holder<[EventKind?]>([])
      let (turn, launch) = try session.prepare(
        content: .new(TurnInput(json: Array(#""hello""#.utf8))), overrides: Settings(), isWarmUp: false,
        limits: TurnLimits()
      ) { event in
        heard.change { $0.append(event?.kind) }
      }
      try launch()
      #expect(heard.wait { $0.last == .some(nil) })
      #expect(heard.value == Self.kinds + [nil])
      #expect(try turn.wait())
      #expect(turn.text == "reply 1")
      #expect(try failure { _ = try turn.next() }.status == .busy)
    }

    @Test("inside a callback: starting, cancelling and looking work; waiting would deadlock")
    func insideCallback() throws {
      let peer = try ScriptedPeer()
      defer { peer.stop() }
      let client = try Client(.test(peer.url))
      let session = try client.session(settings: "{}")
      let inside = Holder<[Status]>([])
      let follower = Holder<Turn?>(nil)
      let (turn, launch) = try session.prepare(
        content: .new(TurnInput(json: Array(#""hello""#.utf8))), overrides: Settings(), isWarmUp: false,
        limits: TurnLimits()
      ) { event in
        guard event == nil else { return }
        do {
          let next = try session.start("from the callback")
          let errors = [
            try failure { try next.wait() }, try failure { _ = try next.next() },
            try failure { try client.close() },
          ]
          inside.change { $0 = errors.map(\.status) }
          follower.change { $0 = next }
        } catch {
          Issue.record(error)
        }
      }
      try launch()
      #expect(follower.wait { $0 != nil })
      #expect(turn.outcome == .completed)
      #expect(inside.value == [.wouldDeadlock, .wouldDeadlock, .wouldDeadlock])
      let next = try #require(follower.value)
      #expect(try next.wait())
      #expect(next.text == "reply 2")
    }

    @Test("two threads that read one turn: one reads, the other is told that it is busy")
    func twoReaders() async throws {
      let peer = try ScriptedPeer { _, _ in }
      defer { peer.stop() }
      let turn = try Client.session(peer.url).start("hello")
      // Whoever comes second is busy at once; the first waits until the turn is cancelled.
      let busy = Holder(0)
      let cancelled = Holder(0)
      for _ in 0..<2 {
        Background.run {
          do { _ = try turn.next() } catch let error as ResponsesError {
            if error.status == .busy { busy.change { $0 += 1 } }
            if error.status == .cancelled { cancelled.change { $0 += 1 } }
          } catch {}
        }
      }
      #expect(busy.wait { $0 == 1 })
      turn.cancel()
      #expect(cancelled.wait { $0 == 1 })
    }

    @Test("the session's descriptor is readable exactly while something was not read")
    func descriptor() throws {
      let peer = try ScriptedPeer()
      defer { peer.stop() }
      let session = try Client.session(peer.url)
      let descriptor = try session.descriptor
      #expect(!Descriptors.isReadable(descriptor, within: 0))
      let turn = try session.start("hello")
      #expect(Descriptors.isReadable(descriptor, within: 20_000))
      while try turn.next() != nil {}
      #expect(!Descriptors.isReadable(descriptor, within: 0))
    }

    @Test("cancel ends a turn at once; what came later goes nowhere; the session goes on")
    func cancel() throws {
      let peer = try ScriptedPeer { connection, request in
        guard request.number == 1 else { return ScriptedPeer.echo(connection, request) }
        connection.send(ServerEvent.created("resp_1"), ServerEvent.textDelta("a"))
      }
      defer { peer.stop() }
      let session = try Client.session(peer.url)
      let turn = try session.start("hello")
      while turn.text != "a" { _ = try turn.next() }
      turn.cancel()
      let error = try failure { while try turn.next() != nil {} }
      #expect(error.status == .cancelled)
      #expect(error.execution == .outputSeen)
      #expect(turn.outcome == .cancelled)
      turn.cancel()
      peer.onConnection { $0.send(ServerEvent.textDelta("late"), ServerEvent.completed("resp_1")) }
      let next = try session.finished("next")
      #expect(next.text == "reply 2")
      #expect(turn.text == "a")
      next.cancel()
      #expect(next.outcome == .completed)
    }
  }
}
