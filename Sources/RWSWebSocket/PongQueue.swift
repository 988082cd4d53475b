/// The payload of a control frame, held without allocation.
struct ControlPayload {
  private var storage = InlineArray<125, UInt8>(repeating: 0)
  private let count: Int

  init(_ bytes: UnsafeRawBufferPointer) {
    count = min(bytes.count, FrameHeader.controlPayloadBytesMax)
    let head = UnsafeRawBufferPointer(rebasing: bytes[..<count])
    withUnsafeMutableBytes(of: &storage) { $0.copyMemory(from: head) }
  }

  func withBytes(_ body: (UnsafeRawBufferPointer) -> Void) {
    withUnsafeBytes(of: storage) { body(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
  }
}

/// Bounds what pings can make a connection queue. Knows how many bytes of pongs are in the output, and the
/// latest ping that found too many there.
struct PongQueue {
  private(set) var queuedBytes = 0
  /// Output that must leave before the last queued pong has.
  private var outputBytesBefore = 0
  var waiting: ControlPayload?

  mutating func queued(_ bytes: Int, outputBytes: Int) {
    queuedBytes += bytes
    outputBytesBefore = outputBytes
  }

  mutating func sent(_ bytes: Int) {
    outputBytesBefore -= min(bytes, outputBytesBefore)
    if outputBytesBefore == 0 { queuedBytes = 0 }
  }

  /// The ping to answer now, if there is one and the queued pongs have left.
  mutating func takeWaiting() -> ControlPayload? {
    guard queuedBytes == 0 else { return nil }
    defer { waiting = nil }
    return waiting
  }

  mutating func clear() {
    waiting = nil
  }
}
