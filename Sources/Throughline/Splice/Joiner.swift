internal import DequeModule
internal import ThroughlineCore
internal import ThroughlineMedia
internal import ThroughlineTransport

/// Opens ingests and joins them to what was received. On the session's loop; opening and searching are done on threads of
/// their own.
final class Joiner {
    /// An ingest that goes on: the first that it gives is on its way.
    struct Joined {
        let opened: OpenedIngest
        let grade: SpliceGrade
        let evidence: String
        /// How long its place was looked for; nil where that was not.
        var searching: Duration?
        /// Nothing was received while it was opened.
        var isAtOnce = true
    }

    enum Outcome {
        case joined(Joined)
        case failed(HandoffController.AttemptFailure)
        /// So much was received during the search that it is to be made once more.
        case again(Trial<JoiningIngest, JoiningIngest.Failure>)
        /// The attempt was broken off.
        case aborted
    }

    private let stream: StreamContext
    private let intake: Intake
    private let changes: PlannedChanges
    private let navigator: Navigator
    private let standbys: Standbys
    /// Behind ingests that are opened here.
    private let supervisor: any SourceSupervisor

    init(
        _ stream: StreamContext, _ intake: Intake, _ changes: PlannedChanges, _ navigator: Navigator,
        _ standbys: Standbys, _ supervisor: any SourceSupervisor
    ) {
        (self.stream, self.intake, self.changes) = (stream, intake, changes)
        (self.navigator, self.standbys, self.supervisor) = (navigator, standbys, supervisor)
    }

    // MARK: - The first ingest

    /// Begins to open an origin to begin the stream.
    func beginFirst(_ origin: OriginID) -> Trial<OpenedIngest, IngestOpenError> {
        var request = stream.request(origin)
        request.start = intake.start
        request.rate = intake.askedRate
        request.beginsElsewhere = intake.start > .zero
        let abort = AbortSwitch(parent: stream.abort)
        let trial = Trial<OpenedIngest, IngestOpenError>(abort: abort)
        let (kind, bound) = (stream.origins[origin].kind, stream.openBound(for: origin))
        nonisolated(unsafe) let supervisor = supervisor  // Asked on that thread for what may be asked for from any.
        trial.begin(name: "tl-open") { [request] () throws(IngestOpenError) in
            try OpenedIngest(request, kind, supervisor, bound: bound, abort: abort)
        }
        return trial
    }

    // MARK: - Another ingest

    /// Has an origin opened, and its place found.
    ///
    /// - Parameter isPlayedOn: what is to be left delivers still, and is cut where a change was announced.
    func begin(_ origin: OriginID, _ line: SpliceLine, isPlayedOn: Bool) -> Trial<JoiningIngest, JoiningIngest.Failure>
    {
        let (reference, isPaced) = (intake.reference(line), stream.isPaced)
        var terms = terms(on: origin)
        terms.place = isPlayedOn ? changes.place : nil
        let overlap = intake.overlap
        if overlap != nil, let ready = standbys.takeHot(origin) {
            let opened = OpenedIngest(ready, isPaced: isPaced)
            return JoiningIngest.begin({ opened }, reference, in: stream.buffer, terms, abort: ready.abort)
        }
        let kind = stream.origins[origin].kind
        let hasSparse = intake.selected.contains { $0.isSparse }
        var request = stream.request(origin)
        request.start = overlap.map { max(.zero, hasSparse ? $0 - RTSPIngest.sparseReach : $0) } ?? intake.start
        request.isExact = overlap != nil
        request.rate = intake.askedRate
        if kind.preparation == .session, overlap != nil { request.prepared = standbys.takeSession(origin) }
        request.expected = intake.flows
        let abort = AbortSwitch(parent: stream.abort)
        nonisolated(unsafe) let supervisor = supervisor  // Asked on that thread for what may be asked for from any.
        return JoiningIngest.begin(
            { [request] () throws(IngestOpenError) in
                try OpenedIngest(request, kind, supervisor, bound: nil, abort: abort)
            }, reference, in: stream.buffer, terms, abort: abort)
    }

    /// Joins an ingest whose place was found.
    func join(_ found: JoiningIngest, _ line: SpliceLine, atOnce isAtOnce: Bool) -> Outcome {
        let reference = intake.reference(line)
        var packets = UniqueDeque<Packet>()
        do throws(SpliceSearch.Failure) {
            guard let result = try found.plan.carryOut(on: line, stream.buffer, reference, into: &packets) else {
                return .again(found.again(reference))
            }
            take(&packets, of: found.opened, result)
            return .joined(
                Joined(
                    opened: found.opened, grade: result.grade, evidence: result.evidence, searching: found.searching,
                    isAtOnce: isAtOnce))
        } catch { return failed(error) }
    }

    private func take(
        _ packets: inout UniqueDeque<Packet>, of opened: OpenedIngest, _ result: SplicePlan.Result
    ) {
        intake.take(&packets, of: opened.runner.still)
        for warning in result.warnings { stream.record.warn(warning) }
    }

