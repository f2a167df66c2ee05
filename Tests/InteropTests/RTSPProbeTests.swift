internal import Testing
internal import Throughline
internal import ThroughlineCore
internal import ThroughlineLab

/// What a probe says of RTSP origins is what a play would meet.
@Suite("A probe of RTSP origins", .timeLimit(.minutes(25)), .inSlots) struct RTSPProbeTests {
    private func origin(
        _ file: String, faults: [Fault] = [], _ change: (inout RTSPOrigin.Options) -> Void = { _ in }
    ) async throws -> (origin: RTSPOrigin, url: String) {
        var options = RTSPOrigin.Options()
        options.pace = Rate(8)
        change(&options)
        let origin = try await RTSPOrigin.start(
            serving: ["/\(file)": Fixtures.path(file)], faults: faults, options: options)
        return (origin, origin.url(for: "/\(file)"))
    }

    @Test func describesAndJoinsAcrossProtocols() async throws {
        let first = try await origin("main.mp4")
        let second = try await origin("main.ts") { $0.transports = [.tcp] }
        let other = try await origin("other.mp4")
        let urls = [first.url, second.url, Fixtures.path("main.mkv"), other.url]
        let findings = await (try Probe(urls.map { Origin(url: $0) })).run()
        for (index, found) in findings.origins.enumerated() where index != 2 {
            #expect(found.error == nil && found.container == "rtsp" && found.isSeekable, "\(found)")
            #expect(found.flows.map(\.kind) == [.video, .audio, .audio], "\(found)")
            #expect(found.flows.first?.text == "video h264 320x180", "\(found)")
            #expect(((found.duration ?? .zero) - .seconds(12)).magnitude < .milliseconds(50), "\(found)")
            #expect(found.byteCount == nil && found.contentType == nil, "\(found)")
        }
        #expect(findings.origins.map(\.transport) == ["udp", "tcp", nil, "udp"])
        #expect(findings.splices.map(\.grade) == [.packetExact, .packetExact, .frameAligned])
        // Sound as well as pictures.
        for splice in findings.splices.prefix(2) {
            #expect(splice.flows.map(\.grade) == [.packetExact, .packetExact, .packetExact], "\(splice)")
        }
        for splice in findings.splices {
            #expect(splice.flows.allSatisfy { $0.missing == .zero && $0.duplicate == .zero }, "\(splice)")
            #expect(splice.obstacle == "not the same bytes: \(first.url) delivers packets", "\(splice)")
        }
    }

    @Test func joinsAFileAndASession() async throws {
        let second = try await origin("main.mkv")
        let probe = try Probe(
            [Origin(url: Fixtures.path("main.mp4")), Origin(url: second.url)], rtspTransport: .tcp)
        let findings = await probe.run()
        #expect(findings.origins[1].transport == "tcp")
        #expect(findings.splices.first?.grade == .packetExact, "\(findings.splices)")
        #expect(findings.splices.first?.obstacle == "not the same bytes: \(second.url) delivers packets")
    }

    @Test func saysWhatCannotBe() async throws {
        let fixed = try await origin("main.mp4", faults: [try Fault(parsing: "status=457:play@requests=1")])
        let secret = try await origin("main.mp4") {
            $0.credentials = RTSPCredentials(user: "viewer", password: "secret")
        }
        let gone = try await origin("main.mp4")
        try await gone.origin.stop()
        let findings = await (try Probe([fixed, secret, gone].map { Origin(url: $0.url) })).run()
        #expect(findings.origins[0].error == nil && !findings.origins[0].isSeekable, "\(findings.origins[0])")
        #expect(findings.origins[1].error?.code == .noOriginUsable, "\(findings.origins[1])")
        #expect(
            findings.origins[1].error?.message.contains("user and a password") ?? false, "\(findings.origins[1])")
        #expect(findings.origins[2].error?.code == .noOriginUsable, "\(findings.origins[2])")
        #expect(findings.splices.map(\.grade) == [nil, nil])
    }
}
