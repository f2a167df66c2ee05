/// Which origins fail together: those on one host share what happens while it is connected to.
///
/// | cause | shared by |
/// | --- | --- |
/// | the name is unknown, the host cannot be reached, it does not answer | every origin on the host |
/// | refused, no TLS | every origin on the host with the same port |
/// | anything that was said or sent over a connection | nobody |
package struct FailureDomains: Sendable {
    package struct Endpoint: Hashable, Sendable {
        /// Compared without regard to case.
        package let host: String
        package let port: Int

        package init(host: String, port: Int) {
            self.host = host.lowercased()
            self.port = port
        }
    }

    private var endpoints: [Endpoint?]

    /// - Parameter endpoints: by origin; nil for one that shares nothing, such as a file.
    package init(_ endpoints: [Endpoint?]) { self.endpoints = endpoints }

    /// One more origin, after all others.
    package mutating func add(_ endpoint: Endpoint?) { endpoints.append(endpoint) }

    /// The other origins for which a failure of `origin` says as much.
    package func sharing(_ cause: ChangeEvent.Cause, of origin: OriginID) -> [OriginID] {
        guard endpoints.indices.contains(origin.index), let own = endpoints[origin.index] else { return [] }
        let isShared: (Endpoint) -> Bool
        switch cause {
        case .dns, .unreachable, .connectTimedOut: isShared = { $0.host == own.host }
        case .refused, .tls: isShared = { $0 == own }
        default: return []
        }
        return endpoints.indices.filter { $0 != origin.index && (endpoints[$0].map(isShared) ?? false) }
            .map { OriginID($0) }
    }
}
