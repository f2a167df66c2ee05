internal import Testing
internal import Throughline
internal import ThroughlineCore
internal import ThroughlineLab

/// The ledger in a whole play: it agrees with the timestamps, and it stands in for them.
@Suite("In a world, the ledger", .inWorlds) struct WorldLedgerTests {
    /// Pictures that are not reordered, and MP3, both at a constant rate.
    ///
    /// - Parameter rich: has twice the rate of pictures.
    fileprivate static func constant(_ place: borrowing TemporaryDirectory, seconds: Int, isRich: Bool) async throws
        -> String
    {
        let path = place.path(isRich ? "rich.mp4" : "poor.mp4")
        let rate = isRich ? 400 : 200
        let made = try await Tool.run([
            "ffmpeg", "-v", "error", "-nostdin", "-f", "lavfi", "-i",
            "testsrc2=size=320x180:rate=25:duration=\(seconds)", "-f", "lavfi", "-i",
            "aevalsrc=0.3*sin(2*PI*(150*t+7*t*t)):s=44100:d=\(seconds)", "-c:v", "libx264", "-threads", "1", "-preset",
            "veryfast", "-bf", "0", "-g", "25", "-b:v", "\(rate)k", "-minrate", "\(rate)k", "-maxrate", "\(rate)k",
            "-bufsize", "\(rate / 4)k", "-x264-params", "nal-hrd=cbr", "-c:a", "libmp3lame", "-b:a",
            isRich ? "64k" : "40k", "-y", path,
        ])
        guard made.status == 0 else { throw SupportFailure(description: "ffmpeg: \(made.errors)") }
        return path
    }

