package enum RWSNetworkPlaceholder {}
