import RWSNetwork
import RWSWebSocket

/// One request beside the turns, and its answer as a whole. Confined to the client's loop, which keeps it
/// until it has ended.
final class HTTPRequestDriver {
  typealias Answer = Result<[UInt8], ResponsesError>

  private let request: HTTPRequest
  private let connect: ConnectOptions
  private let connections: IdleConnections
  private let bodyBytesMax: Int
  private let loop: EventLoop
  /// Silence that is borne, in nanoseconds; nil: any.
  private let silence: Int64?
  private var exchange: ClientExchange?
  private var answered: ((Answer) -> Void)?
  private var status = 0
  private var fields = HTTPFields()
  private var body: [UInt8] = []
  private var isSent = false
  private var isRepeated = false
  private var totalTimer: TimerID?
  private var silenceTimer: TimerID?

  /// - Parameter deadline: For everything; nil: none.
  /// - Parameter answered: Called once, from the loop, never inside this call; not after `cancel`.
  init(
    _ request: HTTPRequest, over connect: ConnectOptions, or connections: IdleConnections, bodyBytesMax: Int,
    silence: Int64?, deadline: Int64?, on loop: EventLoop, answered: @escaping (Answer) -> Void
  ) {
    self.request = request
    self.connect = connect
    self.connections = connections
    self.bodyBytesMax = bodyBytesMax
    self.loop = loop
    self.silence = silence
    self.answered = answered
    begin()
    if let deadline {
      totalTimer = loop.schedule(at: deadline) { [self] in
        totalTimer = nil
        expire(.turnTimeout)
      }
    }
  }

  private func begin() {
    let exchange = ClientExchange(
      connecting: connect, or: connections, bodyBytesMax: bodyBytesMax, on: loop, delegate: self)
    self.exchange = exchange
    _ = exchange.send(request)
  }

  func cancel() {
    answered = nil
    leave()
  }

  private func watchSilence() {
    if let silenceTimer { loop.cancel(silenceTimer) }
    guard let silence else { return }
    silenceTimer = loop.schedule(at: MonotonicClock.deadline(after: silence)) { [self] in
      silenceTimer = nil
      expire(.eventGapTimeout)
    }
  }

  private func expire(_ status: Status) {
    end(.failure(.expiry(status, isSent ? .unknown : .notSent)))
  }

  private func end(_ answer: Answer) {
    leave()
    let answered = self.answered
    self.answered = nil
    answered?(answer)
  }

  private func leave() {
    for timer in [totalTimer, silenceTimer] { timer.map(loop.cancel) }
    totalTimer = nil
    silenceTimer = nil
    exchange?.abort()
    exchange = nil
  }
}

extension HTTPRequestDriver: ClientExchangeDelegate {
  func exchangeOpened(_ exchange: ClientExchange, _ info: StreamInfo) { watchSilence() }

  func exchangeSent(_ exchange: ClientExchange) {
    isSent = true
    watchSilence()
  }

  func exchange(_ exchange: ClientExchange, receivedHead head: HTTPResponseHead) {
    status = head.status
    fields = head.fields
  }

  func exchange(_ exchange: ClientExchange, receivedPart part: UnsafeRawBufferPointer) {
    body.append(contentsOf: part)
  }

  func exchangeFinishedRead(_ exchange: ClientExchange) { watchSilence() }

  func exchangeEnded(_ exchange: ClientExchange, _ failure: NetworkFailure?) {
    // An answer that says no is one, however it ends.
    if !(200...299).contains(status), status != 0 {
      let answer = HTTPAnswer(status: status, fields: fields, body: body)
      return end(.failure(ResponsesError(refusal: answer).with(.rejected)))
    }
    guard let failure else { return end(.success(body)) }
    if exchange.endedUnheard, request.isSafe, !isRepeated {
      isRepeated = true
      isSent = false
      return begin()
    }
    end(.failure(ResponsesError(failure).with(isSent ? .unknown : .notSent)))
  }
}
