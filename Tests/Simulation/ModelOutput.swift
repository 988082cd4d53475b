/// What the model says to a context.
struct ModelOutput {
  enum Ending { case completed, incomplete, failed }

  var items: [String] = []
  var ending = Ending.completed
}

extension ModelServer {
  /// - Parameter canShowReasoning: Whether it goes without ciphertext, as where the server stores the response.
  func answer(_ turn: String, isStored: Bool, isTriggered: Bool) -> ModelOutput {
    var output = ModelOutput()
    if isTriggered || conditions.compacts && random.oneIn(8) {
      output.items.append(
        #"{"id":"\#(makeID("cmp"))","type":"compaction","encrypted_content":"\#(random.next())"}"#)
    }
    if random.oneIn(4) { output.items.append(reasoning(isStored: isStored)) }
    let hasCalls = random.oneIn(3)
    if hasCalls {
      if random.oneIn(4) { output.items.append(message(turn, phase: "commentary")) }
      for _ in 0...random.below(3) { output.items.append(call(status: "completed")) }
    } else if random.oneIn(12) {
      output.items.append(#"{"type":"vendor_item","n":9007199254740993,"s":"a\u0000b"}"#)
    } else if !isTriggered || random.oneIn(2) {
      output.items.append(message(turn, phase: random.oneIn(4) ? "final_answer" : nil))
    }
    guard hasFaults || random.oneIn(4) else { return output }
    if random.oneIn(20), hasFaults {
      output.ending = .failed
    } else if random.oneIn(12) {
      output.ending = .incomplete
      // Cut in the middle of a call, or of thinking.
      if random.oneIn(3) {
        output.items.append(call(status: "incomplete"))
      } else if random.oneIn(3), !hasCalls {
        output.items.append(reasoning(isStored: isStored))
      }
    }
    return output
  }

  private func reasoning(isStored: Bool) -> String {
    let id = makeID("rs")
    return isStored
      ? #"{"id":"\#(id)","type":"reasoning","summary":[]}"#
      : #"{"id":"\#(id)","type":"reasoning","summary":[],"encrypted_content":"\#(random.next())"}"#
  }

  private func call(status: String) -> String {
    let call = makeID("call")
    // What the service itself would refuse when it comes back.
    let extra = random.oneIn(4) ? #","created_by":"a""# : random.oneIn(4) ? #","namespace":null"# : ""
    return random.oneIn(4)
      ? #"{"id":"ctc_\#(call)","type":"custom_tool_call","call_id":"\#(call)","name":"g","input":"x y","status":"\#(status)"\#(extra)}"#
      : #"{"id":"fc_\#(call)","type":"function_call","call_id":"\#(call)","name":"f","arguments":"{\"n\":1.0}","status":"\#(status)"\#(extra)}"#
  }

  private func message(_ turn: String, phase: String?) -> String {
    let id = makeID("msg")
    let phase = phase.map { #","phase":"\#($0)""# } ?? ""
    let part =
      random.oneIn(10)
      ? #"{"type":"refusal","refusal":"no \#(id)"}"#
      : #"{"type":"output_text","text":"\#(id) to \#(turn)","annotations":[]\#(random.oneIn(5) ? #","logprobs":[]"# : "")}"#
    return
      #"{"id":"\#(id)","type":"message","role":"assistant","status":"completed"\#(phase),"content":[\#(part)]}"#
  }
}
