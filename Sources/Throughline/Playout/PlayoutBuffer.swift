internal import DequeModule
internal import ThroughlineCore
internal import ThroughlineMedia

/// Media received and not yet presented: hides a handoff, pushes back to the socket when it is full, and measures
/// every gap.
///
/// The ingest puts batches in, the pacer takes batches out; one lock is taken for a batch, never for a packet.
final class PlayoutBuffer: Sendable {
    struct Limits: Sendable {
        var duration: MediaTime
        var bytes: Int
        var packets: Int
        var isPaced: Bool
    }

    /// What the pacer gets.
    enum Take: Sendable {
        /// `shift` is to be added to the times of the packets; `begins` is set where they are the first from elsewhere in the
        /// presentation.
        case batch(shift: MediaTime, begins: Beginning?)
        /// Somebody wants a word with the pacer.
        case called
        case ended
        case aborted
    }

    /// The viewer went elsewhere in the presentation.
    enum Beginning: Sendable {
        /// What was asked for begins at a place; nil for wherever it begins.
        case forwards(from: NPT?)
        case backwards
    }

    /// How much is in the buffer.
    struct Level: Sendable {
        /// Media ahead of what is due, of the flow that has least.
        var duration: MediaTime
        var bytes: Int
        /// Up to where the flows were received on the average: a container may bring them one after another.
        var reached: MediaTime = .zero
    }

    /// A packet goes out when it is due within this time: one wakeup serves all flows, and none is ever late.
    static let slot: MediaTime = .milliseconds(40)
    /// What each flow must hold before the clock starts, and how long to wait for that: in a fragmented file the sound
    /// may lie seconds of delivery behind the pictures, and a flow that never comes must not hold up the others.
    static let prefill: MediaTime = .milliseconds(400)
    static let prefillPatience: Duration = .seconds(3)

    /// At full speed the pacer is woken for little no more often than this.
    static let rest: Duration = .milliseconds(20)

    /// Room is made for flows that are this far apart, and no more.
    static let greatestSkew: MediaTime = .seconds(5)

    /// How often a full buffer looks whether time has made room.
    static let roomPoll: Duration = .milliseconds(200)

    private struct State {
        var lanes: [FlowLane] = []
        var clock = PlayoutClock()
        var bytes = 0
        var packets = 0
        var isEnded = false
        var isAborted = false
        /// The pacer is to look up.
        var isCalled = false
        /// The ingest waits for room.
        var isFull = false
        var pacerWaits = false
        /// When the pacer wakes by itself.
        var pacerWakesAt = Instant.never
        var firstArrival: Instant?
        var lastWake = Instant(nanoseconds: 0)
        /// Everything due before this went out.
        var released: MediaTime?
        /// How far the flows of the container were apart at the most.
        var skew: MediaTime = .zero
        var isRealtime = false
        /// What is added to the times of packets on their way out: after a seek the outputs go on where they were.
        var outputShift: MediaTime = .zero
        /// Where the last packet that went out ends, for the outputs.
        var outputEnd: MediaTime?
        var isShiftUnknown = false
        /// Nothing has gone out since the last restart.
        var beginning: Beginning?
        /// What comes is from where the viewer no longer is.
        var isDiscarding = false
        /// Why who pushes is not to wait for room.
        var hurry: Hurry = []
        /// Media times are NPT with the sign turned round.
        var isBackward = false
        /// Where the viewer stands while nothing is presented that was received since.
        var place: NPT?
        /// Nothing more comes until the next restart.
        var isComplete = false
        /// What was received may be all there is.
        var mayHaveEnded = false
        /// Something went out since the last restart.
        var hasReleased = false
        /// Packets that nobody needs any more. The ingest's thread frees them: it allocated them, and the allocator
        /// serves it best from what it gave back itself.
        var bin = PacketBin()
    }

    private final class PacketBin {
        var packets = UniqueDeque<Packet>()
        /// What outputs have written.
        var batches: [PacketBatch] = []
        func empty() {
            while !packets.isEmpty { _ = packets.removeFirst() }
            batches = []
        }
    }

