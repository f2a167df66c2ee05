internal import ThroughlineCore

/// Asks one origin and, when it is slow, another beside it; the first that delivers is taken.
///
/// One-shot, on the thread that calls `run`; the trials work on threads of their own, and have ended when it returns.
struct HedgedTrials<Outcome, Reason: Error> {
    /// What it asks of whoever runs it.
    struct Surroundings {
        /// A trial of an origin that has begun.
        var trial: (OriginID) -> Trial<Outcome, Reason>
        /// The second is asked too from now on.
        var hedged: (OriginID) -> Void
        /// One of two has failed, and the other is still asked.
        var oneFailed: (OriginID, Reason) -> Void
    }

    /// Who was asked last, and what came of it.
    struct Failure: Error {
        let origin: OriginID
        let reason: Reason
    }

    private var opening: HedgedOpening
    private let surroundings: Surroundings
    private var trials: [(origin: OriginID, trial: Trial<Outcome, Reason>)] = []

    /// - Parameter opening: the origin that was picked, and who could be asked beside it.
    init(_ opening: HedgedOpening, _ surroundings: Surroundings) {
        self.opening = opening
        self.surroundings = surroundings
    }

    /// - Returns: who goes on, or the failure of the last that was asked.
    mutating func run() throws(Failure) -> (origin: OriginID, outcome: Outcome) {
        defer { for (_, trial) in trials { trial.cancel() } }
        let ended = Guarded<[OriginID]>([])
        var asked = opening.begin(at: .now)
        while true {
            if let origin = asked {
                let trial = surroundings.trial(origin)
                if !trials.isEmpty { surroundings.hedged(origin) }
                trials.append((origin, trial))
                trial.whenEnded { ended.withLockAndWake { $0.append(origin) } }
            }
            let next: OriginID? = ended.wait(until: opening.nextMoment) { $0.isEmpty ? nil : $0.removeFirst() }
            guard let next, let index = trials.firstIndex(where: { $0.origin == next }) else {
                asked = opening.timePassed(at: .now)
                continue
            }
            let trial = trials.remove(at: index).trial
            do throws(Reason) {
                return (next, try trial.takeOutcome())
            } catch {
                // Alone, it is for the controller to say who is asked next, and for what.
                if trials.isEmpty { throw Failure(origin: next, reason: error) }
                surroundings.oneFailed(next, error)
                asked = opening.failed(next, at: .now)
            }
        }
    }
}
