internal import ThroughlineCore

extension HandoffReport {
    /// How a threat to the stream was judged: what was seen, against which threshold, and what was done when.
    ///
    /// Moments are counted from the beginning of the stream's run; levels are time until the buffer would have been dry.
    public struct Decision: Sendable {
        public struct Moment: Sendable {
            public let time: Duration
            /// Nil where nothing was due at any time.
            public let buffer: Duration?
        }

        /// What was seen, in a word: `silent`, `too slow`, `flow 1 silent`, `buffer low`.
        public let sign: String
        /// When it began.
        public let since: Duration
        /// The longest pause of the origin that was usual; nil before enough was seen.
        public let usualPause: Duration?
        /// How long it had to last to be suspicious.
        public let threshold: Duration
        public let suspicion: Moment
        /// How often it was suspicious.
        public let suspicions: Int
        /// The alternate was asked to get ready, and was ready.
        public let preparation: Moment?
        public let ready: Moment?
        /// It was decided to leave.
        public let commitment: Moment?
        /// How long the handoff was then expected to take, and what was to be left in the buffer for it.
        public let expected: Duration?
        public let reserve: Duration?
        /// The alternate was let go: the origin delivers again.
        public let withdrawal: Moment?
        public let end: Moment?
        /// The same, for people.
        public let text: String

        init(_ record: DeadlineRecord, since began: Instant) {
            func moment(_ stamp: DeadlineRecord.Stamp) -> Moment { Moment(time: stamp.at - began, buffer: stamp.level) }
            sign = record.sign.description
            since = record.since - began
            usualPause = record.usualPause
            threshold = record.threshold
            suspicion = moment(record.suspected)
            suspicions = record.suspicions
            preparation = record.preparation.map(moment)
            ready = record.prepared.map(moment)
            commitment = record.commitment.map(moment)
            expected = record.expected
            reserve = record.reserve
            withdrawal = record.withdrawal.map(moment)
            end = record.ended.map(moment)
            text = record.description
        }
    }
}
