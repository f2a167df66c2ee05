internal import Testing
internal import ThroughlineCore

/// Origins that do what a script says, in virtual time: carries out every order of a handoff controller and writes down
/// what happened, a line each.
///
///     0.000 open A
///     0.010 A plays
///
/// Whatever the controller orders is checked against its promises, in every scenario.
struct HandoffWorld {
    /// What an origin does to whoever asks it.
    enum Mood: Hashable {
        /// Delivers after 10 ms.
        case delivers
        /// Nothing listens: known after 1 ms.
        case refuses
        /// Accepts, and is silent for a second.
        case silent
        /// Says 503, with a Retry-After.
        case overloaded(Duration?)
        /// Holds the same encode in other bytes.
        case otherObject
        /// Holds another programme.
        case otherProgramme
        /// What it holds is broken.
        case brokenContent
    }

    /// Penalties are nearly all of what they may be, so that scripts have round numbers.
    var jitter: () -> Double = { 0.999_999_999 }
    private(set) var controller: HandoffController
    private(set) var now: Instant = .at(0)
    private(set) var log: [String] = []
    private(set) var reason: String?
    private(set) var attempts: [(origin: OriginID, at: Instant)] = []
    private var moods: [[(from: Instant, mood: Mood)]]
    private let giveUpAfter: Duration
    /// Origins whose content was refused.
    private var refused: Set<OriginID> = []
    private var order: HandoffController.Order?
    private var moveBegan: Instant = .at(0)
    /// The next order may go to this origin although it is under penalty.
    private var mayAskAgain: OriginID?

    init(_ origins: Int, priorities: [Int]? = nil, giveUpAfter: Duration = .seconds(30)) {
        let roster = OriginRoster(
            (0..<origins).map { OriginRoster.Traits(priority: priorities?[$0] ?? 0, weight: 1) })
        controller = HandoffController(roster: roster, giveUpAfter: giveUpAfter)
        moods = Array(repeating: [], count: origins)
        self.giveUpAfter = giveUpAfter
    }

    /// From a moment on, an origin does this.
    mutating func from(_ seconds: Double, _ name: Character, _ mood: Mood) {
        moods[id(name).index].append((.at(seconds), mood))
        moods[id(name).index].sort { $0.from < $1.from }
    }

    mutating func start() {
        moveBegan = now
        mayAskAgain = nil
        settle(controller.start(at: now))
    }

    /// The stream plays until this moment.
    mutating func play(until seconds: Double) { now = max(now, .at(seconds)) }

    /// The origin that plays fails.
    ///
    /// - Parameter isPlanned: it delivers still, and is only to be left.
    mutating func fails(
        _ cause: ChangeEvent.Cause, retryAfter: Duration? = nil, canResume: Bool = true, isPlanned: Bool = false,
        target: Character? = nil
    ) {
        guard let origin = controller.current, isPlaying else {
            Issue.record("nothing plays that could fail")
            return
        }
        write("\(name(origin)) \(isPlanned ? "is to be left" : "fails"): \(cause.rawValue)")
        moveBegan = now
        let isLoneBreak = cause.isBrokenConnection && controller.roster.isTrusted(origin, at: now)
        mayAskAgain = isLoneBreak ? origin : nil
        settle(
            controller.changeObserved(
                ChangeEvent(cause: cause, detail: "script", retryAfter: retryAfter), canResume: canResume,
                isPlanned: isPlanned, target: target.map { id($0) }, at: now, jitter: jitter()))
    }

    var isPlaying: Bool { controller.move == nil && controller.current != nil }

