/// An exact ratio in lowest terms, as control protocols write it in decimals: `1.5` is 3/2.
package struct Rational: Hashable, Sendable {
    package let numerator: Int64
    /// Positive.
    package let denominator: Int64

    package static let one = Rational(1)
    package static let zero = Rational(0)

    package init(_ value: Int64) {
        numerator = value
        denominator = 1
    }

    /// `nil` when the denominator is zero or the result does not fit.
    package init?(_ numerator: Int64, over denominator: Int64) {
        guard denominator != 0 else { return nil }
        var (a, b) = (numerator.magnitude, denominator.magnitude)
        while b != 0 { (a, b) = (b, a % b) }
        let divisor = max(a, 1)
        guard let top = Int64(exactly: numerator.magnitude / divisor),
            let bottom = Int64(exactly: denominator.magnitude / divisor)
        else { return nil }
        self.numerator = (numerator < 0) == (denominator < 0) ? top : -top
        self.denominator = bottom
    }

    /// A decimal number with at most 9 digits on either side of the point: `2`, `-1.0`, `.5`, `+0,25` (some servers
    /// write the comma of their locale). More decimals are cut off.
    package init?(decimal text: Substring) {
        var bytes = text.trimmed.utf8
        var isNegative = false
        if let sign = bytes.first, sign == UInt8(ascii: "-") || sign == UInt8(ascii: "+") {
            isNegative = sign == UInt8(ascii: "-")
            bytes.removeFirst()
        }
        let whole = bytes.prefix { $0.isDigit }
        let rest = bytes[whole.endIndex...]
        var fraction = rest.prefix(0)
        if let point = rest.first {
            guard point == UInt8(ascii: ".") || point == UInt8(ascii: ",") else { return nil }
            fraction = rest.dropFirst()
        }
        guard whole.count <= 9, fraction.allSatisfy(\.isDigit), !(whole.isEmpty && fraction.isEmpty) else { return nil }
        var numerator = Substring(whole).decimal ?? 0
        var denominator: Int64 = 1
        for digit in fraction.prefix(9) {
            numerator = numerator * 10 + Int64(digit - 0x30)
            denominator *= 10
        }
        self.init(isNegative ? -numerator : numerator, over: denominator)
    }

    package var isNegative: Bool { numerator < 0 }
}

extension Rational: Comparable {
    package static func < (a: Rational, b: Rational) -> Bool {
        let left = a.numerator.multipliedFullWidth(by: b.denominator)
        let right = b.numerator.multipliedFullWidth(by: a.denominator)
        return left.high != right.high ? left.high < right.high : left.low < right.low
    }
}

extension Rational: CustomStringConvertible {
    /// As a decimal, with at least one place and at most nine: `1.0`, `-0.5`, `0.333333333`.
    package var description: String {
        let (whole, rest) = numerator.magnitude.quotientAndRemainder(dividingBy: denominator.magnitude)
        var digits: [UInt8] = []
        var remainder = rest
        repeat {
            let (high, low) = remainder.multipliedFullWidth(by: 10)
            let (digit, left) = denominator.magnitude.dividingFullWidth((high, low))
            digits.append(UInt8(ascii: "0") + UInt8(digit))
            remainder = left
        } while remainder != 0 && digits.count < 9
        return "\(numerator < 0 ? "-" : "")\(whole).\(String(decoding: digits, as: UTF8.self))"
    }
}
