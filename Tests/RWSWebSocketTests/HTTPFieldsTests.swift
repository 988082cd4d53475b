import Testing

@testable import RWSWebSocket

@Suite struct HTTPFieldsTests {
  @Test("RFC 9110 §5.1: names are found without regard to case, all values in order")
  func lookup() {
    let fields: HTTPFields = ["Retry-After": "3", "x-a": "1", "X-A": "2"]
    #expect(fields["retry-AFTER"] == "3")
    #expect(fields.values("X-a") == ["1", "2"])
    #expect(fields["missing"] == nil && !fields.contains("missing"))
  }

  @Test("RFC 9110 §5.6.1: lists span fields, blanks and empty members do not count")
  func lists() {
    let fields: HTTPFields = ["Connection": " keep-alive ,, Upgrade\t", "connection": "x"]
    #expect(fields.list("Connection") == ["keep-alive", "Upgrade", "x"])
    #expect(fields.list("connection", contains: "UPGRADE"))
    #expect(!fields.list("connection", contains: "Upgrad"))
  }

  @Test("numbers that do not fit or have other characters are no numbers")
  func numbers() {
    func number(_ text: String, radix: Int = 10) -> Int? {
      HTTPSyntax.number(text.utf8, radix: radix)
    }
    #expect(number("0") == 0 && number("007") == 7 && number("9223372036854775807") == Int.max)
    #expect(number("fF", radix: 16) == 255)
    for text in ["", "-1", "+1", " 1", "1a", "9223372036854775808", "99999999999999999999"] {
      #expect(number(text) == nil)
    }
    #expect(number("g", radix: 16) == nil && number("8000000000000000", radix: 16) == nil)
  }
}
