/// The `Transport` header: alternatives in the order of preference in a request, the one chosen in a response.
package struct RTSPTransportHeader: Hashable, Sendable {
    package var alternatives: [RTSPTransport]

    package init(_ alternatives: [RTSPTransport]) { self.alternatives = alternatives }

    /// At most 16 alternatives. `nil` when there is none that can be read.
    ///
    /// A part after a comma that begins with no protocol belongs to the alternative before it: there are cameras that
    /// write `server_port=40000-40001,ssrc=FFFFCCCC`.
    package init?(_ text: String) {
        var texts: [Substring] = []
        for part in text.parts(separatedBy: UInt8(ascii: ","), limit: 64) {
            let beginning = part.cut(at: UInt8(ascii: ";")).head
            let isParameter = beginning.utf8.contains(UInt8(ascii: "=")) || !beginning.utf8.contains(UInt8(ascii: "/"))
            if isParameter, let last = texts.popLast() {
                texts.append("\(last);\(part)")
            } else if texts.count < 16 {
                texts.append(part)
            }
        }
        alternatives = texts.compactMap { RTSPTransport(parsing: $0) }
        if alternatives.isEmpty { return nil }
    }
}

extension RTSPTransportHeader: CustomStringConvertible {
    package var description: String { alternatives.map(\.description).joined(separator: ",") }
}

extension RTSPHeaders {
    /// What the other side chose, or what it offers first.
    package var transport: RTSPTransportHeader? { self[.transport].flatMap { RTSPTransportHeader($0) } }
}
