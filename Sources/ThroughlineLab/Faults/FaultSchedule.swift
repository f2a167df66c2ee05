internal import ThroughlineCore

/// Decides what the faults of one origin do, request by request and byte by byte: a pure state machine.
///
/// Whoever runs it reports facts (a request, the first byte, the position of a response) with the time, carries out the
/// step that comes back, then drains `changes` and comes back no later than `nextDeadline`.
struct FaultSchedule {
    /// A fault on its way from waiting to over.
    fileprivate struct Entry {
        enum Phase: Equatable {
            /// Its trigger has not come.
            case armed
            /// It has struck and lasts.
            case active(since: Instant)
            /// It is over, or had its one victim (which may still own it).
            case over
        }

        let id: Int
        let fault: Fault
        /// The entry that this one follows.
        let predecessor: Int?
        var phase = Phase.armed
        var requestsSeen = 0
        /// For `short`, struck at no place: how far each file had been sent.
        var frozen: [String: Int64] = [:]

        func concerns(_ path: String) -> Bool { fault.path == nil || fault.path == path }

        func concerns(_ path: String, method: String?) -> Bool {
            concerns(path) && (fault.method == nil || fault.method == method)
        }

        var isActive: Bool {
            if case .active = phase { return true }
            return false
        }

        /// `refuse` has no single victim.
        var isOnce: Bool { fault.recovery == .once && fault.kind != .refuse }
    }

    /// What happened to a fault, to be reported and acted on.
    enum Change: Equatable {
        case struck(Fault)
        case recovered(Fault)
    }

    /// One response on its way through a file.
    struct Passage {
        let path: String
        /// The whole length of the file.
        let size: Int64
        /// The bytes of the file that the head promised.
        let promised: Range<Int64>
        /// The next byte to hand over.
        var cursor: Int64
        /// Faults of which this response is the one victim, and those that have delayed it already.
        fileprivate(set) var owned: Set<Int> = []
        fileprivate(set) var delayed: Set<Int> = []
        /// Faults that have had an effect on it, in order.
        fileprivate(set) var suffered: [Fault] = []
        /// What an RTSP origin is to do to it, as the last step found, each under a number that stays its own.
        fileprivate(set) var effects: [Effect] = []
        fileprivate var places: [Int: Int64] = [:]
        fileprivate let byteOffset: (NPT) -> Int64?

        init(path: String, size: Int64, promised: Range<Int64>, byteOffset: @escaping (NPT) -> Int64?) {
            self.path = path
            self.size = size
            self.promised = promised
            self.byteOffset = byteOffset
            cursor = promised.lowerBound
        }

        /// Faults that have already held back its head.
        mutating func markDelayed(by faults: Set<Int>) { delayed.formUnion(faults) }

        /// The byte at which a fault with a place strikes; beyond everything when there is no such byte.
        fileprivate mutating func place(of entry: Entry) -> Int64 {
            if let known = places[entry.id] { return known }
            let place = FaultSchedule.place(entry.fault.trigger, size: size, byteOffset: byteOffset) ?? .max
            places[entry.id] = place
            return place
        }
    }

    /// A fault that an RTSP origin carries out by itself.
    struct Effect: Equatable {
        let id: Int
        let fault: RTSPFault
    }

    /// What to do with a response now.
    enum Step: Equatable {
        /// Send bytes up to, not including, `limit`, not faster than `rate`, flipping those that `corruption` names.
        case send(limit: Int64, rate: Int?, corruption: [Int64])
        /// Send nothing for this long, then ask again.
        case pause(Duration)
        /// Send nothing until something changes.
        case stall
        /// Reset: at a place after everything sent has been acknowledged, else at once.
        case reset(afterDelivery: Bool)
        /// Close: at a place after everything has been handed to the kernel, else at once.
        case close(afterDelivery: Bool)
    }

    /// What to do with a request now.
    enum Reception: Equatable {
        case answer
        case refuse(status: Int, retryAfter: Duration?)
        case silence
        /// Like `silence`, whatever changes later.
        case silenceForGood
        /// End the connection without an answer.
        case reset, close
    }

