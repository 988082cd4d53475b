import Glibc

/// One line for each record, written at once: a test reads the file while the server runs.
final class ServerLog: Sendable {
  private let descriptor: Int32
  private let isOwned: Bool

  /// nil for `.none`. Throws a sentence.
  static func open(_ log: ServerOptions.Log) throws(StartFailure) -> ServerLog? {
    switch log {
    case .none:
      return nil
    case .standardError:
      return ServerLog(descriptor: STDERR_FILENO, isOwned: false)
    case .file(let path):
      let descriptor = Glibc.open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
      guard descriptor >= 0 else {
        throw StartFailure("The log file \(path) could not be opened: \(lastSystemError()).")
      }
      return ServerLog(descriptor: descriptor, isOwned: true)
    }
  }

  private init(descriptor: Int32, isOwned: Bool) {
    self.descriptor = descriptor
    self.isOwned = isOwned
  }

  deinit { if isOwned { Glibc.close(descriptor) } }

  func write(_ record: [UInt8]) {
    _ = writeAll(record + [UInt8(ascii: "\n")], to: descriptor)
  }
}

/// Why the server could not start: a sentence for whoever started it.
package struct StartFailure: Error {
  package let message: String

  init(_ message: String) {
    self.message = message
  }
}

func lastSystemError() -> String {
  String(cString: strerror(errno))
}

/// False if the descriptor takes no more. Writing to a closed pipe is an error and no signal: `Server.run`
/// ignores SIGPIPE.
func writeAll(_ bytes: [UInt8], to descriptor: Int32) -> Bool {
  var rest = bytes[...]
  while !rest.isEmpty {
    let written = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
    if written < 0, errno == EINTR { continue }
    guard written > 0 else { return false }
    rest = rest.dropFirst(written)
  }
  return true
}
