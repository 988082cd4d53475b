import RWSJSON

/// What happens to the turn while its events come in.
extension ActiveTurn {
  mutating func append(
    _ text: UnsafeRawBufferPointer, _ fields: ScannedEvent, _ now: Instant
  ) {
    // Keep-alives and the like may come before the request is out; they do not answer it.
    if case .sending = phase, fields.kind == .other {} else { phase = .streaming(last: now) }
    if stats.firstEvent == nil { stats.firstEvent = elapsed(now) }
    if !hasOutput, fields.kind.isOutput {
      hasOutput = true
      stats.firstOutput = elapsed(now)
    }
    stats.eventCount += 1
    stats.receivedBytes += text.count
    if let batch {
      batch.append(text, fields)
      return
    }
    let fresh = EventBatch(
      capacity: max(text.count + 1024, lastBatch.bytes), recordCapacity: lastBatch.records)
    fresh.append(text, fields)
    batch = fresh
  }

  mutating func flushed(_ now: Instant) {
    phase = .waiting(since: now)
    stats.sent = elapsed(now)
  }

  mutating func appendNotice(type: String, reason: String) {
    var writer = JSONWriter()
    writer.beginObject()
    writer.key("type")
    writer.string(type)
    writer.key("reason")
    writer.string(reason)
    writer.endObject()
    let batch = self.batch ?? EventBatch(capacity: 1024)
    writer.bytes.withUnsafeBytes { text in
      guard var fields = try? EventScanner.scan(text) else { return }
      fields.kind = .notice
      batch.append(text, fields)
    }
    self.batch = batch
  }
}
