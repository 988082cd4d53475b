import CResponsesWS
import RWSNetwork
import RWSClient

final class SessionHandle: @unchecked Sendable {
  let session: Session
  fileprivate let lock = Lock()
  private var responseID = Borrowed()
  private var fullBody = Borrowed()
  fileprivate var compaction = Borrowed()
  private var saved = Borrowed()

  init(_ session: Session) { self.session = session }

  func lendResponseID(_ id: String) -> rws_string {
    lock.withLock {
      responseID = Borrowed()
      return responseID.string(id)
    }
  }

  func lendFullBody(_ body: [UInt8]) -> rws_string {
    lock.withLock {
      fullBody = Borrowed()
      return fullBody.string(body)
    }
  }

  func lendSaved(_ json: [UInt8]) -> rws_string {
    lock.withLock {
      saved = Borrowed()
      return saved.string(json)
    }
  }
}

extension SessionHandle {
  func lend(_ compaction: Compaction) -> rws_compaction {
    lock.withLock {
      Borrowed.renew(&self.compaction) { borrowed in
        rws_compaction(
          struct_size: 0, output: borrowed.string(compaction.outputBytes),
          usage: rws_usage(compaction.usage))
      }
    }
  }
}

@c(rws_session_new) @implementation
public func rws_session_new(
  _ client: OpaquePointer?, _ settings: UnsafePointer<CChar>?, _ settings_len: Int,
  _ session_out: UnsafeMutablePointer<OpaquePointer?>?
) -> rws_status {
  makingCall { () throws(ResponsesError) in
    let session_out = try required(session_out, "session_out")
    let client = try Handles.client(client).client
    let session = try client.session(settings: bytes(settings, settings_len, "settings"))
    session_out.pointee = try Handles.insert(SessionHandle(session), into: Handles.sessions)
  }
}

@c(rws_session_new_as) @implementation
public func rws_session_new_as(
  _ client: OpaquePointer?, _ settings: UnsafePointer<CChar>?, _ settings_len: Int,
  _ identity: UnsafePointer<rws_identity>?, _ session_out: UnsafeMutablePointer<OpaquePointer?>?
) -> rws_status {
  makingCall { () throws(ResponsesError) in
    let session_out = try required(session_out, "session_out")
    let client = try Handles.client(client).client
    let session = try client.session(
      settings: bytes(settings, settings_len, "settings"),
      as: Identity(read(identity, into: rws_identity())))
    session_out.pointee = try Handles.insert(SessionHandle(session), into: Handles.sessions)
  }
}

extension Identity {
  fileprivate init(_ identity: rws_identity) throws(ResponsesError) {
    self.init(
      apiKey: try string(identity.api_key, "api_key"),
      organization: try string(identity.organization, "organization"),
      project: try string(identity.project, "project"),
      headers: try ClientOptions.headers(identity.headers, identity.header_count))
    apiKeySource = APIKeySource.of(identity.on_api_key, identity.api_key_user_data)
  }
}

@c(rws_session_fork) @implementation
public func rws_session_fork(
  _ session: OpaquePointer?, _ fork_out: UnsafeMutablePointer<OpaquePointer?>?
) -> rws_status {
  makingCall { () throws(ResponsesError) in
    let fork_out = try required(fork_out, "fork_out")
    let fork = try Handles.session(session).session.fork()
    fork_out.pointee = try Handles.insert(SessionHandle(fork), into: Handles.sessions)
  }
}

@c(rws_session_connect) @implementation
public func rws_session_connect(_ session: OpaquePointer?, _ timeout_ms: Int64) -> rws_status {
  waitingCall { () throws(ResponsesError) in
    try Handles.session(session).session.connect(timeout: wait(timeout_ms))
  }
}

@c(rws_session_response_id) @implementation
public func rws_session_response_id(
  _ session: OpaquePointer?, _ id_out: UnsafeMutablePointer<rws_string>?
) -> rws_status {
  call { () throws(ResponsesError) in
    let id_out = try required(id_out, "id_out")
    let handle = try Handles.session(session)
    id_out.pointee = handle.lendResponseID(try handle.session.responseID)
  }
}

@c(rws_session_full_body) @implementation
public func rws_session_full_body(
  _ session: OpaquePointer?, _ input: UnsafePointer<CChar>?, _ input_len: Int,
  _ body_out: UnsafeMutablePointer<rws_string>?
) -> rws_status {
  call { () throws(ResponsesError) in
    let body_out = try required(body_out, "body_out")
    let handle = try Handles.session(session)
    let input = try TurnInput(json: bytes(input, input_len, "input"))
    body_out.pointee = handle.lendFullBody(try handle.session.fullBody(input))
  }
}

@c(rws_session_save) @implementation
public func rws_session_save(
  _ session: OpaquePointer?, _ saved_out: UnsafeMutablePointer<rws_string>?
) -> rws_status {
  call { () throws(ResponsesError) in
    let saved_out = try required(saved_out, "saved_out")
    let handle = try Handles.session(session)
    saved_out.pointee = handle.lendSaved(try handle.session.save())
  }
}

@c(rws_session_save_file) @implementation
public func rws_session_save_file(
  _ session: OpaquePointer?, _ path: UnsafePointer<CChar>?
) -> rws_status {
  call { () throws(ResponsesError) in
    let session = try Handles.session(session).session
    try session.save(to: try string(path, "path") ?? "")
  }
}

