/// The shell's random source had no bytes to give: nothing may be sent with a guessable masking key.
package struct RandomnessUnavailable: Error, Equatable, Sendable {}

/// Masking keys for a client's frames: each must be unpredictable (RFC 6455 §5.3, §10.3). The random bytes
/// come from the shell, a batch at a time: a call into a cryptographic source per small frame would cost
/// more than the frame.
package struct MaskSource: ~Copyable {
  private static let batch = 32

  private let fill: @Sendable (UnsafeMutableRawBufferPointer) -> Bool
  private var keys = InlineArray<32, UInt32>(repeating: 0)
  private var used = MaskSource.batch

  /// `fill` fills the whole buffer from a cryptographic source and answers whether it could.
  package init(fill: @escaping @Sendable (UnsafeMutableRawBufferPointer) -> Bool) {
    self.fill = fill
  }

  mutating func next() throws(RandomnessUnavailable) -> UInt32 {
    if used >= Self.batch {
      try refill()
    }
    let key = keys[used]
    used &+= 1
    return key
  }

  private mutating func refill() throws(RandomnessUnavailable) {
    let filled = withUnsafeMutableBytes(of: &keys) { fill($0) }
    guard filled else { throw RandomnessUnavailable() }
    used = 0
  }
}
