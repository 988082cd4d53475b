import ResponsesWS

print("ECHO: from outside")
