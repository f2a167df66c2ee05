internal import DequeModule
internal import ThroughlineCore
internal import ThroughlineMedia
internal import ThroughlineProtocols
internal import ThroughlineTransport

/// Changes that were announced, by the stream, by its control protocol or by the operator: what is made of them, and how
/// they are made exactly where they are to be made.
///
/// The ingest that is to be left is read up to the place (`PlannedCut`); what it gave beyond is held back, the next one is
/// joined, and the first packets behind the place are the new origin's. Where nobody can be joined, what was held back is
/// played, and nothing is missing. On the session's loop.
final class PlannedChanges {
    /// What comes of a packet.
    enum Step {
        case goesOn
        /// The place is reached at which the ingest is to be left.
        case leaves(ChangeEvent, target: OriginID?, isTargetOnly: Bool)
        /// The stream is at its end.
        case over
    }

    /// What the clock of a container shows at a place in the output.
    private struct PlayedClock {
        /// Of the packet that was read last.
        var npt: NPT
        /// How far the output is ahead of the ingest.
        var shift: MediaTime
        /// Nil where the container has none.
        var clock: StreamClock?
    }

    private let stream: StreamContext
    private let intake: Intake
    /// Changes that were announced for later.
    private var plan = ChangePlan()
    /// The next of them, and where it is made.
    private var next: (change: ChangePlan.Change, npt: NPT)?
    /// Holds back what the ingest gives behind the place of the next change.
    private var cut: (cut: PlannedCut, runner: Runner)?
    /// What the clock of the current ingest's container shows; nil until something was announced.
    private var clock: PlayedClock?

    init(_ stream: StreamContext, _ intake: Intake) { (self.stream, self.intake) = (stream, intake) }

    /// Packets have to be looked at one by one.
    var isPlanned: Bool { next != nil || !plan.isEmpty }
    /// A change is to be made at once.
    var isDueNow: Bool { next?.change.position == .atOnce }
    /// A change was announced for a place that has been received by now.
    var isDue: Bool { next.map { $0.npt <= intake.position ?? .zero } ?? false }
    /// Where what the ingest gives is cut; nil where it is not.
    var place: NPT? { cut?.cut.npt }

    /// What is held back is not needed, or comes again.
    func forget() { cut = nil }

    /// An origin fails that had said that it would be left: as it said, and for whom.
    func announced(by origin: OriginID?) -> (event: ChangeEvent, target: OriginID?)? {
        plan.isEmpty ? nil : origin.flatMap { plan.announced(by: $0) }
    }

    // MARK: - What is announced

    /// What was found and announced since the last time.
    func note(_ notices: [ChangeWatch.Notice], _ findings: [ChangeWatch.Finding], of runner: Runner) {
        for notice in notices {
            let place = notice.time + (clock?.shift ?? .zero)
            let target = notice.event.target.flatMap { stream.originID(of: $0) }
            add(.leave(notice.event, target: target, isTargetOnly: false), at: .npt(place), announcer: runner.origin)
        }
        for finding in findings { found(finding, by: runner) }
        replan()
    }

    private func found(_ finding: ChangeWatch.Finding, by runner: Runner) {
        let indicator = finding.indicator
        let url = stream.record.url(runner.origin)
        var position = indicator.position
        // At once means with what carried it; where only the bytes know that, with what comes next.
        if position == .atOnce, let time = finding.time { position = .npt(time + (clock?.shift ?? .zero)) }
        let place = position == .atOnce ? nil : npt(of: position)
        guard plan.isNews(indicator, at: place ?? intake.position) else { return }
        let decision = stream.configuration.indicators.decision(on: indicator) { stream.originID(of: $0) }
        let behind = place.map { $0 < (clock?.npt ?? $0) } ?? false
        var response = IndicatedChange.Response(decision)
        var warning: String?
        switch decision {
        case .ignore: return
        case .stay: break
        case .withdraw: plan.withdraw(indicator.kind, event: indicator.event)
        case .end:
            add(.end, at: position, announcer: runner.origin, of: indicator)
        case .refuse(let target):
            warning =
                "\(url): an indicator (\(indicator.kind.rawValue)) names \(redacted(target)), "
                + "which is none of the origins: refused"
        case .leave(let destination, _):
            // A change of content that has been passed is no news; a move that is asked for late is made at once.
            if indicator.action == .change, behind {
                response = .stay
                break
            }
            if case .clock = position, runner.timeline.anchor == nil {
                response = .refused
                warning =
                    "\(url): an indicator (\(indicator.kind.rawValue)) names a place on a clock that "
                    + "this stream has not: refused"
                break
            }
            let target = self.target(of: destination)
            if case .other = destination, target == nil {
                response = .refused
                warning = "\(url): an indicator names one more origin, and no more are taken: refused"
                break
            }
            if let target, target == stream.currentOrigin {
                response = .stay
                break
            }
            let event = ChangeEvent(
                cause: .indicated,
                detail: "\(url): \(indicator.kind.rawValue): \(indicator.detail)"
                    + (indicator.target.map { ", to \(redacted($0))" } ?? ""), target: indicator.target,
                position: place, carrier: indicator.kind)
            add(
                .leave(event, target: target, isTargetOnly: false), at: position, announcer: runner.origin,
                of: indicator)
        }
        stream.record.send(
            .indicated(
                IndicatedChange(
                    kind: indicator.kind, action: indicator.action, event: indicator.event,
                    target: indicator.target.map { redacted($0) }, position: place, detail: indicator.detail,
                    response: response), origin: runner.origin, url: url))
        if let warning { stream.record.warn(warning) }
    }

