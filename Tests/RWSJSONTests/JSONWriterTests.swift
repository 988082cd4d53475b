import RWSJSON
import Testing

@Suite struct JSONWriterTests {
  @Test("commas come by themselves, at every depth")
  func commas() {
    var writer = JSONWriter()
    writer.beginObject()
    writer.member("a", 1)
    writer.key("b")
    writer.beginArray()
    writer.beginObject()
    writer.endObject()
    writer.null()
    writer.bool(true)
    writer.beginArray()
    writer.endArray()
    writer.double(0.5)
    writer.endArray()
    writer.member("c", "x")
    writer.member("d", raw: "[1.0, 2]")
    writer.memberNull("e")
    writer.endObject()
    #expect(
      String(decoding: writer.bytes, as: UTF8.self)
        == #"{"a":1,"b":[{},null,true,[],0.5],"c":"x","d":[1.0, 2],"e":null}"#)
    writer.reset()
    writer.int(Int64.min)
    #expect(writer.bytes == Array("-9223372036854775808".utf8))
  }

  @Test("strings are escaped as RFC 8259 §7 asks, and no further")
  func escapes() {
    var writer = JSONWriter()
    writer.string("a\"b\\c/\u{8}\t\n\u{C}\r\u{1}\u{1F}\u{7F}ü€😀\0")
    #expect(
      String(decoding: writer.bytes, as: UTF8.self)
        == #""a\"b\\c/\b\t\n\f\r\u0001\u001f"# + "\u{7F}ü€😀" + #"\u0000""#)
  }

  @Test("WTF-8 surrogates go back to escapes; other bytes that are no UTF-8 are replaced")
  func surrogates() {
    var writer = JSONWriter()
    writer.string(utf8: [0x61, 0xED, 0xA0, 0xBD, 0xFF, 0xED, 0xBF, 0xBF, 0xC3])
    #expect(
      String(decoding: writer.bytes, as: UTF8.self) == #""a\ud83d"# + "\u{FFFD}" + #"\udfff"# + "\u{FFFD}\"")
  }

  @Test("what is written reads back the same, for every UTF-16 unit")
  func roundTrip() throws {
    for unit in 0...UInt16.max {
      var digits = String(unit, radix: 16)
      digits = String(repeating: "0", count: 4 - digits.count) + digits
      let value = try JSONValue(parsing: "\"x\\u\(digits)y\"")
      var writer = JSONWriter()
      writer.string(utf8: try #require(value.utf8))
      #expect(try JSONValue(parsing: writer.bytes).utf8 == value.utf8)
    }
  }

  @Test("numbers that JSON cannot say are null, doubles read back the same")
  func doubles() throws {
    for value in [0, -0.0, 1, 1e300, 2.3e-308, 0.1, 123456789.125, -1e-7] {
      var writer = JSONWriter()
      writer.double(value)
      #expect(try JSONValue(parsing: writer.bytes).double == value)
    }
    var writer = JSONWriter()
    writer.double(.nan)
    #expect(writer.bytes == Array("null".utf8))
  }
}
