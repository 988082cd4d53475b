import RWSNetwork
import RWSWebSocket

/// A WebSocket server on its own thread that answers each message as the test's script says.
final class ScriptedPeer: @unchecked Sendable {
  /// The messages that answer a request; the number counts the peer's requests from 1.
  typealias Script = @Sendable (_ request: Int) -> [String]

  let url: String
  private let loop: EventLoop
  private let thread: IOThread
  private let front: Front

  /// - Parameter hearsCloses: false: stops reading after its first answer, so no Close frame is answered.
  init(hearsCloses: Bool = true, _ script: @escaping Script) throws {
    loop = try EventLoop()
    front = Front(script, hearsCloses: hearsCloses)
    let listener = try Listener(ListenOptions(), on: loop, delegate: front)
    front.listener = listener
    url = "ws://127.0.0.1:\(listener.port)/v1"
    thread = try IOThread(loop: loop, name: "peer")
  }

  deinit {
    loop.post { [front] in front.stop() }
    thread.stopAndJoin()
  }

  /// Confined to the peer's loop.
  private final class Front: ListenerDelegate, ServerChannelDelegate, WebSocketChannelDelegate,
    @unchecked Sendable
  {
    var listener: Listener?
    private let script: Script
    private let hearsCloses: Bool
    private var waiting: [ServerChannel] = []
    private var open: [WebSocketChannel] = []
    private var requests = 0

    init(_ script: @escaping Script, hearsCloses: Bool) {
      self.script = script
      self.hearsCloses = hearsCloses
    }

    func stop() {
      listener?.close()
      for channel in waiting { channel.abort() }
      for channel in open { channel.abort() }
    }

    func listener(_ listener: Listener, accepted channel: ServerChannel) {
      channel.delegate = self
      waiting.append(channel)
    }

    func channel(_ channel: ServerChannel, received request: ServerRequest) {
      waiting.removeAll { $0 === channel }
      if let upgraded = channel.upgrade(limits: ChannelLimits(), delegate: self) {
        open.append(upgraded)
      }
    }

    func channelClosed(_ channel: ServerChannel) { waiting.removeAll { $0 === channel } }

    func channelOpened(_ channel: WebSocketChannel, _ info: HandshakeInfo) {}

    func channel(_ channel: WebSocketChannel, receivedText text: UnsafeRawBufferPointer) {
      requests += 1
      for message in script(requests) { channel.send(text: Array(message.utf8), tag: 0) }
      if !hearsCloses { channel.pauseReading() }
    }

    func channel(_ channel: WebSocketChannel, receivedBinary bytes: UnsafeRawBufferPointer) {}
    func channelFinishedRead(_ channel: WebSocketChannel) {}
    func channel(_ channel: WebSocketChannel, flushed tag: UInt64) {}

    func channelClosed(_ channel: WebSocketChannel, _ failure: NetworkFailure) {
      open.removeAll { $0 === channel }
    }
  }
}

/// Server events as JSON.
enum Wire {
  static func created(_ id: String) -> String {
    #"{"type":"response.created","response":{"id":"\#(id)","status":"in_progress"}}"#
  }

  static func delta(_ text: String) -> String {
    #"{"type":"response.output_text.delta","item_id":"msg","output_index":0,"delta":"\#(text)"}"#
  }

  static func completed(_ id: String) -> String {
    #"{"type":"response.completed","response":{"id":"\#(id)","status":"completed"}}"#
  }

  static func answer(_ request: Int, text: String = "hello") -> [String] {
    [created("r\(request)"), delta(text), completed("r\(request)")]
  }
}

/// What callbacks on other threads saw.
final class Seen<Value: Sendable>: @unchecked Sendable {
  private let lock = Lock()
  private let changed = Condition()
  private var seen: [Value] = []

  var values: [Value] { lock.withLock { seen } }

  func note(_ value: Value) {
    lock.withLock { seen.append(value) }
    changed.broadcast()
  }

  /// False if there are fewer than `count` after twenty seconds.
  func wait(for count: Int) -> Bool {
    let deadline = MonotonicClock.deadline(after: 20_000_000_000)
    return lock.withLock {
      while seen.count < count {
        guard changed.wait(lock, until: deadline) else { return seen.count >= count }
      }
      return true
    }
  }
}
