import RWSJSON
import RWSWebSocket

/// One `POST /v1/responses`, without its socket: whole as JSON, or as server-sent events. It has no cache, so
/// every request pays for its whole input; a parent must have been stored.
struct HTTPExchange {
  enum Output: Equatable {
    case answer(HTTPAnswer)
    /// The head of an answer whose body comes in parts.
    case begin(HTTPFields)
    case part([UInt8])
    case end
    case log([UInt8])
    case cost(CostRecord)
    /// The connection ends here, in the middle of the answer.
    case cut
  }

  private enum State {
    case whole
    case beforeStream
    case streaming
    case ended
  }

  private var connection: ServerConnection
  private var state: State
  private var request: ResponseRequest

  /// Throws what is wrong with the body itself.
  init(_ body: [UInt8], connection: ServerConnection) throws(RequestError) {
    request = ResponseRequest(fields: try Self.fields(body), lane: nil)
    request.receivedBytes = body.count
    if connection.configuration.dialect.has(.refusesChainsOverHTTP),
      request.previousResponseID != nil
    {
      var error = RequestError.invalid("Unsupported parameter: previous_response_id")
      error.isDetailOnly = true
      throw error
    }
    self.connection = connection
    state = request["stream"]?.bool == true ? .beforeStream : .whole
  }

  static func fields(_ body: [UInt8]) throws(RequestError) -> [String: JSONValue] {
    let value: JSONValue
    do {
      value = try JSONValue(parsing: body)
    } catch {
      throw .invalid(
        "We could not parse the JSON body of your request: \(error).", code: "invalid_json")
    }
    guard value.kind == .object else {
      throw .invalid("The body must be a JSON object.", code: "invalid_type")
    }
    return value.membersByKey
  }

  mutating func start(_ now: Int64) -> [Output] {
    take(connection.create(request, now: now))
  }

  mutating func tick(_ now: Int64) -> [Output] {
    take(connection.tick(now))
  }

  var nextDeadline: Int64? { isEnded ? nil : connection.nextDeadline }

  var isEnded: Bool {
    switch state {
    case .ended: true
    case .whole, .beforeStream, .streaming: false
    }
  }

  private mutating func take(_ items: [ServerConnection.Output]) -> [Output] {
    var output: [Output] = []
    for item in items {
      switch item {
      case .text(let text): take(text, &output)
      case .log(let record): output.append(.log(record))
      case .cost(let record): output.append(.cost(record))
      case .close, .fault:
        output.append(.cut)
        state = .ended
      }
    }
    return output
  }

  private mutating func take(_ text: [UInt8], _ output: inout [Output]) {
    let type = EventType.of(text)
    let refusal = connection.refusal
    switch state {
    case .ended: return
    case .whole, .beforeStream:
      if let refusal {
        output.append(.answer(HTTPAnswer(refusing: refusal)))
        state = .ended
        return
      }
      if case .whole = state {
        guard EventType.terminal.contains(type), let value = try? JSONValue(parsing: text),
          let response = value["response"]
        else { return }
        output.append(
          .answer(HTTPAnswer(status: 200, json: String(decoding: response.bytes, as: UTF8.self))))
        state = .ended
        return
      }
      output.append(
        .begin(
          HTTPFields([
            "Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-cache",
          ])))
      state = .streaming
    case .streaming: break
    }
    if let refusal {
      let flat = ErrorFrame.write(refusal, lane: nil, dialect: Dialect([.flatErrors]))
      output += [.part(Self.serverSentEvent("error", flat)), .end]
      state = .ended
      return
    }
    output.append(.part(Self.serverSentEvent(type, text)))
    if EventType.terminal.contains(type) {
      output.append(.end)
      state = .ended
    }
  }

  private static func serverSentEvent(_ type: String, _ text: [UInt8]) -> [UInt8] {
    Array("event: \(type)\ndata: ".utf8) + text + Array("\n\n".utf8)
  }
}

extension HTTPAnswer {
  init(refusing error: RequestError, fields: HTTPFields = HTTPFields()) {
    var fields = fields
    for header in error.headers { fields.append(header.name, header.value) }
    self.init(
      status: error.status, fields: fields,
      json: String(decoding: ErrorFrame.httpBody(error), as: UTF8.self))
  }

  init(json: [UInt8]) {
    self.init(status: 200, json: String(decoding: json, as: UTF8.self))
  }
}
