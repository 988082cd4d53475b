import CLinux
import Glibc

/// Thin wrappers over socket calls: non-blocking, close-on-exec, never SIGPIPE, EINTR retried.
enum Socket {
  /// Returns a descriptor, or -1 with errno set.
  static func make(family: Int32) -> Int32 {
    let type = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
    return socket(family, type, 0)
  }

  static func setNoDelay(_ descriptor: Int32) {
    setOption(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY)
  }

  static func setReuseAddress(_ descriptor: Int32) {
    setOption(descriptor, SOL_SOCKET, SO_REUSEADDR)
  }

  /// TCP's own probes: the first after `seconds` of silence, as many after it as may stay unanswered.
  static func keepAlive(_ descriptor: Int32, seconds: Int32, missedMax: Int32) {
    setOption(descriptor, Int32(IPPROTO_TCP), TCP_KEEPIDLE, seconds)
    setOption(descriptor, Int32(IPPROTO_TCP), TCP_KEEPINTVL, seconds)
    setOption(descriptor, Int32(IPPROTO_TCP), TCP_KEEPCNT, missedMax)
    setOption(descriptor, SOL_SOCKET, SO_KEEPALIVE)
  }

  /// How long what was sent may stay unacknowledged (tcp(7)); by default TCP bears a quarter of an hour.
  static func setUserTimeout(_ descriptor: Int32, milliseconds: Int32) {
    setOption(descriptor, Int32(IPPROTO_TCP), TCP_USER_TIMEOUT, milliseconds)
  }

  private static func setOption(
    _ descriptor: Int32, _ level: Int32, _ option: Int32, _ value: Int32 = 1
  ) {
    var value = value
    setsockopt(descriptor, level, option, &value, socklen_t(MemoryLayout<Int32>.size))
  }

  /// The pending error of a non-blocking `connect`; 0 when connected.
  static func pendingError(_ descriptor: Int32) -> Int32 {
    var code: Int32 = 0
    var length = socklen_t(MemoryLayout<Int32>.size)
    guard getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &length) == 0 else { return errno }
    return code
  }

  @inline(__always)
  static func receive(_ descriptor: Int32, _ bytes: UnsafeMutableRawPointer?, _ count: Int) -> Int {
    while true {
      let received = recv(descriptor, bytes, count, 0)
      if received >= 0 || errno != EINTR { return received }
    }
  }

  @inline(__always)
  static func send(_ descriptor: Int32, _ bytes: UnsafeRawPointer?, _ count: Int) -> Int {
    while true {
      let sent = Glibc.send(descriptor, bytes, count, Int32(MSG_NOSIGNAL))
      if sent >= 0 || errno != EINTR { return sent }
    }
  }

  /// Ends the connection and closes the descriptor. The shutdown tells the peer even if a forked child still
  /// holds a copy. (A child itself must not do that to its parent's connection: see `closeInForkedChild`.)
  static func close(_ descriptor: Int32) {
    shutdown(descriptor, Int32(SHUT_RDWR))
    Glibc.close(descriptor)
  }

  static func wouldBlock(_ code: Int32) -> Bool {
    code == EAGAIN || code == EWOULDBLOCK
  }
}
