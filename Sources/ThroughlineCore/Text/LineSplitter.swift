/// Makes lines of bytes as they come, and keeps no more of a line than a command may have.
///
/// Of a longer line its beginning is left, with `...` behind it, so that it is no command that somebody else meant.
package struct LineSplitter {
    /// Longest line that is taken whole, in bytes.
    package static let limit = 4096

    private var line: [UInt8] = []
    private var isCut = false

    package init() {}

    /// The lines that end in these bytes, without their ends.
    package mutating func take(_ bytes: some Sequence<UInt8>) -> [String] {
        var lines: [String] = []
        for byte in bytes {
            if byte == UInt8(ascii: "\n") {
                lines.append(next())
            } else if line.count < Self.limit {
                line.append(byte)
            } else {
                isCut = true
            }
        }
        return lines
    }

    /// What stands behind the last end of a line; nil where there is nothing.
    package mutating func end() -> String? { line.isEmpty ? nil : next() }

    private mutating func next() -> String {
        defer {
            line.removeAll(keepingCapacity: true)
            isCut = false
        }
        return String(decoding: line, as: UTF8.self) + (isCut ? "..." : "")
    }
}
