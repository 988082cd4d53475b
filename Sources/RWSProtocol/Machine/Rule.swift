/// The machine's joint rules by name, for the simulation: it counts how often each fires, fails if one never does, and
/// fails if one can be out of force without being noticed (`make sim`, `make sim-mutants`).
///
/// To add a rule: a case here, and `holds(.name)` as the last condition where it takes effect, of the machine or of
/// the route at hand. If it is never reported as missing, the simulation does not judge what it is for.
package enum Rule: Int, CaseIterable, Sendable {
  // How turns end.
  case commits
  case unfinishedCallIsDropped
  case terminalOutputFillsIn
  case failureEvicts
  case timeLimits
  case missingOutputIsRefused
  case movedHistoryIsRefused

  // What is sent again.
  case notFoundIsResent
  case notSentIsResent
  case ageLimitIsResent
  case refusedNameIsResent
  case resendsAreBounded
  case replayFollowsPolicy
  case transientIsRetried
  case retryAfterIsKept

  // Delta or full.
  case reconnectedIsFull
  case evictedIsFull
  case elsewhereIsFull
  case storedIsDelta
  case storedNeedsStoredContext
  case changedHistoryIsFull
  case changedInstructionsAreFull
  case instructionsOnlyAtStart

  // Lanes.
  case laneHoldsLatest
  case laneReuseEvicts
  case cancelQuarantines
  case quarantineEnds
  case quarantineEvicts
  case quarantineAwaitsSuccessor
  case forkHoldsSource
  case forkReleasesSource
  case echoShowsLanes
  case namelessIsTheOnlyOne

  // The pool.
  case inFlightLimit
  case laneNamesLimit
  case connectionsLimit
  case dialRate
  case longestIdleGivesLane
  case desertedGivesWay
  case fullOfCancelledIsClosed
  case unneededPlaceIsGiven
  case idleIsClosed
  case notAnEventCloses

  // The age limit.
  case begunRunsOn
  case retiredIsClosed
  case oldIsLeft
  case replacementOpensFirst
  case movedIsPrimed

  // HTTP where no WebSocket is to be had.
  case blockedFallsBack
  case blockedIsRemembered
  case blockedIsProbed
  case transportIsKept
  case unusedGivesWay

  // Stored responses that were lost.
  case storedIsLookedUp
  case runningIsLookedUpAgain

  // API keys that are asked for.
  case keyQuestionIsShared
  case keyQuestionExpires
  case refusedKeyIsReplaced
  case refusedKeyIsTold
  case refusedMeanwhileAsksNext
  case anotherKeyOnce

  // Slow readers.
  case fullQueuePauses
  case neighboursAreNotPaused

  // Steering.
  case steerWaitsForID
  case steerIsFoundByResponse
  case endAwaitsSuccessor
  case unansweredSteerIsNotCommitted
  case pendingSteerIsCommitted
  case pendingSteerNeedsItsLane
  case pendingSteerMayFail
  case lostSteersAreTold
  case successorMayNotCome
}

/// How often each rule fired.
package final class RuleTally {
  private var counts = [Int](repeating: 0, count: Rule.allCases.count)
  /// Out of force.
  private let disabled: Rule?

  package init(disabling disabled: Rule? = nil) { self.disabled = disabled }

  package func count(_ rule: Rule) -> Int { counts[rule.rawValue] }

  func holds(_ rule: Rule) -> Bool {
    counts[rule.rawValue] += 1
    return rule != disabled
  }
}

extension ClientMachine {
  /// In the product there is no tally: true, after one look.
  func holds(_ rule: Rule) -> Bool { tally?.holds(rule) ?? true }
}

extension Route {
  func holds(_ rule: Rule) -> Bool { tally?.holds(rule) ?? true }
}
