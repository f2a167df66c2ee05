public import ThroughlineCore
internal import ThroughlineMedia

/// Plays a stream through every failure of its servers.
///
/// Make one with a configuration, call `run` once, and read the summary that it returns. Events are delivered while it
/// runs, in order and one at a time, on a thread that serves all streams of the process: to a callback, or to a task
/// (`events`).
public final class ResilientStream: Sendable {
    private let session: Session
    private let queue: EventQueue
    /// What `record` of a viewer's commands has begun.
    let recording = Guarded<OutputID?>(nil)

    /// - Parameters:
    ///   - configuration: origins and policies.
    ///   - outputs: where the packets go; none plays without an output, and measures.
    ///   - onEvent: called for each event, never on the caller's thread; it may call the stream. While it does not return,
    ///     no stream of the process tells anything. Events wait up to ten thousand; how many were lost beyond that is told
    ///     by a warning.
    /// - Throws: `StreamError.Code.usage` for a configuration that cannot work.
    public init(
        configuration: Configuration, outputs: [Output] = [], onEvent: @escaping @Sendable (Event) -> Void = { _ in }
    ) throws(StreamError) {
        try configuration.validate()
        for output in outputs { try Self.check(output) }
        let began = Instant.now
        queue = EventQueue(since: began, onEvent)
        session = Session(configuration: configuration, outputs: outputs, events: queue, began: began)
    }

    private static func check(_ output: Output) throws(StreamError) {
        let (format, path) = output.container
        guard Muxer.exists(format: format, name: path) else {
            throw StreamError(
                code: .usage,
                message: format.map { "there is no output format named '\($0)'; 'ffmpeg -muxers' lists them" }
                    ?? "the name of \(path ?? "the output") tells no output format; name one (--format)")
        }
        do throws(OutputError) { try OutputTarget.check(output) } catch { throw error.streamError }
    }

    /// Plays to the end, to `stop`, or until no origin can go on, and until all events were delivered. Once.
    ///
    /// Runs on threads of its own; the caller's task only waits. Cancelling the task stops the stream.
    public func run() async -> Summary {
        await withTaskCancellationHandler {
            await WorkerThread.run(name: "tl-ingest") { [self] in runHere() }
        } onCancel: {
            session.stop()
        }
    }

    /// The same on the calling thread, which waits: for threads of a world.
    package func runHere() -> Summary {
        session.run()
        queue.close()
        return session.summary()
    }

    /// The events from now on, for a task to read.
    ///
    /// - Parameter limit: how many of them wait for the task, at least 1.
    public func events(bufferingNewest limit: Int = 1000) -> Events { Events(queue, bufferingNewest: limit) }

    /// Ends the stream soon; `run` returns with the error `stopped`. What was presented so far stays whole.
    public func stop() { session.stop() }

    /// Stops the presentation where it is, until `resume`. An origin that delivers in real time is asked to stop, and its
    /// session kept alive. From any thread, as all that follows; an origin that fails meanwhile is replaced when the
    /// stream goes on, and what was asked for stays asked for.
    public func pause() { ask(.pause) }

    /// Goes on at the very frame where it was paused.
    public func resume() { ask(.resume) }

    /// Goes elsewhere in the presentation: to the key frame at or before this NPT. Outputs go on without a break in their
    /// timestamps. Beyond the end it goes to the last second.
    public func seek(to npt: NPT) { ask(.seek(npt)) }

    /// Plays faster or slower: 2 is twice as fast. An RTSP origin is asked for it with `Scale`; what it grants is played.
    ///
    /// A negative rate plays backwards, from an RTSP origin that can: it sends the key frames alone, in falling order, and
    /// there is no sound. Outputs go on without a break in their timestamps; what the viewer is shown to be at falls. At the
    /// beginning the stream stands paused, at rate 1; `resume`, or a positive rate, goes on forwards from there. An origin
    /// that does not play backwards is played on forwards from where the viewer is, at the rate that it had, with a warning;
    /// one that is known not to, as GStreamer's server, is not asked, and the play goes on undisturbed. Where that is the next
    /// origin after one that failed backwards, it is played forwards from where the viewer is.
    ///
    /// - Parameter rate: from 1/8 to 8, or from -8 to -1/8.
    /// - Throws: `StreamError.Code.usage` for any other rate, and for a negative one while an origin over HTTP or a file is
    ///   played.
    public func setRate(_ rate: Rate) throws(StreamError) {
        guard !rate.isNegative || mayPlayBackwards else {
            throw StreamError(
                code: .usage,
                message:
                    "playing backwards is possible over RTSP only, where the server sends the key frames in that order"
            )
        }
        guard rate.magnitude >= Rate(1, 8), rate.magnitude <= Rate(8) else {
            throw StreamError(code: .usage, message: "the rate must be 1/8 to 8, or -8 to -1/8, not \(rate)")
        }
        ask(.setRate(rate))
    }

