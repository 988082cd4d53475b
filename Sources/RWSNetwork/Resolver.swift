import CLinux
import Glibc

/// Host names to addresses. `getaddrinfo` blocks and cannot be interrupted, so each look-up has a helper
/// thread that owns nothing of the client: a cancelled one ends by itself, and its result goes nowhere.
enum Resolver {
  enum Outcome: Sendable {
    case addresses([SocketAddress])
    case failure(Failure)
  }

  struct Failure: Sendable {
    /// Of getaddrinfo's error.
    var text: String
    /// The name may exist, but has no address of this family.
    var isAbsence = false
  }

  enum Family: Sendable {
    case v4, v6, any

    fileprivate var number: Int32 {
      switch self {
      case .v4: AF_INET
      case .v6: AF_INET6
      case .any: AF_UNSPEC
      }
    }
  }

  /// More look-ups than this wait for a thread.
  private static let threadsMax = 16
  /// Name service modules get what glibc programs usually have at least.
  private static let stackBytes = 512 << 10

  /// A look-up under way, to cancel it.
  final class Lookup: @unchecked Sendable {
    fileprivate let host: String
    fileprivate let port: UInt16
    fileprivate let family: Family
    private let lock = Lock()
    private var target: (loop: EventLoop, completion: @Sendable (Outcome) -> Void)?

    fileprivate init(
      _ host: String, _ port: UInt16, _ family: Family, _ loop: EventLoop,
      _ completion: @escaping @Sendable (Outcome) -> Void
    ) {
      self.host = host
      self.port = port
      self.family = family
      target = (loop, completion)
    }

    /// After this returns the completion is not called any more, except one that is posted already.
    func cancel() {
      lock.withLock { target = nil }
    }

    fileprivate var isCancelled: Bool { lock.withLock { target == nil } }

    fileprivate func finish(_ outcome: Outcome) {
      let target = lock.withLock {
        defer { self.target = nil }
        return self.target
      }
      guard let target else { return }
      target.loop.post { target.completion(outcome) }
    }
  }

  /// The address that `host` is, if it is a numeric one.
  static func numeric(_ host: String, _ port: UInt16) -> SocketAddress? {
    guard case .addresses(let addresses) = lookUp(host, port, .any, flags: AI_NUMERICHOST) else {
      return nil
    }
    return addresses.first
  }

  /// Looks the addresses of one family, or of all, up on a helper thread; `completion` is posted to `loop`.
  static func resolve(
    _ host: String, _ port: UInt16, _ family: Family = .any, on loop: EventLoop,
    _ completion: @escaping @Sendable (Outcome) -> Void
  ) -> Lookup {
    let lookup = Lookup(host, port, family, loop, completion)
    let mustStart = ProcessState.withLock {
      let isForked = shared.pointee.guardOfThreads.isForkedChild
      // The threads of the parent are not here.
      if isForked { shared.pointee = Shared() }
      shared.pointee.waiting.append(lookup)
      guard shared.pointee.threads < threadsMax else { return false }
      shared.pointee.threads += 1
      return true
    }
    if mustStart { startThread() }
    return lookup
  }

  /// Resolves on this thread. For binding, where nobody waits.
  static func resolveBlocking(_ host: String, _ port: UInt16) -> Outcome {
    lookUp(host, port, .any, flags: 0)
  }

  private struct Shared {
    var guardOfThreads = ForkGuard()
    var threads = 0
    var waiting: [Lookup] = []
  }

  // Guarded by ProcessState's lock.
  nonisolated(unsafe) private static let shared: UnsafeMutablePointer<Shared> = {
    let shared = UnsafeMutablePointer<Shared>.allocate(capacity: 1)
    shared.initialize(to: Shared())
    return shared
  }()

  private static func startThread() {
    var thread = pthread_t()
    let status = Thread.start(&thread, name: "rws-resolver", stackBytes: stackBytes) {
      while let lookup = next() {
        guard !lookup.isCancelled else { continue }
        lookup.finish(lookUp(lookup.host, lookup.port, lookup.family, flags: 0))
      }
    }
    guard status != 0 else {
      pthread_detach(thread)
      return
    }
    // Without a single thread nobody would ever answer those who wait.
    let stranded = ProcessState.withLock { () -> [Lookup] in
      shared.pointee.threads -= 1
      guard shared.pointee.threads == 0 else { return [] }
      defer { shared.pointee.waiting = [] }
      return shared.pointee.waiting
    }
    for lookup in stranded {
      lookup.finish(.failure(Failure(text: "no thread for the look-up: \(systemMessage(status))")))
    }
  }

  /// nil: nothing waits, and the thread must end.
  private static func next() -> Lookup? {
    ProcessState.withLock {
      guard !shared.pointee.waiting.isEmpty else {
        shared.pointee.threads -= 1
        return nil
      }
      return shared.pointee.waiting.removeFirst()
    }
  }

  private static func lookUp(
    _ host: String, _ port: UInt16, _ family: Family, flags: Int32
  ) -> Outcome {
    var hints = addrinfo()
    hints.ai_family = family.number
    hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    hints.ai_flags = flags | AI_NUMERICSERV
    var list: UnsafeMutablePointer<addrinfo>?
    let service = String(port)
    let status = ForkGate.outside { getaddrinfo(host, service, &hints, &list) }
    guard status == 0 else {
      let code = errno
      return .failure(
        Failure(
          text: status == EAI_SYSTEM ? systemMessage(code) : String(cString: gai_strerror(status)),
          isAbsence: [LINUX_EAI_NODATA, LINUX_EAI_ADDRFAMILY].contains(Int(status))))
    }
    defer { if let list { freeaddrinfo(list) } }
    var addresses: [SocketAddress] = []
    var entry = list
    while let current = entry {
      if let raw = current.pointee.ai_addr,
        let address = SocketAddress(raw, length: current.pointee.ai_addrlen)
      {
        addresses.append(address)
      }
      entry = current.pointee.ai_next
    }
    return addresses.isEmpty ? .failure(Failure(text: "no address", isAbsence: true)) : .addresses(addresses)
  }
}
