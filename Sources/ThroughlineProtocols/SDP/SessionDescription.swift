/// A session description (RFC 8866), as servers send them: lines in any order, with any line end, some missing, some
/// meaningless.
package struct SessionDescription: Hashable, Sendable {
    /// How much of a description is looked at; what goes beyond is passed over.
    package enum Limit {
        package static let bytes = 1 << 20
        package static let media = 64
        /// In each section.
        package static let attributes = 512
        package static let bandwidths = 16
    }

    /// `o=`, `s=`, `i=` and `c=` without the line's type.
    package var origin: String?
    package var name: String?
    package var information: String?
    package var connection: String?
    package var bandwidths: [SDPBandwidth] = []
    /// The attributes before the first medium, in order.
    package var attributes: [SDPAttribute] = []
    package var media: [MediaDescription] = []

    package init() {}

    /// `nil` when there is not one medium in it, as nothing can be played then.
    package init?(parsing bytes: [UInt8]) {
        // A byte order mark, or blanks, may stand before a line.
        for line in bytes.prefix(Limit.bytes).split(whereSeparator: { $0 == 0x0A || $0 == 0x0D || $0 == 0 }) {
            take(line: String(decoding: line, as: UTF8.self).trimmed)
        }
        if media.isEmpty { return nil }
    }

    private mutating func take(line: Substring) {
        var line = line
        if line.utf8.starts(with: [0xEF, 0xBB, 0xBF]) { line = Substring(line.utf8.dropFirst(3)) }
        guard let type = line.utf8.first, type.isLetter else { return }
        let rest = Substring(line.utf8.dropFirst()).trimmed
        guard rest.utf8.first == UInt8(ascii: "=") else { return }
        let value = Substring(rest.utf8.dropFirst()).trimmed
        switch type {
        case UInt8(ascii: "m"):
            if media.count < Limit.media, let medium = MediaDescription(parsing: value) { media.append(medium) }
        case UInt8(ascii: "a"):
            guard let attribute = SDPAttribute(parsing: value) else { return }
            if let last = media.indices.last {
                if media[last].attributes.count < Limit.attributes { media[last].attributes.append(attribute) }
            } else if attributes.count < Limit.attributes {
                attributes.append(attribute)
            }
        case UInt8(ascii: "b"):
            guard let bandwidth = SDPBandwidth(parsing: value) else { return }
            if let last = media.indices.last {
                if media[last].bandwidths.count < Limit.bandwidths { media[last].bandwidths.append(bandwidth) }
            } else if bandwidths.count < Limit.bandwidths {
                bandwidths.append(bandwidth)
            }
        case UInt8(ascii: "c"):
            if let last = media.indices.last {
                media[last].connection = String(value)
            } else {
                connection = String(value)
            }
        case UInt8(ascii: "o"): if media.isEmpty { origin = origin ?? String(value) }
        case UInt8(ascii: "s"): if media.isEmpty { name = name ?? String(value) }
        case UInt8(ascii: "i"): if media.isEmpty { information = information ?? String(value) }
        default: break
        }
    }
}

extension SessionDescription {
    package var control: String? { attributes.value("control") }

    /// The range of the presentation; where the session names none, that of the first medium that does.
    package var range: RTSPRange? {
        attributes.value("range").flatMap { RTSPRange($0) } ?? media.lazy.compactMap(\.range).first
    }

    /// Indices of the media that a client receives.
    ///
    /// A back channel of a camera (ONVIF Streaming Specification section 5.3) is `sendonly`, seen from the client; and what is
    /// `inactive` brings nothing. Where every medium says so, the server means itself, and all are received.
    package var incoming: [Int] {
        let found = media.indices.filter { ![.sendOnly, .inactive].contains(media[$0].direction) }
        return found.isEmpty ? Array(media.indices) : found
    }

    package var bitsPerSecond: Int64? { bandwidths.bitsPerSecond }

    /// The address of `c=`, for a medium or for all: `224.2.1.1` of `IN IP4 224.2.1.1/127`.
    package func address(of medium: MediaDescription) -> String? {
        guard let text = medium.connection ?? connection else { return nil }
        let words = text.parts(separatedBy: 0x20, limit: 4)
        guard words.count >= 3 else { return nil }
        return String(words[2].cut(at: UInt8(ascii: "/")).head)
    }

    /// The URLs of this description, that came with the headers of a response.
    package func controlURLs(requestURL: String, headers: RTSPHeaders) -> RTSPControlURLs {
        RTSPControlURLs(
            requestURL: requestURL, contentBase: headers[.contentBase], contentLocation: headers[.contentLocation],
            sessionControl: control)
    }
}