    private let limits: Limits
    private let state = Guarded(State())
    /// How long the buffer lasts, for whoever brings more.
    let reserve = PlayoutReserve()

    init(limits: Limits) { self.limits = limits }

    /// Names the flows. Once, before the first packet.
    ///
    func begin(_ flows: [(isSparse: Bool, isVideo: Bool)]) {
        state.withLock { $0.lanes = flows.map { FlowLane(isSparse: $0.isSparse, keepsKeys: $0.isVideo) } }
    }

    // MARK: - The ingest's side

    /// Names what the packets come from, from now on. Before the first of each ingest.
    ///
    /// - Parameter isRealtime: the origin delivers no faster than is played. What the buffer is to hide later must be in it
    ///   before the clock starts.
    func isFed(inRealtime isRealtime: Bool) { state.withLock { $0.isRealtime = isRealtime } }

    /// Takes all of a batch; waits for room first, unless it is not to or somebody wants a word with who pushes.
    ///
    /// - Returns: false when the session is over.
    func push(_ batch: inout UniqueDeque<Packet>, awaitsRoom: Bool = true) -> Bool {
        if batch.isEmpty { return true }
        let isOpen: Bool = state.wait { state, next in
            if state.isAborted { return false }
            if !awaitsRoom || !state.hurry.isEmpty || state.isDiscarding || hasRoom(&state) { return true }
            // Time makes room too, without anything going out.
            if limits.isPaced { next = .now + Self.roomPoll }
            if state.pacerWaits { self.state.wake() }
            return nil
        }
        guard isOpen else { return false }
        let now = Instant.now
        var wakes = false
        nonisolated(unsafe) var bin = PacketBin()  // Exchanged under the lock, and the ingest's alone after that.
        state.withLock { state in
            swap(&bin, &state.bin)
            if state.isDiscarding {
                while !batch.isEmpty { bin.packets.append(batch.removeFirst()) }
                return
            }
            if state.firstArrival == nil { state.firstArrival = now }
            state.mayHaveEnded = false
            while !batch.isEmpty {
                let packet = batch.removeFirst()
                let lane = state.lanes[packet.flow]
                state.bytes += packet.byteCount
                state.packets += 1
                if limits.isPaced, !lane.isSparse, let due = packet.due { state.clock.arrived(due: due, now: now) }
                lane.append(packet)
            }
            noteSkew(&state)
            noteReserve(state)
            // At full speed the pacer sleeps until there is a good deal to do.
            let isWorthIt =
                limits.isPaced || state.packets >= limits.packets / 4 || state.bytes >= limits.bytes / 4
                || now - state.lastWake > Self.rest
            wakes = state.pacerWaits && isWorthIt && concernsPacer(state)
            if wakes { state.lastWake = now }
        }
        if wakes { state.wake() }
        bin.empty()
        return true
    }

    private func noteReserve(_ state: State) { reserve.lasts(until: awaited(state).flatMap { state.clock.due($0) }) }

    /// Whether what came changes when the pacer has something to do. In real time most of it is due only after what the
    /// pacer sleeps for.
    private func concernsPacer(_ state: State) -> Bool {
        guard limits.isPaced, state.clock.isRunning, state.pacerWakesAt != .never else { return true }
        var least: MediaTime?
        for lane in state.lanes where !lane.waiting.isEmpty {
            let due = lane.headDue ?? .zero
            least = min(least ?? due, due)
        }
        guard let least, let moment = state.clock.due(least) else { return false }
        return moment < state.pacerWakesAt
    }

    /// A full buffer takes nothing until an eighth of it is free: the ingest sleeps in few and long stretches. An empty one
    /// takes whatever comes, however small its limits are.
    private func hasRoom(_ state: inout State) -> Bool {
        let level = level(of: state, at: .now)
        let share = state.isFull ? 7 : 8
        let most = MediaTime(flicks: limits.duration.flicks / 8 * Int64(share)) + state.skew
        let fits =
            state.packets == 0
            || (!limits.isPaced || level < most) && state.bytes < limits.bytes / 8 * share
                && state.packets < limits.packets / 8 * share
        state.isFull = !fits
        return fits
    }

