import CResponsesWS
import RWSNetwork
import RWSClient

final class ClientHandle: Sendable {
  let client: Client

  init(_ client: Client) { self.client = client }
}

@c(rws_client_new) @implementation
public func rws_client_new(
  _ options: UnsafePointer<rws_client_options>?,
  _ client_out: UnsafeMutablePointer<OpaquePointer?>?
) -> rws_status {
  makingCall { () throws(ResponsesError) in
    let client_out = try required(client_out, "client_out")
    let client = try Client(ClientOptions(read(options, into: rws_client_options())))
    client_out.pointee = try Handles.insert(ClientHandle(client), into: Handles.clients)
  }
}

@c(rws_client_close) @implementation
public func rws_client_close(_ client: OpaquePointer?, _ timeout_ms: Int64) -> rws_status {
  waitingCall { () throws(ResponsesError) in
    try Handles.client(client).client.close(timeout: wait(timeout_ms) ?? unlimited)
  }
}

@c(rws_client_counters) @implementation
public func rws_client_counters(
  _ client: OpaquePointer?, _ counters_out: UnsafeMutablePointer<rws_counters>?
) -> rws_status {
  call { () throws(ResponsesError) in
    let client = try Handles.client(client).client
    try write(rws_counters(client.counters), to: writable(counters_out))
  }
}

@c(rws_client_free) @implementation
public func rws_client_free(_ client: OpaquePointer?) {
  Handles.clients.remove(client)?.client.closeNow()
}

extension rws_counters {
  fileprivate init(_ counters: RecoveryCounters) {
    self.init()
    resend_count = UInt64(clamping: counters.resendCount)
    replay_count = UInt64(clamping: counters.replayCount)
    retried_request_count = UInt64(clamping: counters.retriedRequestCount)
    connection_count = UInt64(clamping: counters.connectionCount)
    failed_dial_count = UInt64(clamping: counters.failedDialCount)
    lost_connection_count = UInt64(clamping: counters.lostConnectionCount)
    rotation_count = UInt64(clamping: counters.rotationCount)
    fallback_count = UInt64(clamping: counters.fallbackCount)
    key_request_count = UInt64(clamping: counters.keyRequestCount)
    priming_count = UInt64(clamping: counters.primingCount)
    recovery_count = UInt64(clamping: counters.recoveryCount)
    refused_key_count = UInt64(clamping: counters.refusedKeyCount)
  }
}

extension ClientOptions {
  init(_ options: rws_client_options) throws(ResponsesError) {
    self.init(
      baseURL: try string(options.base_url, "base_url"),
      apiKey: try string(options.api_key, "api_key"))
    organization = try string(options.organization, "organization")
    project = try string(options.project, "project")
    caFile = try string(options.ca_file, "ca_file")
    proxy = try string(options.proxy, "proxy")
    noProxy = try string(options.no_proxy, "no_proxy")
    headers = try Self.headers(options.headers, options.header_count)
    connectTimeout = try limit(
      options.connect_timeout_ms, default: connectTimeout, "connect_timeout_ms")
    firstEventTimeout = try limit(
      options.first_event_timeout_ms, default: firstEventTimeout, "first_event_timeout_ms")
    eventGapTimeout = try limit(
      options.event_gap_timeout_ms, default: eventGapTimeout, "event_gap_timeout_ms")
    turnTimeout = try limit(options.turn_timeout_ms, default: turnTimeout, "turn_timeout_ms")
    pingInterval = try limit(options.ping_interval_ms, default: pingInterval, "ping_interval_ms")
    writeStallTimeout = try limit(
      options.write_stall_timeout_ms, default: writeStallTimeout, "write_stall_timeout_ms")
    idleTimeout = try limit(options.idle_timeout_ms, default: idleTimeout, "idle_timeout_ms")
    if options.missed_pongs_max != 0 { missedPongsMax = Int(options.missed_pongs_max) }
    clientCertificateFile = try string(options.client_certificate_file, "client_certificate_file")
    clientKeyFile = try string(options.client_key_file, "client_key_file")
    certificatePins = try Self.pins(options.certificate_pins, options.certificate_pin_count)
    dnsTimeout = try limit(options.dns_timeout_ms, default: dnsTimeout, "dns_timeout_ms")
    tcpTimeout = try limit(options.tcp_timeout_ms, default: tcpTimeout, "tcp_timeout_ms")
    tlsTimeout = try limit(options.tls_timeout_ms, default: tlsTimeout, "tls_timeout_ms")
    upgradeTimeout = try limit(
      options.upgrade_timeout_ms, default: upgradeTimeout, "upgrade_timeout_ms")
    transport = try TransportChoice.named(options.transport)
    apiKeySource = APIKeySource.of(options.on_api_key, options.api_key_user_data)
    vocabularyFile = try string(options.vocabulary_file, "vocabulary_file")
    if options.message_bytes_max != 0 { messageBytesMax = Int(clamping: options.message_bytes_max) }
    if options.sent_message_bytes_max != 0 {
      sentMessageBytesMax = Int(clamping: options.sent_message_bytes_max)
    }
    if let policy = try ReplayPolicy.named(options.replay_policy) { replayPolicy = policy }
    if options.max_retries != 0 { maxRetries = options.max_retries == -1 ? 0 : Int(options.max_retries) }
    if options.retry_backoff_ms == -1 {
      retryBackoff = .zero
    } else {
      retryBackoff =
        try limit(options.retry_backoff_ms, default: retryBackoff, "retry_backoff_ms") ?? .zero
    }
    connectionAgeLimit =
      options.connection_age_limit_ms == -1
      ? Self.never
      : try limit(options.connection_age_limit_ms, default: nil, "connection_age_limit_ms")
    primesRotation = options.prime_rotation != 0
    webSocketRetryInterval =
      try limit(
        options.websocket_retry_interval_ms, default: webSocketRetryInterval, "websocket_retry_interval_ms")
      ?? Self.never
    compression = try Self.compression(options.compression)
    if options.is_strict != 0 { isStrict = true }
    if options.compression_threshold != 0 {
      compressionThreshold = Int(clamping: options.compression_threshold)
    }
    if options.log_level != 0 {
      guard let level = LogLevel(rawValue: options.log_level) else {
        throw ResponsesError(.invalidArgument, "log_level is not one of RWS_LOG_….")
      }
      logLevel = level
    }
    if let log = options.log {
      let user = UserData(pointer: options.log_user_data)
      self.log = { level, line in
        var line = line
        line.withUTF8 {
          let text = rws_string(UnsafeRawBufferPointer($0))
          ForkGate.outside { log(level.rawValue, text, user.pointer) }
        }
      }
    }
  }

