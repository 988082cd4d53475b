import CLinux
import Glibc

/// Starting of pthreads.
enum Thread {
  private final class Start: Sendable {
    let name: String
    let body: @Sendable () -> Void

    init(name: String, body: @escaping @Sendable () -> Void) {
      self.name = name
      self.body = body
    }
  }

  /// Starts a thread with every signal blocked, inside the fork gate: `body` leaves it where it waits. Returns 0
  /// or an errno value. The thread is joinable.
  static func start(
    _ thread: UnsafeMutablePointer<pthread_t>, name: String, stackBytes: Int? = nil,
    _ body: @escaping @Sendable () -> Void
  ) -> Int32 {
    let start = Unmanaged.passRetained(Start(name: name, body: body))
    let result = create(thread, stackBytes, start.toOpaque())
    if result != 0 { start.release() }
    return result
  }

  private static func create(
    _ thread: UnsafeMutablePointer<pthread_t>, _ stackBytes: Int?,
    _ argument: UnsafeMutableRawPointer
  ) -> Int32 {
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    defer { pthread_attr_destroy(&attributes) }
    if let stackBytes { pthread_attr_setstacksize(&attributes, stackBytes) }
    // Blocked before creation: the new thread inherits the mask, so no signal can slip in between.
    var all = sigset_t()
    var before = sigset_t()
    sigfillset(&all)
    pthread_sigmask(SIG_BLOCK, &all, &before)
    defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
    return pthread_create(thread, &attributes, entry, argument)
  }

  private static let entry: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? =
    {
      if let argument = $0 {
        ForkGate.inside { run(Unmanaged<Start>.fromOpaque(argument).takeRetainedValue()) }
      }
      return nil
    }

  private static func run(_ start: Start) {
    var name = Array(start.name.utf8.prefix(15)).map { CChar(bitPattern: $0) }
    name.append(0)
    _ = linux_set_thread_name(name)
    start.body()
  }
}
