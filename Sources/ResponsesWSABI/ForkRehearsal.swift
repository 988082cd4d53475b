import CResponsesWS
import RWSNetwork

/// Every entry point, as a forked child calls it: with a handle of its parent's, and with none.
///
/// Once, before the first fork (`ForkGuard.install`).
private func rehearseForkedChild() {
  keepingLastError {
    rehearseClient(Handles.clients.parentsHandle)
    rehearseClient(nil)
    rehearseSession(Handles.sessions.parentsHandle)
    rehearseSession(nil)
    rehearseTurn(Handles.turns.parentsHandle)
    rehearseTurn(nil)
    rehearseSocket(Handles.sockets.parentsHandle)
    rehearseSocket(nil)
    _ = rws_api_key_answer(Handles.keyRequests.parentsHandle, nil, nil)
    _ = rws_api_key_answer(nil, nil, nil)
    rehearseError()
  }
}

private func rehearseClient(_ client: OpaquePointer?) {
  var session: OpaquePointer?
  var socket: OpaquePointer?
  var counters = sized(rws_counters())
  _ = rws_client_counters(client, &counters)
  _ = rws_session_new(client, nil, 0, &session)
  _ = rws_session_new_as(client, nil, 0, nil, &session)
  _ = rws_session_restore(client, nil, 0, nil, 0, nil, &session)
  _ = rws_socket_new(client, nil, &socket)
  _ = rws_client_close(client, 0)
  rws_client_free(client)
}

private func rehearseSession(_ session: OpaquePointer?) {
  var fork: OpaquePointer?
  var turn: OpaquePointer?
  var string = rws_string()
  var ledger = sized(rws_ledger())
  var estimate = sized(rws_estimate())
  var compaction = sized(rws_compaction())
  var tokens: Int64 = 0
  var descriptor: CInt = 0
  _ = rws_session_fork(session, &fork)
  _ = rws_session_connect(session, 0)
  _ = rws_session_response_id(session, &string)
  _ = rws_session_full_body(session, nil, 0, &string)
  _ = rws_session_save(session, &string)
  _ = rws_session_save_file(session, nil)
  _ = rws_session_ledger(session, &ledger)
  _ = rws_session_estimate(session, nil, 0, &estimate)
  _ = rws_session_compact(session, 0, 0, &compaction)
  _ = rws_session_count_tokens(session, nil, 0, 0, &tokens)
  _ = rws_session_descriptor(session, &descriptor)
  _ = rws_turn_start(session, nil, 0, nil, &turn)
  rws_session_free(session)
}

private func rehearseTurn(_ turn: OpaquePointer?) {
  var successor: OpaquePointer?
  var event = sized(rws_event())
  var batch = sized(rws_event_batch())
  var result = sized(rws_result())
  var call = sized(rws_call())
  var stats = sized(rws_stats())
  var steer = sized(rws_steer())
  var error = sized(rws_error())
  var string = rws_string()
  var index = 0
  _ = rws_turn_next(turn, 0, &event)
  _ = rws_turn_next_batch(turn, 0, &batch)
  _ = rws_turn_wait(turn, 0)
  _ = rws_turn_cancel(turn)
  _ = rws_turn_result(turn, &result)
  _ = rws_turn_call(turn, 0, &call)
  _ = rws_turn_item(turn, 0, &string)
  _ = rws_turn_stats(turn, &stats)
  _ = rws_turn_steer(turn, nil, 0, &index)
  _ = rws_turn_steering(turn, 0, 0, &steer)
  _ = rws_turn_successor(turn, 0, &successor)
  _ = rws_turn_error(turn, &error)
  rws_turn_free(turn)
}

private func rehearseSocket(_ socket: OpaquePointer?) {
  var message = sized(rws_message())
  var info = sized(rws_connection_info())
  var error = sized(rws_error())
  var name = rws_string()
  var value = rws_string()
  var descriptor: CInt = 0
  _ = rws_socket_connect(socket, 0)
  _ = rws_socket_send_text(socket, nil, 0)
  _ = rws_socket_send_binary(socket, nil, 0)
  _ = rws_socket_ping(socket, nil, 0)
  _ = rws_socket_flush(socket, 0)
  _ = rws_socket_receive(socket, 0, &message)
  _ = rws_socket_descriptor(socket, &descriptor)
  _ = rws_socket_info(socket, &info)
  _ = rws_socket_header(socket, 0, &name, &value)
  _ = rws_socket_error(socket, &error)
  _ = rws_socket_close(socket, 1000, nil, 0, 0)
  rws_socket_free(socket)
}

/// What a child asks of them.
private func rehearseError() {
  var error = sized(rws_error())
  _ = rws_last_error(&error)
  _ = rws_status_name(error.status)
  _ = rws_status_message(error.status)
  _ = rws_version()
  _ = rws_version_number()
}

private func sized<Struct: SizedStruct>(_ zeroes: Struct) -> Struct {
  var value = zeroes
  value.struct_size = MemoryLayout<Struct>.size
  return value
}

/// Run by the loader.
@section(".init_array") @used
private let whenLoaded: @convention(c) () -> Void = {
  ForkGuard.install(rehearsal: rehearseForkedChild)
}
