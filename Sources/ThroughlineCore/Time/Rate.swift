/// How fast something goes, as an exact fraction in lowest terms: the `Scale` and the `Speed` of RTSP (RFC 2326 sections
/// 12.34 and 12.35), a rate of playing. 1 is normal, 2 twice as fast, 1/2 slow motion, -1 backwards.
///
/// Both parts have at most 31 bits, so that a product with a time or a bandwidth can be worked out exactly.
public struct Rate: Hashable, Sendable {
    /// Carries the sign; never `Int32.min`.
    public let numerator: Int32
    /// Positive.
    public let denominator: Int32

    public static let normal = Rate(1)

    /// - Precondition: the denominator is positive, and the numerator is not `Int32.min`. For values from the network
    ///   there is `init(numerator:denominator:)`.
    public init(_ numerator: Int32, _ denominator: Int32 = 1) {
        guard let rate = Rate(numerator: Int64(numerator), denominator: Int64(denominator)) else {
            preconditionFailure("rate \(numerator)/\(denominator)")
        }
        self = rate
    }

    /// Nil when the denominator is not positive, or the fraction in lowest terms does not fit.
    public init?(numerator: Int64, denominator: Int64) {
        guard denominator > 0 else { return nil }
        let divisor = Self.greatestCommonDivisor(numerator.magnitude, denominator.magnitude)
        guard let top = Int32(exactly: numerator.magnitude / divisor),
            let bottom = Int32(exactly: denominator.magnitude / divisor)
        else { return nil }
        self.numerator = numerator < 0 ? -top : top
        self.denominator = bottom
    }

    /// A decimal number as RTSP writes it: `1`, `-2`, `0.5`, `+1.001`; also `.5`, and `0,5` from servers that write the
    /// comma of their locale, with blanks around. Digits beyond the sixth place, or beyond what fits, are cut off. Nil
    /// for anything else, and for numbers of more than 31 bits.
    public init?(decimal text: some StringProtocol) {
        let isBlank = { (byte: UInt8) in byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }
        var digits = Substring(text).utf8.drop(while: isBlank)
        while let last = digits.last, isBlank(last) { digits.removeLast() }
        let isNegative = digits.first == UInt8(ascii: "-")
        if isNegative || digits.first == UInt8(ascii: "+") { digits = digits.dropFirst() }
        var value: Int64 = 0
        var scale: Int64 = 1
        var digitCount = 0
        var isFraction = false
        for byte in digits {
            if byte == UInt8(ascii: ".") || byte == UInt8(ascii: ","), !isFraction {
                isFraction = true
                continue
            }
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
            let digit = Int64(byte - UInt8(ascii: "0"))
            digitCount += 1
            if isFraction {
                guard scale < 1_000_000, value <= Int64(Int32.max) / 10 - 1 else { continue }
                scale *= 10
            } else {
                guard value <= Int64(Int32.max) else { return nil }
            }
            value = value * 10 + digit
        }
        guard digitCount > 0 else { return nil }
        self.init(numerator: isNegative ? -value : value, denominator: scale)
    }

    /// Nil for zero.
    public var inverse: Rate? {
        numerator == 0
            ? nil
            : Rate(
                numerator: numerator < 0 ? -Int64(denominator) : Int64(denominator),
                denominator: Int64(numerator.magnitude))
    }

    public var isNegative: Bool { numerator < 0 }

    /// The same forwards.
    package var magnitude: Rate { isNegative ? Rate(-numerator, denominator) : self }

    /// One after the other, such as a scale and a speed; nil when the product does not fit.
    public static func * (a: Rate, b: Rate) -> Rate? {
        Rate(
            numerator: Int64(a.numerator) * Int64(b.numerator),
            denominator: Int64(a.denominator) * Int64(b.denominator))
    }

    /// Euclid's algorithm; `b` is not zero.
    package static func greatestCommonDivisor(_ a: UInt64, _ b: UInt64) -> UInt64 {
        var (a, b) = (a, b)
        while b != 0 { (a, b) = (b, a % b) }
        return a
    }
}

extension Rate: Comparable {
    public static func < (a: Rate, b: Rate) -> Bool {
        Int64(a.numerator) * Int64(b.denominator) < Int64(b.numerator) * Int64(a.denominator)
    }
}

extension Rate: CustomStringConvertible {
    /// As a decimal number, the way RTSP writes it, with as many places as it needs and at most six; cut off there.
    public var description: String {
        let millionths = Int64(numerator.magnitude) * 1_000_000 / Int64(denominator)
        var places = String(millionths % 1_000_000)
        places = String(repeating: "0", count: 6 - places.count) + places
        while places.last == "0" { places.removeLast() }
        let whole = "\(numerator < 0 ? "-" : "")\(millionths / 1_000_000)"
        return places.isEmpty ? whole : "\(whole).\(places)"
    }
}

extension MediaTime {
    /// What goes by in this time at a rate, rounded to the nearest flick, halves away from zero. Saturates.
    public static func * (time: MediaTime, rate: Rate) -> MediaTime {
        let isNegative = (time.flicks < 0) != (rate.numerator < 0)
        guard
            let flicks = time.flicks.scaled(by: Int64(rate.numerator.magnitude), over: Int64(rate.denominator))
        else { return MediaTime(flicks: isNegative ? .min : .max) }
        return MediaTime(flicks: rate.numerator < 0 ? -flicks : flicks)
    }
}
