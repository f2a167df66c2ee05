internal import Testing
internal import ThroughlineCore

/// A stream without media, in virtual time: origins that do what a script says, a buffer that fills and empties, and a
/// stream machine whose orders are carried out and written down, a line each.
///
///     1.000 A falls silent
///     1.125 prepare B
///
/// Whatever the machine orders is checked against its promises, in every scenario.
struct StreamWorld {
    /// What an origin does from a moment on.
    enum Mood: Hashable {
        case delivers
        /// Delivers so many percent of what is played.
        case slow(Int)
        /// Accepts, and sends nothing.
        case silent
        /// Nothing listens there.
        case refuses
    }

    static let step: Duration = .milliseconds(20)
    /// What it takes to open an origin and to have its media, and with one that is prepared.
    static let cold: Duration = .milliseconds(120)
    static let warm: Duration = .milliseconds(40)

    private(set) var machine: StreamMachine
    private(set) var now = Instant.at(0)
    private(set) var log: [String] = []
    /// Media in the buffer.
    private(set) var level: Duration = .zero
    /// How long nothing was in the buffer after the start.
    private(set) var dry: Duration = .zero
    private(set) var reason: String?
    private var moods: [[(from: Instant, mood: Mood)]]
    private let origins: [StreamMachine.Origin]
    private let buffer: Duration

    /// The origin that is read.
    private(set) var played: OriginID?
    private var isWaiting = false
    private var lookAt = Instant.at(0)
    private var reached: Duration = .zero
    /// Media that has come, and no batch was made of.
    private var owed: Duration = .zero
    /// Who is being made ready, and when that is known.
    private var preparing: (origin: OriginID, at: Instant)?
    private var prepared: OriginID?
    private var wantsSession = false
    private var session: OriginID?
    /// What is ordered, and when that has come to something.
    private var order: (what: HandoffController.Order, until: Instant)?
    private var probing: Instant?

    init(
        _ origins: [StreamMachine.Origin], buffer: Duration = .seconds(2),
        _ settings: (inout StreamMachine.Settings) -> Void = { _ in }
    ) {
        var chosen = StreamMachine.Settings()
        settings(&chosen)
        // Penalties are nearly all of what they may be, so that scripts have round numbers.
        machine = StreamMachine(origins, chosen) { 0.999_999_999 }
        moods = Array(repeating: [], count: origins.count)
        self.origins = origins
        self.buffer = buffer
    }

    /// Origins over HTTP with the names A, B and so on.
    init(_ count: Int, buffer: Duration = .seconds(2), _ settings: (inout StreamMachine.Settings) -> Void = { _ in }) {
        self.init((0..<count).map { StreamMachine.Origin(name: Self.name($0)) }, buffer: buffer, settings)
    }

    static func name(_ index: Int) -> String { String(UnicodeScalar(UInt8(65 + index))) }
    private func name(_ origin: OriginID) -> String { origins[origin.index].name }

    /// From a moment on, an origin does this.
    mutating func from(_ seconds: Double, _ origin: Int, _ mood: Mood) {
        moods[origin].append((.at(seconds), mood))
        moods[origin].sort { $0.from < $1.from }
    }

    func mood(_ origin: OriginID) -> Mood { moods[origin.index].last { $0.from <= now }?.mood ?? .delivers }

    var transcript: String { log.joined(separator: "\n") }

    mutating func start() { tell(.begins) }

    mutating func play(until seconds: Double) {
        while now < .at(seconds), reason == nil {
            now = now + Self.step
            turn()
        }
    }

    /// Something is announced or asked for while it plays.
    mutating func changed(_ change: StreamMachine.Change) {
        write("\(change.event.cause.rawValue)")
        tell(.changed(change))
    }

    // MARK: - Time

    private mutating func turn() {
        if played != nil || order != nil, level > .zero || dry > .zero || isPlaying {
            let left = level - Self.step
            if left < .zero { dry += .zero - left }
            level = max(.zero, left)
        }
        if let (origin, at) = preparing, now >= at {
            preparing = nil
            let isWell = mood(origin) == .delivers
            if isWell { prepared = origin }
            let failure = ChangeEvent(cause: .refused, detail: "refused")
            tell(.prepared(origin, isWell ? .ready : .undelivered(failure)))
        }
        if wantsSession, session == nil {
            session = origins.indices.map { OriginID($0) }.first {
                origins[$0.index].preparesSession && $0 != played && mood($0) == .delivers
            }
        }
        if let probing, now >= probing {
            self.probing = nil
            tell(.probed(isWell: mood(OriginID(0)) == .delivers))
        }
        if let (what, until) = order {
            if now >= until { carriedOut(what) }
        } else if let played {
            deliver(played)
        }
    }

    private var isPlaying: Bool { reached > .zero }

    private mutating func deliver(_ origin: OriginID) {
        let share: Int
        switch mood(origin) {
        case .delivers: share = 150
        case .slow(let percent): share = percent
        case .silent: share = 0
        case .refuses:
            var change = StreamMachine.Change(ChangeEvent(cause: .reset, detail: "reset"))
            change.canResume = true
            write("\(name(origin)) breaks")
            return tell(.changed(change))
        }
        if level < buffer { owed += Self.step * share / 100 } else if share > 0 { owed = .zero }
        if owed >= .milliseconds(100) || share > 0 && level >= buffer {
            arrives(origin)
        } else if share == 0, level < buffer {
            waits()
        }
    }

