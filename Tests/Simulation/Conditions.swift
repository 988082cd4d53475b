import RWSProtocol

/// What one seed's world is like. Features are drawn per seed, so that some runs have few of them and show clearly
/// what the rest hides.
struct Conditions {
  enum Lanes { case supported, ignored, refused }
  /// Which of a response's items its events show.
  enum Telling: CaseIterable { case everywhere, doneOnly, terminalOnly }

  let lanes: Lanes
  /// The client knows from the start.
  let areLanesKnown: Bool
  /// xAI: no `instructions` with an id, those of the chain's start stay; error frames have no `type`.
  let keepsInstructions: Bool
  let canSteer: Bool
  let compacts: Bool
  let telling: Telling
  let sessions: Int
  let connectionsMax: Int
  let connectBurst: Int
  let connectInterval: Int64
  /// One in so many steps of a response is its last, and nobody says so; 0: none.
  let hangsOneIn: Int
  let changesSettings: Bool
  let reportsUsage: Bool
  let transport: TransportChoice
  /// A callback gives the API key for each connection.
  let asksForKey: Bool
  /// Some turns have a transport of their own.
  let mixesTransports: Bool
  /// Of a connection, when the server calls it too old; nil: beyond the run.
  let ageLimit: Int64?
  /// Agents take their time: connections get too old in the phase without faults, and no turn may notice.
  let isLong: Bool

  /// Contexts are prepared on the connections that sessions move to.
  let primes: Bool
  /// Of a connection that nobody uses: within the run, or beyond what any turn may wait.
  let idleTime: Int64

  init(_ random: inout SeededRandom) {
    let isCrowd = random.oneIn(60)
    isLong = !isCrowd && random.oneIn(25)
    // With nothing that would excuse a turn which waits.
    let isSmooth = isLong && random.oneIn(2)
    lanes = isCrowd || isSmooth ? .supported : random.below(4) > 0 ? .supported : random.oneIn(2) ? .ignored : .refused
    keepsInstructions = lanes == .refused && random.oneIn(2)
    areLanesKnown = isSmooth || keepsInstructions || random.oneIn(2)
    canSteer = random.oneIn(2)
    compacts = random.oneIn(3)
    telling = random.oneIn(3) ? Telling.allCases[random.below(3)] : .everywhere
    sessions = isCrowd ? 40 : 1 + random.below(isLong ? 4 : 10)
    connectionsMax = isCrowd ? 1 : 1 + random.below(6)
    connectBurst = 1 + random.below(4)
    connectInterval = 100
    hangsOneIn = isCrowd && random.oneIn(2) ? 2 : random.oneIn(3) ? 60 : 0
    changesSettings = random.oneIn(2)
    reportsUsage = !random.oneIn(4)
    transport = isCrowd || isSmooth || random.below(3) > 0 ? .webSocket : random.oneIn(4) ? .http : .automatic
    mixesTransports = !isCrowd && !isLong && random.oneIn(6)
    asksForKey = !isCrowd && !isLong && random.oneIn(6)
    ageLimit = isLong ? 24_000 : random.oneIn(3) ? Int64(1_500 + random.below(5_000)) : nil
    primes = ageLimit != nil && random.oneIn(2)
    idleTime = random.oneIn(3) ? 4 * ModelServer.patience : 5_000
  }
}
