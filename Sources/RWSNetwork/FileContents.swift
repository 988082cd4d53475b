import Glibc

/// Why a file was not read, as a clause: "cannot be read: No such file or directory".
package struct FileFailure: Error, Sendable {
  package let reason: String
}

package enum FileContents {
  /// A whole regular file.
  package static func read(_ path: String, bytesMax: Int) throws(FileFailure) -> [UInt8] {
    // Opening a FIFO would wait for its writer.
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw .unreadable(errno) }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw .unreadable(errno) }
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw FileFailure(reason: "is not a regular file")
    }
    let size = Int(clamping: status.st_size)
    guard size <= bytesMax else { throw FileFailure(reason: "is larger than \(bytesMax) bytes") }
    var failure: Int32 = 0
    let bytes = [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
      while count < size, let base = buffer.baseAddress {
        let taken = Glibc.read(descriptor, base + count, size - count)
        if taken > 0 {
          count += taken
        } else if taken == 0 {
          return
        } else if errno != EINTR {
          failure = errno
          return
        }
      }
    }
    guard failure == 0 else { throw .unreadable(failure) }
    return bytes
  }
}

extension FileFailure {
  fileprivate static func unreadable(_ code: Int32) -> FileFailure {
    FileFailure(reason: "cannot be read: \(systemMessage(code))")
  }
}
