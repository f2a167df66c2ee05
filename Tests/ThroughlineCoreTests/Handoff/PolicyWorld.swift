internal import Testing
internal import ThroughlineCore

/// Origins that deliver by a schedule, a buffer that drains, and a clock that moves in steps: what a policy is tried on.
///
/// All times are milliseconds, of the world's clock or of media. A step is 5 ms. The world is a value: a copy can be run
/// ahead to see what would be.
struct PolicyWorld {
    static let step = 5

    struct Origin {
        /// When it delivers nothing, in order.
        var outages: [Range<Int>] = []
        /// Media that it delivers in a second while it delivers, by time from which on; 1000 is the rate of playing.
        var speed: [(from: Int, rate: Int)] = [(0, 4000)]
        /// Media that it sends at once.
        var lump = 40
        /// What was due in an outage comes at once when it is over.
        var catchesUp = true
        var connect = 40
        var open = 60
        var first = 100

        var handoff: Int { connect + open + first }

        func isUp(at now: Int) -> Bool { lastOutage(before: now).map { $0.upperBound <= now } ?? true }

        /// The last outage that had begun.
        func lastOutage(before now: Int) -> Range<Int>? {
            var (low, high) = (0, outages.count)
            while low < high {
                let middle = (low + high) / 2
                if outages[middle].lowerBound <= now { low = middle + 1 } else { high = middle }
            }
            return low == 0 ? nil : outages[low - 1]
        }

        func rate(at now: Int) -> Int { speed.last { $0.from <= now }?.rate ?? 1000 }
    }

    enum Standby: Equatable {
        case none
        /// Ready at a moment.
        case preparing(until: Int)
        case ready
    }

    let origins: [Origin]
    /// Media that the buffer takes.
    let capacity: Int
    private(set) var now = 0
    private(set) var level: Int
    private(set) var current = 0
    private(set) var gap = 0
    private(set) var handoffs = 0
    /// When each gap began and ended.
    private(set) var gaps: [Range<Int>] = []
    private var standby: [Standby]
    /// The origin that is asked, and from when on it can deliver.
    private(set) var asked: (origin: Int, mediaFrom: Int)?
    /// Media that the current origin has and did not send yet.
    private var credit = 0
    private var wasUp = true

    init(_ origins: [Origin], capacity: Int, level: Int? = nil) {
        self.origins = origins
        self.capacity = capacity
        self.level = level ?? capacity
        standby = Array(repeating: .none, count: origins.count)
    }

    /// Whether there is room in the buffer for what would come next.
    var isWanted: Bool { level + origins[current].lump <= capacity }

    struct Happened {
        var arrived = 0
        var prepared: Int?
        /// The origin that delivers from now on.
        var joined: Int?
    }

    /// Lets time go by.
    mutating func advance() -> Happened {
        now += Self.step
        var happened = Happened()
        drain()
        let origin = origins[current]
        let isUp = origin.isUp(at: now)
        if isUp {
            if !wasUp, origin.catchesUp, let outage = origin.lastOutage(before: now) {
                credit += outage.count * 1000
            }
            credit = min(credit + origin.rate(at: now) * Self.step, 1000 * capacity * 1000)
        }
        wasUp = isUp
        while isUp, credit >= origin.lump * 1000, isWanted {
            credit -= origin.lump * 1000
            level += origin.lump
            happened.arrived += origin.lump
        }
        // What is not taken waits with the server.
        if !isWanted { credit = min(credit, 2 * origin.lump * 1000) }
        for index in standby.indices {
            if case .preparing(let until) = standby[index], until <= now, origins[index].isUp(at: now) {
                standby[index] = .ready
                happened.prepared = index
            }
        }
        if let asked, asked.mediaFrom <= now, origins[asked.origin].isUp(at: now) {
            happened.joined = asked.origin
            current = asked.origin
            wasUp = true
            credit = 0
            level = min(capacity, level + origins[current].lump)
            happened.arrived = origins[current].lump
            handoffs += 1
            self.asked = nil
            standby = standby.map { _ in .none }
        }
        return happened
    }

    private mutating func drain() {
        guard level < Self.step else {
            level -= Self.step
            return
        }
        let missing = Self.step - level
        if let last = gaps.last, last.upperBound >= now - Self.step {
            gaps[gaps.count - 1] = last.lowerBound..<now
        } else {
            gaps.append(now - missing..<now)
        }
        gap += missing
        level = 0
    }

    mutating func prepare(_ origin: Int) {
        standby[origin] = .preparing(until: now + origins[origin].connect + origins[origin].open)
    }

    mutating func letGo(_ origin: Int) { standby[origin] = .none }

    mutating func handOff(to origin: Int) {
        let ready: Int
        switch standby[origin] {
        case .none: ready = now + origins[origin].connect + origins[origin].open
        case .preparing(let until): ready = max(now, until)
        case .ready: ready = now
        }
        asked = (origin, ready + origins[origin].first)
    }

