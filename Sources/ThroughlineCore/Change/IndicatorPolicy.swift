/// What the agent makes of the changes that a stream announces inside itself.
///
/// | the indicator says | `stay` | `leave` |
/// | --- | --- | --- |
/// | move | stay | leave: for the target, or for the best other origin where none is named |
/// | move to an origin that was not configured | stay | stay, unless `allowsOtherTargets` |
/// | content changes, nothing more | stay | leave for the best other origin |
/// | content changes: stay | stay | stay |
/// | end | the presentation ends there | the same |
/// | withdraw | forget what was announced | the same |
///
/// With `ignore` none of them has an effect. Staying is not the same: it has the agent expect a change of content, so
/// that it is not mistaken for a fault.
public struct IndicatorPolicy: Hashable, Sendable {
    public enum Response: String, Hashable, Sendable, CaseIterable {
        case stay, leave, ignore
    }

    private var responses: [Indicator.Kind: Response] = [:]

    /// Whether an indicator may send the agent to an origin that the user did not configure. Off by default: what writes
    /// into the stream is not always who runs it.
    public var allowsOtherTargets: Bool

    /// With the defaults, see `subscript`.
    public init(allowsOtherTargets: Bool = false) { self.allowsOtherTargets = allowsOtherTargets }

    /// The response to one kind. By default `leave` for Throughline's own messages, which say what is meant, and `stay`
    /// for what only tells that the content changes.
    public subscript(kind: Indicator.Kind) -> Response {
        get { responses[kind] ?? Self.defaultResponse(to: kind) }
        set {
            // What is set to its default compares equal to what was never set.
            responses[kind] = newValue == Self.defaultResponse(to: kind) ? nil : newValue
        }
    }

    private static func defaultResponse(to kind: Indicator.Kind) -> Response {
        switch kind {
        case .userData, .timedMetadata: .leave
        case .splice, .discontinuity, .programChange: .stay
        }
    }
}

extension IndicatorPolicy {
    package enum Decision: Hashable, Sendable {
        case ignore
        /// The content, or its form, may change there; that is no fault.
        case stay(at: Indicator.Position)
        case leave(for: Destination, at: Indicator.Position)
        /// It names an origin that may not be taken: whoever wrote it is not believed.
        case refuse(url: String)
        /// The presentation ends there; no other origin has to be asked.
        case end(at: Indicator.Position)
        /// What was decided about the same kind and event is void.
        case withdraw
    }

    package enum Destination: Hashable, Sendable {
        /// Whichever other origin is the best.
        case anyOrigin
        /// One that was configured.
        case origin(OriginID)
        /// One that was not configured, and is allowed.
        case other(url: String)
    }

    /// The schemes an indicator may name: those that can be played, without that of files.
    package static let schemes: Set<String> = ["http", "https", "rtsp", "rtsps", "rtspt", "rtspu"]

    /// - Parameter configured: finds the origin that a URL means among those configured.
    package func decision(on indicator: Indicator, configured: (String) -> OriginID?) -> Decision {
        let response = self[indicator.kind]
        guard response != .ignore else { return .ignore }
        let position = indicator.position
        switch indicator.action {
        case .stay: return .stay(at: position)
        case .end: return .end(at: position)
        case .withdraw: return .withdraw
        case .move, .change:
            guard response == .leave else { return .stay(at: position) }
            guard let target = indicator.target else { return .leave(for: .anyOrigin, at: position) }
            if let origin = configured(target) { return .leave(for: .origin(origin), at: position) }
            guard allowsOtherTargets, Self.isNetworkURL(target) else { return .refuse(url: target) }
            return .leave(for: .other(url: target), at: position)
        }
    }

    /// A scheme of `schemes`, `://`, and something after it.
    package static func isNetworkURL(_ text: String) -> Bool {
        let bytes = text.utf8
        guard let colon = bytes.firstIndex(of: UInt8(ascii: ":")),
            schemes.contains(text[..<colon].lowercased())
        else { return false }
        let rest = bytes[colon...].dropFirst()
        return rest.starts(with: "//".utf8) && rest.count > 2 && rest.dropFirst(2).first != UInt8(ascii: "/")
    }
}
