/// The `RTP-Info` header of a PLAY response (RFC 2326 section 12.33, RFC 7826 section 18.45): which RTP packet comes
/// first, and which timestamp stands at the start of `Range`.
package struct RTPInfo: Hashable, Sendable {
    /// Any part may be missing.
    package struct Entry: Hashable, Sendable {
        /// As written: absolute, relative, or wrong.
        package var url: String?
        package var sequence: UInt16?
        package var timestamp: UInt32?
        /// RTSP 2.0 only.
        package var ssrc: UInt32?

        package init(url: String? = nil, sequence: UInt16? = nil, timestamp: UInt32? = nil, ssrc: UInt32? = nil) {
            self.url = url
            self.sequence = sequence
            self.timestamp = timestamp
            self.ssrc = ssrc
        }
    }

    package var entries: [Entry]

    package init(_ entries: [Entry]) { self.entries = entries }

    /// At most 64 entries; `nil` when there is none.
    ///
    /// URLs may hold commas, semicolons and quotes: an entry ends where a comma is followed by a name that begins one,
    /// and within an entry parameters are taken from its end until something else comes. Numbers beyond their width,
    /// and negative ones, are those of a server that printed another type; their low bits count.
    package init?(_ text: String) {
        entries = []
        for part in Self.split(text[...]) where entries.count < 64 {
            var entry = Self.entry(part)
            // RTSP 2.0 names a URL once for all the sources behind it.
            if entry.url == nil, entry.ssrc != nil { entry.url = entries.last?.url }
            if entry != Entry() { entries.append(entry) }
        }
        if entries.isEmpty { return nil }
    }

    private static let beginnings = ["url", "seq", "rtptime", "ssrc"]

    private static func split(_ text: Substring) -> [Substring] {
        var parts: [Substring] = []
        var start = text.startIndex
        var index = start
        let bytes = text.utf8
        var quotesMatter = true
        while index < bytes.endIndex {
            if bytes[index] == UInt8(ascii: "\""), quotesMatter {
                if let close = bytes[bytes.index(after: index)...].firstIndex(of: UInt8(ascii: "\"")) {
                    index = close
                } else {
                    quotesMatter = false
                }
            } else if bytes[index] == UInt8(ascii: ",") {
                let after = bytes.index(after: index)
                // Enough for a name and some spaces on either side.
                let next = Substring(bytes[after...].prefix(32)).trimmed
                let name = Substring(next.utf8.prefix { $0.isLetter })
                let follows = next[name.endIndex...].trimmed.utf8.first
                if name.startsIgnoringCase(with: "rtsp") && follows == UInt8(ascii: ":")
                    || beginnings.contains(where: { name.equalsIgnoringCase($0) }) && follows == UInt8(ascii: "=")
                {
                    parts.append(text[start..<index].trimmed)
                    start = after
                }
            }
            index = bytes.index(after: index)
        }
        parts.append(text[start...].trimmed)
        return parts.map { part in
            let isComma = { (byte: UInt8) in byte == UInt8(ascii: ",") }
            let bytes = part.utf8.drop(while: isComma)
            return Substring(
                bytes.prefix(upTo: bytes.lastIndex { !isComma($0) }.map { bytes.index(after: $0) } ?? bytes.startIndex)
            )
            .trimmed
        }
    }

    private static func entry(_ text: Substring) -> Entry {
        var entry = Entry()
        var rest = text
        // Quoted, the URL ends where its quote does, and RTSP 2.0 goes on with spaces and colons.
        let (name, value) = rest.cut(at: UInt8(ascii: "="))
        if name.trimmed.equalsIgnoringCase("url"), let value = value?.trimmed, value.utf8.first == UInt8(ascii: "\"") {
            let (url, after) = value.dropFirst().cut(at: UInt8(ascii: "\""))
            if let after {
                entry.url = url.trimmed.isEmpty ? nil : String(url.trimmed)
                entry.take(all: after)
                return entry
            }
        } else if name.trimmed.equalsIgnoringCase("ssrc") {
            entry.take(all: rest)
            return entry
        }
        while true {
            let bytes = rest.utf8
            guard let mark = bytes.lastIndex(of: UInt8(ascii: ";")) else {
                if entry.take(rest.trimmed) { return entry }
                break
            }
            let last = rest[bytes.index(after: mark)...].trimmed
            guard last.isEmpty || entry.take(last) else { break }
            rest = rest[..<mark]
        }
        let (head, tail) = rest.cut(at: UInt8(ascii: "="))
        let url = head.trimmed.equalsIgnoringCase("url") ? (tail ?? "").unquoted : rest.unquoted
        entry.url = url.trimmed.isEmpty ? nil : String(url.trimmed)
        return entry
    }
}

