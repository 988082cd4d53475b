import RWSJSON
import RWSProtocol

/// A text that is accepted has values that are accepted by themselves, as the same kind.
func json(_ input: FuzzInput) {
  guard let value = parse(input.body) else { return }
  walk(value, depth: 0)
}

/// Both ways to the same reader: in place, and through an array.
private func parse(_ text: UnsafeRawBufferPointer) -> JSONValue? {
  var cursor = JSONCursor(text)
  var isValid = false
  do {
    blackHole(try cursor.takeValue())
    try cursor.finish()
    isValid = true
  } catch {
    blackHole("\(error)")
  }
  let value = try? JSONValue(parsing: text)
  check(isValid == (value != nil), "in place: \(isValid)")
  return value
}

private func walk(_ value: JSONValue, depth: Int) {
  if depth < 3 {
    let again = try? JSONValue(parsing: Array(value.bytes))
    check(again?.kind == value.kind, "not the same by itself: \(value.bytes)")
  }
  blackHole((value.bool, value.int, value.double))
  if let text = value.string, let utf8 = value.utf8 {
    check(text.utf8.count <= 3 * utf8.count, "\(text) of \(utf8)")
    var writer = JSONWriter()
    writer.beginObject()
    writer.member("text", text)
    writer.endObject()
    let back = try? JSONValue(parsing: writer.bytes)["text"]?.string
    check(back == text, "written and read: \(text), \(back ?? "nothing")")
  }
  for member in value.members {
    // A key with a lone surrogate is no Swift string.
    if member.name.utf8 == Array(member.key.utf8) {
      check(value[member.key] != nil, "no member \(member.key)")
    }
    walk(member.value, depth: depth + 1)
  }
  for element in value.elements { walk(element, depth: depth + 1) }
}

/// The scanner accepts exactly the texts that are JSON objects, and finds what a look-up finds.
func events(_ input: FuzzInput) {
  let text = input.body
  let tree = try? JSONValue(parsing: text)
  let fields: ScannedEvent
  do {
    fields = try EventScanner.scan(text)
  } catch {
    blackHole("\(error)")
    return check(tree?.kind != .object, "the scanner refused an object: \(error)")
  }
  guard let tree, tree.kind == .object else { fatalError("the scanner took what is no JSON object") }
  expect(fields.type, is: tree["type"], in: text)
  expect(fields.delta, is: tree["delta"], in: text)
  expect(fields.itemID, is: tree["item_id"], in: text)
  expect(fields.streamID, is: tree["stream_id"], in: text)
  expect(fields.item, isObject: tree["item"], in: text)
  expect(fields.response, isObject: tree["response"], in: text)
  blackHole(APIErrorFields(fields, in: text))
  let batch = EventBatch(capacity: 16)
  batch.append(text, fields)
  for record in batch.records {
    check(batch.json(record).elementsEqual(text), "the batch holds another text")
    check(batch.delta(record).elementsEqual(fields.delta.decoded(in: text)), "another delta")
  }
}

private func expect(_ found: EventString, is value: JSONValue?, in text: UnsafeRawBufferPointer) {
  check(found.isPresent == (value?.kind == .string), "a string: \(found.isPresent)")
  guard found.isPresent, let utf8 = value?.utf8 else { return }
  let decoded = found.decoded(in: text)
  check(decoded == utf8, "\(decoded) for \(utf8)")
  check(decoded.count <= found.lengthAtMost, "longer than it says")
  blackHole(found.string(in: text))
}

private func expect(_ found: EventSpan, isObject value: JSONValue?, in text: UnsafeRawBufferPointer) {
  check(found.isPresent == (value?.kind == .object), "an object: \(found.isPresent)")
  guard found.isPresent, let value else { return }
  check(found.bytes(in: text).elementsEqual(value.bytes), "another object")
}
