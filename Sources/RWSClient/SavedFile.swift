import Glibc
import RWSNetwork

/// A file that only its owner may read, and that is either the old one or the new one, whatever happens meanwhile.
enum SavedFile {
  static func write(_ bytes: [UInt8], to path: String) throws(ResponsesError) {
    guard !path.isEmpty, !path.utf8.contains(0) else {
      throw ResponsesError(.invalidArgument, "The path of the file is empty or holds U+0000.")
    }
    // In the same directory, so that it can be renamed. mkstemp makes it with mode 0600.
    var name = Array("\(path).XXXXXX".utf8CString)
    let file = mkstemp(&name)
    guard file >= 0 else { throw failure("The file cannot be made beside \(path)", errno) }
    _ = fcntl(file, F_SETFD, FD_CLOEXEC)
    let problem = writeAll(bytes, to: file) && fsync(file) == 0 ? 0 : errno
    close(file)
    guard problem == 0, rename(name, path) == 0 else {
      let problem = problem == 0 ? errno : problem
      unlink(name)
      throw failure("\(path) cannot be written", problem)
    }
    syncDirectory(of: path)
  }

  private static func writeAll(_ bytes: [UInt8], to file: Int32) -> Bool {
    bytes.withUnsafeBytes { bytes in
      var rest = bytes[...]
      while !rest.isEmpty {
        let count = Glibc.write(file, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
        if count < 0, errno == EINTR { continue }
        guard count > 0 else { return false }
        rest = rest.dropFirst(count)
      }
      return true
    }
  }

  /// So that the new name outlives a loss of power. Some file systems cannot; the file is there nevertheless.
  private static func syncDirectory(of path: String) {
    let parent = path.lastIndex(of: "/").map { String(path[...$0]) } ?? "."
    let directory = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard directory >= 0 else { return }
    fsync(directory)
    close(directory)
  }

  private static func failure(_ what: String, _ code: Int32) -> ResponsesError {
    ResponsesError(.resources, "\(what): \(systemMessage(code)).")
  }
}
