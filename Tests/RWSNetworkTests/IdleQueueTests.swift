import RWSWebSocket
import Testing

@testable import RWSNetwork

@Suite("Which idle connection is used, and which is given up") struct IdleQueueTests {
  private func key(_ url: String = "http://a/v1", _ change: (inout ConnectOptions) -> Void = { _ in }) throws -> ConnectionKey {
    var options = ConnectOptions(url: try WebSocketURL(url))
    change(&options)
    return ConnectionKey(options)
  }

  @Test("the one used last comes first; one that has waited long enough does not come")
  func order() throws {
    let key = try key()
    var queue = IdleQueue<Int>(countMax: 8)
    for number in 1...4 { #expect(queue.add(number, for: key, until: number == 4 ? 10 : 100) == nil) }
    #expect(queue.take(for: key, now: 10) == 3)
    #expect(queue.take(for: key, now: 9) == 4)
    #expect(queue.take(for: key, now: 10) == 2)
    #expect(queue.take(for: key, now: 10) == 1)
    #expect(queue.take(for: key, now: 10) == nil)
  }

  @Test("the one that has waited longest makes room")
  func room() throws {
    let key = try key()
    var queue = IdleQueue<Int>(countMax: 2)
    #expect([1, 2, 3, 4].map { queue.add($0, for: key, until: 100) } == [nil, nil, 1, 2])
    #expect(queue.count == 2)
  }

  @Test("the first that is due says when; then it goes, and the others stay")
  func due() throws {
    let key = try key()
    var queue = IdleQueue<Int>(countMax: 8)
    #expect(queue.due == nil)
    for (number, until) in [(1, 30), (2, 10), (3, 20)] { _ = queue.add(number, for: key, until: Int64(until)) }
    #expect(queue.due == 10)
    #expect(queue.takeOverdue(now: 9) == [])
    #expect(queue.takeOverdue(now: 20) == [2, 3])
    #expect(queue.due == 30)
    queue.remove { $0 == 1 }
    #expect(queue.due == nil)
  }

  @Test("nothing passes from one server, way, TLS or identity to another; paths and headers do not matter")
  func keys() throws {
    let tls = try (TLSContext.client(), TLSContext.client())
    let secure = "https://a/v1"
    let keys = try [
      key(), key("http://b/v1"), key("http://a:81/v1"), key { $0.identity = 7 },
      key { $0.proxy = try? .test("http://proxy") }, key { $0.proxy = try? .test("http://user:word@proxy") },
      key(secure), key(secure) { $0.tls = tls.0 }, key(secure) { $0.tls = tls.1 },
      key { $0.proxy = try? .test("https://proxy", tls: tls.0) },
      key { $0.proxy = try? .test("https://proxy", tls: tls.1) },
    ]
    #expect(Set(keys).count == keys.count)
    #expect(try key() == key("ws://a/v1/responses?x=y"))
    #expect(try key() == key { $0.tls = tls.0 })
    #expect(try key() == key { $0.fields = HTTPFields(["X-Request": "1"]) })
    var queue = IdleQueue<Int>(countMax: 100)
    for (number, key) in keys.enumerated() { _ = queue.add(number, for: key, until: 100) }
    #expect(queue.take(for: keys[3], now: 0) == 3)
    #expect(queue.take(for: keys[3], now: 0) == nil)
    #expect(queue.takeAll(for: keys[0]) == [0])
    #expect(queue.takeAll().count == keys.count - 2)
  }
}
