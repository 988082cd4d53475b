import RWSJSON

/// Measures the text in input and output items. Every string of an item counts, known type or not, but
/// for its labels (`id`, `status`, …) and for what is no text: images, files, ciphertext.
///
/// An item is measured once, when it is new; sums are the caller's. One for each thread.
package final class ItemCounter {
  private let tokenizer: Tokenizer?
  private var unescaped = ScratchBytes()

  /// Values deeper in an item count as they are written, which bounds the recursion.
  private static let depthLimit = 16

  /// Without a vocabulary only bytes are counted.
  package init(_ vocabulary: Vocabulary?) {
    tokenizer = vocabulary.map { Tokenizer($0) }
  }

  /// - Parameter item: JSON of one item, or of a string that stands for a message. Of what is no JSON
  ///   the part before the error is measured.
  package func measure(item: UnsafeRawBufferPointer) -> TextMeasure {
    var walk = ItemWalk(type: ItemType(of: item))
    walk.measure.itemCount = 1
    if walk.type == .reference { walk.addUncountable(.reference) }
    var cursor = JSONCursor(item)
    try? take(&cursor, depth: 0, &walk)
    return walk.measure
  }

  /// - Parameter joined: JSON of items with commas between them: the inside of an array.
  package func measure(items joined: UnsafeRawBufferPointer) -> TextMeasure {
    var sum = TextMeasure()
    guard !joined.isEmpty else { return sum }
    var cursor = JSONCursor(joined)
    while let item = try? cursor.takeValue() {
      sum += measure(item: item.bytes(in: cursor.text))
      guard (try? cursor.nextElement()) == true else { break }
    }
    return sum
  }

  /// - Parameter text: A message's text, not JSON.
  package func measure(text: UnsafeRawBufferPointer) -> TextMeasure {
    var walk = ItemWalk(type: .other)
    walk.measure.itemCount = 1
    walk.add(bytes: text.count, tokens: tokenizer?.count(text))
    return walk.measure
  }

  private func take(
    _ cursor: inout JSONCursor, depth: Int, _ walk: inout ItemWalk
  ) throws(JSONError) {
    let kind = try cursor.peekKind()
    switch kind {
    case .object where depth < Self.depthLimit:
      try cursor.enterObject()
      while let key = try cursor.nextKey() {
        try takeMember(key, &cursor, depth: depth, &walk)
      }
    case .array where depth < Self.depthLimit:
      try cursor.enterArray()
      while try cursor.nextElement() { try take(&cursor, depth: depth + 1, &walk) }
    case .object, .array:
      count(try cursor.takeValue(depth: depth).bytes(in: cursor.text), &walk)
    case .string:
      if let string = try cursor.takeValue().string { count(string, in: cursor.text, &walk) }
    case .number, .bool, .null:
      _ = try cursor.takeValue()
    }
  }

  private func takeMember(
    _ key: JSONStringSpan, _ cursor: inout JSONCursor, depth: Int, _ walk: inout ItemWalk
  ) throws(JSONError) {
    switch MemberRole(key, in: cursor.text) {
    case .text:
      try take(&cursor, depth: depth + 1, &walk)
    case .label:
      _ = try cursor.takeValue(depth: depth + 1)
    case .uncountable(let part):
      let value = try cursor.takeValue(depth: depth + 1)
      if value.kind != .null { walk.addUncountable(part) }
    }
  }

  private func count(_ string: JSONStringSpan, in text: JSONText, _ walk: inout ItemWalk) {
    let content = string.content(in: text).bytes
    guard string.hasEscapes else { return count(content, &walk) }
    unescaped.withBytes(content.count) { buffer in
      let written = JSONString.decode(content, into: buffer, loneSurrogates: .replaced)
      count(UnsafeRawBufferPointer(rebasing: buffer[..<written]), &walk)
    }
  }

  private func count(_ text: UnsafeRawBufferPointer, _ walk: inout ItemWalk) {
    walk.add(bytes: text.count, tokens: tokenizer?.count(text))
  }
}

/// What of an item's type matters to its measure.
private enum ItemType {
  case reasoning, reference, other

  init(of item: UnsafeRawBufferPointer) {
    self = (try? Self.read(item)) ?? .other
  }

  private static func read(_ item: UnsafeRawBufferPointer) throws(JSONError) -> ItemType {
    var cursor = JSONCursor(item)
    guard try cursor.peekKind() == .object else { return .other }
    try cursor.enterObject()
    while let key = try cursor.nextKey() {
      let value = try cursor.takeValue(depth: 1)
      guard key.equals("type", in: cursor.text), let type = value.string else { continue }
      if type.equals("reasoning", in: cursor.text) { return .reasoning }
      if type.equals("item_reference", in: cursor.text) { return .reference }
      return .other
    }
    return .other
  }
}

/// What a member of an item, at whatever depth, is to the model.
private enum MemberRole {
  case text
  case label
  case uncountable(UncountableParts)

  init(_ key: JSONStringSpan, in text: JSONText) {
    func isOne(of names: [StaticString]) -> Bool {
      names.contains { key.equals($0, in: text) }
    }
    if isOne(of: Self.labels) {
      self = .label
    } else if key.equals("encrypted_content", in: text) {
      self = .uncountable(.encrypted)
    } else if isOne(of: Self.images) {
      self = .uncountable(.image)
    } else if isOne(of: Self.files) {
      self = .uncountable(.file)
    } else if key.equals("input_audio", in: text) {
      self = .uncountable(.audio)
    } else {
      self = .text
    }
  }

  private static let labels: [StaticString] = [
    "type", "id", "call_id", "status", "role", "phase", "created_by", "annotations", "logprobs",
    "detail", "filename",
  ]
  /// `result` is that of an `image_generation_call`.
  private static let images: [StaticString] = ["image_url", "result"]
  private static let files: [StaticString] = ["file_id", "file_data", "file_url"]
}

/// The measure while an item is walked.
private struct ItemWalk {
  let type: ItemType
  var measure = TextMeasure()

  init(type: ItemType) { self.type = type }

  mutating func add(bytes: Int, tokens: Int?) {
    var text = TextMeasure()
    if type == .reasoning {
      text.reasoningBytes = bytes
      text.reasoningTokens = tokens
    } else {
      text.bytes = bytes
      text.tokens = tokens
    }
    measure += text
  }

  mutating func addUncountable(_ part: UncountableParts) {
    measure.uncountable.insert(part)
    measure.uncountableCount &+= 1
  }
}