    private var entries: [Entry] = []
    private var nextID = 0
    private var firstByteAt: Instant?
    private var served: [String: Int64] = [:]

    /// What has happened and was not yet taken.
    private(set) var changes: [Change] = []

    /// - Parameter faults: the list, in order; see ``Fault`` for how they relate.
    init(_ faults: [Fault], at now: Instant) {
        for fault in faults { add(fault, after: entries.last?.id) }
        advance(to: now)
    }

    private mutating func add(_ fault: Fault, after predecessor: Int?) {
        entries.append(Entry(id: nextID, fault: fault, predecessor: predecessor))
        nextID += 1
    }

    /// Adds a fault that follows no other.
    mutating func inject(_ fault: Fault, at now: Instant) {
        let awaited = Set(entries.compactMap { $0.phase == .armed ? $0.predecessor : nil })
        entries.removeAll {
            $0.phase == .over && (!$0.isOnce || $0.fault.meetsRequests) && !awaited.contains($0.id)
        }
        add(fault, after: nil)
        advance(to: now)
    }

    /// Ends the faults for which `condition` holds, whether or not they have struck.
    mutating func end(where condition: (Fault) -> Bool = { _ in true }) {
        for index in entries.indices where condition(entries[index].fault) {
            if case .active = entries[index].phase { changes.append(.recovered(entries[index].fault)) }
        }
        entries.removeAll { condition($0.fault) }
    }

    mutating func takeChanges() -> [Change] {
        defer { changes.removeAll() }
        return changes
    }

    /// How many faults are kept.
    var count: Int { entries.count }

    /// Whether the listening socket is to be closed.
    var refuses: Bool { entries.contains { $0.fault.kind == .refuse && $0.isActive } }

    /// When time alone will change something.
    var nextDeadline: Instant {
        var deadline = Instant.never
        for entry in entries {
            switch (entry.phase, entry.fault.trigger, entry.fault.recovery) {
            case (.armed, .at(let offset), _):
                if let firstByteAt { deadline = min(deadline, firstByteAt + offset) }
            case (.active(let since), _, .after(let duration)): deadline = min(deadline, since + duration)
            default: break
            }
        }
        return deadline
    }

    /// The time has come to look at the clock.
    mutating func advance(to now: Instant) {
        // Each round may allow a follower to start; every entry changes phase at most twice.
        var moved = true
        while moved {
            moved = false
            for index in entries.indices {
                let entry = entries[index]
                switch (entry.phase, entry.fault.trigger, entry.fault.recovery) {
                case (.armed, .immediately, _) where mayFollow(entry):
                    strike(index, at: now)
                    moved = true
                case (.armed, .at(let offset), _):
                    guard let firstByteAt, now >= firstByteAt + offset else { break }
                    strike(index, at: firstByteAt + offset)
                    moved = true
                case (.active(let since), _, .after(let duration)) where now >= since + duration:
                    entries[index].phase = .over
                    changes.append(.recovered(entry.fault))
                    moved = true
                default: break
                }
            }
        }
    }

    private func mayFollow(_ entry: Entry) -> Bool {
        guard let predecessor = entry.predecessor, let before = entries.first(where: { $0.id == predecessor }) else {
            return true
        }
        if case .after = before.fault.recovery { return before.phase == .over }
        return before.isOnce ? before.phase == .over : before.phase != .armed
    }

    private mutating func strike(_ index: Int, at now: Instant) {
        entries[index].phase = .active(since: now)
        entries[index].frozen = served
        changes.append(.struck(entries[index].fault))
    }

    /// The first byte of any body was sent; later calls change nothing.
    mutating func firstByteSent(at now: Instant) {
        if firstByteAt == nil { firstByteAt = now }
        advance(to: now)
    }

