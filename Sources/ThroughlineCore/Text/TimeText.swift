extension Duration {
    /// A time as people write it: `90`, `1:30`, `1:02:03.5` (npt-sec and npt-hhmmss of RFC 2326 section 3.6, the hours
    /// optional), `500ms`, `2s`, `5m`, `1h`; to the nanosecond, at most 100 000 000 of its unit. Nil for anything else,
    /// and for what is negative.
    package init?(words text: some StringProtocol) {
        for (suffix, scale) in [
            ("ms", Int64(1_000_000)), ("s", 1_000_000_000), ("m", 60_000_000_000), ("h", 3_600_000_000_000),
        ]
        where text.hasSuffix(suffix) {
            guard let value = billionths(text.dropLast(suffix.count)),
                let nanoseconds = value.scaled(by: scale, over: 1_000_000_000)
            else { return nil }
            self = .nanoseconds(nanoseconds)
            return
        }
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count <= 3, let last = parts.last, var total = billionths(last) else { return nil }
        if parts.count > 1, total >= 60_000_000_000 { return nil }
        var unit: Int64 = 60_000_000_000
        for (index, part) in parts.dropLast().reversed().enumerated() {
            guard part.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let number = Int64(part),
                number < (index == 0 && parts.count == 3 ? 60 : 100_000)
            else { return nil }
            total += number * unit
            unit *= 60
        }
        self = .nanoseconds(total)
    }

    /// What `init(words:)` takes, for errors.
    package static func noTime(_ text: some StringProtocol) -> String {
        "'\(text.printable(limit: 60))' is no time: write 90, 1:30, 500ms or 2s"
    }
}

/// A decimal number in billionths, exactly; at most 100 000 000.
package func billionths(_ text: some StringProtocol) -> Int64? {
    let parts = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
    func digits(_ text: some StringProtocol) -> Int64? {
        guard !text.isEmpty, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        return Int64(text)
    }
    guard let first = parts.first, let whole = digits(first), whole <= 100_000_000 else { return nil }
    guard parts.count == 2 else { return whole * 1_000_000_000 }
    guard parts[1].utf8.count <= 9, let fraction = digits(parts[1]) else { return nil }
    return whole * 1_000_000_000 + (parts[1].utf8.count..<9).reduce(fraction) { value, _ in value * 10 }
}
