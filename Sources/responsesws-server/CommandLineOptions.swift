import ResponsesServer

struct UsageError: Error {
  let message: String
}

enum CommandLineOptions {
  static let help = """
    usage: responsesws-server [options]

    A local server for the Responses API, over WebSocket and HTTP. It prints one line,
      listening on ws://127.0.0.1:PORT/v1
    when clients can connect, and runs until SIGTERM or SIGINT. SIGHUP closes every connection (1012).

    Models: `explorer` works through a directory with the tools of docs/explorer-tools.md;
    every other name answers by rules (ECHO, TOOL LOOP, RECALL, SLOW <ms>, UPSTREAM ERROR,
    PARALLEL <n>, REASON, COMMENT, CUSTOM, REFUSE, LIMIT).

      --host ADDRESS           where to listen (127.0.0.1)
      --port PORT              0, the default, takes a free port
      --tls                    wss://, with a certificate made for this run
      --cert FILE --key FILE   with --tls: this certificate chain and key (PEM)
      --write-ca FILE          with --tls: writes the certificate that was made, for clients to trust
      --api-key KEY            refuses other keys, and none, with 401
      --no-deflate             refuses permessage-deflate (RFC 7692), which is accepted if offered
      --strict-fields          refuses fields that response.create does not have
      --context-window TOKENS  more input than this is context_length_exceeded (1050000)
      --delay-ms MS            time before the first output event of each response (0)
      --tokens-per-second N    pace of the output events (all at once)
      --vocabulary FILE        counts usage with it (.tiktoken, o200k_base); without, four bytes are a token
      --costs FILE             how long requests take (JSON; docs/local-server.md)
      --round-trip-ms MS       to the clients and back; fractions are welcome (0)
      --bandwidth N            bytes a second in each direction (no limit)
      --handshake-round-trips N  before a new connection carries anything: 1 for TCP and 1 for TLS (2)
      --keepalive-ms MS        a response that is silent for so long sends a `keepalive` (never)
      --fork-delay-ms MS       time before the parent of a fork is looked up (0)
      --max-age SECONDS        how old a WebSocket becomes (3600; 1500 with --dialect xai)
      --requests-per-minute N  more are answered with 429 and rate-limit headers (no limit)
      --stored-responses N     how many responses with `store: true` are kept (4096)
      --zero-data-retention    stores nothing, whatever `store` says
      --steerable PREFIX       models with such names take response.steer (gpt-6)
      --dialect NAME           how to differ from the service: openai, azure, xai, codex, open-responses,
                               gateway-no-lanes, gateway-no-echo, gateway-forgetful, gateway-sparse
      --quirk NAME             one difference more; may be repeated (docs/local-server.md lists them)
      --no-lanes               --quirk no-lanes
      --script FILE            shows the faults of FILE (JSON; docs/local-server.md)
      --control                takes more faults at POST /v1/_faults
      --stop-code CODE         closes connections with it when the server stops (1001)
      --drain-ms MS            lets responses end for so long when the server stops (0)
      --log FILE               appends what was executed and refused to FILE, one JSON object per line
      --cost-log FILE          the same, with what each response took instead of what was in it
      -v                       the same, to standard error
      --exit-with-stdin        ends when standard input ends
      --help                   this text
    """

