/// The parameters of a payload format, as `a=fmtp` lists them: `mode=AAC-hbr; sizelength=13` (RFC 8866 section 6.15).
package struct FormatParameters: Hashable, Sendable {
    private var values: [String: Substring] = [:]

    /// - Parameter text: the value of the attribute without the payload type; nil for none. Of a parameter that is listed
    ///   twice the first counts; what is no parameter is passed over.
    package init(_ text: String?) {
        for part in (text ?? "").split(separator: ";").prefix(64) {
            let words = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let name = words[0].trimmingSpaces.lowercased()
            if name.isEmpty || values[name] != nil { continue }
            values[name] = words.count > 1 ? words[1].trimmingSpaces : ""
        }
    }

    /// - Parameter name: in lower case.
    package subscript(name: String) -> Substring? { values[name] }

    /// A number that is not negative.
    package func number(_ name: String) -> Int? {
        guard let text = values[name], text.utf8.count <= 9, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
            return nil
        }
        return Int(text)
    }
}

extension Substring {
    fileprivate var trimmingSpaces: Substring {
        var text = drop { $0 == " " || $0 == "\t" }
        while let last = text.last, last == " " || last == "\t" { text.removeLast() }
        return text
    }
}
