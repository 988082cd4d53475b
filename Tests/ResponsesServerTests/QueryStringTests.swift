import Testing

@testable import ResponsesServer

@Suite struct QueryStringTests {
  @Test(
    "names and values are decoded; the last of a name counts",
    arguments: [
      ("/x?a=1&b=2", "a", "1"), ("/x?a=1&a=2", "a", "2"), ("/x?a%5B%5D=1", "a[]", "1"),
      ("/x?a=%E2%82%AC+b", "a", "€ b"), ("/x?a", "a", ""), ("/x?a=b=c", "a", "b=c"),
      ("/x?a=%", "a", "%"), ("/x?a=%zz", "a", "%zz"), ("/x?a=%+1", "a", "% 1"), ("/x?&&a=1&", "a", "1"),
    ])
  func decoding(target: String, name: String, value: String) {
    #expect(QueryString(target: target)[name] == value)
  }

  @Test("what is not there is nil")
  func absent() {
    #expect(QueryString(target: "/x")["a"] == nil)
    #expect(QueryString(target: "/x?")[""] == nil)
    #expect(QueryString(target: "/x?b=1")["a"] == nil)
  }
}
