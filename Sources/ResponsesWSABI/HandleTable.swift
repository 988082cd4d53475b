import RWSNetwork
import RWSClient

/// Generation-checked handles: what C holds is no address but an index and the generation of its slot,
/// so a handle that was freed, or is of another kind, is recognised instead of followed.
///
/// Bits of a handle: generation (32) · index (28) · kind (4). A slot is reused with the next
/// generation, so a stale handle is mistaken for a live one only after 2³² reuses of its slot.
/// The last index belongs to `parentsHandle`.
final class HandleTable<Object: AnyObject>: @unchecked Sendable {
  private struct Slot {
    var generation: UInt32 = 1
    var object: Object?
    var origin = ForkGuard()
  }

  private let kind: UInt
  private var slots: [Slot] = []
  private var free: [Int] = []

  /// - Parameter kind: 1 to 15, different for each table.
  init(kind: UInt) {
    self.kind = kind
  }

  /// Answers as a handle of the parent process does in a forked child, to rehearse that.
  var parentsHandle: OpaquePointer? { OpaquePointer(bitPattern: UInt(Self.indexMax) << 4 | kind) }

  private static var indexMax: Int { 1 << 28 - 1 }

  /// nil when 2²⁸ - 1 handles live.
  func insert(_ object: Object) -> OpaquePointer? {
    ForkGuard.withProcessLock {
      let index = free.popLast() ?? slots.count
      guard index < Self.indexMax else { return nil }
      if index == slots.count { slots.append(Slot()) }
      slots[index].object = object
      slots[index].origin = ForkGuard()
      return OpaquePointer(
        bitPattern: UInt(slots[index].generation) << 32 | UInt(index) << 4 | kind)
    }
  }

  enum Found {
    case object(Object)
    case nothing
    /// Of the parent process, whose locks may be held in this one for ever: not to be touched.
    case parents
  }

  subscript(handle: OpaquePointer?) -> Found {
    ForkGuard.withProcessLock {
      guard let index = index(of: handle), let object = slots[index].object else {
        return handle == parentsHandle ? .parents : .nothing
      }
      return slots[index].origin.isForkedChild ? .parents : .object(object)
    }
  }

  /// The object, which no handle names any more. One of the parent process is leaked, with its slot, not given:
  /// its end would touch what the two processes share.
  func remove(_ handle: OpaquePointer?) -> Object? {
    ForkGuard.withProcessLock {
      guard let index = index(of: handle), let object = slots[index].object else { return nil }
      let isParents = slots[index].origin.isForkedChild
      if isParents { _ = Unmanaged.passRetained(object) } else { free.append(index) }
      slots[index].object = nil
      slots[index].generation &+= 1
      return isParents ? nil : object
    }
  }

  private func index(of handle: OpaquePointer?) -> Int? {
    let bits = UInt(bitPattern: handle)
    let index = Int(bits >> 4 & UInt(Self.indexMax))
    guard bits & 15 == kind, index < slots.count,
      slots[index].generation == UInt32(truncatingIfNeeded: bits >> 32)
    else { return nil }
    return index
  }
}

/// The tables of the process.
enum Handles {
  static let clients = HandleTable<ClientHandle>(kind: 1)
  static let sessions = HandleTable<SessionHandle>(kind: 2)
  static let turns = HandleTable<TurnHandle>(kind: 3)
  static let sockets = HandleTable<SocketHandle>(kind: 4)
  static let keyRequests = HandleTable<APIKeyRequest>(kind: 5)

  static func client(_ handle: OpaquePointer?) throws(ResponsesError) -> ClientHandle {
    try find(handle, in: clients, "client")
  }

  static func session(_ handle: OpaquePointer?) throws(ResponsesError) -> SessionHandle {
    try find(handle, in: sessions, "session")
  }

  static func turn(_ handle: OpaquePointer?) throws(ResponsesError) -> TurnHandle {
    try find(handle, in: turns, "turn")
  }

  static func socket(_ handle: OpaquePointer?) throws(ResponsesError) -> SocketHandle {
    try find(handle, in: sockets, "socket")
  }

  static func keyRequest(_ handle: OpaquePointer?) throws(ResponsesError) -> APIKeyRequest {
    try find(handle, in: keyRequests, "request")
  }

  private static func find<Object: AnyObject>(
    _ handle: OpaquePointer?, in table: HandleTable<Object>, _ what: String
  ) throws(ResponsesError) -> Object {
    guard handle != nil else { throw ResponsesError(.invalidArgument, "The \(what) is NULL.") }
    switch table[handle] {
    case .object(let object): return object
    case .parents:
      throw ResponsesError(
        .forked, "The \(what) belongs to the parent process; make a new client in this one.")
    case .nothing:
      throw ResponsesError(
        .invalidHandle, "The \(what) was freed, or the handle is none of a \(what).")
    }
  }

  static func insert<Object: AnyObject>(
    _ object: Object, into table: HandleTable<Object>
  ) throws(ResponsesError) -> OpaquePointer {
    if let handle = table.insert(object) { return handle }
    throw ResponsesError(.limit, "Too many handles are in use.")
  }
}
