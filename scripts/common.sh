# Sourced by the scripts beside it: where things are, and how to speak to the user.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
build="$root/build"
logs="$build/log"

say() { printf '%s\n' "$*"; }
fail() { printf 'error: %s\n' "$*" >&2; exit 1; }

# The toolchain on PATH wins; the others are where the downloads of swift.org and swiftly put it.
find_swift() {
  local candidate
  if command -v swift >/dev/null; then return 0; fi
  for candidate in /opt/swift/usr/bin "$HOME/.local/share/swiftly/bin" /usr/share/swift/usr/bin; do
    if [ -x "$candidate/swift" ]; then export PATH="$candidate:$PATH"; return 0; fi
  done
  fail "Swift 6.3 or newer is needed and no 'swift' was found on PATH.
  Get it from https://www.swift.org/install/linux/ (swiftly, or an archive to unpack to /opt/swift)."
}

# Runs a command with its output in build/log/NAME.log; shows the log only when it fails.
quietly() {
  local name="$1"; shift
  mkdir -p "$logs"
  if ! "$@" >"$logs/$name.log" 2>&1 </dev/null; then
    cat "$logs/$name.log" >&2
    fail "'$*' failed (output above, also in build/log/$name.log)"
  fi
}
