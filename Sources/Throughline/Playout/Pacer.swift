internal import DequeModule
import Glibc
internal import ThroughlineCore
internal import ThroughlineMedia

/// Presents packets when they are due: takes them from the playout buffer and hands them to the outputs and lanes, on a
/// thread of its own. An output that fails is let go, and the others go on.
///
/// Outputs are written to on this thread: a file or a pipe that is slow makes the clock wait. Lanes are offered what was
/// presented, and never waited for. Both join and leave between two batches, and begin with a key frame.
final class Pacer {
    /// An output, and what it leaves by where it has joined later.
    private struct Member {
        let output: any PacketOutput
        let id: OutputID?
    }

    /// Packets that are handed over at once at the most.
    static let batchLimit = 256

    private let buffer: PlayoutBuffer
    private var outputs: [Member]
    private let joins: OutputLanes
    private let open: (Output, NPT) throws(OutputError) -> any PacketOutput
    /// They begin with the next key frame.
    private var joining: [(id: OutputID, output: Output)] = []
    private var lanes: [PacketLane] = []
    private let laneFlows: [LaneFlow]
    /// The flow at whose key frames they begin.
    private let leader: Int?
    /// Called on the pacer's thread: before the first packet goes out, with the first picture (the first sound where there
    /// are none) after the start and after each restart of the buffer, and after each batch.
    private let firstOut: (MediaTime) -> Void
    private let firstShown: () -> Void
    private let batchOut: (inout PresentationAccount) -> Void
    /// Called when an output failed while others go on, and whether it had joined later.
    private let outputFailed: (OutputError, Bool) -> Void
    private(set) var presented: [FlowAccount]
    /// What was missing, and what was damaged.
    private(set) var account: PresentationAccount
    /// By flow: what the viewer waits for.
    private let isShown: [Bool]

    /// - Parameters:
    ///   - joins: who wants to join and to leave.
    ///   - open: opens an output that joins, at the NPT that is zero for it.
    init(
        buffer: PlayoutBuffer, outputs: [any PacketOutput], joins: OutputLanes,
        open: @escaping (Output, NPT) throws(OutputError) -> any PacketOutput,
        flows: [FlowFormat], played: [FlowFormat], from begin: NPT?,
        firstOut: @escaping (MediaTime) -> Void, firstShown: @escaping () -> Void,
        batchOut: @escaping (inout PresentationAccount) -> Void, outputFailed: @escaping (OutputError, Bool) -> Void
    ) {
        self.buffer = buffer
        self.outputs = outputs.map { Member(output: $0, id: nil) }
        self.joins = joins
        self.open = open
        laneFlows = played.map(\.laneFlow)
        leader = played.first { $0.kind == .video && !$0.isAttachedPicture }?.index
        self.firstOut = firstOut
        self.firstShown = firstShown
        self.batchOut = batchOut
        self.outputFailed = outputFailed
        presented = Array(repeating: FlowAccount(), count: flows.count)
        account = PresentationAccount(flows.map(\.presentationKind), from: begin)
        let hasPictures = played.contains { $0.kind == .video && !$0.isAttachedPicture }
        isShown = flows.map { $0.kind == (hasPictures ? .video : .audio) && !$0.isAttachedPicture }
    }

