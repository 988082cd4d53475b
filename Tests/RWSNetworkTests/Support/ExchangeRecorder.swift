import RWSWebSocket

@testable import RWSNetwork

/// What an exchange says, copied.
final class ExchangeRecorder: ClientExchangeDelegate {
  var said: [String] = []
  var info: StreamInfo?
  var heads: [HTTPResponseHead] = []
  var body: [UInt8] = []
  var parts = 0
  var bursts = 0
  var ends = 0
  var failure: NetworkFailure?
  var onOpen: () -> Void = {}
  var onPart: (ClientExchange) -> Void = { _ in }

  var hasEnded: Bool { ends > 0 }
  var text: String { String(decoding: body, as: UTF8.self) }

  func exchangeOpened(_ exchange: ClientExchange, _ info: StreamInfo) {
    said.append("opened")
    self.info = info
    onOpen()
  }

  func exchangeSent(_ exchange: ClientExchange) { said.append("sent") }

  func exchange(_ exchange: ClientExchange, receivedHead head: HTTPResponseHead) {
    said.append("head")
    heads.append(head)
  }

  func exchange(_ exchange: ClientExchange, receivedPart part: UnsafeRawBufferPointer) {
    body += part
    parts += 1
    onPart(exchange)
  }

  func exchangeFinishedRead(_ exchange: ClientExchange) { bursts += 1 }

  func exchangeEnded(_ exchange: ClientExchange, _ failure: NetworkFailure?) {
    said.append(failure.map { "\($0.kind)" } ?? "whole")
    ends += 1
    self.failure = failure
  }
}