    private func target(of destination: IndicatorPolicy.Destination) -> OriginID? {
        switch destination {
        case .anyOrigin: nil
        case .origin(let origin): origin
        case .other(let url): stream.addOrigin(url)
        }
    }

    // MARK: - What is asked for

    /// The operator's word: leave an origin that nothing is wrong with.
    func migrate(to target: OriginID?, at npt: NPT?) {
        let record = stream.record
        if let target, target == stream.currentOrigin {
            return record.warn("migrate: the stream comes from \(record.url(target)) already")
        }
        if target == nil, stream.origins.all.count < 2 { return record.warn("migrate: there is no other origin") }
        var place = npt
        if let npt, let position = intake.position, npt < position {
            record.warn("migrate: what stands at \(npt) has been received already, up to \(position); done at once")
            place = nil
        }
        let words = (target.map { " to \(record.url($0))" } ?? "") + (place.map { " at \($0)" } ?? "")
        let event = ChangeEvent(
            cause: .operatorRequest, detail: "migrate\(words)", target: target.map { stream.origins[$0].url },
            position: place)
        add(
            .leave(event, target: target, isTargetOnly: target != nil), at: place.map { .npt($0) } ?? .atOnce,
            announcer: nil)
        replan()
    }

    /// The preferred origin is well again.
    func goBack(to origin: OriginID) {
        let event = ChangeEvent(
            cause: .failback, detail: "\(stream.record.url(origin)) is well again, and was preferred",
            target: stream.origins[origin].url)
        add(.leave(event, target: origin, isTargetOnly: true), at: .atOnce, announcer: nil)
        replan()
    }

    // MARK: - The plan

    private func add(
        _ act: ChangePlan.Act, at position: Indicator.Position, announcer: OriginID?, of indicator: Indicator? = nil
    ) {
        plan.add(
            ChangePlan.Change(
                act, at: position, announcer: announcer, kind: indicator?.kind, event: indicator?.event))
    }

    /// Where a place is; nil where no packet has told it yet.
    private func npt(of position: Indicator.Position) -> NPT? {
        switch position {
        case .atOnce: NPT(flicks: .min / 2)
        case .npt(let npt): npt
        case .clock: position.npt(on: clock?.clock)
        }
    }

    /// Looks anew which change is the next.
    private func replan() { next = plan.next { npt(of: $0) } }

    /// The ingest is read from now on. What was held back of it goes on after all: nobody else has joined.
    ///
    /// - Returns: false when the stream is over.
    func reads(_ runner: Runner) -> Bool {
        plan.reads(runner.origin)
        clock = nil
        replan()
        return release(of: runner)
    }

    private func release(of runner: Runner) -> Bool {
        guard let cut else { return true }
        self.cut = nil
        guard cut.runner === runner else { return true }
        var released = UniqueDeque<Packet>()
        cut.cut.releaseAll(into: &released)
        return intake.accept(&released, of: runner)
    }

    /// Notes what the clock of the container shows at a packet.
    private func noteClock(_ packet: borrowing Packet, of runner: Runner) {
        // By one flow: others may be rounded otherwise.
        guard let line = intake.line, let time = packet.pts,
            packet.flow == runner.flows.first(where: { !$0.isSparse && line.output(of: $0.index) != nil })?.index,
            let npt = line.place(of: packet)?.pts
        else { return }
        let shift = npt - time
        let moved = clock.map { $0.shift != shift } ?? true
        clock = PlayedClock(
            npt: npt, shift: shift,
            clock: runner.timeline.anchor.map {
                StreamClock(
                    ticks: UInt64(bitPattern: (time + $0).value(in: TimeBase(1, 90_000))) % StreamClock.turn, at: npt)
            })
        if moved { replan() }
    }

