import Testing

@testable import RWSWebSocket

/// WHATWG HTML §9.2.5 and §9.2.6.
@Suite struct ServerSentEventReaderTests {
  private struct Heard: Equatable {
    var events: [String] = []
    var lastEventID = ""
    var retry: Int?
    var failed: ServerSentEventTooLarge?
  }

  private static func read(_ parts: [ArraySlice<UInt8>], bytesMax: Int) -> Heard {
    var reader = ServerSentEventReader(eventBytesMax: bytesMax)
    var heard = Heard()
    do throws(ServerSentEventTooLarge) {
      for part in parts {
        // Memory of its own, given back at once: what is kept of it must have been copied.
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: part.count, alignment: 1)
        memory.copyBytes(from: part)
        defer { memory.deallocate() }
        var rest = UnsafeRawBufferPointer(memory)
        while let event = try reader.next(&rest) {
          let type = String(decoding: event.type, as: UTF8.self)
          heard.events.append("\(type)|\(String(decoding: event.data, as: UTF8.self))")
        }
        #expect(rest.isEmpty)
      }
    } catch {
      heard.failed = error
    }
    heard.lastEventID = String(decoding: reader.lastEventID, as: UTF8.self)
    heard.retry = reader.retryMilliseconds
    return heard
  }

  private func read(_ text: String, bytesMax: Int = 1 << 20) -> Heard {
    let ways = cuts(of: Array(text.utf8)).map { Self.read($0, bytesMax: bytesMax) }
    for way in ways where way != ways[0] { Issue.record("\(way) in one cut, \(ways[0]) whole") }
    return ways[0]
  }

  private func events(_ text: String) -> [String] { read(text).events }

  @Test("an empty line ends an event; its type is message unless it says so")
  func simple() {
    #expect(events("data: one\n\nevent: two\ndata: 2\n\n") == ["|one", "two|2"])
  }

  @Test("lines end in LF, CR or CR LF, in any mixture", arguments: ["\n", "\r", "\r\n"])
  func lineEnds(_ end: String) {
    #expect(events("event: e\(end)data: a\(end)data: b\(end)\(end)data: c\(end)\(end)") == ["e|a\nb", "|c"])
  }

  @Test("lines of different ends: CR LF is one end, LF CR are two")
  func mixedLineEnds() {
    #expect(events("data: a\r\ndata: b\rdata: c\n\ndata: d\n\rdata: e\r\n\r\n") == ["|a\nb\nc", "|d", "|e"])
  }

  @Test("an event ends with the CR of its empty line; the LF is not waited for")
  func carriageReturnEnds() {
    let first = Array("data: a\r\n\r".utf8)
    #expect(Self.read([first[...]], bytesMax: 99).events == ["|a"])
    #expect(Self.read([first[...], Array("\ndata: b\n\n".utf8)[...]], bytesMax: 99).events == ["|a", "|b"])
  }

  @Test("one byte order mark at the start is skipped, another is part of a field's name")
  func byteOrderMark() {
    #expect(events("\u{FEFF}data: a\n\n") == ["|a"])
    #expect(events("\u{FEFF}\u{FEFF}data: a\n\ndata: b\n\n") == ["|b"])
    #expect(events("data: a\n\n\u{FEFF}data: b\n\ndata: c\n\n") == ["|a", "|c"])
  }

  @Test("data lines are joined by LF, empty ones too")
  func joined() {
    #expect(events("data\n\n") == ["|"])
    #expect(events("data\ndata\n\n") == ["|\n"])
    #expect(events("data:\n\ndata: \n\n") == ["|", "|"])
    #expect(events("data: YHOO\ndata: +2\ndata: 10\n\n") == ["|YHOO\n+2\n10"])
  }

  @Test("one blank after the colon is dropped, further ones are not")
  func blanks() {
    #expect(events("data:test\n\ndata: test\n\ndata:  test \n\n") == ["|test", "|test", "| test "])
  }

  @Test("comments are skipped wherever they stand")
  func comments() {
    #expect(events(": keep-alive\n\n:\n\ndata: a\n: b\ndata: c\n\n:") == ["|a\nc"])
  }

  @Test("an event without data is none, and its type is forgotten")
  func withoutData() {
    #expect(events("event: lost\n\ndata: a\n\n") == ["|a"])
  }

  @Test("unknown fields, other case and blanks before the name are ignored")
  func unknownFields() {
    #expect(events("DATA: a\n data: b\ndatas: c\ndat: d\ndata : e\n\ndata: f\n\n") == ["|f"])
  }

  @Test("the last type counts, and a later empty one means message")
  func types() {
    #expect(events("event: a\nevent: b\ndata\n\nevent: a\nevent\ndata\n\n") == ["b|", "|"])
  }

  @Test("an event that no empty line ended is dropped at the end")
  func unfinished() {
    #expect(events("data: a\n\ndata: b\n") == ["|a"])
    #expect(events("data: a\n\ndata: b") == ["|a"])
  }

  @Test("id: the last one stays, an empty one clears it, one with NUL is ignored")
  func ids() {
    #expect(read("id: 1\n\ndata: a\n\n").lastEventID == "1")
    #expect(read("id: 1\nid\n").lastEventID == "")
    #expect(read("id: 1\nid: 2\u{0}3\n").lastEventID == "1")
  }

  @Test("retry: digits only")
  func retries() {
    #expect(read("retry: 1500\n").retry == 1500)
    #expect(read("retry: 15\nretry: -1\nretry: 1s\nretry:\nretry: 99999999999999999999\n").retry == 15)
  }

  @Test("bytes that are no UTF-8 come through as they are")
  func rawBytes() {
    let bytes: [UInt8] = Array("data: ".utf8) + [0xFF, 0x00, 0xC3] + Array("\n\n".utf8)
    var reader = ServerSentEventReader(eventBytesMax: 100)
    bytes.withUnsafeBytes { memory in
      var part = memory
      #expect((try? reader.next(&part)).flatMap { $0.map { Array($0.data) } } == [0xFF, 0x00, 0xC3])
    }
  }

  @Test("a line over the limit is an error, after the events before it")
  func longLine() {
    let long = String(repeating: "x", count: 95)
    #expect(read("data: a\n\ndata: \(long)\n\n", bytesMax: 100).failed == ServerSentEventTooLarge(limitBytes: 100))
    #expect(read("data: a\n\ndata: \(long)\n\n", bytesMax: 100).events == ["|a"])
    #expect(read("data: a\n\ndata: \(long)\n\n", bytesMax: 101).failed == nil)
    #expect(read(":" + long + long, bytesMax: 100).failed == ServerSentEventTooLarge(limitBytes: 100))
  }

  @Test("data lines that together are over the limit are an error")
  func longData() {
    let lines = String(repeating: "data: 123456789\n", count: 10)
    #expect(read(lines + "\n", bytesMax: 98).failed == ServerSentEventTooLarge(limitBytes: 98))
    #expect(read(lines + "\n", bytesMax: 99).events == ["|" + String(lines.replacing("data: ", with: "").dropLast())])
  }

  @Test("an endless stream of comments and empty events takes no memory")
  func boundedMemory() {
    var reader = ServerSentEventReader(eventBytesMax: 1 << 20)
    let text = Array(": keep-alive\n\ndata: 1\n\nevent: x\n\n".utf8)
    var count = 0
    for _ in 0..<2000 {
      text.withUnsafeBytes { memory in
        // Cut in the middle of a line.
        for cut in [memory[..<17], memory[17...]] {
          var part = UnsafeRawBufferPointer(rebasing: cut)
          while (try? reader.next(&part)) ?? nil != nil { count += 1 }
        }
      }
    }
    #expect(count == 2000)
    #expect(reader.allocatedBytes <= 4096)
  }

  @Test("one data line and its empty line in one part are handed out where they lie")
  func zeroCopy() {
    var reader = ServerSentEventReader(eventBytesMax: 1 << 20)
    Array("event: e\ndata: {\"type\":\"e\"}\n\nrest".utf8).withUnsafeBytes { memory in
      var part = memory
      let event = (try? reader.next(&part)) ?? nil
      #expect(event?.data.baseAddress == memory.baseAddress.map { $0 + 15 })
      #expect(part.count == 4)
    }
  }

  @Test("line ends are found at every offset and alignment")
  func lineEndOffsets() {
    for count in 0..<40 {
      for at in 0..<count {
        for (end, other) in [("\n", "\u{B}"), ("\r", "\u{C}")] {
          var bytes = Array(repeating: Array(other.utf8)[0], count: count)
          bytes[at] = Array(end.utf8)[0]
          let found = bytes.withUnsafeBytes { LineEnd.offset(in: UnsafeRawBufferPointer(rebasing: $0[0...])) }
          #expect(found == at)
          #expect(bytes.withUnsafeBytes { LineEnd.offset(in: UnsafeRawBufferPointer(rebasing: $0[..<at])) } == nil)
        }
      }
    }
  }
}
