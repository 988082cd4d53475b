import RWSJSON

/// What the library reads of an output item. Ids, names and arguments are bytes: they go back to the
/// server or to the caller unchanged.
package struct ItemFields: Equatable, Sendable {
  package private(set) var type: String?
  package private(set) var id: [UInt8]?
  package private(set) var callID: [UInt8]?
  package private(set) var name: [UInt8]?
  /// JSON text of a function call.
  package private(set) var arguments: [UInt8]?
  /// Free text of a custom tool call.
  package private(set) var input: [UInt8]?
  package private(set) var status: String?
  package private(set) var phase: String?

  package init(_ item: UnsafeRawBufferPointer) {
    readMembers(of: item) { key, cursor throws(JSONError) in
      switch key {
      case "type": type = try cursor.takeText()
      case "id": id = try cursor.takeBytes()
      case "call_id": callID = try cursor.takeBytes()
      case "name": name = try cursor.takeBytes()
      case "arguments": arguments = try cursor.takeBytes()
      case "input": input = try cursor.takeBytes()
      case "status": status = try cursor.takeText()
      case "phase": phase = try cursor.takeText()
      default: _ = try cursor.takeMember()
      }
    }
  }
}
