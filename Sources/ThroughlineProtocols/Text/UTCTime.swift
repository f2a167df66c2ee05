internal import ThroughlineCore

/// Moments in UTC, as times since 1970 began, without leap seconds. Years from 1970 to 2383 fit.
enum UTCTime {
    /// `19961108T142300.25Z` (RFC 2326 section 3.7); the `Z` and the seconds may be missing.
    static func parse(_ text: Substring) -> MediaTime? {
        var text = text.trimmed
        if let last = text.utf8.last, last | 0x20 == UInt8(ascii: "z") { text = text.dropLast() }
        let bytes = Array(text.utf8.prefix(64))
        guard bytes.count >= 13, bytes[8] | 0x20 == UInt8(ascii: "t") else { return nil }
        func number(_ range: Range<Int>) -> Int64? {
            range.upperBound <= bytes.count
                ? String(decoding: bytes[range], as: UTF8.self).decimal : nil
        }
        guard let year = number(0..<4), let month = number(4..<6), let day = number(6..<8), let hour = number(9..<11),
            let minute = number(11..<13),
            let start = time(year: year, month: month, day: day, hour: hour, minute: minute)
        else { return nil }
        guard bytes.count > 13 else { return start }
        let seconds = Substring(decoding: bytes[13...], as: UTF8.self)
        guard let rest = MediaTime(decimalSeconds: seconds), rest < .seconds(61) else { return nil }
        return start + rest
    }

    /// `2010-02-19T14:54:23.031+08:00` (ISO 8601, as playlists write it); without a zone it is UTC.
    static func parseISO(_ text: Substring) -> MediaTime? {
        let text = text.trimmed
        let bytes = Array(text.utf8.prefix(64))
        guard bytes.count >= 16, bytes[4] == UInt8(ascii: "-"), bytes[7] == UInt8(ascii: "-"),
            bytes[10] | 0x20 == UInt8(ascii: "t") || bytes[10] == 0x20, bytes[13] == UInt8(ascii: ":")
        else { return nil }
        func number(_ range: Range<Int>) -> Int64? {
            range.upperBound <= bytes.count ? String(decoding: bytes[range], as: UTF8.self).decimal : nil
        }
        guard let year = number(0..<4), let month = number(5..<7), let day = number(8..<10), let hour = number(11..<13),
            let minute = number(14..<16),
            var time = time(year: year, month: month, day: day, hour: hour, minute: minute)
        else { return nil }
        var rest = bytes[16...]
        if rest.first == UInt8(ascii: ":") {
            let digits = rest.dropFirst().prefix { $0.isDigit || $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: ",") }
            guard let seconds = MediaTime(decimalSeconds: Substring(decoding: digits, as: UTF8.self)),
                seconds < .seconds(61)
            else { return nil }
            time = time + seconds
            rest = rest[digits.endIndex...]
        }
        guard let sign = rest.first, sign | 0x20 != UInt8(ascii: "z") else { return time }
        guard sign == UInt8(ascii: "+") || sign == UInt8(ascii: "-") else { return nil }
        let zone = rest.dropFirst().filter(\.isDigit)
        guard zone.count == 2 || zone.count == 4, let value = String(decoding: zone, as: UTF8.self).decimal else {
            return nil
        }
        let minutes = zone.count == 2 ? value * 60 : value / 100 * 60 + value % 100
        return sign == UInt8(ascii: "+") ? time - .seconds(minutes * 60) : time + .seconds(minutes * 60)
    }

    /// `Fri, 02 Apr 2021 14:55:49 GMT` (RFC 9110 section 5.6.7), and `Sat, Jun 27 2015 15:16:41 GMT`, as a widespread
    /// server library writes it.
    static func parseHTTPDate(_ text: Substring) -> MediaTime? {
        let afterComma = text.cut(at: UInt8(ascii: ",")).tail ?? text
        var words = afterComma.parts(separatedBy: 0x20, limit: 8).map(String.init)
        guard words.count >= 4 else { return nil }
        if words[0].utf8.first?.isLetter == true { words.swapAt(0, 1) }
        let months = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
        let clock = words[3].parts(separatedBy: UInt8(ascii: ":"), limit: 4)
        guard let month = months.firstIndex(where: { words[1].startsIgnoringCase(with: $0) }), clock.count == 3,
            let day = words[0].decimal, let year = words[2].decimal, let hour = clock[0].decimal,
            let minute = clock[1].decimal, let second = clock[2].decimal, second <= 60
        else { return nil }
        return time(year: year, month: Int64(month) + 1, day: day, hour: hour, minute: minute)
            .map { $0 + .seconds(second) }
    }

    /// As section 3.7 writes it, with as many decimals as it takes.
    static func description(_ time: MediaTime) -> String {
        let time = max(time, .zero)
        let (days, rest) = time.flicks.quotientAndRemainder(dividingBy: 86_400 * MediaTime.flicksPerSecond)
        let (minutes, part) = rest.quotientAndRemainder(dividingBy: 60 * MediaTime.flicksPerSecond)
        var seconds = MediaTime(flicks: part).decimalSeconds
        while seconds.utf8.last == UInt8(ascii: "0"), !seconds.hasSuffix(".0") { seconds.removeLast() }
        if seconds.hasSuffix(".0") { seconds.removeLast(2) }
        let whole = seconds.cut(at: UInt8(ascii: ".")).head.utf8.count
        let (year, month, day) = civil(days)
        return String(year).padded(to: 4) + String(month).padded(to: 2) + String(day).padded(to: 2) + "T"
            + String(minutes / 60).padded(to: 2) + String(minutes % 60).padded(to: 2)
            + String(repeating: "0", count: max(0, 2 - whole)) + seconds + "Z"
    }

    /// `nil` for what no calendar or clock shows.
    private static func time(year: Int64, month: Int64, day: Int64, hour: Int64, minute: Int64) -> MediaTime? {
        let lengths: [Int64] = [31, isLeap(year) ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
        guard (1970..<2384).contains(year), (1...12).contains(month), day >= 1, day <= lengths[Int(month) - 1],
            hour < 24, minute < 60
        else { return nil }
        let before = year - 1
        let leapDays = before / 4 - before / 100 + before / 400 - (1969 / 4 - 1969 / 100 + 1969 / 400)
        let days = (year - 1970) * 365 + leapDays + lengths.prefix(Int(month) - 1).reduce(0, +) + day - 1
        return MediaTime.seconds((days * 24 + hour) * 3600 + minute * 60)
    }

    private static func isLeap(_ year: Int64) -> Bool { year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) }

    /// The date so many days, not fewer than none, after 1 January 1970.
    private static func civil(_ days: Int64) -> (year: Int64, month: Int64, day: Int64) {
        var (year, left) = (Int64(1970), days)
        while left >= (isLeap(year) ? 366 : 365) {
            left -= isLeap(year) ? 366 : 365
            year += 1
        }
        var month: Int64 = 1
        for length in [31, isLeap(year) ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30] as [Int64] {
            guard left >= length else { break }
            left -= length
            month += 1
        }
        return (year, month, left + 1)
    }
}
