/// A place for a session's requests: one lane of one connection.
struct Seat {
  let connection: Connection
  let lane: Int
}
