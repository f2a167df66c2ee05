/// The network of a world: ports that somebody listens at, and connections that carry bytes from one end to the other in
/// virtual time.
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
        /// Goes up with whatever may matter to somebody who waits.
        var changes = 0
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

    /// Wakes whoever waits.
    package func wake() { state.wake() }
}
