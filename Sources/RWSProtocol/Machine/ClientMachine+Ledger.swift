import RWSJSON
import RWSTokens

/// The books: each turn that was sent is told to its session's ledger, once.
extension ClientMachine {
  /// The response ended well. Chain and ledger move together.
  func commit(
    _ turn: ActiveTurn, _ fields: ScannedEvent, _ text: UnsafeRawBufferPointer, at seat: Seat
  ) {
    let response = fields.response.bytes(in: text)
    let known = ResponseFields(response)
    let isComplete = fields.kind == .responseCompleted
    if seat.connection.state != .closed, holds(.laneHoldsLatest) { seat.connection.hold(known.idText, on: seat.lane) }
    turn.usage = known.usage
    if turn.request.isPriming { return commitPriming(turn, known, at: seat) }
    guard holds(.commits) else { return }
    let output = turn.session.chain.commit(
      turn, response: response, known, isComplete: isComplete, at: seat)
    guard let output else { return }
    var entry = entry(of: turn)
    entry.isIncomplete = !isComplete
    entry.input = measure(ofInput: turn)
    for item in output {
      entry.output += item.withBytes { counter.measure(item: $0) }
    }
    entry.changes.formUnion(ContextChanges(output: output))
    turn.isBooked = true
    turn.stats.cost = turn.session.ledger.commit(entry)
    if let loss = turn.stats.cost.contextLoss {
      turn.appendNotice("rws.context_lost") { writer in
        writer.member("input_tokens", loss.inputTokens)
        writer.member("expected_tokens", loss.expectedTokens)
      }
    }
  }

  /// A turn's end that left the chain alone; if it was sent, it may have been paid.
  func bookUncommitted(_ turn: ActiveTurn) {
    guard !turn.isBooked, turn.sentBytes > 0 || turn.isCreated else { return }
    turn.isBooked = true
    turn.stats.cost = turn.session.ledger.abandon(entry(of: turn))
  }

  private func entry(of turn: ActiveTurn) -> LedgerTurn {
    let request = turn.request
    var entry = LedgerTurn()
    entry.usage = turn.usage
    entry.isDelta = turn.stats.isDelta
    entry.replacesHistory = request.changedPath != nil
    entry.sentBytes = turn.sentBytes
    entry.httpBytes = turn.stats.fullRequestBytes
    entry.resendCount = turn.stats.resendCount
    entry.changes = turn.contextChanges
    if request.settings.hasConversation || request.settings["truncation"]?.string == "auto" {
      entry.changes.insert(.truncation)
    }
    if request.input.hasCompaction { entry.changes.insert(.compaction) }
    return entry
  }

  private func measure(ofInput turn: ActiveTurn) -> TextMeasure {
    var sum = turn.request.measure ?? measure(turn.request.input)
    for steer in turn.steersAhead { sum += measure(steer.input) }
    return sum
  }

  private func measure(_ input: TurnInput) -> TextMeasure {
    input.lasting.joined.withUnsafeBytes { counter.measure(items: $0) }
  }

  // MARK: For the caller

  package func ledger(_ id: SessionID) -> SessionLedger {
    sessions[id]?.ledger.snapshot ?? SessionLedger()
  }

  /// Tokens that items will take in the session's next input.
  package func estimate(_ id: SessionID, _ items: TextMeasure) -> TokenEstimate {
    (sessions[id]?.ledger ?? TokenLedger()).estimate(items)
  }
}
