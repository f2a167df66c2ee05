internal import ThroughlineCore
internal import ThroughlineProtocols
internal import ThroughlineTransport

/// The origins of a stream by their place: those that were configured, and behind them those that were named since and may
/// be asked. Grows, and never forgets. From any thread.
final class OriginList: Sendable {
    /// Origins that may be added.
    static let mostAdded = 16

    private let origins: Guarded<[Origin]>
    private let limit: Int
    /// What is known of those that are local.
    private let readOnce = Guarded<[OriginID: Bool]>([:])
    /// How long the file system may take to say what lies somewhere.
    private static let patience: Duration = .milliseconds(100)

    init(_ origins: [Origin]) {
        limit = origins.count + Self.mostAdded
        self.origins = Guarded(origins.map(Self.withPool))
    }

    private static func withPool(_ origin: Origin) -> Origin {
        var origin = origin
        origin.connections.pool = ConnectionPool()
        return origin
    }

    var all: [Origin] { origins.withLock { $0 } }

    subscript(id: OriginID) -> Origin { origins.withLock { $0[id.index] } }

    /// Whether an origin gives its bytes once, as a pipe does: asked ahead of need, or only to see whether it is well, it would
    /// have nothing left to play.
    func isReadOnce(_ id: OriginID) -> Bool {
        guard let address = LocalAddress(self[id].url) else { return false }
        guard case .path(let path) = address else { return true }
        if let known = readOnce.withLock({ $0[id] }) { return known }
        let isStream = FileReader.isStream(path, within: Self.patience)
        readOnce.withLock { $0[id] = isStream }
        return isStream
    }

    /// Ends the connections that nobody uses.
    func closeConnections() { for origin in all { origin.connections.pool?.clear() } }

    func first(where isIt: (Origin) -> Bool) -> OriginID? { all.firstIndex(where: isIt).map { OriginID($0) } }

    /// False when there are as many as there may be.
    func add(_ origin: Origin) -> Bool {
        origins.withLock { origins in
            guard origins.count < limit else { return false }
            origins.append(Self.withPool(origin))
            return true
        }
    }
}

/// Connections and cookies shared by everything that reads from one origin. All values are equal, so that they do not make two
/// descriptions of the same origin differ.
struct OriginConnections: Sendable, Hashable {
    var pool: ConnectionPool?

    static func == (a: OriginConnections, b: OriginConnections) -> Bool { true }
    func hash(into hasher: inout Hasher) {}
}

extension Origin {
    /// Where it is connected to; nil for a file.
    var endpoint: FailureDomains.Endpoint? {
        if let address = RTSPAddress(url) { return .init(host: address.host, port: address.port) }
        return .init(httpURL: url)
    }
}
