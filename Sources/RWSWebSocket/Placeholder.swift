package enum RWSWebSocketPlaceholder {}
