import RWSProtocol

/// Why a connection was not made, as the shell tells the machine.
struct Refusal {
  let error: ResponsesError
  /// The server could be reached, but there was no WebSocket to be had.
  var isUpgradeBlocked = false

  /// Answers to an upgrade after which HTTP is worth a try.
  static let blockingStatuses: [Int32] = [403, 404, 405, 426, 501]

  static func any(_ transport: Transport, _ random: inout SeededRandom) -> Refusal {
    let isHTTP = transport == .http
    switch random.below(isHTTP ? 4 : 9) {
    case 0: return Refusal(error: ResponsesError(.dns, "no such host"))
    case 1: return Refusal(error: ResponsesError(.connectTimeout, "nobody answers"))
    case 2: return Refusal(error: ResponsesError(.tls, "no"))
    case 3: return Refusal(error: ResponsesError(.connectRefused, "refused"))
    case 4: return blocking(&random)
    default: return upgrade([401, 403, 404, 405, 426, 429, 429, 500, 501, 503][random.below(10)], &random)
    }
  }

  static var unauthorized: Refusal {
    var error = ResponsesError(.unauthorized, "no")
    error.httpStatus = 401
    return Refusal(error: error)
  }

  /// As of a middlebox that does not know WebSocket.
  static func blocking(_ random: inout SeededRandom) -> Refusal {
    switch random.below(6) {
    case 0: Refusal(error: ResponsesError(.handshake, "no"), isUpgradeBlocked: true)
    case 1: Refusal(error: ResponsesError(.connectTimeout, "no answer to the upgrade"), isUpgradeBlocked: true)
    case 2: Refusal(error: ResponsesError(.connectionLost, "in the handshake"), isUpgradeBlocked: true)
    default: upgrade(blockingStatuses[random.below(blockingStatuses.count)], &random)
    }
  }

  private static func upgrade(_ status: Int32, _ random: inout SeededRandom) -> Refusal {
    let kind: Status =
      switch status {
      case 401, 403: .unauthorized
      case 429: .rateLimited
      case 500, 503: .overloaded
      default: .upgradeRefused
      }
    var error = ResponsesError(kind, "no")
    error.httpStatus = status
    if status == 429 || status == 503, random.oneIn(3) {
      error.retryAfterMilliseconds = ModelServer.patience / 1_000_000
    }
    return Refusal(error: error, isUpgradeBlocked: blockingStatuses.contains(status))
  }
}
