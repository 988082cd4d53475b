import CResponsesWS
import RWSNetwork
import RWSClient

final class SocketHandle: @unchecked Sendable {
  let socket: WebSocket
  private let lock = Lock()
  private var message: WebSocket.Message?
  private var info = Borrowed()
  private var header = Borrowed()
  private var error = LentError()

  init(_ socket: WebSocket) { self.socket = socket }

  /// Keeps the message's memory for as long as it is lent.
  func lend(_ message: WebSocket.Message) -> rws_message {
    lock.withLock { self.message = message }
    return rws_message(message)
  }

  func lendInfo(_ fill: (Borrowed) -> rws_connection_info) -> rws_connection_info {
    lock.withLock { Borrowed.renew(&info, fill) }
  }

  func lendHeader(_ header: Header) -> (name: rws_string, value: rws_string) {
    lock.withLock {
      Borrowed.renew(&self.header) { ($0.string(header.name), $0.string(header.value)) }
    }
  }

  func lendError(_ error: ResponsesError) -> rws_error {
    lock.withLock { self.error.lend(error) }
  }
}

@c(rws_socket_new) @implementation
public func rws_socket_new(
  _ client: OpaquePointer?, _ options: UnsafePointer<rws_socket_options>?,
  _ socket_out: UnsafeMutablePointer<OpaquePointer?>?
) -> rws_status {
  makingCall { () throws(ResponsesError) in
    let socket_out = try required(socket_out, "socket_out")
    let client = try Handles.client(client).client
    let given = try read(options, into: rws_socket_options())
    var callback: MessageCallback?
    var onMessage: (@Sendable (WebSocket.Message?) -> Void)?
    if let function = given.on_message {
      let made = MessageCallback(function, given.user_data)
      callback = made
      onMessage = { message in made.handle(message) }
    }
    let prepared = try WebSocket.prepare(client, WebSocket.Options(given), onMessage: onMessage)
    let handle = try Handles.insert(SocketHandle(WebSocket(prepared)), into: Handles.sockets)
    callback?.socket = handle
    // Before the launch: a callback may look at what the caller passed as socket_out.
    let before = socket_out.pointee
    socket_out.pointee = handle
    do throws(ResponsesError) {
      try prepared.launch()
    } catch {
      socket_out.pointee = before
      rws_socket_free(handle)
      throw error
    }
  }
}

extension WebSocket.Options {
  fileprivate init(_ options: rws_socket_options) throws(ResponsesError) {
    self.init(url: try string(options.url, "url"))
    headers = try ClientOptions.headers(options.headers, options.header_count)
    subprotocols = (try string(options.subprotocols, "subprotocols") ?? "")
      .split(whereSeparator: { $0 == "," || $0 == " " }).map(String.init)
    guard let credentials = Credentials(rawValue: options.credentials) else {
      throw ResponsesError(.invalidArgument, "credentials is not one of RWS_CREDENTIALS_….")
    }
    self.credentials = credentials
    reportsPongs = options.report_pongs != 0
    reportsOpening = options.report_opening != 0
    if options.receive_queue_bytes_max != 0 {
      receiveQueueBytesMax = Int(clamping: options.receive_queue_bytes_max)
    }
    if options.send_queue_bytes_max != 0 {
      sendQueueBytesMax = Int(clamping: options.send_queue_bytes_max)
    }
  }
}

/// Calls the caller's function for each message. `socket` is set before the connection is launched.
private final class MessageCallback: @unchecked Sendable {
  typealias Function =
    @convention(c) (OpaquePointer?, UnsafePointer<rws_message>?, UnsafeMutableRawPointer?) -> Void

  private let function: Function
  private let user: UserData
  var socket: OpaquePointer?

  init(_ function: @escaping Function, _ userData: UnsafeMutableRawPointer?) {
    self.function = function
    user = UserData(pointer: userData)
  }

  func handle(_ message: WebSocket.Message?) {
    guard let message else {
      return ForkGate.outside { function(socket, nil, user.pointer) }
    }
    var value = rws_message(message)
    value.struct_size = MemoryLayout<rws_message>.size
    withExtendedLifetime(message) { ForkGate.outside { function(socket, &value, user.pointer) } }
  }
}

extension rws_message {
  /// Points into the message: valid while it, or a copy, lives.
  fileprivate init(_ message: WebSocket.Message) {
    self.init()
    kind = message.kind.rawValue
    data = rws_string(message.borrowedBytes)
  }
}

@c(rws_socket_connect) @implementation
public func rws_socket_connect(_ socket: OpaquePointer?, _ timeout_ms: Int64) -> rws_status {
  waitingCall { () throws(ResponsesError) in
    try Handles.socket(socket).socket.connect(timeout: wait(timeout_ms))
  }
}

@c(rws_socket_send_text) @implementation
public func rws_socket_send_text(
  _ socket: OpaquePointer?, _ text: UnsafePointer<CChar>?, _ text_len: Int
) -> rws_status {
  call { () throws(ResponsesError) in
    try Handles.socket(socket).socket.send(text: bytes(text, text_len, "text"))
  }
}

@c(rws_socket_send_binary) @implementation
public func rws_socket_send_binary(
  _ socket: OpaquePointer?, _ data: UnsafeRawPointer?, _ data_len: Int
) -> rws_status {
  call { () throws(ResponsesError) in
    try Handles.socket(socket).socket.send(binary: bytes(data, data_len, "data"))
  }
}

