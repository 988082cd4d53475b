import RWSJSON

/// An output item as input of a full replay: the received bytes, without what the service refuses
/// in input (protocol.md, Full replay 4).
enum ReplayItem {
  static func bytes(of item: JSONValue) -> ArraySlice<UInt8> {
    let type = item["type"]?.string ?? ""
    let members = item.members
    guard members.contains(where: { !isKept($0.key, $0.value, in: type) }) else {
      return item.bytes
    }
    var result: [UInt8] = [UInt8(ascii: "{")]
    for member in members where isKept(member.key, member.value, in: type) {
      if result.count > 1 { result.append(UInt8(ascii: ",")) }
      var writer = JSONWriter()
      writer.raw(member.name.bytes)
      result.append(contentsOf: writer.bytes)
      result.append(UInt8(ascii: ":"))
      result.append(contentsOf: member.value.bytes)
    }
    result.append(UInt8(ascii: "}"))
    return result[...]
  }

  private static func isKept(_ key: String, _ value: JSONValue, in type: String) -> Bool {
    switch key {
    case "created_by", "parsed", "parsed_arguments": false
    default: !value.isNull || isNullRequired(key, in: type)
    }
  }

  /// Input types in which a null must stay.
  private static func isNullRequired(_ key: String, in type: String) -> Bool {
    switch (type, key) {
    case ("image_generation_call", "result"), ("code_interpreter_call", "code"),
      ("code_interpreter_call", "outputs"):
      true
    default: false
    }
  }
}
