import CResponsesWS
import RWSClient

@c(rws_status_name) @implementation
public func rws_status_name(_ status: rws_status) -> UnsafePointer<CChar>? {
  cString(Status(rawValue: status)?.name ?? "RWS_UNKNOWN")
}

@c(rws_status_message) @implementation
public func rws_status_message(_ status: rws_status) -> UnsafePointer<CChar>? {
  cString(Status(rawValue: status)?.message ?? "unknown status")
}

@c(rws_version) @implementation
public func rws_version() -> UnsafePointer<CChar>? { cString(versionText) }

@c(rws_version_number) @implementation
public func rws_version_number() -> UInt32 {
  UInt32(Version.major << 16 | Version.minor << 8 | Version.patch)
}

private let versionText: StaticString = Version.text
