import Glibc
import RWSNetwork
import RWSTokens
import RWSWebSocket

/// The local server: sockets, time and log around one `ServerConnection` per client. Runs on one thread.
package final class Server {
  private let options: ServerOptions
  private let loop: EventLoop
  private let service: ServerService
  private var listener: Listener?
  private var stopSignals: StopSignals?
  /// Listener and channels do not retain their delegates.
  private var handlers: [ObjectIdentifier: ConnectionHandler] = [:]
  private var isStopping = false

  /// Binds at once; `run` accepts. Or whoever gives a loop drives it, and calls `stop()` on it.
  package init(_ options: ServerOptions, on given: EventLoop? = nil) throws(StartFailure) {
    self.options = options
    let log = try ServerLog.open(options.log)
    var configuration = options.behaviour
    configuration.logged = log == nil ? .nothing : options.logsCosts ? .costs : .responses
    configuration.unixNanosecondsAtZero = Self.unixNanoseconds() - MonotonicClock.now()
    service = ServerService(
      options, configuration, faults: try Self.faults(options.faultScript), log: log,
      meter: RequestMeter(
        try options.vocabulary.map(Self.vocabulary), try options.costs.map(Self.costs) ?? CostModel()),
      seed: .random(in: .min ... .max))
    var certificate: (file: String, pem: [UInt8])?
    do throws(NetworkFailure) {
      loop = if let given { given } else { try EventLoop() }
      var listen = ListenOptions()
      listen.host = options.host
      listen.port = options.port
      listen.keepsConnections = true
      listen.refusal = { status, explanation in
        HTTPAnswer(refusing: .invalid("Bad request: \(explanation).", status: status))
      }
      if let link = options.link {
        let costLog = options.logsCosts ? log : nil
        listen.onAccept = { [loop] accepted throws(NetworkFailure) in
          try DelayedLink.put(before: accepted, link, on: loop) { report in
            costLog?.write(CostRecord.line(report))
          }
        }
      }
      let identity = try Self.identity(options)
      listen.tls = identity?.context
      if case .selfMade(let file?) = options.tls, let identity {
        certificate = (file, identity.pem)
      }
      listener = try Listener(listen, on: loop, delegate: self)
    } catch {
      throw StartFailure(error.message)
    }
    if let certificate { try Self.write(certificate.pem, to: certificate.file) }
    service.onRestart = { [weak self] in self?.restart() }
  }

  /// Such as `ws://127.0.0.1:8080/v1`: the base URL for clients.
  package var url: String {
    let host = options.host.contains(":") ? "[\(options.host)]" : options.host
    return "\(options.tls == .off ? "ws" : "wss")://\(host):\(listener?.port ?? 0)/v1"
  }

  /// Serves until SIGTERM, SIGINT or, if asked, the end of standard input; then closes what is open.
  /// SIGHUP closes what is open and serves on. `onReady` is called when clients can connect.
  package func run(_ onReady: () -> Void) throws(StartFailure) {
    signal(SIGPIPE, SIG_IGN)
    Self.raiseDescriptorLimit()
    stopSignals = try StopSignals(
      on: loop, watchingStandardInput: options.exitsWithStandardInput,
      onRestart: { [weak self] in self?.restart() }
    ) { [weak self] in self?.stop() }
    onReady()
    loop.run()
  }

  /// As after a deployment: every connection is closed (1012), and with it its cache is gone.
  private func restart() {
    for handler in handlers.values { handler.close(code: 1012, reason: "the server restarts") }
  }

  /// Closes what is open, at once or as soon as nothing runs on it, and then stops the loop; a second time at
  /// once.
  package func stop() {
    guard !isStopping else { return loop.stop() }
    isStopping = true
    listener?.close()
    for handler in handlers.values { part(with: handler) }
    let loop = loop
    loop.schedule(at: MonotonicClock.deadline(after: options.drainNanoseconds)) { [weak self] in
      for handler in self?.handlers.values.map({ $0 }) ?? [] { self?.partAtOnce(with: handler) }
    }
    loop.schedule(
      at: MonotonicClock.deadline(after: options.drainNanoseconds &+ Self.stopNanoseconds)
    ) { loop.stop() }
    stopIfDone()
  }

  private func part(with handler: ConnectionHandler) {
    guard options.drainNanoseconds > 0 else { return partAtOnce(with: handler) }
    handler.drain(code: options.stopCode, reason: Self.farewell)
  }

  private func partAtOnce(with handler: ConnectionHandler) {
    handler.close(code: options.stopCode, reason: Self.farewell)
  }

  private static let farewell = "the server is stopping"

  private static let stopNanoseconds: Int64 = 1_000_000_000

  private func stopIfDone() {
    if isStopping, handlers.isEmpty { loop.stop() }
  }

  private func ended(_ handler: ConnectionHandler) {
    handlers[ObjectIdentifier(handler)] = nil
    stopIfDone()
  }

  private static func unixNanoseconds() -> Int64 {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec)
  }
}

