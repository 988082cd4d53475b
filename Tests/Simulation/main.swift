// simulate [FIRST [COUNT]] [--trace] [--all-rules] [--without RULE], or simulate --rules
//
// Runs seeds; a failing one prints the line that reproduces it. --all-rules: a rule of the machine that never fired is
// a failure. --without: a rule that can be out of force without a violation is one.
import Glibc
import RWSProtocol

var numbers: [UInt64] = []
var mutant: Rule?
var needsAllRules = false
var arguments = CommandLine.arguments.dropFirst()
while let argument = arguments.popFirst() {
  switch argument {
  case "--trace": World.isTraced = true
  case "--all-rules": needsAllRules = true
  case "--rules":
    for rule in Rule.allCases { print(rule) }
    exit(0)
  case "--without":
    let name = arguments.popFirst()
    mutant = Rule.allCases.first { "\($0)" == name }
    if mutant == nil { Report.fail("--without needs a rule; --rules lists them") }
  default:
    guard let number = UInt64(argument) else { Report.fail("what is \(argument)?") }
    numbers.append(number)
  }
}
let first = numbers.first ?? 1
let count = numbers.dropFirst().first ?? 1

let tally = RuleTally(disabling: mutant)
var turns = 0
for seed in first..<(first + count) {
  let world = World(seed: seed, tally: tally)
  world.run()
  turns += world.turnCount
  guard Violation.found.isEmpty else { Report.found(seed, first, mutant) }
  if mutant == nil, (seed - first + 1) % 10_000 == 0, seed != first + count - 1 {
    print("\(seed - first + 1) seeds, up to \(seed): no violation")
    fflush(nil)
  }
}
if let mutant {
  Report.fail("nothing notices \(mutant) in \(count) seeds; it fired \(tally.count(mutant)) times")
}
print("\(turns) turns in \(count) seeds from \(first): no violation")
let missing = count >= 1_000 ? Report.rules(tally) : 0
guard missing == 0 || !needsAllRules else { Report.fail("\(missing) rules never fired\n0 passed, 1 failed") }
print("\(count) passed, 0 failed")
