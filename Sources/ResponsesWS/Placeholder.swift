package enum ResponsesWSPlaceholder {}