extension Server: ListenerDelegate {
  package func listener(_ listener: Listener, accepted channel: ServerChannel) {
    let handler = ConnectionHandler(channel, service) { [weak self] in self?.ended($0) }
    handlers[ObjectIdentifier(handler)] = handler
    channel.delegate = handler
    if isStopping { part(with: handler) }
  }
}

// MARK: What it starts with

extension Server {
  private static func faults(_ path: String?) throws(StartFailure) -> FaultScript {
    let script = FaultScript()
    guard let path else { return script }
    let text = try readAll(path)
    do throws(FaultScriptError) {
      try script.add(text)
    } catch {
      throw StartFailure("\(path): \(error.message)")
    }
    return script
  }

  private static func vocabulary(_ path: String) throws(StartFailure) -> Vocabulary {
    let file = try readAll(path)
    do {
      return try file.withUnsafeBytes { try Vocabulary($0) }
    } catch {
      throw StartFailure("\(path): \(error)")
    }
  }

  private static func costs(_ path: String) throws(StartFailure) -> CostModel {
    let file = try readAll(path)
    do throws(CostModelError) {
      return try CostModel(parsing: file)
    } catch {
      throw StartFailure("\(path): \(error.message)")
    }
  }

  private static func readAll(_ path: String) throws(StartFailure) -> [UInt8] {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
      throw StartFailure("\(path) could not be read: \(lastSystemError()).")
    }
    defer { close(descriptor) }
    var text: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = read(descriptor, &chunk, chunk.count)
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else {
        throw StartFailure("\(path) could not be read: \(lastSystemError()).")
      }
      guard count > 0 else { return text }
      text += chunk[..<count]
    }
  }

  /// Thousands of connections need as many descriptors, and the usual soft limit is 1,024.
  private static func raiseDescriptorLimit() {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
    limit.rlim_cur = limit.rlim_max
    _ = setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
  }
}

// MARK: TLS

extension Server {
  /// What the server proves itself with; `pem` is the certificate that it made, if it did.
  private static func identity(
    _ options: ServerOptions
  ) throws(NetworkFailure) -> (context: TLSContext, pem: [UInt8])? {
    switch options.tls {
    case .off:
      return nil
    case .files(let certificate, let key):
      return (try .server(certificateFile: certificate, keyFile: key), [])
    case .selfMade:
      var names = ["localhost", "127.0.0.1", "::1"]
      if !names.contains(options.host) { names.append(options.host) }
      let made = try SelfSignedCertificate(names: names)
      return (
        try .server(certificatePEM: made.certificatePEM, keyPEM: made.keyPEM), made.certificatePEM
      )
    }
  }

  private static func write(_ bytes: [UInt8], to path: String) throws(StartFailure) {
    let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else {
      throw StartFailure("The certificate could not be written to \(path): \(lastSystemError()).")
    }
    defer { close(descriptor) }
    guard writeAll(bytes, to: descriptor) else {
      throw StartFailure("The certificate could not be written to \(path): \(lastSystemError()).")
    }
  }
}
