internal import Testing
internal import Throughline
internal import ThroughlineCore
internal import ThroughlineLab

/// The operator sends the stream from one RTSP origin to another, and the viewer sees nothing of it.
@Suite("Migrate", .inSlots) struct MigrateTests {
    @Test("at a place over RTSP", .timeLimit(.minutes(25)), arguments: [RTSPTransportChoice.tcp, .udp])
    func overRTSP(_ transport: RTSPTransportChoice) async throws {
        let expected = try await Beginnings.shared.frames("main.mkv", to: .seconds(7))
        let pair = try await LabPair.start()
        let play = try await Play.run(pair.urls, buffer: .seconds(2)) {
            $0.rtspTransport = transport
            $0.to = .seconds(7)
        } whilePlaying: { stream in
            #expect(throws: Never.self) { try stream.migrate(to: OriginID(1), at: .seconds(4)) }
        }
        play.expectUnnoticed(expected)
        try play.expectJoined(at: .seconds(4))
    }

    @Test("now, there and back again", .timeLimit(.minutes(25)))
    func now() async throws {
        let expected = try await Beginnings.shared.frames("main.mkv", to: .seconds(8))
        let pair = try await LabPair.start()
        let play = try await Play.run(pair.urls) {
            $0.rtspTransport = .tcp
            $0.flows = .kinds([.video, .audio])
            $0.to = .seconds(8)
        } whilePlaying: { stream in
            for time in [1, 3] as [Int64] {
                guard await stream.reaches(.seconds(time)) else { return }
                #expect(throws: Never.self) { try stream.migrate() }
            }
        }
        play.expectUnnoticed(expected)
        #expect(play.summary.handoffs.map(\.to) == [OriginID(1), OriginID(0)], "\(play.story)")
        #expect(play.summary.handoffs.allSatisfy { $0.grade == .packetExact }, "\(play.story)")
        #expect(
            play.summary.origins.allSatisfy { $0.failures == 0 }, "nothing is wrong with an origin that is left")
    }
}
