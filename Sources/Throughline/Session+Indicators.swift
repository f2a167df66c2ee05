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
/// played, and nothing is missing.
extension Session {
    // MARK: What is announced

    /// What was found and announced since the last time.
    func noteNews(of ingest: any Ingest, _ watch: ChangeWatch) {
        for notice in watch.takeNotices() {
            let place = notice.time + (clock?.shift ?? .zero)
            plan(
                .leave(notice.event, target: notice.event.target.flatMap { originID(of: $0) }, isTargetOnly: false),
                at: .npt(place), announcer: ingest.origin)
        }
        for finding in watch.takeFindings() { found(finding, by: ingest) }
        replan()
    }

    private func found(_ finding: ChangeWatch.Finding, by ingest: any Ingest) {
        let indicator = finding.indicator
        var position = indicator.position
        // At once means with what carried it; where only the bytes know that, with what comes next.
        if position == .atOnce, let time = finding.time { position = .npt(time + (clock?.shift ?? .zero)) }
        let place = position == .atOnce ? nil : npt(of: position)
        guard changePlan.isNews(indicator, at: place ?? self.position) else { return }
        let current = shared.withLock { $0.controller.current }
        let decision = configuration.indicators.decision(on: indicator) { originID(of: $0) }
        let behind = place.map { $0 < (clock?.npt ?? $0) } ?? false
        var response = IndicatedChange.Response(decision)
        var warning: String?
        switch decision {
        case .ignore: return
        case .stay: break
        case .withdraw: changePlan.withdraw(indicator.kind, event: indicator.event)
        case .end:
            plan(.end, at: position, announcer: ingest.origin, of: indicator)
        case .refuse(let target):
            warning =
                "\(url(ingest.origin)): an indicator (\(indicator.kind.rawValue)) names \(redacted(target)), "
                + "which is none of the origins: refused"
        case .leave(let destination, _):
            // A change of content that has been passed is no news; a move that is asked for late is made at once.
            if indicator.action == .change, behind {
                response = .stay
                break
            }
            if case .clock = position, ingest.timeline.anchor == nil {
                response = .refused
                warning =
                    "\(url(ingest.origin)): an indicator (\(indicator.kind.rawValue)) names a place on a clock that "
                    + "this stream has not: refused"
                break
            }
            let target = self.target(of: destination)
            if case .other = destination, target == nil {
                response = .refused
                warning =
                    "\(url(ingest.origin)): an indicator names one more origin, and no more are taken: refused"
                break
            }
            if let target, target == current {
                response = .stay
                break
            }
            let event = ChangeEvent(
                cause: .indicated,
                detail: "\(url(ingest.origin)): \(indicator.kind.rawValue): \(indicator.detail)"
                    + (indicator.target.map { ", to \(redacted($0))" } ?? ""), target: indicator.target,
                position: place,
                carrier: indicator.kind)
            plan(
                .leave(event, target: target, isTargetOnly: false), at: position, announcer: ingest.origin,
                of: indicator)
        }
        send(
            .indicated(
                IndicatedChange(
                    kind: indicator.kind, action: indicator.action, event: indicator.event,
                    target: indicator.target.map { redacted($0) }, position: place, detail: indicator.detail,
                    response: response), origin: ingest.origin, url: url(ingest.origin)))
        if let warning { warn(warning) }
    }

    private func target(of destination: IndicatorPolicy.Destination) -> OriginID? {
        switch destination {
        case .anyOrigin: nil
        case .origin(let origin): origin
        case .other(let url): addOrigin(url)
        }
    }

    // MARK: The plan

    func plan(
        _ act: ChangePlan.Act, at position: Indicator.Position, announcer: OriginID?, of indicator: Indicator? = nil
    ) {
        changePlan.add(
            ChangePlan.Change(
                act, at: position, announcer: announcer, kind: indicator?.kind, event: indicator?.event))
    }