@c(rws_socket_ping) @implementation
public func rws_socket_ping(
  _ socket: OpaquePointer?, _ data: UnsafeRawPointer?, _ data_len: Int
) -> rws_status {
  call { () throws(ResponsesError) in
    try Handles.socket(socket).socket.ping(bytes(data, data_len, "data"))
  }
}

@c(rws_socket_flush) @implementation
public func rws_socket_flush(_ socket: OpaquePointer?, _ timeout_ms: Int64) -> rws_status {
  waitingCall { () throws(ResponsesError) in
    try Handles.socket(socket).socket.flush(timeout: wait(timeout_ms))
  }
}

@c(rws_socket_receive) @implementation
public func rws_socket_receive(
  _ socket: OpaquePointer?, _ timeout_ms: Int64, _ message_out: UnsafeMutablePointer<rws_message>?
) -> rws_status {
  var status = Status.ok
  let failure = call { () throws(ResponsesError) in
    let handle = try Handles.socket(socket)
    let message_out = try writable(message_out)
    switch try handle.socket.receive(within: wait(timeout_ms)) {
    case .message(let message): try write(handle.lend(message), to: message_out)
    case .ended: status = .done
    case .nothingYet: status = .timeout
    }
  }
  return failure == Status.ok.rawValue ? status.rawValue : failure
}

@c(rws_socket_descriptor) @implementation
public func rws_socket_descriptor(
  _ socket: OpaquePointer?, _ descriptor_out: UnsafeMutablePointer<CInt>?
) -> rws_status {
  call { () throws(ResponsesError) in
    let descriptor_out = try required(descriptor_out, "descriptor_out")
    descriptor_out.pointee = try Handles.socket(socket).socket.descriptor
  }
}

@c(rws_socket_close) @implementation
public func rws_socket_close(
  _ socket: OpaquePointer?, _ code: UInt16, _ reason: UnsafePointer<CChar>?, _ reason_len: Int,
  _ timeout_ms: Int64
) -> rws_status {
  waitingCall { () throws(ResponsesError) in
    let handle = try Handles.socket(socket)
    let reason = try bytes(reason, reason_len, "reason")
    guard let text = String(validating: reason, as: UTF8.self) else {
      throw ResponsesError(.invalidArgument, "reason is not UTF-8.")
    }
    return try handle.socket.close(
      code: code, reason: text, timeout: wait(timeout_ms) ?? unlimited)
  }
}

@c(rws_socket_info) @implementation
public func rws_socket_info(
  _ socket: OpaquePointer?, _ info_out: UnsafeMutablePointer<rws_connection_info>?
) -> rws_status {
  call { () throws(ResponsesError) in
    let handle = try Handles.socket(socket)
    try write(handle.lendInfo { rws_connection_info(handle.socket, $0) }, to: info_out)
  }
}

@c(rws_socket_header) @implementation
public func rws_socket_header(
  _ socket: OpaquePointer?, _ index: Int, _ name_out: UnsafeMutablePointer<rws_string>?,
  _ value_out: UnsafeMutablePointer<rws_string>?
) -> rws_status {
  call { () throws(ResponsesError) in
    let name_out = try required(name_out, "name_out")
    let value_out = try required(value_out, "value_out")
    let handle = try Handles.socket(socket)
    guard let headers = handle.socket.handshake?.headers, headers.indices.contains(index) else {
      throw ResponsesError(.invalidArgument, "The answer has no header of this index.")
    }
    (name_out.pointee, value_out.pointee) = handle.lendHeader(headers[index])
  }
}

@c(rws_socket_error) @implementation
public func rws_socket_error(
  _ socket: OpaquePointer?, _ error_out: UnsafeMutablePointer<rws_error>?
) -> rws_status {
  var status = Status.ok
  let failure = call { () throws(ResponsesError) in
    let handle = try Handles.socket(socket)
    let error_out = try writable(error_out)
    guard let error = handle.socket.error else {
      status = .done
      return
    }
    try write(handle.lendError(error), to: error_out)
  }
  return failure == Status.ok.rawValue ? status.rawValue : failure
}

@c(rws_socket_free) @implementation
public func rws_socket_free(_ socket: OpaquePointer?) {
  Handles.sockets.remove(socket)?.socket.abandon()
}

extension rws_connection_info {
  fileprivate init(_ socket: WebSocket, _ borrowed: Borrowed) {
    self.init()
    // The end first: what is read after it does not change any more.
    let close = socket.peerClose
    let handshake = socket.handshake
    state = socket.state.rawValue
    http_status = Int32(clamping: handshake?.status ?? 0)
    close_code = Int32(close?.code ?? 0)
    round_trip_us = socket.roundTripTime.map { $0.nanoseconds / 1000 } ?? -1
    queued_bytes = UInt64(clamping: socket.queuedBytes)
    header_count = handshake?.headers.count ?? 0
    subprotocol = borrowed.string(handshake?.subprotocol ?? "")
    extensions = borrowed.string(handshake?.extensions ?? "")
    peer_address = borrowed.string(handshake?.peerAddress ?? "")
    tls_version = borrowed.string(handshake?.tlsVersion ?? "")
    close_reason = borrowed.string(close?.reason ?? "")
  }
}
