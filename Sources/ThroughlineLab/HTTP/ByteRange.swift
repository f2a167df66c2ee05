/// The meaning of a `Range` header for a file of known length (RFC 9110 section 14).
enum ByteRange: Equatable {
    /// Everything: no range, another unit, several ranges or a malformed one, all of which may be ignored.
    case whole
    /// These bytes, at least one.
    case part(Range<Int64>)
    /// None of the bytes asked for exist: 416.
    case unsatisfiable

    /// - Parameters:
    ///   - header: the value of `Range`.
    ///   - size: the length of the file.
    init(_ header: String?, size: Int64) {
        guard let header, let equals = header.firstIndex(of: "="),
            header[..<equals].lowercased() == "bytes"
        else {
            self = .whole
            return
        }
        let spec = header[header.index(after: equals)...].filter { $0 != " " && $0 != "\t" }
        guard !spec.contains(","), let dash = spec.firstIndex(of: "-") else {
            self = .whole
            return
        }
        let (head, tail) = (spec[..<dash], spec[spec.index(after: dash)...])
        guard let first = Self.number(head), let last = Self.number(tail), first != nil || last != nil else {
            self = .whole
            return
        }
        switch (first, last) {
        case (let first?, let last):
            if let last, last < first {
                self = .whole
            } else if first >= size {
                self = .unsatisfiable
            } else {
                self = .part(first..<min(last ?? .max, size - 1) + 1)
            }
        case (nil, let length):
            let length = min(length ?? 0, size)
            self = length > 0 ? .part(size - length..<size) : .unsatisfiable
        }
    }

    /// Digits to a number, saturating; `.some(nil)` for none at all, `nil` for anything else.
    private static func number(_ text: Substring) -> Int64?? {
        guard text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        return .some(text.isEmpty ? nil : Int64(text) ?? .max)
    }
}
