/// Decides where the stream comes from: facts and the time in, one order out.
///
/// A pure state machine: it opens nothing, waits for nothing and reads no clock. Whoever runs it tells it what happened
/// and does what it orders, one order at a time; each order is answered by exactly one fact.
///
///     start --> .open --opened--> playing --changeObserved--> .resume | .replace | .wait | .giveUp
///                 |                  ^                             |
///            attemptFailed           '-----------joined------------'--attemptFailed / waitEnded--> the next order
///
/// Of `.resume`, and of the first `.open`, two may be under way at once: while one origin is slow, `hedge` lets another be
/// asked beside it.
///
/// The grades fall through by themselves: an origin is first asked for the same bytes (`resume`), and when its object
/// turns out to be another, for the same packets or the same programme (`replace`).
///
/// An origin that delivers still, and is only to be left (a REDIRECT, overload, an operator's word), plays on until another
/// has joined: between two attempts it is read (`stay`), and where nobody else can be had, it is kept.
package struct HandoffController: Sendable {
    package enum Order: Hashable, Sendable {
        /// Open the first ingest on this origin.
        case open(OriginID)
        /// Put this origin's bytes under the running ingest.
        case resume(OriginID)
        /// Open a new ingest on this origin and join it to what was received.
        case replace(OriginID)
        /// Nobody can be asked before this moment.
        case wait(until: Instant)
        /// Read on the origin that was to be left, since nobody else has joined; until this moment, when `stayEnded` is to be
        /// told, or for good (`.never`).
        case stay(until: Instant)
        /// Nobody is left to ask, or the viewer's patience has ended.
        case giveUp(reason: String)
    }

    /// Why an attempt came to nothing.
    package enum AttemptFailure: Hashable, Sendable {
        /// The origin did not deliver.
        case undelivered(ChangeEvent)
        /// The origin holds other bytes: the next grade may do.
        case differentObject(String)
        /// The origin holds something that must not be joined.
        case refused(ChangeEvent.Cause, String)
        /// Another that was asked beside it was faster.
        case outrun
        /// Something else was to be done before it was there: that says nothing of it.
        case calledOff
    }

    package struct Attempt: Hashable, Sendable {
        package let origin: OriginID
        package let order: Order
        package let choice: OriginChoice
        package let began: Instant
        package var ended: Instant?
        package var failure: AttemptFailure?
    }

    /// One handoff from its cause to its end.
    package struct Move: Sendable {
        package let event: ChangeEvent
        /// The origin that is left; nil for the first opening.
        package let from: OriginID?
        package let began: Instant
        package fileprivate(set) var attempts: [Attempt] = []
        /// The running ingest can go on with another source under it.
        fileprivate let canResume: Bool
        /// The origin that is left delivers still.
        package let isPlanned: Bool
        /// The origin that stands ready, until it was asked.
        fileprivate var standby: OriginID?
        /// Origins that were asked since the last wait.
        fileprivate var asked: Set<OriginID> = []
        /// Origins that cannot help with this move, whatever the time.
        fileprivate var barred: Set<OriginID> = []

        /// The last attempt that is under way, with this origin or any.
        fileprivate func unfinished(_ origin: OriginID?) -> Int? {
            attempts.lastIndex { $0.ended == nil && (origin == nil || $0.origin == origin) }
        }

        fileprivate mutating func outrun(_ index: Int, at now: Instant) {
            attempts[index].ended = now
            attempts[index].failure = .outrun
        }
    }

    private enum State: Sendable {
        case idle
        case moving(Move)
        case playing(OriginID)
        case gaveUp(Move)
    }

    /// No wait is shorter: origins that fail at once must not make a busy loop.
    package static let shortestWait: Duration = .milliseconds(50)
    /// For how long the origin that is to be left is read between two attempts: what came of it meanwhile fills the buffer.
    package static let breath: Duration = .milliseconds(100)
    /// Attempts that are kept for the report of one move.
    package static let attemptLimit = 200

    package private(set) var roster: OriginRoster
    private var state: State = .idle
    /// A move that goes on when the origin that it leaves has been read for a moment.
    private var suspended: Move?
    /// The origin whose bytes the running ingest was opened on.
    private var ingestOrigin: OriginID?
    /// Pairs of origins whose objects differ.
    private var different: Set<[OriginID]> = []
    private let giveUpAfter: Duration
    /// Since the first reason to leave an origin after which nothing new was received, whoever was joined meanwhile.
    private var barrenSince: Instant?

    /// - Parameter giveUpAfter: how long to try without receiving anything new.
    package init(roster: OriginRoster, giveUpAfter: Duration) {
        self.roster = roster
        self.giveUpAfter = giveUpAfter
    }

    /// The origin that delivers, or delivered last.
    package var current: OriginID? {
        switch state {
        case .playing(let origin): origin
        case .moving(let move), .gaveUp(let move): move.from
        case .idle: nil
        }
    }

    /// The move under way, or the one that came to nothing.
    package var move: Move? {
        switch state {
        case .moving(let move), .gaveUp(let move): move
        case .idle, .playing: nil
        }
    }

    /// One more origin that may be asked, after all others unless it is named.
    package mutating func add(at endpoint: FailureDomains.Endpoint?) -> OriginID {
        roster.add(OriginRoster.Traits(priority: .max, weight: 0, endpoint: endpoint))
    }

    /// Begins with the best origin.
    package mutating func start(at now: Instant) -> Order {
        guard case .idle = state else { preconditionFailure("started in \(state)") }
        let move = Move(
            event: ChangeEvent(cause: .operatorRequest, detail: "start"), from: nil, began: now, canResume: false,
            isPlanned: false)
        return advance(move, at: now)
    }

    /// A reason to leave the origin that delivers.
    ///
    /// - Parameters:
    ///   - canResume: the running ingest can take the same bytes from elsewhere, from where it is.
    ///   - isPlanned: the origin delivers still, and can be read on. Ended by another event while a move away from it is
    ///     under way, that move is over.
    ///   - target: who is to be asked first: because somebody has named it or, where the event is overload, since it has a
    ///     better prospect.
    ///   - isTargetOnly: nobody but the target is to be asked.
    ///   - standby: who stands ready, and is asked before all others that were not named.
    ///   - jitter: a random number in 0..<1.
    package mutating func changeObserved(
        _ event: ChangeEvent, canResume: Bool, isPlanned: Bool = false, target: OriginID? = nil,
        isTargetOnly: Bool = false, standby: OriginID? = nil, at now: Instant, jitter: Double
    ) -> Order {
        guard case .playing(let origin) = state else { preconditionFailure("a change event in \(state)") }
        suspended = nil
        if barrenSince == nil { barrenSince = now }
        var move = Move(event: event, from: origin, began: now, canResume: canResume, isPlanned: isPlanned)
        if let standby, standby != origin, roster[standby].ruledOut == nil { move.standby = standby }
        // A lone break of an origin with a clean record is best answered by asking the same origin again.
        let isLoneBreak = event.cause.isBrokenConnection && roster.isTrusted(origin, at: now)
        // Nothing is wrong with an origin that somebody wants to leave.
        if event.kind != .operatorRequest {
            roster.failed(origin, cause: event.cause, retryAfter: event.retryAfter, at: now, jitter: jitter)
        }
        if event.cause.isContentFault { move.barred.insert(origin) }
        if isTargetOnly, let target {
            move.barred.formUnion(roster.ids)
            move.barred.remove(target)
        }
        if isLoneBreak, move.standby == nil { return ask(origin, .loneBreak, for: move, at: now) }
        move.asked.insert(origin)
        if let target, target != origin, roster[target].ruledOut == nil, !move.barred.contains(target) {
            // An overloaded server that names another is `redirected`.
            return ask(target, event.cause == .overloaded ? .better : .named, for: move, at: now)
        }
        return advance(move, at: now)
    }

    /// The origin that was asked delivers: for `open` its flows are known, for the others the first new media is here.
    ///
    /// - Parameter origin: which of two; nil for the only one.
    /// - Returns: the move as it went, for the report.
    @discardableResult
    package mutating func joined(_ origin: OriginID? = nil, at now: Instant) -> Move {
        guard case .moving(var move) = state, let index = move.unfinished(origin) else {
            preconditionFailure("joined in \(state)")
        }
        move.attempts[index].ended = now
        let attempt = move.attempts[index]
        while let loser = move.unfinished(nil) { move.outrun(loser, at: now) }
        if case .resume = attempt.order {
        } else {
            ingestOrigin = attempt.origin
            // What is read anew is what the origin holds now; what differed from its former object may not differ now.
            if different.contains([attempt.origin, attempt.origin]) {
                different = different.filter { !$0.contains(attempt.origin) }
            }
        }
        roster.delivered(attempt.origin, at: now)
        state = .playing(attempt.origin)
        return move
    }

    /// New media arrives from the current origin. Called now and then, not for every packet, and with the first after a
    /// reason to leave.
    package mutating func delivered(at now: Instant) {
        barrenSince = nil
        if case .playing(let origin) = state { roster.delivered(origin, at: now) }
    }

    /// The last order came to nothing.
    ///
    /// - Parameter jitter: a random number in 0..<1.
    package mutating func attemptFailed(_ failure: AttemptFailure, at now: Instant, jitter: Double) -> Order {
        guard case .moving(var move) = state, let index = move.unfinished(nil) else {
            preconditionFailure("an attempt failed in \(state)")
        }
        let origin = note(failure, of: index, in: &move, at: now, jitter: jitter)
        // The same origin, one grade lower; it answered, so nothing is held against it.
        if case .differentObject = failure {
            return ask(origin, .lowerGrade, for: move, at: now)
        }
        return advance(move, at: now)
    }

    private mutating func note(
        _ failure: AttemptFailure, of index: Int, in move: inout Move, at now: Instant, jitter: Double
    ) -> OriginID {
        move.attempts[index].ended = now
        move.attempts[index].failure = failure
        let origin = move.attempts[index].origin
        switch failure {
        case .undelivered(let event):
            roster.failed(origin, cause: event.cause, retryAfter: event.retryAfter, at: now, jitter: jitter)
            if event.cause.isContentFault { move.barred.insert(origin) }
        case .differentObject:
            if let ingestOrigin { different.insert([ingestOrigin, origin]) }
        case .refused(_, let reason): roster.ruleOut(origin, because: reason)
        case .outrun, .calledOff: break
        }
        return origin
    }

    // MARK: - Two at once

    /// While an origin is asked for the same bytes, or to begin the stream: who could be asked beside it, the best first.
    package func hedgeCandidates(at now: Instant) -> [OriginID] {
        guard case .moving(let move) = state, !move.isPlanned, let attempt = move.attempts.last, attempt.ended == nil
        else { return [] }
        let ready = roster.ids.filter {
            roster[$0].ruledOut == nil && !move.barred.contains($0) && !move.asked.contains($0)
                && !roster.isUnderPenalty($0, at: now)
        }
        switch attempt.order {
        case .open: return roster.ranked(ready)
        case .resume:
            guard let ingestOrigin else { return [] }
            return roster.ranked(ready.filter { !different.contains([ingestOrigin, $0]) })
        case .replace, .wait, .stay, .giveUp: return []
        }
    }

    /// A candidate is asked too. Who delivers first is told with `joined`; a failure of the one that is left alone with
    /// `attemptFailed`.
    package mutating func hedge(with origin: OriginID, at now: Instant) {
        guard case .moving(var move) = state else { preconditionFailure("hedged in \(state)") }
        move.asked.insert(origin)
        if move.attempts.count >= Self.attemptLimit { move.attempts.removeFirst() }
        let order: Order = move.from == nil ? .open(origin) : .resume(origin)
        move.attempts.append(Attempt(origin: origin, order: order, choice: .hedge, began: now))
        state = .moving(move)
    }

    /// One of two came to nothing, and the other is still asked.
    ///
    /// - Parameter jitter: a random number in 0..<1.
    package mutating func hedgeFailed(
        _ failure: AttemptFailure, of origin: OriginID, at now: Instant, jitter: Double
    ) {
        guard case .moving(var move) = state, let index = move.unfinished(origin) else {
            preconditionFailure("a hedge failed in \(state)")
        }
        _ = note(failure, of: index, in: &move, at: now, jitter: jitter)
        state = .moving(move)
    }

    /// The other of two was faster, and it is not yet known whether it delivers.
    package mutating func outrun(_ origin: OriginID, at now: Instant) {
        guard case .moving(var move) = state, let index = move.unfinished(origin) else { return }
        move.outrun(index, at: now)
        state = .moving(move)
    }

    /// An origin is to be asked after all others from now on.
    package mutating func demote(_ origin: OriginID) { roster.demote(origin) }

    /// An alternate could not be made ready.
    ///
    /// - Parameter jitter: a random number in 0..<1.
    package mutating func preparationFailed(
        _ event: ChangeEvent, on origin: OriginID, at now: Instant, jitter: Double
    ) {
        roster.failed(origin, cause: event.cause, retryAfter: event.retryAfter, at: now, jitter: jitter)
    }

    /// An alternate that was to deliver beside the origin that is played did not, or delivered something else.
    ///
    /// - Parameter jitter: a random number in 0..<1.
    package mutating func standbyFailed(
        _ failure: AttemptFailure, on origin: OriginID, at now: Instant, jitter: Double
    ) {
        switch failure {
        case .undelivered(let event): preparationFailed(event, on: origin, at: now, jitter: jitter)
        // Other content beside media that plays is other content in its place.
        case .refused(_, let reason): roster.ruleOut(origin, because: reason)
        case .differentObject, .outrun, .calledOff: break
        }
    }

    /// What stands by delivers.
    package mutating func standbyDelivers(_ origin: OriginID, at now: Instant) { roster.delivered(origin, at: now) }

    /// Whether anyone but the current origin could be asked now, with a better prospect.
    package var hasAlternative: Bool {
        guard case .playing(let current) = state else { return false }
        return roster.ids.contains {
            $0 != current && roster[$0].ruledOut == nil && roster[$0].failuresInARow == 0
        }
    }

    /// The other origins in the order in which a handoff would ask them, each with the end of its penalty; nil while one is
    /// under way.
    package func alternates(at now: Instant) -> [(origin: OriginID, notBefore: Instant?)]? {
        guard case .playing(let current) = state else { return nil }
        let usable = roster.ids.filter { $0 != current && roster[$0].ruledOut == nil }
        return roster.ranked(usable).map { ($0, roster.isUnderPenalty($0, at: now) ? roster[$0].penaltyEnds : nil) }
    }

    /// The other origins for which it is worth leaving one that may come back, the best first; nil while a handoff is under
    /// way.
    package func promising(at now: Instant) -> [OriginID]? {
        guard case .playing(let current) = state else { return nil }
        return roster.ranked(roster.ids.filter { $0 != current && roster.isPromising($0, at: now) })
    }

    /// Whether anyone is left to ask of whom nothing bad is known, besides the origin that is asked at present.
    package var hasOthers: Bool {
        guard case .moving(let move) = state else { return false }
        return roster.ids.contains {
            roster[$0].ruledOut == nil && !move.barred.contains($0) && !move.asked.contains($0)
                && roster[$0].failuresInARow == 0
        }
    }

    /// The moment of the last `.wait` has come.
    package mutating func waitEnded(at now: Instant) -> Order {
        guard case .moving(var move) = state else { preconditionFailure("a wait ended in \(state)") }
        move.asked = []
        return advance(move, at: now)
    }

    /// The moment of the last `.stay` has come, and the origin that is to be left still delivers.
    package mutating func stayEnded(at now: Instant) -> Order {
        guard case .playing = state, let move = suspended else { preconditionFailure("a stay ended in \(state)") }
        suspended = nil
        return advance(move, at: now)
    }

    private func giveUpTime(_ move: Move) -> Instant { (barrenSince ?? move.began) + giveUpAfter }

    private func isTooLate(_ move: Move, at now: Instant) -> Bool { now >= giveUpTime(move) }

    private mutating func advance(_ move: Move, at now: Instant) -> Order {
        if move.isPlanned, let from = move.from { return advance(move, awayFrom: from, at: now) }
        let usable = roster.ids.filter { roster[$0].ruledOut == nil && !move.barred.contains($0) }
        guard !usable.isEmpty else { return giveUp(move, because: "no origin is left that could go on") }
        // Each that may be asked is asked once, however short the patience.
        let isDone = { [roster] (origin: OriginID) in
            move.attempts.contains { $0.origin == origin } || roster.isUnderPenalty(origin, at: now)
        }
        if isTooLate(move, at: now), usable.allSatisfy(isDone) {
            return giveUp(move, because: "nothing new was received for \(giveUpAfter.secondsText) s")
        }
        if let standby = move.standby, usable.contains(standby), !move.asked.contains(standby) {
            return ask(standby, .stoodReady, for: move, at: now)
        }
        let ready = usable.filter { !move.asked.contains($0) && !roster.isUnderPenalty($0, at: now) }
        if let next = roster.ranked(ready).first {
            return ask(next, inOrder(next, for: move, at: now), for: move, at: now)
        }
        // The first opening asks everyone once: whoever started the player wants to know.
        if move.from == nil { return giveUp(move, because: "every origin was asked") }
        let soonest = usable.map { roster[$0].penaltyEnds ?? now }.min() ?? now
        state = .moving(move)
        return .wait(until: min(max(soonest, now + Self.shortestWait), giveUpTime(move)))
    }

    /// The origin that is left delivers meanwhile: nothing presses, and each of the others is asked once.
    private mutating func advance(_ move: Move, awayFrom from: OriginID, at now: Instant) -> Order {
        let ready = roster.ids.filter {
            roster[$0].ruledOut == nil && !move.barred.contains($0) && !move.asked.contains($0)
                && !roster.isUnderPenalty($0, at: now)
        }
        let standby = move.standby.flatMap { ready.contains($0) ? $0 : nil }
        guard let next = standby ?? roster.ranked(ready).first else {
            state = .playing(from)
            roster.delivered(from, at: now)
            return .stay(until: .never)
        }
        // The first attempt, or one that comes after a moment of reading.
        if move.attempts.last.map({ now >= ($0.ended ?? now) + Self.breath }) ?? true {
            let choice = next == standby ? .stoodReady : inOrder(next, for: move, at: now)
            return ask(next, choice, for: move, at: now)
        }
        suspended = move
        state = .playing(from)
        return .stay(until: now + Self.breath)
    }

    /// Who would have come before an origin, and why they did not.
    private func inOrder(_ origin: OriginID, for move: Move, at now: Instant) -> OriginChoice {
        .inOrder(
            passedOver: roster.preferred.prefix { $0 != origin }.map { other in
                let health = roster[other]
                if let reason = health.ruledOut { return .init(other, .ruledOut(reason)) }
                if move.barred.contains(other) { return .init(other, .barred) }
                if move.asked.contains(other) { return .init(other, .asked) }
                if let end = health.penaltyEnds, end > now { return .init(other, .penalty(end - now)) }
                return .init(other, health.sharedFailure != nil ? .deadHost : .failures(health.failuresInARow))
            })
    }

    private mutating func ask(
        _ origin: OriginID, _ choice: OriginChoice, for move: Move, at now: Instant
    ) -> Order {
        var move = move
        move.asked.insert(origin)
        if move.standby == origin { move.standby = nil }
        let order: Order
        if move.from == nil {
            order = .open(origin)
        } else if move.canResume, let ingestOrigin, !different.contains([ingestOrigin, origin]) {
            order = .resume(origin)
        } else {
            // The running ingest stays as it is until the new one has joined: another origin may still resume it.
            order = .replace(origin)
        }
        if move.attempts.count >= Self.attemptLimit { move.attempts.removeFirst() }
        move.attempts.append(Attempt(origin: origin, order: order, choice: choice, began: now))
        state = .moving(move)
        return order
    }

    private mutating func giveUp(_ move: Move, because reason: String) -> Order {
        state = .gaveUp(move)
        return .giveUp(reason: reason)
    }
}

extension Duration {
    /// Seconds with at most one decimal, for people.
    package var secondsText: String {
        let tenths = (wholeNanoseconds &+ 50_000_000) / 100_000_000
        return tenths % 10 == 0 ? "\(tenths / 10)" : "\(tenths / 10).\(tenths % 10)"
    }
}
