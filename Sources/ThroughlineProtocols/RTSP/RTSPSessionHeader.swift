/// The `Session` header (RFC 2326 section 12.37).
package struct RTSPSessionHeader: Hashable, Sendable {
    /// Opaque; sent back as it came.
    package var id: String
    /// Seconds of silence after which the server may end the session, 1 to 86 400; `nil` where it does not say, and 60
    /// are meant.
    package var timeout: Int?

    package init(id: String, timeout: Int? = nil) {
        self.id = id
        self.timeout = timeout
    }

    /// The name of the parameter and the spaces around it are as the server likes. A timeout of 0 is none: some send it
    /// without meaning it. `nil` without an identifier.
    package init?(_ text: String) {
        var parts = text.parts(separatedBy: UInt8(ascii: ";"), limit: 16)[...]
        guard let id = parts.popFirst(), !id.utf8.contains(UInt8(ascii: "=")) || !id.startsIgnoringCase(with: "timeout")
        else { return nil }
        self.id = String(id)
        timeout = parts.lazy.map { HeaderParameter(parsing: $0) }
            .first { $0.isNamed("timeout") }?.value?.trimmed.leadingDecimal
            .flatMap { $0 > 0 ? Int(min($0, 86_400)) : nil }
    }
}

extension RTSPHeaders {
    package var session: RTSPSessionHeader? { self[.session].flatMap { RTSPSessionHeader($0) } }
}
