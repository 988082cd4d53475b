import CResponsesWS
import RWSClient

/// Bytes lent to C: copied once into memory of a stable address that lives as long as this object.
final class Borrowed: @unchecked Sendable {
  private var pieces: [UnsafeMutablePointer<CChar>] = []

  deinit {
    for piece in pieces { piece.deallocate() }
  }

  func string(_ bytes: [UInt8]) -> rws_string {
    bytes.withUnsafeBytes { copy($0) }
  }

  func string(_ text: String) -> rws_string {
    var text = text
    return text.withUTF8 { copy(UnsafeRawBufferPointer($0)) }
  }

  /// Fills a fresh piece and lends that; what `slot` lent before is over.
  static func renew<Value>(_ slot: inout Borrowed, _ fill: (Borrowed) -> Value) -> Value {
    let fresh = Borrowed()
    defer { slot = fresh }
    return fill(fresh)
  }

  private func copy(_ bytes: UnsafeRawBufferPointer) -> rws_string {
    guard bytes.count > 0 else { return .empty }
    let piece = UnsafeMutablePointer<CChar>.allocate(capacity: bytes.count)
    UnsafeMutableRawBufferPointer(start: piece, count: bytes.count).copyMemory(from: bytes)
    pieces.append(piece)
    return rws_string(data: piece, len: bytes.count)
  }
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

/// An error lent until its handle is freed: made once.
struct LentError {
  private var made: (borrowed: Borrowed, value: rws_error)?

  mutating func lend(_ error: ResponsesError) -> rws_error {
    if let made { return made.value }
    let borrowed = Borrowed()
    let value = rws_error(error, borrowed)
    made = (borrowed, value)
    return value
  }
}
