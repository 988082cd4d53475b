/// The version of this library; the header's `RWS_VERSION_…` say the same (the ABI tests compare).
public enum Version {
  public static let major = 0
  public static let minor = 1
  public static let patch = 0
  public static var string: String { text.description }
  package static let text: StaticString = "0.1.0"
}
