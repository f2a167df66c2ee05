internal import Testing
internal import ThroughlineCore

@Suite struct FailureDomainsTests {
    /// Two paths on one server, another port of it, and another host.
    let domains = FailureDomains([
        .init(host: "a.example", port: 80), .init(host: "A.example", port: 80), .init(host: "a.example", port: 554),
        .init(host: "b.example", port: 80), nil,
    ])

    @Test(arguments: ChangeEvent.Cause.allCases)
    func whoShares(cause: ChangeEvent.Cause) {
        let shared = domains.sharing(cause, of: OriginID(0)).map(\.index)
        switch cause {
        case .dns, .unreachable, .connectTimedOut: #expect(shared == [1, 2])
        case .refused, .tls: #expect(shared == [1])
        default: #expect(shared == [])
        }
        #expect(domains.sharing(cause, of: OriginID(3)).isEmpty)
        #expect(domains.sharing(cause, of: OriginID(4)).isEmpty)
        #expect(domains.sharing(cause, of: OriginID(9)).isEmpty)
    }
}