    /// Carries out orders until the stream plays or has ended.
    private mutating func settle(_ first: HandoffController.Order) {
        var order = first
        for _ in 0..<2000 {
            switch order {
            case .open(let origin), .resume(let origin), .replace(let origin):
                check(origin)
                write("\(order.verb) \(name(origin))")
                attempts.append((origin, now))
                mayAskAgain = nil
                let (failure, delay) = answer(origin, to: order)
                now = now + delay
                guard let failure else {
                    let move = controller.joined(at: now)
                    #expect(move.attempts.last?.origin == origin)
                    #expect(move.attempts.last?.failure == nil)
                    #expect(move.attempts.count <= HandoffController.attemptLimit)
                    write("\(name(origin)) plays")
                    return
                }
                if case .differentObject = failure { mayAskAgain = origin }
                if case .refused = failure { refused.insert(origin) }
                order = controller.attemptFailed(failure, at: now, jitter: jitter())
            case .wait(let moment):
                let limit = moveBegan + giveUpAfter
                #expect(moment >= now + HandoffController.shortestWait || moment == limit, "a busy loop")
                #expect(moment <= limit, "waits longer than the viewer")
                write("wait \((moment - now).milliseconds) ms")
                now = moment
                order = controller.waitEnded(at: now)
            case .stay(let moment):
                write(moment == .never ? "stay" : "stay \((moment - now).milliseconds) ms")
                guard moment != .never else { return }
                now = moment
                order = controller.stayEnded(at: now)
            case .giveUp(let reason):
                write("give up")
                self.reason = reason
                #expect(controller.move != nil)
                return
            }
        }
        Issue.record("it never ends: \(log.suffix(8))")
    }

    private func check(_ origin: OriginID) {
        #expect(!refused.contains(origin), "\(name(origin)) was ruled out")
        if origin != mayAskAgain {
            #expect(!controller.roster.isUnderPenaltyBefore(origin, at: now), "\(name(origin)) is under penalty")
        }
    }

    private func answer(
        _ origin: OriginID, to order: HandoffController.Order
    ) -> (HandoffController.AttemptFailure?, Duration) {
        func undelivered(_ cause: ChangeEvent.Cause, _ retryAfter: Duration? = nil) -> HandoffController.AttemptFailure
        {
            .undelivered(ChangeEvent(cause: cause, detail: "script", retryAfter: retryAfter))
        }
        let isResume = order.verb == "resume"
        switch moods[origin.index].last(where: { $0.from <= now })?.mood ?? .delivers {
        case .delivers: return (nil, .milliseconds(10))
        case .refuses: return (undelivered(.refused), .milliseconds(1))
        case .silent: return (undelivered(.silence), .seconds(1))
        case .overloaded(let retryAfter): return (undelivered(.overloaded, retryAfter), .milliseconds(5))
        case .otherObject: return (isResume ? .differentObject("script") : nil, .milliseconds(10))
        case .otherProgramme:
            return (isResume ? .differentObject("script") : .refused(.contentRefused, "script"), .milliseconds(10))
        case .brokenContent: return (undelivered(.contentBroken), .milliseconds(10))
        }
    }

    func id(_ name: Character) -> OriginID { OriginID(Int(name.asciiValue!) - 65) }
    func name(_ id: OriginID) -> Character { Character(UnicodeScalar(UInt8(65 + id.index))) }

    private mutating func write(_ line: String) {
        let ms = (now - .at(0)).milliseconds
        let digits = String(ms % 1000)
        log.append("\(ms / 1000).\(String(repeating: "0", count: 3 - digits.count))\(digits) \(line)")
    }

    /// The log since the last call, as text.
    mutating func transcript() -> String {
        defer { log = [] }
        return log.joined(separator: "\n")
    }
}

extension OriginRoster {
    /// Whether a penalty holds; the moment at which it ends is free.
    func isUnderPenaltyBefore(_ id: OriginID, at now: Instant) -> Bool {
        self[id].penaltyEnds.map { now < $0 } ?? false
    }
}

extension HandoffController.Order {
    var verb: String {
        switch self {
        case .open: "open"
        case .resume: "resume"
        case .replace: "replace"
        case .wait: "wait"
        case .stay: "stay"
        case .giveUp: "give up"
        }
    }
}

extension Duration {
    /// Rounded to the nearest.
    var milliseconds: Int64 { (wholeNanoseconds + 500_000) / 1_000_000 }
}