    mutating func callOff() { asked = nil }

    // MARK: - Knowing what will be

    /// Until when the current origin delivers nothing if it is not left; nil when it never does again.
    func nextArrival(within most: Int) -> Int? {
        var world = self
        world.asked = nil
        while world.now < now + most {
            if world.advance().arrived > 0 { return world.now }
        }
        return nil
    }

    /// When the buffer will first be dry if the current origin is not left.
    func firstDry(until end: Int) -> Int? {
        var world = self
        world.asked = nil
        while world.now < end {
            _ = world.advance()
            if world.gap > gap { return world.now }
        }
        return nil
    }

    /// Plays as someone who knows the schedules: leaves as late as possible, and only when the buffer would be dry.
    mutating func playOmnisciently(until end: Int) {
        var leaveAt = firstDry(until: end).map { $0 - 2 * Self.step - origins[1 - current].handoff }
        while now < end {
            if asked == nil, let leave = leaveAt, leave <= now { handOff(to: 1 - current) }
            if advance().joined != nil {
                leaveAt = firstDry(until: end).map { $0 - 2 * Self.step - origins[1 - current].handoff }
            }
        }
    }
}

/// Plays a world by a `DeadlinePolicy`, with one alternate at a time.
struct PolicyPlayer {
    private(set) var world: PolicyWorld
    private(set) var policy: DeadlinePolicy
    private(set) var times: HandoffTimes
    private(set) var records: [DeadlineRecord] = []
    /// Handoffs from an origin that came back with time to spare.
    private(set) var needless = 0
    /// Gaps in silences that began with at least a second of media in the buffer.
    private(set) var gapAfterFull = 0
    let canPrepare: Bool
    private var nextMoment: Instant = .never
    private var silenceBegan: (at: Int, level: Int)?
    private var isNeedless = false

    init(_ world: PolicyWorld, settings: DeadlinePolicy.Settings = .init(), canPrepare: Bool = true, learned: Bool) {
        self.world = world
        self.canPrepare = canPrepare
        policy = DeadlinePolicy(settings: settings)
        times = HandoffTimes(origins: world.origins.count)
        if learned { for index in world.origins.indices { measure(index, .connect, .open, .firstMedia) } }
        policyChanged(policy.alternateChanged(to: alternate, at: instant))
    }

    private var instant: Instant { Instant(nanoseconds: Int64(world.now) * 1_000_000) }
    private var other: Int { 1 - world.current }
    private var level: Duration { .milliseconds(world.level) }

    private var alternate: DeadlinePolicy.Alternate {
        let id = OriginID(other)
        return .init(cold: times.cold(id), warm: times.warm(id), canPrepare: canPrepare)
    }

    private mutating func measure(_ origin: Int, _ parts: HandoffTimes.Part...) {
        let it = world.origins[origin]
        for part in parts {
            let time = [it.connect, it.open, it.first][part.rawValue]
            times.measured(part, .milliseconds(time), of: OriginID(origin))
        }
    }

    mutating func play(until end: Int) {
        while world.now < end { advance() }
    }

    mutating func advance() {
        let gap = world.gap
        let happened = world.advance()
        if let silenceBegan, silenceBegan.level >= 1000 { gapAfterFull += world.gap - gap }
        if let prepared = happened.prepared, prepared == other, world.asked == nil {
            measure(prepared, .connect, .open)
            policyChanged(policy.prepared(at: instant))
            policyChanged(policy.alternateChanged(to: alternate, isSame: true, at: instant))
        }
        if let joined = happened.joined {
            measure(joined, .firstMedia)
            policy.joined(at: instant)
            if isNeedless { needless += 1 }
            policyChanged(policy.alternateChanged(to: alternate, at: instant))
        }
        if happened.arrived > 0 { policyChanged(policy.arrived(at: instant, level: level)) }
        if happened.arrived > 0 || !world.isWanted { silenceBegan = nil }
        if world.isWanted, silenceBegan == nil {
            silenceBegan = (world.now, world.level)
            policyChanged(policy.waitBegan(at: instant, level: level))
        }
        if instant >= nextMoment {
            policyChanged(policy.timePassed(at: instant))
            #expect(nextMoment > instant, "a busy loop")
        }
    }

    private mutating func policyChanged(_ orders: [DeadlinePolicy.Order]) {
        for order in orders {
            switch order {
            case .prepare: world.prepare(other)
            case .withdraw:
                world.callOff()
                world.letGo(other)
            case .commit:
                isNeedless = isNeedlessNow()
                world.handOff(to: other)
            }
        }
        nextMoment = policy.nextMoment
        records += policy.takeRecords()
    }

    /// Whether the origin would come back while there is still one and a half times as much left as a handoff needs.
    private func isNeedlessNow() -> Bool {
        guard let (began, level) = silenceBegan, let back = world.nextArrival(within: 20_000) else { return false }
        return 2 * (back - began) <= 2 * level - 3 * world.origins[other].handoff
    }
}
