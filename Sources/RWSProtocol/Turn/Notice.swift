import RWSJSON

/// An event of the library's own, among those of the server: its type begins with `rws.`.
struct Notice {
  enum Kind: String {
    /// The request goes out again; it cannot have run.
    case resent = "rws.resent"
    /// The request goes out again; it may have run (the replay policy allowed it).
    case replayed = "rws.replayed"
    /// The session moved to a younger connection before the age limit of its own.
    case rotated = "rws.rotated"
  }

  let kind: Kind
  let reason: String
  /// The failure, if one led to it.
  var error: ResponsesError?
  /// How far the request had come.
  var execution: Execution?
  /// How often the turn has been sent before.
  var attempt: Int?
  /// Until it is sent, in nanoseconds.
  var wait: Int64?

  /// The members besides `type`.
  func write(to writer: inout JSONWriter) {
    writer.member("reason", reason)
    if let error {
      writer.member("status", "\(error.status.name)")
      if !error.code.isEmpty { writer.member("code", error.code) }
    }
    if let execution { writer.member("execution", execution.name) }
    if let attempt { writer.member("attempt", attempt) }
    if let wait { writer.member("wait_ms", Int(clamping: wait / 1_000_000)) }
  }

  /// Whether it holds the whole response, which came by another way than its events.
  static func bringsResponse(_ type: some Sequence<UInt8>) -> Bool {
    type.elementsEqual("rws.recovered".utf8)
  }

  /// Whether what the turn has brought so far is void: its response begins anew.
  static func beginsAnew(_ type: some Sequence<UInt8>) -> Bool {
    [Kind.resent, .replayed].contains { type.elementsEqual($0.rawValue.utf8) }
  }
}

extension Execution {
  var name: String {
    switch self {
    case .notSent: "not_sent"
    case .rejected: "rejected"
    case .unknown: "unknown"
    case .started: "started"
    case .outputSeen: "output_seen"
    }
  }
}
