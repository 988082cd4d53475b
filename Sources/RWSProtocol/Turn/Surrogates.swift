/// A surrogate pair may be split between two deltas; each half then arrives as a lone surrogate in
/// its three-byte form (WTF-8: ED A0..AF xx high, ED B0..BF xx low). Joining text joins the halves.
enum Surrogates {
  static func append(_ piece: UnsafeRawBufferPointer, to text: inout [UInt8]) {
    guard piece.count >= 3, piece[0] == 0xED, piece[1] >= 0xB0,
      text.count >= 3, text[text.count - 3] == 0xED, 0xA0...0xAF ~= text[text.count - 2]
    else {
      text.append(contentsOf: piece)
      return
    }
    let high = UInt32(text[text.count - 2] & 0x0F) << 6 | UInt32(text[text.count - 1] & 0x3F)
    let low = UInt32(piece[1] & 0x0F) << 6 | UInt32(piece[2] & 0x3F)
    let scalar = 0x10000 + (high << 10 | low)
    text.removeLast(3)
    text.append(0xF0 | UInt8(scalar >> 18))
    text.append(0x80 | UInt8(scalar >> 12 & 0x3F))
    text.append(0x80 | UInt8(scalar >> 6 & 0x3F))
    text.append(0x80 | UInt8(scalar & 0x3F))
    text.append(contentsOf: piece.dropFirst(3))
  }
}
