internal import Throughline

/// A server that dies in the middle: nginx behind a proxy that resets the connection and then refuses all others.
struct DyingOrigin: Sendable {
    let server: NginxServer
    let proxy: FaultProxy
    let url: String

    /// - Parameters:
    ///   - percent: of the bytes, where it dies.
    static func start(_ file: String, at percent: Int = 33, plan: FaultProxy.Plan? = nil) async throws -> DyingOrigin {
        let pace = try Fixtures.pace(file)
        let server = try await NginxServer.start(rate: pace.rate, burst: pace.burst)
        let plan =
            try plan
            ?? FaultProxy.Plan(strike: .reset, at: Fixtures.size(file) * percent / 100, aftermath: .refuse)
        let proxy = FaultProxy(upstream: server.port, pace: pace, plan: plan)
        return DyingOrigin(server: server, proxy: proxy, url: proxy.url(file))
    }
}

extension NginxServer {
    /// One that serves a file at its pace.
    static func start(for file: String) async throws -> NginxServer {
        let pace = try Fixtures.pace(file)
        return try await start(rate: pace.rate, burst: pace.burst)
    }
}
