/// Why an answer cannot be read to its end.
package enum HTTPAnswerError: Error, Equatable, Sendable {
  case head(HTTPHeadError)
  case tooManyInterimAnswers
  /// 101, which nobody asked for.
  case switchedProtocols
  case body(HTTPBodyError)
  /// The stream ended before the head was whole.
  case endOfStream
}

extension HTTPAnswerError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .head(let error): error.description
    case .tooManyInterimAnswers: "the server sent too many interim (1xx) answers"
    case .switchedProtocols: "the server switched protocols (101), which was not asked for"
    case .body(let error): error.description
    case .endOfStream: "the server closed the connection before it answered"
    }
  }
}

/// Reads the answer to an ordinary request: a head, then the body in parts. Interim answers are skipped.
package struct HTTPAnswerReader: Sendable {
  package enum Step {
    case needMore
    case head(HTTPResponseHead)
    /// Valid until the next call or the next change of the input.
    case part(UnsafeRawBufferPointer)
    case end
  }

  private enum State {
    case head(HTTPSwitchReader)
    case body(HTTPBodyReader)
    case ended
  }

  private var state = State.head(HTTPSwitchReader(switchingOn: 200...599))
  /// What becomes of the connection when the answer has been read to its end.
  package private(set) var persistence = HTTPPersistence.closes

  package init() {}

  /// Call after each read until the answer is `needMore` or `end`. After an error the reader is spent.
  package mutating func next(_ input: inout ByteBuffer) throws(HTTPAnswerError) -> Step {
    switch state {
    case .head(var reader):
      let step = reader.next(&input)
      state = .head(reader)
      return try begin(step)
    case .body(var reader):
      do throws(HTTPBodyError) {
        let step = try reader.next(&input)
        state = .body(reader)
        switch step {
        case .needMore: return .needMore
        case .part(let part): return .part(part)
        case .end: break
        }
      } catch {
        throw .body(error)
      }
      state = .ended
      return .end
    case .ended: return .end
    }
  }

  /// The peer ended its half of the stream, and `next` has answered `needMore`. Throws unless that is how the body
  /// ends.
  package mutating func receiveEOF() throws(HTTPAnswerError) {
    switch state {
    case .head: throw .endOfStream
    case .body(var reader):
      do throws(HTTPBodyError) { try reader.receiveEOF() } catch { throw .body(error) }
      state = .ended
    case .ended: break
    }
  }

  private mutating func begin(_ step: HTTPSwitchReader.Step) throws(HTTPAnswerError) -> Step {
    switch step {
    case .needMore: return .needMore
    case .switched(let head):
      do throws(HTTPBodyError) {
        let framing = try HTTPBodyFraming(of: head)
        persistence = HTTPPersistence(after: head, framing)
        state = .body(HTTPBodyReader(framing))
      } catch {
        throw .body(error)
      }
      return .head(head)
    case .refused: throw .switchedProtocols
    case .failed(.head(let error)): throw .head(error)
    case .failed(.tooManyInterimAnswers): throw .tooManyInterimAnswers
    case .failed(.endOfStream): throw .endOfStream
    }
  }
}
