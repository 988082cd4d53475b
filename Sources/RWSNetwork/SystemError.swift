import Glibc

/// The C library's text for an errno value, as in "Connection refused".
package func systemMessage(_ code: Int32) -> String {
  withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer in
    guard let base = buffer.baseAddress else { return "error \(code)" }
    base.initialize(repeating: 0, count: 256)
    guard strerror_r(code, base, 255) == 0 else { return "error \(code)" }
    return String(cString: base)
  }
}

extension NetworkFailure {
  static func resources(_ what: String, _ code: Int32) -> NetworkFailure {
    NetworkFailure(
      .resources,
      "\(what): \(systemMessage(code)). Check the limits of descriptors, threads and memory (ulimit -a)."
    )
  }
}
