internal import Testing
internal import Throughline
internal import ThroughlineCore
internal import ThroughlineLab

/// Random schedules of what goes wrong at two or three origins that speak RTSP, or of which some speak HTTP, in a world:
/// while some origin delivers nobody notices, and every frame is there.
///
/// `THROUGHLINE_SCHEDULES=1000` plays so many; `THROUGHLINE_FIRST=501` from that one on; `THROUGHLINE_SEED=7` that one alone.
@Suite("In a world, random schedules of faults over RTSP", .inWorlds) struct WorldRTSPScheduleTests {
    static let seeds = WorldSeeds.schedules(30, once: [125, 144, 150, 191, 378])
    /// Of origins of both protocols.
    static let mixedSeeds = WorldSeeds.schedules(10, once: [121, 573])

    /// What goes wrong at one origin, and from when to when.
    struct Outage: Sendable, CustomStringConvertible {
        enum Kind: String, CaseIterable, Sendable {
            case kill, stall, silent, refuse, reset, close, throttle, overloaded, lost, delay
            // Over RTSP; over HTTP a reset.
            case bye, teardown, announce, redirect, sessionLost, busy, closePorts
        }

        let origin: Int
        let kind: Kind
        let from: Duration
        let to: Duration
        var description: String { "origin \(origin) \(kind) from \(from.milliseconds) to \(to.milliseconds) ms" }
    }

    enum Place: Sendable { case rtsp, http }

    struct Schedule: Sendable, CustomStringConvertible {
        let file: String
        let buffer: Int
        let standby: Standby
        let transport: RTSPTransportChoice
        let places: [Place]
        let latency: Duration
        let outages: [Outage]
        /// When the viewer pauses, and for how long.
        let pause: (at: Duration, length: Duration)?

        /// - Parameter isMixed: whether there must be origins of both protocols; nil for what the seed draws.
        init(seed: UInt64, isMixed: Bool? = nil) {
            var draws = SeededDraws(seed: seed)
            file = draws.one(of: ["main.mp4", "main.ts", "main.mkv", "hevc.mp4", "hevc.ts", "audio.mp3"])
            buffer = draws.number(1...3)
            standby = draws.one(of: [.cold, .warm, .hot])
            transport = draws.one(of: [.tcp, .udp, .auto])
            let drawn = draws.isOne(in: 3)
            var places: [Place] = (0..<draws.number(2...3)).map { _ in
                isMixed ?? drawn ? draws.one(of: [.rtsp, .http]) : .rtsp
            }
            if isMixed == true, let last = places.last, !places.contains(where: { $0 != last }) {
                places[places.count - 1] = last == .rtsp ? .http : .rtsp
            }
            self.places = places
            latency = draws.isOne(in: 3) ? draws.milliseconds(1...40) : .zero
            var made: [Outage] = []
            // One after the other, so that there is always somebody who delivers.
            var time = draws.number(500...2500)
            while time < 10_500 {
                let length = draws.number(50...4000)
                made.append(
                    Outage(
                        origin: draws.number(0...places.count - 1), kind: draws.one(of: Outage.Kind.allCases),
                        from: .milliseconds(time), to: .milliseconds(time + length)))
                time += length + draws.number(1500...4000)
            }
            outages = made
            pause = draws.isOne(in: 5) ? (draws.milliseconds(1000...9000), draws.milliseconds(100...5000)) : nil
        }

        var description: String {
            "\(file) over \(transport), buffer \(buffer) s, \(standby), \(places), latency \(latency.milliseconds) ms: "
                + outages.map(\.description).joined(separator: ", ")
                + (pause.map { "; paused at \($0.at.milliseconds) for \($0.length.milliseconds) ms" } ?? "")
        }
    }

    @Test("while one delivers, nobody notices", .timeLimit(.minutes(25)), arguments: seeds)
    func schedules(_ seed: UInt64) async throws {
        try await Self.check(Schedule(seed: seed), seed: seed)
    }

    @Test(
        "of origins of both protocols, while one delivers, nobody notices", .timeLimit(.minutes(25)),
        arguments: mixedSeeds)
    func mixedSchedules(_ seed: UInt64) async throws {
        try await Self.check(Schedule(seed: seed, isMixed: true), seed: seed)
    }

