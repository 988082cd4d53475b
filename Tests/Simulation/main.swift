// simulate [FIRST [COUNT]] [--trace]: runs seeds; a failing one prints the line that reproduces it.
import Glibc

let arguments = CommandLine.arguments.dropFirst()
let numbers = arguments.compactMap(UInt64.init)
let first = numbers.first ?? 1
let count = numbers.dropFirst().first ?? 1
World.isTraced = arguments.contains("--trace")

var turns = 0
for seed in first..<(first + count) {
  let world = World(seed: seed)
  world.run()
  turns += world.turnCount
  guard Violation.found.isEmpty else {
    for violation in Violation.found.prefix(4) { print(violation) }
    print("Again: make sim SEED=\(seed)")
    print("\(seed - first) passed, 1 failed")
    exit(1)
  }
}
print("\(turns) turns in \(count) seeds from \(first): no violation")
print("\(count) passed, 0 failed")
