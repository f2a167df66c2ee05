internal import ThroughlineCore

/// The way of counting frames of an SMPTE range (RFC 2326 section 3.5).
package enum SMPTERate: Hashable, Sendable {
    /// `smpte` and `smpte-30-drop`: 30000/1001 frames a second; the first two numbers of each minute are left out, but
    /// not in every tenth.
    case drop30
    /// `smpte-25`.
    case fps25

    var framesPerLabelledSecond: Int64 { self == .drop30 ? 30 : 25 }
    /// A hundredth of a frame.
    var subframe: TimeBase { self == .drop30 ? TimeBase(1001, 3_000_000) : TimeBase(1, 2500) }
}

/// `hh:mm:ss[:ff[.ss]]`, the last in hundredths of a frame.
///
///     rate     timecode       frame    time
///     fps25    10:07:33:05.01 911 330  36 453.2004 s
///     drop30   00:00:59:29    1 799    60.026633 s
///     drop30   00:01:00:02    1 800    60.06 s
///     drop30   01:00:00:00    107 892  3 599.996400 s
enum SMPTETimecode {
    static func parse(_ text: Substring, rate: SMPTERate) -> MediaTime? {
        let fields = text.trimmed.parts(separatedBy: UInt8(ascii: ":"), limit: 5)
        guard fields.count == 3 || fields.count == 4 else { return nil }
        let (lastWhole, lastPart) = fields[fields.count - 1].cut(at: UInt8(ascii: "."))
        guard let hours = fields[0].decimal, let minutes = fields[1].decimal,
            let seconds = (fields.count == 3 ? lastWhole : fields[2]).decimal,
            let frames = fields.count == 3 ? 0 : lastWhole.decimal,
            let subframes = lastPart.map({ hundredths($0) }) ?? 0,
            hours < 1000, minutes < 60, seconds < 60, frames < rate.framesPerLabelledSecond
        else { return nil }
        let allMinutes = hours * 60 + minutes
        var frame = (allMinutes * 60 + seconds) * rate.framesPerLabelledSecond + frames
        if rate == .drop30 { frame -= 2 * (allMinutes - allMinutes / 10) }
        return MediaTime(value: max(0, frame) * 100 + subframes, timeBase: rate.subframe)
    }

    /// `5` is fifty hundredths, as after any decimal point.
    private static func hundredths(_ text: Substring) -> Int64? {
        text.utf8.count == 1 ? text.decimal.map { $0 * 10 } : text.utf8.count == 2 ? text.decimal : nil
    }

    /// The nearest hundredth of a frame; a negative time is written as zero.
    static func description(_ time: MediaTime, rate: SMPTERate) -> String {
        let total = max(0, time.value(in: rate.subframe))
        var frame = total / 100
        if rate == .drop30 {
            // Ten minutes have 17 982 frames, each minute of them 1798 but the first, which has 1800.
            let (tens, rest) = frame.quotientAndRemainder(dividingBy: 17_982)
            frame += 18 * tens + (rest >= 1800 ? 2 * ((rest - 1800) / 1798 + 1) : 0)
        }
        let (allSeconds, frames) = frame.quotientAndRemainder(dividingBy: rate.framesPerLabelledSecond)
        let (allMinutes, seconds) = allSeconds.quotientAndRemainder(dividingBy: 60)
        var text = [allMinutes / 60, allMinutes % 60, seconds].map { String($0).padded(to: 2) }.joined(separator: ":")
        let subframes = total % 100
        if frames > 0 || subframes > 0 { text += ":" + String(frames).padded(to: 2) }
        if subframes > 0 { text += "." + String(subframes).padded(to: 2) }
        return text
    }
}