    /// How far the flows are apart in what comes: so much of one comes before what belongs to it of another.
    var skew: MediaTime { state.withLock { $0.skew } }

    /// A container that puts seconds of pictures before their sound needs that much more room: the next sound comes only
    /// behind the pictures that follow. So does the first, without which nothing is presented.
    private func noteSkew(_ state: inout State) {
        var (least, most): (MediaTime?, MediaTime?) = (nil, nil)
        let isBeginning = limits.isPaced && !state.isRealtime && !state.clock.isRunning
        for lane in state.lanes where !lane.isSparse {
            guard let end = lane.decodeEnd else {
                if isBeginning, let head = startTime(state) { least = min(least ?? head, head) }
                continue
            }
            least = min(least ?? end, end)
            most = max(most ?? end, end)
        }
        guard let least, let most else { return }
        state.skew = max(state.skew, min(most - least, Self.greatestSkew))
    }

    private func level(of state: State, at now: Instant) -> MediaTime {
        // Before the clock starts, what went out last may be from another place in the presentation.
        let playhead = state.clock.playhead(at: now) ?? (limits.isPaced ? nil : state.released)
        var least: MediaTime?
        for lane in state.lanes where !lane.isSparse {
            guard let end = lane.decodeEnd else { continue }
            let start = playhead ?? lane.headDue ?? end
            least = min(least ?? (end - start), end - start)
        }
        return max(least ?? .zero, .zero)
    }

    /// Media stopped before its end: what the viewer has waited so far is a gap.
    func ranDry() { state.withLock { endWait(&$0, at: .now) } }

    private func endWait(_ state: inout State, at now: Instant) {
        if let end = awaited(state) { state.clock.arrived(due: end, now: now) }
    }

    /// Up to where there is media, where more is to come: a viewer who is further waits. A flow that ended long before the
    /// others is not waited for.
    private func awaited(_ state: State) -> MediaTime? {
        guard limits.isPaced, !state.isEnded, !state.isComplete, !state.mayHaveEnded, !state.isAborted else {
            return nil
        }
        var furthest: MediaTime?
        for lane in state.lanes where !lane.isSparse {
            if let end = lane.decodeEnd { furthest = max(furthest ?? end, end) }
        }
        guard let furthest else { return nil }
        var least = furthest
        for lane in state.lanes where !lane.isSparse {
            if let end = lane.decodeEnd, end >= furthest - Self.greatestSkew { least = min(least, end) }
        }
        return least
    }

    /// Whether what was received may be all there is: a viewer who has seen it waits for nothing, unless more comes.
    func mayHaveEnded(_ mayHave: Bool) { state.withLockAndWake { $0.mayHaveEnded = mayHave } }

    /// No more packets will come.
    func end() {
        state.withLockAndWake { $0.isEnded = true }
    }

    /// Ends every wait, at once and for good; what the viewer has waited so far is a gap.
    func abort() {
        state.withLockAndWake { state in
            endWait(&state, at: .now)
            state.isAborted = true
        }
    }

    // MARK: - The viewer's side

    /// Nothing goes out until `resume`; what arrives is kept, as far as there is room.
    func pause() { state.withLockAndWake { $0.clock.pause(at: .now) } }

    func resume() {
        state.withLockAndWake { state in
            state.clock.resume(at: .now)
            noteReserve(state)
        }
    }

    func setRate(_ rate: Rate) {
        state.withLockAndWake { state in
            state.clock.setRate(rate, at: .now)
            noteReserve(state)
        }
    }

    /// Of these flows something comes from now on, and the others are waited for no longer.
    func feed(_ flows: Set<Int>) {
        state.withLockAndWake { state in
            for (index, lane) in state.lanes.enumerated() { lane.isFed = flows.contains(index) }
            noteReserve(state)
        }
    }

