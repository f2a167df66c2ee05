/// A connection between two ends.
package final class MemoryConnection: @unchecked Sendable {
    // Unchecked: everything is touched under the network's lock.

    /// Bytes that may be under way or unread in each direction.
    package static let window = 256 << 10

    /// What a `receive` finds.
    package enum Reading: Hashable, Sendable {
        case bytes(Int)
        /// Nothing has arrived yet.
        case nothing
        /// The other end has finished, and everything was read.
        case end
        /// The other end has broken off, and everything that had arrived was read.
        case reset
        /// Nobody listens there.
        case refused
    }

    private struct Parcel {
        var arrival: Instant
        var bytes: ArraySlice<UInt8>
    }

    /// One direction.
    private struct Way {
        var parcels: [Parcel] = []
        var byteCount = 0
        var lastArrival = Instant(nanoseconds: 0)
        /// When the other end learns that nothing more comes, and whether that is a reset.
        var close: (arrival: Instant, isReset: Bool)?
        /// Room was asked for in vain.
        var isFull = false
    }

    /// One end of a connection, for one thread at a time.
    package struct End: MemoryEndpoint, Sendable {
        private let connection: MemoryConnection
        private let isClient: Bool
        private var network: MemoryNetwork { connection.network }

        init(_ connection: MemoryConnection, isClient: Bool) {
            self.connection = connection
            self.isClient = isClient
        }

        private var incoming: Way {
            get { isClient ? connection.down : connection.up }
            nonmutating _modify { if isClient { yield &connection.down } else { yield &connection.up } }
        }
        private var outgoing: Way {
            get { isClient ? connection.up : connection.down }
            nonmutating _modify { if isClient { yield &connection.up } else { yield &connection.down } }
        }

        /// The connection stands. A client learns it a round trip after it has begun.
        package var isConnected: Bool {
            network.state.withLock { _ in !connection.isRefused && Instant.now >= connection.established }
        }

        /// Nobody listens there, which is known by now.
        package var isRefused: Bool {
            network.state.withLock { _ in connection.isRefused && Instant.now >= connection.established }
        }

        /// The other end has broken off, which is known by now.
        package var isBroken: Bool {
            network.state.withLock { _ in incoming.close.map { $0.isReset && $0.arrival <= .now } ?? false }
        }

        /// Bytes that were sent and that the other end has not read.
        package var unreadByteCount: Int { network.state.withLock { _ in outgoing.byteCount } }

        /// Takes what has arrived.
        package func receive(into destination: UnsafeMutableRawBufferPointer) -> Reading {
            network.state.withLockAndWake { _ in
                let now = Instant.now
                if connection.isRefused { return now >= connection.established ? .refused : .nothing }
                var count = 0
                while count < destination.count, let first = incoming.parcels.first, first.arrival <= now {
                    let taken = min(first.bytes.count, destination.count - count)
                    destination[count..<(count + taken)].copyBytes(from: first.bytes.prefix(taken))
                    count += taken
                    if taken == first.bytes.count {
                        incoming.parcels.removeFirst()
                    } else {
                        incoming.parcels[0].bytes = first.bytes.dropFirst(taken)
                    }
                }
                incoming.byteCount -= count
                if count > 0 { return .bytes(count) }
                guard let close = incoming.close, close.arrival <= now else { return .nothing }
                // What a reset overtakes is lost.
                if close.isReset { return .reset }
                return incoming.parcels.isEmpty ? .end : .nothing
            }
        }

        /// Sends as much as there is room for.
        ///
        /// - Returns: the bytes taken; 0 where the other end must read first, or where either end has closed.
        package func send(_ bytes: ArraySlice<UInt8>) -> Int {
            network.state.withLockAndWake { _ in
                guard outgoing.close == nil else { return 0 }
                if let close = incoming.close, close.isReset {
                    // As long as it is under way nobody here knows that what is sent is lost.
                    return close.arrival <= .now ? 0 : bytes.count
                }
                let count = min(bytes.count, MemoryConnection.window - outgoing.byteCount)
                outgoing.isFull = count < bytes.count
                guard count > 0 else { return 0 }
                let arrival = max(outgoing.lastArrival, connection.arrival())
                outgoing.lastArrival = arrival
                outgoing.byteCount += count
                outgoing.parcels.append(Parcel(arrival: arrival, bytes: bytes.prefix(count)))
                return count
            }
        }

        /// Nothing more is sent: the other end reads what there is, and learns it.
        package func finish() { close(isReset: false) }

        /// Breaks off: what the other end has not received by then is lost.
        package func reset() { close(isReset: true) }

        private func close(isReset: Bool) {
            network.state.withLockAndWake { _ in
                guard outgoing.close == nil || isReset && outgoing.close?.isReset == false else { return }
                var arrival = connection.arrival()
                if isReset {
                    // What comes before it can be read; the rest never comes.
                    outgoing.parcels.removeAll { $0.arrival > arrival }
                    outgoing.byteCount = outgoing.parcels.reduce(0) { $0 + $1.bytes.count }
                } else {
                    arrival = max(outgoing.lastArrival, arrival)
                }
                outgoing.close = (arrival, isReset)
            }
        }

        /// Something has happened that has not been taken. Under the network's lock.
        func hasNews(at now: Instant) -> Bool { nextNews <= now || hasRoomAgain }

        /// It was full, and has half of its room again.
        private var hasRoomAgain: Bool {
            outgoing.isFull && outgoing.byteCount <= MemoryConnection.window / 2
        }

        /// There is room for a good deal, or nobody to take it.
        var isWritable: Bool {
            (!isClient || connection.isKnown) && outgoing.byteCount <= MemoryConnection.window / 2
                || outgoing.close != nil || incoming.close?.isReset == true
        }

        /// When something happens next, by what is known.
        var nextNews: Instant {
            if isClient, !connection.isKnown { return connection.established }
            var next = incoming.parcels.first?.arrival ?? .never
            if let close = incoming.close, close.isReset || incoming.parcels.isEmpty {
                next = min(next, close.arrival)
            }
            return next
        }

        /// The client has seen that the connection stands.
        package func noteConnected() { network.state.withLock { _ in connection.isKnown = true } }
    }

    private var up = Way()
    private var down = Way()
    private let link: NetworkLink
    private let isRefused: Bool
    private let established: Instant
    private var isKnown = false
    private unowned let network: MemoryNetwork

    init(network: MemoryNetwork, link: NetworkLink, isRefused: Bool) {
        self.network = network
        self.link = link
        self.isRefused = isRefused
        established = .now + link.latency * 2
    }

    /// When what is sent now is there.
    private func arrival() -> Instant { .now + link.delay() }
}
