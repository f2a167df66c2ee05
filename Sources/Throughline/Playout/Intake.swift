internal import DequeModule
internal import ThroughlineCore
internal import ThroughlineMedia
internal import ThroughlineTransport

/// What is received on its way to the playout buffer: each packet is put on the line, and goes to the buffer in batches.
/// Knows where every flow stands. On the session's loop.
final class Intake {
    /// Is told of every batch that goes to the buffer.
    protocol Owner: AnyObject {
        /// New media is about to go to the buffer.
        func delivers()
        /// The batch is in the buffer.
        ///
        /// - Parameter flows: of which there were packets, a bit for each.
        func delivered(bytes: Int, flows: UInt64)
    }

    private let stream: StreamContext
    /// Set once, right after both were made.
    weak var owner: (any Owner)?

    /// Nil until the flows are known.
    private(set) var line: SpliceLine?
    private(set) var flows: [FlowFormat] = []
    /// By flow, whether it is played.
    private var selection: [Bool] = []
    /// Whether the flows have reached the end that was asked for.
    var rangeEnd: RangeEnd?
    /// Where the stream begins, or where the viewer went last.
    private(set) var start: NPT
    /// How many times the stream has gone on from another connection.
    private(set) var joins = 0
    /// By flow.
    private(set) var losses: [Int: FlowLosses] = [:]
    /// By flow, where it stands at the current ingest by the accounts kept there.
    private(set) var standings: [Int: FlowPosition] = [:]

    /// Packets that go to the buffer at once, and bytes: large packets are handed on while the processor's cache holds
    /// them.
    private let batchLimit: Int
    private static let batchByteLimit = 256 << 10
    private var batch = UniqueDeque<Packet>()
    private var batchBytes = 0
    private var batchFlows: UInt64 = 0
    private(set) var lastFlush = Instant.now

    init(_ stream: StreamContext) {
        self.stream = stream
        start = stream.configuration.from
        rangeEnd = stream.configuration.to.map { RangeEnd(at: $0) }
        batchLimit = stream.isPaced ? 64 : 128
    }

    /// The flows are known, and which of them are played.
    func begin(_ flows: [FlowFormat], selection: [Bool], duration: MediaTime?) {
        (self.flows, self.selection) = (flows, selection)
        let line = SpliceLine(flows: flows)
        line.duration = duration
        self.line = line
        stream.buffer.begin(
            flows.map { ($0.isSparse || !isSelected($0), $0.kind == .video && !$0.isAttachedPicture) })
    }

    // MARK: - Which flows

    private var playsAll: Bool { stream.configuration.flows == .all }

    /// Whether a flow of the output is played.
    func isSelected(_ flow: FlowFormat) -> Bool { flow.index < selection.count ? selection[flow.index] : playsAll }

    var selected: [FlowFormat] { flows.filter { isSelected($0) } }

    /// Whether a flow of the ingest is.
    func isPlayed(_ flow: Int) -> Bool {
        guard !playsAll, let output = line?.output(of: flow) else { return true }
        return isSelected(flows[output])
    }

    var isBackward: Bool { line?.isBackward ?? false }

    /// The rate to ask an origin for: what the viewer wants, as far as it is in the direction that is played.
    var askedRate: Rate {
        let rate = stream.viewer.rate
        if rate.isNegative == isBackward { return rate }
        return isBackward ? Rate(-1) : .normal
    }

    /// Where an NPT stands on the timeline of the ingest that is read.
    func onTimeline(of runner: Runner, _ npt: NPT) -> MediaTime {
        max(.zero, npt - (line?.timelineShift ?? runner.timeline.shift ?? .zero))
    }

    // MARK: - Packets

    /// Moves a packet onto the line, and on towards the buffer. False when the stream is over.
    func accept(_ packet: consuming Packet, of runner: Runner) -> Bool {
        guard let line else { return false }
        packet.provenance = Provenance(origin: runner.origin, joins: joins)
        guard line.pass(&packet, form: runner.form(of: packet.flow), mayLeadUp: runner.makesDecodeTimes) else {
            return true
        }
        if isBeyondEnd(packet) {
            guard isAllDone(isRealtime: runner.isRealtime) else { return true }
            flush()
            return false
        }
        batchBytes += packet.byteCount
        batchFlows |= 1 << UInt64(min(packet.flow, 63))
        batchBytes += line.takeLeadIn(into: &batch)
        batch.append(packet)
        return batch.count < batchLimit && batchBytes < Self.batchByteLimit || flush()
    }

    func accept(_ packets: inout UniqueDeque<Packet>, of runner: Runner) -> Bool {
        while !packets.isEmpty { guard accept(packets.removeFirst(), of: runner) else { return false } }
        return true
    }

    /// Packets of an ingest that was joined anew are on their way: the first that it gives.
    func take(_ joined: inout UniqueDeque<Packet>, of ingest: any Ingest) {
        joins += 1
        if let line { stream.buffer.feed(Set(ingest.flows.indices.compactMap { line.output(of: $0) })) }
        while !joined.isEmpty {
            var packet = joined.removeFirst()
            packet.provenance = Provenance(origin: ingest.origin, joins: joins)
            batch.append(packet)
        }
    }