    private func failed(_ failure: SpliceSearch.Failure) -> Outcome {
        switch failure {
        case .aborted, .otherPace, .unproven: .aborted
        case .attempt(let failure): .failed(failure)
        }
    }

    // MARK: - The same ingest

    /// The ingest that is read goes on, from a little before what was received: joined as another origin would be.
    ///
    /// - Parameter provesPace: as in `SpliceSearch.Terms`.
    /// - Returns: how exact the join is; nil where the stream is over.
    @discardableResult
    func joinAgain(_ runner: Runner, provesPace: Bool = false) throws(SpliceSearch.Failure) -> SpliceGrade? {
        guard let line = intake.line, intake.flush() else { return nil }
        let ingest = runner.still
        // Packets that were held back come again.
        changes.forget()
        var joined = UniqueDeque<Packet>()
        var terms = terms(on: ingest.origin)
        (terms.provesPace, terms.shift) = (provesPace, line.timelineShift)
        let reference = intake.reference(line)
        let result = try SpliceSearch(ingest, reference, in: stream.buffer, terms).join(
            line, stream.buffer, reference, into: &joined)
        intake.take(&joined, of: ingest)
        for warning in result.warnings { stream.record.warn(warning) }
        intake.flush()
        return result.grade
    }

    private func terms(on origin: OriginID) -> SpliceSearch.Terms {
        var terms = SpliceSearch.Terms(url: stream.record.url(origin))
        terms.duration = stream.record.duration
        terms.start = intake.start
        terms.lastArrival = intake.lastFlush
        (terms.acceptsLoss, terms.isSameOrigin) = stream.machine.withLock { machine in
            (
                !(machine.handoff.hasOthers || machine.handoff.move?.isPlanned ?? false),
                machine.handoff.current == origin
            )
        }
        return terms
    }

    // MARK: - Backwards

    /// Opens another ingest that goes on backwards.
    func joinBackwards(_ origin: OriginID, _ line: SpliceLine) -> Outcome {
        let opened: OpenedIngest
        do throws(IngestOpenError) {
            opened = try open(origin, from: navigator.backwardStart)
        } catch {
            guard !error.isAborted else { return .aborted }
            // A server that knows nothing of it may answer with an error.
            if case .undelivered(let event) = error.failure, Navigator.isRefusal(event),
                let forwards = try? open(origin, from: navigator.viewerPlace, isForwards: true)
            {
                return joinForwards(forwards, on: origin, line)
            }
            return .failed(error.failure)
        }
        let ingest = opened.runner.still
        guard let controls = ingest.controls, controls.mayPlayBackwards, controls.scaleInstead == nil else {
            return joinForwards(opened, on: origin, line)
        }
        let match = ProgrammeMatch(ingest, outputs: intake.selected, duration: stream.record.duration)
        let mapping = match.mapping
        if let reason = match.hasPictures ? match.otherLength : "it has none of the pictures" {
            return .failed(.refused(.contentRefused, "\(stream.record.url(origin)): \(reason)"))
        }
        ingest.select { mapping[$0.index] != nil }
        let place = line.lowest ?? intake.start
        let count = intake.flows.count
        line.adopt(
            ingest.flows, mapping: mapping, gates: Array(repeating: line.gateBelow, count: count), aligner: nil,
            ends: Array(repeating: nil, count: count), isOtherEncode: true)
        intake.countJoin()
        return .joined(
            Joined(
                opened: opened, grade: .frameAligned,
                evidence: "backwards: goes on with the key frames before \(place), by their time"))
    }

    /// - Parameter isForwards: it is to play forwards from there, although the stream plays backwards.
    private func open(
        _ origin: OriginID, from place: NPT, isForwards: Bool = false
    ) throws(IngestOpenError) -> OpenedIngest {
        let kind = stream.origins[origin].kind
        var request = stream.request(origin)
        request.start = place
        if !isForwards { request.rate = intake.askedRate }
        if kind.preparation == .session { request.prepared = standbys.takeSession(origin) }
        request.expected = intake.flows
        return try OpenedIngest(request, kind, supervisor, bound: nil, abort: AbortSwitch(parent: stream.abort))
    }

    private func joinForwards(_ opened: OpenedIngest, on origin: OriginID, _ line: SpliceLine) -> Outcome {
        navigator.goForwards(opened.runner, because: "\(stream.record.url(origin)) does not play backwards")
        let began = Instant.now
        var packets = UniqueDeque<Packet>()
        do throws(SpliceSearch.Failure) {
            let reference = intake.reference(line)
            let result = try SpliceSearch(opened.runner.still, reference, in: stream.buffer, terms(on: origin)).join(
                line, stream.buffer, reference, into: &packets)
            let searching = Instant.now - began
            take(&packets, of: opened, result)
            return .joined(
                Joined(opened: opened, grade: result.grade, evidence: result.evidence, searching: searching))
        } catch { return failed(error) }
    }
}
