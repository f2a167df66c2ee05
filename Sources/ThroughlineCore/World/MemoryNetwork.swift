/// The network of a world: ports that somebody listens at, and connections and datagrams that carry bytes from one end to
/// the other in virtual time.
///
/// What is sent arrives in order after the latency of its link, with the jitter that the seed draws. An end that does not
/// read pushes back: at most `Connection.window` bytes are under way or unread in each direction. Everything may be called
/// from any thread of the world.
package final class MemoryNetwork: Sendable {
    /// Somebody who listens: gets the other end of each connection that is made, on the thread that makes it.
    package typealias Accept = @Sendable (MemoryConnection.End) -> Void

    fileprivate struct Listener {
        var link: NetworkLink
        var accept: Accept
    }

    struct State {
        fileprivate var listeners: [String: Listener] = [:]
        var lastPort = 20_000
        var datagrams: [MemoryDatagrams.Place: MemoryDatagrams] = [:]
        var lastDatagramPort = 20_000
        /// What is waited for by a number, as with the descriptors of a system.
        var endpoints: [Int32: any MemoryEndpoint] = [:]
        private var lastDescriptor: Int32 = 0

        mutating func newDescriptor() -> Int32 {
            lastDescriptor += 1
            return lastDescriptor
        }
    }

    /// Guards all connections as well: one lock, one place to wait.
    let state = Guarded(State())

    package init() {}

    /// That of the world that the calling thread belongs to.
    package static var current: MemoryNetwork? { WorldThread.current?.world.network }

    /// A port at which nobody has listened yet.
    package func newPort() -> Int {
        state.withLock {
            $0.lastPort += 1
            return $0.lastPort
        }
    }

    /// Listens from now on. False where somebody does already.
    package func listen(host: String, port: Int, link: NetworkLink, accept: @escaping Accept) -> Bool {
        state.withLock { state in
            let place = "\(host):\(port)"
            guard state.listeners[place] == nil else { return false }
            state.listeners[place] = Listener(link: link, accept: accept)
            return true
        }
    }

    /// Connections that are made stay.
    package func stopListening(host: String, port: Int) {
        state.withLock { $0.listeners["\(host):\(port)"] = nil }
    }

    /// Begins to connect. The end tells when the connection stands, or that nobody listens there.
    package func connect(host: String, port: Int) -> MemoryConnection.End {
        let listener = state.withLock { $0.listeners["\(host):\(port)"] }
        let connection = MemoryConnection(
            network: self, link: listener?.link ?? NetworkLink(), isRefused: listener == nil)
        listener?.accept(MemoryConnection.End(connection, isClient: false))
        return MemoryConnection.End(connection, isClient: true)
    }

    /// Sleeps until `body` returns something, the deadline comes, or something happens to one of some ends.
    ///
    /// - Parameter body: is called under the lock of the network whenever something has changed; it must not call it.
    package func wait<Result>(
        for ends: [MemoryConnection.End], until deadline: Instant, _ body: () -> Result?
    ) -> Result? {
        state.wait { _, next -> Result?? in
            if let result = body() { return .some(result) }
            let now = Instant.now
            if now >= deadline || ends.contains(where: { $0.hasNews(at: now) }) { return .some(nil) }
            next = ends.reduce(deadline) { min($0, $1.nextNews) }
            return nil
        }
    }

    /// A number by which a connection is waited for with `poll`; to be given back with `forget`.
    package func descriptor(for end: MemoryConnection.End) -> Int32 {
        state.withLock { state in
            let descriptor = state.newDescriptor()
            state.endpoints[descriptor] = end
            return descriptor
        }
    }

    package func forget(_ descriptor: Int32) { state.withLock { $0.endpoints[descriptor] = nil } }

    /// Sleeps as `wait` does, and says of each entry what it is ready for: what is left undone ends the next sleep at once.
    ///
    /// - Parameter body: true ends the sleep. Called under the lock of the network; it must not call it.
    package func poll(_ entries: inout [MemoryInterest], until deadline: Instant, _ body: () -> Bool) {
        _ = state.wait { state, next -> Bool? in
            let now = Instant.now
            var isOver = body() || now >= deadline
            next = deadline
            for index in entries.indices {
                // One that is not there any more is as one that is closed.
                let endpoint = state.endpoints[entries[index].descriptor]
                let news = endpoint?.nextNews ?? now
                entries[index].isReadable = news <= now
                entries[index].isWritable = endpoint?.isWritable ?? true
                if entries[index].isReady { isOver = true }
                if entries[index].wantsInput { next = min(next, news) }
            }
            return isOver ? true : nil
        }
    }

    /// Wakes whoever waits.
    package func wake() { state.wake() }
}

/// One end that can be waited for. Asked under the lock of its network.
protocol MemoryEndpoint: Sendable {
    /// When there is something to receive, by what is known.
    var nextNews: Instant { get }
    /// Something can be sent.
    var isWritable: Bool { get }
}

/// What an end is waited for, and whether that is so.
package struct MemoryInterest: Sendable {
    package let descriptor: Int32
    package var wantsInput: Bool
    package var wantsOutput: Bool
    package fileprivate(set) var isReadable = false
    package fileprivate(set) var isWritable = false

    package init(descriptor: Int32, wantsInput: Bool, wantsOutput: Bool) {
        self.descriptor = descriptor
        self.wantsInput = wantsInput
        self.wantsOutput = wantsOutput
    }

    package var isReady: Bool { wantsInput && isReadable || wantsOutput && isWritable }
}
