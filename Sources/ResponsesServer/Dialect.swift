/// How a server differs from the public service: what gateways, other providers and young implementations of
/// the mode do. Each quirk stands alone (`--quirk`); a dialect is a set of them (`--dialect`).
package struct Dialect: Equatable, Sendable {
  package enum Quirk: String, CaseIterable, Sendable {
    /// `stream_id` is ignored and not echoed; one response is in flight, the others wait.
    case noLanes = "no-lanes"
    /// Lanes run concurrently, but no event says whose it is: nobody can tell them apart.
    case noEcho = "no-echo"
    /// An unknown `previous_response_id` is taken silently, and the context is gone.
    case ignoresUnknownIDs = "ignore-unknown-ids"
    /// `response` objects with the least that events must have.
    case sparse = "sparse"
    /// `{"type":"error","code":…,"message":…,"param":…}`: the shape of SSE.
    case flatErrors = "flat-errors"
    /// `{"error":{…}}`, with no `type`.
    case untypedErrors = "untyped-errors"
    /// No `status` in error frames.
    case statuslessErrors = "statusless-errors"
    /// `status_code` instead of `status`.
    case statusCodeErrors = "status-code-errors"
    /// Ids of responses with 220 characters, some of them `=`.
    case longIDs = "long-ids"
    case noSequenceNumbers = "no-sequence-numbers"
    /// The terminal event is `response.done`, whatever the outcome; `response.status` tells.
    case responseDone = "response-done"
    /// `codex.rate_limits` comes before each response's events; `response.interrupt` is understood.
    case codexEvents = "codex-events"
    /// `instructions` together with `previous_response_id` is a 400.
    case refusesInstructionsInChain = "no-chained-instructions"
    /// A continuation without `instructions` has those of what it continues.
    case sticksToInstructions = "sticky-instructions"
    /// Only stored responses can be continued.
    case chainsStoredOnly = "no-unstored-chains"
    /// `previous_response_id` over HTTP is a 400, with a body of another shape.
    case refusesChainsOverHTTP = "no-http-chains"
    /// An upgrade without `?model=` is a 403.
    case wantsModelInURL = "model-in-url"
    /// `store: true` is a 400.
    case refusesStore = "no-store"
    /// `generate: false` is a 400.
    case refusesWarmUp = "no-warm-up"
    /// At the age limit the connection is closed (1000) without an error frame.
    case silentAgeLimit = "silent-age-limit"
    /// All responses of a connection that are stored have the id of the first.
    case oneStoredID = "one-stored-id"
    /// The last event names another model than the first: the version that an alias stands for.
    case changesModel = "changing-model"
    /// A warm-up is `response.created` and `response.completed`, nothing between.
    case bareWarmUp = "bare-warm-up"
    /// A wrong key is refused with 403 instead of 401.
    case forbidsKeys = "forbidden-key"
    /// A first frame that is no request closes the connection (1008).
    case closesOnBadFrame = "close-on-bad-frame"
    /// `vendor:status` comes before each response's events.
    case vendorEvents = "vendor-events"
  }

  package var quirks: Set<Quirk>
  /// A larger message closes the connection with 1009; nil: as large as the server takes.
  package var messageBytesMax: Int?
  package var maxAgeSeconds: Int

  package init(_ quirks: Set<Quirk> = [], messageBytesMax: Int? = nil, maxAgeSeconds: Int = 3600) {
    self.quirks = quirks
    self.messageBytesMax = messageBytesMax
    self.maxAgeSeconds = maxAgeSeconds
  }

  func has(_ quirk: Quirk) -> Bool { quirks.contains(quirk) }

  package static let openAI = Dialect()

  /// In the order of the documentation.
  package static let named: KeyValuePairs<String, Dialect> = [
    "openai": .openAI,
    "azure": Dialect([.noLanes]),
    "xai": Dialect(
      [
        .noLanes, .untypedErrors, .refusesInstructionsInChain, .sticksToInstructions,
        .silentAgeLimit, .oneStoredID,
      ],
      maxAgeSeconds: 1500),
    "codex": Dialect(
      [.codexEvents, .refusesStore, .refusesChainsOverHTTP, .statuslessErrors],
      messageBytesMax: 16 << 20),
    "open-responses": Dialect([.noLanes, .refusesWarmUp]),
    "gateway-no-lanes": Dialect([.noLanes, .flatErrors]),
    "gateway-no-echo": Dialect([.noEcho]),
    "gateway-forgetful": Dialect([.noLanes, .ignoresUnknownIDs]),
    "gateway-sparse": Dialect(
      [.noLanes, .sparse, .longIDs, .noSequenceNumbers, .statusCodeErrors, .responseDone]),
  ]

  package init?(name: String) {
    guard let found = Self.named.first(where: { $0.key == name }) else { return nil }
    self = found.value
  }
}
