/// A control message or action that changes how data maps to time. What it does not say, being nil, stays as it was.
package struct Adjustment: Hashable, Sendable {
    /// How much payload carries a second of media played at scale 1.
    package enum Bandwidth: Hashable, Sendable {
        /// Of the media: what the flow has at normal speed, such as the `b=` of SDP, the `BANDWIDTH` of a playlist.
        case media(bitsPerSecond: Int64)
        /// Of the delivery, which a `Speed` of 2 doubles: what flows in a second of the wall clock.
        case delivery(bitsPerSecond: Int64)
        /// Not known, or no longer.
        case unknown
    }

    package var isPlaying: Bool?
    /// Where the media stands from here on: the start of the `Range` of a response, the time of an `RTP-Info`.
    package var position: NPT?
    /// How the time of the media goes against that of the viewer (RFC 2326 section 12.34).
    package var scale: Rate?
    /// How much faster than normal the data is delivered (RFC 2326 section 12.35).
    package var speed: Rate?
    package var bandwidth: Bandwidth?

    package init(
        isPlaying: Bool? = nil, position: NPT? = nil, scale: Rate? = nil, speed: Rate? = nil,
        bandwidth: Bandwidth? = nil
    ) {
        self.isPlaying = isPlaying
        self.position = position
        self.scale = scale
        self.speed = speed
        self.bandwidth = bandwidth
    }

    /// Begin, go on, or go on elsewhere.
    package static func play(
        from position: NPT? = nil, scale: Rate? = nil, speed: Rate? = nil, bandwidth: Bandwidth? = nil
    ) -> Adjustment {
        Adjustment(isPlaying: true, position: position, scale: scale, speed: speed, bandwidth: bandwidth)
    }

    package static func pause(at position: NPT? = nil) -> Adjustment {
        Adjustment(isPlaying: false, position: position)
    }
}
