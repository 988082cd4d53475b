import COpenSSL
import Glibc

/// The system's trusted certificates, as OpenSSL finds them: a file and a directory, each replaced by an
/// environment variable.
enum TrustStore {
  /// What keeps the system's certificates from being found, as a sentence without its full stop; nil if nothing does.
  static func problem() -> String? {
    let file = path(X509_get_default_cert_file_env(), X509_get_default_cert_file())
    let directory = path(X509_get_default_cert_dir_env(), X509_get_default_cert_dir())
    guard access(file.path, R_OK) != 0 else { return nil }
    let code = errno
    guard isEmpty(directory.path) else { return nil }
    if let name = file.variable {
      return "\(name) names \(file.path), which cannot be read: \(systemMessage(code))"
    }
    if let name = directory.variable {
      return "\(name) names \(directory.path), which holds no certificates"
    }
    return "This machine has no store of trusted certificates: neither \(file.path) nor"
      + " \(directory.path) holds any (Debian's package is ca-certificates)"
  }

  private static func path(
    _ variable: UnsafePointer<CChar>?, _ standard: UnsafePointer<CChar>?
  ) -> (path: String, variable: String?) {
    if let variable, let value = getenv(variable) {
      return (String(cString: value), String(cString: variable))
    }
    return (standard.map { String(cString: $0) } ?? "", nil)
  }

  /// A missing directory, too, is one without certificates.
  private static func isEmpty(_ path: String) -> Bool {
    guard let directory = opendir(path) else { return true }
    defer { closedir(directory) }
    while let entry = readdir(directory) {
      // Every name begins with a dot in an empty one.
      if withUnsafeBytes(of: entry.pointee.d_name, { $0.first }) != UInt8(ascii: ".") { return false }
    }
    return true
  }
}
