package import ThroughlineCore

/// What a server says it plays (RFC 2326 sections 10.5, 12.29, 12.33 to 12.35). Not what was asked for: servers begin where
/// they like.
package struct RTSPPlayAnswer: Hashable, Sendable {
    package var range: RTSPRange?
    package var scale: Rate
    package var speed: Rate
    /// `RTP-Info` by flow, in the order in which the flows were set up; nil where it says nothing.
    package var flows: [RTPInfo.Entry?]
    /// What the server will send, where it was told what there is room for and answers: bits per second of all flows,
    /// at scale 1. RFC 2326 section 12.6 knows `Bandwidth` in requests only, so few do.
    package var bandwidth: Int64?
    /// Where the request asked to begin; nil where it asked for nothing.
    package var askedStart: NPT?
    /// What the server calls itself (`Server`, section 12.36).
    package var server: String?

    package init(
        range: RTSPRange?, scale: Rate, speed: Rate, flows: [RTPInfo.Entry?], bandwidth: Int64? = nil,
        askedStart: NPT? = nil, server: String? = nil
    ) {
        self.server = server
        self.range = range
        self.scale = scale
        self.speed = speed
        self.flows = flows
        self.bandwidth = bandwidth
        self.askedStart = askedStart
    }

    /// Whether GStreamer's server answers, which takes `Scale` for a speed, and knows no way back.
    package var isGStreamer: Bool { Self.isGStreamer(server ?? "") }

    static func isGStreamer(_ server: String) -> Bool { server.lowercased().contains("gstreamer") }

    /// Whether VLC's server answers, of its streams (`VLC/3.0.24`) or of its video on demand.
    package var isVLC: Bool { server?.lowercased().hasPrefix("vlc/") ?? false }

    /// NPT of the first media: what the answer says, else what was asked for, else the start.
    package var start: NPT { range?.startTime ?? askedStart ?? .zero }
}

/// How to play.
package struct RTSPPlayRequest: Hashable, Sendable {
    /// Where to begin; nil goes on where the server stands.
    package var start: NPT?
    package var end: NPT?
    package var scale: Rate = .normal
    package var speed: Rate = .normal
    /// RFC 7826 section 18.47; servers of RTSP 1.0 know it too, or pass it over.
    /// `Bandwidth` (RFC 2326 section 12.6): what there is room for, in bits per second.
    package var bandwidth: Int64?
    package var seekStyle: SeekStyle?

    package enum SeekStyle: String, Hashable, Sendable {
        /// Begin at the time itself; what is needed to decode it comes at once.
        case exact = "RAP"
        /// Begin at the random access point before.
        case accessPoint = "CoRAP"
    }

    package init(
        start: NPT?, end: NPT? = nil, scale: Rate = .normal, speed: Rate = .normal, bandwidth: Int64? = nil,
        seekStyle: SeekStyle? = nil
    ) {
        self.bandwidth = bandwidth
        self.start = start
        self.end = end
        self.scale = scale
        self.speed = speed
        self.seekStyle = seekStyle
    }
}

/// What a server told of its own accord.
package enum RTSPServerNotice: Hashable, Sendable {
    /// Go elsewhere: at once, or at a place (RFC 2326 section 10.10).
    case redirect(location: String?, range: RTSPRange?)
    /// ANNOUNCE with a notice code.
    case notice(RTSPNotice)
    /// ANNOUNCE with a new description, or of something unknown.
    case announced
    /// PLAY_NOTIFY (RFC 7826 section 13.5): its reason in lower case, and the range it names.
    case playNotify(reason: String, range: RTSPRange?)
    /// The server ends the session.
    case teardown(reason: String?)
}
