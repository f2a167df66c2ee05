/// Reading the text of control protocols, which is ASCII in all that has a meaning.
///
/// All of it works on UTF-8 code units and never on characters: to Swift CR LF is one character, and a combining mark
/// after a separator hides the separator.
extension UInt8 {
    var isDigit: Bool { self >= 0x30 && self <= 0x39 }
    /// A to Z and a to z.
    var isLetter: Bool { (self | 0x20) >= 0x61 && (self | 0x20) <= 0x7A }
    var isUppercaseLetter: Bool { self >= 0x41 && self <= 0x5A }
    /// Space and tab.
    var isBlank: Bool { self == 0x20 || self == 0x09 }
    /// Space, tab, CR and LF.
    var isSpace: Bool { isBlank || self == 0x0D || self == 0x0A }
    /// What ends a line or has no place in one; tab is not among them.
    var isControl: Bool { (self < 0x20 && self != 0x09) || self == 0x7F }
    var lowercased: UInt8 { isUppercaseLetter ? self | 0x20 : self }
    /// The value of a hexadecimal digit.
    var hexValue: UInt8? {
        switch self {
        case 0x30...0x39: self - 0x30
        case 0x41...0x46: self - 0x41 + 10
        case 0x61...0x66: self - 0x61 + 10
        default: nil
        }
    }
}

extension StringProtocol where SubSequence == Substring {
    /// Without spaces, tabs and line breaks at either end.
    var trimmed: Substring {
        var bytes = self[...].utf8
        while let first = bytes.first, first.isSpace { bytes.removeFirst() }
        while let last = bytes.last, last.isSpace { bytes.removeLast() }
        return Substring(bytes)
    }

    /// Equal but for the case of ASCII letters.
    func equalsIgnoringCase(_ other: some StringProtocol) -> Bool {
        utf8.elementsEqual(other.utf8) { $0.lowercased == $1.lowercased }
    }

    func startsIgnoringCase(with prefix: String) -> Bool {
        utf8.count >= prefix.utf8.count && zip(utf8, prefix.utf8).allSatisfy { $0.lowercased == $1.lowercased }
    }

    /// Letters A to Z in lower case, all else as it is.
    var asciiLowercased: String { String(decoding: utf8.map(\.lowercased), as: UTF8.self) }

    /// What stands before the first `separator`, and what after it; `nil` for the latter when there is none.
    func cut(at separator: UInt8) -> (head: Substring, tail: Substring?) {
        guard let place = utf8.firstIndex(of: separator) else { return (self[...], nil) }
        return (self[..<place], self[utf8.index(after: place)...])
    }

    /// The trimmed, not empty parts between separators that stand outside double quotes. What follows the first
    /// `limit` parts is dropped.
    ///
    /// A quote that is never closed is an ordinary character, as it must have been to whoever wrote it.
    func parts(separatedBy separator: UInt8, limit: Int) -> [Substring] {
        let bytes = self[...].utf8
        var parts: [Substring] = []
        var start = bytes.startIndex
        var index = start
        var quotesMatter = true
        func add(upTo end: Substring.Index) {
            let part = Substring(bytes[start..<end]).trimmed
            if !part.isEmpty { parts.append(part) }
        }
        while index < bytes.endIndex, parts.count < limit {
            let byte = bytes[index]
            if byte == UInt8(ascii: "\""), quotesMatter {
                if let close = bytes.closingQuote(after: index) { index = close } else { quotesMatter = false }
            } else if byte == separator {
                add(upTo: index)
                start = bytes.index(after: index)
            }
            index = bytes.index(after: index)
        }
        if parts.count < limit { add(upTo: bytes.endIndex) }
        return parts
    }

    /// Without the quotes around it, double or single, and without the backslashes of a quoted string.
    var unquoted: String {
        let text = trimmed
        guard let first = text.utf8.first, first == UInt8(ascii: "\"") || first == UInt8(ascii: "'") else {
            return String(text)
        }
        var inner = text.utf8.dropFirst()
        if inner.last == first { inner.removeLast() }
        guard first == UInt8(ascii: "\""), inner.contains(UInt8(ascii: "\\")) else { return String(Substring(inner)) }
        var plain: [UInt8] = []
        var escaped = false
        for byte in inner {
            if byte == UInt8(ascii: "\\"), !escaped {
                escaped = true
            } else {
                plain.append(byte)
                escaped = false
            }
        }
        return String(decoding: plain, as: UTF8.self)
    }

    /// A number of at most 18 digits and nothing else, so that it fits into an `Int64` and so does the sum of two.
    var decimal: Int64? {
        var value: Int64 = 0
        var count = 0
        for digit in utf8 {
            guard digit.isDigit, count < 18 else { return nil }
            value = value * 10 + Int64(digit - 0x30)
            count += 1
        }
        return count > 0 ? value : nil
    }

    /// The number at the beginning, whatever follows it: `60` of `60s`. At most 18 digits.
    var leadingDecimal: Int64? { Substring(self[...].utf8.prefix { $0.isDigit }).decimal }
}

extension Substring.UTF8View {
    /// Where the quoted string ends that opens at `open`.
    fileprivate func closingQuote(after open: Index) -> Index? {
        var index = self.index(after: open)
        while index < endIndex {
            if self[index] == UInt8(ascii: "\"") { return index }
            if self[index] == UInt8(ascii: "\\") {
                formIndex(after: &index)
                guard index < endIndex else { return nil }
            }
            formIndex(after: &index)
        }
        return nil
    }
}
