import RWSJSON

/// A delta that was scanned, kept as the pattern of those that follow: they differ from it only in the
/// content of strings and in numbers. What lies between these is compared instead of parsed, several
/// times faster than the scan.
///
/// Why that is enough: the pattern is valid JSON. A text with the same bytes between the values, whose
/// values are valid JSON strings and integers in the places of strings and integers, has the same
/// members in the same order. Anything else is none of this shape and is scanned as if there were none.
final class EventShape {
  private enum Content {
    /// The type itself: it has to be the same.
    case type
    /// Of a string, without its quotes.
    case string(hasEscapes: Bool)
    case integer
  }

  /// Where a value stands in the pattern, and what it is.
  private struct Place {
    let start: Int
    let end: Int
    let member: EventScanner.Member
    let content: Content

    /// Differs nearly always. The others (ids, indices) seldom do: up to the next volatile one, they are
    /// compared together with what lies between.
    var isVolatile: Bool {
      switch (member, content) {
      case (.delta, _), (.sequenceNumber, _), (.unknown, .string): true
      default: false
      }
    }
  }

  private static let lengthMax = 1024
  private static let placesMax = 16

  private let kind: EventKind
  private let pattern: UnsafeMutableRawBufferPointer
  private let places: [Place]

  deinit { pattern.deallocate() }

  static func isWorthKeeping(_ event: ScannedEvent) -> Bool {
    switch event.kind {
    case .outputTextDelta, .refusalDelta, .functionCallArgumentsDelta, .customToolCallInputDelta,
      .reasoningSummaryTextDelta, .reasoningTextDelta:
      true
    case .responseCreated, .responseQueued, .responseInProgress, .responseCompleted,
      .responseFailed, .responseIncomplete, .error, .outputItemAdded, .outputItemDone,
      .contentPartAdded, .contentPartDone, .outputTextDone, .refusalDone,
      .functionCallArgumentsDone, .customToolCallInputDone, .reasoningSummaryPartAdded,
      .reasoningSummaryPartDone, .reasoningSummaryTextDone, .reasoningTextDone, .notice, .other:
      false
    }
  }

  /// - Parameter event: What the scan of `text` gave.
  /// - Returns: nil if the text is too long or has something that deltas have not.
  init?(_ text: UnsafeRawBufferPointer, _ event: ScannedEvent) {
    guard text.count <= Self.lengthMax, let places = try? Self.places(in: text) else { return nil }
    kind = event.kind
    self.places = places
    pattern = .allocate(byteCount: text.count, alignment: 8)
    pattern.copyMemory(from: text)
  }

  private static func places(in text: UnsafeRawBufferPointer) throws(JSONError) -> [Place]? {
    var cursor = JSONCursor(text)
    var places: [Place] = []
    var seen: [EventScanner.Member] = []
    try cursor.enterObject()
    while let key = try cursor.nextKey() {
      let value = try cursor.takeMember()
      let member = EventScanner.member(named: key, in: cursor.text)
      // Which of two counts is for the scanner to say.
      if member != .unknown, seen.contains(member) { return nil }
      seen.append(member)
      switch (member, value.kind) {
      case (.type, .string), (.delta, .string), (.itemID, .string), (.streamID, .string),
        (.unknown, .string):
        if member == .type, value.hasEscapes { return nil }
        places.append(
          Place(
            start: value.start &+ 1, end: value.end &- 1, member: member,
            content: member == .type ? .type : .string(hasEscapes: value.hasEscapes)))
      case (.sequenceNumber, .number), (.outputIndex, .number), (.unknown, .number):
        guard cursor.text.digits(at: value.start)?.end == value.end else { return nil }
        places.append(
          Place(start: value.start, end: value.end, member: member, content: .integer))
      case (.unknown, _):
        // Has to be the same, like all that is no place.
        break
      default:
        return nil
      }
    }
    return places.count <= placesMax ? places : nil
  }

  // MARK: Scanning

