/// What the split patterns ask of a character: Unicode's general categories, put together as they use
/// them. No flag: everything else (punctuation, symbols, controls, unassigned).
struct CharacterClass: OptionSet {
  let rawValue: UInt8

  /// Lu, Lt.
  static let upper = CharacterClass(rawValue: 1)
  /// Ll.
  static let lower = CharacterClass(rawValue: 2)
  /// Lm, Lo: letters of both cases.
  static let uncased = CharacterClass(rawValue: 4)
  /// M.
  static let mark = CharacterClass(rawValue: 8)
  /// N.
  static let number = CharacterClass(rawValue: 16)
  /// The property White_Space, line ends too.
  static let space = CharacterClass(rawValue: 32)
  /// CR and LF alone.
  static let lineEnd = CharacterClass(rawValue: 64)

  static let letter: CharacterClass = [.upper, .lower, .uncased]

  init(rawValue: UInt8) { self.rawValue = rawValue }

  init(_ scalar: Unicode.Scalar) {
    switch scalar.properties.generalCategory {
    case .uppercaseLetter, .titlecaseLetter: self = .upper
    case .lowercaseLetter: self = .lower
    case .modifierLetter, .otherLetter: self = .uncased
    case .nonspacingMark, .spacingMark, .enclosingMark: self = .mark
    case .decimalNumber, .letterNumber, .otherNumber: self = .number
    case .spaceSeparator, .lineSeparator, .paragraphSeparator, .control:
      self = scalar.properties.isWhitespace ? .space : []
    default: self = []
    }
    if scalar == "\r" || scalar == "\n" { insert(.lineEnd) }
  }

  @inline(__always)
  func isAny(of classes: CharacterClass) -> Bool { rawValue & classes.rawValue != 0 }
}
