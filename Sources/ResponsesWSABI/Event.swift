import CCJSON
import CResponsesWS
import ResponsesWS

extension rws_event {
  /// Points into the event's batch: valid while `event` lives.
  init(_ event: Event) {
    self.init(event.batch, event.record)
  }

  init(_ batch: EventBatch, _ record: EventBatch.Record) {
    let fields = record.fields
    self.init()
    kind = Int32(fields.kind.rawValue)
    sequence_number = fields.sequenceNumber
    output_index = fields.outputIndex
    type = rws_string(batch.bytes(fields.type, of: record))
    json = rws_string(batch.json(record))
    delta = rws_string(batch.delta(record))
    item_id = rws_string(batch.bytes(fields.itemID, of: record))
    item = rws_string(batch.bytes(fields.item, of: record))
    response = rws_string(batch.bytes(fields.response, of: record))
    stream_id = rws_string(batch.bytes(fields.streamID, of: record))
  }
}

@c(rws_json_tree) @implementation
public func rws_json_tree(
  _ json: rws_string, _ tree_out: UnsafeMutablePointer<UnsafeMutablePointer<cJSON>?>?
) -> rws_status {
  call { () throws(ResponsesError) in
    let tree_out = try required(tree_out, "tree_out")
    try checkLength(json.data, json.len, "The text")
    guard let data = json.data, json.len > 0 else {
      throw ResponsesError(.invalidJSON, "The text is empty.")
    }
    guard let tree = cJSON_ParseWithLength(data, json.len) else {
      throw ResponsesError(.invalidJSON, "cJSON cannot parse the text.")
    }
    tree_out.pointee = tree
  }
}
