import CResponsesWS
import Glibc
import RWSNetwork
import RWSClient

/// Details of the last failed call, one per thread.
private final class LastError {
  var error: ResponsesError
  /// Made when asked for; kept for as long as the strings are borrowed.
  var borrowed = Borrowed()

  init(_ error: ResponsesError) { self.error = error }
}

private let key: pthread_key_t? = {
  var key = pthread_key_t()
  let failure = pthread_key_create(&key) { value in
    if let value { Unmanaged<LastError>.fromOpaque(value).release() }
  }
  return failure == 0 ? key : nil
}()

private func current() -> LastError? {
  key.flatMap { pthread_getspecific($0) }
    .map { Unmanaged<LastError>.fromOpaque($0).takeUnretainedValue() }
}

/// Runs `body` on a thread that has had no error yet, and forgets what it leaves.
func keepingLastError(_ body: () -> Void) {
  guard let key else { return body() }
  let before = pthread_getspecific(key)
  pthread_setspecific(key, nil)
  body()
  if let made = pthread_getspecific(key) { Unmanaged<LastError>.fromOpaque(made).release() }
  pthread_setspecific(key, before)
}

/// Keeps the error for `rws_last_error` and gives its status.
func report(_ error: ResponsesError) -> rws_status {
  if let last = current() {
    last.error = error
    last.borrowed = Borrowed()
  } else if let key {
    let last = Unmanaged.passRetained(LastError(error))
    if pthread_setspecific(key, last.toOpaque()) != 0 { last.release() }
  }
  return error.status.rawValue
}

/// Runs the body of an entry point: RWS_OK, or the status of what it threw.
func call(_ body: () throws(ResponsesError) -> Void) -> rws_status {
  do {
    try body()
    return Status.ok.rawValue
  } catch {
    return report(error)
  }
}

/// As `call` where something is made, and nothing waited for: a child forked meanwhile may want to make it too.
func makingCall(_ body: () throws(ResponsesError) -> Void) -> rws_status {
  ForkGate.inside { call(body) }
}

/// As `call` where the body waits: RWS_TIMEOUT if it says false.
func waitingCall(_ body: () throws(ResponsesError) -> Bool) -> rws_status {
  var isDone = false
  let status = call { () throws(ResponsesError) in isDone = try body() }
  return status == Status.ok.rawValue && !isDone ? Status.timeout.rawValue : status
}

@c(rws_last_error) @implementation
public func rws_last_error(_ error_out: UnsafeMutablePointer<rws_error>?) -> rws_status {
  let borrowed = Borrowed()
  let last: LastError
  do {
    let error_out = try writable(error_out)
    guard let current = current() else { return Status.done.rawValue }
    last = current
    try write(rws_error(last.error, borrowed), to: error_out)
  } catch {
    // Not reported: it would replace the error that was asked for.
    return error.status.rawValue
  }
  last.borrowed = borrowed
  return Status.ok.rawValue
}

extension rws_error {
  init(_ error: ResponsesError, _ borrowed: Borrowed) {
    self.init()
    status = error.status.rawValue
    execution = error.execution.rawValue
    http_status = error.httpStatus
    close_code = error.closeCode
    is_retryable = error.isRetryable ? 1 : 0
    retry_after_ms = error.retryAfterMilliseconds ?? -1
    message = borrowed.string(error.message)
    code = borrowed.string(error.code)
    type = borrowed.string(error.type)
    param = borrowed.string(error.param)
    request_id = borrowed.string(error.requestID)
    body = borrowed.string(error.body)
  }
}
