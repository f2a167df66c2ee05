public import ThroughlineCore

/// A change that the stream announced inside itself, and what is made of it.
public struct IndicatedChange: Sendable, Hashable {
    public enum Response: String, Sendable, Hashable {
        /// The content may change; the origin is not left for it.
        case stay
        /// The origin is left at the position.
        case leave
        /// It names an origin that may not be taken: nothing is done.
        case refused
        /// The presentation ends at the position.
        case end
        /// What was announced before is void.
        case withdraw

        package init(_ decision: IndicatorPolicy.Decision) {
            self =
                switch decision {
                case .ignore, .stay: .stay
                case .leave: .leave
                case .refuse: .refused
                case .end: .end
                case .withdraw: .withdraw
                }
        }
    }

    public let kind: Indicator.Kind
    public let action: Indicator.Action
    public let event: UInt32?
    /// A URL, without credentials.
    public let target: String?
    /// Where it takes effect, as far as that is known; nil for at once.
    public let position: NPT?
    /// What was seen, for people.
    public let detail: String
    public let response: Response
}