    /// Runs until the buffer is empty and ended, or aborted; then finishes the outputs.
    ///
    /// - Throws: what the last output failed with, where there were some and none is left.
    func run() throws(OutputError) {
        // A reader that closes its pipe is an error to report, not a reason to die.
        var signals = sigset_t()
        sigemptyset(&signals)
        sigaddset(&signals, SIGPIPE)
        pthread_sigmask(SIG_BLOCK, &signals, nil)
        var batch = UniqueDeque<Packet>()
        var isFirst = true
        var isAwaited = true
        loop: while true {
            let shift: MediaTime
            switch buffer.take(into: &batch, limit: Self.batchLimit) {
            case .ended, .aborted: break loop
            case .batch(let wanted, let begins):
                shift = wanted
                if let begins {
                    switch begins {
                    case .forwards(let place): account.restarted(isBackward: false, from: place)
                    case .backwards: account.restarted(isBackward: true)
                    }
                    isAwaited = true
                }
            }
            if isFirst, let first = batch[0].due {
                isFirst = false
                firstOut(first)
            }
            joinAndLeave()
            var offered = UniqueDeque<Packet>()
            while !batch.isEmpty {
                var packet = batch.removeFirst()
                presented[packet.flow].received(
                    pts: packet.pts, dts: packet.dts, duration: packet.duration, byteCount: packet.byteCount)
                if !packet.isDiscarded { note(packet) }
                if isAwaited, isShown[packet.flow] {
                    isAwaited = false
                    firstShown()
                }
                if shift != .zero {
                    packet.pts = packet.pts.map { $0 + shift }
                    packet.dts = packet.dts.map { $0 + shift }
                }
                if !joining.isEmpty { begin(with: packet) }
                try withEach { output throws(OutputError) in try output.write(packet) }
                // Where there is no memory for it, it is missed by those who can miss something.
                if !lanes.isEmpty, let reference = try? packet.reference() { offered.append(reference) }
            }
            try withEach { output throws(OutputError) in try output.flush() }
            if !offered.isEmpty { offer(PacketStore(offered, flows: laneFlows, leader: leader)) }
            batchOut(&account)
        }
        try withEach { output throws(OutputError) in try output.finish() }
        for (_, output) in joining {
            outputFailed(
                OutputError(message: "\(output.name): nothing was written, since no key frame came any more"), true)
        }
    }

    /// Does something with every output; whoever fails is let go.
    private func withEach(_ body: (any PacketOutput) throws(OutputError) -> Void) throws(OutputError) {
        var index = 0
        while index < outputs.count {
            do throws(OutputError) {
                try body(outputs[index].output)
                index += 1
            } catch {
                let hadJoined = outputs.remove(at: index).id != nil
                if outputs.isEmpty, !hadJoined { throw error }
                outputFailed(error, hadJoined)
            }
        }
    }

    // MARK: - Joining and leaving

    private func joinAndLeave() {
        guard let changes = joins.takeChanges() else { return }
        lanes += changes.lanes
        joining += changes.outputs
        for id in changes.leaving {
            joining.removeAll { $0.id == id }
            guard let index = outputs.firstIndex(where: { $0.id == id }) else { continue }
            do throws(OutputError) { try outputs.remove(at: index).output.finish() } catch { outputFailed(error, true) }
        }
    }

    /// Those that have joined begin, where decoding can.
    private func begin(with packet: borrowing Packet) {
        guard leader.map({ packet.flow == $0 && packet.isKey }) ?? true else { return }
        for (id, output) in joining {
            do throws(OutputError) {
                outputs.append(Member(output: try open(output, packet.due ?? .zero), id: id))
            } catch { outputFailed(error, true) }
        }
        joining = []
    }

    private func offer(_ store: PacketStore) {
        for lane in lanes { lane.offer(store) }
        lanes.removeAll(where: \.hasEnded)
    }

    /// Nothing more is presented; once the thread has returned.
    func endLanes(_ error: StreamError?) {
        for lane in lanes { lane.end(error) }
    }

    private func note(_ packet: borrowing Packet) {
        account.presented(
            flow: packet.flow, pts: packet.pts, dts: packet.dts, duration: packet.duration, isCorrupt: packet.isCorrupt,
            followsLoss: packet.followsLoss, provenance: packet.provenance)
    }

    /// Nothing more is presented; once the thread has returned.
    ///
    /// - Parameters:
    ///   - isWhole: all was presented that was received.
    ///   - ends: by flow, where it was to end by what its container says.
    func finish(isWhole: Bool, ends: [Int: NPT]) {
        account.finish(isWhole: isWhole, ends: ends)
        batchOut(&account)
    }
}

extension FlowFormat {
    /// Encoders of speech, and those for calls, may send nothing where it is silent.
    private static let soundWithPauses: Set<String> = [
        "opus", "speex", "amr_nb", "amr_wb", "evrc", "qcelp", "g723_1", "g729",
    ]

    fileprivate var presentationKind: PresentationAccount.Kind {
        switch kind {
        case _ where isSparse: .sparse
        case .video: .continuous(.pictures)
        case .audio: .continuous(Self.soundWithPauses.contains(codecName) ? .soundWithPauses : .sound)
        case .subtitle, .data: .sparse
        }
    }
}
