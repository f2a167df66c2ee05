internal import ThroughlineProtocols

/// The kind of an origin by its URL alone: what can be done with it is known before its server was asked anything.
///
/// | kind | schemes | carries | another one goes on | backwards |
/// | --- | --- | --- | --- | --- |
/// | `bytes` | `http`, `https`, `file`, paths, `-` | the bytes of a container | under the demuxer, at a byte | no |
/// | `rtsp` | `rtsp`, `rtsps`, `rtspt`, `rtspu` | packets as they are played | with a session of its own | if it can |
enum IngestKind: Hashable, Sendable {
    case bytes
    case rtsp

    /// URL schemes of all kinds, in lower case.
    static let schemes = ["http", "https", "rtsp", "rtsps", "rtspt", "rtspu", "file"]

    init(url: String) { self = RTSPAddress.isRTSP(url) ? .rtsp : .bytes }

    /// How an origin is made ready beside the one that is played.
    enum Preparation: Hashable, Sendable {
        /// Its bytes are proven at the place where the other stands, which is left behind as more of them come.
        case proof
        /// A session is set up, and stands as long as it is wanted.
        case session
    }

    var preparation: Preparation {
        switch self {
        case .bytes: .proof
        case .rtsp: .session
        }
    }

    /// Whether the same object elsewhere can be told, and gone on with, byte by byte.
    var carriesBytes: Bool { self == .bytes }

    /// Whether an origin of this kind delivers no faster than the media is played, and cannot be held back.
    var isRealtime: Bool { self == .rtsp }

    /// Whether an origin of this kind can be asked to play backwards.
    var mayPlayBackwards: Bool { self == .rtsp }

    /// Whether an origin of this kind is told where to begin when it is opened, and not afterwards.
    var beginsWhereOpened: Bool { self == .rtsp }
}

extension Origin {
    var kind: IngestKind { IngestKind(url: url) }
}
