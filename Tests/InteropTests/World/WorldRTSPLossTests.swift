internal import Testing
internal import Throughline
internal import ThroughlineCore
internal import ThroughlineLab

/// Networks that lose, double, delay and reorder datagrams: what comes is shown, and what does not come is told as it is.
@Suite("In a world, RTP over networks that lose", .inWorlds) struct WorldRTSPLossTests {
    static let seeds = WorldSeeds.schedules(3)

    private func play(_ file: String, _ link: NetworkLink, seed: UInt64, origins: Int = 1) async throws -> Play {
        try await inWorld(seed: seed) { world in
            let pair = try world.pair(file, link: link)
            return try world.play(Array(pair.urls.prefix(origins)), buffer: .seconds(2)) { $0.rtspTransport = .udp }
        }
    }

    @Test(
        "what is reordered, doubled or late is whole", .timeLimit(.minutes(25)), arguments: ["main.mkv", "hevc.ts"],
        seeds)
    func ordered(_ file: String, seed: UInt64) async throws {
        let expected = try await WorldReferences.shared.frames(file, to: nil)
        let link = NetworkLink(
            latency: .milliseconds(20), jitter: .milliseconds(15), duplication: 10, reordering: 20,
            holdBack: .milliseconds(20))
        let play = try await play(file, link, seed: seed, origins: 2)
        play.expectUnnoticed(expected)
        #expect(play.summary.handoffCount == 0, "\(play.story)")
        #expect(play.summary.flows.allSatisfy { $0.losses == FlowLosses() }, "\(play.story)")
    }

    /// Nothing is absent that is not told as lost, and no more is told as missing than is absent.
    @Test(
        "what is lost is told as it is", .timeLimit(.minutes(25)), arguments: ["main.mkv", "hevc.ts", "audio.aac"],
        seeds)
    func lost(_ file: String, seed: UInt64) async throws {
        let whole = try await play(file, NetworkLink(), seed: seed)
        let link = NetworkLink(
            latency: .milliseconds(20), jitter: .milliseconds(5), loss: 2, duplication: 2, reordering: 5)
        let play = try await play(file, link, seed: seed)
        #expect(play.summary.error == nil && play.summary.handoffCount == 0, "\(play.story)")
        #expect(play.summary.duplicate == .zero && play.frames.timesRise, "\(play.story)")
        var lost = 0
        for (flow, all) in zip(play.summary.flows, whole.summary.flows) {
            lost += flow.losses.packets
            let absent = all.packets - flow.packets
            let length = MediaTime.seconds(12) * Rate(1, Int32(all.packets)) * Rate(Int32(absent))
            // Every hole is known to a few milliseconds, but for one that comes before it is known how long a step is.
            let (rounding, one) = (
                MediaTime.milliseconds(5) * Rate(Int32(absent)), MediaTime.seconds(12) * Rate(1, Int32(all.packets))
            )
            #expect(
                absent >= 0 && flow.missing <= length + rounding && flow.missing >= length - one - rounding,
                "\(flow.description.text): \(absent) of \(all.packets) absent, \(flow.missing) missing\n\(play.story)")
            // A packet of sound may hold a dozen frames, and a picture may be spread over several packets.
            let most =
                flow.description.kind == .video ? flow.losses.units + flow.losses.packets : flow.losses.packets * 13
            #expect(absent <= most, "\(flow.description.text): \(absent) absent, \(flow.losses)\n\(play.story)")
        }
        #expect(lost > 0, "\(play.story)")
    }
}