    private static func check(_ schedule: Schedule, seed: UInt64) async throws {
        // What the first origin tells of the priming of sound is what is heard.
        let expected =
            switch schedule.places[0] {
            case .rtsp: try await WorldReferences.shared.frames(schedule.file, to: nil)
            case .http: try await Beginnings.shared.frames(schedule.file, to: nil)
            }
        let play = try await play(schedule, seed: seed)
        let problems = play.problems(expected: expected)
        if !problems.isEmpty {
            Issue.record(
                """
                \(problems.joined(separator: "; "))
                \(schedule)
                again with: THROUGHLINE_SEED=\(seed) bin/test --filter WorldRTSPScheduleTests
                \(play.story)
                """)
        }
    }

    @Test("the same seed gives the same events at the same times", .timeLimit(.minutes(25)), arguments: [3, 12])
    func repeats(_ seed: UInt64) async throws {
        let schedule = Schedule(seed: seed)
        let first = try await Self.play(schedule, seed: seed).story
        for _ in 0..<3 {
            let again = try await Self.play(schedule, seed: seed).story
            #expect(again == first, "\(schedule)")
        }
    }

    /// An origin of either kind.
    private enum Server: Sendable {
        case rtsp(RTSPOrigin)
        case http(HTTPOrigin)

        var film: String {
            switch self {
            case .rtsp(let origin): origin.film
            case .http(let origin): origin.film
            }
        }

        func kill() {
            switch self {
            case .rtsp(let origin): origin.kill()
            case .http(let origin): origin.kill()
            }
        }

        func restore() {
            switch self {
            case .rtsp(let origin): origin.restore()
            case .http(let origin): origin.restore()
            }
        }

        func inject(_ kind: Fault.Kind, _ recovery: Fault.Recovery = .never) {
            switch self {
            case .rtsp(let origin): origin.inject(Fault(kind, recovery: recovery))
            case .http(let origin): origin.inject(Fault(kind, recovery: recovery))
            }
        }

        var speaksRTSP: Bool { if case .rtsp = self { true } else { false } }
    }

    static func play(_ schedule: Schedule, seed: UInt64) async throws -> Play {
        let size = try Fixtures.size(schedule.file)
        return try await inWorld(seed: seed) { world in
            let link = NetworkLink(latency: schedule.latency, jitter: schedule.latency / 4)
            let path = Fixtures.path(schedule.file)
            let pace = try Fixtures.pace(schedule.file)
            let servers = try schedule.places.map { place -> Server in
                switch place {
                case .rtsp: return .rtsp(try world.serveRTSP(["/film": path], link: link))
                case .http:
                    var options = HTTPOrigin.Options()
                    options.pacing = Pacing(bytesPerSecond: pace.rate, burst: pace.burst)
                    return .http(try world.serve(["/film": ServedFile(path: path)], options: options, link: link))
                }
            }
            let urls = servers.map(\.film)
            for outage in schedule.outages {
                let server = servers[outage.origin]
                let next = urls[(outage.origin + 1) % urls.count]
                world.at(outage.from) { begin(outage, at: server, next: next, rate: size / Fixtures.seconds / 5) }
                world.at(outage.to) { server.restore() }
            }
            return try world.play(urls, buffer: .seconds(schedule.buffer)) {
                $0.standby = schedule.standby
                $0.rtspTransport = schedule.transport
                $0.flows = .kinds([.video, .audio])
            } whilePlaying: { viewer in
                guard let pause = schedule.pause, viewer.waits(pause.at) else { return }
                viewer.player.pause()
                viewer.waits(pause.length)
                viewer.player.resume()
            }
        }
    }

    private static func begin(_ outage: Outage, at server: Server, next: String, rate: Int) {
        switch outage.kind {
        case .kill: server.kill()
        case .stall: server.inject(.stall)
        case .silent:
            server.inject(.stall)
            server.inject(.silent)
        case .refuse: server.inject(.refuse)
        case .reset: server.inject(.reset, .once)
        case .close: server.inject(.close, .once)
        case .throttle: server.inject(.throttle(bytesPerSecond: rate))
        case .overloaded: server.inject(.status(503))
        case .lost: server.inject(.status(404))
        case .delay: server.inject(.delay(.milliseconds(150)))
        case _ where !server.speaksRTSP: server.inject(.reset, .once)
        case .bye: server.inject(.rtsp(.bye))
        case .teardown: server.inject(.rtsp(.teardown))
        case .announce: server.inject(.rtsp(.announce(5401)))
        case .redirect: server.inject(.rtsp(.redirect(next)))
        case .sessionLost: server.inject(.rtsp(.sessionLost))
        case .busy: server.inject(.status(453))
        case .closePorts: server.inject(.rtsp(.closePorts))
        }
    }
}
