// swift-tools-version: 6.2
import Glibc
import PackageDescription

// Who may import whom is drawn in Sources/ARCHITECTURE.md and checked by Tests/check-imports.

/// Flags of libresponsesws.so alone: the Swift runtime inside, only rws_* outside, never unloaded.
/// No target that Swift users import may carry unsafe flags (SwiftPM refuses them in dependencies).
let sharedLibraryFlags: [LinkerSetting] = [
  .unsafeFlags([
    // The toolchain's own linker, which can pack relocations; gold cannot.
    "-static-stdlib", "-use-ld=lld",
    "-Xlinker", "--version-script=\(Context.packageDirectory)/Sources/ResponsesWSABI/exports.map",
    // Generic code comes in many equal copies; "safe" keeps apart those whose address somebody takes.
    "-Xlinker", "--gc-sections", "-Xlinker", "--icf=safe", "-Xlinker", "-O2",
    "-Xlinker", "-z", "-Xlinker", "nodelete",
    "-Xlinker", "-soname", "-Xlinker", "libresponsesws.so.0",
  ] + (readsPackedRelocations ? ["-Xlinker", "-z", "-Xlinker", "pack-relative-relocs"] : []))
]

/// glibc does from 2.36 on. They take 16 KiB instead of half a MiB.
var readsPackedRelocations: Bool {
  var text = [CChar](repeating: 0, count: 64)
  // "glibc 2.36"
  guard confstr(Int32(_CS_GNU_LIBC_VERSION), &text, text.count) > 0 else { return false }
  let name = String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  let numbers = name.split(whereSeparator: { " .".contains($0) }).compactMap { Int($0) }
  return numbers.count >= 2 && (numbers[0], numbers[1]) >= (2, 36)
}

let package = Package(
  name: "libresponsesws",
  products: [
    .library(name: "ResponsesWS", targets: ["ResponsesWS"]),
    .library(name: "responsesws", type: .dynamic, targets: ["ResponsesWSABI"]),
    .executable(name: "responsesws-server", targets: ["responsesws-server"]),
    .executable(name: "agent-swift", targets: ["agent-swift"]),
    .executable(name: "readme-swift", targets: ["readme-swift"]),
  ],
  targets: [
    .systemLibrary(
      name: "COpenSSL", path: "Sources/COpenSSL", pkgConfig: "openssl",
      providers: [.apt(["libssl-dev"])]),
    .systemLibrary(
      name: "CCJSON", path: "Sources/CCJSON", pkgConfig: "libcjson",
      providers: [.apt(["libcjson-dev"])]),
    .systemLibrary(
      name: "CZlib", path: "Sources/CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
    .systemLibrary(name: "CLinux", path: "Sources/CLinux"),
    .systemLibrary(name: "CResponsesWS", path: "Include"),

    .target(name: "RWSJSON"),
    .target(name: "RWSWebSocket", dependencies: ["COpenSSL", "CZlib"]),
    .target(name: "RWSTokens", dependencies: ["RWSJSON"]),
    .target(name: "RWSProtocol", dependencies: ["RWSTokens", "RWSJSON"]),
    .target(name: "RWSNetwork", dependencies: ["RWSWebSocket", "COpenSSL", "CLinux"]),
    .target(
      name: "RWSClient",
      dependencies: ["RWSProtocol", "RWSNetwork", "RWSTokens", "RWSWebSocket", "RWSJSON"]),
    .target(name: "ResponsesWS", dependencies: ["RWSClient"]),
    .target(
      name: "ResponsesWSABI",
      dependencies: ["RWSClient", "RWSNetwork", "CResponsesWS", "CCJSON"],
      exclude: ["exports.map"], linkerSettings: sharedLibraryFlags),

    .target(
      name: "ResponsesServer",
      dependencies: ["RWSTokens", "RWSJSON", "RWSWebSocket", "RWSNetwork", "CLinux"]),
    .executableTarget(name: "responsesws-server", dependencies: ["ResponsesServer"]),
    .executableTarget(
      name: "agent-swift", dependencies: ["ResponsesWS"], path: "Examples/agent-swift"),
    .executableTarget(
      name: "readme-swift", dependencies: ["ResponsesWS"], path: "Examples/readme-swift"),

    // Says what the scanner reads, for run.py beside it to compare; no product.
    .executableTarget(
      name: "scanner-dump", dependencies: ["RWSProtocol"], path: "Tests/ScannerAgreement",
      exclude: ["run.py"]),

    // The machine against a simulated network and server (make sim); no product.
    .executableTarget(
      name: "simulate", dependencies: ["RWSProtocol", "RWSJSON"], path: "Tests/Simulation"),

    // What the mirror of a session costs (make bench-session); no product.
    .executableTarget(
      name: "session-bench", dependencies: ["RWSProtocol", "RWSTokens", "RWSJSON"],
      path: "Benchmarks/session"),

    // Says how texts are cut into tokens, for run.py beside it to compare and to time; no product.
    .executableTarget(
      name: "token-dump", dependencies: ["RWSTokens"], path: "Tests/TokenAgreement",
      exclude: ["run.py"]),

    // What scripts/conformance runs against the Autobahn testsuite; no product.
    .executableTarget(
      name: "autobahn-client", dependencies: ["ResponsesWS"],
      path: "Tests/Conformance/autobahn-client"),

    .testTarget(name: "RWSJSONTests", dependencies: ["RWSJSON"]),
    .testTarget(name: "RWSWebSocketTests", dependencies: ["RWSWebSocket"]),
    .testTarget(name: "RWSTokensTests", dependencies: ["RWSTokens"]),
    .testTarget(
      name: "RWSProtocolTests", dependencies: ["RWSProtocol", "RWSTokens", "RWSJSON"]),
    .testTarget(
      name: "RWSNetworkTests", dependencies: ["RWSNetwork", "RWSWebSocket", "COpenSSL", "CLinux"]),
    .testTarget(
      name: "ResponsesWSTests",
      dependencies: [
        "ResponsesWS", "RWSClient", "ResponsesServer", "RWSNetwork", "RWSWebSocket", "RWSProtocol", "RWSJSON",
      ]),
    .testTarget(name: "ResponsesServerTests", dependencies: ["ResponsesServer", "RWSTokens", "RWSJSON"]),
  ],
  swiftLanguageModes: [.v6]
)
