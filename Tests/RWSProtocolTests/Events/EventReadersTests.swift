import RWSProtocol
import Testing

@Suite struct EventReadersTests {
  private func error(_ text: String) throws -> APIErrorFields {
    var fields: APIErrorFields?
    try scan(text) { event, bytes in fields = APIErrorFields(event, in: bytes) }
    return try #require(fields)
  }

  private func response(_ text: String) -> ResponseFields {
    Array(text.utf8).withUnsafeBytes { ResponseFields($0) }
  }

  @Test("a response gives its id, status, model, error, reason and usage")
  func responseFields() {
    let fields = response(
      #"""
      {"id":"resp_1","status":"incomplete","model":"m","output":[{"id":"x","status":"y"}],
       "error":{"code":"server_error","message":"Oh"},"incomplete_details":{"reason":"max_output_tokens"},
       "usage":{"input_tokens":10,"input_tokens_details":{"cached_tokens":4,"cache_write_tokens":5},
                "output_tokens":3,"output_tokens_details":{"reasoning_tokens":1},"total_tokens":13}}
      """#)
    #expect(fields.id == Array("resp_1".utf8))
    #expect(fields.status == "incomplete")
    #expect(fields.model == "m")
    #expect(fields.errorCode == "server_error")
    #expect(fields.errorMessage == "Oh")
    #expect(fields.incompleteReason == "max_output_tokens")
    #expect(fields.usage?.inputTokens == 10)
    #expect(fields.usage?.cachedTokens == 4)
    #expect(fields.usage?.cacheWriteTokens == 5)
    #expect(fields.usage?.outputTokens == 3)
    #expect(fields.usage?.reasoningTokens == 1)
    #expect(fields.usage?.totalTokens == 13)
  }

  @Test("a sparse response is no error, and usage without details says so")
  func sparse() {
    #expect(response("{}").id == nil)
    #expect(response(#"{"usage":null}"#).usage == nil)
    let usage = response(#"{"usage":{"input_tokens":1,"input_tokens_details":null,"total_tokens":-4}}"#).usage
    #expect(usage?.inputTokens == 1)
    #expect(usage?.cachedTokens == -1)
    #expect(usage?.outputTokens == -1)
    #expect(usage?.totalTokens == -1)
  }

  @Test("an item gives its bytes unescaped: numbers, NUL and lone surrogates unharmed")
  func itemFields() {
    let text = #"""
      {"id":"fc","type":"function_call","call_id":"call\ud800","name":"f","status":"completed","phase":"commentary",
       "arguments":"{\"a\":1.0,\"b\":9007199254740993,\"c\":\"x\\u0000y\"}\u0000"}
      """#
    let fields = Array(text.utf8).withUnsafeBytes { ItemFields($0) }
    #expect(fields.type == "function_call")
    #expect(fields.id == Array("fc".utf8))
    #expect(fields.callID == Array("call".utf8) + [0xED, 0xA0, 0x80])
    #expect(fields.name == Array("f".utf8))
    #expect(fields.arguments == Array((#"{"a":1.0,"b":9007199254740993,"c":"x\u0000y"}"# + "\0").utf8))
    #expect(fields.input == nil)
    #expect(fields.status == "completed")
    #expect(fields.phase == "commentary")
    let custom = Array(#"{"type":"custom_tool_call","input":"free\ntext"}"#.utf8)
    #expect(custom.withUnsafeBytes { ItemFields($0) }.input == Array("free\ntext".utf8))
  }

  @Test("an error in the shape of the WebSocket type, headers inside")
  func nestedError() throws {
    let fields = try error(
      #"""
      {"type":"error","status":429,"error":{"type":"tokens","code":"rate_limit_exceeded","message":"Slow down",
       "param":"model","headers":{"Retry-After":"20","X-Request-ID":"req_1"}}}
      """#)
    #expect(fields.status == 429)
    #expect(fields.type == "tokens")
    #expect(fields.code == "rate_limit_exceeded")
    #expect(fields.message == "Slow down")
    #expect(fields.param == "model")
    #expect(fields.retryAfterMilliseconds == 20_000)
    #expect(fields.requestID == "req_1")
  }

  @Test("status, as status_code too, and headers may stand inside or beside the error")
  func places() throws {
    #expect(try error(#"{"type":"error","error":{"status_code":503}}"#).status == 503)
    #expect(try error(#"{"type":"error","error":{"status":400,"status_code":503}}"#).status == 400)
    #expect(try error(#"{"type":"error","status_code":401,"error":{"status":400}}"#).status == 401)
    let fields = try error(
      #"{"type":"error","error":{"headers":{"retry-after":1}},"headers":{"retry-after":2,"x-request-id":"r"}}"#)
    #expect(fields.retryAfterMilliseconds == 1000)
    #expect(fields.requestID == "r")
  }

  @Test("the flat error of the SSE type")
  func flatError() throws {
    let fields = try error(#"{"type":"error","code":"c","message":"m","param":null,"sequence_number":1}"#)
    #expect(fields.code == "c")
    #expect(fields.message == "m")
    #expect(fields.param == nil)
    #expect(fields.type == nil)
    #expect(fields.status == 0)
    #expect(fields.retryAfterMilliseconds == -1)
  }

  @Test("errors without a type: an object, a text, an HTTP status as the code")
  func untypedError() throws {
    #expect(try error(#"{"error":{"message":"m","code":"x"}}"#).code == "x")
    #expect(try error(#"{"error":"plain"}"#).message == "plain")
    let numeric = try error(#"{"error":{"message":"m","code":402}}"#)
    #expect(numeric.status == 402)
    #expect(numeric.code == nil)
    #expect(try error(#"{"error":{"code":7}}"#).status == 0)
  }

  @Test("response.failed carries its error in the response")
  func responseFailed() throws {
    let fields = try error(
      #"{"type":"response.failed","response":{"error":{"code":"server_error","message":"Oh"}}}"#)
    #expect(fields.code == "server_error")
    #expect(fields.message == "Oh")
  }

  @Test(
    "retry-after: whole or fractional seconds, as text or number; the finer header counts first",
    arguments: [
      (#"{"retry-after":"1.5"}"#, 1500), (#"{"retry-after":0.0001}"#, 1), (#"{"retry-after":"0"}"#, 0),
      (#"{"RETRY-AFTER-MS":"250","retry-after":"9"}"#, 250), (#"{"retry-after":"-1"}"#, -1),
      (#"{"retry-after":"Wed, 21 Oct 2026 07:28:00 GMT"}"#, -1), (#"{"retry-after":null}"#, -1),
      (#"{"retry-after":"1","Retry-After":"2"}"#, 2000), (#"{"retry-after":"1.2.3"}"#, -1),
      (#"{"retry-after":"99999999999999999999999999999999"}"#, 3_153_600_000_000),
    ] as [(String, Int64)])
  func retryAfter(_ headers: String, _ milliseconds: Int64) throws {
    let fields = try error(#"{"type":"error","headers":\#(headers)}"#)
    #expect(fields.retryAfterMilliseconds == milliseconds)
  }
}
