import CResponsesWS
import RWSClient

@c(rws_turn_steer) @implementation
public func rws_turn_steer(
  _ turn: OpaquePointer?, _ input: UnsafePointer<CChar>?, _ input_len: Int,
  _ index_out: UnsafeMutablePointer<Int>?
) -> rws_status {
  call { () throws(ResponsesError) in
    let handle = try Handles.turn(turn)
    let steering = try handle.turn.steer(TurnInput(json: bytes(input, input_len, "input")))
    let index = handle.admit(steering)
    index_out?.pointee = index
  }
}

@c(rws_turn_steering) @implementation
public func rws_turn_steering(
  _ turn: OpaquePointer?, _ index: Int, _ timeout_ms: Int64,
  _ steer_out: UnsafeMutablePointer<rws_steer>?
) -> rws_status {
  call { () throws(ResponsesError) in
    let handle = try Handles.turn(turn)
    let steer_out = try writable(steer_out)
    guard let steering = handle.steering(at: index) else {
      throw ResponsesError(.invalidArgument, "The turn has no steer of this index.")
    }
    try steering.wait(timeout: wait(timeout_ms))
    let state = steering.state
    try write(handle.lendSteer { rws_steer(state, $0) }, to: steer_out)
  }
}

@c(rws_turn_successor) @implementation
public func rws_turn_successor(
  _ turn: OpaquePointer?, _ timeout_ms: Int64,
  _ successor_out: UnsafeMutablePointer<OpaquePointer?>?
) -> rws_status {
  var outcome = Status.ok
  let failure = call { () throws(ResponsesError) in
    let successor_out = try required(successor_out, "successor_out")
    let handle = try Handles.turn(turn)
    guard let successor = try handle.turn.successor(timeout: wait(timeout_ms)) else {
      outcome = handle.turn.isSuccessorOpen ? .timeout : .done
      return
    }
    successor_out.pointee = try Handles.insert(TurnHandle(successor), into: Handles.turns)
  }
  return failure == Status.ok.rawValue ? outcome.rawValue : failure
}

extension rws_steer {
  fileprivate init(_ state: Steering.State, _ borrowed: Borrowed) {
    self.init()
    var failure: ResponsesError?
    switch state {
    case .sent: self.state = 0
    case .accepted: self.state = 1
    case .pending: self.state = 2
    case .committed: self.state = 3
    case .returned(let error):
      self.state = 4
      failure = error
    case .unknown(let error):
      self.state = 5
      failure = error
    }
    status = (failure?.status ?? .ok).rawValue
    message = borrowed.string(failure?.message ?? "")
    code = borrowed.string(failure?.code ?? "")
  }
}
