import CLinux
import Glibc
import RWSWebSocket

/// An IPv4 or IPv6 address with its port.
struct SocketAddress: Sendable {
  /// A sockaddr_in or sockaddr_in6. (Swift copies sockaddr_storage byte by byte, 118 of them, wherever it goes.)
  private typealias Storage = (UInt64, UInt64, UInt64, UInt64)
  private var storage: Storage = (0, 0, 0, 0)
  let length: socklen_t

  init?(_ address: UnsafePointer<sockaddr>, length: socklen_t) {
    guard length > 0, Int(length) <= MemoryLayout<Storage>.size else { return nil }
    self.length = length
    withUnsafeMutableBytes(of: &storage) {
      $0.copyMemory(from: UnsafeRawBufferPointer(start: address, count: Int(length)))
    }
  }

  /// The address that `fill` writes, as `getsockname`, `accept` and the like do.
  init?(fill: (UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> Int32) {
    var storage: Storage = (0, 0, 0, 0)
    var length = socklen_t(MemoryLayout<Storage>.size)
    let status = withUnsafeMutablePointer(to: &storage) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { fill($0, &length) }
    }
    guard status >= 0, Int(length) <= MemoryLayout<Storage>.size else { return nil }
    self.storage = storage
    self.length = length
  }

  var family: Int32 {
    withUnsafeBytes(of: storage) { Int32($0.loadUnaligned(as: sa_family_t.self)) }
  }

  func withSockaddr<Result>(_ body: (UnsafePointer<sockaddr>) -> Result) -> Result {
    withUnsafePointer(to: storage) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1, body)
    }
  }

  /// The address in 16 bytes, an IPv4 one mapped (RFC 4291 §2.5.5.2).
  var mappedBytes: [UInt8] {
    withUnsafeBytes(of: storage) { bytes in
      family == AF_INET6
        ? Array(bytes[8..<24])
        : [UInt8](repeating: 0, count: 10) + [0xff, 0xff] + Array(bytes[4..<8])
    }
  }

  var port: UInt16 {
    withUnsafeBytes(of: storage) {
      // The port stands at the same place in sockaddr_in and sockaddr_in6.
      UInt16(bigEndian: $0.loadUnaligned(fromByteOffset: 2, as: UInt16.self))
    }
  }
}

extension SocketAddress {
  /// Without the port; nil for another family than IPv4 and IPv6.
  var ip: IPAddress? {
    let place: Range<Int>
    switch family {
    case AF_INET: place = 4..<8
    case AF_INET6: place = 8..<24
    default: return nil
    }
    return withUnsafeBytes(of: storage) { IPAddress(networkOrder: Array($0[place])) }
  }
}

extension SocketAddress: CustomStringConvertible {
  /// As in `127.0.0.1:443` and `[::1]:443`.
  var description: String {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: 128) { text in
      guard let base = text.baseAddress else { return "" }
      let status = withSockaddr {
        getnameinfo($0, length, base, 128, nil, 0, NI_NUMERICHOST)
      }
      guard status == 0 else { return "unknown address" }
      return hostAndPort(String(cString: base), port)
    }
  }
}

/// Host and port for people; IPv6 addresses get their brackets.
func hostAndPort(_ host: String, _ port: UInt16) -> String {
  host.utf8.contains(UInt8(ascii: ":")) ? "[\(host)]:\(port)" : "\(host):\(port)"
}
