import RWSJSON

/// The frames that answer a request which never became a response (SDK: `ResponseWsError`), and the error
/// body of HTTP.
package enum ErrorFrame {
  static func write(
    _ error: RequestError, lane: String?, dialect: Dialect = .openAI
  ) -> [UInt8] {
    var writer = JSONWriter()
    writer.beginObject()
    if !dialect.has(.untypedErrors) { writer.member("type", "error") }
    if dialect.has(.statusCodeErrors) {
      writer.member("status_code", error.status)
    } else if !dialect.has(.statuslessErrors), !dialect.has(.flatErrors) {
      writer.member("status", error.status)
    }
    if let lane { writer.member("stream_id", lane) }
    if dialect.has(.flatErrors) {
      if !dialect.has(.noSequenceNumbers) { writer.member("sequence_number", 0) }
      writeMembers(error, to: &writer)
    } else {
      writeError(error, to: &writer)
    }
    writer.endObject()
    return writer.bytes
  }

  package static func httpBody(_ error: RequestError) -> [UInt8] {
    var writer = JSONWriter()
    writer.beginObject()
    if error.isDetailOnly {
      writer.member("detail", error.message)
    } else {
      writeError(error, to: &writer)
    }
    writer.endObject()
    return writer.bytes
  }

  private static func writeError(_ error: RequestError, to writer: inout JSONWriter) {
    writer.key("error")
    writer.beginObject()
    writer.member("type", error.type)
    writeMembers(error, to: &writer)
    error.misalignment?.writeMember(to: &writer)
    if !error.headers.isEmpty {
      writer.key("headers")
      writer.beginObject()
      for header in error.headers { writer.member(header.name, header.value) }
      writer.endObject()
    }
    writer.endObject()
  }

  private static func writeMembers(_ error: RequestError, to writer: inout JSONWriter) {
    writer.key("code")
    if let code = error.code { writer.string(code) } else { writer.null() }
    writer.member("message", error.message)
    writer.key("param")
    if let param = error.param { writer.string(param) } else { writer.null() }
  }
}
