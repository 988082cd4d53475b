import RWSWebSocket

private struct Heard: Equatable {
  var events: [[[UInt8]]] = []
  var lastEventID: [UInt8] = []
  var retry: Int?
  var failed: ServerSentEventTooLarge?
}

private let eventBytesMax = 200

/// WHATWG HTML §9.2, alone or inside a chunked body, as HTTP brings it.
func sse(_ input: FuzzInput) {
  expectSameWhole(input) { input.choice(0) ? readChunked($0) : read($0) }
}

private func read(_ parts: [UnsafeRawBufferPointer]) -> Heard {
  var reader = ServerSentEventReader(eventBytesMax: eventBytesMax)
  var heard = Heard()
  do throws(ServerSentEventTooLarge) {
    for part in parts { try take(part, &reader, &heard) }
  } catch {
    heard.failed = error
  }
  finish(reader, &heard)
  return heard
}

private func readChunked(_ parts: [UnsafeRawBufferPointer]) -> Heard {
  var body = HTTPBodyReader(.chunked)
  var reader = ServerSentEventReader(eventBytesMax: eventBytesMax)
  var input = ByteBuffer(bytesMax: 1 << 24)
  var heard = Heard()
  do {
    for part in parts {
      try? input.append(part)
      while case .part(let bytes) = try body.next(&input) { try take(bytes, &reader, &heard) }
    }
  } catch {
    heard.failed = error as? ServerSentEventTooLarge
  }
  finish(reader, &heard)
  return heard
}

private func take(
  _ part: UnsafeRawBufferPointer, _ reader: inout ServerSentEventReader, _ heard: inout Heard
) throws(ServerSentEventTooLarge) {
  var rest = part
  while let event = try reader.next(&rest) {
    check(event.data.count <= eventBytesMax, "\(event.data.count) bytes of data")
    heard.events.append([Array(event.type), Array(event.data)])
  }
  check(rest.isEmpty, "\(rest.count) bytes were left")
}

private func finish(_ reader: borrowing ServerSentEventReader, _ heard: inout Heard) {
  heard.lastEventID = reader.lastEventID
  heard.retry = reader.retryMilliseconds
  // Buffers grow from 1 KiB on, but never past the limit.
  check(reader.allocatedBytes <= 4 * eventBytesMax, "\(reader.allocatedBytes) bytes are held")
}
