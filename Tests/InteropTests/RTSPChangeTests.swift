internal import Testing
internal import Throughline
internal import ThroughlineCore
internal import ThroughlineLab

/// Every way in which an RTSP server makes its clients leave: the agent names the right cause, goes on elsewhere, and shows
/// every frame of an uninterrupted play in time.
///
/// Both servers deliver in real time, and the buffer holds one second.
@Suite("Change events of RTSP", .inSlots) struct RTSPChangeTests {
    struct Case: Sendable, CustomTestStringConvertible {
        /// What goes wrong with the first origin, as the lab reads it.
        let faults: String
        let causes: [ChangeEvent.Cause]
        var transports: [RTSPTransportChoice] = [.tcp, .udp]
        /// The origin that it ends on.
        var ends = 1
        var testDescription: String { faults }
    }

    struct Cell: Sendable, CustomTestStringConvertible {
        let test: Case
        let transport: RTSPTransportChoice
        var testDescription: String { "\(test.faults) over \(transport)" }

        static func all(_ cases: [Case]) -> [Cell] {
            cases.flatMap { test in test.transports.map { Cell(test: test, transport: $0) } }
        }
    }

    /// Long enough for a handoff at 3 s, and whatever follows it.
    static let end: NPT = .seconds(6)

    static let breaks = [
        // Where the media go by UDP, the lab breaks the control connection.
        Case(faults: "reset@npt=3", causes: [.reset]),
        Case(faults: "close@npt=3", causes: [.closedEarly]),
        Case(faults: "reset@npt=3 refuse", causes: [.reset]),
        Case(faults: "reset@npt=3 silent", causes: [.reset]),
        Case(faults: "close@npt=3 status=404", causes: [.closedEarly]),
        Case(faults: "reset@npt=3,once", causes: [.reset], ends: 0),
        Case(faults: "stall@npt=3", causes: [.silence]),
        Case(faults: "stall@npt=3 silent", causes: [.silence]),
        Case(faults: "silent-flow=0@npt=3", causes: [.silence]),
        Case(faults: "silent-flow=1@npt=3", causes: [.silence]),
        Case(faults: "close-ports@npt=3", causes: [.portUnreachable], transports: [.udp]),
        Case(faults: "close-ports@npt=3", causes: [.portUnreachable], transports: [.auto]),
    ]

    static let signs = [
        Case(faults: "bye@npt=3", causes: [.endedByServer]),
        Case(faults: "teardown@2s", causes: [.endedByServer]),
        Case(faults: "announce=5401@2s", causes: [.announced]),
        Case(faults: "announce=2101@2s", causes: [.endedByServer]),
        Case(faults: "notify=end-of-stream@2s", causes: [.endedByServer]),
        Case(faults: "session-lost@2s", causes: [.sessionLost, .silence, .portUnreachable]),
    ]

    @Test(
        "a connection that breaks or falls silent", .timeLimit(.minutes(25)), arguments: Cell.all(breaks))
    func connection(_ cell: Cell) async throws { try await plays(cell) }

    @Test("what a server says of itself", .timeLimit(.minutes(25)), arguments: Cell.all(signs))
    func said(_ cell: Cell) async throws { try await plays(cell) }

    private func plays(_ cell: Cell) async throws {
        let expected = try await Beginnings.shared.frames("main.mkv", to: Self.end)
        let faults = try cell.test.faults.split(separator: " ").map { try Fault(parsing: String($0)) }
        let pair = try await LabPair.start(faults: faults)
        let play = try await Play.run(pair.urls) {
            $0.rtspTransport = cell.transport
            $0.to = Self.end
        }
        play.expectUnnoticed(expected)
        // An origin with a clean record is asked again once when its connection breaks.
        #expect((1...2).contains(play.summary.handoffCount), "\(play.story)")
        let handoff = try #require(play.summary.handoffs.first, "\(play.story)")
        #expect(cell.test.causes.contains(handoff.event.cause), "\(play.story)")
        #expect(play.summary.handoffs.allSatisfy { $0.grade == .packetExact }, "\(play.story)")
        #expect(play.summary.handoffs.last?.to == OriginID(cell.test.ends), "\(play.story)")
    }
}

/// How an RTSP presentation ends when nothing is wrong: that is never taken for a fault.
@Suite("The true end of RTSP", .inSlots) struct RTSPEndTests {
    struct Ending: Sendable, CustomTestStringConvertible {
        let faults: String
        let transport: RTSPTransportChoice
        var testDescription: String { "\(faults.isEmpty ? "BYE" : faults) over \(transport)" }
    }

    @Test(
        "the end is the end", .timeLimit(.minutes(25)),
        arguments: ["", "notify=end-of-stream@npt=11.8", "announce=2101@npt=11.8"].flatMap { faults in
            [RTSPTransportChoice.tcp, .udp].map { Ending(faults: faults, transport: $0) }
        })
    func ends(_ ending: Ending) async throws {
        let expected = try await Beginnings.shared.frames("main.mkv", to: nil)
        let pair = try await LabPair.start(faults: ending.faults.isEmpty ? [] : [Fault(parsing: ending.faults)])
        let play = try await Play.run(pair.urls) { $0.rtspTransport = ending.transport }
        play.expectUnnoticed(expected)
        #expect(play.changes.isEmpty, "\(play.story)")
        #expect(pair.second.log.isEmpty, "\(play.story)")
    }

    @Test("a goodbye in the last second is no end while another origin has more", .timeLimit(.minutes(25)))
    func goodbyeTooEarly() async throws {
        let expected = try await Beginnings.shared.frames("main.mkv", to: nil)
        let pair = try await LabPair.start(faults: [Fault(parsing: "bye@npt=11.4")])
        // At full speed: with a clock, a lab that has no turn on a busy machine is left as too slow before.
        let play = try await Play.run(pair.urls, pacing: .fast) { $0.rtspTransport = .tcp }
        play.expectUnnoticed(expected)
        #expect(play.changes.map(\.cause) == [.endedByServer], "\(play.story)")
    }

    @Test("a goodbye in the last second is the end when nobody has more", .timeLimit(.minutes(25)), arguments: [1, 2])
    func endBeforeTheRange(origins: Int) async throws {
        let early = [try Fault(parsing: "bye@npt=11.4")]
        let pair = try await LabPair.start(faults: early, secondFaults: early)
        let play = try await Play.run(Array(pair.urls.prefix(origins))) { $0.rtspTransport = .tcp }
        #expect(play.summary.error == nil, "\(play.story)")
        #expect(play.summary.gapTotal == .zero, "\(play.story)")
        #expect((play.summary.end ?? .zero) > .milliseconds(11_300), "\(play.story)")
    }
}
