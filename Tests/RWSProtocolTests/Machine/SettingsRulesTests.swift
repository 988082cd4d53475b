import RWSJSON
import Testing

@testable import RWSProtocol

/// protocol.md, Settings: what a changed setting costs.
@Suite struct SettingsRulesTests {
  private let user = #"[{"role":"user","content":"hi"}]"#
  private let settings =
    #"{"model":"m","store":false,"instructions":"be brief","tools":[{"type":"function","name":"f","parameters":{"required":["a"]}}],"text":{"verbosity":"low"},"reasoning":{"effort":"low"}}"#

  private func begun(_ dialect: Dialect? = nil) throws -> MachineDriver {
    let driver = try MachineDriver(settings: settings, lanes: .supported, dialect: dialect)
    try driver.start(user)
    driver.open()
    driver.answer("r1")
    return driver
  }

  @Test(
    "A changed setting stays a delta; one that is rendered into the context is reported as a cache break",
    arguments: [
      (#"{}"#, nil), (#"{"metadata":{"a":"b"},"temperature":0.5,"tool_choice":"none"}"#, nil),
      (#"{"tools":[{"name":"f","type":"function","parameters":{"required":["\u0061"]}}]}"#, nil),
      (#"{"model":"n"}"#, "model"), (#"{"instructions":"be long"}"#, "instructions"),
      (#"{"tools":[{"type":"function","name":"f","parameters":{"required":["a","b"]}}]}"#, "tools[0].parameters.required[1]"),
      (#"{"tools":null}"#, "tools"), (#"{"text":{"verbosity":"high"}}"#, "text.verbosity"),
      (#"{"reasoning":{"effort":"high"}}"#, "reasoning.effort"),
      (#"{"prompt_cache_key":"k"}"#, "prompt_cache_key"),
    ] as [(String, String?)])
  func cacheBreak(_ overrides: String, _ path: String?) throws {
    let driver = try begun()
    let turn = try driver.start(user, overrides: overrides)
    #expect(driver.request(turn)?.previousResponseID == "r1")
    driver.answer("r2")
    #expect(driver.ends[turn]?.stats.cacheBreak == path)
    #expect(driver.ends[turn]?.stats.isDelta == true)
  }

  @Test("Instructions are not carried over by the id: each request has them")
  func instructions() throws {
    let driver = try begun()
    let turn = try driver.start(user)
    #expect(driver.request(turn)?.body["instructions"]?.string == "be brief")
  }

  @Test("A dialect that refuses instructions with an id gets them at the chain's start only")
  func instructionsOnce() throws {
    let driver = try begun(Dialect(host: "api.x.ai", path: "/v1"))
    let same = try driver.start(user)
    #expect(driver.request(same)?.previousResponseID == "r1")
    #expect(driver.request(same)?.body["instructions"] == nil)
    driver.answer("r2")
    let changed = try driver.start(user, overrides: #"{"instructions":"be long"}"#)
    let request = try #require(driver.request(changed))
    #expect(request.previousResponseID == nil && request.body["instructions"]?.string == "be long")
    driver.answer(request, "r3")
    #expect(driver.ends[changed]?.stats.fullReason == .instructionsChanged)
    let next = try driver.start(user, overrides: #"{"instructions":"be long"}"#)
    #expect(driver.request(next)?.previousResponseID == "r3")
  }

  @Test("Strict mode: a full resend is an error, a first turn is not, and nothing was sent")
  func strict() throws {
    let driver = try MachineDriver(settings: settings, lanes: .supported)
    let first = try driver.start(user, isStrict: true)
    driver.open()
    driver.answer("r1")
    #expect(driver.ends[first]?.outcome == .completed)
    driver.lose()
    let second = try driver.start(user, isStrict: true)
    driver.open()
    let error = try #require(driver.ends[second]?.error)
    #expect(error.status == .fullResend && error.execution == .notSent)
    #expect(error.message.contains("reconnected") && driver.request(second) == nil)
  }
}
