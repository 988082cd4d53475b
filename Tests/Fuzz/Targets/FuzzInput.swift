/// What the fuzzer gives: one byte of choices, one that says how the rest is cut, and the rest, which ends
/// where the fuzzer's own allocation ends.
struct FuzzInput {
  private let choices: UInt8
  private let cutting: UInt8
  let body: UnsafeRawBufferPointer

  init?(_ bytes: UnsafeRawBufferPointer) {
    guard bytes.count >= 2 else { return nil }
    choices = bytes[0]
    cutting = bytes[1]
    body = UnsafeRawBufferPointer(rebasing: bytes[2...])
  }

  func choice(_ bit: UInt8) -> Bool { choices >> bit & 1 == 1 }

  /// For decisions beside the choices, the same for the same input.
  var random: FuzzRandom { FuzzRandom(state: UInt64(choices) << 8 | UInt64(cutting)) }

  /// The body as it arrives in reads: byte by byte, in small pieces, or in a few large ones.
  var parts: [UnsafeRawBufferPointer] {
    guard !body.isEmpty else { return [body] }
    var random = random
    let longest: Int
    switch cutting {
    case 0: longest = 1
    case 1..<100: longest = 4
    case 100..<200: longest = 40
    default: longest = max(1, body.count)
    }
    var parts: [UnsafeRawBufferPointer] = []
    var at = 0
    while at < body.count {
      let end = min(body.count, at + 1 + random.below(longest))
      parts.append(UnsafeRawBufferPointer(rebasing: body[at..<end]))
      at = end
    }
    return parts
  }
}

/// SplitMix64.
struct FuzzRandom {
  var state: UInt64

  mutating func below(_ bound: Int) -> Int {
    state &+= 0x9E37_79B9_7F4A_7C15
    var word = (state ^ state >> 30) &* 0xBF58_476D_1CE4_E5B9
    word = (word ^ word >> 27) &* 0x94D0_49BB_1331_11EB
    return Int((word ^ word >> 31) % UInt64(max(1, bound)))
  }
}

/// The oracle of decoders: what they say must not depend on how their input was cut.
func expectSameWhole<Answer: Equatable>(
  _ input: FuzzInput, unless isExempt: Bool = false, _ decode: ([UnsafeRawBufferPointer]) -> Answer
) {
  let whole = decode([input.body])
  let cut = decode(input.parts)
  check(isExempt || whole == cut, "whole: \(whole)\ncut: \(cut)")
}

func check(_ condition: Bool, _ message: @autoclosure () -> String) {
  if !condition { fatalError(message()) }
}