  /// nil: not of this shape, or not valid; the scanner knows.
  func scan(_ bytes: UnsafeRawBufferPointer) -> ScannedEvent? {
    guard bytes.count <= EventScanner.lengthLimit else { return nil }
    var reader = Reader(text: JSONText(bytes), pattern: JSONText(UnsafeRawBufferPointer(pattern)))
    reader.event.kind = kind
    return places.withUnsafeBufferPointer { places in
      var first = 0
      for index in 0..<places.count where places[index].isVolatile {
        guard reader.stepOver(places[first..<index], to: places[index].start),
          reader.read(places[index])
        else { return nil }
        first = index &+ 1
      }
      guard reader.stepOver(places[first...], to: pattern.count), reader.isAtEnd else { return nil }
      return reader.event
    }
  }

  /// Two positions that move together: in the text, and at the same place of the pattern.
  private struct Reader {
    let text: JSONText
    let pattern: JSONText
    var event = ScannedEvent()
    private var position = 0
    private var patternPosition = 0

    init(text: JSONText, pattern: JSONText) {
      self.text = text
      self.pattern = pattern
    }

    var isAtEnd: Bool { position == text.count && patternPosition == pattern.count }

    /// Up to `end` of the pattern, with places that are probably the same.
    @inline(__always)
    mutating func stepOver(_ places: Slice<UnsafeBufferPointer<Place>>, to end: Int) -> Bool {
      guard !isSame(to: end) else {
        for place in places { note(place, start: place.start &+ position &- patternPosition) }
        advance(to: end)
        return true
      }
      return stepOverEach(places, to: end)
    }

    @inline(never)
    private mutating func stepOverEach(
      _ places: Slice<UnsafeBufferPointer<Place>>, to end: Int
    ) -> Bool {
      for place in places {
        guard isSame(to: place.start) else { return false }
        advance(to: place.start)
        guard read(place) else { return false }
      }
      guard isSame(to: end) else { return false }
      advance(to: end)
      return true
    }

    @inline(__always)
    private func isSame(to end: Int) -> Bool {
      text.hasBytes(at: position, of: pattern, from: patternPosition, to: end)
    }

    @inline(__always)
    private mutating func advance(to end: Int) {
      position &+= end &- patternPosition
      patternPosition = end
    }

    /// A place whose bytes are the pattern's.
    @inline(__always)
    private mutating func note(_ place: Place, start: Int) {
      let end = start &+ place.end &- place.start
      switch place.content {
      case .type: take(JSONStringSpan(start: start, end: end, hasEscapes: false), place.member)
      case .string(let hasEscapes):
        take(JSONStringSpan(start: start, end: end, hasEscapes: hasEscapes), place.member)
      case .integer:
        if let digits = text.digits(at: start) { take(digits.value, place.member) }
      }
    }

    /// The value at the positions, which is at a place.
    @inline(__always)
    mutating func read(_ place: Place) -> Bool {
      switch place.content {
      case .type:
        guard isSame(to: place.end) else { return false }
        note(place, start: position)
        advance(to: place.end)
        return true
      case .string:
        var cursor = JSONCursor(text.bytes, at: position &- 1)
        guard let string = try? cursor.takeString() else { return false }
        take(string, place.member)
        position = string.end
      case .integer:
        guard let digits = text.digits(at: position) else { return false }
        take(digits.value, place.member)
        position = digits.end
      }
      patternPosition = place.end
      return true
    }

    @inline(__always)
    private mutating func take(_ string: JSONStringSpan, _ member: EventScanner.Member) {
      switch member {
      case .type: event.type = EventString(string)
      case .delta: event.delta = EventString(string)
      case .itemID: event.itemID = EventString(string)
      case .streamID: event.streamID = EventString(string)
      default: break
      }
    }

    @inline(__always)
    private mutating func take(_ integer: Int64, _ member: EventScanner.Member) {
      switch member {
      case .sequenceNumber: event.sequenceNumber = integer
      case .outputIndex: event.outputIndex = integer
      default: break
      }
    }
  }
}