    // MARK: - Making it

    /// Takes a packet of the ingest, while something is planned or was just announced.
    ///
    /// - Parameter news: what it has announced.
    func take(
        _ packet: consuming Packet, of runner: Runner,
        news: (notices: [ChangeWatch.Notice], findings: [ChangeWatch.Finding])?
    ) -> Step {
        guard let line = intake.line else { return .over }
        noteClock(packet, of: runner)
        if let news { note(news.notices, news.findings, of: runner) }
        guard let next else { return intake.accept(packet, of: runner) ? .goesOn : .over }
        if next.change.position == .atOnce { return intake.accept(packet, of: runner) ? reached(runner) : .over }
        if line.isBackward { return takeBackwards(packet, of: runner, at: next.npt) }
        var released = UniqueDeque<Packet>()
        if cut?.runner !== runner || cut?.cut.npt != next.npt {
            let former = cut
            cut = (PlannedCut(at: next.npt), runner)
            if let former, former.runner === runner { former.cut.releaseAll(into: &released) }
        }
        released.append(packet)
        guard hold(&released, of: runner) else { return .over }
        return isReached(by: runner) ? reached(runner) : .goesOn
    }

    /// Backwards a place is reached by the first key frame at or below it; that is held back.
    private func takeBackwards(_ packet: consuming Packet, of runner: Runner, at npt: NPT) -> Step {
        guard let due = packet.due, due <= npt else { return intake.accept(packet, of: runner) ? .goesOn : .over }
        let cut = PlannedCut(at: due)
        var released = UniqueDeque<Packet>()
        cut.take(packet, at: (due, due), isSparse: false, into: &released)
        self.cut = (cut, runner)
        return reached(runner)
    }

    /// Lets through what stands before the place of the cut. False when the stream is over.
    func hold(_ packets: inout UniqueDeque<Packet>, of runner: Runner) -> Bool {
        guard let cut, let line = intake.line else { return intake.accept(&packets, of: runner) }
        while !packets.isEmpty {
            let packet = packets.removeFirst()
            let place = line.place(of: packet)
            let isSparse = runner.flows[packet.flow].isSparse
            var released = UniqueDeque<Packet>()
            cut.cut.take(packet, at: place, isSparse: isSparse, into: &released)
            guard intake.accept(&released, of: runner) else { return false }
        }
        return true
    }

    func isReached(by runner: Runner) -> Bool {
        guard let cut, let line = intake.line else { return false }
        return cut.cut.isReached(
            by: runner.flows.lazy.filter { !$0.isSparse && line.output(of: $0.index) != nil }
                .map(\.index).filter { [intake] in intake.isPlayed($0) })
    }

    /// The place moves: only a key frame behind it can be joined.
    ///
    /// - Returns: the ingest that is to be read up to there; nil where nothing is cut, or the stream is over.
    func move(to npt: NPT) -> Runner? {
        guard let cut else { return nil }
        self.cut = (PlannedCut(at: npt), cut.runner)
        var packets = UniqueDeque<Packet>()
        cut.cut.releaseAll(into: &packets)
        return hold(&packets, of: cut.runner) ? cut.runner : nil
    }

    /// All that stands before the place is on its way.
    private func reached(_ runner: Runner) -> Step {
        guard let change = next?.change else { return .goesOn }
        plan.remove(change)
        replan()
        // Where nothing more is read, no room need be made for it.
        guard intake.flush(awaitsRoom: change.position != .atOnce) else { return .over }
        switch change.act {
        case .end: return .over
        case .leave(let event, let target, let isTargetOnly):
            if let target, target == stream.currentOrigin { return release(of: runner) ? .goesOn : .over }
            return .leaves(event, target: target, isTargetOnly: isTargetOnly)
        }
    }

    /// What is to be done at once, before anything else is read.
    func now(_ runner: Runner) -> Step {
        guard isDueNow,
            // While the bytes of an ingest go on elsewhere, its origin is being left already.
            stream.machine.withLock({ $0.handoff.move == nil })
        else { return .goesOn }
        return reached(runner)
    }

    /// The packets of an ingest have ended, and not because it failed: a place that some flow had reached is reached.
    func ended(_ runner: Runner) -> Step {
        guard let cut, cut.runner === runner else { return .goesOn }
        if cut.cut.isTouched { return reached(runner) }
        return release(of: runner) ? .goesOn : .over
    }
}