@c(rws_session_restore) @implementation
public func rws_session_restore(
  _ client: OpaquePointer?, _ saved: UnsafePointer<CChar>?, _ saved_len: Int,
  _ overrides: UnsafePointer<CChar>?, _ overrides_len: Int,
  _ identity: UnsafePointer<rws_identity>?, _ session_out: UnsafeMutablePointer<OpaquePointer?>?
) -> rws_status {
  makingCall { () throws(ResponsesError) in
    let session_out = try required(session_out, "session_out")
    let client = try Handles.client(client).client
    let session = try client.restore(
      bytes(saved, saved_len, "saved"), overrides: bytes(overrides, overrides_len, "overrides"),
      as: identity.map { identity throws(ResponsesError) in
        try Identity(read(identity, into: rws_identity()))
      })
    session_out.pointee = try Handles.insert(SessionHandle(session), into: Handles.sessions)
  }
}

@c(rws_session_ledger) @implementation
public func rws_session_ledger(
  _ session: OpaquePointer?, _ ledger_out: UnsafeMutablePointer<rws_ledger>?
) -> rws_status {
  call { () throws(ResponsesError) in
    let session = try Handles.session(session).session
    try write(rws_ledger(session.ledger), to: writable(ledger_out))
  }
}

@c(rws_session_estimate) @implementation
public func rws_session_estimate(
  _ session: OpaquePointer?, _ input: UnsafePointer<CChar>?, _ input_len: Int,
  _ estimate_out: UnsafeMutablePointer<rws_estimate>?
) -> rws_status {
  call { () throws(ResponsesError) in
    let session = try Handles.session(session).session
    let input = try TurnInput(json: bytes(input, input_len, "input"))
    try write(rws_estimate(session.estimate(input)), to: writable(estimate_out))
  }
}

@c(rws_session_compact) @implementation
public func rws_session_compact(
  _ session: OpaquePointer?, _ if_over_tokens: Int64, _ timeout_ms: Int64,
  _ compaction_out: UnsafeMutablePointer<rws_compaction>?
) -> rws_status {
  var isNeeded = true
  let status = call { () throws(ResponsesError) in
    let handle = try Handles.session(session)
    if compaction_out != nil { _ = try writable(compaction_out) }
    guard if_over_tokens >= 0 else {
      throw ResponsesError(.invalidArgument, "if_over_tokens is negative.")
    }
    let compaction = try handle.session.compact(
      ifOver: if_over_tokens > 0 ? if_over_tokens : nil, timeout: wait(timeout_ms))
    isNeeded = compaction != nil
    if let compaction, let compaction_out { try write(handle.lend(compaction), to: compaction_out) }
  }
  return status == Status.ok.rawValue && !isNeeded ? Status.done.rawValue : status
}

@c(rws_session_count_tokens) @implementation
public func rws_session_count_tokens(
  _ session: OpaquePointer?, _ input: UnsafePointer<CChar>?, _ input_len: Int, _ timeout_ms: Int64,
  _ tokens_out: UnsafeMutablePointer<Int64>?
) -> rws_status {
  call { () throws(ResponsesError) in
    let tokens_out = try required(tokens_out, "tokens_out")
    let handle = try Handles.session(session)
    let input = try TurnInput(json: bytes(input, input_len, "input"))
    tokens_out.pointee = try handle.session.countTokens(input, timeout: wait(timeout_ms))
  }
}

@c(rws_session_descriptor) @implementation
public func rws_session_descriptor(
  _ session: OpaquePointer?, _ descriptor_out: UnsafeMutablePointer<CInt>?
) -> rws_status {
  call { () throws(ResponsesError) in
    let descriptor_out = try required(descriptor_out, "descriptor_out")
    descriptor_out.pointee = try Handles.session(session).session.descriptor
  }
}

@c(rws_session_free) @implementation
public func rws_session_free(_ session: OpaquePointer?) {
  Handles.sessions.remove(session)?.session.close()
}

extension rws_ledger {
  fileprivate init(_ ledger: SessionLedger) {
    self.init()
    turn_count = UInt64(clamping: ledger.turnCount)
    continuation_count = UInt64(clamping: ledger.continuationCount)
    delta_count = UInt64(clamping: ledger.deltaCount)
    resend_count = UInt64(clamping: ledger.resendCount)
    unreported_count = UInt64(clamping: ledger.unreportedCount)
    context_loss_count = UInt64(clamping: ledger.contextLossCount)
    input_tokens = ledger.inputTokens
    cached_tokens = ledger.cachedTokens
    output_tokens = ledger.outputTokens
    reasoning_tokens = ledger.reasoningTokens
    sent_bytes = UInt64(clamping: ledger.sentBytes)
    http_bytes = UInt64(clamping: ledger.httpBytes)
    context_tokens = ledger.contextTokens ?? -1
    delta_hit_rate = ledger.deltaHitRate ?? -1
  }
}

extension rws_estimate {
  fileprivate init(_ estimate: TokenEstimate) {
    self.init()
    tokens = estimate.tokens
    low = estimate.low
    high = estimate.high
    uncountable_parts = UInt64(clamping: estimate.uncountableParts)
  }
}
