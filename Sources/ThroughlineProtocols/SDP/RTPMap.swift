/// What a payload type stands for: `a=rtpmap:96 H264/90000` (RFC 8866 section 6.6).
package struct RTPMap: Hashable, Sendable {
    package var payloadType: UInt8
    /// As written; compare without regard to case.
    package var encoding: String
    /// 1 to 4 294 967 295.
    package var clockRateHz: Int
    /// Channels of audio, 1 when left out.
    package var channels: Int

    package init(payloadType: UInt8, encoding: String, clockRateHz: Int, channels: Int = 1) {
        self.payloadType = payloadType
        self.encoding = encoding
        self.clockRateHz = clockRateHz
        self.channels = channels
    }

    /// `nil` without a payload type of 0 to 127, a name and a clock rate.
    init?(parsing text: String) {
        let words = text.parts(separatedBy: 0x20, limit: 2)
        guard words.count == 2, let type = words[0].decimal, type < 128 else { return nil }
        let fields = words[1].parts(separatedBy: UInt8(ascii: "/"), limit: 3)
        guard fields.count >= 2, let rate = fields[1].leadingDecimal, rate > 0, rate <= UInt32.max else { return nil }
        payloadType = UInt8(type)
        encoding = String(fields[0])
        clockRateHz = Int(rate)
        channels = fields.count > 2 ? max(1, min(255, Int(fields[2].leadingDecimal ?? 1))) : 1
    }

    /// The static assignments (RFC 3551 tables 4 and 5), for descriptions that leave them out.
    package static func fixed(_ payloadType: UInt8) -> RTPMap? {
        let known: (String, Int, Int)? =
            switch payloadType {
            case 0: ("PCMU", 8000, 1)
            case 3: ("GSM", 8000, 1)
            case 4: ("G723", 8000, 1)
            case 5: ("DVI4", 8000, 1)
            case 6: ("DVI4", 16_000, 1)
            case 7: ("LPC", 8000, 1)
            case 8: ("PCMA", 8000, 1)
            // 8000 by an error of old that must be kept (RFC 3551 section 4.5.2).
            case 9: ("G722", 8000, 1)
            case 10: ("L16", 44_100, 2)
            case 11: ("L16", 44_100, 1)
            case 12: ("QCELP", 8000, 1)
            case 13: ("CN", 8000, 1)
            case 14: ("MPA", 90_000, 1)
            case 15: ("G728", 8000, 1)
            case 16: ("DVI4", 11_025, 1)
            case 17: ("DVI4", 22_050, 1)
            case 18: ("G729", 8000, 1)
            case 25: ("CelB", 90_000, 1)
            case 26: ("JPEG", 90_000, 1)
            case 28: ("nv", 90_000, 1)
            case 31: ("H261", 90_000, 1)
            case 32: ("MPV", 90_000, 1)
            case 33: ("MP2T", 90_000, 1)
            case 34: ("H263", 90_000, 1)
            default: nil
            }
        return known.map { RTPMap(payloadType: payloadType, encoding: $0.0, clockRateHz: $0.1, channels: $0.2) }
    }
}

extension RTPMap: CustomStringConvertible {
    /// The value of the attribute.
    package var description: String {
        "\(payloadType) \(encoding)/\(clockRateHz)" + (channels > 1 ? "/\(channels)" : "")
    }
}
