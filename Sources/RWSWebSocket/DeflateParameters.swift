/// What both sides of a connection agreed on for permessage-deflate (RFC 7692 §7.1).
package struct DeflateParameters: Equatable, Sendable {
  /// The server forgets its window after each message; the client likewise.
  package var serverNoContextTakeover = false
  package var clientNoContextTakeover = false
  /// The largest LZ77 window of the server's messages, as a power of two; the client's likewise.
  package var serverMaxWindowBits = DeflateParameters.windowBitsMax
  package var clientMaxWindowBits = DeflateParameters.windowBitsMax

  package static let windowBitsMax = 15
  static let windowBits = 8...windowBitsMax
  /// zlib's deflate makes no raw stream with a window of 256 bytes. Who agreed to send with one sends
  /// uncompressed messages, which §6 always allows.
  static let producibleWindowBitsMin = 9

  static let extensionName = "permessage-deflate"

  package init() {}

  /// What this library's server agrees to if it can. Windows that reach back to the request before, and to the
  /// event that shows the response's beginning: both carry the instructions and tools again.
  package static let serverPreference = {
    var preferred = DeflateParameters()
    preferred.serverMaxWindowBits = 14
    return preferred
  }()

  /// Those of the messages that `role` sends.
  func context(sentBy role: Role) -> (windowBits: Int, isTakenOver: Bool) {
    switch role {
    case .client: (clientMaxWindowBits, !clientNoContextTakeover)
    case .server: (serverMaxWindowBits, !serverNoContextTakeover)
    }
  }
}

extension DeflateParameters: CustomStringConvertible {
  /// As in a header, with every parameter that differs from its default.
  package var description: String {
    var text = Self.extensionName
    if serverNoContextTakeover { text += "; server_no_context_takeover" }
    if clientNoContextTakeover { text += "; client_no_context_takeover" }
    if serverMaxWindowBits < Self.windowBitsMax {
      text += "; server_max_window_bits=\(serverMaxWindowBits)"
    }
    if clientMaxWindowBits < Self.windowBitsMax {
      text += "; client_max_window_bits=\(clientMaxWindowBits)"
    }
    return text
  }
}

/// What a client proposes (RFC 7692 §7.1). The default is what this library's client offers.
package struct DeflateOffer: Equatable, Sendable {
  package enum ClientWindow: Equatable, Sendable {
    /// The server must not limit the client's window.
    case fixed
    /// The server may limit it to anything.
    case limitable
    /// The same, and the client will use no larger one in any case.
    case atMost(Int)
  }

  package var serverNoContextTakeover = false
  package var clientNoContextTakeover = false
  /// nil: the server may use any window.
  package var serverMaxWindowBits: Int?
  package var clientWindow = ClientWindow.limitable

  package init() {}

  /// The parameters of a client's offer; nil if one is unknown, double or has a wrong value: such an offer
  /// must be declined (§7.1).
  init?(_ extension: WebSocketExtension) {
    guard let fields = DeflateFields(`extension`) else { return nil }
    serverNoContextTakeover = fields.serverNoContextTakeover
    clientNoContextTakeover = fields.clientNoContextTakeover
    switch fields.serverMaxWindowBits {
    case .absent: break
    case .bare: return nil
    case .bits(let bits): serverMaxWindowBits = bits
    }
    switch fields.clientMaxWindowBits {
    case .absent: clientWindow = .fixed
    case .bare: clientWindow = .limitable
    case .bits(let bits): clientWindow = .atMost(bits)
    }
  }

  /// What a server's answer to this offer makes of it; nil if the answer may not be given to it (§7.1).
  func accepting(_ answer: WebSocketExtension) -> DeflateParameters? {
    guard let fields = DeflateFields(answer) else { return nil }
    var agreed = DeflateParameters()
    // §7.1.1: what was asked of the server must be confirmed; it may promise and demand more.
    guard fields.serverNoContextTakeover || !serverNoContextTakeover else { return nil }
    agreed.serverNoContextTakeover = fields.serverNoContextTakeover
    agreed.clientNoContextTakeover = fields.clientNoContextTakeover || clientNoContextTakeover
    switch fields.serverMaxWindowBits {
    case .absent: guard serverMaxWindowBits == nil else { return nil }
    case .bare: return nil
    case .bits(let bits):
      guard bits <= serverMaxWindowBits ?? bits else { return nil }
      agreed.serverMaxWindowBits = bits
    }
    if case .atMost(let bits) = clientWindow { agreed.clientMaxWindowBits = bits }
    switch (fields.clientMaxWindowBits, clientWindow) {
    case (.absent, _): break
    case (.bare, _), (.bits, .fixed): return nil
    case (.bits(let bits), .limitable), (.bits(let bits), .atMost):
      agreed.clientMaxWindowBits = min(bits, agreed.clientMaxWindowBits)
    }
    return agreed
  }

  /// A server's agreement to this offer, as near to `preferred` as it allows; nil: it cannot be had.
  func accepted(preferring preferred: DeflateParameters) -> DeflateAcceptance? {
    var agreed = DeflateParameters()
    agreed.serverNoContextTakeover = serverNoContextTakeover || preferred.serverNoContextTakeover
    agreed.clientNoContextTakeover = clientNoContextTakeover || preferred.clientNoContextTakeover
    agreed.serverMaxWindowBits =
      min(preferred.serverMaxWindowBits, serverMaxWindowBits ?? preferred.serverMaxWindowBits)
    guard agreed.serverMaxWindowBits >= DeflateParameters.producibleWindowBitsMin else {
      return nil
    }
    switch clientWindow {
    case .fixed: break
    case .limitable: agreed.clientMaxWindowBits = preferred.clientMaxWindowBits
    case .atMost(let bits): agreed.clientMaxWindowBits = min(bits, preferred.clientMaxWindowBits)
    }
    var value = agreed.description
    // §7.1.2.1: this one must be confirmed even where it says what is the default.
    if serverMaxWindowBits != nil, agreed.serverMaxWindowBits == DeflateParameters.windowBitsMax {
      value += "; server_max_window_bits=\(agreed.serverMaxWindowBits)"
    }
    return DeflateAcceptance(parameters: agreed, fieldValue: value)
  }
}

