// token-dump: reads texts from standard input, each after its length (32 bits, little-endian), and
// writes the count and the ranks of the tokens of each (32 bits each). run.py compares them with what
// the tiktoken package finds.
//
//     token-dump VOCABULARY [o200k|cl100k]
//     token-dump --bench VOCABULARY TEXT     prints the tokens of the text and the CPU time of a count

import Glibc
import RWSTokens

let arguments = Array(CommandLine.arguments.dropFirst())
if arguments.first == "--bench", arguments.count == 3 {
  timeCounting(of: readFile(arguments[2]), vocabulary(arguments[1], .o200k))
} else if let path = arguments.first {
  dump(Tokenizer(vocabulary(path, arguments.last == "cl100k" ? .cl100k : .o200k)))
} else {
  fail("usage: token-dump VOCABULARY [o200k|cl100k]")
}

func dump(_ tokenizer: Tokenizer) {
  let input = readAll(STDIN_FILENO)
  var output: [UInt32] = []
  input.withUnsafeBytes { bytes in
    var offset = 0
    while offset + 4 <= bytes.count {
      let length = Int(bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
      offset += 4
      guard offset + length <= bytes.count else { break }
      let text = UnsafeRawBufferPointer(rebasing: bytes[offset..<(offset + length)])
      let ranks = tokenizer.encode(text)
      if tokenizer.count(text) != ranks.count { fail("count and encode differ") }
      output.append(UInt32(ranks.count))
      output += ranks
      offset += length
    }
  }
  output.withUnsafeBytes { bytes in
    var offset = 0
    while offset < bytes.count {
      let count = write(STDOUT_FILENO, bytes.baseAddress?.advanced(by: offset), bytes.count - offset)
      if count <= 0 { return }
      offset += count
    }
  }
}

func timeCounting(of text: [UInt8], _ vocabulary: Vocabulary) {
  let tokenizer = Tokenizer(vocabulary)
  var best = Int.max
  var count = 0
  text.withUnsafeBytes { bytes in
    for _ in 0..<5 {
      let start = nanoseconds()
      count = tokenizer.count(bytes)
      best = min(best, nanoseconds() - start)
    }
  }
  print("\(count) \(best)")
}

func vocabulary(_ path: String, _ pattern: SplitPattern) -> Vocabulary {
  do {
    return try readFile(path).withUnsafeBytes { try Vocabulary($0, pattern: pattern) }
  } catch {
    fail("\(error)")
  }
}

func readFile(_ path: String) -> [UInt8] {
  let descriptor = open(path, O_RDONLY | O_CLOEXEC)
  if descriptor < 0 { fail("cannot open \(path)") }
  defer { close(descriptor) }
  return readAll(descriptor)
}

func readAll(_ descriptor: Int32) -> [UInt8] {
  var all: [UInt8] = []
  var buffer = [UInt8](repeating: 0, count: 1 << 20)
  while true {
    let count = read(descriptor, &buffer, buffer.count)
    if count <= 0 { return all }
    all.append(contentsOf: buffer[..<count])
  }
}

func nanoseconds() -> Int {
  var time = timespec()
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
  return time.tv_sec * 1_000_000_000 + time.tv_nsec
}

func fail(_ message: String) -> Never {
  let line = Array("token-dump: \(message)\n".utf8)
  _ = write(STDERR_FILENO, line, line.count)
  exit(1)
}