    /// Says what there is room for on the way from the origin. An RTSP origin is told with `Bandwidth`, and may go on with
    /// another encode of the stream; what it is told stays so for the next origin. Others take no notice.
    ///
    /// - Parameter bitsPerSecond: nil takes the limit away.
    /// - Throws: `StreamError.Code.usage` for a limit that is not positive.
    public func limitBandwidth(to bitsPerSecond: Int64?) throws(StreamError) {
        if let bitsPerSecond, bitsPerSecond <= 0 {
            throw StreamError(code: .usage, message: "the bandwidth must be positive, not \(bitsPerSecond)")
        }
        ask(.limitBandwidth(bitsPerSecond))
    }

    /// Leaves the origin for another, though nothing is wrong with it: make before break, so that nothing is missing when
    /// nobody else can be had; the stream then stays, and a warning says so.
    ///
    /// Exact at a place that has not been received yet: what is presented before it comes from the one origin, what is
    /// presented there and behind from the other. With another encode it is the first key frame from there on.
    ///
    /// - Parameters:
    ///   - url: the origin to go to, of those configured or, since the word is yours, one more; nil for the best of the
    ///     others.
    ///   - npt: where; nil, or what was received already, for as soon as can be.
    /// - Throws: `StreamError.Code.usage` for what is no origin.
    public func migrate(to url: String? = nil, at npt: NPT? = nil) throws(StreamError) {
        guard let url else { return ask(.migrate(to: nil, at: npt)) }
        if let origin = session.stream.originID(of: url) { return ask(.migrate(to: origin, at: npt)) }
        guard IndicatorPolicy.isNetworkURL(url) else {
            throw StreamError(
                code: .usage, message: "\(redacted(url)) is none of the origins, and no URL of another one")
        }
        guard url.utf8.count <= 8192, let origin = session.stream.addOrigin(url) else {
            throw StreamError(code: .usage, message: "\(redacted(url)) is one origin too many")
        }
        ask(.migrate(to: origin, at: npt))
    }

    /// As `migrate(to:at:)`, by the place of the origin in the configuration.
    public func migrate(to origin: OriginID, at npt: NPT? = nil) throws(StreamError) {
        let count = session.stream.origins.all.count
        guard (0..<count).contains(origin.index) else {
            throw StreamError(
                code: .usage, message: "there is no origin \(origin.index); there are \(count), from 0 on")
        }
        ask(.migrate(to: origin, at: npt))
    }

    private func ask(_ control: ViewerDesk.Control) {
        session.stream.viewer.ask(control, of: session.stream.currentURL)
    }

    /// Whether the origin that is played may be asked to play backwards.
    private var mayPlayBackwards: Bool {
        session.stream.currentOrigin.map { session.stream.origins[$0].kind.mayPlayBackwards } ?? false
    }

    // MARK: - Who takes what is presented

    /// A lane from which a program takes the packets that are presented, each as it is due, when it likes. It joins at the
    /// next key frame; before `run` it is there from the start. The stream never waits for it.
    ///
    /// - Parameters:
    ///   - policy: what becomes of it where its consumer is slower than the stream.
    ///   - limits: what may wait in it.
    public func lane(_ policy: LanePolicy = .dropToKeyFrame, limits: LaneLimits = LaneLimits()) -> PacketLane {
        let lane = PacketLane(policy, limits)
        session.lanes.join(lane)
        return lane
    }

    /// One more output while the stream plays, as a recording that is begun. It begins with the next key frame, at time zero.
    /// What goes wrong with it is told by a warning, and harms neither the stream nor the other outputs.
    ///
    /// - Throws: `StreamError.Code.usage` for an output that cannot work, as `init` does, and once nothing is presented any
    ///   more.
    /// - Returns: what `leave` takes.
    @discardableResult
    public func join(_ output: Output) throws(StreamError) -> OutputID {
        try Self.check(output)
        guard let id = session.lanes.join(output) else {
            throw StreamError(code: .usage, message: "the stream has ended: no output joins it any more")
        }
        return id
    }

    /// An output that has joined is finished, and is whole up to here; soon.
    public func leave(_ output: OutputID) { session.lanes.leave(output) }

    /// Tells what became of a line.
    func tell(_ answer: ControlAnswer) { session.stream.record.send(.answered(answer)) }

    /// Where the stream is at this moment.
    public var status: StreamStatus { session.status() }
}

/// A look at a running stream.
public struct StreamStatus: Sendable {
    /// What is presented now.
    public let npt: NPT?
    public let duration: MediaTime?
    /// URL of the current origin, without credentials.
    public let origin: String?
    /// Media received ahead.
    public let buffer: MediaTime
    public let bufferBytes: Int
    public let handoffs: Int
    /// Time in which media was due and was not there, with a wait that goes on now.
    public let gapTotal: Duration
    /// Media time that was due so far and was never presented.
    public let missing: MediaTime
    public let isPaused: Bool
    /// As it is played; negative is backwards.
    public let rate: Rate

    /// What the viewer has noticed so far.
    public var visibleGap: Duration { gapTotal + missing.duration }
}
