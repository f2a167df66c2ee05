/// The changes that were announced and have not come yet: what is to be done, and where in the stream.
///
/// Pure: who reads the stream asks for the next one, and takes it out when its place has come. Bounded: more
/// than `mostChanges` are not taken.
package struct ChangePlan: Sendable {
    package enum Act: Hashable, Sendable {
        /// Leave the origin.
        ///
        /// - Parameters:
        ///   - target: who is to be asked first.
        ///   - isTargetOnly: and nobody else.
        case leave(ChangeEvent, target: OriginID?, isTargetOnly: Bool)
        /// The presentation ends there.
        case end
    }

    package struct Change: Hashable, Sendable {
        package let act: Act
        /// Where; `atOnce` is the next packet.
        package let position: Indicator.Position
        /// Who announced it; nil for the operator, whose word holds at every origin.
        package let announcer: OriginID?
        /// By what an announcement is withdrawn.
        package let kind: Indicator.Kind?
        package let event: UInt32?

        package init(
            _ act: Act, at position: Indicator.Position, announcer: OriginID? = nil, kind: Indicator.Kind? = nil,
            event: UInt32? = nil
        ) {
            self.act = act
            self.position = position
            self.announcer = announcer
            self.kind = kind
            self.event = event
        }
    }

    package static let mostChanges = 64
    /// Announcements that are remembered, so that their repetitions count for nothing.
    package static let mostKnown = 512
    /// Announcements without a number are the same when they are this close together.
    package static let closeness: MediaTime = .seconds(1)

    private struct Known: Sendable {
        let kind: Indicator.Kind
        let action: Indicator.Action
        let event: UInt32?
        let target: String?
        let npt: NPT?
    }

    private var changes: [Change] = []
    private var known: [Known] = []

    package init() {}

    package var isEmpty: Bool { changes.isEmpty }

    /// Whether an announcement says something that was not said before.
    ///
    /// Throughline's own messages are told apart by their number: the same number is the same announcement until it is
    /// withdrawn. Of others one number may have several places, such as both ends of a break.
    ///
    /// - Parameter npt: where it takes effect or, for at once, where it stands; nil where that is not known.
    package mutating func isNews(_ indicator: Indicator, at npt: NPT?) -> Bool {
        let isOwn = indicator.kind == .userData || indicator.kind == .timedMetadata
        if indicator.action == .withdraw {
            let count = known.count
            known.removeAll { $0.kind == indicator.kind && $0.event == indicator.event && $0.action != .withdraw }
            // Whether anything is taken back or not: a withdrawal is repeated as well.
            if known.count == count, isKnown(indicator, at: nil, isOwn: true) { return false }
        } else if isKnown(indicator, at: npt, isOwn: isOwn) {
            return false
        } else {
            known.removeAll { $0.kind == indicator.kind && $0.event == indicator.event && $0.action == .withdraw }
        }
        if known.count >= Self.mostKnown { known.removeFirst() }
        known.append(
            Known(
                kind: indicator.kind, action: indicator.action, event: indicator.event, target: indicator.target,
                npt: npt))
        return true
    }

    private func isKnown(_ indicator: Indicator, at npt: NPT?, isOwn: Bool) -> Bool {
        known.contains { other in
            guard other.kind == indicator.kind, other.event == indicator.event else { return false }
            guard (other.action == .withdraw) == (indicator.action == .withdraw) else { return false }
            if isOwn { return true }
            guard other.action == indicator.action, other.target == indicator.target else { return false }
            guard let here = npt, let there = other.npt else { return npt == nil && other.npt == nil }
            return (here - there).magnitude < Self.closeness
        }
    }

    package mutating func add(_ change: Change) {
        if changes.count < Self.mostChanges { changes.append(change) }
    }

    /// An announcement is taken back.
    package mutating func withdraw(_ kind: Indicator.Kind, event: UInt32?) {
        changes.removeAll { $0.kind == kind && $0.event == event }
    }

    /// Another origin is read from now on: what one announced of itself that is not read any more is void.
    package mutating func reads(_ origin: OriginID) {
        changes.removeAll { $0.announcer.map { $0 != origin } ?? false }
    }

    /// What comes first, and where; nil for a place that is not known yet.
    ///
    /// - Parameter npt: of a place in the stream.
    package func next(_ npt: (Indicator.Position) -> NPT?) -> (change: Change, npt: NPT)? {
        var first: (change: Change, npt: NPT)?
        for change in changes {
            guard let place = npt(change.position) else { continue }
            if first.map({ place < $0.npt }) ?? true { first = (change, place) }
        }
        return first
    }

    /// The origin failed before the place at which it wanted to be left.
    package func announced(by origin: OriginID) -> (event: ChangeEvent, target: OriginID?)? {
        for case let change in changes where change.announcer == origin {
            if case .leave(let event, let target, _) = change.act { return (event, target) }
        }
        return nil
    }

    /// It has come, or is void.
    package mutating func remove(_ change: Change) {
        if let place = changes.firstIndex(of: change) { changes.remove(at: place) }
    }
}
