internal import ThroughlineCore

/// An attribute list of a playlist tag: `NAME=VALUE,NAME="VALUE"` (RFC 8216 section 4.2).
///
/// Where a name stands twice the first counts. What is no attribute is passed over up to the next comma.
struct HLSAttributes {
    private struct Attribute {
        let name: Substring
        /// Without quotes.
        let value: Substring
        let isQuoted: Bool
    }

    /// No tag has more; what follows is dropped.
    static let most = 64
    private var attributes: [Attribute] = []

    init(_ text: Substring) {
        let bytes = text.utf8
        var index = bytes.startIndex
        while index < bytes.endIndex, attributes.count < Self.most {
            let name = bytes[index...].prefix { $0 != UInt8(ascii: "=") && $0 != UInt8(ascii: ",") }
            guard name.endIndex < bytes.endIndex, bytes[name.endIndex] == UInt8(ascii: "=") else {
                index = name.endIndex < bytes.endIndex ? bytes.index(after: name.endIndex) : bytes.endIndex
                continue
            }
            var start = bytes.index(after: name.endIndex)
            var isQuoted = false
            var value = bytes[start...].prefix { $0 != UInt8(ascii: ",") }
            if start < bytes.endIndex, bytes[start] == UInt8(ascii: "\"") {
                start = bytes.index(after: start)
                let inner = bytes[start...].prefix { $0 != UInt8(ascii: "\"") }
                // A quote that is never closed is an ordinary character.
                if inner.endIndex < bytes.endIndex {
                    (value, isQuoted) = (inner, true)
                    let rest = bytes[inner.endIndex...].prefix { $0 != UInt8(ascii: ",") }
                    index = rest.endIndex
                }
            }
            if !isQuoted { index = value.endIndex }
            attributes.append(
                Attribute(
                    name: Substring(name).trimmed, value: isQuoted ? Substring(value) : Substring(value).trimmed,
                    isQuoted: isQuoted))
            if index < bytes.endIndex { index = bytes.index(after: index) }
        }
    }

    /// Whatever its form.
    subscript(name: String) -> Substring? { attributes.first { $0.name == name }?.value }

    func integer(_ name: String) -> Int64? { self[name]?.decimal }
    func seconds(_ name: String) -> MediaTime? { self[name].flatMap { MediaTime(signedSeconds: $0) } }
    func isYes(_ name: String) -> Bool { self[name] == "YES" }

    /// `1280x720`.
    func resolution(_ name: String) -> (width: Int, height: Int)? {
        guard let (head, tail) = self[name]?.cut(at: UInt8(ascii: "x")), let width = head.decimal,
            let height = tail?.decimal, width <= 1 << 16, height <= 1 << 16
        else { return nil }
        return (Int(width), Int(height))
    }

    /// `0x0A1B`; nil where there are more than `most` bytes.
    ///
    /// - Parameter isNumber: the first digit may be missing, as a zero of a number.
    func bytes(_ name: String, most: Int, isNumber: Bool = false) -> [UInt8]? {
        guard let text = self[name], text.startsIgnoringCase(with: "0x") else { return nil }
        let digits = text.utf8.dropFirst(2)
        guard digits.count <= most * 2, !digits.isEmpty else { return nil }
        var values = digits.compactMap(\.hexValue)
        guard values.count == digits.count else { return nil }
        if values.count % 2 == 1 {
            guard isNumber else { return nil }
            values.insert(0, at: 0)
        }
        return stride(from: 0, to: values.count, by: 2).map { values[$0] << 4 | values[$0 + 1] }
    }

    /// Values between commas of a quoted list.
    func list(_ name: String) -> [String] {
        self[name]?.parts(separatedBy: UInt8(ascii: ","), limit: 32).map(String.init) ?? []
    }
}

/// `length[@offset]` (RFC 8216 section 4.3.2.2).
struct HLSByteRange: Hashable {
    let length: Int64
    let offset: Int64?

    init?(_ text: Substring) {
        let (head, tail) = text.trimmed.cut(at: UInt8(ascii: "@"))
        guard let length = head.trimmed.decimal else { return nil }
        self.length = length
        guard let tail else {
            offset = nil
            return
        }
        guard let offset = tail.trimmed.decimal else { return nil }
        self.offset = offset
    }
}

extension MediaTime {
    /// As `init(decimalSeconds:)`, with a minus before it where it is negative.
    init?(signedSeconds text: Substring) {
        guard text.utf8.first == UInt8(ascii: "-") else {
            self.init(decimalSeconds: text)
            return
        }
        guard let time = MediaTime(decimalSeconds: text.dropFirst()) else { return nil }
        self = .zero - time
    }
}
