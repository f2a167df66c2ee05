package import ThroughlineCore

/// A media playlist: the segments of one rendition, in the order in which they are played (RFC 8216 section 4.3.3).
///
/// URIs stand as the playlist has them, with variables replaced; `HLSReference` says where they lead.
package struct HLSMediaPlaylist: Hashable, Sendable {
    package enum Kind: String, Sendable {
        /// Nothing changes.
        case vod = "VOD"
        /// Segments are added at the end.
        case event = "EVENT"
    }

    /// How segments are encrypted, in one of the ways that a player may use.
    package struct Key: Hashable, Sendable {
        package enum Method: Hashable, Sendable {
            /// Whole segments, AES-128 in CBC mode with PKCS7 padding.
            case aes128
            /// Samples; refused.
            case sampleAES
            case other(String)
        }

        package var method: Method
        package var uri: String?
        /// 16 bytes; nil for the number of the segment.
        package var initializationVector: [UInt8]?
        /// `identity` unless a system of digital rights says otherwise.
        package var format: String
    }

    /// An init section.
    package struct Map: Hashable, Sendable {
        package var uri: String
        package var range: Range<Int64>?
        /// Those that hold where it stands.
        package var keys: [Key]
    }

    package struct Segment: Hashable, Sendable {
        package var uri: String
        /// By the playlist.
        package var duration: MediaTime
        package var title: String?
        package var range: Range<Int64>?
        package var map: Map?
        /// Alternatives; empty where it is not encrypted.
        package var keys: [Key]
        /// How many discontinuities stand before it, those before the playlist included.
        package var discontinuity: Int64
        /// Of its first sample, since 1970, where the playlist says so here.
        package var date: MediaTime?
        /// It is missing on purpose, and is not asked for.
        package var isGap: Bool
        /// Where it stands in the text, from 1 on.
        package var line: Int
    }

    /// Something that is to be known of a stretch of time: `EXT-X-DATERANGE`.
    package struct DateRange: Hashable, Sendable {
        package var id: String
        package var classID: String?
        /// Since 1970; nil in those that only add to one before.
        package var start: MediaTime?
        package var end: MediaTime?
        package var duration: MediaTime?
        package var plannedDuration: MediaTime?
        package var endsOnNext: Bool
        /// SCTE-35 sections, as they are in the stream.
        package var spliceCommand: [UInt8]?
        package var spliceOut: [UInt8]?
        package var spliceIn: [UInt8]?
    }

    package var version: Int64 = 1
    package var targetDuration: MediaTime?
    /// The number of the first segment.
    package var mediaSequence: Int64 = 0
    package var discontinuitySequence: Int64 = 0
    package var kind: Kind?
    /// Nothing is added any more.
    package var isEnded = false
    package var isIFramesOnly = false
    package var isIndependent = false
    package var start: HLSStart?
    package var segments: [Segment] = []
    package var dateRanges: [DateRange] = []
    /// Segments that the server left out, since they were known (`EXT-X-SKIP`).
    package var skipped: Int64?
    /// Partial segments at the end; read as part of the segments that follow.
    package var parts = 0

    /// The sum of the segments.
    package var duration: MediaTime { segments.reduce(.zero) { $0 + $1.duration } }
}

/// Where playing begins best (`EXT-X-START`).
package struct HLSStart: Hashable, Sendable {
    /// From the beginning, or where it is negative from the end.
    package var offset: MediaTime
    /// What stands before it in its segment is not shown.
    package var isPrecise: Bool
}
