/// A running hash of what the model has read (FNV-1a), for finding out whether two contexts begin alike. It
/// guards against nothing but mistakes.
struct Digest: Equatable, Sendable {
  private(set) var value: UInt64 = 0xCBF2_9CE4_8422_2325

  init() {}

  /// Of a prompt that begins with these settings.
  init(settings: [[UInt8]]) {
    for setting in settings {
      for byte in setting { mix(UInt64(byte)) }
      mix(UInt64(setting.count))
    }
  }

  /// Reasoning does not count: a client may leave an old reasoning item out of a replay.
  mutating func add(_ item: Item) {
    switch item.kind {
    case .reasoning, .compactionTrigger: break
    case .message(let role): add(role.rawValue, item)
    case .call(let family): add(family.rawValue, item)
    case .output(let family): add(family.outputType, item)
    case .compaction, .reference, .other: add("other", item)
    }
  }

  private mutating func add(_ kind: String, _ item: Item) {
    mix(Self.of(kind))
    mix(item.digest)
  }

  private mutating func mix(_ word: UInt64) {
    value = (value ^ word) &* 0x0000_0100_0000_01B3
  }

  static func of(_ text: String) -> UInt64 {
    var digest = Digest()
    var text = text
    text.withUTF8 { bytes in
      let raw = UnsafeRawBufferPointer(bytes)
      let words = raw.count / 8
      for index in 0..<words {
        digest.mix(raw.loadUnaligned(fromByteOffset: index * 8, as: UInt64.self))
      }
      for byte in raw[(words * 8)...] { digest.mix(UInt64(byte)) }
    }
    digest.mix(UInt64(text.utf8.count))
    return digest.value
  }
}
