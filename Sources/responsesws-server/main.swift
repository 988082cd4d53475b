import Glibc
import ResponsesServer

// A local server that speaks the Responses API's WebSocket mode. See CommandLineOptions.help.

func say(_ text: String, to descriptor: Int32 = STDOUT_FILENO) {
  let line = Array((text + "\n").utf8)
  _ = line.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
}

do throws(UsageError) {
  guard let options = try CommandLineOptions.parse(Array(CommandLine.arguments.dropFirst())) else {
    say(CommandLineOptions.help)
    exit(0)
  }
  do throws(StartFailure) {
    let server = try Server(options)
    try server.run { say("listening on \(server.url)") }
  } catch {
    say("responsesws-server: \(error.message)", to: STDERR_FILENO)
    exit(1)
  }
} catch {
  say("responsesws-server: \(error.message) See --help.", to: STDERR_FILENO)
  exit(2)
}
