/// What a session sees at one moment: told with each fact, so that the stream machine looks at nothing itself.
package struct Sight: Sendable {
    /// Time until the media in the buffer is used up; nil where nothing is due at any time.
    package var level: Duration?
    /// What is played comes from later to earlier.
    package var isBackward = false
    /// Bytes of another origin could be made ready to go on under the ingest that is played.
    package var mayPrepareBytes = false
    package var ready = Readiness()

    package init() {}
}

/// Who stands ready beside the origin that is played.
package struct Readiness: Hashable, Sendable {
    /// The origin with which a session is set up.
    package var session: OriginID?
    /// The origin with which a connection is kept, over which bytes can go on.
    package var bytes: OriginID?
    /// The origin that delivers the same media already, in step.
    package var hot: OriginID?
    /// The origin that is read beside, whether it is in step or not.
    package var beside: OriginID?
    /// The one that is read beside has no more to give for now than comes as it is played, and sends pieces as long as this.
    package var piece: Duration?

    package init() {}
}

/// What came of making another origin ready.
package enum Preparation: Hashable, Sendable {
    case ready
    /// The origin holds other bytes: it can still be opened, and joined.
    case differs
    case undelivered(ChangeEvent)
}

/// Media that came, as far as it tells how fast the origin delivers.
package struct Delivery: Sendable {
    package var origin: OriginID
    /// Bytes received, and how many of them no packet has been made of.
    package var received: Int
    package var unpacked: Int
    /// The container holds its media in the order in which it is shown.
    package var inOrder: Bool
    /// Media in the buffer.
    package var level: Duration
    /// Up to where the flows came on the average.
    package var reached: Duration
    /// The buffer holds so much that the origin keeps up.
    package var isFull: Bool
    /// Bytes and the media that they stand for, where that was found just now.
    package var learned: (bytes: Int, media: Duration)?

    package init(
        origin: OriginID, received: Int, unpacked: Int, inOrder: Bool, level: Duration, reached: Duration, isFull: Bool
    ) {
        self.origin = origin
        self.received = received
        self.unpacked = unpacked
        self.inOrder = inOrder
        self.level = level
        self.reached = reached
        self.isFull = isFull
    }
}
