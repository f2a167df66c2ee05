internal import Glibc
internal import Testing
internal import Throughline
internal import ThroughlineCore

/// A session with GStreamer's RTSP server through every fault of that server: what is decoded is what an uninterrupted
/// play decodes, to the last frame, and nobody had to wait.
///
/// Two servers play the same file in real time, as they do: nothing that was missed is ever caught up with.
/// `THROUGHLINE_RUNS=20` repeats every cell so often.
@Suite("RTSP through every fault of its server", .inSlots) struct RTSPFaultTests {
    enum Fault: String, CaseIterable, Sendable {
        case killed, frozen, closed

        var causes: [ChangeEvent.Cause] {
            switch self {
            case .frozen: [.silence]
            default: [.closedEarly, .reset, .portUnreachable]
            }
        }
    }

    struct Cell: Sendable, CustomTestStringConvertible {
        let file: String
        let transport: RTSPTransportChoice
        let fault: Fault
        let run: Int
        var testDescription: String { "\(file) \(transport) \(fault) #\(run)" }

        /// Each fault over each transport, and each of the other files once.
        static let all = (1...FaultMatrixTests.Cell.runs).flatMap { run in
            let cells =
                [RTSPTransportChoice.tcp, .udp].flatMap { transport in
                    Fault.allCases.map { ("main.mkv", transport, $0) }
                } + [("main.mp4", .udp, .killed), ("hevc.mp4", .tcp, .killed)]
            return cells.map { Cell(file: $0, transport: $1, fault: $2, run: run) }
        }
    }

    @Test(
        "frames and samples are those of an uninterrupted play",
        .timeLimit(.minutes(25 * FaultMatrixTests.Cell.runs)), arguments: Cell.all)
    func plays(_ cell: Cell) async throws {
        let expected = try await RTSPReferences.shared.frames(cell.file)
        let (first, second) = (try await RTSPServer.start(), try await RTSPServer.start())
        let (play, lateness) = try await Lateness.measured {
            try await Play.run([first.url(cell.file), second.url(cell.file)]) {
                $0.rtspTransport = cell.transport
            } whilePlaying: { stream in
                guard await stream.reaches(.seconds(3)) else { return }
                switch cell.fault {
                case .killed: first.vanish()
                case .frozen: first.freeze()
                default: first.closeConnections()
                }
            }
        }
        let summary = play.summary
        #expect(summary.error == nil, "\(play.story)")
        #expect(summary.handoffCount == 1, "\(play.story)")
        let handoff = try #require(summary.handoffs.first, "\(play.story)")
        // A server that has no turn for a while is silent before it can close anything.
        let wasLate = lateness > .milliseconds(30) && handoff.event.cause == .silence
        #expect(cell.fault.causes.contains(handoff.event.cause) || wasLate, "\(lateness) late\n\(play.story)")
        #expect(handoff.grade == .packetExact, "\(play.story)")
        #expect(summary.missing == .zero, "\(play.story)")
        #expect(summary.duplicate == .zero, "\(play.story)")
        #expect(summary.gapTotal == .zero, "\(play.story)")
        let difference = play.frames.difference(from: expected, tolerance: 0.0025)
        #expect(difference == nil, "\(play.story)")
    }

    struct Mixed: Sendable, CustomTestStringConvertible {
        let file: String
        let isFromRTSP: Bool
        var testDescription: String { isFromRTSP ? "\(file): RTSP to HTTP" : "\(file): HTTP to RTSP" }
    }

    @Test(
        "the same encode over HTTP goes on with the next packet, both ways", .timeLimit(.minutes(25)),
        arguments: [
            Mixed(file: "main.mkv", isFromRTSP: true), Mixed(file: "main.mp4", isFromRTSP: false),
        ])
    func acrossProtocols(_ pair: Mixed) async throws {
        let rtsp = try await RTSPServer.start()
        let http = try await NginxServer.start(for: pair.file)
        let urls = [rtsp.url(pair.file), http.url(pair.file)]
        let play = try await Play.run(pair.isFromRTSP ? urls : urls.reversed(), buffer: .seconds(2)) {
            $0.rtspTransport = .tcp
        } whilePlaying: { stream in
            guard await stream.reaches(.seconds(3)) else { return }
            pair.isFromRTSP ? rtsp.vanish() : http.vanish()
        }
        let summary = play.summary
        #expect(summary.error == nil, "\(play.story)")
        #expect(summary.handoffCount == 1, "\(play.story)")
        #expect(summary.handoffs.first?.grade == .packetExact, "\(play.story)")
        #expect(summary.missing == .zero && summary.duplicate == .zero, "\(play.story)")
        #expect(summary.gapTotal == .zero, "\(play.story)")
        #expect(play.frames.timesRise, "\(play.story)")
        let whole = try await References.shared.frames(pair.file)
        // Where the first server does not send the priming of the sound, it is not there.
        let (mine, theirs) = (play.frames.only("video"), whole.only("video"))
        #expect(mine.difference(from: theirs, tolerance: nil) == nil, "\(play.story)")
    }
}

/// Uninterrupted plays from an RTSP server, made once for each file.
actor RTSPReferences {
    static let shared = RTSPReferences()
    private var made: [String: Task<Frames, any Error>] = [:]

    func frames(_ file: String) async throws -> Frames {
        if let task = made[file] { return try await task.value }
        let task = Task {
            let server = try await RTSPServer.start()
            let play = try await Play.run([server.url(file)]) { $0.rtspTransport = .tcp }
            guard play.summary.error == nil, play.summary.gapTotal == .zero else {
                throw SupportFailure(description: "\(file) does not play: \(play.story)")
            }
            // What is shown is what the file holds.
            let whole = try await References.shared.frames(file)
            let (mine, theirs) = (play.frames.only("video"), whole.only("video"))
            if let difference = mine.difference(from: theirs, tolerance: nil) {
                throw SupportFailure(description: "\(file) over RTSP: \(difference)\n\(play.story)")
            }
            return play.frames
        }
        made[file] = task
        return try await task.value
    }
}
