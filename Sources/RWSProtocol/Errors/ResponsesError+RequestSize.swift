import RWSJSON

extension ResponsesError {
  /// A request that is over the limit of one message: nothing of it was sent.
  package static func requestTooLarge(_ body: [UInt8], bytesMax: Int) -> ResponsesError {
    var message =
      "The request is \(body.count) bytes, over the limit of \(bytesMax) for one message "
      + "(sent_message_bytes_max)."
    let largest = largestItems(of: body)
    if !largest.isEmpty {
      message += " The largest items of its input, by index: "
      message += largest.map { "\($0.index) (\($0.bytes) bytes)" }.joined(separator: ", ")
      message += "."
    }
    return ResponsesError(.messageTooLarge, message + " Send less, or compact the history.")
      .with(.notSent)
  }

  private static let namedItems = 3

  private static func largestItems(of body: [UInt8]) -> [(index: Int, bytes: Int)] {
    let items = (try? JSONValue(parsing: body))?["input"]?.elements ?? []
    let sizes = items.enumerated().map { (index: $0.offset, bytes: $0.element.bytes.count) }
    return Array(sizes.sorted { $0.bytes > $1.bytes }.prefix(namedItems))
  }
}
