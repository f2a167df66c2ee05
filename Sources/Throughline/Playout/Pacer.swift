internal import DequeModule
internal import ThroughlineCore
internal import ThroughlineMedia

/// Presents packets when they are due: takes them from the playout buffer and hands them to the outputs and lanes, on a
/// thread of its own.
///
/// All get the same batches. An output is written on a thread of its own; where much waits there already, the clock waits with
/// it. Lanes are never waited for. Both join and leave between two batches, and begin with a key frame. An output that fails
/// is let go, and the others go on.
final class Pacer {
    /// Packets that are handed over at once at the most.
    static let batchLimit = 256

    private let buffer: PlayoutBuffer
    /// The outputs of the start, until `run` gives each to a writer.
    private var outputs: [any PacketOutput]
    private let limits: LaneLimits
    private var writers: [OutputWriter] = []
    /// Writers of outputs that have left: they write what they have, and get nothing more.
    private var leaving: [OutputWriter] = []
    private let joins: OutputLanes
    private let open: @Sendable (Output, NPT, ReaderGate) throws(OutputError) -> any PacketOutput
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
    ///   - outputs: those of the start; from `run` on each is used on a thread of its own alone.
    ///   - limits: what may wait for an output to be written.
    ///   - joins: who wants to join and to leave.
    ///   - open: opens an output that joins, at the NPT that is zero for it; called on the thread that writes it, so that a
    ///     file system that hesitates, or a FIFO that has no reader yet, holds up nobody else.
    init(
        buffer: PlayoutBuffer, outputs: [any PacketOutput], limits: LaneLimits, joins: OutputLanes,
        open: @escaping @Sendable (Output, NPT, ReaderGate) throws(OutputError) -> any PacketOutput,
        flows: [FlowFormat], played: [FlowFormat], from begin: NPT?,
        firstOut: @escaping (MediaTime) -> Void, firstShown: @escaping () -> Void,
        batchOut: @escaping (inout PresentationAccount) -> Void, outputFailed: @escaping (OutputError, Bool) -> Void
    ) {
        self.buffer = buffer
        self.outputs = outputs
        self.limits = limits
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

    /// Runs until the buffer is empty and ended, or aborted; then lets the outputs finish, and waits for them.
    ///
    /// - Throws: what the last output failed with, where there were some and none is left. Those that were leaving may write
    ///   still: `waitForLeaving`.
    func run() throws(OutputError) {
        for output in outputs {
            nonisolated(unsafe) let handed = output  // Handed over to the thread.
            write(nil) { _ in handed }
        }
        outputs = []
        var batch = UniqueDeque<Packet>()
        var isFirst = true
        var isAwaited = true
        loop: while true {
            let shift: MediaTime
            switch buffer.take(into: &batch, limit: Self.batchLimit) {
            case .ended, .aborted: break loop
            case .called:
                try letGoOfEnded()
                continue
            case .batch(let outputShift, let begins):
                shift = outputShift
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
            let isWanted = !writers.isEmpty || !joining.isEmpty || !lanes.isEmpty
            var wanted = UniqueDeque<Packet>()
            if isWanted { wanted.reserveCapacity(batch.count) }
            while !batch.isEmpty {
                var packet = batch.removeFirst()
                presented[packet.flow].received(
                    pts: packet.pts, dts: packet.dts, duration: packet.duration, byteCount: packet.byteCount)
                if !packet.isDiscarded { note(packet) }
                if isAwaited, isShown[packet.flow] {
                    isAwaited = false
                    firstShown()
                }
                guard isWanted else { continue }
                if shift != .zero {
                    packet.pts = packet.pts.map { $0 + shift }
                    packet.dts = packet.dts.map { $0 + shift }
                }
                wanted.append(packet)
            }
            if isWanted { publish(PacketStore(wanted, flows: laneFlows, leader: leader)) }
            try letGoOfEnded()
            while writers.contains(where: \.isFull) {
                // The clock does not wait for an output that joined later and has no reader yet.
                for writer in writers where writer.id != nil && writer.isFull { writer.gate.shut() }
                joins.waitForNews()
                joinAndLeave()
                try letGoOfEnded()
            }
            batchOut(&account)
        }
        try finishOutputs()
        for (_, output) in joining {
            outputFailed(
                OutputError(message: "\(output.name): nothing was written, since no key frame came any more"), true)
        }
    }

    // MARK: - Handing out

    /// Gives a batch to all; none is waited for before all have it.
    private func publish(_ store: PacketStore) {
        if !writers.isEmpty {
            let batch = PacketBatch(store, 0..<store.count, dropped: 0)
            for writer in writers { writer.append(batch) }
        }
        begin(with: store)
        for lane in lanes { lane.offer(store) }
        lanes.removeAll(where: \.hasEnded)
    }

    /// Begins to write an output.
    private func write(
        _ id: OutputID?, _ open: @escaping @Sendable (ReaderGate) throws(OutputError) -> any PacketOutput
    ) {
        let writer = OutputWriter(id: id, limits: limits)
        let gate = writer.gate
        let opened: @Sendable () throws(OutputError) -> any PacketOutput = { () throws(OutputError) in try open(gate) }
        writer.begin(opened) { [buffer] in
            buffer.written($0)
        } changed: { [buffer, joins] hasEnded in
            joins.outputChanged()
            if hasEnded { buffer.call() }
        }
        writers.append(writer)
    }

    /// Lets go of outputs that have failed, and of those that have written all before they left.
    private func letGoOfEnded() throws(OutputError) {
        var index = 0
        while index < leaving.count {
            if leaving[index].hasEnded { left(leaving.remove(at: index)) } else { index += 1 }
        }
        index = 0
        while index < writers.count {
            if writers[index].hasEnded { try letGo(index) } else { index += 1 }
        }
    }

    private func letGo(_ index: Int) throws(OutputError) {
        let writer = writers.remove(at: index)
        guard let error = writer.join() else { return }
        if writers.isEmpty, writer.id == nil { throw error }
        outputFailed(error, writer.id != nil)
    }

    private func left(_ writer: OutputWriter) { if let error = writer.join() { outputFailed(error, true) } }

    /// All at once, so that none waits for another.
    private func finishOutputs() throws(OutputError) {
        for writer in writers { writer.end() }
        let ended = writers.map { (error: $0.join(), hadJoined: $0.id != nil) }
        writers = []
        let isAnyWhole = ended.contains { $0.error == nil }
        for (index, end) in ended.enumerated() {
            guard let error = end.error else { continue }
            if !isAnyWhole, index == ended.count - 1, !end.hadJoined {
                waitForLeaving()
                throw error
            }
            outputFailed(error, end.hadJoined)
        }
        waitForLeaving()
    }

    /// Waits for the outputs that were leaving.
    func waitForLeaving() {
        while !leaving.isEmpty { left(leaving.removeFirst()) }
    }

    // MARK: - Joining and leaving

    private func joinAndLeave() {
        guard let changes = joins.takeChanges() else { return }
        lanes += changes.lanes
        joining += changes.outputs
        for id in changes.leaving {
            joining.removeAll { $0.id == id }
            guard let index = writers.firstIndex(where: { $0.id == id }) else { continue }
            let writer = writers.remove(at: index)
            writer.end()
            leaving.append(writer)
        }
    }

    /// Those that have joined begin, where decoding can.
    private func begin(with store: PacketStore) {
        guard !joining.isEmpty, let first = store.firstBeginning else { return }
        let batch = PacketBatch(store, first..<store.count, dropped: 0)
        let start = batch.due ?? .zero
        for (id, output) in joining {
            write(id) { [open] gate throws(OutputError) in try open(output, start, gate) }
            writers.last?.append(batch)
        }
        joining = []
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
