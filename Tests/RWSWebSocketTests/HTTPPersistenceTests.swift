import Testing

@testable import RWSWebSocket

@Suite("RFC 9112 §9.3: whether a connection outlives an answer") struct HTTPPersistenceTests {
  private func persistence(_ head: String) throws -> HTTPPersistence {
    var reader = HTTPAnswerReader()
    var input = ByteBuffer(bytesMax: 4096)
    try input.append(head + "\r\n\r\n")
    _ = try reader.next(&input)
    return reader.persistence
  }

  @Test("that of a length, of chunks, or without a body is kept", arguments: [
    "HTTP/1.1 200 OK\r\nContent-Length: 3", "HTTP/1.1 404 No\r\nTransfer-Encoding: chunked", "HTTP/1.1 204 No",
    "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive",
  ])
  func kept(head: String) throws { #expect(try persistence(head) == .keeps(seconds: nil)) }

  @Test("that of an older version, without an end of its own, or of a server that says so is not", arguments: [
    "HTTP/1.0 200 OK\r\nContent-Length: 3", "HTTP/1.0 200 OK\r\nContent-Length: 3\r\nConnection: keep-alive",
    "HTTP/1.1 200 OK", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close",
    "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: foo, CLOSE",
  ])
  func closed(head: String) throws { #expect(try persistence(head) == .closes) }

  @Test("a server may say for how long", arguments: [
    ("timeout=5", 5), ("timeout=5, max=100", 5), ("max=100,Timeout=0", 0), ("timeout=9, timeout=7", 7),
    ("timeout=", nil), ("timeout=-1", nil), ("timeout=99999999999999999999", nil), ("max=1", nil), ("", nil),
  ])
  func seconds(value: String, expected: Int?) throws {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nKeep-Alive: \(value)"
    #expect(try persistence(head) == .keeps(seconds: expected))
  }

  @Test("interim answers say nothing of it, and before there is a head nothing is known")
  func interim() throws {
    #expect(HTTPAnswerReader().persistence == .closes)
    let early = "HTTP/1.1 103 Early Hints\r\nConnection: close\r\n\r\n"
    #expect(try persistence(early + "HTTP/1.1 200 OK\r\nContent-Length: 3") == .keeps(seconds: nil))
  }
}
