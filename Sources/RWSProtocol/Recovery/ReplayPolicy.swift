/// Whether a turn that may have run is sent again when its connection is lost. Turns that cannot have run are sent
/// again anyway, and those whose output was seen never are.
public enum ReplayPolicy: Int32, Sendable {
  /// Only where running twice does no harm but cost: nothing is stored, there are no hosted tools and no server-side
  /// conversation, and nothing but metadata (`response.created` and the like) was seen.
  case safe = 1
  case never = 2
  /// Whatever the settings; also if an item had begun, of which nothing was seen.
  case always = 3
}

extension ReplayPolicy {
  func allows(_ execution: Execution, _ settings: Settings) -> Bool {
    switch self {
    case .never: return false
    case .safe: return execution == .unknown && settings.isSafeToRepeat
    case .always: return execution == .unknown || execution == .started
    }
  }
}

extension Settings {
  /// Whether a second run leaves nothing behind: what the server stores, does or appends by itself it would do twice.
  var isSafeToRepeat: Bool {
    guard !isStored, !hasConversation else { return false }
    return (self["tools"]?.elements ?? []).allSatisfy { tool in
      // Those that the caller runs.
      ["function", "custom", "namespace"].contains(tool["type"]?.string ?? "")
    }
  }
}