    /// The viewer is going elsewhere: what still comes from here is thrown away, until `restart`.
    func discard() { state.withLockAndWake { $0.isDiscarding = true } }

    /// Why who pushes is not to wait for room: what is in hand goes in, however full it is.
    struct Hurry: OptionSet {
        let rawValue: Int
        /// The viewer wants something.
        static let control = Hurry(rawValue: 1)
        /// Another ingest is ready to be joined.
        static let join = Hurry(rawValue: 2)
    }

    /// Has pushes wait for room no more, or again, as far as a reason goes. From any thread.
    func hurry(_ reason: Hurry, _ isOn: Bool) {
        state.withLockAndWake { state in
            if isOn { state.hurry.insert(reason) } else { state.hurry.remove(reason) }
        }
    }

    /// Throws away all that has not gone out: what comes next is from elsewhere in the presentation, and the clock starts
    /// again with it. The outputs go on where they were.
    ///
    /// - Parameters:
    ///   - place: where the viewer is shown to be until then; nil for where the last packet stood.
    ///   - isBackward: what comes is played backwards: pictures alone, whose times are NPT with the sign turned round.
    func restart(at place: NPT? = nil, isBackward: Bool = false, for wanted: NPT? = nil) {
        nonisolated(unsafe) var bin = PacketBin()
        state.withLockAndWake { state in
            swap(&bin, &state.bin)
            for lane in state.lanes { lane.empty(into: &bin.packets, isBackward: isBackward) }
            state.bytes = 0
            state.packets = 0
            state.isFull = false
            state.isDiscarding = false
            state.firstArrival = nil
            state.clock.stop(at: .now)
            state.clock.isBackward = isBackward
            if place != nil || isBackward != state.isBackward { state.released = nil }
            state.isBackward = isBackward
            state.place = place
            state.isComplete = false
            state.hasReleased = false
            state.isShiftUnknown = state.outputEnd != nil
            state.beginning = isBackward ? .backwards : .forwards(from: wanted)
            noteReserve(state)
        }
        bin.empty()
    }

    /// Nothing more comes until the next `restart`: what there is is presented, however little it is.
    func complete() { state.withLockAndWake { $0.isComplete = true } }

    /// Whether all that came has gone out.
    var isDrained: Bool { state.withLock { $0.packets == 0 } }

    /// When all that came will have been presented to its end, or was; nil while not all of it has gone out, or the clock
    /// stands still.
    var playedOutAt: Instant? {
        state.withLock { state in
            guard state.packets == 0 else { return nil }
            guard let playhead = state.clock.playhead(at: .now), let last = state.lanes.compactMap(\.decodeEnd).max(),
                last > playhead
            else { return .now }
            return state.clock.isPaused ? nil : state.clock.due(last)
        }
    }

    // MARK: - The pacer's side

    /// Waits for packets that are due, and lets them out.
    ///
    /// - Parameter batch: gets the packets; they are shared with the buffer, which keeps the last of them for a while.
    func take(into batch: inout UniqueDeque<Packet>, limit: Int) -> Take {
        var ingestMayGoOn = false
        state.withLock { state in
            for lane in state.lanes { lane.trim(into: &state.bin.packets) }
            state.clock.outputsEnded(at: .now)
            ingestMayGoOn = state.isFull && hasRoom(&state)
        }
        if ingestMayGoOn { state.wake() }
        return state.wait { state, next in
            state.pacerWaits = false
            if state.isAborted { return .aborted }
            if state.isCalled {
                state.isCalled = false
                return .called
            }
            next = release(&state, into: &batch, limit: limit, at: .now)
            if !batch.isEmpty {
                state.clock.outputsBegan(at: .now)
                defer { state.beginning = nil }
                return .batch(shift: shift(&state, for: batch), begins: state.beginning)
            }
            if state.isEnded, state.packets == 0 { return .ended }
            state.pacerWaits = true
            state.pacerWakesAt = next
            return nil
        }
    }