    /// Where a place is; nil where no packet has told it yet.
    func npt(of position: Indicator.Position) -> NPT? {
        switch position {
        case .atOnce: NPT(flicks: .min / 2)
        case .npt(let npt): npt
        case .clock: position.npt(on: clock?.clock)
        }
    }

    /// Looks anew which change is the next.
    func replan() { nextChange = changePlan.next { npt(of: $0) } }

    /// The ingest is read from now on.
    func beginPlan(of ingest: any Ingest) -> Bool {
        changePlan.reads(ingest.origin)
        clock = nil
        replan()
        return releaseHeld(of: ingest)
    }

    /// What was held back goes on after all: nobody else has joined.
    ///
    /// - Returns: false when the stream is over.
    private func releaseHeld(of ingest: any Ingest) -> Bool {
        guard let cut else { return true }
        self.cut = nil
        guard cut.ingest === ingest else { return true }
        var released = UniqueDeque<Packet>()
        cut.cut.releaseAll(into: &released)
        return accept(&released, of: ingest)
    }

    /// Notes what the clock of the container shows at a packet.
    private func noteClock(_ packet: borrowing Packet, of ingest: any Ingest) {
        // By one flow: others may be rounded otherwise.
        guard let line, let time = packet.pts,
            packet.flow == ingest.flows.first(where: { !$0.isSparse && line.output(of: $0.index) != nil })?.index,
            let npt = line.place(of: packet)?.pts
        else { return }
        let shift = npt - time
        let moved = clock.map { $0.shift != shift } ?? true
        clock = PlayedClock(
            npt: npt, shift: shift,
            clock: ingest.timeline.anchor.map {
                StreamClock(
                    ticks: UInt64(bitPattern: (time + $0).value(in: TimeBase(1, 90_000))) % StreamClock.turn, at: npt)
            })
        if moved { replan() }
    }

    // MARK: Making it

    /// Whether packets have to be looked at one by one.
    var isPlanned: Bool { nextChange != nil || !changePlan.isEmpty }

    /// A packet of the ingest, while something is planned or was just announced.
    ///
    /// - Returns: an order to follow, or nil to read on; `over` when the stream is at its end.
    func plannedly(_ packet: consuming Packet, of ingest: any Ingest) -> PlannedStep {
        guard let line else { return .over }
        noteClock(packet, of: ingest)
        if let watch = ingest.watch, watch.hasNews { noteNews(of: ingest, watch) }
        guard let next = nextChange else { return accept(packet, of: ingest) ? .goesOn : .over }
        if isBackward { return plannedBackwards(packet, of: ingest, next.change, at: next.npt) }
        if next.change.position == .atOnce { return accept(packet, of: ingest) ? reached(ingest) : .over }
        var released = UniqueDeque<Packet>()
        if cut?.ingest !== ingest || cut?.cut.npt != next.npt {
            let former = cut
            cut = (PlannedCut(at: next.npt), ingest)
            if let former, former.ingest === ingest { former.cut.releaseAll(into: &released) }
        }
        released.append(packet)
        guard hold(&released, of: ingest, line) else { return .over }
        guard isCutReached(ingest) else { return .goesOn }
        return reached(ingest)
    }

    /// Backwards a place is reached by the first key frame at or below it; that is held back.
    private func plannedBackwards(
        _ packet: consuming Packet, of ingest: any Ingest, _ change: ChangePlan.Change, at npt: NPT
    ) -> PlannedStep {
        if change.position == .atOnce { return accept(packet, of: ingest) ? reached(ingest) : .over }
        guard let due = packet.due, due <= npt else { return accept(packet, of: ingest) ? .goesOn : .over }
        let cut = PlannedCut(at: due)
        var released = UniqueDeque<Packet>()
        cut.take(packet, at: (due, due), isSparse: false, into: &released)
        self.cut = (cut, ingest)
        return reached(ingest)
    }

