import RWSJSON

/// A value that a JSON schema allows, for calls and structured outputs: strings are a given text, numbers a
/// given number, as far as the schema lets them. It knows what strict mode knows; of anything else (`pattern`,
/// `not`, conditions) nothing.
struct SchemaInstance {
  private let root: JSONValue
  private let text: String
  private let number: Int64

  /// Deeper than this, only what is required is written, and lists stay empty.
  private static let fullDepth = 4
  /// A schema that requires itself has no finite value; the service refuses it.
  private static let depthMax = 32
  private static let elementsMax: Int64 = 100

  /// `text`: of strings; `number`: of numbers.
  static func write(of schema: JSONValue, text: String, number: Int) -> String {
    var writer = JSONWriter()
    SchemaInstance(root: schema, text: text, number: Int64(number))
      .write(schema, depth: 0, to: &writer)
    return String(decoding: writer.bytes, as: UTF8.self)
  }

  private func write(_ given: JSONValue, depth: Int, to writer: inout JSONWriter) {
    guard depth < Self.depthMax else { return writer.null() }
    let schema = resolved(given)
    if let value = schema["const"] { return writer.value(value) }
    if let value = schema["enum"]?.elements.first { return writer.value(value) }
    if let choice = choice(schema, depth) { return write(choice, depth: depth + 1, to: &writer) }
    switch type(of: schema, depth) {
    case "object": writeObject(schema, depth, to: &writer)
    case "array": writeArray(schema, depth, to: &writer)
    case "integer": writer.int(bounded(schema))
    case "number": writeNumber(schema, to: &writer)
    case "boolean": writer.bool(true)
    case "null": writer.null()
    default: writer.string(string(schema))
    }
  }

  /// Follows `$ref` within the schema.
  private func resolved(_ given: JSONValue) -> JSONValue {
    var schema = given
    for _ in 0..<Self.depthMax {
      guard let reference = schema["$ref"]?.string, reference.hasPrefix("#") else { return schema }
      var target = root
      for step in reference.dropFirst().split(separator: "/") {
        guard let next = target[String(step)] else { return schema }
        target = next
      }
      schema = target
    }
    return schema
  }

  /// The first variant, or deep down one that needs no more depth.
  private func choice(_ schema: JSONValue, _ depth: Int) -> JSONValue? {
    for key in ["anyOf", "oneOf", "allOf"] {
      guard let variants = schema[key]?.elements, let first = variants.first else { continue }
      guard depth >= Self.fullDepth else { return first }
      return variants.first { Self.isFlat(resolved($0)) } ?? first
    }
    return nil
  }

  private static func isFlat(_ schema: JSONValue) -> Bool {
    switch schema["type"]?.string {
    case "object", nil: false
    default: true
    }
  }

  private func type(of schema: JSONValue, _ depth: Int) -> String {
    guard let type = schema["type"] else { return schema["properties"] == nil ? "string" : "object" }
    if let name = type.string { return name }
    // As in ["string", "null"].
    let names = type.elements.compactMap(\.string)
    if depth >= Self.fullDepth, names.contains("null") { return "null" }
    return names.first ?? "string"
  }

  private func writeObject(_ schema: JSONValue, _ depth: Int, to writer: inout JSONWriter) {
    let required = schema["required"].map { Set($0.elements.compactMap(\.string)) }
    writer.beginObject()
    for member in schema["properties"]?.members ?? [] {
      guard required?.contains(member.key) ?? (depth < Self.fullDepth) else { continue }
      writer.key(member.key)
      write(member.value, depth: depth + 1, to: &writer)
    }
    writer.endObject()
  }

  private func writeArray(_ schema: JSONValue, _ depth: Int, to writer: inout JSONWriter) {
    let fewest = max(schema["minItems"]?.int ?? 0, 0)
    let count = depth < Self.fullDepth && schema["maxItems"]?.int != 0 ? max(fewest, 1) : fewest
    writer.beginArray()
    let places = schema["prefixItems"]?.elements ?? []
    for index in 0..<Int(min(count, Self.elementsMax)) {
      if let item = index < places.count ? places[index] : schema["items"], item.kind == .object {
        write(item, depth: depth + 1, to: &writer)
      } else {
        writer.string(text)
      }
    }
    writer.endArray()
  }

  private func bounded(_ schema: JSONValue) -> Int64 {
    var value = number
    if let least = schema["minimum"]?.double { value = max(value, Self.integer(least.rounded(.up))) }
    if let least = schema["exclusiveMinimum"]?.double {
      value = max(value, Self.integer(least.rounded(.down)) &+ 1)
    }
    if let most = schema["maximum"]?.double { value = min(value, Self.integer(most.rounded(.down))) }
    if let most = schema["exclusiveMaximum"]?.double {
      value = min(value, Self.integer(most.rounded(.up)) &- 1)
    }
    if let step = schema["multipleOf"]?.int, step > 0 { value -= value % step }
    return value
  }

  private static func integer(_ value: Double) -> Int64 { Int64(exactly: value) ?? 0 }

  /// Whole, unless the bounds leave no room for that.
  private func writeNumber(_ schema: JSONValue, to writer: inout JSONWriter) {
    let value = Double(bounded(schema))
    let least = (schema["minimum"] ?? schema["exclusiveMinimum"])?.double ?? -.infinity
    let most = (schema["maximum"] ?? schema["exclusiveMaximum"])?.double ?? .infinity
    if value >= least, value <= most { return writer.double(value) }
    writer.double(least.isFinite && most.isFinite ? (least + most) / 2 : number == 0 ? 0 : value)
  }

  private func string(_ schema: JSONValue) -> String {
    switch schema["format"]?.string {
    case "date-time": return "2026-11-21T12:00:00Z"
    case "date": return "2026-11-21"
    case "time": return "12:00:00Z"
    case "duration": return "PT1S"
    case "email": return "user@example.com"
    case "hostname": return "example.com"
    case "ipv4": return "192.0.2.1"
    case "ipv6": return "2001:db8::1"
    case "uri", "url": return "https://example.com/"
    case "uuid": return "00000000-0000-4000-8000-000000000000"
    default: break
    }
    var string = text
    if let least = schema["minLength"]?.int, string.count < least {
      string += String(repeating: "x", count: Int(min(least, 10_000)) - min(string.count, 10_000))
    }
    if let most = schema["maxLength"]?.int { string = String(string.prefix(Int(max(0, most)))) }
    return string
  }
}
