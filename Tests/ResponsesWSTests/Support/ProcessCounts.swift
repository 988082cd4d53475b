import Glibc
import RWSNetwork

/// Descriptors and threads that this process has, as the kernel counts them.
struct ProcessCounts: Equatable {
  let descriptors: Int
  let threads: Int

  static var now: ProcessCounts {
    ProcessCounts(descriptors: entries("/proc/self/fd"), threads: entries("/proc/self/task"))
  }

  /// Whether no more is there than was, within a bound: peers and threads take a moment to end.
  func isReachedAgain(_ condition: () -> Bool) -> Bool {
    let deadline = MonotonicClock.deadline(after: 20_000_000_000)
    while MonotonicClock.now() < deadline {
      let now = Self.now
      if condition(), now.descriptors <= descriptors, now.threads <= threads { return true }
      usleep(5000)
    }
    return false
  }

  private static func entries(_ path: String) -> Int {
    guard let directory = opendir(path) else { return .max }
    defer { closedir(directory) }
    var count = 0
    while readdir(directory) != nil { count += 1 }
    return count
  }
}
