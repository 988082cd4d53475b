import COpenSSL

/// Sessions that servers offered to resume (RFC 8446 §4.6.1, RFC 5246 §7.3): a reconnect then needs no
/// certificates and, with TLS 1.3, no signature. One cache per `TLSContext`, so that no session crosses from
/// one set of TLS settings to another; bounded; any thread.
final class TLSSessionCache: @unchecked Sendable {
  private let lock = Lock()
  // Guarded by `lock`. Each session is a reference of OpenSSL's that is ours. The latest is last.
  private var sessions: [(server: String, session: OpaquePointer)] = []

  private static let sessionsMax = 64
  /// A TLS 1.3 server sends two tickets mostly; each is good for one connection.
  private static let perServerMax = 4

  deinit {
    for entry in sessions { SSL_SESSION_free(entry.session) }
  }

  /// Takes over the reference.
  func add(_ session: OpaquePointer, for server: String) {
    let dropped: OpaquePointer? = lock.withLock {
      sessions.append((server, session))
      let ofServer = sessions.indices.filter { sessions[$0].server == server }
      if ofServer.count > Self.perServerMax, let oldest = ofServer.first {
        return sessions.remove(at: oldest).session
      }
      return sessions.count > Self.sessionsMax ? sessions.removeFirst().session : nil
    }
    SSL_SESSION_free(dropped)
  }

  /// The latest usable session, as a reference that is the caller's to free. RFC 8446 appendix C.4: tickets of
  /// TLS 1.3 are used once, lest they connect one connection with the other for onlookers.
  func take(for server: String) -> OpaquePointer? {
    lock.withLock {
      while let index = sessions.lastIndex(where: { $0.server == server }) {
        let session = sessions[index].session
        guard SSL_SESSION_is_resumable(session) == 1 else {
          SSL_SESSION_free(sessions.remove(at: index).session)
          continue
        }
        if SSL_SESSION_get_protocol_version(session) >= TLS1_3_VERSION {
          sessions.remove(at: index)
        } else {
          SSL_SESSION_up_ref(session)
        }
        return session
      }
      return nil
    }
  }

  /// After a failed handshake: the server may have changed, or the session may be what it failed of.
  func removeAll(for server: String) {
    lock.withLock {
      for entry in sessions where entry.server == server { SSL_SESSION_free(entry.session) }
      sessions.removeAll { $0.server == server }
    }
  }

  var count: Int { lock.withLock { sessions.count } }
}