    /// A request arrived, or one that met silence is looked at again (`again`).
    mutating func requestArrived(
        _ path: String, method: String? = nil, again: Bool = false, at now: Instant
    ) -> Reception {
        if !again {
            for index in entries.indices
            where entries[index].phase == .armed && entries[index].concerns(path, method: method) {
                guard case .afterRequests(let count) = entries[index].fault.trigger else { continue }
                entries[index].requestsSeen += 1
                if entries[index].requestsSeen > count { strike(index, at: now) }
            }
        }
        advance(to: now)
        var reception = Reception.answer
        // The last one said wins, silence over any status.
        for index in entries.indices where entries[index].isActive && entries[index].concerns(path, method: method) {
            let once = entries[index].isOnce
            switch entries[index].fault.kind {
            case .silent:
                if once { entries[index].phase = .over }
                reception = once || reception == .silenceForGood ? .silenceForGood : .silence
            case .status(let status, let retryAfter):
                if reception == .silence || reception == .silenceForGood { continue }
                if once { entries[index].phase = .over }
                reception = .refuse(status: status, retryAfter: retryAfter)
            case .reset, .close:
                guard entries[index].fault.method != nil else { continue }
                if once { entries[index].phase = .over }
                reception = entries[index].fault.kind == .reset ? .reset : .close
            default: continue
            }
            if once { break }
        }
        advance(to: now)
        return reception
    }

    /// How long to hold back the head of a response to `path`, for faults that delay and have struck; `nil` for not at
    /// all. Those with one victim have it with this.
    mutating func headDelay(
        _ path: String, method: String? = nil, at now: Instant
    ) -> (delay: Duration, faults: Set<Int>)? {
        var total = Duration.zero
        var ids: Set<Int> = []
        for index in entries.indices where entries[index].isActive && entries[index].concerns(path, method: method) {
            guard case .delay(let delay) = entries[index].fault.kind else { continue }
            total += delay
            ids.insert(entries[index].id)
            if entries[index].isOnce { entries[index].phase = .over }
        }
        advance(to: now)
        return ids.isEmpty ? nil : (total, ids)
    }

    /// What is to be done to the answer to a request.
    mutating func answerEffects(_ path: String, method: String, at now: Instant) -> [RTSPFault] {
        var effects: [RTSPFault] = []
        for index in entries.indices where entries[index].isActive {
            guard case .rtsp(let fault) = entries[index].fault.kind, fault.concern == .requests,
                entries[index].concerns(path, method: method)
            else { continue }
            switch fault {
            case .moved where entries[index].fault.method == nil && method != "DESCRIBE": continue
            case .withoutRTPInfo, .wrongRTPInfo, .withoutRange, .withoutScale, .lateStart, .withoutSpeed,
                .speedInTimestamps:
                guard method == "PLAY" else { continue }
            default: break
            }
            effects.append(fault)
            if entries[index].isOnce { entries[index].phase = .over }
        }
        advance(to: now)
        return effects
    }

    /// What is to be done to a session to which nothing is being delivered.
    mutating func sessionEffects(_ path: String, known: Set<Int>, at now: Instant) -> [Effect] {
        advance(to: now)
        var effects: [Effect] = []
        for index in entries.indices where entries[index].isActive && !known.contains(entries[index].id) {
            guard case .rtsp(let fault) = entries[index].fault.kind, fault.concern == .sessions,
                !entries[index].fault.trigger.isPlace, entries[index].concerns(path)
            else { continue }
            effects.append(Effect(id: entries[index].id, fault: fault))
            if entries[index].isOnce { entries[index].phase = .over }
        }
        return effects
    }

    /// The length that a truncated copy of the file has, when a `short` fault applies to a response with these bytes.
    mutating func truncation(
        _ path: String, size: Int64, wanted: Range<Int64>, byteOffset: (NPT) -> Int64?, at now: Instant
    ) -> Int64? {
        var length: Int64?
        for index in entries.indices where entries[index].fault.kind == .short && entries[index].concerns(path) {
            let entry = entries[index]
            guard entry.fault.trigger.isPlace else {
                guard entry.isActive else { continue }
                length = min(length ?? .max, entry.frozen[path] ?? 0)
                if entry.isOnce { entries[index].phase = .over }
                continue
            }
            guard let place = Self.place(entry.fault.trigger, size: size, byteOffset: byteOffset) else { continue }
            if entry.phase == .armed, wanted.contains(place) {
                strike(index, at: now)
                if entry.isOnce { entries[index].phase = .over }
            } else if !entry.isActive {
                continue
            }
            length = min(length ?? .max, place)
        }
        advance(to: now)
        return length
    }

