// Some other library with a Swift runtime of its own, shared: strings, arrays, dictionaries.

@c(other_sum)
public func otherSum(_ count: Int64) -> Int64 {
  let texts = Dictionary(uniqueKeysWithValues: (0..<count).map { ($0, String($0)) })
  return texts.values.reduce(0) { $0 + Int64($1.utf8.count) }
}
