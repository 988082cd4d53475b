import CResponsesWS

/// Bytes lent to C: copied once into memory of a stable address that lives as long as this object.
final class Borrowed: @unchecked Sendable {
  private var pieces: [UnsafeMutablePointer<CChar>] = []

  deinit {
    for piece in pieces { piece.deallocate() }
  }

  func string(_ bytes: some Collection<UInt8>) -> rws_string {
    guard !bytes.isEmpty else { return .empty }
    let copy = UnsafeMutablePointer<CChar>.allocate(capacity: bytes.count)
    var length = 0
    for byte in bytes {
      copy[length] = CChar(bitPattern: byte)
      length += 1
    }
    pieces.append(copy)
    return rws_string(data: copy, len: length)
  }

  func string(_ text: String) -> rws_string { string(text.utf8) }
}

extension rws_string {
  /// Never NULL: an empty string points at a static NUL byte.
  static var empty: rws_string {
    rws_string(data: emptyBytes, len: 0)
  }

  init(_ bytes: UnsafeRawBufferPointer) {
    guard let base = bytes.baseAddress, bytes.count > 0 else {
      self = .empty
      return
    }
    self.init(data: base.assumingMemoryBound(to: CChar.self), len: bytes.count)
  }
}

/// A C string of static storage.
func cString(_ text: StaticString) -> UnsafePointer<CChar> {
  UnsafeRawPointer(text.utf8Start).assumingMemoryBound(to: CChar.self)
}

private let emptyText: StaticString = ""
private var emptyBytes: UnsafePointer<CChar> { cString(emptyText) }
