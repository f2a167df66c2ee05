package import ThroughlineCore

extension MediaTime {
    /// Seconds in decimals: `12`, `12.5`, `.5`, `12.`, `12,5` (some servers write the comma of their locale). Rounded to
    /// the nearest flick; digits past the eighteenth decimal are cut off. `nil` when there is anything else, or when the
    /// time does not fit.
    package init?(decimalSeconds text: Substring) {
        let bytes = text.utf8
        let whole = bytes.prefix { $0.isDigit }
        let point = bytes[whole.endIndex...]
        var fraction = point.prefix(0)
        if let first = point.first {
            guard first == UInt8(ascii: ".") || first == UInt8(ascii: ",") else { return nil }
            fraction = point.dropFirst()
        }
        guard fraction.allSatisfy(\.isDigit), !(whole.isEmpty && fraction.isEmpty) else { return nil }
        guard let seconds = whole.isEmpty ? 0 : Substring(whole).decimal,
            let time = MediaTime(value: seconds, timeBase: TimeBase(1, 1))
        else { return nil }
        let digits = fraction.prefix(18)
        var divisor: Int64 = 1
        for _ in digits { divisor *= 10 }
        let part = (Substring(digits).decimal ?? 0).scaled(by: MediaTime.flicksPerSecond, over: divisor) ?? 0
        let (flicks, overflow) = time.flicks.addingReportingOverflow(part)
        guard !overflow else { return nil }
        self.init(flicks: flicks)
    }

    /// Seconds with three decimals, or with as many more, up to nine, as it takes to read back this very flick.
    /// Nine are always enough, as a flick is 1.4 ns. A negative time is written as zero.
    var decimalSeconds: String {
        let time = max(self, .zero)
        var places = 3
        var scale: Int64 = 1_000
        while places < 9, !time.isWhole(in: scale) {
            places += 1
            scale *= 10
        }
        let (seconds, rest) = time.flicks.quotientAndRemainder(dividingBy: MediaTime.flicksPerSecond)
        let part = rest.scaled(by: scale, over: MediaTime.flicksPerSecond) ?? 0
        let (carry, shown) = part.quotientAndRemainder(dividingBy: scale)
        return "\(seconds + carry).\(String(shown).padded(to: places))"
    }

    /// Whether the nearest multiple of a second over `scale` is this flick.
    private func isWhole(in scale: Int64) -> Bool {
        let rest = flicks % MediaTime.flicksPerSecond
        return rest.scaled(by: scale, over: MediaTime.flicksPerSecond)?
            .scaled(by: MediaTime.flicksPerSecond, over: scale) == rest
    }
}

extension String {
    /// With zeros before it.
    func padded(to width: Int) -> String { String(repeating: "0", count: max(0, width - utf8.count)) + self }
}
