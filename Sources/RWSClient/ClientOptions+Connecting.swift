import RWSNetwork

/// What the options say to the network layer.
extension ClientOptions {
  var connectTimeouts: ConnectTimeouts {
    var timeouts = ConnectTimeouts()
    timeouts.overall = connectTimeout?.nanoseconds ?? .max
    timeouts.dns = dnsTimeout?.nanoseconds ?? .max
    timeouts.tcp = tcpTimeout?.nanoseconds ?? .max
    timeouts.tls = tlsTimeout?.nanoseconds ?? .max
    timeouts.upgrade = upgradeTimeout?.nanoseconds ?? .max
    return timeouts
  }

  var recovery: RecoveryOptions {
    var recovery = RecoveryOptions()
    recovery.replay = replayPolicy
    recovery.resendsMax = maxRetries
    recovery.backoffBase = retryBackoff.nanoseconds
    return recovery
  }

  var namesTLSFiles: Bool { caFile != nil || clientCertificateFile != nil || clientKeyFile != nil }

  func tlsContext() throws(ResponsesError) -> TLSContext {
    let options = try tls()
    do throws(NetworkFailure) {
      return try TLSContext.client(options)
    } catch {
      throw ResponsesError(error)
    }
  }

  /// Throws for a pin that is none.
  func tls() throws(ResponsesError) -> TLSClientOptions {
    var tls = TLSClientOptions()
    tls.caFile = caFile
    tls.certificateFile = clientCertificateFile
    tls.keyFile = clientKeyFile
    for text in certificatePins {
      guard let pin = CertificatePin(text) else {
        throw ResponsesError(
          .invalidArgument,
          "A certificate pin is not of the form sha256/BASE64 (32 bytes): “\(text)”.")
      }
      tls.pins.append(pin)
    }
    return tls
  }
}
