internal import DequeModule
internal import ThroughlineCore
internal import ThroughlineMedia
internal import ThroughlineProtocols
internal import ThroughlineTransport

/// What waits between the thread of a hot standby, which reads its ingest, and the session.
///
/// `run` is the thread's part. It keeps what `StandbyWindow` keeps, and reads as far as that wants, until it is stopped or
/// the ingest ends. All else may be called from any thread; a join reads from memory, as often as it likes, what is here
/// (`place`, `next`), and from `play` on each packet is handed out once.
final class HotFeed: Sendable {
    /// Why nothing more comes.
    enum End: Sendable {
        /// All of the presentation has come.
        case ended
        case failed(ChangeEvent)
        case aborted
        /// The thread was stopped: the ingest may be read on by somebody else.
        case stopped
    }

    enum Outcome: ~Copyable {
        case packet(Packet)
        case end(End)
        /// Nothing came before the deadline.
        case nothing
        case interrupted
    }

    /// What it is good for, as a standby.
    enum Condition: Sendable {
        case catchingUp
        /// It was aligned, and may be again.
        case good
        case lost(Loss)
    }

    /// Why it is of no use any more.
    enum Loss: Sendable {
        /// Its origin does not deliver.
        case failed(ChangeEvent)
        /// It delivers something else.
        case different(String)
        /// It cannot be kept aligned, for which its origin need not be to blame.
        case adrift(String)

        var reason: String {
            switch self {
            case .failed(let event): event.detail
            case .different(let reason), .adrift(let reason): reason
            }
        }
    }

    /// What the thread is to do next.
    private enum Wish {
        case read, look, end
    }

    /// Packets under the lock of the feed.
    private final class Shelf {
        var packets = UniqueDeque<Packet>()
        func empty() { while !packets.isEmpty { _ = packets.removeFirst() } }
    }

    private struct State {
        var shelf: Shelf
        var window: StandbyWindow
        var flows: [FlowFormat]
        var forms: [PayloadForm?]
        /// Packets that have left the shelf.
        var gone = 0
        /// What the network lost before a packet, by the packet's number.
        var losses: [(number: Int, losses: [Int: FlowLosses])] = []
        /// Of what was played.
        var playedLosses: [Int: FlowLosses] = [:]
        /// Packets and bytes that came while it was a standby.
        var received: (packets: Int, bytes: Int64) = (0, 0)
        /// Where a join reads, in packets from the front.
        var cursor = 0
        var condition = Condition.catchingUp
        var end: End?
        /// The session has it: it is no standby any more.
        var isTaken = false
        var isPlayed = false
        var isStopping = false
        var isInterrupted = false
    }

    /// How often it is looked how far the primary is.
    private static let look: Duration = .milliseconds(40)
    /// How often what comes is compared with the primary, while nothing could be told and later.
    private static let proofPause: Duration = .milliseconds(500)
    private static let proofInterval: Duration = .seconds(10)
    /// Packets that are read ahead of whoever joins.
    private static let stock = 64
    /// Losses that are kept until they are told.
    private static let lossLimit = 1000

    private let state: Guarded<State>
    private let abort: AbortSwitch

    /// - Parameters:
    ///   - flows: of the ingest.
    ///   - abort: ends the ingest.
    init(window: StandbyWindow, flows: [FlowFormat], abort: AbortSwitch) {
        self.abort = abort
        state = Guarded(
            State(shelf: Shelf(), window: window, flows: flows, forms: Array(repeating: nil, count: flows.count)))
    }

    // MARK: - On the standby's thread

