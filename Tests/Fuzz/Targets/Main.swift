import Glibc

/// One binary for all targets: `RWS_FUZZ_TARGET` names the one to run (scripts/fuzz sets it).
private let targets: [String: @Sendable (FuzzInput) -> Void] = [
  "canary": canary,
  "events": events,
  "frames": frames,
  "endpoint": endpoint,
  "handshake": handshake,
  "http": http,
  "inflate": inflate,
  "json": json,
  "proxy": proxy,
  "sse": sse,
  "tokens": tokens,
  "urls": urls,
]

private let selected: @Sendable (FuzzInput) -> Void = {
  let name = getenv("RWS_FUZZ_TARGET").map { String(cString: $0) } ?? ""
  guard let target = targets[name] else {
    fatalError("RWS_FUZZ_TARGET must be one of \(targets.keys.sorted().joined(separator: ", "))")
  }
  return target
}()

@c(LLVMFuzzerTestOneInput)
public func testOneInput(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  guard let input = FuzzInput(UnsafeRawBufferPointer(start: bytes, count: count)) else { return -1 }
  selected(input)
  return 0
}

/// Proves that an out-of-bounds read is reported: unsafe buffers are not bounds-checked in release code, so
/// without AddressSanitizer this would read its neighbour and say nothing. One byte after the input is
/// libFuzzer's exact copy, no slack.
func canary(_ input: FuzzInput) {
  guard input.body.count > 2, input.body[0] == UInt8(ascii: "c"), let base = input.body.baseAddress
  else { return }
  // A byte that nothing follows from would not be read.
  check(base.load(fromByteOffset: input.body.count, as: UInt8.self) != 0xFE, "not reported")
}

/// Keeps the optimiser from dropping the work whose result nobody looks at.
@inline(never) @_optimize(none) func blackHole(_ value: some Any) {}
