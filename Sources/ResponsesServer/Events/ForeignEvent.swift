/// Events that are no response's and no answer: clients must let them pass.
enum ForeignEvent {
  /// What the Codex route sends before a response.
  static let codexRateLimits = Array(
    #"{"type":"codex.rate_limits","plan_type":"local","rate_limits":{"allowed":true}}"#.utf8)

  /// Open Responses lets implementations add events whose type begins with their name.
  static let vendorStatus = Array(#"{"type":"vendor:status","queue":{"position":0}}"#.utf8)
}
