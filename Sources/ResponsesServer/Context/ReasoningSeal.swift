/// What the ciphertext of a reasoning item holds in the service: which model reasoned, for whom, and after
/// which context. Here it holds nothing else, and in clear.
package struct ReasoningSeal: Equatable, Sendable {
  let organization: UInt64
  let model: UInt64
  let endUser: UInt64
  let prefix: UInt64

  private static let mark = "gAAAAABo"

  init(_ request: ResponseRequest, after digest: Digest) {
    organization = Digest.of(request.organization)
    model = Digest.of(request.model)
    endUser = Digest.of(request.endUser)
    prefix = digest.value
  }

  /// nil for reasoning that this server did not make; that is taken as it is.
  init?(ciphertext: String) {
    let parts = ciphertext.split(separator: "_")
    guard parts.count == 6, parts[0] == Self.mark,
      let organization = UInt64(parts[1], radix: 16), let model = UInt64(parts[2], radix: 16),
      let endUser = UInt64(parts[3], radix: 16), let prefix = UInt64(parts[4], radix: 16)
    else { return nil }
    self.organization = organization
    self.model = model
    self.endUser = endUser
    self.prefix = prefix
  }

  /// Another one each time, as the service's.
  func ciphertext(_ ids: inout IDSource) -> String {
    let fields = [organization, model, endUser, prefix].map { String($0, radix: 16) }
    return ids.next(([Self.mark] + fields).joined(separator: "_"))
  }

  /// Why a model that answers `request` after `digest` is not shown this reasoning; nil: it is.
  func mismatch(_ request: ResponseRequest, after digest: Digest) -> InputTransformation.Reason? {
    let now = ReasoningSeal(request, after: digest)
    if now.organization != organization { return .organizationMismatch }
    if now.endUser != endUser { return .endUserMismatch }
    if now.model != model { return .modelMismatch }
    return now.prefix == prefix ? nil : .prefixMismatch
  }
}
