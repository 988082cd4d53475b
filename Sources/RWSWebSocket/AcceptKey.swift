import COpenSSL

/// The proof that a server understood the WebSocket handshake (RFC 6455 §1.3, §4.2.2).
enum AcceptKey {
  private static let identifier = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

  static func answering(_ key: String) -> String {
    let text = Array((key + identifier).utf8)
    var digest = [UInt8](repeating: 0, count: Int(SHA_DIGEST_LENGTH))
    _ = SHA1(text, text.count, &digest)
    return Base64.encode(digest)
  }
}
