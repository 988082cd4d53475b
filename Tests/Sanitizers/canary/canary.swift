// Deliberate mistakes in Swift, behind C names, in a shared library built as libresponsesws.so is.
// A sanitizer run counts only when these are reported.
import Glibc

nonisolated(unsafe) private var shared = 0
nonisolated(unsafe) private var sink: UInt8 = 0

@c(canary_overflow)
public func canaryOverflow(_ past: Int32) {
  let bytes = UnsafeMutablePointer<UInt8>.allocate(capacity: 16)
  bytes.initialize(repeating: 0, count: 16)
  sink = bytes[15 + Int(past)]
  bytes.deallocate()
}

@c(canary_use_after_free)
public func canaryUseAfterFree() {
  let bytes = UnsafeMutablePointer<UInt8>.allocate(capacity: 16)
  bytes.initialize(repeating: 0, count: 16)
  bytes.deallocate()
  sink = bytes[3]
}

@c(canary_leak)
public func canaryLeak() {
  let bytes = UnsafeMutablePointer<UInt8>.allocate(capacity: 4242)
  bytes.initialize(repeating: 1, count: 4242)
  sink = bytes[4241]
}

@c(canary_race)
public func canaryRace() {
  for _ in 0..<1000 { shared &+= 1 }
}
