/// Decides what becomes of a stream: facts, what is seen around them, and the time in, orders out.
///
/// A pure state machine: it opens nothing, waits for nothing, reads no clock, and draws its random numbers where it is told
/// to. Whoever runs it takes a fact, looks at the clock and around once, asks, and carries out what is ordered, in its order.
///
/// | decided here | by |
/// | --- | --- |
/// | who is asked next, and for what | `HandoffController` |
/// | when the origin that is played is left for what it delivers, and who is made ready | `OriginWatch` |
/// | when the preferred origin is asked, and gone back to | `ReturnPlanner` |
/// | how long an origin may take to answer | `bound` |
package struct StreamMachine: Sendable {
    /// What is known of an origin before it was asked anything.
    package struct Origin: Sendable {
        /// For people.
        package var name: String
        package var priority: Int
        package var weight: Int
        package var endpoint: FailureDomains.Endpoint?
        /// Made ready by a session that is set up with the origin, and not by bytes that are proven at one place.
        package var preparesSession: Bool
        /// Gives its bytes once, as a pipe does, so that the origin is not asked only to see.
        package var isReadOnce: Bool

        package init(
            name: String, priority: Int = 0, weight: Int = 1, endpoint: FailureDomains.Endpoint? = nil,
            preparesSession: Bool = false, isReadOnce: Bool = false
        ) {
            self.name = name
            self.priority = priority
            self.weight = weight
            self.endpoint = endpoint
            self.preparesSession = preparesSession
            self.isReadOnce = isReadOnce
        }
    }

    package struct Settings: Sendable {
        /// How long to try without receiving anything new.
        package var giveUpAfter: Duration = .seconds(30)
        /// Silence that is borne where no buffer hides it.
        package var silenceBound: Duration = .seconds(1)
        /// How long one origin may take to answer, and the first.
        package var openBound: Duration = .seconds(5)
        package var firstBound: Duration = .seconds(5)
        package var failback = Failback.next
        /// Others are kept ready ahead of need.
        package var keepsStandby = false
        /// Origins that may be added while it plays.
        package var mostAdded = 16

        package init() {}
    }

    /// A reason to leave the origin that delivers.
    package struct Change: Sendable {
        package var event: ChangeEvent
        /// As in `HandoffController.changeObserved`, all three.
        package var canResume = false
        package var isPlanned = false
        package var isTargetOnly = false
        /// The origin to be asked first; nil for the one that the event names.
        package var target: OriginID?
        /// Whom its URL means, where that is an origin.
        package var named: OriginID?
        /// Where the origin that is left wanted to send its clients later.
        package var announced: OriginID?

        package init(_ event: ChangeEvent) { self.event = event }
    }

    /// What goes on, and what that took.
    package enum Join: Sendable {
        /// An ingest of its own.
        case ingest(HandoffCost)
        /// Bytes under the ingest that was read.
        case bytes(isWarm: Bool)
    }

    package enum Fact: Sendable {
        // The way to an ingest
        case begins
        case changed(Change)
        case attemptFailed(HandoffController.AttemptFailure, OriginID)
        case waitEnded
        case stayEnded
        case hedged(OriginID)
        case hedgeFailed(HandoffController.AttemptFailure, OriginID)
        case outrun(OriginID)
        case joined(OriginID, Join)
        /// What is to be left is played while the next ingest is opened, so that nothing presses.
        case playsOn(Bool)
        /// The origin that was to be left is played on for good, since no other could be had.
        case staysForGood

        // The ingest that is played
        /// - Parameter flows: of the output, in words, and whether each may be silent for as long as it likes.
        case reads(isRealtime: Bool, flows: [(name: String, isSparse: Bool)])
        /// An ingest is read, or none.
        case isRead(Bool)
        case awaits
        /// - Parameters: as in `OriginWatch.arrived`.
        case arrived(isInBuffer: Bool, Delivery?)
        case awaitsNothing
        case looked
        /// Media came of an origin that was to be left for its silence.
        case stays(since: Instant)
        /// - Parameter flows: a bit for each of which something came.
        case delivered(Delivery, flows: UInt64)
        /// Something new came, whatever it tells of the delivery.
        case deliversStill
        case flowEnded(Int)
        case prepared(OriginID, Preparation)
        case preparationIsStale
        /// What was prepared is not needed.
        case letGo
        case holdsOtherBytes(OriginID)
        /// By the viewer.
        case interrupted

        // Beside it
        case standbyDelivers(OriginID)
        case standbyFailed(HandoffController.AttemptFailure, OriginID)
        /// - Parameter isWell: the preferred origin delivered media to a probe.
        case probed(isWell: Bool)
    }

    package enum Order: Sendable {
        /// An order of the handoff controller: one at a time, each answered by exactly one fact.
        case handoff(HandoffController.Order)
        /// A handoff is made.
        case made(HandoffController.Move, DeadlineRecord?)
        /// The origin that is played is to be left now.
        case leave(ChangeEvent, isForSilence: Bool)
        /// An event names an origin that may not be asked.
        case notAsked(url: String)
        /// Have the bytes of this origin proven at the place of the one that is played.
        case prepare(OriginID)
        /// Bytes that were prepared are not needed any more.
        case letGo
        /// A session with the next origin is wanted, or no more.
        case wantsSession(Bool)
        /// Connect with this origin, and read some media, beside what plays.
        case probe(OriginID)
        /// Hand off to it, while the other plays on.
        case goBack(OriginID)
        /// To be told: a threat that came to nothing, and slow delivery that nobody could better.
        case recovered(DeadlineRecord)
        case remark(OriginID, String)
    }

    /// How long one origin may take to open while the one before it is played on, and others could be asked.
    package static let patience: Duration = .milliseconds(1500)
    /// What is left of the buffer for a handoff.
    package static let joinTime: Duration = .milliseconds(500)

    package private(set) var handoff: HandoffController
    package private(set) var watch: OriginWatch
    package private(set) var origins: [Origin]
    /// The last change event, and who was to be asked first for it.
    package private(set) var observed: (event: ChangeEvent, target: OriginID?)?
    /// The last attempt that failed since.
    package private(set) var lastFailure: (origin: OriginID, failure: HandoffController.AttemptFailure)?
    private var planner: ReturnPlanner
    private let settings: Settings
    private let chance: @Sendable () -> Double
    private var isPlayedOn = false
    private var hasPlayed = false

    /// - Parameters:
    ///   - origins: at least one.
    ///   - chance: a random number in 0..<1.
    package init(_ origins: [Origin], _ settings: Settings, chance: @escaping @Sendable () -> Double) {
        self.origins = origins
        self.settings = settings
        self.chance = chance
        let roster = OriginRoster(
            origins.map { .init(priority: $0.priority, weight: $0.weight, endpoint: $0.endpoint) })
        guard let preferred = roster.preferred.first else { preconditionFailure("a stream of no origin") }
        planner = ReturnPlanner(policy: settings.failback, preferred: preferred)
        handoff = HandoffController(roster: roster, giveUpAfter: settings.giveUpAfter)
        watch = OriginWatch(origins: origins.count + settings.mostAdded, bound: settings.silenceBound)
    }

    /// One more origin that may be asked, after all others unless it is named.
    package mutating func add(_ origin: Origin) -> OriginID {
        origins.append(origin)
        return handoff.add(at: origin.endpoint)
    }

    /// An origin was found to give its bytes once.
    package mutating func isReadOnce(_ origin: OriginID) { origins[origin.index].isReadOnce = true }

    /// - Parameter sight: what is seen at that moment; what of it a fact does not concern may be left out.
    package mutating func handle(_ fact: Fact, _ sight: Sight = Sight(), at now: Instant) -> [Order] {
        let scene = OriginWatch.Scene(now: now, sight: sight, origins: origins, chance: chance)
        switch fact {
        case .begins: return [.handoff(handoff.start(at: now))]
        case .changed(let change): return changed(change, scene)
        case .attemptFailed(let failure, let origin):
            lastFailure = (origin, failure)
            return [.handoff(handoff.attemptFailed(failure, at: now, jitter: chance()))]
        case .waitEnded: return [.handoff(handoff.waitEnded(at: now))]
        case .stayEnded: return [.handoff(handoff.stayEnded(at: now))]
        case .hedged(let origin): handoff.hedge(with: origin, at: now)
        case .hedgeFailed(let failure, let origin):
            handoff.hedgeFailed(failure, of: origin, at: now, jitter: chance())
        case .outrun(let origin): handoff.outrun(origin, at: now)
        case .joined(let origin, let join): return joined(origin, join, scene)
        case .playsOn(let playsOn): isPlayedOn = playsOn
        case .staysForGood:
            watch.stays(at: now)
            planner.returnFailed(at: now)
        case .reads(let isRealtime, let flows): watch.reads(isRealtime: isRealtime, flows: flows)
        case .isRead(let isRead): watch.isRead(isRead)
        case .awaits: watch.awaits(scene, &handoff)
        case .arrived(let isInBuffer, let trickle): watch.arrived(isInBuffer: isInBuffer, trickle, scene, &handoff)
        case .awaitsNothing: watch.awaitsNothing(scene, &handoff)
        case .looked:
            let reason = watch.looked(scene, &handoff)
            let orders = watch.takeOrders()
            return reason.map { orders + [.leave($0.event, isForSilence: $0.isSilence)] } ?? orders
        case .stays(let moment): watch.stays(at: moment)
        case .delivered(let media, let flows):
            watch.delivered(media, flows: flows, scene, &handoff)
            return watch.takeOrders() + lookForReturn(at: now)
        case .deliversStill: handoff.delivered(at: now)
        case .flowEnded(let flow): watch.flowEnded(flow, at: now)
        case .prepared(let origin, let result): watch.prepared(origin, result, scene, &handoff)
        case .preparationIsStale: watch.preparationIsStale(scene, &handoff)
        case .letGo: watch.letGo()
        case .holdsOtherBytes(let origin): watch.holdsOtherBytes(origin)
        case .interrupted: watch.interrupted(at: now)
        case .standbyDelivers(let origin): handoff.standbyDelivers(origin, at: now)
        case .standbyFailed(let failure, let origin):
            handoff.standbyFailed(failure, on: origin, at: now, jitter: chance())
        case .probed(let isWell):
            guard case .goBack(let origin) = planner.probeEnded(readMedia: isWell, at: now) else { return [] }
            return [.goBack(origin)]
        }
        return watch.takeOrders()
    }

    // MARK: - Leaving, and going on

    private mutating func changed(_ change: Change, _ scene: OriginWatch.Scene) -> [Order] {
        watch.forget()
        let named = change.target ?? watch.takeTarget() ?? change.named
        // Where it wanted to send its clients later is as good a place now.
        let target = named ?? change.announced
        // What delivers already is better than anything that has to be asked for.
        let delivering = scene.sight.ready.hot
        let joinsAtOnce = delivering != nil && (target == nil || target == delivering)
        let canResume = change.canResume && !joinsAtOnce
        // Bytes that go on where they broke are better than a session that stands ready; and where none was asked for, a lone
        // break is best answered by the same origin.
        let isCold = !settings.keepsStandby && change.event.cause.isBrokenConnection
        let ready = delivering ?? (canResume || isCold ? nil : scene.sight.ready.session)
        (observed, lastFailure) = ((change.event, target), nil)
        let order = handoff.changeObserved(
            change.event, canResume: canResume, isPlanned: change.isPlanned, target: target,
            isTargetOnly: change.isTargetOnly, standby: ready, at: scene.now, jitter: chance())
        guard let url = change.event.target, named == nil else { return [.handoff(order)] }
        return [.handoff(order), .notAsked(url: url)]
    }

    private mutating func joined(_ origin: OriginID, _ join: Join, _ scene: OriginWatch.Scene) -> [Order] {
        let move: HandoffController.Move
        let cost: HandoffCost
        switch join {
        case .ingest(let known):
            move = handoff.joined(at: scene.now)
            cost = known
        case .bytes(let isWarm):
            move = handoff.joined(origin, at: scene.now)
            let attempt = move.attempts.last { $0.origin == origin }
            let took = attempt.map { ($0.ended ?? scene.now) - $0.began } ?? .zero
            cost = isWarm ? HandoffCost(media: took) : HandoffCost(opening: took, media: .zero)
        }
        hasPlayed = true
        noteReturn(origin, at: scene.now)
        let record = watch.joined(cost, of: origin, scene, &handoff)
        return watch.takeOrders() + [.made(move, record)]
    }

    // MARK: - Going back

    private mutating func noteReturn(_ origin: OriginID, at now: Instant) {
        if origin == planner.preferred { return planner.returned(at: now) }
        if planner.policy == .never { handoff.demote(planner.preferred) }
        planner.left(at: now, penaltyEnds: handoff.roster[planner.preferred].penaltyEnds)
    }

    private mutating func lookForReturn(at now: Instant) -> [Order] {
        guard planner.nextMoment <= now, !origins[planner.preferred.index].isReadOnce,
            case .probe(let origin) = planner.timePassed(at: now)
        else { return [] }
        return [.probe(origin)]
    }

    // MARK: - What is asked of it

    /// While media is awaited: when to look for a reason to leave.
    package func nextLook(_ level: Duration?, at now: Instant) -> Instant { watch.nextLook(level, at: now) }

    /// The event for which the origin is left, between two packets. Once.
    package mutating func takeEvent() -> ChangeEvent? { watch.takeEvent() }

    /// How long an origin may take to answer. While there is someone else to ask, no more than a third of what is left in the
    /// buffer. The last one is given time, and more with each failure: one that is slow, and not dead, is reached in the end.
    package func bound(for origin: OriginID, _ level: Duration?) -> Duration {
        guard hasPlayed else { return settings.firstBound }
        if isPlayedOn { return handoff.hasOthers ? Self.patience : settings.openBound }
        return patience(with: origin, level)
    }

    /// How long an origin may take to answer where nothing is received meanwhile.
    package func patience(with origin: OriginID, _ level: Duration?) -> Duration {
        let hidden = max(settings.silenceBound, level ?? .zero, .milliseconds(250))
        let failures = handoff.roster[origin].failuresInARow
        let patient = min(settings.openBound, hidden * (1 << min(failures, 10)))
        // Nothing presses where the old one delivers still: the buffer is not spent on one that hesitates.
        let mayFail = handoff.hasOthers || handoff.move?.isPlanned ?? false
        let mayBeLeft = handoff.hasAlternative && handoff.current == origin
        guard let level, mayFail || mayBeLeft else { return patient }
        // The one that is played may take what a handoff leaves.
        let least = max(level / 3, .milliseconds(200), mayFail ? .zero : level - Self.joinTime)
        return min(patient, least)
    }
}
