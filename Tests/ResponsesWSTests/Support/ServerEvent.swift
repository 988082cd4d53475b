/// Events as a server writes them. Texts are put in as they are: no quotes or control characters.
enum ServerEvent {
  static func created(_ id: String) -> String {
    #"{"type":"response.created","sequence_number":0,"response":{"id":"\#(id)","status":"in_progress"}}"#
  }

  static func textDelta(_ text: String, item: String = "msg_1") -> String {
    #"{"type":"response.output_text.delta","item_id":"\#(item)","output_index":0,"delta":"\#(text)"}"#
  }

  static func delta(_ type: String, _ text: String, item: String, at index: Int = 0) -> String {
    #"{"type":"response.\#(type).delta","item_id":"\#(item)","output_index":\#(index),"delta":"\#(text)"}"#
  }

  static func itemAdded(_ item: String, at index: Int = 0) -> String {
    #"{"type":"response.output_item.added","output_index":\#(index),"item":\#(item)}"#
  }

  static func itemDone(_ item: String, at index: Int = 0) -> String {
    #"{"type":"response.output_item.done","output_index":\#(index),"item":\#(item)}"#
  }

  static func message(_ text: String, id: String = "msg_1") -> String {
    #"{"type":"message","id":"\#(id)","status":"completed","role":"assistant","content":[{"type":"output_text","text":"\#(text)","annotations":[]}]}"#
  }

  static func call(_ callID: String, _ name: String, arguments: String = "{}") -> String {
    #"{"type":"function_call","id":"fc_\#(callID)","call_id":"\#(callID)","name":"\#(name)","arguments":"\#(arguments)","status":"completed"}"#
  }

  /// - Parameter more: further members of the response, each with a comma before it.
  static func completed(_ id: String, _ more: String = "") -> String {
    terminal("completed", id, more)
  }

  static func incomplete(_ id: String, reason: String) -> String {
    terminal("incomplete", id, #","incomplete_details":{"reason":"\#(reason)"}"#)
  }

  static func error(_ status: Int, code: String, _ message: String) -> String {
    #"{"type":"error","status":\#(status),"error":{"type":"invalid_request_error","code":"\#(code)","message":"\#(message)","param":null}}"#
  }

  /// All events of a response that is one message.
  static func reply(_ id: String, _ text: String) -> [String] {
    [
      created(id), itemAdded(#"{"type":"message","id":"msg_1","role":"assistant","content":[]}"#),
      textDelta(text), itemDone(message(text)), completed(id),
    ]
  }

  /// The shortest answer.
  static func answer(_ request: Int, text: String = "hello") -> [String] {
    [created("r\(request)"), textDelta(text), completed("r\(request)")]
  }

  private static func terminal(_ status: String, _ id: String, _ more: String) -> String {
    #"{"type":"response.\#(status)","response":{"id":"\#(id)","status":"\#(status)"\#(more)}}"#
  }
}
