// Event, TurnStats, ResponsesError and the other values that the machine makes and users read are
// declared once, in RWSProtocol; importing RWSClient is enough to see them.
@_exported import RWSProtocol
