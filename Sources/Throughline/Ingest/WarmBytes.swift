internal import ThroughlineCore
internal import ThroughlineTransport

/// An alternate over HTTP that is kept ready: it has shown the right bytes, and its connection is kept open (a warm
/// standby).
///
/// It is proven anew now and then, with little, over the same connection: so that the server keeps it, and one that has
/// died is found out. Used on one thread; the proofs are made on others.
final class WarmBytes {
    /// How often it is asked.
    static let interval: Duration = .seconds(15)

    let origin: OriginID
    private let abort: AbortSwitch
    private var trial: ByteTrial?
    private var source: (any ByteSource)?
    private var provenAt: Instant?
    /// The validator of its object, if that is a strong one.
    private(set) var validator: String?
    /// Bytes that were compared.
    private(set) var compared = 0

    /// Begins to make it ready.
    init(_ question: ByteTrial.Question, abort: AbortSwitch) {
        origin = question.origin
        self.abort = AbortSwitch(parent: abort)
        begin(question)
    }

    deinit {
        // What goes on with the connection ends it by itself.
        guard trial != nil || source != nil else { return }
        abort.abort()
        trial?.cancel()
        source?.close()
    }

    private func begin(_ question: ByteTrial.Question) {
        var question = question
        question.isKept = true
        let trial = ByteTrial(question, abort: abort, over: source.take())
        trial.begin()
        self.trial = trial
    }

    /// Takes note of what came of a proof.
    ///
    /// - Returns: false while the first is being made.
    func look() throws(ByteTrial.Failure) -> Bool {
        guard let trial, trial.state != nil else { return provenAt != nil }
        self.trial = nil
        let outcome = try trial.takeOutcome()
        source = outcome.source
        validator = outcome.validator
        compared += outcome.compared
        provenAt = .now
        return true
    }

    /// Whether it is to be proven again.
    var isDue: Bool { trial == nil && provenAt.map { Instant.now - $0 >= Self.interval } ?? false }

    func refresh(_ question: ByteTrial.Question) { begin(question) }

    /// Goes on from a place over the connection that is kept, where there is one. It is of no use after that.
    func goOn(_ question: ByteTrial.Question) -> ByteTrial? {
        // What the last proof came to may not have been looked at yet.
        guard (try? look()) ?? false, trial == nil, let source = source.take() else { return nil }
        return ByteTrial(question, abort: abort, over: source)
    }
}
