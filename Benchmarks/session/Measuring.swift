import Glibc

/// CPU time of this thread: other work on the machine does not count.
func nanoseconds(_ body: () throws -> Void) rethrows -> Double {
  func now() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Double(time.tv_sec) * 1e9 + Double(time.tv_nsec)
  }
  let start = now()
  try body()
  return now() - start
}

func median(_ samples: [Double]) -> Double {
  samples.isEmpty ? 0 : samples.sorted()[samples.count / 2]
}

/// Memory of the process, with what malloc does not need given back to the kernel.
func residentBytes() -> Int {
  typealias Trim = @convention(c) (Int) -> Int32
  if let symbol = dlsym(nil, "malloc_trim") { _ = unsafeBitCast(symbol, to: Trim.self)(0) }
  guard let file = fopen("/proc/self/statm", "r") else { return 0 }
  defer { fclose(file) }
  var line = [CChar](repeating: 0, count: 128)
  guard fgets(&line, 128, file) != nil else { return 0 }
  let fields = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    .split(separator: " ")
  return (fields.count > 1 ? Int(fields[1]) ?? 0 : 0) * Int(getpagesize())
}

func milliseconds(_ nanoseconds: Double) -> String { rounded(nanoseconds / 1e6, 2) + " ms" }
func microseconds(_ nanoseconds: Double) -> String { rounded(nanoseconds / 1e3, 1) + " µs" }
func rounded(_ value: Double, _ digits: Int) -> String {
  let scale = pow(10, Double(digits))
  return "\((value * scale).rounded() / scale)"
}

/// One line, and whether the figure is within its bound.
func report(_ what: String, _ figure: String, _ ratio: Double? = nil, atMost bound: Double? = nil) {
  var line = "\(what): \(figure)"
  if let ratio, let bound {
    let isMet = ratio <= bound
    line += " (\(rounded(ratio, 2)), at most \(bound): \(isMet ? "met" : "MISSED"))"
    if !isMet { missedCount += 1 }
  }
  print(line)
}

nonisolated(unsafe) var missedCount = 0
