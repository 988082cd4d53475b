import RWSJSON
import Testing

@Suite struct JSONValueTests {
  @Test("RFC 8259: the legal forms are accepted")
  func accepts() throws {
    for text in [
      "{}", "[]", "\"\"", "0", "-0", "1.0", "1e3", "-1.5E-7", "true", "false", "null",
      " \t\r\n{ \"a\" : [ 1 , { } , [ ] ] , \"b\" : null } \n", "\"\\ud800\"", "\"\\u0000\"",
      "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"ü€😀\u{7F}\"", "[1E400]", "123456789012345678901234567890",
    ] {
      #expect(throws: Never.self, "\(text)") { try JSONValue(parsing: text) }
    }
  }

  @Test(
    "RFC 8259: each malformed text is refused with its kind and place",
    arguments: [
      ("", .unexpectedEnd, 0), ("  ", .unexpectedEnd, 2), ("01", .invalidNumber, 1),
      ("-", .unexpectedEnd, 1), ("-x", .invalidNumber, 1), ("1.", .unexpectedEnd, 2),
      ("[1.]", .invalidNumber, 3), ("1e", .unexpectedEnd, 2), ("[1e+]", .invalidNumber, 4),
      (".5", .unexpectedByte, 0), ("+1", .unexpectedByte, 0), ("NaN", .unexpectedByte, 0),
      ("Infinity", .unexpectedByte, 0), ("-Infinity", .invalidNumber, 1),
      ("tru", .unexpectedEnd, 3), ("trux", .unexpectedByte, 3), ("truex", .trailingBytes, 4),
      ("{} {}", .trailingBytes, 3), ("{}\u{0}", .trailingBytes, 2), ("1 2", .trailingBytes, 2),
      ("{,}", .unexpectedByte, 1), ("{\"a\":1,}", .unexpectedByte, 7), ("{\"a\"}", .unexpectedByte, 4),
      ("{\"a\":}", .unexpectedByte, 5), ("{a:1}", .unexpectedByte, 1), ("{\"a\":1 \"b\":2}", .unexpectedByte, 7),
      ("[,]", .unexpectedByte, 1), ("[1,]", .unexpectedByte, 3), ("[1 2]", .unexpectedByte, 3),
      ("[1}", .unexpectedByte, 2), ("{\"a\":1]", .unexpectedByte, 6), ("]", .unexpectedByte, 0),
      ("[", .unexpectedEnd, 1), ("{", .unexpectedEnd, 1), ("[[]", .unexpectedEnd, 3),
      ("\"", .unexpectedEnd, 1), ("\"a", .unexpectedEnd, 2), ("\"\\", .invalidEscape, 1),
      ("\"\\x\"", .invalidEscape, 1), ("\"\\u12g4\"", .invalidEscape, 1),
      ("\"\\u123", .invalidEscape, 1), ("\"a\nb\"", .controlCharacter, 2),
      ("\"12345678\u{1F}\"", .controlCharacter, 9), ("'a'", .unexpectedByte, 0),
      ("\u{FEFF}{}", .unexpectedByte, 0), ("// c\n1", .unexpectedByte, 0),
    ] as [(String, JSONError.Kind, Int)])
  func refuses(_ text: String, _ kind: JSONError.Kind, _ offset: Int) {
    #expect(throws: JSONError(kind, at: offset)) { try JSONValue(parsing: text) }
  }

  @Test("RFC 3629 §4: ill-formed UTF-8 is refused, also as a string's key")
  func refusesInvalidUTF8() {
    let illFormed: [[UInt8]] = [
      [0x80], [0xC0, 0xAF], [0xC1, 0xBF], [0xC3], [0xE0, 0x9F, 0xBF], [0xE2, 0x82], [0xED, 0xA0, 0x80],
      [0xED, 0xBF, 0xBF], [0xF0, 0x8F, 0xBF, 0xBF], [0xF0, 0x9F, 0x98], [0xF4, 0x90, 0x80, 0x80],
      [0xF5, 0x80, 0x80, 0x80], [0xFF],
    ]
    for bytes in illFormed {
      for padding in 0..<9 {
        let text = Array("{\"".utf8) + [UInt8](repeating: 0x61, count: padding) + bytes
          + Array("\":1}".utf8)
        #expect(throws: JSONError(.invalidUTF8, at: 2 + padding)) { try JSONValue(parsing: text) }
      }
    }
  }

