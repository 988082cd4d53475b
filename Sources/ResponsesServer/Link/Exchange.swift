/// What a client has sent until it got something back, and all that it got until it sent again, on the client's side
/// of a link. Between the last byte of a request and the last of its answer nothing of the time is the client's.
struct Exchange: Equatable {
  /// When the first bytes had come from the client, and when the last had.
  private(set) var askedFrom: Int64 = 0
  private(set) var askedAt: Int64 = 0
  /// When the last byte for the client was about to be given to the kernel; 0: none was.
  private(set) var answeredAt: Int64 = 0
  private(set) var bytesUp = 0
  private(set) var bytesDown = 0

  /// Of the connection, up to here.
  private var received = 0
  private var sent = 0

  var isBegun: Bool { bytesUp > 0 || bytesDown > 0 }

  /// Takes a connection's counts. Returns an exchange that has ended because the client sends again.
  mutating func note(
    received: Int, at receivedAt: Int64, sent: Int, at sentAt: Int64
  ) -> Exchange? {
    let up = received - self.received
    let down = sent - self.sent
    self.received = received
    self.sent = sent
    var ended: Exchange?
    if up > 0 {
      if bytesDown > 0 {
        ended = self
        self = Exchange(received: received, sent: sent)
      }
      if bytesUp == 0 { askedFrom = receivedAt }
      askedAt = receivedAt
      bytesUp += up
    }
    if down > 0 {
      answeredAt = sentAt
      bytesDown += down
    }
    return ended
  }
}

extension Exchange {
  private init(received: Int, sent: Int) {
    self.received = received
    self.sent = sent
  }
}
