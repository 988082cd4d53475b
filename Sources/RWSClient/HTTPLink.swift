import RWSNetwork
import RWSProtocol
import RWSWebSocket

/// A connection of the machine that carries one response over HTTP: the events of the answer's stream are received like
/// the texts of a WebSocket, and an answer that says no like the error event that it stands for. What is beneath it
/// may have carried others before.
final class HTTPLink: Link {
  private enum Reading {
    case nothing
    case events
    /// An answer that is no event stream.
    case body(HTTPResponseHead)
  }

  let connection: Connection
  private let client: ClientCore
  private let start: Int64
  private let options: ConnectOptions
  private var exchange: ClientExchange?
  private var turn: TurnID?
  private var reading = Reading.nothing
  private var events: ServerSentEventReader
  private var body: [UInt8] = []

  init(_ connection: Connection, _ client: ClientCore) {
    self.connection = connection
    self.client = client
    start = client.loop.now
    events = ServerSentEventReader(eventBytesMax: client.options.messageBytesMax)
    options = client.connectOptions(on: connection.routeID)
    exchange = ClientExchange(
      connecting: options, or: client.idleConnections, bodyBytesMax: .max, on: client.loop, delegate: self)
  }

  func send(_ body: [UInt8], of turn: TurnID) -> ResponsesError? {
    guard let exchange else { return nil }
    do throws(UpgradeRequestError) {
      self.turn = turn
      _ = exchange.send(
        try HTTPRequest(
          "POST", options.url, fields: options.fields.accepting("text/event-stream"), body: body))
      return nil
    } catch {
      return ResponsesError(.invalidArgument, "A header cannot be sent: \(error)")
    }
  }

  /// The machine sends none over HTTP.
  func send(steer event: [UInt8]) {}

  func pause(_ isPaused: Bool) {
    if isPaused { exchange?.pauseReading() } else { exchange?.resumeReading() }
  }

  func noteUse() {}

  func close() {
    if connection.isAnswered { exchange?.release() } else { exchange?.abort() }
    exchange = nil
  }

  private func end(_ failure: NetworkFailure) {
    guard exchange != nil else { return }
    close()
    client.linkEnded(self, failure)
  }
}

extension HTTPLink: ClientExchangeDelegate {
  func exchangeOpened(_ exchange: ClientExchange, _ info: StreamInfo) {
    client.linkOpened(self, info, since: start, isReused: exchange.isReused)
  }

  func exchangeSent(_ exchange: ClientExchange) {
    guard let turn else { return }
    client.drive { $0.flushed(turn, now: $1) }
  }

  func exchange(_ exchange: ClientExchange, receivedHead head: HTTPResponseHead) {
    client.note(head.fields, of: connection)
    reading = head.isEventStream ? .events : .body(head)
  }

  func exchange(_ exchange: ClientExchange, receivedPart part: UnsafeRawBufferPointer) {
    switch reading {
    case .nothing: break
    case .events: receive(part)
    case .body:
      // What is beyond says nothing that an error could hold.
      body.append(contentsOf: part.prefix(client.options.messageBytesMax - body.count))
    }
  }

  private func receive(_ part: UnsafeRawBufferPointer) {
    var rest = part
    do throws(ServerSentEventTooLarge) {
      // The machine may let go of the connection in the middle: a terminal event ends it.
      while exchange != nil, let event = try events.next(&rest) {
        if event.data.elementsEqual("[DONE]".utf8) { continue }
        client.receive(connection, event.data)
      }
    } catch {
      end(NetworkFailure(.messageTooLarge, "The server sent an event larger than the limit. Raise the limit for messages."))
    }
  }

  func exchangeFinishedRead(_ exchange: ClientExchange) {
    client.drive { machine, _ in
      machine.finishedRead(connection, now: Instant(nanoseconds: client.loop.now))
    }
  }

  func exchangeEnded(_ exchange: ClientExchange, _ failure: NetworkFailure?) {
    if case .body(let head) = reading, failure == nil || !head.isSuccess {
      let answer = HTTPAnswer(status: head.status, fields: head.fields, body: body)
      let event = head.isSuccess ? body : answer.errorEvent
      event.withUnsafeBytes { client.receive(connection, $0) }
    }
    // Unless that was the end of the turn.
    end(
      failure
        ?? NetworkFailure(.lost, "The HTTP answer ended before the response did. Check the proxies between, if there are any."))
  }
}

extension HTTPHead where Start == HTTPStatusLine {
  fileprivate var isSuccess: Bool { (200...299).contains(status) }

  fileprivate var isEventStream: Bool {
    guard isSuccess, let type = fields["Content-Type"] else { return false }
    return type.lowercased().hasPrefix("text/event-stream")
  }
}
