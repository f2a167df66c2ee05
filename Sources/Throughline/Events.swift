internal import ThroughlineCore

/// The events of a stream, for a task that reads them.
///
///     for await event in stream.events() { print(event.json) }
///
/// The sequence ends when the stream has ended. A task that reads too slowly misses the oldest of the events that wait for
/// it; how the stream ended it always hears.
public struct Events: AsyncSequence, Sendable {
    public typealias Element = Event

    private let stream: AsyncStream<Event>
    private let reader: EventReader

    init(_ queue: EventQueue, bufferingNewest limit: Int) {
        let (stream, continuation) = AsyncStream<Event>.makeStream(
            bufferingPolicy: .bufferingNewest(Swift.max(1, limit)))
        self.stream = stream
        reader = EventReader(continuation)
        queue.add(reader)
    }

    /// How many events were dropped so far, since they were not read in time.
    public var dropped: Int { reader.dropped }

    public func makeAsyncIterator() -> AsyncStream<Event>.Iterator { stream.makeAsyncIterator() }
}

/// The buffer between the thread that delivers the events of a stream and the task that reads them.
final class EventReader: Sendable {
    private let continuation: AsyncStream<Event>.Continuation
    private let count = Guarded(0)

    init(_ continuation: AsyncStream<Event>.Continuation) { self.continuation = continuation }

    var dropped: Int { count.withLock { $0 } }

    /// - Returns: whether anybody reads still.
    func take(_ event: Event) -> Bool {
        switch continuation.yield(event) {
        case .enqueued: return true
        case .dropped:
            count.withLock { $0 += 1 }
            return true
        case .terminated: return false
        @unknown default: return true
        }
    }

    func finish() { continuation.finish() }
}
