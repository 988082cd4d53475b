import CResponsesWS
import ResponsesWS

@c(rws_version_number) @implementation
public func rws_version_number() -> UInt32 { UInt32(RWS_VERSION_MAJOR << 16 | RWS_VERSION_MINOR << 8 | RWS_VERSION_PATCH) }