  /// Longer than any process runs, and no overflow when it is added to a clock.
  private static let never = Duration.seconds(10 * 365 * 86_400)

  private static func compression(_ value: Int32) throws(ResponsesError) -> Compression {
    switch Int(value) {
    case RWS_COMPRESSION_AUTOMATIC: return .automatic
    case RWS_COMPRESSION_OFF: return .off
    default: throw ResponsesError(.invalidArgument, "compression is not one of RWS_COMPRESSION_….")
    }
  }

  private static let pinCountMax = 100

  private static func pins(
    _ list: UnsafePointer<UnsafePointer<CChar>?>?, _ count: Int
  ) throws(ResponsesError) -> [String] {
    guard count != 0 else { return [] }
    guard let list, 1...pinCountMax ~= count else {
      throw ResponsesError(
        .invalidArgument,
        "certificate_pins is NULL, or certificate_pin_count is above \(pinCountMax).")
    }
    var pins: [String] = []
    for index in 0..<count {
      guard let pin = try string(list[index], "A certificate pin") else {
        throw ResponsesError(.invalidArgument, "A certificate pin is NULL.")
      }
      pins.append(pin)
    }
    return pins
  }

  private static let headerCountMax = 100

  static func headers(_ list: UnsafePointer<rws_header>?, _ count: Int)
    throws(ResponsesError) -> [Header]
  {
    guard count != 0 else { return [] }
    guard let list, 1...headerCountMax ~= count else {
      throw ResponsesError(
        .invalidArgument, "headers is NULL, or header_count is above \(headerCountMax).")
    }
    var headers: [Header] = []
    for index in 0..<count {
      guard let name = try string(list[index].name, "A header's name"),
        let value = try string(list[index].value, "A header's value")
      else { throw ResponsesError(.invalidArgument, "A header's name or value is NULL.") }
      headers.append(Header(name, value))
    }
    return headers
  }
}

extension TransportChoice {
  /// nil: none is named.
  static func named(_ value: Int32) throws(ResponsesError) -> TransportChoice? {
    guard value != 0 else { return nil }
    guard let choice = TransportChoice(rawValue: value) else {
      throw ResponsesError(.invalidArgument, "transport is not one of RWS_TRANSPORT_….")
    }
    return choice
  }
}

extension ReplayPolicy {
  /// nil: none is named.
  static func named(_ value: Int32) throws(ResponsesError) -> ReplayPolicy? {
    guard Int(value) != RWS_REPLAY_DEFAULT else { return nil }
    guard let policy = ReplayPolicy(rawValue: value) else {
      throw ResponsesError(.invalidArgument, "replay_policy is not one of RWS_REPLAY_….")
    }
    return policy
  }
}

/// The caller's own pointer: handed back, never followed.
struct UserData: @unchecked Sendable {
  let pointer: UnsafeMutableRawPointer?
}