    @Test(
        "a stream without any timestamp is handed off by what was counted", .timeLimit(.minutes(25)),
        arguments: ["frozen-timestamps", "random-timestamps", "frozen-timestamps@npt=2", "random-timestamps@npt=2"],
        [RTSPTransportChoice.tcp, .udp])
    func handsOff(_ fault: String, transport: RTSPTransportChoice) async throws {
        let (file, whole) = try await ConstantFilm.shared.play()
        // Among thrown timestamps one in some thousands looks like a hole: a first one that does would be taken for it.
        var options = RTSPOrigin.Options()
        options.seed = 1
        let (play, pair) = try await LabPair.play(
            file, "\(fault) no-rtp-info no-reports", over: transport, options: options
        ) { viewer, pair in
            guard viewer.reaches(.seconds(5)) else { return }
            pair.first.kill()
        }
        #expect(play.summary.error == nil, "\(play.story)")
        #expect(play.summary.handoffCount == 1, "\(play.story)")
        let handoff = try #require(play.summary.handoffs.first, "\(play.story)")
        #expect(handoff.grade == .packetExact, "\(play.story)")
        #expect(handoff.positions.count == 2)
        #expect(handoff.positions.allSatisfy { $0.position.position.basis == .ledger }, "\(handoff.positions)")
        // The ledger's place is where the flow truly is, and that is what the next origin was asked for.
        for flow in handoff.flows {
            let last = try #require(flow.lastBefore)
            let ledger = try #require(handoff.positions.first { $0.flow == flow.flow }?.position.position.npt)
            #expect((ledger - last).magnitude <= .milliseconds(500), "\(handoff.positions)")
        }
        let asked = try #require(pair.second.log.first { $0.method == "PLAY" }?.range)
        let start = try #require(Double(asked.dropFirst("npt=".count).prefix { $0 != "-" }))
        let npt = Double(handoff.npt.nanoseconds) / 1e9
        #expect(start <= npt && npt - start <= 0.5, "\(asked) for \(npt)")
        // Every frame once, in order, and at the pace of playing.
        // Where the timestamps stand still from the beginning, it takes a second to see.
        #expect(
            play.summary.gaps.allSatisfy { fault == "frozen-timestamps" && $0.npt < .seconds(1) }, "\(play.story)")
        #expect(play.summary.missing == .zero && play.summary.duplicate == .zero, "\(play.story)")
        let (mine, theirs) = (play.frames, whole)
        // Sound that is not known at the opening is decoded by another decoder.
        let parts = transport == .udp ? (mine.only("video"), theirs.only("video")) : (mine, theirs)
        #expect(parts.0.difference(from: parts.1, tolerance: 0.1) == nil, "\(play.story)")
        #expect(mine.flows.map(\.frames.count) == theirs.flows.map(\.frames.count))
        #expect(play.frames.timesRise, "\(play.story)")
        #expect(play.summary.warnings.contains { $0.contains("the position is counted") }, "\(play.story)")
    }

    /// Two changes of the bandwidth, each of which makes the server go on with another encode, and one of the scale.
    @Test("ledger and timestamps agree through changes of bandwidth and scale", .timeLimit(.minutes(25)))
    func agrees() async throws {
        let place = try TemporaryDirectory()
        let poor = try await Self.constant(place, seconds: 30, isRich: false)
        let rich = try await Self.constant(place, seconds: 30, isRich: true)
        let (play, origin) = try await inWorld { world in
            var options = RTSPOrigin.Options()
            options.encodes = ["/film": [poor]]
            let origin = try world.pair(rich, options: options).first
            let play = try world.play([origin.film], patience: .seconds(90)) {
                $0.rtspTransport = .tcp
            } whilePlaying: { viewer in
                guard viewer.reaches(.seconds(6)) else { return }
                try viewer.player.limitBandwidth(to: 300_000)
                guard viewer.reaches(.seconds(13)) else { return }
                try viewer.player.setRate(Rate(2))
                guard viewer.reaches(.seconds(21)) else { return }
                try viewer.player.limitBandwidth(to: 600_000)
            }
            return (play, origin)
        }
        #expect(play.summary.error == nil, "\(play.story)")
        #expect(play.summary.handoffCount == 0, "\(play.story)")
        #expect(origin.log.count { $0.method == "PLAY" } >= 4, "\(origin.log.map(\.method))")
        #expect(play.summary.flows.count == 2)
        for flow in play.summary.flows {
            let position = try #require(flow.position)
            #expect(position.position.basis == .timestamps)
            let drift = try #require(position.drift, "\(position)")
            let bound = position.position.npt * Rate(1, 100) + .milliseconds(100)
            #expect(drift.magnitude <= bound, "\(flow.description.text): \(drift)")
            #expect(position.position.npt > .milliseconds(29_500))
        }
        #expect(!play.summary.warnings.contains { $0.contains("gone apart") }, "\(play.summary.warnings)")
    }

    @Test(
        "a data flow goes over RTP, and through a handoff", .timeLimit(.minutes(25)),
        arguments: [RTSPTransportChoice.tcp, .udp], [3900, 4050, 4200, 4350] as [Int64])
    func data(transport: RTSPTransportChoice, milliseconds: Int64) async throws {
        let (play, _) = try await LabPair.play("klv.ts", over: transport, containers: ["ts"]) { viewer, pair in
            guard viewer.reaches(.milliseconds(milliseconds)) else { return }
            pair.first.kill()
        }
        #expect(play.summary.error == nil, "\(play.story)")
        #expect(play.summary.handoffCount == 1, "\(play.story)")
        #expect(play.summary.gapTotal == .zero, "\(play.story)")
        // What data takes to be joined the buffer does not hold twice: it is not filled again at that price.
        #expect(!play.summary.warnings.contains { $0.contains("in the buffer") }, "\(play.story)")
        let flow = try #require(play.summary.flows.first { $0.description.kind == .data })
        #expect(flow.description.codec == "klv")
        #expect(flow.packets == 24)
        #expect(try #require(flow.position).position.npt >= .milliseconds(11_400), "\(flow)")
        let handoff = try #require(play.summary.handoffs.first)
        let standing = try #require(handoff.positions.first { $0.flow == flow.description.index })
        #expect((standing.position.position.npt - handoff.npt).magnitude < .seconds(1), "\(handoff.positions)")
        let (mine, whole) = (try await Self.units(play.output("ts")), try await Self.units(Fixtures.path("klv.ts")))
        #expect(whole.count == 24)
        #expect(mine == whole)
    }

    /// The units of the data flow of a file, as hashes.
    private static func units(_ path: String) async throws -> [String] {
        let tool = try await Tool.run([
            "ffprobe", "-v", "error", "-select_streams", "d", "-show_data_hash", "md5", "-show_entries",
            "packet=data_hash", "-of", "csv=p=0", path,
        ])
        // Side data has a column of its own.
        return tool.output.split(whereSeparator: { $0 == "," || $0.isNewline }).filter { $0.hasPrefix("MD5:") }.map(
            String.init)
    }
}

/// Ten seconds at a constant rate, and what is seen and heard of them; made once.
private actor ConstantFilm {
    static let shared = ConstantFilm()
    private let place = Result { try TemporaryDirectory() }
    private var made: Task<(file: String, frames: Frames), any Error>?

    func play() async throws -> (file: String, frames: Frames) {
        if let made { return try await made.value }
        let place = try place.get()
        let task = Task {
            let file = try await WorldLedgerTests.constant(place, seconds: 10, isRich: false)
            let whole = try await inWorld { world in
                try world.play([world.pair(file).first.film], pacing: .fast) { $0.rtspTransport = .tcp }
            }
            return (file: file, frames: whole.frames)
        }
        made = task
        return try await task.value
    }
}
