internal import Testing
internal import ThroughlineCore
internal import ThroughlineLab
internal import ThroughlineMedia
internal import ThroughlineTransport

@testable internal import Throughline

/// Two origins deliver the same over UDP, and the network loses of both.
@Suite("In a world, losses filled from a second session", .inWorlds) struct WorldRTSPMergeTests {
    /// What came of one of them.
    private struct Taken: Sendable {
        var pictures: Set<MediaTime> = []
        var losses: [Int: FlowLosses] = [:]
        var findings: [String] = []
        var total: FlowLosses { losses.values.reduce(into: FlowLosses()) { $0 += $1 } }
    }

    private func open(_ origin: RTSPOrigin, from start: NPT) throws -> RTSPIngest {
        try RTSPIngest.forProbing(
            Origin(url: origin.film), bound: .seconds(5), abort: AbortSwitch(), transport: .udp,
            start: start, isExact: true)
    }

    /// Reads up to an NPT.
    private func read(_ ingest: RTSPIngest, to end: NPT) throws -> Taken {
        var taken = Taken()
        while let packet = try ingest.read(), let pts = packet.pts, pts < end {
            if ingest.flows[packet.flow].kind == .video { taken.pictures.insert(pts) }
        }
        taken.losses = ingest.takeLosses()
        taken.findings = ingest.takeFindings().map(\.text)
        return taken
    }

    /// Two that lose, each by its own chance, which is the same each time.
    private func lossyOrigins(_ world: SimulatedWorld, byNetwork: Bool = false) throws -> [RTSPOrigin] {
        try ([1, 2] as [UInt64]).map { seed in
            var options = RTSPOrigin.Options()
            options.seed = seed
            if byNetwork {
                let link = NetworkLink(
                    latency: .milliseconds(10), jitter: .milliseconds(5), loss: 5, duplication: 2, reordering: 10)
                return try world.pair(options: options, link: link).first
            }
            return try world.pair("main.mkv", "loss=5% reorder=10%", options: options).first
        }
    }

    /// Each starts at an NPT of its own, as a standby does that was opened later.
    @Test(.timeLimit(.minutes(25)), arguments: [false, true], [false, true])
    func whatOneLosesComesFromTheOther(isMerged: Bool, byNetwork: Bool) async throws {
        let taken = try await inWorld { world in
            let origins = try lossyOrigins(world, byNetwork: byNetwork)
            let played = try open(origins[0], from: .zero)
            let other = try open(origins[1], from: .milliseconds(200))
            let link = RTSPTwinLink(buffer: .seconds(2))
            link.standsBy(isMerged ? other.twinEnd : nil)
            link.plays(played.twinEnd)
            nonisolated(unsafe) let handed = other  // Read by that thread alone, until it was joined.
            let thread = WorkerThread(name: "other") { _ = try? read(handed, to: .seconds(9)) }
            let taken = try read(played, to: .seconds(8))
            thread.join()
            return taken
        }
        let total = taken.total
        #expect(taken.findings.isEmpty, "\(taken.findings)")
        guard isMerged else {
            #expect(total.packets > 20 && total.filled == 0, "\(total)")
            return
        }
        #expect(total.filled > 15, "\(total)")
        #expect(total.packets < total.filled, "\(total)")
        #expect(taken.losses.values.allSatisfy { $0.filled > 0 }, "of each flow: \(taken.losses)")
        #expect(taken.pictures.count >= 200 - 2 * total.packets, "\(taken.pictures.count)")
    }

    /// A whole play, in which the origin that is played breaks in the middle.
    @Test(.timeLimit(.minutes(25)), arguments: [Standby.warm, .hot]) func aHotStandbyFills(_ standby: Standby)
        async throws
    {
        let play = try await inWorld { world in
            let origins = try lossyOrigins(world)
            origins[0].inject(try Fault(parsing: "close@npt=6"))
            return try world.play(origins.map(\.film)) {
                $0.standby = standby
                $0.rtspTransport = .udp
                $0.to = .seconds(8)
            }
        }
        let total = play.summary.flows.reduce(into: FlowLosses()) { $0 += $1.losses }
        #expect(play.summary.error == nil && play.summary.handoffCount >= 1, "\(play.story)")
        guard standby == .hot else {
            #expect(total.filled == 0 && total.packets > 20, "\(play.story)")
            return
        }
        // What was lost before the standby delivered, and after it was played, was lost.
        #expect(total.filled > 10, "\(play.story)")
    }
}
