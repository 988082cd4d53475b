import RWSJSON
import Testing

@testable import ResponsesServer

private func instance(_ schema: String) throws -> String {
  SchemaInstance.write(of: try JSONValue(parsing: schema), text: "abcdef", number: 7)
}

@Suite struct SchemaInstanceTests {
  @Test(
    "each type has a value within its bounds",
    arguments: [
      (#"{"type":"string"}"#, #""abcdef""#),
      (#"{"type":"string","maxLength":3}"#, #""abc""#),
      (#"{"type":"string","maxLength":-1}"#, #""""#),
      (#"{"type":"string","minLength":8}"#, #""abcdefxx""#),
      (#"{"type":"string","format":"date"}"#, #""2026-11-21""#),
      (#"{"type":"integer"}"#, "7"), (#"{"type":"integer","maximum":3}"#, "3"),
      (#"{"type":"integer","exclusiveMinimum":9}"#, "10"),
      (#"{"type":"integer","minimum":1e300}"#, "7"),
      (#"{"type":"integer","multipleOf":5}"#, "5"),
      (#"{"type":"number","minimum":0.5,"maximum":0.75}"#, "0.625"),
      (#"{"type":"boolean"}"#, "true"), (#"{"type":"null"}"#, "null"),
      (#"{"enum":[3,4]}"#, "3"), (#"{"const":{"a":1}}"#, #"{"a":1}"#),
      (#"{"type":["string","null"]}"#, #""abcdef""#), (#"{"type":[]}"#, #""abcdef""#),
      (#"{"anyOf":[{"type":"integer"},{"type":"null"}]}"#, "7"),
      (#"{"type":"array","items":{"type":"integer"},"minItems":2}"#, "[7,7]"),
      (#"{"type":"array","maxItems":0}"#, "[]"), (#"{"type":"array"}"#, #"["abcdef"]"#),
      (#"{"type":"array","prefixItems":[{"type":"integer"},{"type":"string"}],"minItems":2}"#,
        #"[7,"abcdef"]"#),
      ("{}", #""abcdef""#), ("7", #""abcdef""#),
    ])
  func types(schema: String, value: String) throws {
    #expect(try instance(schema) == value)
  }

  @Test("an object has what is required, or everything if the schema does not say")
  func objects() throws {
    let properties = #""type":"object","properties":{"a":{"type":"integer"},"b":{"type":"null"}}"#
    #expect(try instance("{\(properties)}") == #"{"a":7,"b":null}"#)
    #expect(try instance(#"{\#(properties),"required":["b"]}"#) == #"{"b":null}"#)
    #expect(try instance(#"{"type":"object"}"#) == "{}")
  }

  @Test("references are followed, and recursion ends")
  func references() throws {
    let list = #"""
      {"$ref":"#/$defs/node","$defs":{"node":{"type":"object","required":["next"],"properties":{
      "next":{"anyOf":[{"$ref":"#/$defs/node"},{"type":"null"}]}}}}}
      """#
    #expect(try instance(list) == #"{"next":{"next":{"next":null}}}"#)
    #expect(try instance(##"{"$ref":"#"}"##) == #""abcdef""#)
    #expect(try instance(##"{"$ref":"#/nowhere"}"##) == #""abcdef""#)
    let endless = ##"{"type":"object","required":["a"],"properties":{"a":{"$ref":"#"}}}"##
    _ = try JSONValue(parsing: try instance(endless))
  }
}