    /// Reads an ingest until that is over.
    ///
    /// - Parameters:
    ///   - proof: compares what comes with the primary.
    ///   - outlook: how far the primary is; nil while that is not known.
    ///   - changed: its condition has changed.
    func run(
        _ ingest: any Ingest, proof: StandbyProof, outlook: () -> StandbyWindow.Primary?, changed: () -> Void
    ) {
        var nextProof = Instant(nanoseconds: 0)
        var lastLook = Instant(nanoseconds: 0)
        var primary: StandbyWindow.Primary?
        while true {
            let now = Instant.now
            if now - lastLook >= Self.look {
                lastLook = now
                primary = outlook() ?? primary
                if let primary {
                    review(ingest, primary, at: now, changed: changed)
                    if now >= nextProof, let pause = prove(ingest, proof, primary, changed: changed) {
                        nextProof = .now + pause
                    }
                }
            }
            let wish = awaitWish(primary)
            if wish == .look { continue }
            if wish == .end { break }
            do throws(IngestReadError) {
                guard let packet = try ingest.read() else {
                    end(ended(ingest), changed: changed)
                    return
                }
                take(packet, of: ingest)
            } catch {
                switch error {
                case .interrupted: continue
                case .changed(let event): end(.failed(event), changed: changed)
                case .broken(let media):
                    end(
                        .failed(ChangeEvent(cause: .contentBroken, detail: "its media is damaged: \(media)")),
                        changed: changed)
                case .playsForwards:
                    end(.failed(ChangeEvent(cause: .other, detail: "it plays otherwise than asked")), changed: changed)
                }
                return
            }
        }
        end(.stopped, changed: changed)
    }

    private func ended(_ ingest: any Ingest) -> End {
        if abort.isAborted { return .aborted }
        if let event = ingest.openingFailure { return .failed(event) }
        return ingest.hasFailed ? .aborted : .ended
    }

    private func end(_ end: End, changed: () -> Void) {
        state.withLockAndWake { state in
            state.end = end
            switch end {
            case .ended: state.window.ended()
            case .failed(let event): state.condition = .lost(.failed(event))
            case .aborted, .stopped: break
            }
        }
        changed()
    }

    /// Drops what nobody needs any more, and looks how it does.
    private func review(
        _ ingest: any Ingest, _ primary: StandbyWindow.Primary, at now: Instant, changed: () -> Void
    ) {
        let losses = ingest.accounts?.takeLosses() ?? [:]
        nonisolated(unsafe) let bin = Shelf()  // This thread's alone; filled under the lock.
        var oldest: (time: MediaTime, position: Int64)?
        var hasNews = false
        let lead = state.withLock { state -> MediaTime? in
            if !losses.isEmpty, state.losses.count < Self.lossLimit {
                state.losses.append((state.gone + state.shelf.packets.count, losses))
            }
            // While a join reads, all stays where it is.
            guard !state.isTaken else { return nil }
            let expendable = state.window.expendable(primary)
            if expendable > 0 {
                for _ in 0..<expendable {
                    let packet = state.shelf.packets.removeFirst()
                    oldest = (packet.pts ?? packet.dts ?? .zero, packet.bytePosition)
                    bin.packets.append(packet)
                }
                state.window.removeFirst(expendable)
                state.gone += expendable
                let gone = state.gone
                state.losses.removeAll { $0.number < gone }
            }
            switch state.window.judge(primary, at: now) {
            case .fine:
                return nil
            case .lost(let reason):
                state.condition = .lost(.adrift(reason))
                (state.isStopping, hasNews) = (true, true)
                return nil
            case .beginAgain(let lead): return lead
            }
        }
        bin.empty()
        if let oldest { ingest.watch?.forget(before: oldest.time, offset: oldest.position) }
        if let lead { beginAgain(ingest, at: primary.received + lead - (shift ?? .zero), lead: lead) }
        if hasNews { changed() }
    }

