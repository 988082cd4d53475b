/// How a text is cut into pieces before pairs are merged within each; belongs to a vocabulary.
package enum SplitPattern: Sendable {
  case o200k
  case cl100k
}
