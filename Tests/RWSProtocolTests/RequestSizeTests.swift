import Testing

@testable import RWSProtocol

@Suite struct RequestSizeTests {
  @Test("a request over the limit was not sent; its largest items are named, the largest first")
  func wording() {
    let items = [10, 3000, 20, 400, 50].map { #""\#(String(repeating: "x", count: $0 - 2))""# }
    let body = #"{"type":"response.create","input":["# + items.joined(separator: ",") + "]}"
    let error = ResponsesError.requestTooLarge(Array(body.utf8), bytesMax: 1000)
    #expect(error.status == .messageTooLarge && error.execution == .notSent)
    #expect(error.message.contains("\(body.utf8.count) bytes, over the limit of 1000"))
    #expect(
      error.message.contains("by index: 1 (3000 bytes), 3 (400 bytes), 4 (50 bytes)."))
  }

  @Test("a body without input items has none to name")
  func withoutItems() {
    for body in [#"{"type":"response.create"}"#, #"{"input":"text"}"#, "no JSON"] {
      let error = ResponsesError.requestTooLarge(Array(body.utf8), bytesMax: 1)
      #expect(!error.message.contains("by index"))
    }
  }
}