    /// Compares what is here with the primary, once it can be joined; only what is not known to be different is good.
    ///
    /// - Returns: when to do so again; nil when it was not done.
    private func prove(
        _ ingest: any Ingest, _ proof: StandbyProof, _ primary: StandbyWindow.Primary, changed: () -> Void
    ) -> Duration? {
        var packets = UniqueDeque<Packet>()
        let isReady = state.withLock { state in
            guard !state.isTaken, !state.window.isPlaced || state.window.isAligned(primary) else { return false }
            for index in 0..<state.shelf.packets.count {
                guard let packet = try? state.shelf.packets[index].reference() else { return false }
                packets.append(packet)
            }
            return true
        }
        guard isReady else { return nil }
        let finding = proof.examine(ingest, packets)
        while !packets.isEmpty { _ = packets.removeFirst() }
        let hasNews = state.withLock { state in
            guard !state.isTaken else { return false }
            if case .different(let reason) = finding {
                state.condition = .lost(.different(reason))
                state.isStopping = true
                return true
            }
            if let shift = finding.shift { state.window.stands(at: shift) }
            guard case .catchingUp = state.condition, state.window.isAligned(primary) else { return false }
            state.condition = .good
            return true
        }
        if hasNews { changed() }
        switch finding {
        case .unknown: return Self.proofPause
        case .samePackets: return Self.proofInterval
        // Seeing takes a decoder: once is enough.
        case .sameProgramme, .different: return .seconds(86400)
        }
    }

    /// - Parameter place: on the timeline of the ingest.
    private func beginAgain(_ ingest: any Ingest, at place: MediaTime, lead: MediaTime) {
        nonisolated(unsafe) let bin = Shelf()
        let isStandby = state.withLock { state in
            // A join that began meanwhile has read what is here, and goes on behind it.
            guard !state.isTaken else { return false }
            swap(&state.shelf.packets, &bin.packets)
            state.gone += bin.packets.count
            state.losses = []
            state.window.begins(ahead: lead, at: .now)
            return true
        }
        bin.empty()
        guard isStandby else { return }
        // Where that fails, so does the next read, or it lags as before.
        do throws(MediaError) { try ingest.seek(to: place, anyPacket: true) } catch { return }
    }

    /// Waits until the next packet is wanted, or for a while.
    private func awaitWish(_ primary: StandbyWindow.Primary?) -> Wish {
        let until = Instant.now + Self.look
        return state.wait { state, deadline in
            if state.isStopping { return .end }
            if state.window.wantsMore(primary) { return .read }
            // Whoever joins may need more than was thought.
            if state.isTaken, state.shelf.packets.count - state.cursor < Self.stock { return .read }
            if Instant.now >= until { return .look }
            deadline = until
            return nil
        }
    }

    private func take(_ packet: consuming Packet, of ingest: any Ingest) {
        let flow = packet.flow
        let flows = ingest.flows
        guard flow >= 0, flow < flows.count else { return }
        let form = ingest.form(of: flow)
        let count = packet.byteCount
        let all = ingest.bytesReceived
        // Pictures that lead up to the first of a range have no times; nothing begins with them that was received already.
        guard let time = packet.pts ?? packet.dts else { return }
        let entry = StandbyWindow.Entry(
            flow: flow, time: time, end: flows[flow].isSparse ? time : time + packet.duration, isKey: packet.isKey,
            bytes: count)
        var incoming = UniqueDeque<Packet>()
        incoming.append(packet)
        state.withLockAndWake { state in
            if state.flows.count < flows.count { state.flows = flows }
            while state.forms.count < flows.count { state.forms.append(nil) }
            state.forms[flow] = form
            if !state.isTaken {
                state.received.packets += 1
                state.received.bytes = all ?? state.received.bytes + Int64(count)
            }
            state.window.append(entry)
            while !incoming.isEmpty { state.shelf.packets.append(incoming.removeFirst()) }
        }
    }

    // MARK: - As a standby

    var condition: Condition { state.withLock { $0.condition } }

    /// Whether it can be joined now, and is better than any other.
    func isReady(_ primary: StandbyWindow.Primary) -> Bool {
        state.withLock { state in
            if case .lost = state.condition { return false }
            return state.window.isReady(primary)
        }
    }

    /// Whether it has more of all flows than was received of the primary.
    func hasMore(than primary: StandbyWindow.Primary) -> Bool { state.withLock { $0.window.hasMore(than: primary) } }

    /// How far ahead of the primary it was asked to begin.
    var lead: MediaTime { state.withLock { $0.window.lead } }

