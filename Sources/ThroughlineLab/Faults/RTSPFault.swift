public import ThroughlineCore

/// What goes wrong at an ``RTSPOrigin`` only, beside what can go wrong with any origin.
///
///     Fault(.rtsp(.bye), .atNPT(.seconds(4)))                             // says goodbye in mid-stream
///     Fault(.rtsp(.redirect("rtsp://127.0.0.1:8002/film.mp4")), .at(.seconds(2)))
///
/// Those that happen once happen once to each session; the others last for as long
/// as the fault does.
public enum RTSPFault: Sendable, Hashable {
    // MARK: Answers

    /// DESCRIBE (or the method of the fault) is answered with this status, 300...399, and this `Location`.
    case moved(Int, location: String)
    /// The origin forgets every session that it has: its media stop, and requests that name it are answered 454.
    case sessionLost
    /// The answer to PLAY has no `RTP-Info`.
    case withoutRTPInfo
    /// `RTP-Info` in the answer to PLAY is wrong: the sequence number by 1000, the timestamp by 100 s.
    case wrongRTPInfo
    /// The answer to PLAY has no `Range`.
    case withoutRange
    /// PLAY is answered as by a server without `Scale`: it plays at 1, to the end, and the answer says nothing of it.
    case withoutScale
    /// What is played begins this much behind what was asked for; the answer says so.
    case lateStart(Duration)

    /// `Speed` is passed over, and the answer to PLAY does not have it.
    case withoutSpeed
    /// With a `Speed`, timestamps go by the clock on the wall, as some servers have it, and not as RFC 2326 section 12.35
    /// does.
    case speedInTimestamps

    // MARK: Requests of the server

    /// REDIRECT to this URL, from this NPT on if one is given. The media go on.
    case redirect(String, from: NPT? = nil)
    /// ANNOUNCE with this code in `X-Notice`. The media go on.
    case announce(Int)
    /// PLAY_NOTIFY with this reason, such as `end-of-stream`. The media go on.
    case playNotify(String)
    /// TEARDOWN: the session and its media are over.
    case teardown

    // MARK: Media

    /// RTCP BYE for each flow, and nothing more of this PLAY.
    case bye
    /// Each flow goes on under another SSRC, with other sequence numbers and timestamps.
    case newSource
    /// The UDP ports of the session are closed: what is sent there is answered by ICMP. Nothing more comes over UDP.
    case closePorts
    /// So many percent of the RTP packets are not sent.
    case loss(percent: Double)
    /// So many percent of the RTP packets change places with the next one of their flow.
    case reorder(percent: Double)
    /// So many percent of the RTP packets are sent twice.
    case duplicate(percent: Double)
    /// So many bytes that are no RTSP stand between two interleaved frames, once.
    case garbage(Int)
    /// So many sequence numbers are left out of each flow, once.
    case sequenceJump(Int)
    /// Timestamps jump by so much, once.
    case timestampJump(Duration)
    /// All packets of a flow carry the timestamp of the one before.
    case frozenTimestamps
    /// Nothing comes of the flow with this number in the description, counted from 0; the others go on.
    case silentFlow(Int)
    /// All packets carry timestamps that are made up.
    case randomTimestamps
    /// No sender reports are sent; RTCP BYE still is.
    case withoutReports
}

extension RTSPFault {
    /// What it has to do with.
    enum Concern { case requests, sessions, media }

    var concern: Concern {
        switch self {
        case .moved, .withoutRTPInfo, .wrongRTPInfo, .withoutRange, .withoutScale, .lateStart, .withoutSpeed,
            .speedInTimestamps:
            .requests
        case .sessionLost, .redirect, .announce, .playNotify, .teardown, .closePorts: .sessions
        case .bye, .newSource, .loss, .reorder, .duplicate, .garbage, .sequenceJump, .timestampJump, .frozenTimestamps,
            .randomTimestamps, .withoutReports, .silentFlow:
            .media
        }
    }
}
