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

  /// The version of Unicode that `tiktoken` knows (the `regex` crate's tables). Where the standard library
  /// knows a later one, what that added counts as unassigned.
  private static let unicodeVersion = (16, 0)

  init(_ scalar: Unicode.Scalar) {
    var known = Self.ofProperties(scalar)
    if !known.isEmpty, let age = scalar.properties.age, age > Self.unicodeVersion { known = [] }
    if scalar == "\r" || scalar == "\n" { known.insert(.lineEnd) }
    self = known
  }

  private static func ofProperties(_ scalar: Unicode.Scalar) -> CharacterClass {
    switch scalar.properties.generalCategory {
    case .uppercaseLetter, .titlecaseLetter: return .upper
    case .lowercaseLetter: return .lower
    case .modifierLetter, .otherLetter: return .uncased
    case .nonspacingMark, .spacingMark, .enclosingMark: return .mark
    case .decimalNumber, .letterNumber, .otherNumber: return .number
    case .spaceSeparator, .lineSeparator, .paragraphSeparator, .control:
      return scalar.properties.isWhitespace ? .space : []
    default: return []
    }
  }

  @inline(__always)
  func isAny(of classes: CharacterClass) -> Bool { rawValue & classes.rawValue != 0 }
}