  @Test("nesting is limited, and a limit is an error, not a crash")
  func depthLimit() throws {
    func nested(_ depth: Int) -> String {
      String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
    }
    let deepest = try JSONValue(parsing: nested(JSONCursor.depthLimit))
    #expect(deepest.elements.count == 1)
    #expect(throws: JSONError(.tooDeep, at: 512)) { try JSONValue(parsing: nested(513)) }
    #expect(throws: JSONError(.tooDeep, at: 512)) {
      try JSONValue(parsing: String(repeating: "[", count: 1_000_000))
    }
    let mixed = String(repeating: "{\"a\":[", count: 256) + String(repeating: "]}", count: 256)
    #expect(throws: Never.self) { try JSONValue(parsing: mixed) }
  }

  @Test("a text cut anywhere is refused")
  func cut() {
    let text = Array("{\"a\":[1.5e2,true,null,\"x\\u00e9\\n\",\"ü😀\"],\"b\":{\"c\":-0}}".utf8)
    #expect(throws: Never.self) { try JSONValue(parsing: text) }
    for end in 0..<text.count {
      #expect(throws: JSONError.self) { try JSONValue(parsing: Array(text[..<end])) }
    }
  }

  @Test("a plain run ends at the right byte wherever it lies in a word")
  func everyAlignment() throws {
    for length in 0..<40 {
      let run = String(repeating: "a", count: length)
      #expect(try JSONValue(parsing: "\"\(run)\"").string == run)
      #expect(try JSONValue(parsing: "\"\(run)\\n\(run)\"").string == "\(run)\n\(run)")
      #expect(try JSONValue(parsing: "\"\(run)ü\(run)\"").string == "\(run)ü\(run)")
      #expect(throws: JSONError(.controlCharacter, at: length + 1)) {
        try JSONValue(parsing: "\"\(run)\u{1}\(run)\"")
      }
    }
  }

  @Test("members and elements come in order and keep their bytes")
  func containers() throws {
    let value = try JSONValue(parsing: " {\"a\": 1.0 , \"b\":[ 9007199254740993, \"x\\u0000y\" ],\"a\":{}} ")
    #expect(value.kind == .object)
    #expect(value.members.map(\.key) == ["a", "b", "a"])
    #expect(value.members.map { String(decoding: $0.value.bytes, as: UTF8.self) }
      == ["1.0", "[ 9007199254740993, \"x\\u0000y\" ]", "{}"])
    #expect(value["b"]?.elements.first?.int == 9_007_199_254_740_993)
    #expect(value["b"]?.elements.last?.utf8 == [0x78, 0, 0x79])
    #expect(value["b"]?.members.isEmpty == true)
    #expect(value["b"]?["a"] == nil)
    #expect(value.elements.isEmpty)
  }

  @Test("of duplicate keys the last counts, keys being compared unescaped")
  func duplicateKeys() throws {
    let value = try JSONValue(parsing: #"{"key":1,"k\u0065y":2,"ke\/y":3,"\ud83d\ude00":4,"":5}"#)
    #expect(value["key"]?.int == 2)
    #expect(value["ke/y"]?.int == 3)
    #expect(value["😀"]?.int == 4)
    #expect(value[""]?.int == 5)
    #expect(value["k"] == nil)
    #expect(try JSONValue(parsing: #"{"a":1,"a":null}"#)["a"]?.isNull == true)
  }

  @Test("integers are exact or nothing")
  func integers() throws {
    let cases: [(String, Int64?)] = [
      ("0", 0), ("-0", 0), ("9223372036854775807", .max), ("-9223372036854775808", .min),
      ("9223372036854775808", nil), ("-9223372036854775809", nil), ("1.0", nil), ("1e3", nil),
      ("99999999999999999999999", nil), ("\"1\"", nil), ("true", nil),
    ]
    for (text, expected) in cases { #expect(try JSONValue(parsing: text).int == expected) }
    #expect(try JSONValue(parsing: "1.25e2").double == 125)
    #expect(try JSONValue(parsing: "1e999").double == nil)
  }

  @Test("strings: surrogate pairs are joined, lone surrogates kept as WTF-8 or repaired")
  func strings() throws {
    let cases: [(String, [UInt8])] = [
      (#""\ud83d\ude00""#, Array("😀".utf8)), (#""\uD83D\uDE00x""#, Array("😀x".utf8)),
      (#""\ud800""#, [0xED, 0xA0, 0x80]), (#""\udfff\ud800""#, [0xED, 0xBF, 0xBF, 0xED, 0xA0, 0x80]),
      (#""\ud83dx\ude00""#, [0xED, 0xA0, 0xBD, 0x78, 0xED, 0xB8, 0x80]),
      (#""\ud83d\n""#, [0xED, 0xA0, 0xBD, 0x0A]), (#""\u00e9\u20ac\u0000""#, Array("é€\0".utf8)),
      (#""\"\\\/\b\f\n\r\t""#, [0x22, 0x5C, 0x2F, 8, 12, 10, 13, 9]),
    ]
    for (text, expected) in cases { #expect(try JSONValue(parsing: text).utf8 == expected) }
    #expect(try JSONValue(parsing: #""a\ud800b""#).string == "a\u{FFFD}b")
    #expect(try JSONValue(parsing: "1").string == nil)
    #expect(try JSONValue(parsing: "true").bool == true)
    #expect(try JSONValue(parsing: "null").bool == nil)
  }
}
