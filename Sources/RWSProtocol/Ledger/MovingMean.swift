/// A mean that follows its samples, and how far they lie from it, as RFC 6298 §2 has it for round trips.
struct MovingMean: Equatable, Sendable {
  private(set) var mean: Double
  /// Mean of the distances from the mean.
  private(set) var deviation: Double
  private(set) var sampleCount = 0

  /// - Parameters: What to say before the first sample.
  init(mean: Double, deviation: Double) {
    self.mean = mean
    self.deviation = deviation
  }

  mutating func add(_ sample: Double) {
    let distance = (sample - mean).magnitude
    if sampleCount == 0 {
      // How far samples scatter is not known yet: half of what was supposed, or of how wrong that was.
      deviation = max(deviation, distance) / 2
      mean = sample
    } else {
      deviation += (distance - deviation) / 4
      mean += (sample - mean) / 8
    }
    sampleCount &+= 1
  }
}
