import RWSJSON

/// The committed chain: every item, in order, as the bytes that were sent or received, and what of it is sent
/// when the chain has to be sent whole again (protocol.md, Full replay). Items are never reprinted.
package struct History: Sendable {
  /// Items that are treated alike. Only plain ones share a segment; what separates them belongs to it. A history of
  /// small items may have as many as items, so it is packed: 12 bytes.
  private struct Segment: Sendable {
    private let startLow: UInt32
    private let startHighAndKind: UInt32
    private let count: UInt32

    /// Far from what 32 bits hold; a message is no larger.
    static let bytesMax = 1 << 30
    private static let kindBits = UInt32(3)

    init(_ range: Range<Int>, _ kind: ReplayItem.Kind) {
      let start = UInt64(clamping: range.lowerBound)
      startLow = UInt32(truncatingIfNeeded: start)
      startHighAndKind =
        UInt32(truncatingIfNeeded: start >> 32) << Self.kindBits | UInt32(kind.rawValue)
      count = UInt32(clamping: range.count)
    }

    var range: Range<Int> {
      let start = Int(startHighAndKind >> Self.kindBits) << 32 | Int(startLow)
      return start..<(start + Int(count))
    }

    var kind: ReplayItem.Kind {
      ReplayItem.Kind(rawValue: UInt8(startHighAndKind & (1 << Self.kindBits - 1))) ?? .plain
    }

    /// Whether a server that stored what it made, or one that did not, gets anything of it.
    func isSent(isStored: Bool) -> Bool {
      switch kind {
      case .plain, .unclean, .afterBareReasoning: count > 0
      case .bareReasoning: isStored
      case .dropped: false
      }
    }
  }

  /// Where items begin whose turn was another's, before what separates them from the ones before. Comparing may begin
  /// there; between small turns there is none, for the memory.
  struct Boundary: Sendable {
    let offset: Int
    let itemIndex: Int
  }

  /// Bytes and segments of a full replay.
  private struct Extent: Sendable {
    var bytes = 0
    var segments = 0

    /// Joined by commas.
    var joinedBytes: Int { bytes + max(0, segments - 1) }

    mutating func add(_ count: Int) {
      guard count > 0 else { return }
      bytes += count
      segments += 1
    }

    mutating func remove(_ count: Int) {
      guard count > 0 else { return }
      bytes -= count
      segments -= 1
    }
  }

  /// `{…},{…}`: the inside of a JSON array.
  private(set) var log = ByteLog()
  private(set) var boundaries: [Boundary] = []
  package private(set) var itemCount = 0
  /// `call_id`s of the last committed response that its continuation must answer, in order.
  package private(set) var openCalls: [String] = []
  /// Changes with every change of the history.
  package private(set) var generation: UInt64 = 0
  private var segments: [Segment] = []
  /// Replay starts at the latest compaction item of a response: it stands for all that was before.
  private var firstSegment = 0
  /// Index of that compaction item, if anything is kept before it.
  private(set) var windowItemIndex: Int?
  private var extentStored = Extent()
  private var extentUnstored = Extent()
  /// The caller gives its whole history with each turn: all of it is kept, to be compared.
  private(set) var isCompared = false

  package init() {}

  /// As it was saved: the same bytes, treated alike.
  init(restoring saved: SavedHistory) {
    // What was saved is kept as it is; it was cleaned before, if it was to be.
    isCompared = true
    if saved.window > 0 { windowItemIndex = saved.window }
    saved.text.withUnsafeBytes { text in
      var written = 0
      var marks = saved.boundaries[...]
      for (index, item) in saved.items.enumerated() {
        if marks.first == index {
          marks.removeFirst()
          mark()
        }
        append(item, of: text, after: &written)
      }
      if !marks.isEmpty { mark() }
    }
    isCompared = saved.isCompared
    openCalls = saved.openCalls
  }

  package var isEmpty: Bool { itemCount == 0 }

  /// A copy that grows by itself.
  func forked() -> History {
    var copy = self
    copy.log.seal()
    return copy
  }

  // MARK: Growing

  /// A turn has committed. Ids and boundary move together.
  package mutating func commit(input: ItemList, output: [JSONValue]) {
    generation &+= 1
    mark()
    if input.count > 0 {
      separate()
      append(input.joined[...], .plain, bytesReplayed: input.joined.count)
      itemCount += input.count
    }
    mark()
    openCalls = Self.openCalls(of: output)
    for (item, kind) in zip(output, ReplayItem.kinds(ofOutput: output)) {
      if item["type"]?.string == "compaction" { beginWindow() }
      separate()
      append(item, kind)
      itemCount += 1
    }
  }

  /// The caller gives all of it with each turn: what a compaction makes needless is kept too.
  mutating func willBeCompared() { isCompared = true }

  /// The caller's own form of the items behind `boundary` takes their place; it says the same.
  mutating func adopt(_ tail: HistoryTail) {
    rewrite(tail)
  }

  /// These calls of the last response will never have an output: they are not sent again, nor is the reasoning
  /// before them, unless it led to something else too (protocol.md, Full replay 3). Their bytes stay, for a caller
  /// whose own history still has them.
  mutating func abandon(_ calls: Set<String>) {
    let boundary = boundaries.last ?? Boundary(offset: 0, itemIndex: 0)
    let text = log.bytes(boundary.offset..<log.count)
    guard let spans = try? Self.spans(ofItems: text, isFirst: boundary.itemIndex == 0) else { return }
    let values = spans.compactMap { try? JSONValue(parsing: Array(text[$0])) }
    guard values.count == spans.count else { return }
    let dropped = ReplayItem.dropped(of: values, abandoning: calls)
    var items: [HistoryTail.Item] = []
    for (index, span) in spans.enumerated() {
      let kind = dropped.contains(index) ? .dropped : kind(at: boundary.offset + span.lowerBound)
      items.append(HistoryTail.Item(range: span, value: values[index], kind: kind))
    }
    rewrite(HistoryTail(boundary: boundary, text: text, items: items))
    openCalls.removeAll { calls.contains($0) }
  }

  /// Where the items of `{…},{…}` lie; one that is not the first has a comma before it.
  private static func spans(
    ofItems text: [UInt8], isFirst: Bool
  ) throws(JSONError) -> [Range<Int>] {
    try text.withUnsafeBufferPointer { bytes throws(JSONError) in
      var cursor = JSONCursor(UnsafeRawBufferPointer(bytes))
      var spans: [Range<Int>] = []
      while cursor.offset < bytes.count {
        if !(isFirst && spans.isEmpty) { guard try cursor.nextElement() else { break } }
        let span = try cursor.takeValue()
        spans.append(span.start..<span.end)
      }
      return spans
    }
  }

  private mutating func rewrite(_ tail: HistoryTail) {
    generation &+= 1
    truncate(to: tail.boundary)
    tail.text.withUnsafeBytes { text in
      var written = 0
      for item in tail.items { append(item, of: text, after: &written) }
    }
  }

  /// With what separates it from the one before.
  private mutating func append(
    _ item: HistoryTail.Item, of text: UnsafeRawBufferPointer, after written: inout Int
  ) {
    log.append(UnsafeRawBufferPointer(rebasing: text[written..<item.range.lowerBound]))
    if itemCount == windowItemIndex { beginWindow() }
    append(item.value, item.kind)
    itemCount += 1
    written = item.range.upperBound
  }

  /// The caller's history differs from this one: its own takes the place of everything.
  mutating func replace() {
    let generation = self.generation
    self = History()
    self.generation = generation &+ 1
    isCompared = true
  }

  /// Other items stand for everything so far: all of them are sent from now on, whatever they are.
  mutating func rebase(_ window: [JSONValue]) {
    let isCompared = self.isCompared
    replace()
    self.isCompared = isCompared
    mark()
    for (item, kind) in zip(window, ReplayItem.kinds(ofOutput: window)) {
      separate()
      append(item, kind)
      itemCount += 1
    }
  }

  private mutating func append(_ item: JSONValue, _ kind: ReplayItem.Kind) {
    switch kind {
    // What a caller compares stays as it was; else the clean form is kept.
    case .unclean where !isCompared:
      let bytes = ReplayItem.cleaned(item)
      append(bytes[...], .plain, bytesReplayed: bytes.count)
    case .plain, .bareReasoning:
      append(item.bytes, kind, bytesReplayed: item.bytes.count)
    case .unclean, .afterBareReasoning:
      append(item.bytes, kind, bytesReplayed: ReplayItem.cleaned(item).count)
    case .dropped:
      append(item.bytes, kind, bytesReplayed: 0)
    }
  }

  private mutating func append(
    _ bytes: ArraySlice<UInt8>, _ kind: ReplayItem.Kind, bytesReplayed: Int
  ) {
    let start = log.count
    log.append(bytes)
    if kind == .plain, segments.count > firstSegment, let last = segments.last,
      last.kind == .plain, log.count - last.range.lowerBound <= Segment.bytesMax
    {
      removeLastSegment()
      return add(Segment(last.range.lowerBound..<log.count, .plain))
    }
    add(Segment(start..<log.count, kind), bytesReplayed: bytesReplayed)
  }

  private mutating func add(_ segment: Segment, bytesReplayed: Int? = nil) {
    if segments.count == segments.capacity {
      // By a sixteenth: doubling would leave half of it unused.
      segments.reserveCapacity(segments.count + max(8, segments.count / 16))
    }
    segments.append(segment)
    let bytes = bytesReplayed ?? self.bytesReplayed(segment, isStored: true)
    extentStored.add(bytes)
    extentUnstored.add(
      segment.kind.isAlikeEverywhere ? bytes : self.bytesReplayed(segment, isStored: false))
  }

  private mutating func clearExtents() {
    extentStored = Extent()
    extentUnstored = Extent()
  }

  private mutating func removeLastSegment() {
    guard let segment = segments.popLast() else { return }
    extentStored.remove(bytesReplayed(segment, isStored: true))
    extentUnstored.remove(bytesReplayed(segment, isStored: false))
  }

  private mutating func separate() {
    if itemCount > 0 { log.append(CollectionOfOne(UInt8(ascii: ","))) }
  }

  private static let boundaryBytesMin = 2 << 10

  private mutating func mark() {
    if let last = boundaries.last, log.count - last.offset < Self.boundaryBytesMin { return }
    boundaries.append(Boundary(offset: log.count, itemIndex: itemCount))
  }

  private mutating func truncate(to boundary: Boundary) {
    while let last = boundaries.last, last.offset > boundary.offset { boundaries.removeLast() }
    if let windowItemIndex, boundary.itemIndex <= windowItemIndex {
      // The compaction item comes again, and the window begins there anew.
      firstSegment = 0
    }
    while segments.count > firstSegment, let last = segments.last,
      last.range.upperBound > boundary.offset
    {
      removeLastSegment()
      guard last.range.lowerBound < boundary.offset else { continue }
      add(Segment(last.range.lowerBound..<boundary.offset, .plain))
    }
    log.truncate(to: boundary.offset)
    itemCount = boundary.itemIndex
  }

  /// Compaction: what was before the item that comes now is not replayed any more.
  private mutating func beginWindow() {
    guard !isCompared else {
      firstSegment = segments.count
      windowItemIndex = itemCount
      return clearExtents()
    }
    let (open, generation) = (openCalls, self.generation)
    self = History()
    (openCalls, self.generation) = (open, generation)
  }

  // MARK: Replaying

  /// - Parameter isStored: Whether the server that gets it is to have stored what it made.
  func replayedBytes(isStored: Bool) -> Int {
    (isStored ? extentStored : extentUnstored).joinedBytes
  }

  /// Appends the items, joined by commas.
  func replay(to body: inout [UInt8], isStored: Bool) {
    var isFirst = true
    for segment in segments[firstSegment...] {
      guard segment.isSent(isStored: isStored) else { continue }
      if !isFirst { body.append(UInt8(ascii: ",")) }
      isFirst = false
      switch segment.kind {
      case .plain, .bareReasoning, .dropped:
        log.forEachPiece(segment.range) { body.append(contentsOf: $0) }
      case .unclean: body.append(contentsOf: cleaned(segment.range, keepsID: true))
      case .afterBareReasoning: body.append(contentsOf: cleaned(segment.range, keepsID: isStored))
      }
    }
  }

  /// What the segment takes in such a replay. Not kept: only the last ones are ever asked.
  private func bytesReplayed(_ segment: Segment, isStored: Bool) -> Int {
    guard segment.isSent(isStored: isStored) else { return 0 }
    return switch segment.kind {
    case .plain, .bareReasoning, .dropped: segment.range.count
    case .unclean: cleaned(segment.range, keepsID: true).count
    case .afterBareReasoning: cleaned(segment.range, keepsID: isStored).count
    }
  }

  private func cleaned(_ range: Range<Int>, keepsID: Bool) -> [UInt8] {
    let bytes = log.bytes(range)
    guard let item = try? JSONValue(parsing: bytes) else { return bytes }
    return ReplayItem.cleaned(item, keepsID: keepsID)
  }

  // MARK: Looking

  /// Whether all of it is sent as it is.
  var isPlain: Bool { segments.allSatisfy { $0.kind == .plain } }

  /// The last boundary at or before `offset`.
  func boundary(before offset: Int) -> Boundary {
    var low = 0
    var high = boundaries.count
    while low < high {
      let middle = (low + high) / 2
      if boundaries[middle].offset <= offset { low = middle + 1 } else { high = middle }
    }
    return low > 0 ? boundaries[low - 1] : Boundary(offset: 0, itemIndex: 0)
  }

  /// How the item that begins at `offset` is treated.
  func kind(at offset: Int) -> ReplayItem.Kind {
    var low = 0
    var high = segments.count
    while low < high {
      let middle = (low + high) / 2
      if segments[middle].range.upperBound <= offset { low = middle + 1 } else { high = middle }
    }
    return low < segments.count ? segments[low].kind : .plain
  }

  package func unanswered(by input: TurnInput) -> [String] {
    openCalls.filter { !input.answeredCalls.contains($0) }
  }

  /// Function and custom tool calls are the client's to answer; other kinds of call may have been
  /// run by the server, which tells for itself.
  private static func openCalls(of output: [JSONValue]) -> [String] {
    output.compactMap { item in
      switch item["type"]?.string {
      case "function_call", "custom_tool_call": item["call_id"]?.string
      default: nil
      }
    }
  }
}
