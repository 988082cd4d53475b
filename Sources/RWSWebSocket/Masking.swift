/// The XOR of RFC 6455 §5.3. Keys are held as the little-endian number of their four wire bytes.
enum Masking {
  /// Copies `count` bytes from `source` to `target` (which may be the same place) and masks or unmasks them;
  /// `offset` is how many bytes of the frame's payload came before.
  static func copy(
    from source: UnsafeRawPointer, to target: UnsafeMutableRawPointer, count: Int, key: UInt32,
    offset: Int = 0
  ) {
    let shift = UInt32(truncatingIfNeeded: offset & 3) &* 8
    let turned = (key &>> shift) | (shift == 0 ? 0 : key &<< (32 &- shift))
    let mask = (UInt64(turned) &* 0x1_0000_0001).littleEndian
    var at = 0
    while at &+ 32 <= count {
      let a = source.loadUnaligned(fromByteOffset: at, as: UInt64.self) ^ mask
      let b = source.loadUnaligned(fromByteOffset: at &+ 8, as: UInt64.self) ^ mask
      let c = source.loadUnaligned(fromByteOffset: at &+ 16, as: UInt64.self) ^ mask
      let d = source.loadUnaligned(fromByteOffset: at &+ 24, as: UInt64.self) ^ mask
      target.storeBytes(of: a, toByteOffset: at, as: UInt64.self)
      target.storeBytes(of: b, toByteOffset: at &+ 8, as: UInt64.self)
      target.storeBytes(of: c, toByteOffset: at &+ 16, as: UInt64.self)
      target.storeBytes(of: d, toByteOffset: at &+ 24, as: UInt64.self)
      at &+= 32
    }
    while at &+ 8 <= count {
      let word = source.loadUnaligned(fromByteOffset: at, as: UInt64.self) ^ mask
      target.storeBytes(of: word, toByteOffset: at, as: UInt64.self)
      at &+= 8
    }
    var rest = turned
    while at < count {
      let byte = source.load(fromByteOffset: at, as: UInt8.self) ^ UInt8(truncatingIfNeeded: rest)
      target.storeBytes(of: byte, toByteOffset: at, as: UInt8.self)
      rest = (rest &>> 8) | (rest &<< 24)
      at &+= 1
    }
  }

  static func apply(key: UInt32, offset: Int, to bytes: UnsafeMutableRawBufferPointer) {
    guard let base = bytes.baseAddress else { return }
    copy(from: base, to: base, count: bytes.count, key: key, offset: offset)
  }
}