    fileprivate static func place(
        _ trigger: Fault.Trigger, size: Int64, byteOffset: (NPT) -> Int64?
    ) -> Int64? {
        switch trigger {
        case .atByte(let byte): byte
        case .atPercent(let percent): Int64(exactly: (Double(size) * percent / 100).rounded(.down))
        case .atNPT(let time): byteOffset(time)
        case .immediately, .afterRequests, .at: nil
        }
    }

    /// The next step of a response that is at its cursor.
    ///
    /// - Parameter midWrite: bytes before the cursor are still on their way to the kernel; only faults that need not
    ///   wait for them (those without a place) are told, as `reset` or `close`.
    mutating func next(
        for passage: inout Passage, midWrite: Bool = false, at now: Instant
    ) -> Step {
        advance(to: now)
        served[passage.path] = max(served[passage.path] ?? 0, passage.cursor)
        passage.effects.removeAll()

        var (limit, rate, corruption) = (passage.promised.upperBound, Int?.none, [Int64]())
        var pause = Duration.zero
        var stalls = false
        var reset: Bool?
        var close: Bool?
        for index in entries.indices where entries[index].concerns(passage.path) {
            let entry = entries[index]
            let isPlace = entry.fault.trigger.isPlace
            let place = isPlace ? passage.place(of: entry) : 0
            if !passage.owned.contains(entry.id) {
                // A response ends once: the next fault that would end it waits for another.
                if entry.isOnce, entry.fault.kind.endsResponses, reset != nil || close != nil { continue }
                switch entry.phase {
                case .over: continue
                case .armed:
                    guard isPlace, !midWrite, place >= passage.cursor, passage.promised.contains(place) else {
                        continue
                    }
                    guard place == passage.cursor else {
                        limit = min(limit, place)
                        continue
                    }
                    strike(index, at: now)
                case .active:
                    if isPlace, place > passage.cursor {
                        limit = min(limit, max(place, passage.cursor))
                        continue
                    }
                }
                guard !entry.fault.meetsRequests, entry.fault.kind != .refuse else { continue }
                if midWrite, isPlace { continue }
                if entry.isOnce {
                    entries[index].phase = .over
                    passage.owned.insert(entry.id)
                }
            } else if midWrite, isPlace {
                continue
            }
            switch entry.fault.kind {
            case .reset: reset = (reset ?? true) && isPlace
            case .close, .short: close = (close ?? true) && isPlace
            case .stall: stalls = true
            case .throttle(let bytesPerSecond): rate = min(rate ?? .max, max(bytesPerSecond, 1))
            case .delay(let delay):
                // A head that was held back has served its delay.
                if passage.delayed.insert(entry.id).inserted { pause += delay }
            case .corrupt: corruption.append(place)
            case .rtsp(let fault): passage.effects.append(Effect(id: entry.id, fault: fault))
            case .refuse, .silent, .status: continue
            }
            if !passage.suffered.contains(entry.fault) { passage.suffered.append(entry.fault) }
        }
        advance(to: now)
        if let reset { return .reset(afterDelivery: reset) }
        if let close { return .close(afterDelivery: close) }
        if pause > .zero { return .pause(pause) }
        if stalls { return .stall }
        return .send(limit: limit, rate: rate, corruption: corruption)
    }

    /// A response is over: the faults of which it was the one victim are forgotten.
    mutating func finished(_ passage: Passage) {
        let awaited = Set(entries.compactMap { $0.phase == .armed ? $0.predecessor : nil })
        entries.removeAll { passage.owned.contains($0.id) && $0.phase == .over && !awaited.contains($0.id) }
    }
}
