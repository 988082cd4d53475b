import RWSClient

/// Requests and settings beyond this many bytes are refused before they are copied.
private let inputBytesMax = 1 << 30

func required<Pointee>(_ pointer: UnsafeMutablePointer<Pointee>?, _ what: String)
  throws(ResponsesError) -> UnsafeMutablePointer<Pointee>
{
  guard let pointer else { throw ResponsesError(.invalidArgument, "\(what) is NULL.") }
  return pointer
}

/// Bytes given as pointer and length.
func bytes(_ pointer: UnsafeRawPointer?, _ length: Int, _ what: String)
  throws(ResponsesError) -> [UInt8]
{
  try checkLength(pointer, length, what)
  return Array(UnsafeRawBufferPointer(start: pointer, count: length))
}

/// `size_t` arrives as `Int`: SIZE_MAX is -1. After it, NULL comes with no length.
func checkLength(_ pointer: UnsafeRawPointer?, _ length: Int, _ what: String)
  throws(ResponsesError)
{
  guard length >= 0 else {
    throw ResponsesError(.invalidArgument, "The length of \(what) is out of range.")
  }
  guard length <= inputBytesMax else {
    throw ResponsesError(.messageTooLarge, "\(what) is longer than 1 GiB.")
  }
  guard pointer != nil || length == 0 else {
    throw ResponsesError(.invalidArgument, "\(what) is NULL but has a length.")
  }
}

/// A C string; nil for NULL.
func string(_ pointer: UnsafePointer<CChar>?, _ what: String) throws(ResponsesError) -> String? {
  guard let pointer else { return nil }
  guard let text = String(validatingCString: pointer) else {
    throw ResponsesError(.invalidArgument, "\(what) is not UTF-8.")
  }
  return text
}

/// Milliseconds as in the header: 0 the default, -1 (RWS_NO_LIMIT) none.
func limit(_ milliseconds: Int64, default fallback: Duration?, _ what: String)
  throws(ResponsesError) -> Duration?
{
  switch milliseconds {
  case 0: return fallback
  case -1: return nil
  case 1...: return .milliseconds(milliseconds)
  default: throw ResponsesError(.invalidArgument, "\(what) is negative.")
  }
}

/// `timeout_ms` of a waiting call: 0 does not wait, -1 (RWS_NO_LIMIT) waits without limit.
func wait(_ milliseconds: Int64) throws(ResponsesError) -> Duration? {
  guard milliseconds >= -1 else {
    throw ResponsesError(.invalidArgument, "timeout_ms is negative.")
  }
  return milliseconds < 0 ? nil : .milliseconds(milliseconds)
}

/// For waits that take no nil.
let unlimited = Duration.seconds(Int64.max / 1_000_000_000)
