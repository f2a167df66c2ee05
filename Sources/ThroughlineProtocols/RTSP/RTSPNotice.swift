package import ThroughlineCore

/// What a server tells about the session by itself: the notice of an ANNOUNCE, as cable video servers send it in
/// `Notice`, `X-Notice` or `Event-Type`, or the reason of a PLAY_NOTIFY (RFC 7826 section 13.5).
///
///     X-Notice: 2101 "End-of-Stream Reached" event-date=20000406T091645Z npt=1234.56
package struct RTSPNotice: Hashable, Sendable {
    /// Four digits. The first: 1 for information, 2 for the position, 4 and 5 for failures.
    package struct Code: RawRepresentable, Hashable, Sendable {
        package let rawValue: Int
        package init(rawValue: Int) { self.rawValue = rawValue }

        package static let streamStalled = Code(rawValue: 1103)
        package static let streamResumed = Code(rawValue: 1104)
        package static let endOfStream = Code(rawValue: 2101)
        package static let beginningOfStream = Code(rawValue: 2102)
        package static let startOfStream = Code(rawValue: 2104)
        package static let continuousFeedTerminated = Code(rawValue: 2306)
        package static let ticketExpired = Code(rawValue: 2401)
        package static let contentError = Code(rawValue: 4400)
        package static let outOfResources = Code(rawValue: 5200)
        package static let downstreamFailure = Code(rawValue: 5401)
        package static let sessionTerminated = Code(rawValue: 5402)
        package static let serverShuttingDown = Code(rawValue: 5403)
        package static let internalError = Code(rawValue: 5404)
        package static let endOfWindow = Code(rawValue: 5501)
        package static let endOfContract = Code(rawValue: 5502)

        /// Nothing more will come, and nothing is wrong. `startOfStream` ends playing backwards.
        package var isEnd: Bool {
            [.endOfStream, .beginningOfStream, .startOfStream, .continuousFeedTerminated].contains(self)
        }
        /// The server cannot or may not go on.
        package var isFailure: Bool { self == .ticketExpired || rawValue >= 4400 && rawValue < 6000 }
    }

    package var code: Code
    /// The server's words, without quotes.
    package var text: String
    /// When it happened, as it was written.
    package var eventDate: String?
    /// Where in the stream it happened.
    package var npt: NPT?

    /// Words in quotes or not; parameters separated by spaces, semicolons or commas, in any case. `nil` without a
    /// number at the beginning.
    package init?(_ text: String) {
        let trimmed = text.trimmed
        let digits = Substring(trimmed.utf8.prefix { $0.isDigit })
        guard let code = digits.decimal, code <= 999_999 else { return nil }
        self.code = Code(rawValue: Int(code))
        let rest = trimmed[digits.endIndex...]
        var words: [Substring] = []
        for part in rest.parts(separatedBy: 0x20, limit: 64) {
            for part in part.parts(separatedBy: UInt8(ascii: ";"), limit: 64) {
                let parameter = HeaderParameter(parsing: part)
                let value = parameter.value.map {
                    String($0.parts(separatedBy: UInt8(ascii: ","), limit: 1).first ?? "")
                }
                if parameter.isNamed("npt"), let value {
                    npt = npt ?? RTSPRange.npt(value[...])
                } else if parameter.isNamed("event-date"), let value {
                    eventDate = eventDate ?? (value.isEmpty ? nil : value)
                } else if parameter.value == nil || part.utf8.first == UInt8(ascii: "\"") {
                    words.append(part)
                }
            }
        }
        self.text = words.joined(separator: " ").unquoted
    }
}

extension RTSPHeaders {
    /// The first of the headers that carry one.
    package var notice: RTSPNotice? {
        for name in [Name.xNotice, .notice, .eventType] {
            if let notice = self[name].flatMap({ RTSPNotice($0) }) { return notice }
        }
        return nil
    }

    /// `end-of-stream`, `media-properties-update`, `scale-change`, in lower case (RFC 7826 section 18.32).
    package var notifyReason: String? { self[.notifyReason]?.cut(at: UInt8(ascii: ";")).head.trimmed.asciiLowercased }

    /// `Session-Timeout`, `Server-Admin`, `Internal-Error`, in lower case, without its parameters (section 18.52).
    package var terminateReason: String? {
        self[.terminateReason]?.cut(at: UInt8(ascii: ";")).head.trimmed.asciiLowercased
    }
}
