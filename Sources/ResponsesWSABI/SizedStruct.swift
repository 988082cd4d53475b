import CResponsesWS
import RWSClient

/// A C struct that begins with `struct_size`: the caller may have been compiled against an older or a
/// newer header. The smaller of the two sizes is read or written.
protocol SizedStruct {
  var struct_size: Int { get set }
}

extension rws_client_options: SizedStruct {}
extension rws_identity: SizedStruct {}
extension rws_compaction: SizedStruct {}
extension rws_turn_options: SizedStruct {}
extension rws_event: SizedStruct {}
extension rws_event_batch: SizedStruct {}
extension rws_error: SizedStruct {}
extension rws_result: SizedStruct {}
extension rws_call: SizedStruct {}
extension rws_stats: SizedStruct {}
extension rws_steer: SizedStruct {}
extension rws_ledger: SizedStruct {}
extension rws_estimate: SizedStruct {}
extension rws_counters: SizedStruct {}
extension rws_socket_options: SizedStruct {}
extension rws_message: SizedStruct {}
extension rws_connection_info: SizedStruct {}

private let structSizeMax = 1 << 16

/// The caller's options over zeroes, NULL for all defaults. A newer caller's unknown fields are refused
/// unless zero: they must not be ignored silently.
func read<Struct: SizedStruct>(_ pointer: UnsafePointer<Struct>?, into zeroes: Struct)
  throws(ResponsesError) -> Struct
{
  guard let pointer else { return zeroes }
  let size = try checkedSize(pointer.pointee.struct_size)
  let bytes = UnsafeRawBufferPointer(start: pointer, count: size)
  let known = MemoryLayout<Struct>.size
  if size > known, bytes[known...].contains(where: { $0 != 0 }) {
    throw ResponsesError(
      .invalidArgument,
      "The options hold fields that this version of the library (\(Version.string)) does not know.")
  }
  var result = zeroes
  withUnsafeMutableBytes(of: &result) { $0.copyMemory(from: .init(rebasing: bytes.prefix(known))) }
  result.struct_size = size
  return result
}

/// Writes as much of `value` as the caller's struct holds; a newer caller's further fields become zero.
func write<Struct: SizedStruct>(_ value: Struct, to pointer: UnsafeMutablePointer<Struct>?)
  throws(ResponsesError)
{
  let pointer = try writable(pointer)
  let size = pointer.pointee.struct_size
  var value = value
  value.struct_size = size
  let known = min(size, MemoryLayout<Struct>.size)
  let target = UnsafeMutableRawPointer(pointer)
  withUnsafeBytes(of: &value) { bytes in
    guard let base = bytes.baseAddress else { return }
    target.copyMemory(from: base, byteCount: known)
  }
  if size > known { (target + known).initializeMemory(as: UInt8.self, repeating: 0, count: size - known) }
}

/// Where what is written would be gone if the struct could not take it, check first.
func writable<Struct: SizedStruct>(_ pointer: UnsafeMutablePointer<Struct>?)
  throws(ResponsesError) -> UnsafeMutablePointer<Struct>
{
  let pointer = try required(pointer, "the output struct")
  _ = try checkedSize(pointer.pointee.struct_size)
  return pointer
}

func checkedSize(_ size: Int) throws(ResponsesError) -> Int {
  guard MemoryLayout<Int>.size...structSizeMax ~= size else {
    throw ResponsesError(
      .invalidArgument, "struct_size is not set; initialise the struct with its RWS_…_INIT.")
  }
  return size
}
