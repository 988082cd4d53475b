import RWSJSON

/// Input or output items as the bytes that were sent or received, joined by commas: ready to be
/// spliced into a request body. Items are never reprinted through a tree (protocol.md, Full replay 9).
package struct ItemList: Sendable, Equatable {
  /// `{…},{…}`: the inside of a JSON array.
  package private(set) var joined: [UInt8] = []
  package private(set) var count = 0

  package init() {}

  package mutating func append(_ item: some Collection<UInt8>) {
    if count > 0 { joined.append(UInt8(ascii: ",")) }
    joined.append(contentsOf: item)
    count += 1
  }

  package mutating func append(contentsOf other: ItemList) {
    guard other.count > 0 else { return }
    append(other.joined)
    count += other.count - 1
  }
}
