internal import Testing
internal import Throughline
internal import ThroughlineCore
internal import ThroughlineLab

/// Every way in which an RTSP server makes its clients leave, in a world: the agent names the right cause, goes on elsewhere,
/// and shows every frame of an uninterrupted play in time; whatever the container, the codec, the way of the media, the
/// standby, the buffer and the network.
///
/// Each seed gives a cell other surroundings: `THROUGHLINE_SEEDS=24` goes through all of them.
@Suite("In a world, RTSP through every fault of its server", .inWorlds) struct WorldRTSPTests {
    struct Case: Sendable {
        /// What goes wrong with the first origin, as the lab reads it.
        let faults: String
        let causes: [ChangeEvent.Cause]
        var transports: [RTSPTransportChoice] = [.tcp, .udp]
        /// The origin that it ends on.
        var ends = 1
        /// The flows that a file must have.
        var flows = 1
    }

    static let cases = [
        // Where the media go by UDP, the lab breaks the control connection.
        Case(faults: "reset@npt=3", causes: [.reset]),
        Case(faults: "close@npt=3", causes: [.closedEarly]),
        Case(faults: "reset@npt=3 refuse", causes: [.reset]),
        Case(faults: "reset@npt=3 silent", causes: [.reset]),
        Case(faults: "close@npt=3 status=404", causes: [.closedEarly]),
        Case(faults: "close@npt=3 status=453:setup", causes: [.closedEarly]),
        Case(faults: "close@npt=3 status=503:describe,retry-after=2", causes: [.closedEarly]),
        Case(faults: "reset@npt=3,once", causes: [.reset], ends: 0),
        Case(faults: "stall@npt=3", causes: [.silence]),
        Case(faults: "stall@npt=3 silent", causes: [.silence]),
        Case(faults: "silent-flow=0@npt=3", causes: [.silence]),
        Case(faults: "silent-flow=1@npt=3", causes: [.silence], flows: 2),
        Case(faults: "close-ports@npt=3", causes: [.portUnreachable], transports: [.udp]),
        Case(faults: "close-ports@npt=3", causes: [.portUnreachable], transports: [.auto]),
        Case(faults: "bye@npt=3", causes: [.endedByServer]),
        Case(faults: "teardown@2s", causes: [.endedByServer]),
        Case(faults: "announce=5401@2s", causes: [.announced]),
        Case(faults: "announce=2101@2s", causes: [.endedByServer]),
        Case(faults: "notify=end-of-stream@2s", causes: [.endedByServer]),
        Case(faults: "session-lost@2s", causes: [.sessionLost, .silence, .portUnreachable]),
    ]

    /// Long enough for a handoff at 3 s, and whatever follows it.
    static let end: NPT = .seconds(6)

    struct Cell: Sendable, CustomTestStringConvertible {
        let file: String
        let test: Case
        let transport: RTSPTransportChoice
        let buffer: Int
        let standby: Standby
        let latency: Int
        let seed: UInt64
        var testDescription: String {
            "\(file) \(test.faults) over \(transport), \(buffer) s, \(standby), \(latency) ms, seed \(seed)"
        }

        static let files = [
            "main.mkv", "main.mp4", "main-fragmented.mp4", "main.ts", "hevc.mp4", "hevc.ts", "opengop.ts", "audio.mp3",
            "audio.aac",
        ]
        /// The first file with every case over both transports, each of the others with a fifth of the cases over one of
        /// them; other ones for each seed, and in other surroundings.
        static let all: [Cell] = {
            var cells: [Cell] = []
            for seed in WorldSeeds.all {
                // Steps that meet every combination of surroundings.
                var turn = Int(truncatingIfNeeded: seed) * 7
                for (row, file) in files.enumerated() {
                    for (number, test) in cases.enumerated()
                    where file == files[0] || (row + number + Int(seed % 5)).isMultiple(of: 5) {
                        if test.flows > 1, file.hasPrefix("audio") { continue }
                        let all = test.transports
                        let transports = file == files[0] ? all : [all[turn % all.count]]
                        for transport in transports {
                            turn += 7
                            cells.append(
                                Cell(
                                    file: file, test: test, transport: transport, buffer: 1 + turn / 2 % 2,
                                    standby: [.cold, .warm, .hot][turn / 4 % 3], latency: [0, 20][turn / 12 % 2],
                                    seed: seed))
                        }
                    }
                }
            }
            return cells
        }()
    }

