/// A change that the stream itself announces, whatever the bytes were that said so: what is to happen, where in the
/// stream, and, if it says, where to go on.
public struct Indicator: Hashable, Sendable {
    /// The carrier. Raw values are stable: they appear in configurations and reports.
    public enum Kind: String, Hashable, Sendable, CaseIterable {
        /// Throughline's own message in the user data of H.264 or HEVC pictures.
        case userData = "sei"
        /// Throughline's own message in a timed ID3 tag.
        case timedMetadata = "id3"
        /// A splice command of ANSI/SCTE 35.
        case splice = "scte-35"
        /// The clock of a transport stream begins anew.
        case discontinuity = "ts-discontinuity"
        /// The map of a programme in a transport stream is another one.
        case programChange = "ts-program"
    }

    public enum Action: String, Hashable, Sendable, CaseIterable {
        /// The origin asks its clients to go elsewhere.
        case move
        /// The content changes, and the origin asks its clients to stay.
        case stay
        /// The content changes; nothing is said about going or staying.
        case change
        /// The presentation ends; nothing is wrong.
        case end
        /// What was announced before with the same event number will not happen.
        case withdraw
    }

    /// Where in the stream it takes effect.
    public enum Position: Hashable, Sendable {
        /// With what follows the indicator in the stream.
        case atOnce
        case npt(NPT)
        /// On the stream's own clock: 33 bits of 90 kHz, the PTS of a transport stream. See `StreamClock`.
        case clock(UInt64)
    }

    public let kind: Kind
    public let action: Action
    public let position: Position
    /// Where to go on: a URL, as it was written.
    public let target: String?
    /// Announcements are repeated: what is equal is one announcement. One event may have several, such as the start and
    /// the end of a break; a withdrawal takes back all with its kind and number.
    public let event: UInt32?
    /// What was seen, for people.
    public let detail: String

    public init(
        kind: Kind, action: Action, position: Position, target: String? = nil, event: UInt32? = nil, detail: String
    ) {
        self.kind = kind
        self.action = action
        self.position = position
        self.target = target
        self.event = event
        self.detail = detail
    }
}
