/// What `responsesws-server` is started with.
package struct ServerOptions: Sendable {
  package enum TLS: Sendable, Equatable {
    case off
    /// A fresh certificate for this host; written to the file, if one is named, for clients to trust.
    case selfMade(writeCertificateTo: String?)
    case files(certificate: String, key: String)
  }

  package enum Log: Sendable, Equatable {
    case none
    case standardError
    case file(String)
  }

  package var host = "127.0.0.1"
  /// 0: any free one.
  package var port: UInt16 = 0
  package var tls = TLS.off
  /// nil: any credential, or none, will do.
  package var apiKey: String?
  /// Whether permessage-deflate is agreed to when a client offers it.
  package var acceptsDeflate = true
  package var log = Log.none
  /// The log says what responses took, instead of what was in them.
  package var logsCosts = false
  /// A file of tokens (`.tiktoken`, o200k_base) to count usage with; nil: by rule.
  package var vocabulary: String?
  /// A file that says how long requests take (docs/local-server.md).
  package var costs: String?
  /// What lies between clients and the server; nil: nothing.
  package var link: LinkConditions?
  /// Ends the server when its standard input ends, and so with whoever started it.
  package var exitsWithStandardInput = false
  /// Whether faults may be set over HTTP (`/v1/_faults`).
  package var hasControl = false
  /// A file of faults to show (docs/local-server.md).
  package var faultScript: String?
  /// Connections are closed so when the server stops.
  package var stopCode: UInt16 = 1001
  /// How long a stopping server lets responses run on.
  package var drainNanoseconds: Int64 = 0
  package var behaviour = ServerConfiguration()

  package init() {}
}