    /// What the packets of a batch are moved by, so that the outputs see one timeline.
    private func shift(_ state: inout State, for batch: borrowing UniqueDeque<Packet>) -> MediaTime {
        if state.isShiftUnknown, let first = batch[0].due, let end = state.outputEnd {
            state.outputShift = end - first
            state.isShiftUnknown = false
        }
        for index in 0..<batch.count where !state.lanes[batch[index].flow].isSparse {
            guard let time = batch[index].pts ?? batch[index].due else { continue }
            let end = time + batch[index].duration + state.outputShift
            state.outputEnd = max(state.outputEnd ?? end, end)
        }
        return state.outputShift
    }

    /// Takes back what an output has written, for the ingest's thread to free it, as long as that comes by. From any thread.
    func written(_ batch: PacketBatch) {
        state.withLock { state in
            if !state.isEnded, !state.isComplete { state.bin.batches.append(batch) }
        }
    }

    /// Has the pacer look up, whatever it waits for. From any thread.
    func call() { state.withLockAndWake { $0.isCalled = true } }

    /// Moves what is due into `batch`.
    ///
    /// - Returns: when there will be more to do, if nothing arrives before.
    private func release(
        _ state: inout State, into batch: inout UniqueDeque<Packet>, limit: Int, at now: Instant
    ) -> Instant {
        var horizon: MediaTime?
        if limits.isPaced {
            if !state.clock.isRunning {
                guard let start = startTime(state) else { return .never }
                let isReady = state.isEnded || state.isComplete || state.isFull || isPrefilled(state)
                let patience = Self.prefillPatience + (state.isRealtime ? limits.duration.duration : .zero)
                let latest = (state.firstArrival ?? now) + patience
                guard isReady || now >= latest else { return latest }
                state.clock.start(at: start, now: now)
            }
            horizon = state.clock.playhead(at: now).map { $0 + Self.slot }
        }
        // Where no more comes, or there is no room for it, what there is goes out as it is.
        let mayHold = !state.isEnded && !state.isComplete && !state.isFull && !state.mayHaveEnded
        while batch.count < limit {
            var first: Int?
            var least: MediaTime?
            for (index, lane) in state.lanes.enumerated() {
                guard !lane.waiting.isEmpty, lane.mayGoOut || !mayHold else {
                    // Unpaced, flows are kept in step by waiting until each has something.
                    if !limits.isPaced, !lane.isSparse, !state.isEnded, !state.isComplete, !state.isFull {
                        return .never
                    }
                    continue
                }
                let due = lane.headDue ?? .zero
                if least == nil || due < least! {
                    least = due
                    first = index
                }
            }
            guard let first, let least else { return .never }
            if let horizon, least > horizon { return state.clock.due(least) ?? now }
            let packet = state.lanes[first].release()
            state.bytes -= packet.byteCount
            state.packets -= 1
            state.released = least
            state.hasReleased = true
            state.place = nil
            batch.append(packet)
        }
        return now
    }

    private func startTime(_ state: State) -> MediaTime? {
        state.lanes.compactMap(\.headDue).min()
    }

    private func isPrefilled(_ state: State) -> Bool {
        let wanted =
            state.isRealtime ? limits.duration : min(Self.prefill, MediaTime(flicks: limits.duration.flicks / 2))
        return state.lanes.allSatisfy { lane in
            guard !lane.isSparse else { return true }
            guard let head = lane.headDue, let end = lane.decodeEnd else { return false }
            return end - head >= wanted
        }
    }

    // MARK: - What others ask

    var level: Level {
        state.withLock { state in
            var (reached, count) = (Int64(0), Int64(0))
            for lane in state.lanes where !lane.isSparse && lane.decodeEnd != nil { count += 1 }
            for lane in state.lanes where !lane.isSparse {
                if let end = lane.decodeEnd { reached += end.flicks / count }
            }
            return Level(
                duration: level(of: state, at: .now), bytes: state.bytes, reached: MediaTime(flicks: reached))
        }
    }

