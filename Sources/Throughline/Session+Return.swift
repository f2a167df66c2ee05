internal import ThroughlineCore

/// Going back to the preferred origin once it is well again.
extension Session {
    /// An origin delivers from now on.
    func noteReturn(_ origin: OriginID) {
        let now = Instant.now
        if origin == planner.preferred { return planner.returned(at: now) }
        let ends = shared.withLock { state in
            if planner.policy == .never { state.controller.demote(planner.preferred) }
            return state.controller.roster[planner.preferred].penaltyEnds
        }
        planner.left(at: now, penaltyEnds: ends)
    }

    /// Looks whether it is time to ask the preferred origin, or what came of that.
    func lookForReturn() {
        let now = Instant.now
        if let probe = returnProbe {
            // One at a time, whatever became of the stream meanwhile.
            guard let isWell = probe.result(at: now) else { return }
            probe.end()
            returnProbe = nil
            if case .goBack(let origin) = planner.probeEnded(readMedia: isWell, at: now) { goBack(to: origin) }
        }
        guard planner.nextMoment <= now, !origins.isReadOnce(planner.preferred),
            case .probe(let origin) = planner.timePassed(at: now)
        else { return }
        returnProbe = ReturnProbe(
            origins[origin], transport: configuration.rtspTransport, at: buffer.playhead ?? .zero, abort: abort)
    }

    func endReturn() {
        returnProbe?.end()
        returnProbe = nil
    }

    private func goBack(to origin: OriginID) {
        let event = ChangeEvent(
            cause: .failback, detail: "\(url(origin)) is well again, and was preferred", target: origins[origin].url)
        plan(.leave(event, target: origin, isTargetOnly: true), at: .atOnce, announcer: nil)
        replan()
    }
}
