import Glibc
import ResponsesWS
import Testing

extension SwiftFace {
  @Suite("Saved sessions") struct SavingTests {
    @Test("a saved session goes on in another client, by id where it is stored")
    func restore() throws {
      let server = try LocalServer()
      for (isStored, reason) in [(true, nil), (false, FullReason.restored)] {
        let session = try Client.session(
          server.url, settings: #"{"model":"rules","store":\#(isStored)}"#)
        _ = try session.finished("first words")
        let restored = try Client(.test(server.url)).restore(session.save())
        let turn = try restored.finished("RECALL")
        #expect(turn.text == "RECALL users=2 tools=0 first=first words")
        #expect(turn.stats.fullReason == reason && turn.stats.isDelta == isStored)
        #expect(try restored.finished("RECALL").stats.isDelta)
      }
    }

    @Test("no key is saved; the file is its owner's alone; another client may change settings")
    func file() throws {
      let server = try LocalServer()
      let session = try Client(.test(server.url, apiKey: "sk-secret")).session(
        settings: #"{"model":"rules","store":false}"#)
      _ = try session.finished("first words")
      #expect(!String(decoding: try session.save(), as: UTF8.self).contains("sk-secret"))
      let path = "/tmp/responsesws-saved-\(getpid()).json"
      defer { unlink(path) }
      try session.save(to: path)
      var status = stat()
      #expect(stat(path, &status) == 0 && status.st_mode & 0o777 == 0o600)
      #expect(status.st_size == (try session.save()).count)
      let restored = try Client(.test(server.url)).restore(
        session.save(), overrides: #"{"instructions":"Be brief."}"#)
      #expect(try restored.fullBody([]).contains("Be brief."))
    }

    @Test("a path that cannot be written is an error")
    func path() throws {
      let session = try Client(.test("ws://127.0.0.1:1/v1")).session(settings: #"{"model":"m"}"#)
      #expect(try failure { try session.save(to: "/nowhere/at/all") }.status == .resources)
      #expect(try failure { try session.save(to: "") }.status == .invalidArgument)
    }
  }
}
