import Glibc
import RWSNetwork

/// Turns SIGTERM, SIGINT and, if asked, the end of standard input into calls on the loop.
final class StopSignals {
  /// Where the signal handler writes; the handler can reach nothing but a global.
  nonisolated(unsafe) private static var pipeEnd: Int32 = -1

  private static let restartByte: UInt8 = 2

  private let loop: EventLoop
  private let onStop: () -> Void
  private let onRestart: () -> Void
  private var sources: [Source] = []

  init(
    on loop: EventLoop, watchingStandardInput: Bool, onRestart: @escaping () -> Void,
    _ onStop: @escaping () -> Void
  ) throws(StartFailure) {
    self.loop = loop
    self.onRestart = onRestart
    self.onStop = onStop
    try watch(try Self.catchSignals(), endOnly: false)
    if watchingStandardInput { watchStandardInput() }
  }

  /// The reading end of a pipe that gets a byte for each signal.
  private static func catchSignals() throws(StartFailure) -> Int32 {
    var ends: [Int32] = [-1, -1]
    guard pipe(&ends) == 0 else {
      throw StartFailure("A pipe could not be made: \(lastSystemError()).")
    }
    // A full pipe must not stop the handler: one unread byte says as much as many.
    for end in ends { _ = fcntl(end, F_SETFL, O_NONBLOCK) }
    pipeEnd = ends[1]
    for number in [SIGTERM, SIGINT, SIGHUP] {
      signal(number) { number in
        var byte = number == SIGHUP ? StopSignals.restartByte : 1
        _ = Glibc.write(StopSignals.pipeEnd, &byte, 1)
      }
    }
    return ends[0]
  }

  /// A standard input that cannot be waited for (a file, /dev/null) is at its end already.
  private func watchStandardInput() {
    do throws(StartFailure) {
      try watch(STDIN_FILENO, endOnly: true)
    } catch {
      loop.schedule(at: 0) { self.onStop() }
    }
  }

  private func watch(_ descriptor: Int32, endOnly: Bool) throws(StartFailure) {
    let source = Source(descriptor, endOnly: endOnly, on: loop) { [weak self] isRestart in
      if isRestart { self?.onRestart() } else { self?.onStop() }
    }
    do throws(NetworkFailure) {
      // POLLIN is EPOLLIN's value, and epoll's header is not part of the Glibc module.
      source.registration = try loop.add(descriptor, interest: UInt32(POLLIN), handler: source)
    } catch {
      throw StartFailure(error.message)
    }
    sources.append(source)
  }

  private final class Source: DescriptorHandler {
    private let descriptor: Int32
    private let endOnly: Bool
    private let loop: EventLoop
    private let onReady: (_ isRestart: Bool) -> Void
    var registration: Registration?

    init(
      _ descriptor: Int32, endOnly: Bool, on loop: EventLoop,
      _ onReady: @escaping (_ isRestart: Bool) -> Void
    ) {
      self.descriptor = descriptor
      self.endOnly = endOnly
      self.loop = loop
      self.onReady = onReady
    }

    func ready(_ events: UInt32) {
      var bytes = [UInt8](repeating: 0, count: 4096)
      let count = read(descriptor, &bytes, bytes.count)
      if count < 0, errno == EINTR || errno == EAGAIN { return }
      if count <= 0, let registration { loop.remove(registration) }
      if count <= 0 { return onReady(false) }
      let isRestart = bytes[..<count].allSatisfy { $0 == StopSignals.restartByte }
      if !endOnly { onReady(isRestart) }
    }
  }
}
