import CResponsesWS
import RWSClient
import RWSNetwork

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
  /// The same object for the same callback and user data while sessions with it are open: they share connections. Once
  /// they are freed the pointer may stand for somebody else.
  static func of(_ ask: rws_api_key_fn?, _ userData: UnsafeMutableRawPointer?) -> APIKeySource? {
    ask.map { sources.source($0, UserData(pointer: userData)) }
  }

  private static let sources = Sources()

  private final class Sources: @unchecked Sendable {
    private struct Name: Hashable {
      let function: UInt
      let userData: UInt
    }

    private struct Weak {
      weak var source: APIKeySource?
    }

    private let lock = Lock()
    private var known: [Name: Weak] = [:]
    private var countAfterTidying = 0

    func source(_ ask: @escaping rws_api_key_fn, _ userData: UserData) -> APIKeySource {
      let name = Name(
        function: UInt(bitPattern: unsafeBitCast(ask, to: Int.self)), userData: UInt(bitPattern: userData.pointer))
      return lock.withLock {
        if let source = known[name]?.source { return source }
        let source = APIKeySource { $0.put(to: ask, userData) }
        known[name] = Weak(source: source)
        tidy()
        return source
      }
    }

    private func tidy() {
      guard known.count > 2 * countAfterTidying + 16 else { return }
      known = known.filter { $0.value.source != nil }
      countAfterTidying = known.count
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
    ask(handle, isRefused ? 1 : 0, userData.pointer)
  }
}
