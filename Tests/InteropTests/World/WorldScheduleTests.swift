internal import Testing
internal import Throughline
internal import ThroughlineCore
internal import ThroughlineLab

/// Random schedules of what goes wrong at two or three origins, in a world: while some origin delivers nobody notices, and
/// every frame is there, whatever the order of things.
///
/// `THROUGHLINE_SCHEDULES=1000` plays so many; `THROUGHLINE_FIRST=501` from that one on; `THROUGHLINE_SEED=7` that one alone;
/// `THROUGHLINE_STANDBY=hot` all of them with a hot standby.
@Suite("In a world, random schedules of faults", .inWorlds) struct WorldScheduleTests {
    static let seeds = WorldSeeds.schedules(100, once: [114, 171, 327, 426, 557, 596, 859])

    /// What goes wrong at one origin, and from when to when.
    struct Outage: Sendable, CustomStringConvertible {
        enum Kind: String, CaseIterable, Sendable {
            case kill, stall, silent, refuse, reset, close, throttle, overloaded, lost, delay
        }

        let origin: Int
        let kind: Kind
        let from: Duration
        let to: Duration
        var description: String { "origin \(origin) \(kind) from \(from.milliseconds) to \(to.milliseconds) ms" }
    }

    struct Schedule: Sendable, CustomStringConvertible {
        let file: String
        let buffer: Int
        let standby: Standby
        let isShared: Bool
        let origins: Int
        let latency: Duration
        let outages: [Outage]
        /// When the viewer pauses, and for how long.
        let pause: (at: Duration, length: Duration)?

        /// - Parameter standby: in place of the one that the seed draws.
        init(seed: UInt64, standby: Standby? = nil) {
            var draws = SeededDraws(seed: seed)
            file = draws.one(
                of: ["main.mp4", "main-faststart.mp4", "main-fragmented.mp4", "main.ts", "main.mkv", "audio.mp3"])
            buffer = draws.number(1...3)
            let drawn = draws.one(of: [Standby.warm, .hot, .cold])
            self.standby = standby ?? drawn
            isShared = draws.isOne(in: 3)
            let count = draws.number(2...3)
            origins = count
            latency = draws.isOne(in: 4) ? draws.milliseconds(1...40) : .zero
            var made: [Outage] = []
            // One after the other, so that there is always somebody who delivers.
            var time = draws.number(500...2500)
            while time < 10_500 {
                let length = draws.number(50...4000)
                made.append(
                    Outage(
                        origin: draws.number(0...count - 1), kind: draws.one(of: Outage.Kind.allCases),
                        from: .milliseconds(time), to: .milliseconds(time + length)))
                time += length + draws.number(1500...4000)
            }
            outages = made
            pause = draws.isOne(in: 5) ? (draws.milliseconds(1000...9000), draws.milliseconds(100...5000)) : nil
        }

        var description: String {
            "\(file), buffer \(buffer) s, \(standby), \(origins) origins\(isShared ? " with shared rates" : ""), latency "
                + "\(latency.milliseconds) ms: " + outages.map(\.description).joined(separator: ", ")
                + (pause.map { "; paused at \($0.at.milliseconds) for \($0.length.milliseconds) ms" } ?? "")
        }
    }

    @Test("while one delivers, nobody notices", .timeLimit(.minutes(25)), arguments: seeds)
    func schedules(_ seed: UInt64) async throws {
        let schedule = Schedule(seed: seed, standby: WorldSeeds.standby)
        let expected = try await References.shared.frames(schedule.file)
        let play = try await Self.play(schedule, seed: seed)
        let problems = play.problems(expected: expected, tolerance: 0)
        if !problems.isEmpty {
            Issue.record(
                """
                \(problems.joined(separator: "; "))
                \(schedule)
                again with: THROUGHLINE_SEED=\(seed) bin/test --filter WorldScheduleTests
                \(play.story)
                """)
        }
    }

    @Test("the same seed gives the same events at the same times", .timeLimit(.minutes(25)), arguments: [3, 11, 20])
    func repeats(_ seed: UInt64) async throws {
        let schedule = Schedule(seed: seed)
        let first = try await Self.play(schedule, seed: seed).story
        for _ in 0..<6 {
            let again = try await Self.play(schedule, seed: seed).story
            #expect(again == first, "\(schedule)")
        }
    }

    /// Each process has hashes of its own.
    @Test("the same seed gives the same in every process", .timeLimit(.minutes(25)))
    func repeatsElsewhere() async throws {
        var stories: [[UInt8]] = []
        for _ in 0..<WorldSeeds.processes {
            let child = await #expect(processExitsWith: .success, observing: [\.standardOutputContent]) {
                for seed in WorldSeeds.told {
                    for standby in [nil, .hot] as [Standby?] {
                        let schedule = Schedule(seed: seed, standby: standby)
                        print(schedule, try await Self.play(schedule, seed: seed).story, separator: "\n")
                    }
                }
            }
            stories.append(child?.standardOutputContent ?? [])
        }
        let first = stories[0].split(separator: 0x0a)
        #expect(first.count > 30)
        for story in stories.dropFirst() {
            let differing = zip(first, story.split(separator: 0x0a)).first { $0 != $1 }.map { one, other in
                "\(String(decoding: one, as: UTF8.self))\n\(String(decoding: other, as: UTF8.self))"
            }
            #expect(story == stories[0], "\(differing ?? "one is longer")")
        }
    }

    static func play(_ schedule: Schedule, seed: UInt64) async throws -> Play {
        let pace = try Fixtures.pace(schedule.file)
        let size = try Fixtures.size(schedule.file)
        return try await Play.inWorld(
            seed: seed, buffer: .seconds(schedule.buffer), configure: { $0.standby = schedule.standby },
            arrange: { world in
                var options = HTTPOrigin.Options()
                options.pacing = Pacing(bytesPerSecond: pace.rate, burst: pace.burst, isShared: schedule.isShared)
                let link = NetworkLink(latency: schedule.latency, jitter: schedule.latency / 4)
                let origins = try (0..<schedule.origins).map { _ in
                    try world.serve(
                        ["/f": ServedFile(path: Fixtures.path(schedule.file))], options: options, link: link)
                }
                for outage in schedule.outages {
                    let origin = origins[outage.origin]
                    world.at(outage.from) { Self.begin(outage, at: origin, rate: size / Fixtures.seconds / 5) }
                    world.at(outage.to) { origin.restore() }
                }
                return origins.map { $0.url(for: "/f") }
            },
            whilePlaying: { viewer in
                guard let pause = schedule.pause, viewer.waits(pause.at) else { return }
                viewer.player.pause()
                viewer.waits(pause.length)
                viewer.player.resume()
            })
    }

    private static func begin(_ outage: Outage, at origin: HTTPOrigin, rate: Int) {
        switch outage.kind {
        case .kill: origin.kill()
        case .stall: origin.inject(Fault(.stall))
        case .silent:
            origin.inject(Fault(.stall))
            origin.inject(Fault(.silent))
        case .refuse: origin.inject(Fault(.refuse))
        case .reset: origin.inject(Fault(.reset, recovery: .once))
        case .close: origin.inject(Fault(.close, recovery: .once))
        case .throttle: origin.inject(Fault(.throttle(bytesPerSecond: rate)))
        case .overloaded: origin.inject(Fault(.status(503)))
        case .lost: origin.inject(Fault(.status(404)))
        case .delay: origin.inject(Fault(.delay(.milliseconds(150))))
        }
    }
}
