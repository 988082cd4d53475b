import Glibc

/// What a process holds, as the kernel counts it.
enum ProcessCounts {
  static var descriptors: Int { entries("/proc/self/fd") }
  static var threads: Int { entries("/proc/self/task") }

  private static func entries(_ path: String) -> Int {
    guard let directory = opendir(path) else { return -1 }
    defer { closedir(directory) }
    var count = 0
    while readdir(directory) != nil { count += 1 }
    return count
  }
}
