internal import ThroughlineCore

/// A multivariant playlist: the same presentation in several qualities, and its renditions (RFC 8216 section 4.3.4).
package struct HLSMultivariantPlaylist: Hashable, Sendable {
    /// One quality.
    package struct Variant: Hashable, Sendable {
        package var uri: String
        /// Bits per second, at the most.
        package var bandwidth: Int64
        package var averageBandwidth: Int64?
        package var codecs: [String]
        package var width: Int?
        package var height: Int?
        /// Frames per second, in thousandths.
        package var frameRate: Int64?
        /// The groups of its renditions.
        package var audio: String?
        package var video: String?
        package var subtitles: String?
        package var closedCaptions: String?
        package var pathway: String?
        package var stableID: String?
        /// SDR, HLG or PQ.
        package var videoRange: String?
        package var line: Int
    }

    /// One alternative of one medium.
    package struct Rendition: Hashable, Sendable {
        package enum Kind: String, Sendable {
            case audio = "AUDIO"
            case video = "VIDEO"
            case subtitles = "SUBTITLES"
            case closedCaptions = "CLOSED-CAPTIONS"
        }

        package var kind: Kind
        package var group: String
        package var name: String
        package var language: String?
        /// Nil where it is in the media of the variants.
        package var uri: String?
        package var isDefault: Bool
        package var isAutoselect: Bool
        package var isForced: Bool
        package var channels: String?
        package var characteristics: [String]
        package var inStreamID: String?
        package var stableID: String?
        package var line: Int
    }

    /// Which places there are, and in which order they are asked, is told by a server (`EXT-X-CONTENT-STEERING`).
    package struct Steering: Hashable, Sendable {
        package var uri: String
        package var pathway: String?
    }

    package var version: Int64 = 1
    package var variants: [Variant] = []
    /// Key frames alone, for playing fast and backwards.
    package var iFrameVariants: [Variant] = []
    package var renditions: [Rendition] = []
    package var sessionKeys: [HLSMediaPlaylist.Key] = []
    package var isIndependent = false
    package var start: HLSStart?
    package var steering: Steering?
    /// For the media playlists that import them.
    package var variables: [String: String] = [:]
}