    /// The stream goes on from another connection, with nothing to be put on the line before.
    func countJoin() { joins += 1 }

    /// At full speed a short wait is nothing to wake the other thread for.
    var isWorthFlushing: Bool {
        stream.isPaced || batch.count >= batchLimit / 2 || Instant.now - lastFlush >= .milliseconds(50)
    }

    /// Hands the batch to the buffer. False when the stream is over.
    ///
    /// - Parameter awaitsRoom: where there is none it is waited for.
    @discardableResult
    func flush(awaitsRoom: Bool = true) -> Bool {
        guard !batch.isEmpty else { return !stream.abort.isAborted }
        if let line, line.hasWarnings { for warning in line.takeWarnings() { stream.record.warn(warning) } }
        let (bytes, flows) = (batchBytes, batchFlows)
        (batchBytes, batchFlows) = (0, 0)
        lastFlush = .now
        owner?.delivers()
        guard stream.buffer.push(&batch, awaitsRoom: awaitsRoom) else { return false }
        owner?.delivered(bytes: bytes, flows: flows)
        return true
    }

    /// Forgets what was received: the stream goes on from elsewhere.
    ///
    /// - Parameter place: where.
    func restart(at place: NPT, isBackward: Bool) {
        while !batch.isEmpty { _ = batch.removeFirst() }
        batchBytes = 0
        rangeEnd = stream.configuration.to.map { RangeEnd(at: $0) }
        line?.restart(isBackward: isBackward)
        start = place
    }

    // MARK: - The end that was asked for

    private func isBeyondEnd(_ packet: borrowing Packet) -> Bool {
        guard let end = stream.configuration.to else { return false }
        rangeEnd?.received(packet.flow, due: packet.due)
        return (packet.pts ?? packet.dts).map { $0 >= end } ?? false
    }

    /// All that is played has reached the end that was asked for.
    func isAllDone(isRealtime: Bool) -> Bool {
        let played = flows.lazy.filter { !$0.isSparse && self.isSelected($0) }.map(\.index)
        return rangeEnd?.isReached(by: played, isRealtime: isRealtime) ?? false
    }

    // MARK: - Where the flows stand

    /// Another ingest is read.
    func forgetStandings() { standings = [:] }

    /// Notes where the flows of an ingest stand by its own accounts.
    func note(_ positions: [FlowPosition?]) {
        guard let line else { return }
        for (flow, position) in positions.enumerated() {
            guard let position, let output = line.output(of: flow) else { continue }
            standings[output] = position.shifted(by: line.shift(of: flow))
        }
    }

    /// Tells what an ingest noticed.
    func note(_ findings: [(flow: Int?, text: String)], of runner: Runner) {
        guard let line else { return }
        let url = stream.record.url(runner.origin)
        for (flow, text) in findings {
            guard let flow else {
                stream.record.warn("\(url) \(text)")
                continue
            }
            guard let output = line.output(of: flow), output < flows.count else { continue }
            stream.record.warn("\(url): \(flows[output]): \(text)")
        }
    }

    /// Adds up what the network lost of the flows of an ingest, and tells.
    func note(_ news: [Int: FlowLosses], of runner: Runner) {
        for (flow, lost) in news.sorted(by: { $0.key < $1.key }) {
            guard let output = line?.output(of: flow), output < flows.count else { continue }
            losses[output, default: FlowLosses()] += lost
            // What was filled nobody misses.
            if lost.packets == 0, lost.units == 0 { continue }
            stream.record.warn("\(stream.record.url(runner.origin)): \(flows[output]): \(lost)")
        }
    }

    /// The least position of the flows that count: by what was received of each, or where its timestamps tell nothing, as
    /// it was counted.
    var position: NPT? {
        if let line, line.isBackward { return line.lowest ?? start }
        return zip(stream.buffer.accounts, flows).filter { !$1.isSparse }.compactMap { account, flow in
            guard let standing = standings[flow.index], standing.position.basis == .ledger else { return account.end }
            return standing.position.npt
        }.min()
    }

    /// Where another origin is to begin so as to meet what was received. What was counted instead of timed may be behind
    /// the times that its packets were given.
    var overlap: NPT? {
        let played = selected
        guard let overlap = stream.buffer.overlapStart(of: played), let position else { return position }
        let accounts = stream.buffer.accounts
        let received = played.filter { !$0.isSparse }.compactMap { accounts[$0.index].end }.min() ?? position
        return min(overlap, overlap + (position - received))
    }

    /// Where every flow stands that is played.
    var allStandings: [FlowStanding] {
        zip(stream.buffer.accounts, flows).compactMap { account, flow in
            guard isSelected(flow) else { return nil }
            let end = isBackward ? flow.kind == .video ? line?.lowest : nil : account.end
            let received = end.map { FlowPosition(position: Position(npt: $0, basis: .timestamps), byTimestamps: $0) }
            return (standings[flow.index] ?? received).map { FlowStanding(flow: flow.index, position: $0) }
        }
    }

    /// What was received so far, as a search compares with it.
    func reference(_ line: SpliceLine) -> SpliceReference {
        SpliceReference(line, stream.buffer, outputs: selected, flowCount: flows.count)
    }
}
