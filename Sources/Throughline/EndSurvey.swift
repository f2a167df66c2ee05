internal import ThroughlineCore
internal import ThroughlineTransport

/// Asks several origins at once whether they have more than the one that has ended, each on a thread of its own.
enum EndSurvey {
    /// Returns once that is known, or not to be known in time; the threads have ended then.
    ///
    /// - Parameter ask: asks one of them; on any thread, and ended by its switch.
    static func run(
        _ inquiry: EndInquiry, abort parent: AbortSwitch,
        ask: @escaping @Sendable (OriginID, AbortSwitch) -> EndInquiry.Answer
    ) -> EndInquiry.Verdict {
        var inquiry = inquiry
        let abort = AbortSwitch(parent: parent)
        let answers = Guarded<[(origin: OriginID, answer: EndInquiry.Answer)]>([])
        let threads = inquiry.asked.map { origin in
            WorkerThread(name: "tl-end", stackSize: 512 << 10) {
                let answer = ask(origin, abort)
                answers.withLockAndWake { $0.append((origin, answer)) }
            }
        }
        defer {
            abort.abort()
            for thread in threads { thread.join() }
        }
        while true {
            if let verdict = inquiry.verdict(at: .now) { return verdict }
            if parent.isAborted { return .stands }
            // A stop of the stream trips the switch of every origin that is asked: all of them answer at once.
            let next = answers.wait(until: inquiry.deadline) { $0.isEmpty ? nil : $0.removeFirst() }
            if let next { inquiry.answered(next.origin, next.answer, at: .now) }
        }
    }
}
