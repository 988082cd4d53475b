/// An ordinary HTTP answer where the stream was to be handed over to another protocol.
package struct HTTPRefusal: Error, Equatable, Sendable {
  package let head: HTTPResponseHead
  /// At most `HTTPSwitchReader.bodyBytesMax` bytes.
  package let body: [UInt8]
  /// The body was longer, malformed or cut off.
  package let isBodyPartial: Bool
}

/// Reads the answer to a request after which the stream is to speak another protocol: an upgrade (RFC 9110
/// §7.8) or a CONNECT (§9.3.6). Also the head of an ordinary answer, whose body is that "other protocol".
///
///   head ──the status asked for──▶ done (switched)      1xx: the next head
///     └──other status──▶ body ──its end, EOF or 64 KiB──▶ done (refused)
package struct HTTPSwitchReader: Sendable {
  package enum Step: Equatable, Sendable {
    case needMore
    /// What is left in the input belongs to the other protocol.
    case switched(HTTPResponseHead)
    case refused(HTTPRefusal)
    case failed(Failure)
  }

  package enum Failure: Error, Equatable, Sendable {
    case head(HTTPHeadError)
    case tooManyInterimAnswers
    /// The stream ended before the answer was whole.
    case endOfStream
  }

  private enum State {
    case head(HTTPHeadReader<HTTPStatusLine>, interimAnswers: Int)
    case body(HTTPResponseHead, HTTPBodyReader, [UInt8])
    case done(Step)
  }

  package static let bodyBytesMax = 64 * 1024
  private static let interimAnswersMax = 10

  private let statuses: ClosedRange<Int>
  private var state = State.head(HTTPHeadReader(), interimAnswers: 0)

  /// `statuses`: those that switch.
  init(switchingOn statuses: ClosedRange<Int>) {
    self.statuses = statuses
  }

  /// Call after each read until the answer is not `needMore`.
  package mutating func next(_ input: inout ByteBuffer) -> Step {
    while true {
      let step: Step?
      switch state {
      case .head(let reader, let interim): step = readHead(reader, interim, &input)
      case .body(let head, let reader, let body): step = readBody(head, reader, body, &input)
      case .done(let step): return step
      }
      guard let step else { continue }
      if step != .needMore { state = .done(step) }
      return step
    }
  }

  /// The peer ended its half of the stream, and `next` has answered `needMore`. A shell whose time limit passed
  /// may call it too: a refusal whose body is late says more than the time limit.
  package mutating func receiveEOF() -> Step {
    let step: Step
    switch state {
    case .head: step = .failed(.endOfStream)
    case .body(let head, var reader, let body):
      var isPartial = false
      do throws(HTTPBodyError) { try reader.receiveEOF() } catch { isPartial = true }
      step = .refused(HTTPRefusal(head: head, body: body, isBodyPartial: isPartial))
    case .done(let done): step = done
    }
    state = .done(step)
    return step
  }

  /// nil: go on, in the state that was set.
  private mutating func readHead(
    _ reader: HTTPHeadReader<HTTPStatusLine>, _ interimAnswers: Int, _ input: inout ByteBuffer
  ) -> Step? {
    var reader = reader
    let head: HTTPResponseHead
    do throws(HTTPHeadError) {
      guard let whole = try reader.next(&input) else {
        state = .head(reader, interimAnswers: interimAnswers)
        return .needMore
      }
      head = whole
    } catch {
      return .failed(.head(error))
    }
    if statuses.contains(head.status) { return .switched(head) }
    // 101 is final: after it the peer speaks a protocol that nobody here asked for.
    if head.status < 200, head.status != 101 {
      guard interimAnswers < Self.interimAnswersMax else {
        return .failed(.tooManyInterimAnswers)
      }
      state = .head(HTTPHeadReader(), interimAnswers: interimAnswers + 1)
      return nil
    }
    do throws(HTTPBodyError) {
      state = .body(head, HTTPBodyReader(try HTTPBodyFraming(of: head)), [])
      return nil
    } catch {
      return .refused(HTTPRefusal(head: head, body: [], isBodyPartial: true))
    }
  }

  private mutating func readBody(
    _ head: HTTPResponseHead, _ reader: HTTPBodyReader, _ body: [UInt8],
    _ input: inout ByteBuffer
  ) -> Step? {
    var reader = reader
    var body = body
    do throws(HTTPBodyError) {
      switch try reader.next(&input) {
      case .needMore:
        state = .body(head, reader, body)
        return .needMore
      case .part(let part):
        let room = Self.bodyBytesMax - body.count
        body.append(contentsOf: part.prefix(room))
        guard part.count <= room else {
          return .refused(HTTPRefusal(head: head, body: body, isBodyPartial: true))
        }
        state = .body(head, reader, body)
        return nil
      case .end:
        return .refused(HTTPRefusal(head: head, body: body, isBodyPartial: false))
      }
    } catch {
      return .refused(HTTPRefusal(head: head, body: body, isBodyPartial: true))
    }
  }
}
