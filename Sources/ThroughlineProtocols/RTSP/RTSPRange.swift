package import ThroughlineCore

/// A range of time: the `Range` header (RFC 2326 section 12.29), `Media-Range` of RTSP 2.0, and `a=range` of SDP.
package struct RTSPRange: Hashable, Sendable {
    package enum Unit: Hashable, Sendable {
        case npt
        case smpte(SMPTERate)
        /// Times since 1970 began, UTC.
        case clock
    }

    package enum Point: Hashable, Sendable {
        case at(MediaTime)
        /// The live edge; only with NPT.
        case now
    }

    package var unit: Unit
    /// `nil` where it is open: `-10`.
    package var start: Point?
    /// `nil` where it is open: `0-`.
    package var end: Point?
    /// When the request takes effect, since 1970 began; `nil` for at once.
    package var time: MediaTime?

    package init(unit: Unit = .npt, start: Point?, end: Point? = nil, time: MediaTime? = nil) {
        self.unit = unit
        self.start = start
        self.end = end
        self.time = time
    }

    /// NPT, as far as `end` or without one.
    package static func npt(from start: NPT, to end: NPT? = nil) -> RTSPRange {
        RTSPRange(start: .at(start), end: end.map { .at($0) })
    }

    /// Of a source that is live: it has no past, and no end that is known. GStreamer's server says `now-12` of a film.
    package var isLive: Bool { start == .now && end == nil }

    /// Where it starts, unless that is now or open.
    package var startTime: MediaTime? {
        if case .at(let time) = start { time } else { nil }
    }

    /// Where it ends, unless that is now or open.
    package var endTime: MediaTime? {
        if case .at(let time) = end { time } else { nil }
    }
}

extension RTSPRange {
    /// One range, in any of the three units; without a unit, NPT. `nil` when the unit is not known or
    /// neither end can be read.
    ///
    /// Borne with: spaces anywhere, a colon after the unit, a comma for the decimal point, a negative start (taken as
    /// zero), an end that is no time (`inf`, `nan`; taken as open).
    package init?(_ text: String) {
        let parts = text.parts(separatedBy: UInt8(ascii: ";"), limit: 16)
        guard let first = parts.first else { return nil }
        let bytes = first.utf8
        var unitText: Substring = "npt"
        var extent = first
        let word = Substring(bytes.prefix { $0.isLetter || $0.isDigit || $0 == 0x2D })
        if let initial = word.utf8.first, initial.isLetter, !word.startsIgnoringCase(with: "now") {
            guard let mark = first[word.endIndex...].trimmed.utf8.first,
                mark == UInt8(ascii: "=") || mark == UInt8(ascii: ":")
            else { return nil }
            unitText = word
            extent = first[word.endIndex...].trimmed.dropFirst()
        }
        switch unitText.asciiLowercased {
        case "npt": unit = .npt
        case "smpte", "smpte-30-drop": unit = .smpte(.drop30)
        case "smpte-25": unit = .smpte(.fps25)
        case "clock": unit = .clock
        default: return nil
        }
        let unit = unit
        func point(_ text: Substring) -> Point? { Self.point(text.trimmed, unit: unit) }
        var range = extent.trimmed
        let (head, tail) = range.cut(at: UInt8(ascii: "-"))
        if head.trimmed.isEmpty, let tail, tail.utf8.contains(UInt8(ascii: "-")) {
            range = tail
            start = .at(.zero)
            end = point(tail.cut(at: UInt8(ascii: "-")).tail ?? "")
        } else {
            start = point(head)
            end = tail.flatMap { point($0) }
            // A start that is there and makes no sense is not an open one.
            if start == nil, end == nil || !head.trimmed.isEmpty { return nil }
        }
        time = parts.dropFirst().lazy.map { HeaderParameter(parsing: $0) }
            .first { $0.isNamed("time") }?.value.flatMap { UTCTime.parse($0[...]) }
    }

    private static func point(_ text: Substring, unit: Unit) -> Point? {
        switch unit {
        case .npt: text.equalsIgnoringCase("now") ? .now : npt(text).map { .at($0) }
        case .smpte(let rate): SMPTETimecode.parse(text, rate: rate).map { .at($0) }
        case .clock: UTCTime.parse(text).map { .at($0) }
        }
    }

    /// `123.45` or `0:02:03.45` (RFC 2326 section 3.6), also `2:03.45`.
    static func npt(_ text: Substring) -> MediaTime? {
        let fields = text.trimmed.parts(separatedBy: UInt8(ascii: ":"), limit: 4)
        guard let last = fields.last, fields.count <= 3, let seconds = MediaTime(decimalSeconds: last) else {
            return nil
        }
        guard fields.count > 1 else { return seconds }
        var minutes: Int64 = 0
        for field in fields.dropLast() {
            guard let value = field.decimal, value < 1_000_000 else { return nil }
            minutes = minutes * 60 + value
        }
        return seconds + MediaTime.seconds(minutes * 60)
    }
}

extension RTSPRange: CustomStringConvertible {
    /// As it is written in a header; what it says is read back to the flick, but to the hundredth of a frame for SMPTE.
    package var description: String {
        let name =
            switch unit {
            case .npt: "npt"
            case .smpte(.drop30): "smpte"
            case .smpte(.fps25): "smpte-25"
            case .clock: "clock"
            }
        func text(_ point: Point?) -> String {
            switch point {
            case nil: ""
            case .now: "now"
            case .at(let time):
                switch unit {
                case .npt: time.decimalSeconds
                case .smpte(let rate): SMPTETimecode.description(time, rate: rate)
                case .clock: UTCTime.description(time)
                }
            }
        }
        return "\(name)=\(text(start))-\(text(end))" + (time.map { ";time=\(UTCTime.description($0))" } ?? "")
    }
}

extension RTSPHeaders {
    package var range: RTSPRange? { self[.range].flatMap { RTSPRange($0) } }
    package var mediaRange: RTSPRange? { self[.mediaRange].flatMap { RTSPRange($0) } }
}
