// session-bench: what the mirror of a session costs, without network and server (docs/benchmarks.md).
import Glibc
import RWSProtocol
import RWSTokens

let megabytes = 10
let historyBytes = megabytes << 20

func vocabulary() throws -> Vocabulary? {
  guard let path = getenv("RESPONSESWS_VOCABULARY"), let file = fopen(path, "r") else { return nil }
  defer { fclose(file) }
  var bytes = [UInt8](repeating: 0, count: Vocabulary.fileByteLimit)
  bytes.removeLast(bytes.count - fread(&bytes, 1, bytes.count, file))
  return try bytes.withUnsafeBytes { try Vocabulary($0) }
}

/// Whole-history style with nothing changed but what is new, against a comparison of as many bytes.
func planning(_ what: String, itemBytes: Int) throws {
  let conversation = try Conversation()
  var history = Array("[".utf8) + Item.user("Go.")
  func turn(_ number: Int, adding new: [UInt8]?) throws -> Double {
    if let new { history += Array(",".utf8) + new }
    history.append(UInt8(ascii: "]"))
    defer { history.removeLast() }
    return try history.withUnsafeBytes { bytes in
      try nanoseconds { try conversation.start(history: bytes) }
    }
  }
  _ = try turn(0, adding: nil)
  conversation.receive(conversation.response([Item.call(0)]))
  var number = 0
  while history.count < historyBytes {
    // Through the mirror's other door, so that building it up takes no time; the bytes are the same.
    let output = Item.output(number, bytes: itemBytes)
    history += Array(",".utf8) + Item.call(number) + Array(",".utf8) + output
    try conversation.start(append: Array("[".utf8) + output + Array("]".utf8))
    number += 1
    conversation.receive(conversation.response([Item.call(number)]))
  }
  var unchanged: [Double] = []
  var rewritten: [Double] = []
  var compared: [Double] = []
  // Of its own: shared memory would be read once.
  var copy = history
  copy.append(0)
  copy.removeLast()
  for round in 0..<20 {
    compared.append(
      nanoseconds { precondition(memcmp(copy, history, copy.count) == 0) })
    let call = round % 2 == 0 ? Item.call(number) : Item.rewrittenCall(number)
    history += Array(",".utf8) + call
    let time = try turn(number, adding: Item.output(number, bytes: itemBytes))
    if round % 2 == 0 { unchanged.append(time) } else { rewritten.append(time) }
    number += 1
    conversation.receive(conversation.response([Item.call(number)]))
    precondition(conversation.lastStats.isDelta, "\(conversation.lastStats)")
  }
  let limit = median(compared)
  report("memcmp of \(megabytes) MiB", milliseconds(limit))
  report(
    "plan \(what), unchanged", milliseconds(median(unchanged)), median(unchanged) / limit, atMost: 3)
  report(
    "plan \(what), last response rewritten", milliseconds(median(rewritten)),
    median(rewritten) / limit, atMost: 3)
}

/// Append style: the whole machine's work for a turn, request to committed response.
func appending() throws {
  var perTurn: [Double] = []
  for length in [10, 1000, 100_000] {
    let conversation = try Conversation()
    var number = 0
    func turn() throws -> Double {
      let input = Array("[".utf8) + Item.output(number, bytes: 1000) + Array("]".utf8)
      number += 1
      return try nanoseconds {
        try conversation.start(append: input)
        conversation.receive(conversation.response([Item.call(number)]))
      }
    }
    try conversation.start(append: Array("[".utf8) + Item.user("Go.") + Array("]".utf8))
    conversation.receive(conversation.response([Item.call(0)]))
    for _ in 0..<(length / 2) { _ = try turn() }
    let samples = try (0..<2000).map { _ in try turn() }
    perTurn.append(median(samples))
    report("turn in append style behind \(length) items", microseconds(median(samples)))
  }
  if let first = perTurn.first, let last = perTurn.last {
    report("longest to shortest", rounded(last / first, 2), last / first, atMost: 2)
  }
}

/// Kept, so that none is measured in the memory of another.
nonisolated(unsafe) var mirrors: [Conversation] = []

/// What the mirror takes beside the bytes of the items.
func memory(_ what: String, itemBytes: Int = 0, answerBytes: Int = 0) throws {
  let isStored = answerBytes > 0
  let conversation = try Conversation(isStored: isStored)
  let before = residentBytes()
  var itemsBytes = 0
  var number = 0
  var input = Item.user("Go.")
  while itemsBytes < historyBytes {
    try conversation.start(append: Array("[".utf8) + input + Array("]".utf8))
    let call = Item.call(number)
    let output = isStored ? [Item.reasoning(number), Item.message(number, bytes: answerBytes)] : [call]
    conversation.receive(conversation.response(output))
    itemsBytes += input.count + output.reduce(0) { $0 + $1.count }
    input = isStored ? Item.user("Go on.") : Item.output(number, bytes: itemBytes)
    number += 1
  }
  mirrors.append(conversation)
  let ratio = Double(residentBytes() - before) / Double(itemsBytes)
  report("mirror of \(number) turns, \(what)", "\(megabytes) MiB", ratio, atMost: 1.2)
}

/// What of a turn is the ledger's: measuring input and output.
func ledger() throws {
  for (what, vocabulary) in [("bytes", nil), ("o200k_base", try vocabulary())] {
    guard what == "bytes" || vocabulary != nil else {
      print("measuring with a vocabulary: RESPONSESWS_VOCABULARY names no file")
      continue
    }
    let counter = ItemCounter(vocabulary)
    for bytes in [200, 1000, 100_000] {
      var samples: [Double] = []
      for number in 0..<300 {
        let items = Item.output(number, bytes: bytes) + Array(",".utf8) + Item.call(number)
        samples.append(items.withUnsafeBytes { text in nanoseconds { _ = counter.measure(items: text) } })
      }
      report("measuring an output of \(bytes) bytes and a call, by \(what)", microseconds(median(samples)))
    }
  }
}

// First, while the process is small.
try memory("items of 64 KiB", itemBytes: 64000)
try memory("items of 2 KiB", itemBytes: 2000)
try memory("items of 100 bytes", itemBytes: 40)
try memory("answers of 400 bytes, each after reasoning that only the server has", answerBytes: 400)
try memory("answers of a word, each after reasoning that only the server has", answerBytes: 17)
try planning("items of 2 KiB", itemBytes: 2000)
try planning("items of 64 KiB", itemBytes: 64000)
try planning("items of 100 bytes", itemBytes: 100)
try appending()
try ledger()
exit(missedCount == 0 ? 0 : 1)
