import Glibc
import RWSProtocol

/// What a run prints.
enum Report {
  static func found(_ seed: UInt64, _ first: UInt64, _ mutant: Rule?) -> Never {
    if let mutant {
      print("\(padded(mutant)) seed \(seed): \(Violation.found.first?.prefix(100) ?? "")")
      exit(0)
    }
    for violation in Violation.found.prefix(4) { print(violation) }
    print("Again: make sim SEED=\(seed)")
    print("\(seed - first) passed, 1 failed")
    exit(1)
  }

  /// How often each rule fired; returns how many never did.
  static func rules(_ tally: RuleTally) -> Int {
    print("How often each rule fired:")
    for rule in Rule.allCases { print("  \(padded(rule)) \(tally.count(rule))") }
    return Rule.allCases.count { tally.count($0) == 0 }
  }

  static func fail(_ text: String) -> Never {
    print(text)
    exit(1)
  }

  private static func padded(_ rule: Rule) -> String {
    let name = "\(rule)"
    return name + String(repeating: " ", count: max(0, 32 - name.count))
  }
}