    /// Lets through what stands before the place of the cut.
    private func hold(_ packets: inout UniqueDeque<Packet>, of ingest: any Ingest, _ line: SpliceLine) -> Bool {
        guard let cut else { return accept(&packets, of: ingest) }
        while !packets.isEmpty {
            let packet = packets.removeFirst()
            let place = line.place(of: packet)
            let isSparse = ingest.flows[packet.flow].isSparse
            var released = UniqueDeque<Packet>()
            cut.cut.take(packet, at: place, isSparse: isSparse, into: &released)
            guard accept(&released, of: ingest) else { return false }
        }
        return true
    }

    private func isCutReached(_ ingest: any Ingest) -> Bool {
        guard let cut, let line else { return false }
        return cut.cut.isReached(
            by: ingest.flows.lazy.filter { !$0.isSparse && line.output(of: $0.index) != nil }
                .map(\.index).filter { self.isPlayed($0) })
    }

    /// All that stands before the place is on its way.
    private func reached(_ ingest: any Ingest) -> PlannedStep {
        guard let change = nextChange?.change else { return .goesOn }
        changePlan.remove(change)
        replan()
        guard flush() else { return .over }
        noteAccounts(of: ingest)
        switch change.act {
        case .end: return .over
        case .leave(let event, let target, let isTargetOnly):
            let current = shared.withLock { $0.controller.current }
            if let target, target == current {
                return releaseHeld(of: ingest) ? .goesOn : .over
            }
            if isBackward, !failedBackwards(event, ingest, isPlanned: ingest.deliversStill) { return .over }
            leaving = ingest
            return .order(
                observe(
                    event, canResume: false, isPlanned: ingest.deliversStill, target: target,
                    isTargetOnly: isTargetOnly))
        }
    }

    /// What is to be done at once, before anything else is read.
    func plannedNow(_ ingest: any Ingest) -> PlannedStep {
        guard let next = nextChange, next.change.position == .atOnce else { return .goesOn }
        return reached(ingest)
    }

    /// The packets of an ingest have ended, and not because it failed: a place that some flow had reached is reached.
    func plannedEnd(_ ingest: any Ingest) -> PlannedStep {
        guard let cut, cut.ingest === ingest else { return .goesOn }
        if cut.cut.isTouched { return reached(ingest) }
        return releaseHeld(of: ingest) ? .goesOn : .over
    }

    /// Reads the ingest that is to be left up to another place, while the next one waits: where only a key frame behind the
    /// place can be joined.
    func readOn(to npt: NPT) {
        guard let cut, let line else { return }
        let ingest = cut.ingest
        self.cut = (PlannedCut(at: npt), ingest)
        // It is watched as it was, so that nobody waits for one that has fallen silent.
        (isReadingOn, played) = (true, ingest)
        defer {
            letGo()
            (isReadingOn, played) = (false, nil)
        }
        var packets = UniqueDeque<Packet>()
        cut.cut.releaseAll(into: &packets)
        while !abort.isAborted {
            guard hold(&packets, of: ingest, line), !isCutReached(ingest) else { break }
            do throws(IngestReadError) {
                guard let packet = try ingest.read() else { break }
                guard isPlayed(packet.flow) else { continue }
                packets.append(packet)
            } catch {
                switch error {
                case .interrupted, .playsForwards: continue
                case .changed(let event): failedMeanwhile = event
                case .broken(let media):
                    failedMeanwhile = ChangeEvent(cause: .contentBroken, detail: "\(url(ingest.origin)): \(media)")
                }
                break
            }
            if failedMeanwhile != nil { break }
        }
        _ = flush()
    }
}

/// What comes of a packet.
enum PlannedStep {
    case goesOn
    case order(HandoffController.Order)
    /// The stream is at its end.
    case over
}

/// What the clock of a container shows at a place in the output.
struct PlayedClock {
    /// Of the packet that was read last.
    var npt: NPT
    /// How far the output is ahead of the ingest.
    var shift: MediaTime
    /// Nil where the container has none.
    var clock: StreamClock?
}