extension RTPInfo.Entry {
    /// The parameters of RTSP 2.0, which have no URL among them.
    fileprivate mutating func take(all text: Substring) {
        let separators: [UInt8] = [0x20, 0x09, UInt8(ascii: ";"), UInt8(ascii: ":")]
        for part in text.utf8.split(maxSplits: 32, whereSeparator: { separators.contains($0) }) {
            _ = take(Substring(part))
        }
    }

    /// Whether `text` is a parameter; what was taken before is not replaced.
    fileprivate mutating func take(_ text: Substring) -> Bool {
        let parameter = HeaderParameter(parsing: text)
        let value = parameter.value?.trimmed ?? ""
        // `seq=9/track1` is a part of a URL.
        guard !value.utf8.contains(UInt8(ascii: "/")) else { return false }
        switch parameter.name.asciiLowercased {
        case "seq":
            sequence = sequence ?? Self.number(value).map { UInt16(truncatingIfNeeded: $0) }
        case "rtptime":
            timestamp = timestamp ?? Self.number(value).map { UInt32(truncatingIfNeeded: $0) }
        case "ssrc":
            ssrc = ssrc ?? RTSPTransport.hexadecimal(String(value))
        default: return false
        }
        return true
    }

    private static func number(_ text: Substring) -> Int64? {
        text.utf8.first == UInt8(ascii: "-") ? text.dropFirst().leadingDecimal.map { -$0 } : text.leadingDecimal
    }
}

extension RTPInfo {
    /// The entry of a flow.
    ///
    /// Servers write the URL relative, without its query, with a slash too many, with another host than they were asked
    /// by, or that of the whole presentation for every flow. So these are tried in turn: the same URL; the same but for
    /// the query; the same but for host and query; the one URL that ends like the control attribute; and the place in
    /// the list, when there are as many entries as flows were set up.
    ///
    /// - Parameters:
    ///   - url: the absolute URL that the flow was set up with.
    ///   - control: its `a=control`, if it has one.
    ///   - index: which of the flows it is, in the order in which they were set up, from 0.
    ///   - count: how many were set up.
    package func entry(forURL url: String, control: String?, at index: Int, of count: Int) -> Entry? {
        let base = URLReference(url)
        let wanted = base.normalized
        let candidates = entries.map { entry in
            (entry: entry, url: entry.url.map { URLReference($0).resolved(against: base).normalized })
        }
        func only(where isSame: (URLReference) -> Bool) -> Entry? {
            let found = candidates.filter { $0.url.map(isSame) ?? false }
            return found.count == 1 ? found[0].entry : nil
        }
        func withoutQuery(_ url: URLReference) -> URLReference {
            var url = url
            // Behind the query there may be the part that tells flows apart.
            let rest = url.query?.cut(at: UInt8(ascii: "/")).tail
            url.query = nil
            if let rest { url.path += "/" + rest }
            return url
        }
        func pathOnly(_ url: URLReference) -> String { withoutQuery(url).path }
        if let entry = only(where: { $0 == wanted }) { return entry }
        if let entry = only(where: { withoutQuery($0) == withoutQuery(wanted) }) { return entry }
        if let entry = only(where: { pathOnly($0) == pathOnly(wanted) }) { return entry }
        if let control = control?.unquoted.trimmed, control != "*", !control.isEmpty {
            let name = URLReference(control).normalized
            let last = (name.path + (name.query.map { "?" + $0 } ?? ""))
                .parts(separatedBy: UInt8(ascii: "/"), limit: 256).last
            if let last,
                let entry = only(where: { url in
                    let path = url.path + (url.query.map { "?" + $0 } ?? "")
                    return path == last || path.hasSuffix("/" + last)
                })
            {
                return entry
            }
        }
        return entries.count == count && entries.indices.contains(index) ? entries[index] : nil
    }
}

extension RTPInfo: CustomStringConvertible {
    /// As RTSP 1.0 writes it.
    package var description: String {
        entries.map { entry in
            (["url=\(entry.url ?? "")"]
                + [entry.sequence.map { "seq=\($0)" }, entry.timestamp.map { "rtptime=\($0)" }]
                .compactMap { $0 }).joined(separator: ";")
        }.joined(separator: ",")
    }
}

extension RTSPHeaders {
    package var rtpInfo: RTPInfo? {
        let values = all(.rtpInfo)
        return values.isEmpty ? nil : RTPInfo(values.joined(separator: ","))
    }
}