  /// nil: help was asked for.
  static func parse(_ arguments: [String]) throws(UsageError) -> ServerOptions? {
    var options = ServerOptions()
    var wantsTLS = false
    var certificate: String?
    var key: String?
    var authority: String?
    var quirks: Set<Dialect.Quirk> = []
    var link = LinkConditions()
    var rest = arguments[...]
    while let option = rest.popFirst() {
      switch option {
      case "--help", "-h": return nil
      case "--host": options.host = try value(of: option, &rest)
      case "--port":
        guard let port = UInt16(try value(of: option, &rest)) else {
          throw UsageError(message: "--port takes a number from 0 to 65535.")
        }
        options.port = port
      case "--tls": wantsTLS = true
      case "--cert": certificate = try value(of: option, &rest)
      case "--key": key = try value(of: option, &rest)
      case "--write-ca": authority = try value(of: option, &rest)
      case "--api-key": options.apiKey = try value(of: option, &rest)
      case "--no-deflate": options.acceptsDeflate = false
      case "--strict-fields": options.behaviour.strictFields = true
      case "--context-window":
        options.behaviour.contextWindow = try number(option, &rest, max: 1_000_000_000)
      case "--delay-ms":
        options.behaviour.thinkingNanoseconds =
          Int64(try number(option, &rest, max: 3_600_000)) * 1_000_000
      case "--tokens-per-second":
        options.behaviour.tokensPerSecond = Double(try number(option, &rest, max: 1_000_000_000))
      case "--vocabulary": options.vocabulary = try value(of: option, &rest)
      case "--costs": options.costs = try value(of: option, &rest)
      case "--round-trip-ms":
        link.roundTripNanoseconds = Int64(try fraction(option, &rest, max: 3_600_000) * 1e6)
      case "--bandwidth": link.bytesPerSecond = try fraction(option, &rest, max: 1e12)
      case "--handshake-round-trips":
        link.handshakeRoundTrips = try number(option, &rest, max: 100)
      case "--keepalive-ms":
        options.behaviour.keepAliveNanoseconds =
          Int64(try number(option, &rest, in: 1...3_600_000)) * 1_000_000
      case "--fork-delay-ms":
        options.behaviour.forkDelayNanoseconds =
          Int64(try number(option, &rest, max: 3_600_000)) * 1_000_000
      case "--max-age":
        options.behaviour.maxAgeNanoseconds =
          Int64(try number(option, &rest, max: 1_000_000)) * 1_000_000_000
      case "--requests-per-minute":
        options.behaviour.requestsPerMinute = try number(option, &rest, max: 1_000_000)
      case "--stored-responses":
        options.behaviour.storedResponsesMax = try number(option, &rest, in: 1...1_000_000)
      case "--zero-data-retention": options.behaviour.zeroDataRetention = true
      case "--steerable": options.behaviour.steerablePrefix = try value(of: option, &rest)
      case "--dialect":
        let name = try value(of: option, &rest)
        guard let dialect = Dialect(name: name) else {
          throw UsageError(message: "'\(name)' is not a dialect.")
        }
        options.behaviour.dialect = dialect
      case "--quirk":
        let name = try value(of: option, &rest)
        guard let quirk = Dialect.Quirk(rawValue: name) else {
          let names = Dialect.Quirk.allCases.map(\.rawValue).joined(separator: ", ")
          throw UsageError(message: "'\(name)' is not a quirk; these are: \(names).")
        }
        quirks.insert(quirk)
      case "--no-lanes": quirks.insert(.noLanes)
      case "--script": options.faultScript = try value(of: option, &rest)
      case "--control": options.hasControl = true
      case "--stop-code":
        options.stopCode = UInt16(try number(option, &rest, in: 1000...4999))
      case "--drain-ms":
        options.drainNanoseconds = Int64(try number(option, &rest, max: 3_600_000)) * 1_000_000
      case "--log": options.log = .file(try value(of: option, &rest))
      case "--cost-log":
        options.log = .file(try value(of: option, &rest))
        options.logsCosts = true
      case "-v": options.log = .standardError
      case "--exit-with-stdin": options.exitsWithStandardInput = true
      default: throw UsageError(message: "'\(option)' is not an option.")
      }
    }
    options.behaviour.dialect.quirks.formUnion(quirks)
    options.tls = try tls(wantsTLS, certificate, key, authority)
    if link.roundTripNanoseconds > 0 || link.bytesPerSecond > 0 { options.link = link }
    return options
  }

  private static func tls(
    _ isWanted: Bool, _ certificate: String?, _ key: String?, _ authority: String?
  ) throws(UsageError) -> ServerOptions.TLS {
    guard isWanted else {
      guard certificate == nil, key == nil, authority == nil else {
        throw UsageError(message: "--cert, --key and --write-ca go with --tls.")
      }
      return .off
    }
    switch (certificate, key) {
    case (nil, nil):
      return .selfMade(writeCertificateTo: authority)
    case (let certificate?, let key?):
      guard authority == nil else {
        throw UsageError(message: "--write-ca writes a made certificate: leave out --cert.")
      }
      return .files(certificate: certificate, key: key)
    case (nil, .some), (.some, nil):
      throw UsageError(message: "--cert and --key go together.")
    }
  }

  private static func value(
    of option: String, _ rest: inout ArraySlice<String>
  ) throws(UsageError) -> String {
    guard let value = rest.popFirst() else {
      throw UsageError(message: "\(option) takes a value.")
    }
    return value
  }

  private static func fraction(
    _ option: String, _ rest: inout ArraySlice<String>, max: Double
  ) throws(UsageError) -> Double {
    guard let number = Double(try value(of: option, &rest)), (0...max).contains(number) else {
      throw UsageError(message: "\(option) takes a number from 0 to \(Int64(max)).")
    }
    return number
  }

  private static func number(
    _ option: String, _ rest: inout ArraySlice<String>, max: Int
  ) throws(UsageError) -> Int {
    try number(option, &rest, in: 0...max)
  }

  private static func number(
    _ option: String, _ rest: inout ArraySlice<String>, in range: ClosedRange<Int>
  ) throws(UsageError) -> Int {
    guard let number = Int(try value(of: option, &rest)), range.contains(number) else {
      throw UsageError(
        message: "\(option) takes a number from \(range.lowerBound) to \(range.upperBound).")
    }
    return number
  }
}