    /// Whether the clock runs, or the viewer has stopped it.
    var isBeingPlayed: Bool { state.withLock { $0.clock.isRunning } }

    /// NPT that is presented now: what is due, but no more than was received; what was released last where nothing is
    /// paced.
    var playhead: MediaTime? {
        state.withLock { state in
            let time: MediaTime
            if let due = state.clock.playhead(at: .now) {
                time = min(due, state.lanes.compactMap(\.decodeEnd).max() ?? due)
            } else if let place = state.place {
                return place
            } else if let released = state.released {
                time = released
            } else {
                return nil
            }
            return state.isBackward ? max(.zero, -time) : time
        }
    }

    /// Whether something was presented since the last restart: until then `playhead` tells of the place before it.
    var hasBegun: Bool { state.withLock { $0.hasReleased } }

    /// How long media was due and was not there, with a wait that has not ended yet.
    var gapTotal: Duration {
        state.withLock { state in
            state.clock.gapTotal + (awaited(state).map { state.clock.wait(since: $0, at: .now) } ?? .zero)
        }
    }
    var gaps: [VisibleGap] { state.withLock { $0.clock.gaps } }
    var gapCount: Int { state.withLock { $0.clock.gapCount } }
    /// How long media has gone by, on the clock on the wall; zero where nothing is paced.
    var playingTime: Duration { state.withLock { limits.isPaced ? $0.clock.playingTime(at: .now) : .zero } }

    /// Gaps that are over, since the last call.
    ///
    /// - Parameter isOver: nothing more is presented.
    func takeNewGaps(isOver: Bool = false) -> [VisibleGap] {
        state.withLock { $0.clock.takeGaps(at: isOver ? nil : .now) }
    }

    /// Position of each flow: how far it was received.
    var accounts: [FlowAccount] { state.withLock { $0.lanes.map(\.account) } }

    /// References to the last packets received of one flow, in decode order.
    func tail(flow: Int, limit: Int) -> UniqueDeque<Packet> {
        state.withLock { $0.lanes[flow].tail(limit: limit) }
    }

    /// References to key packets received of late of one flow, in decode order.
    func keyPackets(flow: Int) -> UniqueDeque<Packet> {
        state.withLock { $0.lanes[flow].keyPackets() }
    }

    /// What went out last of one flow, and what waits, as times in decode order.
    func traces(flow: Int) -> (recent: [PacketTrace], waiting: [PacketTrace]) {
        state.withLock { ($0.lanes[flow].recentTraces, $0.lanes[flow].waitingTraces) }
    }

    /// Where another origin is to begin at the latest, so that what it sends of these flows can be joined to what was
    /// received; nil when nothing was.
    func overlapStart(of flows: [FlowFormat]) -> NPT? {
        flows.map { flow in
            let packets = tail(flow: flow.index, limit: Self.overlapLimit)
            return FlowTail(
                packets: packets.indices.map { packets[$0].trace(fingerprint: nil) }, isSparse: flow.isSparse,
                isEssential: flow.kind == .video && !flow.isAttachedPicture)
        }.overlapStart
    }

    /// Packets of a flow that tell where it ends: more than pictures are reordered by.
    private static let overlapLimit = 32

    /// Cuts a flow at a key frame of another encode.
    ///
    /// - Returns: what was kept, or nil when the place is out already.
    func cut(flow: Int, at time: MediaTime, tolerance: MediaTime) -> (cut: KeyFrameCut, lastDecode: MediaTime?)? {
        state.withLock { state in
            let lane = state.lanes[flow]
            let traces = lane.waitingTraces
            guard
                let cut = KeyFrameCut(recent: lane.recentTraces, waiting: traces, at: time, tolerance: tolerance)
            else { return nil }
            let removed = lane.waiting.count - cut.kept
            state.bytes -= lane.cut(keeping: cut.kept, end: cut.keptEnd)
            state.packets -= removed
            noteReserve(state)
            return (cut, cut.kept > 0 ? traces[cut.kept - 1].dts : lane.releasedDecode)
        }
    }
}
