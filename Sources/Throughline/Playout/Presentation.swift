internal import ThroughlineCore
internal import ThroughlineMedia

/// The pacer on its thread, the outputs that it writes to, and the lanes that join while it runs. Begun and ended on the
/// session's loop.
final class Presentation {
    private let stream: StreamContext
    private let outputs: [Output]
    let lanes: OutputLanes
    private let stop: DescriptorOutput.StopFlag
    private var pacer: Pacer?
    private var thread: WorkerThread?

    init(_ stream: StreamContext, _ outputs: [Output], _ lanes: OutputLanes, stop: DescriptorOutput.StopFlag) {
        (self.stream, self.outputs, self.lanes, self.stop) = (stream, outputs, lanes, stop)
    }

    /// Opens the outputs, and begins to present.
    ///
    /// - Parameters:
    ///   - flows: all of the stream.
    ///   - played: those that are played.
    ///   - end: ends the stream, since no output is left; from any thread.
    /// - Returns: false where an output could not be opened, which ends the stream.
    func begin(
        _ flows: [FlowFormat], played: [FlowFormat], end: @escaping @Sendable (StreamError) -> Void
    ) -> Bool {
        let (stream, stop) = (stream, stop)
        let start = stream.configuration.from
        var opened: [any PacketOutput] = []
        do throws(OutputError) {
            for output in outputs { opened.append(try Self.open(output, played, from: start, stop)) }
        } catch {
            if !error.isAborted { end(error.streamError) }
            return false
        }
        for warning in opened.flatMap(\.warnings) { stream.record.warn(warning) }
        let pacer = Pacer(
            buffer: stream.buffer, outputs: opened, limits: OutputWriter.limits(isPaced: stream.isPaced), joins: lanes,
            open: { output, start, gate throws(OutputError) in
                let opened = try Self.open(output, played, from: start, stop, gate)
                for warning in opened.warnings { stream.record.warn(warning) }
                return opened
            },
            flows: flows, played: played, from: start > .zero ? start : nil,
            firstOut: { npt in stream.record.send(.playing(npt: npt)) },
            firstShown: { stream.record.nowShown() },
            batchOut: { account in
                for gap in stream.buffer.takeNewGaps() { stream.record.send(.gap(gap)) }
                stream.record.presented(&account)
                if stream.buffer.isDrained { stream.viewer.drained() }
            },
            outputFailed: { error, hadJoined in
                if error.isAborted { return }
                // An output that joined later ends without ending the stream.
                if !hadJoined { stream.record.failed(error.streamError) }
                stream.record.warn(hadJoined ? error.message : "\(error.message); the other outputs go on")
            })
        self.pacer = pacer
        nonisolated(unsafe) let handed = pacer  // Handed over to the thread, and read again only after its join.
        thread = WorkerThread(name: "tl-pacer") {
            do throws(OutputError) {
                try handed.run()
            } catch {
                if !error.isAborted { end(error.streamError) }
                handed.waitForLeaving()
            }
        }
        return true
    }

    private static func open(
        _ output: Output, _ flows: [FlowFormat], from start: NPT, _ stop: DescriptorOutput.StopFlag,
        _ gate: ReaderGate? = nil
    ) throws(OutputError) -> any PacketOutput {
        output.isDecoded
            ? try DecodingOutput(output, flows: flows, stop: stop, gate: gate)
            : try MuxerOutput(output, flows: flows, start: start, stop: stop, gate: gate)
    }

    /// Waits until all has been presented, or the stream was stopped.
    func waitForEnd() { thread.take()?.join() }

    /// Nothing more is presented.
    ///
    /// - Parameters:
    ///   - isWhole: all was presented that was received.
    ///   - ends: by flow, where it was to end by what its container says.
    func finish(isWhole: Bool, ends: [Int: NPT], _ error: StreamError?) {
        pacer?.finish(isWhole: isWhole, ends: ends)
        pacer?.endLanes(error)
        lanes.end(error)
    }

    // What was presented; once the thread has ended.

    var accounts: [FlowAccount] { pacer?.presented ?? [] }
    var tallies: PresentationAccount { pacer?.account ?? PresentationAccount([]) }

    /// Where the flows ended; a subtitle that stays on screen beyond it does not count.
    func end(of flows: [FlowFormat]) -> NPT? {
        zip(accounts, flows).filter { !$1.isSparse }.compactMap { $0.0.end }.max()
    }
}
