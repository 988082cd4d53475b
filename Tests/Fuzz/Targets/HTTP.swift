import RWSWebSocket

/// Feeds the parts until there is an answer; also tells what was left for whoever reads next.
private func feed<Answer>(
  _ parts: [UnsafeRawBufferPointer], _ next: (inout ByteBuffer) -> Answer?
) -> (answer: Answer, rest: [UInt8])? {
  var input = ByteBuffer(bytesMax: 1 << 24)
  for (index, part) in parts.enumerated() {
    try? input.append(part)
    if let answer = next(&input) {
      return (answer, Array(input.bytes) + parts[(index + 1)...].flatMap { Array($0) })
    }
  }
  return nil
}

private struct Answer<Value: Equatable>: Equatable {
  var value: Value?
  var rest: [UInt8]
}

private let url = try? WebSocketURL("wss://user.example/v1/responses")

/// RFC 6455 §4: the client reads an answer, or the server a request.
func handshake(_ input: FuzzInput) {
  if input.choice(0) { return serverHandshake(input) }
  guard let url,
    let handshake = try? ClientHandshake(
      url: url, nonce: Array("the sample nonce".utf8), subprotocols: ["chat"],
      deflate: input.choice(1) ? DeflateOffer() : nil)
  else { fatalError("the handshake could not be made") }
  expectSameWhole(input) { parts in
    var handshake = handshake
    let answer = feed(parts) { input -> ClientHandshake.Step? in
      let step = handshake.next(&input)
      return step == .needMore ? nil : step
    }
    let last = answer?.answer ?? handshake.receiveEOF()
    check(last != .needMore, "the end of the stream is no answer")
    if case .failed(let failure) = last { blackHole(failure.description) }
    return Answer(value: last, rest: upgradedRest(last, answer?.rest))
  }
}

/// Only after an upgrade does what follows belong to somebody.
private func upgradedRest(_ step: ClientHandshake.Step, _ rest: [UInt8]?) -> [UInt8] {
  if case .upgraded = step { rest ?? [] } else { [] }
}

private struct ServerAnswer: Equatable {
  var step: ServerHandshake.Step?
  var body: BodyAnswer?
}

private func serverHandshake(_ input: FuzzInput) {
  expectSameWhole(input) { parts in
    var handshake = ServerHandshake()
    let answer = feed(parts) { input -> ServerHandshake.Step? in
      let step = handshake.next(&input)
      return step == .needMore ? nil : step
    }
    var body: BodyAnswer?
    switch answer?.answer {
    case .upgrade(let request)?:
      var output = ByteBuffer(bytesMax: 1 << 20)
      check((try? request.writeAcceptance(to: &output)) != nil, "the answer could not be written")
    case .request(_, let framing)?:
      body = answer?.rest.withUnsafeBytes { readBody(framing, [$0]) }
    case .needMore?, .refused?, nil: break
    }
    return ServerAnswer(step: answer?.answer, body: body)
  }
}

struct BodyAnswer: Equatable {
  var body: [UInt8] = []
  var isWhole = false
  var error: HTTPBodyError?
}

/// RFC 9112: bodies in each framing, and heads on the fuzzer's own memory.
func http(_ input: FuzzInput) {
  blackHole(HTTPStatusLine.parse(input.body))
  blackHole(HTTPRequestLine.parse(input.body))
  let framing: HTTPBodyFraming =
    input.choice(0) ? .length(Int(input.body.first ?? 0)) : input.choice(1) ? .untilEOF : .chunked
  expectSameWhole(input) { readBody(framing, $0) }
  expectSameWhole(input) { readHead(HTTPHeadReader<HTTPStatusLine>(limits: smallLimits), $0) }
  expectSameWhole(input) { readAnswer($0) }
}

private struct WholeAnswer: Equatable {
  var head: HTTPResponseHead?
  var body: [UInt8] = []
  var isWhole = false
  var error: HTTPAnswerError?
}

/// The answer to an ordinary request.
private func readAnswer(_ parts: [UnsafeRawBufferPointer]) -> WholeAnswer {
  var reader = HTTPAnswerReader()
  var input = ByteBuffer(bytesMax: 1 << 24)
  var answer = WholeAnswer()
  do throws(HTTPAnswerError) {
    for part in parts {
      try? input.append(part)
      reading: while true {
        switch try reader.next(&input) {
        case .needMore: break reading
        case .head(let head): answer.head = head
        case .part(let bytes): answer.body += bytes
        case .end:
          answer.isWhole = true
          return answer
        }
      }
    }
    try reader.receiveEOF()
    answer.isWhole = true
  } catch {
    answer.error = error
  }
  return answer
}

private var smallLimits: HTTPHeadReader<HTTPStatusLine>.Limits {
  var limits = HTTPHeadReader<HTTPStatusLine>.Limits()
  limits.bytesMax = 300
  limits.fieldsMax = 5
  return limits
}

private struct HeadAnswer: Equatable {
  var head: HTTPResponseHead?
  var error: HTTPHeadError?
}

private func readHead(
  _ reader: HTTPHeadReader<HTTPStatusLine>, _ parts: [UnsafeRawBufferPointer]
) -> HeadAnswer? {
  var reader = reader
  return feed(parts) { input -> HeadAnswer? in
    do throws(HTTPHeadError) {
      return try reader.next(&input).map { HeadAnswer(head: $0) }
    } catch {
      return HeadAnswer(error: error)
    }
  }?.answer
}

private func readBody(
  _ framing: HTTPBodyFraming, _ parts: [UnsafeRawBufferPointer]
) -> BodyAnswer {
  var reader = HTTPBodyReader(framing)
  var input = ByteBuffer(bytesMax: 1 << 24)
  var answer = BodyAnswer()
  do throws(HTTPBodyError) {
    for part in parts {
      try? input.append(part)
      reading: while true {
        switch try reader.next(&input) {
        case .needMore: break reading
        case .part(let bytes): answer.body += bytes
        case .end:
          answer.isWhole = true
          return answer
        }
      }
    }
    try reader.receiveEOF()
    answer.isWhole = true
  } catch {
    answer.error = error
  }
  return answer
}
