package enum RWSJSONPlaceholder {}