    private mutating func arrives(_ origin: OriginID) {
        if isWaiting { tell(.arrived(isInBuffer: true, nil)) }
        isWaiting = false
        level += owed
        reached += owed
        let bytes = Int(owed.wholeNanoseconds / 8000)
        owed = .zero
        let media = Delivery(
            origin: origin, received: bytes, unpacked: 0, inOrder: true, level: level, reached: reached,
            isFull: level * 4 >= buffer * 3)
        tell(.delivered(media, flows: 1))
        if let event = machine.takeEvent() { leave(event) }
    }

    private mutating func waits() {
        if !isWaiting {
            isWaiting = true
            tell(.awaits)
        } else if now >= lookAt {
            tell(.looked)
        }
        lookAt = machine.nextLook(level, at: now)
    }

    // MARK: - Orders

    private var sight: Sight {
        var sight = Sight()
        sight.level = isPlaying ? level : nil
        sight.mayPrepareBytes = true
        sight.ready.session = session
        return sight
    }

    private mutating func tell(_ fact: StreamMachine.Fact) {
        for order in machine.handle(fact, sight, at: now) { carryOut(order) }
    }

    private mutating func leave(_ event: ChangeEvent) {
        write("\(name(played ?? OriginID(0))) is left: \(event.cause.rawValue)")
        var change = StreamMachine.Change(event)
        (change.canResume, change.isPlanned) = (true, event.kind == .overload)
        tell(.changed(change))
    }

    private mutating func carryOut(_ order: StreamMachine.Order) {
        switch order {
        case .handoff(let order):
            #expect(self.order == nil, "one order at a time")
            begin(order)
        case .made(let move, _):
            write("\(name(move.attempts.last?.origin ?? OriginID(0))) plays")
        case .leave(let event, _): leave(event)
        case .notAsked(let url): write("not asked: \(url)")
        case .prepare(let origin):
            write("prepare \(name(origin))")
            #expect(origin != played && !origins[origin.index].isReadOnce)
            #expect(!origins[origin.index].preparesSession)
            preparing = (origin, now + Self.cold)
        case .letGo:
            write("let go")
            (preparing, prepared) = (nil, nil)
        case .wantsSession(let isWanted):
            write(isWanted ? "a session is wanted" : "no session is wanted")
            wantsSession = isWanted
            if !isWanted { session = nil }
        case .probe(let origin):
            write("probe \(name(origin))")
            #expect(!origins[origin.index].isReadOnce && probing == nil)
            probing = now + Self.cold
        case .goBack(let origin): write("go back to \(name(origin))")
        case .recovered: write("recovered")
        case .remark(_, let text): write(text)
        }
    }

    private mutating func begin(_ order: HandoffController.Order) {
        switch order {
        case .open(let origin), .resume(let origin), .replace(let origin):
            write("\(Self.verb(order)) \(name(origin))")
            #expect(machine.handoff.roster[origin].ruledOut == nil)
            let isReady = prepared == origin || session == origin
            let wait = isReady ? Self.warm : Self.cold
            let bound = machine.bound(for: origin, isPlaying ? level : nil)
            switch mood(origin) {
            case .delivers, .slow: self.order = (order, now + wait)
            case .silent: self.order = (order, now + bound)
            case .refuses: self.order = (order, now + Self.step)
            }
        case .wait(let moment): self.order = (order, moment)
        case .stay(let moment):
            write("stay")
            if moment == .never { tell(.staysForGood) } else { self.order = (order, moment) }
        case .giveUp(let why):
            write("give up")
            reason = why
        }
        (prepared, preparing) = (nil, nil)
    }

    private static func verb(_ order: HandoffController.Order) -> String {
        switch order {
        case .open: "open"
        case .resume: "resume"
        default: "replace"
        }
    }

    private mutating func carriedOut(_ order: HandoffController.Order) {
        self.order = nil
        switch order {
        case .open(let origin), .replace(let origin), .resume(let origin):
            let isWell = mood(origin) == .delivers || [.slow(40), .slow(50)].contains(mood(origin))
            guard isWell else {
                return tell(
                    .attemptFailed(.undelivered(ChangeEvent(cause: .refused, detail: "refused")), origin))
            }
            played = origin
            (isWaiting, owed) = (false, .zero)
            if session == origin { session = nil }
            tell(.isRead(true))
            tell(.reads(isRealtime: false, flows: [("video", true)]))
            if case .resume = order {
                tell(.joined(origin, .bytes(isWarm: false)))
            } else {
                tell(.joined(origin, .ingest(HandoffCost(opening: Self.cold / 2, media: Self.cold / 2))))
            }
            tell(.deliversStill)
        case .wait: tell(.waitEnded)
        case .stay: tell(.stayEnded)
        case .giveUp: break
        }
    }

    private mutating func write(_ text: String) {
        let milliseconds = (now - .at(0)).wholeNanoseconds / 1_000_000
        let seconds = "\(milliseconds / 1000).\(String(milliseconds % 1000 + 1000).dropFirst())"
        log.append("\(seconds) \(text)")
    }
}
