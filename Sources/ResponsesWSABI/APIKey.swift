import CResponsesWS
import RWSNetwork
import RWSClient

@c(rws_api_key_answer) @implementation
public func rws_api_key_answer(
  _ request: OpaquePointer?, _ api_key: UnsafePointer<CChar>?, _ problem: UnsafePointer<CChar>?
) -> rws_status {
  call { () throws(ResponsesError) in
    let asked = try Handles.keyRequest(request)
    let key = try string(api_key, "api_key") ?? ""
    let problem = try string(problem, "problem") ?? "The callback for the API key gave none."
    // Of two who answer at the same time one finds it gone.
    guard Handles.keyRequests.remove(request) != nil else {
      throw ResponsesError(.invalidHandle, "The request was answered already.")
    }
    if key.isEmpty { asked.fail(problem) } else { asked.answer(key) }
  }
}

extension APIKeySource {
  /// The same for the same callback and user data.
  static func of(_ ask: rws_api_key_fn?, _ userData: UnsafeMutableRawPointer?) -> APIKeySource? {
    ask.map { ask in
      let userData = UserData(pointer: userData)
      let name = Name(
        function: UInt(bitPattern: unsafeBitCast(ask, to: Int.self)),
        userData: UInt(bitPattern: userData.pointer))
      return APIKeySource(name: name) { $0.put(to: ask, userData) }
    }
  }
}

extension APIKeyRequest {
  fileprivate func put(to ask: rws_api_key_fn, _ userData: UserData) {
    guard let handle = Handles.keyRequests.insert(self) else {
      return fail("Too many handles are in use.")
    }
    let bits = UInt(bitPattern: handle)
    onExpiry { _ = Handles.keyRequests.remove(OpaquePointer(bitPattern: bits)) }
    ForkGate.outside { ask(handle, isRefused ? 1 : 0, userData.pointer) }
  }
}
