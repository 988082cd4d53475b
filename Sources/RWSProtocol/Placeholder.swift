package enum RWSProtocolPlaceholder {}
