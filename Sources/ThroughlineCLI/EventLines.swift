internal import Throughline
internal import ThroughlineCore

/// The events of a play, each a line of JSON, when it happens. The last one says how it ended, and is there once.
final class EventLines: Sendable {
    private let writer: LineWriter
    private let isOver = Guarded(false)

    init(_ writer: LineWriter) { self.writer = writer }

    func write(_ event: Event) {
        let isLate = isOver.withLock { isOver in
            let wasOver = isOver
            if case .ended = event.kind { isOver = true }
            return wasOver
        }
        if !isLate { writer.write(event.json) }
    }

    /// Says that the play was left at once, for so long at the most.
    func leave(at time: Duration, npt: MediaTime?, within duration: Duration) {
        let error = StreamError(code: .stopped, message: "interrupted twice; the outputs may not be whole")
        write(Event(time: time, kind: .ended(npt: npt, error)))
        writer.flush(atMost: duration)
    }

    /// Writes what waits, and ends.
    ///
    /// - Returns: the error number of the line that could not be written, if so.
    func close() -> Int32? { writer.close() }
}
