import RWSNetwork
import RWSWebSocket

/// Carries one client's connection: answers its HTTP requests one after the other, or hands it over to a
/// `WebSocketHandler`.
final class ConnectionHandler {
  private enum State {
    case waiting
    /// A response over HTTP is under way.
    case answering(HTTPExchange)
    case open(WebSocketChannel, WebSocketHandler)
    case ended
  }

  private var state = State.waiting
  private let service: ServerService
  private let channel: ServerChannel
  private let onEnd: (ConnectionHandler) -> Void
  private var timer: TimerID?

  init(
    _ channel: ServerChannel, _ service: ServerService,
    onEnd: @escaping (ConnectionHandler) -> Void
  ) {
    self.channel = channel
    self.service = service
    self.onEnd = onEnd
  }

  /// The server stops. A request that is still coming is left to the end of the loop.
  func close(code: UInt16, reason: String) {
    switch state {
    case .waiting: closeIfIdle()
    case .open(let channel, let handler): handler.close(channel, code: code, reason: reason)
    case .answering, .ended: break
    }
  }

  /// The server stops when nothing runs any more.
  func drain(code: UInt16, reason: String) {
    switch state {
    case .waiting, .answering:
      channel.keepNoLonger()
      closeIfIdle()
    case .open(let channel, let handler): handler.drain(channel, code: code, reason: reason)
    case .ended: break
    }
  }

  private func closeIfIdle() {
    if channel.isIdle { drop() }
  }

  private func drop() {
    cancelTimer()
    channel.abort()
    end()
  }

  private func end() {
    if case .ended = state { return }
    state = .ended
    onEnd(self)
  }

  // MARK: HTTP

  private func answer(_ request: ServerRequest) {
    do throws(RequestError) {
      switch service.router.decide(request) {
      case .upgrade: upgrade(request)
      case .create:
        var exchange = try HTTPExchange(request.body, connection: service.makeConnection(for: request))
        let output = exchange.start(channel.loop.now)
        state = .answering(exchange)
        carryOut(output)
      case let decision:
        respond(try service.answer(decision, body: request.body, now: channel.loop.now))
      }
    } catch {
      respond(HTTPAnswer(refusing: error))
    }
  }

  private func respond(_ answer: HTTPAnswer) {
    var answer = answer
    answer.fields.append(contentsOf: service.fields(channel.loop.now, besides: answer.fields))
    channel.respond(answer)
  }

  private func carryOut(_ output: [HTTPExchange.Output]) {
    var parts: [UInt8] = []
    for item in output {
      switch item {
      case .answer(let answer): respond(answer)
      case .begin(var fields):
        fields.append(contentsOf: service.fields(channel.loop.now))
        guard channel.beginAnswer(status: 200, fields: fields) else { return drop() }
      // In one chunk: events that are due together reach the client together.
      case .part(let part): parts += part
      case .end:
        guard channel.sendPart(parts) else { return drop() }
        parts = []
        channel.endAnswer()
      case .log(let record): service.log?.write(record)
      case .cost(let record): service.log?.write(record.line(ended: MonotonicClock.now()))
      case .cut:
        channel.sendPart(parts)
        return drop()
      }
    }
    if !parts.isEmpty, !channel.sendPart(parts) { return drop() }
    arm()
  }

  private func arm() {
    cancelTimer()
    guard case .answering(let exchange) = state else { return }
    guard let deadline = exchange.nextDeadline else {
      if exchange.isEnded { state = .waiting }
      return
    }
    timer = channel.loop.schedule(at: deadline) { [weak self] in
      guard let self, case .answering(var exchange) = state else { return }
      timer = nil
      state = .waiting
      let output = exchange.tick(channel.loop.now)
      state = .answering(exchange)
      carryOut(output)
    }
  }

  private func cancelTimer() {
    if let timer { channel.loop.cancel(timer) }
    timer = nil
  }

  // MARK: WebSocket

  private func upgrade(_ request: ServerRequest) {
    let number = service.nextConnectionNumber()
    switch service.faults.atUpgrade(connection: number) {
    case .refuse(let error): return respond(HTTPAnswer(refusing: error))
    case .wrongAcceptKey:
      return channel.respond(
        HTTPAnswer(
          status: 101,
          fields: HTTPFields([
            "Upgrade": "websocket", "Connection": "Upgrade",
            "Sec-WebSocket-Accept": "AAAAAAAAAAAAAAAAAAAAAAAAAAA=",
          ])))
    case .silence: return
    case nil: break
    }
    let handler = WebSocketHandler(
      service.makeConnection(for: request, number: number, openedAt: channel.loop.now),
      log: service.log, onRestart: service.onRestart
    ) { [weak self] in self?.end() }
    let deflate = service.acceptsDeflate ? DeflateParameters.serverPreference : nil
    guard
      let upgraded = channel.upgrade(
        fields: service.fields(channel.loop.now), deflate: deflate, delegate: handler)
    else { return drop() }
    state = .open(upgraded, handler)
    handler.opened(upgraded)
  }
}

extension ConnectionHandler: ServerChannelDelegate {
  func channel(_ channel: ServerChannel, received request: ServerRequest) {
    cancelTimer()
    state = .waiting
    answer(request)
  }

  func channelClosed(_ channel: ServerChannel) {
    cancelTimer()
    end()
  }
}
