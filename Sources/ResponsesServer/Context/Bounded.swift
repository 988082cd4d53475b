/// A dictionary that forgets its oldest entries.
struct Bounded<Value> {
  private let capacity: Int
  private var values: [String: Value] = [:]
  /// A ring of the keys, in order of insertion.
  private var order: [String] = []
  private var oldest = 0

  init(capacity: Int) {
    self.capacity = max(1, capacity)
  }

  subscript(_ key: String) -> Value? { values[key] }

  /// Its place in the ring stays, and goes with the next round.
  mutating func remove(_ key: String) -> Bool { values.removeValue(forKey: key) != nil }

  mutating func insert(_ value: Value, for key: String) {
    guard values.updateValue(value, forKey: key) == nil else { return }
    if order.count < capacity {
      order.append(key)
    } else {
      values.removeValue(forKey: order[oldest])
      order[oldest] = key
      oldest = (oldest + 1) % capacity
    }
  }
}
