extension WebSocket {
  /// One message of the peer; or, where the options ask for it, a pong or the word that the connection is
  /// open. Copies share their bytes.
  public struct Message: Sendable {
    public enum Kind: Int32, Sendable {
      case text = 1
      case binary = 2
      /// The answer to a ping: its payload (`Options.reportsPongs`).
      case pong = 3
      /// The upgrade is done; without bytes (`Options.reportsOpening`).
      case opened = 4
    }

    public let kind: Kind
    private let memory: Memory

    init(_ kind: Kind, copying bytes: UnsafeRawBufferPointer) {
      self.kind = kind
      memory = Memory(copying: bytes)
    }

    public var count: Int { memory.bytes.count }
    public var bytes: [UInt8] { Array(memory.bytes) }
    /// The bytes as text: of a text message exactly what was sent.
    public var text: String { String(decoding: memory.bytes, as: UTF8.self) }

    public func withUnsafeBytes<Result, Failure: Error>(
      _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
      try body(memory.bytes)
    }

    /// Valid while the message, or a copy of it, lives.
    package var borrowedBytes: UnsafeRawBufferPointer { memory.bytes }
  }

  /// The one copy on a message's way from the socket to the caller; read-only, hence `@unchecked Sendable`.
  private final class Memory: @unchecked Sendable {
    let bytes: UnsafeRawBufferPointer

    init(copying source: UnsafeRawBufferPointer) {
      let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: source.count, alignment: 8)
      copy.copyMemory(from: source)
      bytes = UnsafeRawBufferPointer(copy)
    }

    deinit { bytes.deallocate() }
  }
}

/// Messages received and not yet read, with what they weigh.
struct MessageQueue {
  /// Counted for each message besides its bytes: a flood of empty ones takes memory, too.
  private static let messageOverhead = 96

  /// nil: read already.
  private var messages: [WebSocket.Message?] = []
  private var next = 0
  private(set) var weight = 0

  var isEmpty: Bool { next == messages.count }

  mutating func append(_ message: WebSocket.Message) {
    messages.append(message)
    weight += message.count + Self.messageOverhead
  }

  mutating func takeFirst() -> WebSocket.Message? {
    guard next < messages.count, let message = messages[next] else { return nil }
    messages[next] = nil
    next += 1
    weight -= message.count + Self.messageOverhead
    if next == messages.count {
      messages.removeAll(keepingCapacity: next <= 256)
      next = 0
    } else if next > 64, next > messages.count / 2 {
      messages.removeFirst(next)
      next = 0
    }
    return message
  }
}