    @Test(
        "frames and samples are those of an uninterrupted play", .timeLimit(.minutes(25)), arguments: Cell.all)
    func plays(_ cell: Cell) async throws {
        let expected = try await WorldReferences.shared.frames(cell.file, to: Self.end)
        let play = try await inWorld(seed: cell.seed) { world in
            let link = NetworkLink(latency: .milliseconds(cell.latency), jitter: .milliseconds(cell.latency / 4))
            let pair = try world.pair(cell.file, cell.test.faults, link: link)
            return try world.play(pair.urls, buffer: .seconds(cell.buffer)) {
                $0.rtspTransport = cell.transport
                $0.standby = cell.standby
                $0.to = Self.end
            }
        }
        var problems = play.problems(expected: expected)
        func expect(_ holds: Bool, _ problem: @autoclosure () -> String) { if !holds { problems.append(problem()) } }
        let handoffs = play.summary.handoffs
        // An origin with a clean record is asked again once when its connection breaks.
        expect((1...2).contains(handoffs.count), "\(handoffs.count) handoffs")
        // Of sound that comes in long pieces the silence shows before the closed port does.
        let isSparse = cell.file.hasPrefix("audio") && cell.test.causes == [.portUnreachable]
        let causes = cell.test.causes + (isSparse ? [.silence] : [])
        expect(handoffs.first.map { causes.contains($0.event.cause) } ?? true, "another cause")
        expect(handoffs.allSatisfy { $0.grade == .packetExact }, "grades \(handoffs.map(\.grade))")
        // With nobody ready it is asked again before others are.
        let ends = cell.standby == .cold ? cell.test.ends : 1
        expect(handoffs.last?.to == OriginID(ends), "went to \(handoffs.map(\.to))")
        if !problems.isEmpty {
            Issue.record("\(problems.joined(separator: "; "))\n\(cell.testDescription)\n\(play.story)")
        }
    }

    @Test(
        "an undisturbed play is whole", .timeLimit(.minutes(25)),
        arguments: zip(Cell.files, [RTSPTransportChoice.udp, .tcp, .udp, .tcp, .udp, .tcp, .udp, .tcp, .udp]))
    func undisturbed(_ file: String, _ transport: RTSPTransportChoice) async throws {
        let expected = try await WorldReferences.shared.frames(file, to: nil)
        let (play, pair) = try await inWorld { world in
            let link = NetworkLink(latency: .milliseconds(30), jitter: .milliseconds(10))
            let pair = try world.pair(file, link: link)
            return (try world.play(pair.urls) { $0.rtspTransport = transport }, pair)
        }
        play.expectUnnoticed(expected)
        #expect(play.summary.handoffCount == 0 && pair.second.log.isEmpty, "\(play.story)")
    }

    /// A quarter of a second of sound in each packet: the last one comes as long after the one before, and is waited for.
    @Test("sound in long pieces is heard to its end", .timeLimit(.minutes(25)), arguments: [9122, 9200], [1, 3])
    func longPieces(at milliseconds: Int64, buffer: Int) async throws {
        let expected = try await WorldReferences.shared.frames("audio.mp3", to: nil)
        let play = try await inWorld { world in
            let pair = try world.pair("audio.mp3", link: NetworkLink(latency: .milliseconds(14)))
            world.at(.milliseconds(milliseconds)) { pair.first.inject(Fault(.rtsp(.teardown))) }
            return try world.play(pair.urls, buffer: .seconds(buffer)) { $0.rtspTransport = .udp }
        }
        play.expectUnnoticed(expected)
        #expect(play.changes.map(\.cause) == [.endedByServer], "\(play.story)")
    }

    @Test(
        "the same encode over HTTP goes on with the next packet, both ways", .timeLimit(.minutes(25)),
        arguments: zip(["main.mkv", "main.mp4", "main.ts", "hevc.mp4"], [true, false, true, false]))
    func acrossProtocols(_ file: String, isFromRTSP: Bool) async throws {
        let whole = try await References.shared.frames(file)
        let play = try await inWorld { world in
            let (rtsp, http) = (try world.pair(file).first, try world.origin(file, pace: isFromRTSP ? nil : Rate(5, 4)))
            let urls = [rtsp.film, http.film]
            return try world.play(isFromRTSP ? urls : urls.reversed(), buffer: .seconds(2)) {
                $0.rtspTransport = .tcp
            } whilePlaying: { viewer in
                guard viewer.reaches(.seconds(3)) else { return }
                isFromRTSP ? rtsp.kill() : http.kill()
            }
        }
        let summary = play.summary
        #expect(summary.error == nil && summary.handoffCount == 1, "\(play.story)")
        #expect(summary.handoffs.first?.grade == .packetExact, "\(play.story)")
        #expect(summary.missing == .zero && summary.duplicate == .zero, "\(play.story)")
        #expect(summary.gapTotal == .zero && play.frames.timesRise, "\(play.story)")
        let difference = play.frames.only("video").difference(from: whole.only("video"), tolerance: nil)
        #expect(difference == nil, "\(play.story)")
    }
}
