package enum ResponsesServerPlaceholder {}
