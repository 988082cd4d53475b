import Testing

@testable import RWSWebSocket

@Suite struct AcceptKeyTests {
  @Test("RFC 6455 §1.3: the example of the specification")
  func example() {
    #expect(AcceptKey.answering("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
  }

  @Test(
    "RFC 4648 §10: the test vectors",
    arguments: [
      ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="),
      ("fooba", "Zm9vYmE="), ("foobar", "Zm9vYmFy"),
    ])
  func base64(_ plain: String, _ encoded: String) {
    #expect(Base64.encode(Array(plain.utf8)) == encoded)
    #expect(Base64.decodedCount(encoded) == plain.utf8.count)
  }

  @Test(
    "RFC 4648 §3: malformed base64",
    arguments: ["a", "ab", "abc", "a===", "====", "ab=c", "ab-_", "abc=d", "a b="])
  func malformed(_ text: String) {
    #expect(Base64.decodedCount(text) == nil)
  }
}
