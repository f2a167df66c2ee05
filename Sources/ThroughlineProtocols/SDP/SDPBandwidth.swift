/// `b=AS:1536` (RFC 8866 section 5.8).
package struct SDPBandwidth: Hashable, Sendable {
    /// `AS`, `CT`, `TIAS`, `RR`, `RS`, in upper case.
    package var kind: String
    /// Thousands of bits per second, but for `TIAS`, `RR` and `RS`, which count bits; below 10^12.
    package var value: Int64

    init?(parsing text: Substring) {
        let (kind, value) = text.cut(at: UInt8(ascii: ":"))
        guard let value = value?.trimmed.leadingDecimal, value < 1_000_000_000_000 else { return nil }
        self.kind = RTSPMethod(rawValue: String(kind.trimmed)).rawValue
        self.value = value
    }
}

extension [SDPBandwidth] {
    /// By `TIAS`, else by `AS`, else by `CT`. Zero, which some write for unknown, is none.
    var bitsPerSecond: Int64? {
        for (kind, unit) in [("TIAS", 1), ("AS", 1000), ("CT", 1000)] as [(String, Int64)] {
            if let value = first(where: { $0.kind == kind && $0.value > 0 })?.value { return value * unit }
        }
        return nil
    }
}