    /// Packets and bytes of media that came while it was a standby.
    var received: (packets: Int, bytes: Int64) { state.withLock { $0.received } }

    /// Ends the thread's part, once the present read has returned.
    func stop() { state.withLockAndWake { $0.isStopping = true } }

    // MARK: - For whoever joins it

    /// It is a standby no more: nothing is dropped from here on.
    func take() { state.withLockAndWake { $0.isTaken = true } }

    var flows: [FlowFormat] { state.withLock { $0.flows } }

    func form(of flow: Int) -> PayloadForm {
        state.withLock { flow >= 0 && flow < $0.forms.count ? $0.forms[flow] ?? .opaque : .opaque }
    }

    /// Added to the times of the standby's packets it makes them NPT; nil while it is not known how much that is.
    var shift: MediaTime? { state.withLock { $0.window.shift } }

    /// From where on all flows are here.
    var start: MediaTime? { state.withLock { $0.window.start } }

    /// Goes on reading from a time, or from the last key frame at or before it.
    ///
    /// - Returns: false when that is not here.
    func place(at time: MediaTime, atKey: Bool) -> Bool {
        state.withLock { state in
            guard let index = state.window.index(from: time, fromKey: atKey) else { return false }
            state.cursor = index
            return true
        }
    }

    /// It is played: what was read so far is gone, and the thread ends.
    func play() {
        nonisolated(unsafe) let bin = Shelf()
        state.withLockAndWake { state in
            (state.isPlayed, state.isStopping) = (true, true)
            let read = min(state.cursor, state.shelf.packets.count)
            for _ in 0..<read { bin.packets.append(state.shelf.packets.removeFirst()) }
            state.window.removeFirst(read)
            state.gone += read
            state.cursor = 0
            let gone = state.gone
            state.losses.removeAll { $0.number < gone }
        }
        bin.empty()
    }

    /// Throws away all that waits.
    func clear() {
        nonisolated(unsafe) let bin = Shelf()
        state.withLock { state in
            swap(&state.shelf.packets, &bin.packets)
            state.gone += bin.packets.count
            (state.losses, state.cursor) = ([], 0)
            state.window.removeAll()
        }
        bin.empty()
    }

    /// The next packet, as soon as it is here.
    ///
    /// - Throws: where there is no memory for another handle on it.
    func next(until deadline: Instant) throws(MediaError) -> Outcome {
        let result: Result<Outcome, MediaError> = state.wait { state, next in
            if state.isInterrupted {
                state.isInterrupted = false
                return .success(.interrupted)
            }
            if state.cursor < state.shelf.packets.count {
                guard state.isPlayed else {
                    state.cursor += 1
                    do throws(MediaError) {
                        return .success(.packet(try state.shelf.packets[state.cursor - 1].reference()))
                    } catch { return .failure(error) }
                }
                let number = state.gone
                while let first = state.losses.first, first.number <= number {
                    for (flow, lost) in first.losses { state.playedLosses[flow, default: FlowLosses()] += lost }
                    state.losses.removeFirst()
                }
                state.gone += 1
                state.window.removeFirst(1)
                return .success(.packet(state.shelf.packets.removeFirst()))
            }
            if let end = state.end { return .success(.end(end)) }
            if Instant.now >= deadline { return .success(.nothing) }
            next = deadline
            return nil
        }
        return try result.get()
    }

    /// What never came of what was played, by flow, since the last time.
    func takeLosses() -> [Int: FlowLosses] {
        state.withLock { state in
            defer { state.playedLosses = [:] }
            return state.playedLosses
        }
    }

    /// Ends a `next` that waits with `.interrupted`, now or the next time.
    func interrupt() { state.withLockAndWake { $0.isInterrupted = true } }

    /// Waits until the thread's part is over, or for so long.
    ///
    /// - Returns: how it ended; nil when it has not.
    func waitForEnd(atMost patience: Duration) -> End? {
        state.wait(until: .now + patience) { $0.end }
    }
}
