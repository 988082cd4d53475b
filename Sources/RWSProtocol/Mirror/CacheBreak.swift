import RWSJSON

/// Which changed setting makes the server render the context anew: the turn stays a delta, for a full resend would
/// only upload more, but the prompt cache is lost from the change on (protocol.md, Settings).
enum CacheBreak {
  /// As paths of the body, in the order in which they stand in the rendered context.
  private static let renderedSettings = [
    ["model"], ["tools"], ["instructions"], ["text", "format"], ["text", "verbosity"],
    ["reasoning", "effort"], ["service_tier"], ["prompt_cache_key"],
  ]

  /// The path of the first change, as in `tools[2].parameters.required`; nil: none.
  static func path(from former: Settings, to settings: Settings) -> String? {
    for path in renderedSettings {
      let name = path.joined(separator: ".")
      switch (former.value(at: path), settings.value(at: path)) {
      case (nil, nil): continue
      case (nil, _?), (_?, nil): return name
      case (let before?, let after?):
        if let difference = JSONDifference.path(before, after, name) { return difference }
      }
    }
    return nil
  }
}

extension Settings {
  fileprivate func value(at path: [String]) -> JSONValue? {
    var value = path.first.flatMap { self[$0] }
    for name in path.dropFirst() { value = value?[name] }
    return value
  }
}
