internal import Synchronization
internal import ThroughlineCore

/// The operator's word: leave an origin that nothing is wrong with.
extension Session {
    /// From any thread.
    func migrate(to url: String?, at npt: NPT?) throws(StreamError) {
        guard let url else { return control(.migrate(to: nil, at: npt)) }
        if let origin = originID(of: url) { return control(.migrate(to: origin, at: npt)) }
        guard IndicatorPolicy.isNetworkURL(url) else {
            throw StreamError(
                code: .usage, message: "\(redacted(url)) is none of the origins, and no URL of another one")
        }
        guard url.utf8.count <= 8192, let origin = addOrigin(url) else {
            throw StreamError(code: .usage, message: "\(redacted(url)) is one origin too many")
        }
        control(.migrate(to: origin, at: npt))
    }

    func migrate(to origin: OriginID, at npt: NPT?) throws(StreamError) {
        let count = origins.all.count
        guard (0..<count).contains(origin.index) else {
            throw StreamError(
                code: .usage, message: "there is no origin \(origin.index); there are \(count), from 0 on")
        }
        control(.migrate(to: origin, at: npt))
    }

    /// One more origin, which was named while the stream plays; nil when there are too many.
    func addOrigin(_ url: String) -> OriginID? {
        if let known = originID(of: url) { return known }
        // Under one lock, so that both count alike.
        let origin = Origin(url: url)
        return shared.withLock { state in origins.add(origin) ? state.controller.add(at: origin.endpoint) : nil }
    }

    /// Plans what was asked for, where that is all there is to do: it needs nothing of the ingest. On the worker's thread.
    func planMigrations() {
        guard hasControls.load(ordering: .relaxed) else { return }
        let controls = shared.withLock { state -> [Control] in
            guard state.controls.allSatisfy({ if case .migrate = $0 { true } else { false } }) else { return [] }
            defer { state.controls = [] }
            hasControls.store(false, ordering: .relaxed)
            buffer.hurry(.control, false)
            return state.controls
        }
        for case .migrate(let target, let npt) in controls { planMigration(to: target, at: npt) }
    }

    func planMigration(to target: OriginID?, at npt: NPT?) {
        let current = shared.withLock { $0.controller.current }
        if let target, target == current { return warn("migrate: the stream comes from \(url(target)) already") }
        if target == nil, origins.all.count < 2 { return warn("migrate: there is no other origin") }
        var place = npt
        if let npt, let position, npt < position {
            warn("migrate: what stands at \(npt) has been received already, up to \(position); done at once")
            place = nil
        }
        let words = (target.map { " to \(url($0))" } ?? "") + (place.map { " at \($0)" } ?? "")
        let event = ChangeEvent(
            cause: .operatorRequest, detail: "migrate\(words)", target: target.map { origins[$0].url }, position: place)
        plan(
            .leave(event, target: target, isTargetOnly: target != nil), at: place.map { .npt($0) } ?? .atOnce,
            announcer: nil)
        replan()
    }
}