extension DeflateOffer: CustomStringConvertible {
  /// As in the request's header.
  package var description: String {
    var text = DeflateParameters.extensionName
    if serverNoContextTakeover { text += "; server_no_context_takeover" }
    if clientNoContextTakeover { text += "; client_no_context_takeover" }
    if let serverMaxWindowBits { text += "; server_max_window_bits=\(serverMaxWindowBits)" }
    switch clientWindow {
    case .fixed: break
    case .limitable: text += "; client_max_window_bits"
    case .atMost(let bits): text += "; client_max_window_bits=\(bits)"
    }
    return text
  }
}

/// A server's answer to one offer.
package struct DeflateAcceptance: Equatable, Sendable {
  package let parameters: DeflateParameters
  package let fieldValue: String
}

/// The parameters as they are written, the same for offers and answers: each at most once, none unknown, the
/// values in range (§7.1).
private struct DeflateFields {
  enum WindowBits {
    case absent
    /// Without a value.
    case bare
    case bits(Int)
  }

  private(set) var serverNoContextTakeover = false
  private(set) var clientNoContextTakeover = false
  private(set) var serverMaxWindowBits = WindowBits.absent
  private(set) var clientMaxWindowBits = WindowBits.absent

  init?(_ extension: WebSocketExtension) {
    for parameter in `extension`.parameters {
      switch parameter.name {
      case "server_no_context_takeover":
        guard Self.set(&serverNoContextTakeover, parameter) else { return nil }
      case "client_no_context_takeover":
        guard Self.set(&clientNoContextTakeover, parameter) else { return nil }
      case "server_max_window_bits":
        guard Self.set(&serverMaxWindowBits, parameter) else { return nil }
      case "client_max_window_bits":
        guard Self.set(&clientMaxWindowBits, parameter) else { return nil }
      default: return nil
      }
    }
  }

  private static func set(_ flag: inout Bool, _ parameter: WebSocketExtension.Parameter) -> Bool {
    guard !flag, parameter.value == nil else { return false }
    flag = true
    return true
  }

  private static func set(
    _ bits: inout WindowBits, _ parameter: WebSocketExtension.Parameter
  ) -> Bool {
    guard case .absent = bits else { return false }
    guard let value = parameter.value else {
      bits = .bare
      return true
    }
    // §7.1.2.1: a decimal number without leading zeros.
    guard !value.hasPrefix("0"), let number = HTTPSyntax.number(value.utf8),
      DeflateParameters.windowBits.contains(number)
    else { return false }
    bits = .bits(number)
    return true
  }
}
