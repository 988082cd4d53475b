import CCJSON
import CResponsesWS
import RWSClient

extension rws_event {
  /// Points into the batch: valid while that lives.
  init(_ batch: EventBatch, at index: Int) {
    self.init()
    guard let record = batch.records.baseAddress?.advanced(by: index) else { return }
    // Read through the pointer: a copy of the record would cost as much as all the rest.
    let json = UnsafeRawBufferPointer(
      rebasing: batch.bytes[record.pointee.start..<record.pointee.start + record.pointee.count])
    kind = Int32(record.pointee.fields.kind.rawValue)
    sequence_number = record.pointee.fields.sequenceNumber
    output_index = record.pointee.fields.outputIndex
    type = rws_string(record.pointee.fields.type.content(in: json))
    self.json = rws_string(json)
    let deltaEnd = record.pointee.deltaStart + record.pointee.deltaCount
    delta = rws_string(
      UnsafeRawBufferPointer(rebasing: batch.bytes[record.pointee.deltaStart..<deltaEnd]))
    item_id = rws_string(record.pointee.fields.itemID.content(in: json))
    item = rws_string(record.pointee.fields.item.bytes(in: json))
    response = rws_string(record.pointee.fields.response.bytes(in: json))
    stream_id = rws_string(record.pointee.fields.streamID.content(in: json))
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
